"""A name server on loopback, and what points a Python process at it: for addresses with ``mongodb+srv``."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

# The process's name resolution, in the place of /etc/resolv.conf and /etc/hosts; no library is changed.
SITE = """
import socket
import dns.exception, dns.resolver
resolver = dns.resolver.Resolver(configure=False)
resolver.nameservers, resolver.port = ["127.0.0.1"], {port}
dns.resolver.default_resolver = resolver
look_up = socket.getaddrinfo
def find_host(host, *more, **named):
    try:
        found = resolver.resolve(host, "A", lifetime=1)[0].address if str(host).endswith({domain!r}) else host
    except dns.exception.DNSException:
        raise socket.gaierror(socket.EAI_AGAIN, "the name server fails") from None
    return look_up(found, *more, **named)
socket.getaddrinfo = find_host
"""


@dataclass
class Outage:
    """When the server fails: from the ``at``-th question on, or as soon as ``now`` is set; None and unset: never.

    ``silent``: it does not answer at all then, instead of with an error. ``asked``: how many questions there were.
    """

    at: int | None = None
    silent: bool = False
    now: threading.Event = field(default_factory=threading.Event)
    asked: int = 0

    def end(self) -> None:
        """From now on it answers again."""
        self.at = None
        self.now.clear()

    def hits(self) -> bool:
        """Count a question, and say whether it is one that fails."""
        self.asked += 1
        return self.now.is_set() or (self.at is not None and self.asked >= self.at)


@contextmanager
def name_server(
    folder: Path, domain: str, records: dict[tuple[str, str], str], outage: Outage | None = None
) -> Iterator[str]:
    """Answer for these (name, type), and for every host with loopback.

    The value is that of ``PYTHONPATH`` for a process that asks here, also for the hosts of this domain.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(0.1)
        folder.mkdir()
        (folder / "sitecustomize.py").write_text(SITE.format(port=server.getsockname()[1], domain=domain))
        done = threading.Event()
        thread = threading.Thread(target=_serve, args=(server, records, outage or Outage(), done))
        thread.start()
        try:
            yield str(folder)
        finally:
            done.set()
            thread.join()


def _serve(server: socket.socket, records: dict[tuple[str, str], str], outage: Outage, done: threading.Event) -> None:
    while not done.is_set():
        try:
            asked, address = server.recvfrom(4096)
        except TimeoutError:
            continue
        fails = outage.hits()
        if not (fails and outage.silent):
            server.sendto(_answer(asked, records, fails), address)


def _answer(asked: bytes, records: dict[tuple[str, str], str], fails: bool) -> bytes:
    query = dns.message.from_wire(asked)
    answer = dns.message.make_response(query)
    if fails:
        answer.set_rcode(dns.rcode.SERVFAIL)
        return answer.to_wire()
    (question,) = query.question
    kind = dns.rdatatype.to_text(question.rdtype)
    if kind == "A":
        answer.answer.append(dns.rrset.from_text(question.name, 60, "IN", kind, "127.0.0.1"))
    elif text := records.get((question.name.to_text(omit_final_dot=True), kind)):
        answer.answer.append(dns.rrset.from_text(question.name, 60, "IN", kind, text))
    elif not any(name == question.name.to_text(omit_final_dot=True) for name, _ in records):
        answer.set_rcode(dns.rcode.NXDOMAIN)
    return answer.to_wire()

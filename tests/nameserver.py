"""A name server on loopback, and what points a Python process at it: for addresses with ``mongodb+srv``."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

# The process's name resolution, in the place of /etc/resolv.conf and /etc/hosts; no library is changed.
SITE = """
import socket
import dns.resolver
resolver = dns.resolver.Resolver(configure=False)
resolver.nameservers, resolver.port = ["127.0.0.1"], {port}
dns.resolver.default_resolver = resolver
look_up = socket.getaddrinfo
socket.getaddrinfo = lambda host, *more, **named: look_up(
    "127.0.0.1" if str(host).endswith({domain!r}) else host, *more, **named)
"""


@contextmanager
def name_server(folder: Path, domain: str, records: dict[tuple[str, str], str]) -> Iterator[str]:
    """Answer for these (name, type); the value of ``PYTHONPATH`` for a process that asks here, and finds its hosts."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(0.1)
        folder.mkdir()
        (folder / "sitecustomize.py").write_text(SITE.format(port=server.getsockname()[1], domain=domain))
        done = threading.Event()
        thread = threading.Thread(target=_serve, args=(server, records, done))
        thread.start()
        try:
            yield str(folder)
        finally:
            done.set()
            thread.join()


def _serve(server: socket.socket, records: dict[tuple[str, str], str], done: threading.Event) -> None:
    while not done.is_set():
        try:
            asked, address = server.recvfrom(4096)
        except TimeoutError:
            continue
        server.sendto(_answer(asked, records), address)


def _answer(asked: bytes, records: dict[tuple[str, str], str]) -> bytes:
    query = dns.message.from_wire(asked)
    answer = dns.message.make_response(query)
    (question,) = query.question
    kind = dns.rdatatype.to_text(question.rdtype)
    if text := records.get((question.name.to_text(omit_final_dot=True), kind)):
        answer.answer.append(dns.rrset.from_text(question.name, 60, "IN", kind, text))
    elif not any(name == question.name.to_text(omit_final_dot=True) for name, _ in records):
        answer.set_rcode(dns.rcode.NXDOMAIN)
    return answer.to_wire()

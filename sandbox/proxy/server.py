"""The CONNECT proxy on loopback behind which all services stand.

A client that is told `HTTPS_PROXY=http://127.0.0.1:<port>` asks it to CONNECT to a host; the proxy answers for that
host itself, with a certificate of the sandbox's authority. Hosts that no service knows are refused at once: nothing
ever leaves the machine.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Sequence

from sandbox.proxy import faults
from sandbox.proxy.authority import authority
from sandbox.proxy.clock import Clock
from sandbox.proxy.connection import Connection, Garbled
from sandbox.proxy.exchanges import Exchanges
from sandbox.proxy.messages import Connect, LoggedRequest, Request, Response
from sandbox.proxy.service import Service

LOOPBACK = "127.0.0.1"


class Server(Exchanges):
    """Accepts connections, one thread each, and sees which host each of them wants."""

    def __init__(self, services: Sequence[Service], clock: Clock, latency: float = 0.0) -> None:
        super().__init__(services, clock, latency)
        self._open: set[Connection] = set()
        self._lock = threading.Lock()
        self._count = 0
        self._listener = socket.create_server((LOOPBACK, 0), backlog=128)

    @property
    def port(self) -> int:
        """The port on 127.0.0.1."""
        return int(self._listener.getsockname()[1])

    def start(self) -> None:
        """Begin to accept connections."""
        threading.Thread(target=self._accept, name="sandbox", daemon=True).start()

    def close(self) -> None:
        """Stop, and let go of every client that is still waiting."""
        self.closing.set()
        self.faults.clear()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for connection in self._open:
                connection.wake()

    def _accept(self) -> None:
        while not self.closing.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self._count += 1
            threading.Thread(target=self._converse, args=(sock, self._count), daemon=True).start()

    def _converse(self, sock: socket.socket, number: int) -> None:
        connection = Connection(sock, number)
        with self._lock:
            self._open.add(connection)
        try:
            self._serve(connection)
        except (OSError, ValueError, Garbled):
            pass  # the client went away, or speaks no HTTP
        finally:
            with self._lock:
                self._open.discard(connection)
            with contextlib.suppress(OSError):
                connection.close()

    def _serve(self, connection: Connection) -> None:
        request = connection.read()
        if request is None:
            return
        if request.method == "CONNECT":
            self._tunnel(connection, request.target.rsplit(":", 1)[0].lower())
            return
        service = self._service(LOOPBACK) if request.target.startswith("/") else None
        if service is None:
            self.send(connection, Response(502))
            return
        self._keep_alive(connection, service, LOOPBACK, request)

    def _service(self, host: str) -> Service | None:
        return next((service for service in self.services if service.serves(host)), None)

    def _tunnel(self, connection: Connection, host: str) -> None:
        service = self._service(host)
        self.delay()
        accepted = service is not None and self._admit(connection, service, host)
        self.connects.append(Connect(host, connection.number, self.clock.now(), accepted))
        if service is None:
            self.send(connection, Response(502))
        if service is None or not accepted:
            return
        connection.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
        self.delay()
        connection.start_tls(authority().context(host))
        self._keep_alive(connection, service, host)

    def _admit(self, connection: Connection, service: Service, host: str) -> bool:
        asked = LoggedRequest(service.name, "connect", "CONNECT", host, "", connection.number, self.clock.now())
        fault = self.faults.pick(asked)
        if fault is None:
            return True
        if isinstance(fault.kind, faults.Refuse):
            self.send(connection, Response(fault.kind.code))
            return False
        return self.before(connection, service, Request("CONNECT", host, "/", {}), asked, fault)

    def _keep_alive(self, connection: Connection, service: Service, host: str, request: Request | None = None) -> None:
        connection.clock = getattr(service, "clock", None)
        if request is not None:
            request = Request(request.method, host, request.target, request.headers, request.body)
        while request := request or connection.read(host):
            if not self.exchange(connection, service, request):
                return
            if request.headers.get("connection", "").lower() == "close":
                return
            request = None

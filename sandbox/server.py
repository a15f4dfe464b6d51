"""The CONNECT proxy on loopback behind which all services stand, and the place where faults happen.

A client that is told `HTTPS_PROXY=http://127.0.0.1:<port>` asks it to CONNECT to a host; the proxy answers for that
host itself, with a certificate of the sandbox's authority. Hosts that no service knows are refused at once: nothing
ever leaves the machine.
"""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from sandbox import faults
from sandbox.authority import authority
from sandbox.clock import Clock
from sandbox.connection import Connection, Garbled
from sandbox.messages import Connect, LoggedRequest, Request, Response
from sandbox.service import STATE, Service

LOOPBACK = "127.0.0.1"
VICTIM_PATIENCE = 10.0
GARBAGE = b"<html>\x00\xff{"


class Process(Protocol):
    """What the sandbox needs of the process that a fault kills: subprocess.Popen has it."""

    def kill(self) -> None:
        """Send SIGKILL."""

    def wait(self, timeout: float | None = None) -> Any:
        """Return when it is gone."""


Victim = Process | Callable[[], None]


class Server:
    """Accepts connections, one thread each; logs, delays, spoils and answers what comes over them."""

    def __init__(self, services: Sequence[Service], clock: Clock, latency: float = 0.0) -> None:
        self.services = services
        self.clock = clock
        self.latency = latency
        self.faults = faults.FaultBook()
        self.victim: Victim | None = None
        self.requests: list[LoggedRequest] = []
        self.connects: list[Connect] = []
        self.errors: list[str] = []
        self._open: set[Connection] = set()
        self._lock = threading.Lock()
        self._closing = threading.Event()
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
        self._closing.set()
        self.faults.clear()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for connection in self._open:
                connection.wake()

    def _accept(self) -> None:
        while not self._closing.is_set():
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
            self._send(connection, Response(502))
            return
        self._keep_alive(connection, service, LOOPBACK, request)

    def _service(self, host: str) -> Service | None:
        return next((service for service in self.services if service.serves(host)), None)

    def _tunnel(self, connection: Connection, host: str) -> None:
        service = self._service(host)
        self._delay()
        accepted = service is not None and self._admit(connection, service, host)
        self.connects.append(Connect(host, connection.number, self.clock.now(), accepted))
        if service is None:
            self._send(connection, Response(502))
        if service is None or not accepted:
            return
        connection.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
        self._delay()
        connection.start_tls(authority().context(host))
        self._keep_alive(connection, service, host)

    def _admit(self, connection: Connection, service: Service, host: str) -> bool:
        asked = LoggedRequest(service.name, "connect", "CONNECT", host, "", connection.number, self.clock.now())
        fault = self.faults.pick(asked)
        if fault is None:
            return True
        if isinstance(fault.kind, faults.Refuse):
            self._send(connection, Response(fault.kind.code))
            return False
        return self._before(connection, service, Request("CONNECT", host, "/", {}), asked, fault)

    def _keep_alive(
        self, connection: Connection, service: Service, host: str, request: Request | None = None
    ) -> None:
        if request is not None:
            request = Request(request.method, host, request.target, request.headers, request.body)
        while request := request or connection.read(host):
            if not self._exchange(connection, service, request):
                return
            if request.headers.get("connection", "").lower() == "close":
                return
            request = None

    def _exchange(self, connection: Connection, service: Service, request: Request) -> bool:
        """Log, spoil and answer one request; whether the connection can carry another."""
        logged = LoggedRequest(
            service.name, service.operation(request), request.method, request.host, request.path,
            connection.number, self.clock.now(),
        )  # fmt: skip
        service.describe(request, logged)
        self.requests.append(logged)
        fault = self.faults.pick(logged)
        self._delay()
        if fault and not self._before(connection, service, request, logged, fault):
            return isinstance(fault.kind, faults.Status)
        response = self._perform(service, request, logged)
        if fault:
            return self._after(connection, service, request, response, logged, fault)
        self._answer(connection, response, logged)
        return True

    def _perform(self, service: Service, request: Request, logged: LoggedRequest) -> Response:
        with STATE:
            logged.performed = True
            try:
                return service.handle(request)
            except Exception:
                # A fault of the sandbox itself: say so loudly, for a test would blame its client.
                self.errors.append(traceback.format_exc())
                print(self.errors[-1], file=sys.stderr)
                return service.failure(request, 500)

    def _before(
        self, connection: Connection, service: Service, request: Request, logged: LoggedRequest, fault: faults.Fault
    ) -> bool:
        """Do what a before-kind does; whether the request goes on to be performed."""
        match fault.kind:
            case faults.Status() as kind:
                self._answer(connection, _error(service, request, kind), logged)
            case faults.ResetBefore():
                connection.reset()
            case faults.Hang():
                connection.wait_until_gone()
            case faults.KillBefore():
                self._kill()
            case faults.Pause():
                fault.release.wait()
                return not self._closing.is_set()
            case _:
                return True
        return False

    def _after(
        self, connection: Connection, service: Service, request: Request, response: Response,
        logged: LoggedRequest, fault: faults.Fault,
    ) -> bool:  # fmt: skip
        """Do what an after-kind does to an answer; whether the connection can carry another request."""
        match fault.kind:
            case faults.ErrorAfter() as kind:
                self._answer(connection, _error(service, request, kind), logged)
            case faults.Malformed():
                self._answer(connection, Response(200, GARBAGE + response.body, response.headers), logged)
            case faults.Empty():
                self._answer(connection, Response(200, b"", response.headers), logged)
            case faults.Slow(seconds):
                logged.status = response.status
                head = response.head(self.clock.http_date())
                connection.send(head if response.body else b"")
                connection.drip(response.body or head, seconds)
            case faults.Truncated():
                self._cut_short(connection, response, logged)
                return False
            case faults.ResetAfter():
                connection.reset()
                return False
            case faults.HangAfter():
                connection.wait_until_gone()
                return False
            case faults.KillAfter():
                self._kill()
                return False
            case faults.PauseAfter():
                fault.release.wait()
                self._answer(connection, response, logged)
            case _:
                self._answer(connection, response, logged)
        return True

    def _cut_short(self, connection: Connection, response: Response, logged: LoggedRequest) -> None:
        whole = Response(200, response.body or b"{}", response.headers)
        logged.status = whole.status
        head = whole.head(self.clock.http_date(), length=len(whole.body) + 64, close=True)
        connection.send(head + whole.body[: max(1, len(whole.body) // 2)])

    def _answer(self, connection: Connection, response: Response, logged: LoggedRequest) -> None:
        logged.status = response.status
        self._send(connection, response)

    def _send(self, connection: Connection, response: Response) -> None:
        connection.send(response.head(self.clock.http_date()) + response.body)

    def _delay(self) -> None:
        if self.latency:
            time.sleep(self.latency)

    def _kill(self) -> None:
        """Kill the victim and wait until it is gone, so that no request of it slips through afterwards."""
        patience = time.monotonic() + VICTIM_PATIENCE
        while self.victim is None and time.monotonic() < patience:
            time.sleep(0.005)  # whoever starts the process may not have told us yet
        if self.victim is None:
            self.errors.append("a kill was due, but sandbox.victim was not set")
        elif callable(self.victim):
            self.victim()
        else:
            self.victim.kill()
            self.victim.wait(VICTIM_PATIENCE)


def _error(service: Service, request: Request, kind: faults.Status | faults.ErrorAfter) -> Response:
    response = service.failure(request, kind.code)
    if kind.body is not None:
        response = Response(kind.code, kind.body)
    response.headers.update(kind.headers)
    return response

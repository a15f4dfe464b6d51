"""One request's way through the sandbox: logged, delayed, spoilt or performed, and answered."""

from __future__ import annotations

import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Protocol

from sandbox.proxy import faults
from sandbox.proxy.clock import Clock
from sandbox.proxy.connection import Connection
from sandbox.proxy.messages import Connect, LoggedRequest, Request, Response
from sandbox.proxy.service import STATE, Service

VICTIM_PATIENCE = 10.0
GARBAGE = b"<html>\x00\xff{"


class Process(Protocol):
    """What the sandbox needs of the process that a fault kills: subprocess.Popen has it."""

    def poll(self) -> int | None:
        """None as long as it lives."""

    def kill(self) -> None:
        """Send SIGKILL."""

    def wait(self, timeout: float | None = None) -> Any:
        """Return when it is gone."""


Victim = Process | Callable[[], None]


class Exchanges:
    """What the server does with each request, and what it remembers of it."""

    def __init__(self, services: Sequence[Service], clock: Clock, latency: float = 0.0) -> None:
        self.services = services
        self.clock = clock
        self.latency = latency
        self.faults = faults.FaultBook()
        self.victim: Victim | None = None
        self.requests: list[LoggedRequest] = []
        self.connects: list[Connect] = []
        self.errors: list[str] = []
        self.closing = threading.Event()

    def exchange(self, connection: Connection, service: Service, request: Request) -> bool:
        """Log, spoil and answer one request; whether the connection can carry another."""
        request = replace(request, connection=connection.number)
        logged = LoggedRequest(
            service.name, service.operation(request), request.method, request.host, request.path,
            connection.number, self.clock.now(),
        )  # fmt: skip
        service.describe(request, logged)
        self.requests.append(logged)
        fault = self.faults.pick(logged)
        self.delay()
        if fault and not self.before(connection, service, request, logged, fault):
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
                return _without_body(service.handle(request)) if request.method == "HEAD" else service.handle(request)
            except Exception:
                # A fault of the sandbox itself: say so loudly, for a test would blame its client.
                self.errors.append(traceback.format_exc())
                print(self.errors[-1], file=sys.stderr)
                return service.failure(request, 500)

    def before(
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
                return not self.closing.is_set()
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
                head = response.head(self._date(connection))
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
        head = whole.head(self._date(connection), length=len(whole.body) + 64, close=True)
        connection.send(head + whole.body[: max(1, len(whole.body) // 2)])

    def _answer(self, connection: Connection, response: Response, logged: LoggedRequest) -> None:
        logged.status = response.status
        self.send(connection, response)

    def send(self, connection: Connection, response: Response) -> None:
        """Write an answer, dated by the clock of the service."""
        connection.send(response.head(self._date(connection)) + response.body)

    def _date(self, connection: Connection) -> str:
        return (connection.clock or self.clock).http_date()

    def delay(self) -> None:
        """Let one round trip's time pass."""
        if self.latency:
            time.sleep(self.latency)

    def _kill(self) -> None:
        """Kill the victim and wait until it is gone, so that no request of it slips through afterwards."""
        patience = time.monotonic() + VICTIM_PATIENCE
        while not _alive(self.victim) and time.monotonic() < patience:
            time.sleep(0.005)  # whoever starts the process may not have told us yet
        if self.victim is None or not _alive(self.victim):
            self.errors.append("a kill was due, but sandbox.victim is no living process")
        elif callable(self.victim):
            self.victim()
        else:
            self.victim.kill()
            self.victim.wait(VICTIM_PATIENCE)


def _alive(victim: Victim | None) -> bool:
    return victim is not None and (callable(victim) or victim.poll() is None)


def _without_body(response: Response) -> Response:
    """The answer to HEAD."""
    return Response(response.status, b"", response.headers)


def _error(service: Service, request: Request, kind: faults.Status | faults.ErrorAfter) -> Response:
    response = service.failure(request, kind.code)
    if kind.body is not None:
        response = Response(kind.code, kind.body)
    if request.method == "HEAD":
        response = _without_body(response)
    response.headers.update(kind.headers)
    return response

"""The one shape of every service: the hosts it answers for, and one method per operation, its own or a part's."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from sandbox.proxy.clock import Clock
from sandbox.proxy.messages import LoggedRequest, Request, Response

STATE = threading.RLock()
"""Held while a request is performed, and by whoever else changes what the services hold; never while waiting."""

Handler = Callable[[Any, Request, re.Match[str]], Response]
H = TypeVar("H", bound=Handler)


@dataclass(frozen=True)
class Route:
    """Which requests go to one method, and the operation name that the log and the faults know it by."""

    method: str
    path: re.Pattern[str]
    operation: str
    handler: Handler


def route(method: str, path: str, operation: str) -> Callable[[H], H]:
    """Mark a method of a Service as the one that answers ``method`` on the paths that match ``path`` as a whole."""

    def mark(handler: H) -> H:
        entry = Route(method, re.compile(path, re.IGNORECASE), operation, handler)
        vars(handler).setdefault("routes", []).append(entry)
        return handler

    return mark


@dataclass(frozen=True)
class Found:
    """The operation that a request asks for, and what performs it."""

    operation: str
    handler: Callable[[Request, re.Match[str]], Response]
    match: re.Match[str]


class Part:
    """Some of a service's operations: each is a method that ``route`` marks."""

    _routes: tuple[Route, ...] = ()

    def __init_subclass__(cls) -> None:
        members = [member for base in reversed(cls.__mro__) for member in vars(base).values()]
        cls._routes = tuple(entry for member in members for entry in getattr(member, "routes", ()))

    def look_up(self, method: str, path: str) -> Found | None:
        """The operation of this part that answers ``method`` on ``path``."""
        for entry in self._routes:
            if entry.method == method and (match := entry.path.fullmatch(path)):
                return Found(entry.operation, partial(entry.handler, self), match)
        return None


class Service(Part):
    """Something that answers HTTPS requests for some hosts. To add one: a subclass in a file of its own."""

    name: str = ""
    hosts: tuple[str, ...] = ()
    """Host names in full; one that begins with a dot stands for every host that ends with it."""

    clock: Clock
    """By which its answers are dated; a service that has none goes by the server's."""

    parts: Sequence[Part] = ()
    """Further operations. The service's own come first, then those of each part; the first that fits is performed."""

    def serves(self, host: str) -> bool:
        """Whether this service answers for the host."""
        return any(host == own or (own.startswith(".") and host.endswith(own)) for own in self.hosts)

    def operation(self, request: Request) -> str:
        """The operation's name; ``unknown`` where no route fits."""
        found = self._find(request)
        return found.operation if found else "unknown"

    def handle(self, request: Request) -> Response:
        """Perform the request and answer it."""
        found = self._find(request)
        return found.handler(request, found.match) if found else self.failure(request, 404)

    def describe(self, request: Request, logged: LoggedRequest) -> None:
        """Add to the log what only this service can tell of a request."""

    def failure(self, request: Request, status: int) -> Response:
        """An answer of this service that says that something went wrong, in the service's own form."""
        return Response.of(status, {"error": {"code": f"Status{status}", "message": "The sandbox refused this."}})

    def _find(self, request: Request) -> Found | None:
        path = self._place(request)
        found = (part.look_up(request.method, path) for part in (self, *self.parts))
        return next((entry for entry in found if entry), None)

    def _place(self, request: Request) -> str:
        """What is compared with the paths of the routes."""
        return request.path

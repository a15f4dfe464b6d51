"""What can go wrong with a request, and which request it goes wrong with.

A Fault names a request (service, operation, the how-manieth from now) and a Kind. Before-kinds keep the request
from being performed; after-kinds perform it and then spoil the answer:

    before                      after
    Status      an error        ErrorAfter   an error, yet it took effect
    ResetBefore TCP reset       ResetAfter   TCP reset
    Hang        no answer       HangAfter    no answer
    KillBefore  SIGKILL         KillAfter    SIGKILL
    Pause       held            PauseAfter   held
    Refuse      (at CONNECT)    Truncated, Malformed, Empty, Slow
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sandbox.proxy.messages import LoggedRequest


@dataclass(frozen=True)
class Kind:
    """The base of all kinds."""

    @property
    def name(self) -> str:
        """The kind's name, as the log shows it."""
        return type(self).__name__


@dataclass(frozen=True)
class Status(Kind):
    """Answer ``code`` without performing the request. Without a body, the service's own form of error is used."""

    code: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None


@dataclass(frozen=True)
class ErrorAfter(Kind):
    """Perform the request, then answer ``code`` all the same."""

    code: int = 500
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None


@dataclass(frozen=True)
class ResetBefore(Kind):
    """Reset the connection without performing the request."""


@dataclass(frozen=True)
class ResetAfter(Kind):
    """Perform the request, then reset the connection instead of answering."""


@dataclass(frozen=True)
class Hang(Kind):
    """Neither perform nor answer, until the client goes or the sandbox closes."""


@dataclass(frozen=True)
class HangAfter(Kind):
    """Perform, and never answer."""


@dataclass(frozen=True)
class Truncated(Kind):
    """Perform, promise a longer body than is sent, and close."""


@dataclass(frozen=True)
class Malformed(Kind):
    """Perform, and answer 200 with a body that nothing can parse."""


@dataclass(frozen=True)
class Empty(Kind):
    """Perform, and answer 200 without a body."""


@dataclass(frozen=True)
class Slow(Kind):
    """Perform, and let the answer's body drip over so many seconds."""

    seconds: float = 1.0


@dataclass(frozen=True)
class KillBefore(Kind):
    """SIGKILL the victim without performing the request."""


@dataclass(frozen=True)
class KillAfter(Kind):
    """Perform the request, then SIGKILL the victim, which never sees the answer."""


@dataclass(frozen=True)
class Refuse(Kind):
    """Refuse the CONNECT (operation ``connect``) with this status: the request is never sent."""

    code: int = 502


@dataclass(frozen=True)
class Pause(Kind):
    """Hold the request before it is performed, until the fault's ``release`` is set."""


@dataclass(frozen=True)
class PauseAfter(Kind):
    """Perform the request and hold the answer, until the fault's ``release`` is set."""


def throttled(status: int = 403, retry_after: int | None = None) -> Status:
    """Keeper's throttling. The SDK retries it as 403, not as 429; ``retry_after`` goes into the body."""
    content: dict[str, object] = {"error": "throttled", "message": "too many requests", "path": ""}
    if retry_after is not None:
        content["retry_after"] = retry_after
    return Status(status, {"Content-Type": "application/json"}, json.dumps(content).encode())


def rotated_key(key_id: str) -> Status:
    """Keeper's answer to a client that encrypted for a retired server key."""
    body = json.dumps({"error": "key", "key_id": key_id, "message": "invalid key id"}).encode()
    return Status(401, {"Content-Type": "application/json"}, body)


@dataclass
class Fault:
    """Spoil the ``nth`` matching request from now, and the ones after it as far as ``times`` (None: for good) goes.

    Two faults never share a request: where both are due, the one added later takes the next one.
    ``service`` or ``operation`` None matches any; CONNECT itself is the operation ``connect``, and only a fault that
    names it applies to it. ``when`` narrows it further. ``reached`` is set when it fires.
    """

    service: str | None
    operation: str | None
    kind: Kind
    nth: int = 1
    times: int | None = 1
    when: Callable[[LoggedRequest], bool] | None = None
    reached: threading.Event = field(default_factory=threading.Event, repr=False)
    release: threading.Event = field(default_factory=threading.Event, repr=False)
    seen: int = 0
    spoilt: int = 0

    @property
    def fired(self) -> bool:
        """Whether it has happened at least once."""
        return self.reached.is_set()

    def _matches(self, request: LoggedRequest) -> bool:
        if self.service not in (None, request.service):
            return False
        if self.operation != request.operation and (self.operation is not None or request.operation == "connect"):
            return False
        return self.when is None or self.when(request)

    def count(self, request: LoggedRequest) -> bool:
        """Count the request if it matches, and say whether it is one to be spoilt."""
        if not self._matches(request):
            return False
        self.seen += 1
        return self.seen >= self.nth and (self.times is None or self.spoilt < self.times)

    def fire(self) -> None:
        """Note that it happens."""
        self.spoilt += 1
        self.reached.set()


class FaultBook:
    """The faults that are in force."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> Fault:
        """Put a fault in force; its counting begins now."""
        with self._lock:
            self._faults.append(fault)
        return fault

    def clear(self) -> None:
        """Lift all faults, and let go whatever they hold."""
        with self._lock:
            faults, self._faults = self._faults, []
        for fault in faults:
            fault.release.set()

    def pick(self, request: LoggedRequest) -> Fault | None:
        """Every fault counts the request; the first one that is to spoil it does, the others wait for the next."""
        with self._lock:
            due = [fault for fault in self._faults if fault.count(request)]
            if not due:
                return None
            request.fault = due[0].kind.name
            due[0].fire()
        return due[0]

"""The sandbox's clocks: real time plus an offset that a test may move, and each service's own, which follows it."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from email.utils import formatdate


class Clock:
    """Tells every service the time, so that expiry and propagation can be tried without waiting.

    ``follows``: the clock that this one is right by, until it is moved itself.
    """

    def __init__(self, follows: Clock | None = None) -> None:
        self._follows = follows
        self._offset = 0.0
        self._lock = threading.Lock()

    def now(self) -> float:
        """Seconds since the epoch, as the sandbox sees it."""
        return (self._follows.now() if self._follows else time.time()) + self._offset

    def advance(self, seconds: float) -> None:
        """Move the sandbox's time forward (or back, when negative)."""
        with self._lock:
            self._offset += seconds

    def http_date(self) -> str:
        """The time in the form of a ``Date`` header."""
        return formatdate(self.now(), usegmt=True)


def iso(at: float) -> str:
    """Seconds since the epoch as Microsoft Graph writes a moment: UTC, whole seconds, ``Z``."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def from_iso(text: str) -> float:
    """Read a moment with or without fractions; one without a zone is taken as UTC.

    Raises ValueError if the text is no moment.
    """
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()

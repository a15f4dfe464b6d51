"""What a listener remembers of the events that it has seen; all of it is lost with the process."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from time import monotonic

from gateway.listener.events import Event

HOUR, _DAY = 3600.0, 86400.0
_MOST_REMEMBERED = 10_000


@dataclass
class SeenVersion:
    """What is known of one version of a secret. It only saves work: another listener finds out by itself.

    ``is_gone``: the vault holds a newer one, which is for good. ``since``: the record's `last_rotated` at the first
    try, ``made``: whether a try has made a new secret. ``set_aside``: the outcome of further events about it, and since
    when on this host's monotonic clock.
    """

    tries: int = 0
    since: str | None = None
    made: bool = False
    is_gone: bool = False
    set_aside: tuple[str, float] | None = None


class Memory:
    """The versions that events have named, the latest ones; and what was logged in the last hour."""

    def __init__(self) -> None:
        self._seen: OrderedDict[tuple[str, str], SeenVersion] = OrderedDict()
        self._said: OrderedDict[str, float] = OrderedDict()
        self._rotated: OrderedDict[str, float] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, event: Event) -> SeenVersion:
        """What is known of the event's version."""
        with self._lock:
            seen = self._seen.setdefault((event.object, event.version), SeenVersion())
            self._seen.move_to_end((event.object, event.version))
            if len(self._seen) > _MOST_REMEMBERED:
                self._seen.popitem(last=False)
        return seen

    def rotated(self, uid: str) -> None:
        """An event has had this record rotated."""
        with self._lock:
            self._rotated[uid] = monotonic()
            if len(self._rotated) > _MOST_REMEMBERED:
                self._rotated.popitem(last=False)

    def was_rotated(self, uid: str) -> bool:
        """Whether that was so in the last day."""
        with self._lock:
            return monotonic() - self._rotated.get(uid, -_DAY) < _DAY

    def is_news(self, what: str) -> bool:
        """Whether this was not said in the last hour; from now on it was."""
        now = monotonic()
        with self._lock:
            if now - self._said.get(what, -HOUR) < HOUR:
                return False
            self._said[what] = now
            if len(self._said) > _MOST_REMEMBERED:
                self._said.popitem(last=False)
        return True

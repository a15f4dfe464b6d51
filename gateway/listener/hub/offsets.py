"""The order of a partition's messages, though their events are dealt with in any order."""

from __future__ import annotations

import threading
from collections import deque


class Partition:
    """One partition while this listener owns it. ``lost``: it is somebody else's now, and nothing more is begun."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.lost = False
        self.stored: int | None = None
        """The offset that the consumer was last given to commit."""
        self.begin = self.end = -1
        """From where and how far it goes, as the broker was last asked."""
        self._open: deque[Message] = deque()
        self._next: int | None = None
        self._lock = threading.Lock()

    def take(self, offset: int, events: int) -> Message:
        """A message with so many events to deal with; none is dealt with at once."""
        with self._lock:
            message = Message(self, offset, events)
            self._open.append(message)
            self._advance()
        return message

    def next(self) -> int | None:
        """The offset to go on from: all before it are dealt with. None before the first message is."""
        with self._lock:
            return self._next

    def waiting(self) -> int:
        """How many messages are not dealt with, or not the first one is."""
        with self._lock:
            return len(self._open)

    def finish_one(self, message: Message) -> None:
        """One event of the message is dealt with."""
        with self._lock:
            message.events -= 1
            self._advance()

    def _advance(self) -> None:
        while self._open and self._open[0].events <= 0:
            self._next = self._open.popleft().offset + 1


class Message:
    """One message; ``events`` counts those that are not dealt with."""

    def __init__(self, partition: Partition, offset: int, events: int) -> None:
        self.partition = partition
        self.offset = offset
        self.events = events

"""What is to be done, by a few workers: now or later, and never two things at once for one record."""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

from gateway.listener.events import Event
from gateway.listener.hub.offsets import Message, Partition

log = logging.getLogger("gateway")


@dataclass(eq=False)
class Job:
    """One event of one message."""

    event: Event
    message: Message

    def finish(self) -> None:
        """The event is dealt with, and need not be read again."""
        self.message.partition.finish_one(self.message)


class Work:
    """The queue and its workers.

    Args:
        handle: deals with a job; it finishes the job, or puts it back for later, or leaves it to `claim`.
        workers: how many threads.
    """

    def __init__(self, handle: Callable[[Job], None], workers: int) -> None:
        self._handle = handle
        self._jobs: list[tuple[float, int, Job]] = []
        self._order = itertools.count()
        self._running: list[Job] = []
        self._busy: set[str] = set()
        self._parked: dict[str, list[Job]] = defaultdict(list)
        self._stopped = False
        self._changed = threading.Condition()
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(workers)]

    def start(self) -> None:
        """Begin to work."""
        for thread in self._threads:
            thread.start()

    def put(self, job: Job, seconds: float = 0.0) -> None:
        """Let it be done, not before so many seconds from now."""
        with self._changed:
            heapq.heappush(self._jobs, (monotonic() + seconds, next(self._order), job))
            self._changed.notify()

    def claim(self, uid: str, job: Job) -> bool:
        """Whether the record is free, and ours until `release`. If not, the job is done once it is free."""
        with self._changed:
            if uid in self._busy:
                self._parked[uid].append(job)
                return False
            self._busy.add(uid)
            return True

    def release(self, uid: str) -> None:
        """The record is free: whoever waited for it has his turn."""
        with self._changed:
            self._busy.discard(uid)
            parked = self._parked.pop(uid, [])
        for job in parked:
            self.put(job)

    def stop(self) -> None:
        """Begin nothing more. What is under way goes on."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def running(self, partition: Partition | None = None) -> int:
        """How many jobs are under way, of one partition or of all."""
        with self._changed:
            return sum(partition in (None, job.message.partition) for job in self._running)

    def _work(self) -> None:
        while job := self._next():
            try:
                self._handle(job)
            except Exception as error:  # a worker that dies silently would stop a share of the work for good
                log.error("event of %s: unforeseen %s; trying again", job.event.object, type(error).__name__)
                self.put(job, 60.0)
            with self._changed:
                self._running.remove(job)

    def _next(self) -> Job | None:
        with self._changed:
            while not self._stopped:
                while self._jobs and self._jobs[0][2].message.partition.lost:
                    heapq.heappop(self._jobs)  # its new owner reads it again
                wait = self._jobs[0][0] - monotonic() if self._jobs else None
                if wait is not None and wait <= 0:
                    job = heapq.heappop(self._jobs)[2]
                    self._running.append(job)
                    return job
                self._changed.wait(wait)
            return None

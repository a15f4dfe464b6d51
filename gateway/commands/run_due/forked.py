"""Runs side by side, each forked from this process: what is imported once is not imported again.

A child shares nothing with the others but the memory that it began with: it has its own session, signals, lock,
deadline, output and exit code, and can hang or be killed.
"""

from __future__ import annotations

import contextlib
import gc
import os
import selectors
import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from time import monotonic

from gateway.commands.run_due.child import NUMBERS, become_a_process
from gateway.commands.run_due.job import Job
from gateway.commands.run_due.one_run import Ended, ended, not_begun, warm_up, work
from gateway.commands.shared.interrupt import handle_signals
from gateway.host.settings import Settings

_MOST_BYTES = 1_000_000
_LOOK_SECONDS, _SOON_SECONDS = 0.5, 0.005


class _Child:
    def __init__(self, job: Job, pid: int, pipes: tuple[int, int]) -> None:
        self.job, self.pid, self.pipes = job, pid, pipes
        self.began = monotonic()
        self.output = dict.fromkeys(pipes, b"")
        self.is_silent = False
        """whether it has closed its output, and is about to end"""

    def read(self, pipe: int) -> bool:
        """Take what there is; whether there may be more."""
        data = os.read(pipe, 65536)
        self.output[pipe] = (self.output[pipe] + data)[:_MOST_BYTES]
        return bool(data)

    def send(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def poll(self) -> int | None:
        """Its exit code, or the signal that ended it as a negative number; None while it runs."""
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        return os.waitstatus_to_exitcode(status) if pid else None


class Forks:
    """Runs jobs, so many at once.

    Args:
        longest: seconds after which a run is killed.
        state: told how many are running and waiting, now and then.
    """

    def __init__(self, settings: Settings, at_once: int, longest: float, state: Callable[[int, int], None]) -> None:
        self._settings = settings
        self._at_once = at_once
        self._longest = longest
        self._state = state
        self._selector = selectors.DefaultSelector()
        self._running: dict[int, _Child] = {}
        self._told: list[int] = []
        self.not_begun: list[Job] = []
        """what was left because this was told to stop"""

    def run(self, jobs: Sequence[Job]) -> Iterator[Ended]:
        """Begin them in their order, and tell of each when it ends. One that goes last waits for those before it.

        SIGTERM and Ctrl-C end those that run, as one does with a script, and no other is begun.
        """
        waiting = deque(jobs)
        handle_signals(self._tell)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # where our parent ignores it, no exit code can be read
        warm_up(job.facts.name for job in jobs)
        gc.freeze()  # what is never looked at again is not copied into each child
        while self._running or (waiting and not self._told):
            while waiting and self._has_room(waiting[0]):
                try:
                    self._begin(waiting[0])
                except OSError as error:
                    if self._running:
                        break  # there is room again when one of them has ended
                    yield not_begun(waiting[0], error)
                waiting.popleft()
            self._state(len(self._running), len(waiting))
            self._read()
            yield from self._reap()
        self.not_begun = list(waiting)

    def _read(self) -> None:
        is_ending = any(child.is_silent for child in self._running.values())
        for key, _ in self._selector.select(_SOON_SECONDS if is_ending else _LOOK_SECONDS):
            if not key.data.read(key.fd):
                key.data.is_silent = True
                self._selector.unregister(key.fd)

    def _has_room(self, job: Job) -> bool:
        if self._told:
            return False
        return not self._running if job.goes_last else len(self._running) < self._at_once

    def _tell(self, number: int) -> None:
        self._told.append(number)
        for child in list(self._running.values()):
            child.send(signal.SIGTERM if len(self._told) == 1 else signal.SIGINT)

    def _begin(self, job: Job) -> None:
        out, err = _pipes()
        # A signal between the two lines would be answered by our handler in the child, or miss it.
        signal.pthread_sigmask(signal.SIG_BLOCK, NUMBERS)
        try:
            if not (pid := os.fork()):
                _be_a_child(job, self._settings, out[1], err[1])
            os.close(out[1])
            os.close(err[1])
            child = self._running[pid] = _Child(job, pid, (out[0], err[0]))
        except OSError:
            for pipe in (*out, *err):
                os.close(pipe)
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, NUMBERS)
        for pipe in child.pipes:
            self._selector.register(pipe, selectors.EVENT_READ, child)

    def _reap(self) -> Iterator[Ended]:
        for pid, child in list(self._running.items()):
            if (code := child.poll()) is None:
                if monotonic() - child.began > self._longest:
                    child.send(signal.SIGKILL)
                continue
            del self._running[pid]
            for pipe in child.pipes:
                self._drain(child, pipe)
            yield ended(child.job, code, *child.output.values(), told=bool(self._told))

    def _drain(self, child: _Child, pipe: int) -> None:
        os.set_blocking(pipe, False)
        with contextlib.suppress(BlockingIOError):  # something that it started has the pipe, and lives on
            while child.read(pipe):
                pass
        with contextlib.suppress(KeyError):
            self._selector.unregister(pipe)
        os.close(pipe)


def _pipes() -> tuple[tuple[int, int], tuple[int, int]]:
    """For what a child says on stdout and stderr. Raises OSError: there are too many open files."""
    out = os.pipe()
    try:
        return out, os.pipe()
    except OSError:
        for pipe in out:
            os.close(pipe)
        raise


def _be_a_child(job: Job, settings: Settings, out: int, err: int) -> None:
    """Never returns."""
    code = 3
    try:
        become_a_process([os.open(os.devnull, os.O_RDONLY), out, err])
        code = work(job, settings)
    finally:
        os._exit(code)

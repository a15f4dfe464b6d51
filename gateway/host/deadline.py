"""How long a run may take, and when it has been told to stop."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from gateway.errors import CallError, Failed, Refused


def _seconds() -> float:
    # CLOCK_BOOTTIME goes on while the machine sleeps, so a suspended run knows that its time is over.
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows has no SIGHUP


def ignore_signals() -> None:
    """From now on: the outcome is known, and no signal changes the exit code, the interpreter's end included."""
    for name in SIGNALS:
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)


class Deadline:
    """The end of a run. The last tenth is kept back, so that taking a new secret back always fits.

    Args:
        seconds: how long the run may take from now.
        retry_base: first pause before a call is repeated, in seconds.
    """

    TRIES = 5

    def __init__(self, seconds: float, retry_base: float) -> None:
        self._end = _seconds() + seconds
        self._reserve = seconds / 10
        self.retry_base = retry_base
        self._told_to_stop = ""
        self._taking_back = False

    def stop_on_signals(self) -> None:
        """From now on SIGTERM, or a terminal that is gone, ends the run at its next step, not the request under way."""
        for name in ("SIGTERM", "SIGHUP"):  # Windows has no SIGHUP
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), self.stop)

    def stop(self, number: int, _frame: FrameType | None = None) -> None:
        """Begin no further step, because of this signal."""
        self._told_to_stop = signal.Signals(number).name

    @property
    def is_stopped(self) -> bool:
        """Whether a signal has told it to stop."""
        return bool(self._told_to_stop)

    @contextmanager
    def standing_still(self) -> Iterator[None]:
        """While a person is asked: that time does not count."""
        began = _seconds()
        try:
            yield
        finally:
            self._end += _seconds() - began

    def remaining(self) -> float:
        """Seconds until the run must be over, taking back included."""
        return max(0.0, self._end - _seconds())

    def for_work(self) -> float:
        """Seconds until waiting and proving must end."""
        return self.remaining() if self._taking_back else max(0.0, self.remaining() - self._reserve)

    def over(self) -> str:
        """Why no further step should be begun; empty while there is no reason."""
        if self._told_to_stop and not self._taking_back:
            return f"the run was stopped ({self._told_to_stop})"
        return "" if self.for_work() else "the run's time is over (ROTATION_DEADLINE_SECONDS)"

    def check(self) -> None:
        """Call this before each step that is not taking something back.

        Raises:
            Failed: the run was told to stop, or its time for work is over.
        """
        if reason := self.over():
            raise Failed(reason, "run it again")

    @contextmanager
    def taking_back(self) -> Iterator[None]:
        """While what was made is taken back, the reserve may be used and SIGTERM has to wait."""
        before, self._taking_back = self._taking_back, True
        try:
            yield
        finally:
            self._taking_back = before

    def pause(self, seconds: float) -> None:
        """Wait, but not past the end and not after SIGTERM."""
        # In slices: a signal handler that sets a threading.Event can deadlock with a wait on it.
        until = _seconds() + min(seconds, self.remaining())
        while (self._taking_back or not self._told_to_stop) and (left := until - _seconds()) > 0:
            time.sleep(min(left, 0.2))

    def wait_before_retry(self, error: CallError, attempt: int) -> bool:
        """Wait before try number ``attempt`` + 1 of a call; False where another try makes no sense.

        The pause doubles from the setting's base, with jitter, or is what the service asked for (Retry-After).
        """
        if not error.worth_another_try() or attempt >= self.TRIES or self.over():
            return False
        seconds = self.retry_base * 2 ** (attempt - 1) * random.uniform(0.5, 1.0)  # noqa: S311 (jitter)
        if isinstance(error, Refused) and error.retry_after is not None:
            seconds = max(seconds, error.retry_after)
        if seconds >= self.for_work():
            return False
        self.pause(seconds)
        return True

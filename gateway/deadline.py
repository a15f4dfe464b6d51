"""How long a run may take, and when it has been told to stop."""

from __future__ import annotations

import random
import signal
import time
from types import FrameType

from gateway.errors import CallError, Failed, Refused


def _seconds() -> float:
    # CLOCK_BOOTTIME goes on while the machine sleeps, so a suspended run knows that its time is over.
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


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
        self._stop = False

    def stop_on_sigterm(self) -> None:
        """From now on SIGTERM ends the run at its next step; the request under way is finished."""
        signal.signal(signal.SIGTERM, self._stopped)

    def _stopped(self, _signal: int, _frame: FrameType | None) -> None:
        self._stop = True

    def remaining(self) -> float:
        """Seconds until the run must be over, taking back included."""
        return max(0.0, self._end - _seconds())

    def for_work(self) -> float:
        """Seconds until waiting and proving must end."""
        return max(0.0, self.remaining() - self._reserve)

    def over(self) -> str:
        """Why no further step should be begun; empty while there is no reason."""
        if self._stop:
            return "the run was told to stop (SIGTERM)"
        return "" if self.for_work() else "the run's time is over (ROTATION_DEADLINE_SECONDS)"

    def check(self) -> None:
        """Call this before each step that is not taking something back.

        Raises:
            Failed: the run was told to stop, or its time for work is over.
        """
        if reason := self.over():
            raise Failed(reason, "run it again")

    def only_take_back(self) -> None:
        """From now on the reserve may be used, and SIGTERM is not heeded: what was made is being taken back."""
        self._reserve = 0
        self._stop = False

    def pause(self, seconds: float) -> None:
        """Wait, but not past the end and not after SIGTERM."""
        # In slices: a signal handler that sets a threading.Event can deadlock with a wait on it.
        until = _seconds() + min(seconds, self.remaining())
        while not self._stop and (left := until - _seconds()) > 0:
            time.sleep(min(left, 0.2))

    def wait_before_retry(self, error: CallError, attempt: int) -> bool:
        """Wait before try number ``attempt`` + 1 of a call; False where another try makes no sense.

        The pause doubles from the setting's base, with full jitter, or is what the service asked for (Retry-After).
        """
        if not error.worth_another_try() or attempt >= self.TRIES or self._stop:
            return False
        seconds = self.retry_base * 2 ** (attempt - 1) * random.uniform(0.5, 1.0)  # noqa: S311 (jitter)
        if isinstance(error, Refused) and error.retry_after is not None:
            seconds = max(seconds, error.retry_after)
        if seconds >= self.for_work():
            return False
        self.pause(seconds)
        return True

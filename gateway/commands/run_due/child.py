"""What a fork becomes, so that it has nothing of the process that it was forked from but its memory."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Sequence

from gateway.host.deadline import SIGNALS

NUMBERS = [number for name in SIGNALS if (number := getattr(signal, name, None)) is not None]


def become_a_process(streams: Sequence[int]) -> None:
    """A session of its own, signals as at first, these as stdin, stdout and stderr, and no other descriptor."""
    os.setsid()  # what a terminal sends is for our parent
    for number in NUMBERS:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, NUMBERS)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    _close_from(len(streams))


def _close_from(first: int) -> None:
    """Those that are open: a container may admit a billion, and an older Linux would close each by itself."""
    try:
        numbers = [int(name) for name in os.listdir("/proc/self/fd")]
    except OSError:
        os.closerange(first, os.sysconf("SC_OPEN_MAX"))
        return
    for number in numbers:
        if number >= first:
            with contextlib.suppress(OSError):  # that of the listing itself
                os.close(number)

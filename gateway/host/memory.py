"""What this process holds in memory stays there: no core dump, no debugger of the same user, no file for others."""

from __future__ import annotations

import contextlib
import os
import sys

_PR_SET_DUMPABLE = 4


def keep_to_ourselves() -> None:
    """From now on, as far as this system can; called before anything secret is read.

    Source: https://man7.org/linux/man-pages/man2/PR_SET_DUMPABLE.2const.html
    """
    os.umask(0o077)
    if sys.platform == "win32":
        return
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        import ctypes

        # A C library without it, or a filter of system calls: then there is at least no core dump.
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)

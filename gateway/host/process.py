"""This process: its streams, what it holds in memory, and how it ends.

What cannot be printed never changes how a command or a script ends: it is a warning, unless nobody reads it.
"""

from __future__ import annotations

import contextlib
import errno
import io
import logging
import os
import sys
from pathlib import Path
from typing import Any, NoReturn, TextIO

log = logging.getLogger("gateway")

_PR_SET_DUMPABLE = 4
# Where this package is; last, so that it stands for nothing of Python's own.
_BEGIN = f"import sys; sys.path.append({str(Path(__file__).parents[2])!r}); "


def python(code: str, *arguments: str) -> list[str]:
    """What runs this code in a new Python. No module is taken from the folder it is started in, which may be anybody's.

    Source: https://docs.python.org/3/using/cmdline.html#cmdoption-P
    """
    return [sys.executable, "-P", "-c", _BEGIN + code, *arguments]


def keep_to_ourselves() -> None:
    """No core dump, no debugger of the same user, no file that others can read, as far as this system can.

    Called before anything secret is read.

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


def hold_streams() -> None:
    """Keep the numbers 0 to 2 out of use where a stream is closed: a connection would get one, and our lines."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(number)


def leave(code: int) -> NoReturn:
    """End the process at once: taking all modules apart would take a tenth of a short run."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):  # closed, full, or none
            stream.flush()
    os._exit(code)


def forgiving_streams() -> None:
    """From now on whatever is printed, by click too, is dropped where stdout or stderr does not take it."""
    hold_streams()
    sys.stdout, sys.stderr = _forgiving(sys.stdout, 1), _forgiving(sys.stderr, 2)


def _forgiving(before: TextIO | None, number: int) -> io.TextIOWrapper:
    buffer = io.BufferedWriter(_Forgiving(number, "w", closefd=False))
    encoding = before.encoding if before else "utf-8"
    return io.TextIOWrapper(buffer, encoding, errors="backslashreplace", line_buffering=True)


class _Forgiving(io.FileIO):
    _has_warned = False

    def write(self, data: Any) -> int:
        try:
            return super().write(data) or len(data)
        except OSError as error:
            nobody_reads = error.errno in (errno.EPIPE, errno.EBADF)
            if self.fileno() == 1 and not nobody_reads and not self._has_warned:
                self._has_warned = True
                log.warning("stdout could not be written: %s", error.strerror)
            return len(data)

"""Stdin, stdout and stderr of the process: what cannot be printed never changes how a command or a script ends.

What cannot be written to stdout is a warning, unless nobody reads it.
"""

from __future__ import annotations

import errno
import io
import logging
import os
import sys
from typing import Any, TextIO

log = logging.getLogger("gateway")


def hold_streams() -> None:
    """Keep the numbers 0 to 2 out of use where a stream is closed: a connection would get one, and our lines."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(number)


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

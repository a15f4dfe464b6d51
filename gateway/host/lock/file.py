"""A lock on a file, taken at once or not at all.

It is held as long as this object lives, and ends with the process, however that ends.

Source: https://man7.org/linux/man-pages/man2/flock.2.html and https://docs.python.org/3/library/msvcrt.html
"""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import Self

# Some file systems say EACCES where others say EAGAIN; so does Windows.
_HELD = (errno.EAGAIN, errno.EACCES)
_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)

if sys.platform == "win32":
    import msvcrt

    def _lock(file: int) -> None:
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


class Held(Exception):
    """Another one holds it."""


class FileLock:
    """The lock. The file is made where it is missing, and stays: whoever removed it would let two hold it.

    Raises:
        Held: another one holds it.
        OSError: the file cannot be opened, or its file system knows no locks.
    """

    _file = -1

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | _NOFOLLOW, 0o600)
        try:
            _lock(self._file)
        except OSError as error:
            self.release()
            if error.errno in _HELD:
                raise Held from None
            raise

    def release(self) -> None:
        """Another one can take it, unless a process that was forked from this one lives: it holds it too."""
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.release()

    def __del__(self) -> None:
        self.release()

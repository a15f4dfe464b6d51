"""The operator's command in a process of its own, forked from one that has imported the package already.

Most of the time of a short command goes into imports, and some hundreds of them are run.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Mapping
from multiprocessing.connection import wait
from pathlib import Path

_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(["tests.forked_imports"])
# How a process ended can be read once; starting another one looks at all of them.
_ONE_AT_A_TIME = threading.Lock()


class Forked:
    """``keeper-rotation`` with these arguments, as far as `subprocess.Popen` is needed of it.

    Args:
        given: on stdin; None closes it.
        folder: gets what it prints.
    """

    def __init__(
        self, arguments: tuple[str, ...], variables: Mapping[str, str], given: bytes | None, folder: Path
    ) -> None:
        self._files = folder / "stdin", folder / "stdout", folder / "stderr"
        self._files[0].write_bytes(given or b"")
        names = [str(self._files[0]) if given is not None else os.devnull, *map(str, self._files[1:])]
        self._process = _SERVER.Process(target=_run, args=(arguments, dict(variables), names), daemon=True)
        with _ONE_AT_A_TIME:
            self._process.start()

    def poll(self) -> int | None:
        """Its exit code; None while it runs."""
        with _ONE_AT_A_TIME:
            return self._process.exitcode

    def wait(self, seconds: float) -> int | None:
        """Its exit code; None where it runs longer."""
        wait([self._process.sentinel], seconds)
        return self.poll()

    def send_signal(self, number: int) -> None:
        """Send it a signal."""
        os.kill(self._process.pid or 0, number)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def printed(self) -> tuple[str, str]:
        """Its stdout and stderr."""
        return self._files[1].read_text(), self._files[2].read_text()


def _run(arguments: tuple[str, ...], variables: dict[str, str], names: list[str]) -> None:
    os.environ.clear()
    os.environ.update(variables)
    for number, name in enumerate(names):
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC if number else os.O_RDONLY
        os.dup2(os.open(name, flags, 0o600), number)
    sys.stdin = os.fdopen(0, closefd=False)
    sys.argv = ["keeper-rotation", *arguments]

    from gateway.__main__ import main

    main()

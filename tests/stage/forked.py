"""A script, or the operator's command, in a process of its own, forked from one that has imported the package already.

Most of the time of a run goes into imports, and some thousands of runs are made. What is forked has its own signals,
exit code and files, and can be killed; what depends on how a process begins is tested with a new one (``Stage.start``).
"""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from multiprocessing.connection import wait
from pathlib import Path

_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(["tests.stage.forked_imports"])
# How a process ended can be read once; starting another one looks at all of them.
_ONE_AT_A_TIME = threading.Lock()
_NUMBERS = itertools.count()


class Forked:
    """As far as `subprocess.Popen` is needed of it.

    Args:
        arguments: a script's path, or ``-m gateway`` and what follows, as for ``python``.
        variables: its environment.
        given: on stdin; None closes it.
        folder: gets what it prints.
        cwd: where it runs.
    """

    def __init__(
        self, arguments: tuple[str, ...], variables: Mapping[str, str], given: bytes | None, folder: Path, cwd: Path
    ) -> None:
        self.args = arguments
        number = next(_NUMBERS)
        self._files = [folder / f"{number}.{name}" for name in ("stdin", "stdout", "stderr")]
        self._files[0].write_bytes(given or b"")
        names = [str(self._files[0]) if given is not None else os.devnull, *map(str, self._files[1:])]
        self._process = _SERVER.Process(target=_run, args=(arguments, dict(variables), names, str(cwd)), daemon=True)
        with _ONE_AT_A_TIME:
            self._process.start()
        self.pid: int = self._process.pid or 0
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Its exit code; None while it runs."""
        with _ONE_AT_A_TIME:
            self.returncode = self._process.exitcode
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code. Raises TimeoutExpired where it runs longer."""
        wait([self._process.sentinel], timeout)
        code = self.poll()
        if code is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return code

    def communicate(self, timeout: float | None = None) -> tuple[bytes, bytes]:
        """Its stdout and stderr, once it has ended. Raises TimeoutExpired where it runs longer."""
        self.wait(timeout)
        return self._files[1].read_bytes(), self._files[2].read_bytes()

    def send_signal(self, number: int) -> None:
        """Send it a signal; nothing where it has ended."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)


def _run(arguments: tuple[str, ...], variables: dict[str, str], names: list[str], cwd: str) -> None:
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(variables)
    for number, name in enumerate(names):
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC if number else os.O_RDONLY
        os.dup2(os.open(name, flags, 0o600), number)
    sys.stdin = os.fdopen(0, closefd=False)
    if arguments[:2] == ("-m", "gateway"):
        sys.argv = ["keeper-rotation", *arguments[2:]]
        from gateway.__main__ import main

        main()
    else:
        sys.argv = list(arguments)
        sys.path.insert(0, str(Path(arguments[0]).parent))
        runpy.run_path(arguments[0], run_name="__main__")

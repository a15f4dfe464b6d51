"""Processes of the demo, and how one is killed with all that it has started."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path


def killer(process: subprocess.Popen[str]) -> Callable[[], None]:
    """For `Sandbox.victim`: SIGKILL to the command's script, which is in a session of its own."""

    def kill() -> None:
        for pid in _children(process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()

    return kill


def _children(parent: int) -> list[int]:
    return [pid for pid, ppid in _pairs() if ppid == parent]


def _pairs() -> Iterator[tuple[int, int]]:
    """Each process, and who started it."""
    if Path("/proc/self/stat").exists():
        for path in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                yield int(path.parent.name), int(path.read_text().rpartition(")")[2].split()[1])
        return
    listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    for line in listed.splitlines():
        pid, ppid = line.split()
        yield int(pid), int(ppid)

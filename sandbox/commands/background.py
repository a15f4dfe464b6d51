"""``python -m sandbox up --background``: returns when the sandbox answers, or with what keeps it from it."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Sequence

from sandbox.commands.up import READY

PATIENCE_SECONDS = 60.0


def start(arguments: Sequence[str]) -> int:
    """Start ``up`` with these arguments in a session of its own; 0 when it is ready, else its exit code."""
    process = subprocess.Popen(
        [sys.executable, "-m", "sandbox", *arguments], start_new_session=True, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    watch = threading.Timer(PATIENCE_SECONDS, process.kill)
    watch.start()
    try:
        return _follow(process)
    except KeyboardInterrupt:
        process.terminate()
        raise
    finally:
        watch.cancel()


def _follow(process: subprocess.Popen[str]) -> int:
    assert process.stdout
    said = []
    for line in process.stdout:
        if line.startswith(READY):
            print(line.rstrip(), 'kill "$SANDBOX_PID" stops it', sep="; ")
            return 0
        said.append(line)
    print(*said, sep="", end="", file=sys.stderr)
    code = process.wait()
    if code == -signal.SIGKILL:
        print("error: the sandbox was not ready in time, or was killed", file=sys.stderr)
    return code if code > 0 else 1

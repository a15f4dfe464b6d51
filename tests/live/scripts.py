"""A script run as the Gateway runs it: base64 JSON on stdin, an exit code, a line of JSON. And the commands."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.keeper.parameters import gateway_line
from tests.live.ground import Ground

ROOT = Path(__file__).parents[2]
_LOOK_SECONDS = 0.02


@dataclass(frozen=True)
class Run:
    """How it ended. ``connections``: how many it held at some moment; 0 where this host does not tell."""

    code: int
    report: dict[str, Any]
    connections: int

    def __str__(self) -> str:
        said = self.report.get("error") or self.report.get("result") or "no line"
        noted = "; ".join(map(str, self.report.get("warnings") or []))
        return f"exit {self.code}, {said}" + (f"; warned: {noted}" if noted else "")


def run_script(ground: Ground, name: str, uid: str, *, now: bool = True) -> Run:
    """Run one of scripts/ for a record. Raises Failed, CallError."""
    visible = ground.vault.read([])
    line = gateway_line(visible, uid, [ground.admin_uid], ground.given.config, due_now=now)
    with started([sys.executable, str(ROOT / "scripts" / f"{name}.py")]) as process:
        seen = _Connections(process.pid)
        output, _ = process.communicate(line)
        seen.end()
    last = output.decode(errors="replace").strip().splitlines()[-1:]
    report: dict[str, Any] = {}
    with suppress(ValueError, IndexError):
        report = json.loads(last[0])
    return Run(process.returncode, report, seen.count)


def command(*arguments: str) -> tuple[int, str]:
    """``keeper-rotation`` with these arguments: its exit code, and all that it said."""
    with started([sys.executable, "-m", "gateway", *arguments]) as process:
        output, said = process.communicate()
    return process.returncode, (output + said).decode(errors="replace")


def problem(code: int, said: str) -> str:
    """What a command says is wrong."""
    return next((line for line in said.splitlines() if line.startswith("error: ")), f"exit {code}")


@contextmanager
def started(arguments: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    """In a session of its own: what a terminal sends is for the trial, which lets the script take back what it made."""
    pipe = subprocess.PIPE
    own = os.environ | {"PYTHONPATH": str(ROOT)}
    own = {name: value for name, value in own.items() if not name.startswith("LIVE_")}
    process = subprocess.Popen(arguments, stdin=pipe, stdout=pipe, stderr=pipe, env=own, start_new_session=True)
    try:
        yield process
    except BaseException:
        process.terminate()
        process.communicate()
        raise


class _Connections(threading.Thread):
    """Counts the sockets to a TCP peer that a process has from its start to its end, as Linux shows them."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._folder = Path(f"/proc/{pid}")
        self._seen: set[str] = set()
        self._over = threading.Event()
        self.start()

    def run(self) -> None:
        """Look until it is over."""
        while not self._over.wait(_LOOK_SECONDS):
            with suppress(OSError):
                self._seen |= self._held() & self._established()

    def _held(self) -> set[str]:
        links = [os.readlink(each) for each in (self._folder / "fd").iterdir()]
        return {link[8:-1] for link in links if link.startswith("socket:[")}

    def _established(self) -> set[str]:
        tables = [self._folder / "net" / name for name in ("tcp", "tcp6")]
        rows = [line.split() for table in tables if table.exists() for line in table.read_text().splitlines()[1:]]
        return {row[9] for row in rows if row[3] == "01"}

    def end(self) -> None:
        """The process has ended."""
        self._over.set()
        self.join()

    @property
    def count(self) -> int:
        """How many there were."""
        return len(self._seen)

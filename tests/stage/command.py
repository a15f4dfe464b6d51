"""The operator's command, beside a stage."""

from __future__ import annotations

import subprocess
import sys

from tests.stage import patience
from tests.stage.forked import Forked
from tests.stage.rotation import ROOT, Stage

_LONGEST = 60.0  # seconds


def command(stage: Stage, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The operator's command; no secret in what it prints."""
    process = _new(stage, arguments) if "PYTHONPATH" in stage.variables else _forked(stage, arguments)
    shown = process.stdout + process.stderr
    assert not [canary for canary in stage.canaries() if canary in shown]
    return process


def _forked(stage: Stage, arguments: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    process = Forked(("-m", "gateway", *arguments), stage.variables, None, stage.streams, ROOT)
    stdout, stderr = process.communicate(timeout=patience.seconds(_LONGEST))
    return subprocess.CompletedProcess(arguments, process.wait(), stdout.decode(), stderr.decode())


def _new(stage: Stage, arguments: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    """For what is loaded while a process begins."""
    program = [sys.executable, "-m", "gateway", *arguments]
    return subprocess.run(program, env=stage.variables, cwd=ROOT, capture_output=True, text=True, check=False)

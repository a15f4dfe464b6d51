"""The operator's command, beside a stage."""

from __future__ import annotations

import subprocess
import sys

from tests.stage.rotation import ROOT, Stage


def command(stage: Stage, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The operator's command; no secret in what it prints."""
    process = subprocess.run(
        [sys.executable, "-m", "gateway", *arguments],
        env=stage.variables,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    shown = process.stdout + process.stderr
    assert not [canary for canary in stage.canaries() if canary in shown]
    return process

"""The demo shows what it says: a kill that kills, a run that heals, and nothing wider than a terminal."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.stage import patience
from tests.stage.rotation import ROOT


@pytest.mark.deep
def test_the_demo_tells_the_truth_in_eighty_columns() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "sandbox.demo"], cwd=ROOT, capture_output=True, text=True,
        timeout=patience.seconds(120), check=False,
    )  # fmt: skip
    assert run.returncode == 0, run
    assert run.stdout.count("exit 3: the script was killed") == 1 and "XX" not in run.stdout, run.stdout
    assert not [line for line in run.stdout.splitlines() if len(line) > 79] and "\x1b" not in run.stdout

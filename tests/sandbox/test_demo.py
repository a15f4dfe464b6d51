"""The demo shows what it says: a kill that kills, a run that heals, and nothing wider than a terminal."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.sandbox.picture import PICTURE, acts, words
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
    said = sorted(words("\n".join(acts(run.stdout))))  # destinations are served side by side, in any order
    drawn = sorted(words(PICTURE.read_text(encoding="utf-8")))
    assert len(said) > 100 and said == drawn, "renew it: python -m tests.sandbox.picture"

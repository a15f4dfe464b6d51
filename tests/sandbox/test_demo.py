"""The demo shows what it says: a kill that kills, a run that heals, and nothing wider than a terminal."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.demo import published
from tests.sandbox.picture import PICTURE, acts, words
from tests.stage import patience
from tests.stage.rotation import ROOT


@pytest.mark.deep
def test_the_demo_tells_the_truth_in_eighty_columns() -> None:
    ours = {name: value for name, value in os.environ.items() if name != published.VARIABLE}
    run = subprocess.run(
        [sys.executable, "-m", "sandbox.demo"], cwd=ROOT, env=ours, capture_output=True, text=True,
        timeout=patience.seconds(120), check=False,
    )  # fmt: skip
    assert run.returncode == 0, run
    assert run.stdout.count("exit 3: the script was killed") == 1 and "XX" not in run.stdout, run.stdout
    assert not [line for line in run.stdout.splitlines() if len(line) > 79] and "\x1b" not in run.stdout
    said = sorted(words("\n".join(acts(run.stdout))))  # destinations are served side by side, in any order
    drawn = sorted(words(PICTURE.read_text(encoding="utf-8")))
    assert len(said) > 100 and said == drawn, "renew it: python -m tests.sandbox.picture"


LOST = (
    "XX  the secret in the record signs in",
    "XX  0 of 4 destinations hold a secret that works",
    "XX  0 of 3 earlier secrets are left (1 of the 3 was made by others)",
    "…, is saved anywhere",
)


def test_what_keepers_published_script_loses_when_it_is_killed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if not os.environ.get(published.VARIABLE):
        pytest.skip("REFERENCE_SCRIPT names no file with Keeper's published script")
    published.compare(tmp_path)
    said = capsys.readouterr().out
    assert "killed" in said and all(line in said for line in LOST) and said.count("XX") == len(LOST), said
    assert not [line for line in said.splitlines() if len(line) > 79], said


def test_where_it_is_not_given_the_demo_says_how(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(published.VARIABLE, raising=False)
    published.compare(tmp_path)
    said = capsys.readouterr().out
    assert "docs/benchmarks.md" in said and "make demo REFERENCE_SCRIPT=FILE" in said
    assert not [line for line in said.splitlines() if len(line) > 79], said

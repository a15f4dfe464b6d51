"""The table of API versions: all that is asked for is in it, and what ends is named in time."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, timedelta

import pytest

from gateway.azure.versions import ALL, KEY_VAULTS
from tests.retirements import ending, main
from tests.stage.rotation import ROOT

VERSION = re.compile(r"""["'](?:20\d\d-\d\d-\d\d(?:-preview)?|v\d\.\d|\d\.\d)["']|api-version=(?!\{)""")
TODAY = date(2026, 11, 28)


def test_every_version_is_in_the_table() -> None:
    own = ROOT / "gateway" / "azure" / "versions.py"
    others = [path for path in (ROOT / "gateway").rglob("*.py") if path != own]
    found = {str(path.relative_to(ROOT)): VERSION.findall(path.read_text(encoding="utf-8")) for path in others}
    assert {name: versions for name, versions in found.items() if versions} == {}


def test_each_row_names_its_source_once() -> None:
    assert len({each.service for each in ALL}) == len(ALL) > 10
    assert all(each.source.startswith("https://learn.microsoft.com/") for each in ALL)


@pytest.mark.parametrize(("days", "named"), [(-1, True), (0, True), (180, True), (181, False)])
def test_what_ends_is_named_half_a_year_before(days: int, named: bool) -> None:
    row = replace(KEY_VAULTS, retires=TODAY + timedelta(days=days))
    assert bool(ending([row], TODAY)) == named and ending([KEY_VAULTS], TODAY) == []


def test_only_the_scheduled_job_fails(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [replace(KEY_VAULTS, retires=date.today() + timedelta(days=days)) for days in (90, 30)]
    assert (main([], rows), main(["--fail"], rows), main(["--fail"], [KEY_VAULTS])) == (0, 1, 0)
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 4 and said[0].startswith(f"warning: {rows[1].retires}: Microsoft.KeyVault 2026-02-01 ends;")

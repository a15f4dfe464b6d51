"""The part of the sweep that every change must pass: all faults at two old secrets, the worst ones everywhere.

The whole grid is ``make sweep``.
"""

from __future__ import annotations

import pytest

from tests.sweep import SCENES, Case, cases, judge

FULL = "2 old secrets"
WORST = ("kill before", "kill after", "reset after")
LEFT_TO_THE_WHOLE_GRID = ("delivered to everyone, foreign secrets",)
REST = [name for name in SCENES if name not in (FULL, *LEFT_TO_THE_WHOLE_GRID)]
CASES = [*cases([FULL]), *cases(REST, WORST)]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_nothing_is_lost_and_the_exit_code_is_true(case: Case) -> None:
    verdict = judge(case)
    assert not verdict.wrong, f"exit {verdict.code}, then {verdict.healed}"

"""The part of the sweep that every change must pass: all faults at two old secrets, and the worst everywhere else.

There each request is followed by a kill, and the answer of each one that changes something is lost. To be killed before
a request leaves the same behind as to be killed after the one before it.

The whole grid is ``make sweep``.
"""

from __future__ import annotations

import pytest

from tests.sweep.rotation import SCENES, Case, cases, changes, judge

FULL = "2 old secrets"
KILL, LOST = "kill after", "reset after"
LEFT_TO_THE_WHOLE_GRID = ("delivered to everyone, foreign secrets",)
REST = [name for name in SCENES if name not in (FULL, *LEFT_TO_THE_WHOLE_GRID)]
CASES = [*cases([FULL]), *(case for case in cases(REST, (KILL, LOST)) if case.fault != LOST or changes(case.operation))]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_nothing_is_lost_and_the_exit_code_is_true(case: Case) -> None:
    verdict = judge(case)
    assert not verdict.wrong, f"exit {verdict.code}, then {verdict.healed}"

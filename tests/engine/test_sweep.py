"""The part of the sweep that fits into a day's work: all faults at two old secrets, and the worst everywhere else.

There each request is followed by a kill, and the answer of each one that changes something is lost. To be killed before
a request leaves the same behind as to be killed after the one before it.

Every change runs each class of fault once for each promise: `is_quick`. The whole grid is ``make night``.
"""

from __future__ import annotations

import re

import pytest

from tests.sweep.deep import deep_unless
from tests.sweep.rotation import SCENES, Case, cases, changes, judge

FULL = "2 old secrets"
KILL, LOST = "kill after", "reset after"
LEFT_TO_THE_WHOLE_GRID = ("delivered to everyone, foreign secrets",)
REST = [name for name in SCENES if name not in (FULL, *LEFT_TO_THE_WHOLE_GRID)]
CASES = [*cases([FULL]), *(case for case in cases(REST, (KILL, LOST)) if case.fault != LOST or changes(case.operation))]


CLASSES = (KILL, LOST, "HTTP 503", "hang after it took effect", "refused connection")
DECISIVE = re.compile(r"graph\.add_password|keeper\.update_secret|\.(set_secret|put_endpoint|put_connection|put_job)$")


def is_quick(case: Case) -> bool:
    """Where the new secret is made, saved and handed on, something is decided; elsewhere one scene shows it."""
    if case.scene == FULL:
        return case.fault in CLASSES
    return case.nth == 1 and DECISIVE.search(case.operation) is not None


@pytest.mark.parametrize("case", deep_unless(is_quick, CASES))
def test_nothing_is_lost_and_the_exit_code_is_true(case: Case) -> None:
    verdict = judge(case)
    assert not verdict.wrong, f"exit {verdict.code}, then {verdict.healed}"

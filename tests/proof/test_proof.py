"""The proof: each complaint is about a promise, each cell counts once, and the page is what its figures say."""

from __future__ import annotations

import json

import pytest

from tests.mutations.mutations import promises
from tests.proof.cells import grids
from tests.proof.page import page
from tests.proof.verdicts import ABOUT, UNJUDGED, about, broken
from tests.simulate.figures import STEPS, Simulated, total
from tests.simulate.play import Played
from tests.simulate.steps import KINDS
from tests.stage.rotation import ROOT

COMPLAINTS = {
    "P1: the app has no secret": "The secret in the record works",
    "P4: exit 0, and the record's secret is dead": "The secret in the record works",
    "removed what should stay": "The secret in the record works",
    "certificate delete, hang at keyvault.delete 1, exit 2: somebody else's: a": "The secret in the record works",
    "P2: holds a dead secret: ['keyvault']": "No consumer is cut off",
    "P4: exit 0, not rotated": "Exit code 0 means done",
    "exit 1, but the record has changed": "Exit code 0 means done",
    "no error or no hint": "Exit code 0 means done",
    "P3: left over: 1": "No orphans",
    "not healed: exit 2: the app is full": "No orphans",
    "after the plain run: 3 versions": "No orphans",
    "leak: output of run 1": "No secret is shown",
    "P5: leaked in locks": "No secret is shown",
    "hung": "A run ends",
    "P6: hung": "A run ends",
    "the fault did not happen": UNJUDGED,
    "sandbox: Traceback": UNJUDGED,
}


def test_every_promise_is_told_apart() -> None:
    assert set(ABOUT) == set(promises())


@pytest.mark.parametrize("complaint", COMPLAINTS)
def test_a_complaint_is_about(complaint: str) -> None:
    assert about(complaint) == COMPLAINTS[complaint]


def test_a_trial_breaks_a_promise_once() -> None:
    assert broken([["hung", "P6: hung", "leak: a"], [], ["hung"]]) == {"A run ends": 2, "No secret is shown": 1}


def test_every_kind_of_step_has_words() -> None:
    assert set(STEPS) == set(KINDS)


def test_there_are_some_thousand_cells_and_each_is_counted_once() -> None:
    found = [(grid.name, *grid.parts(cell)) for grid in grids() for cell in grid.cells]
    assert len(set(found)) == len(found) > 5000


def test_the_page_is_what_its_figures_say() -> None:
    figures = json.loads((ROOT / "docs" / "proof.json").read_text(encoding="utf-8"))
    assert page(figures) == (ROOT / "docs" / "proof.md").read_text(encoding="utf-8")


def test_what_was_played_elsewhere_is_added() -> None:
    one, other = Simulated(1, 30), Simulated(500, 30)
    one.add(Played("azure_app_secret", 1, runs=20, faults=3, met=2))
    other.add(Played("azure_app_secret", 500, ["P2: dead at x"], runs=10))
    summed = total([one.figures(), other.figures()])
    assert (summed["runs"], summed["schedules"], summed["faults"], summed["met"]) == (30, 2, 3, 2)
    assert summed["runs by kind"] == {"azure_app_secret": 30} and summed["seeds"] == [1, 500]
    assert summed["broken"] == {"No consumer is cut off": 1} and len(summed["bad"]) == 1
    with pytest.raises(ValueError, match="too many values"):
        total([one.figures(), Simulated(2, 40).figures()])

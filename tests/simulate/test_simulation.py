"""Some schedules that are always played, and what a broken promise looks like."""

from __future__ import annotations

import random

import pytest

from tests.simulate.play import play, play_seed, shorter
from tests.simulate.promises import Seen, kept
from tests.simulate.rotated import WORLDS
from tests.simulate.runs import Happened
from tests.simulate.steps import KINDS, Step, schedule
from tests.simulate.worlds import World
from tests.sweep.deep import deep_unless

SEEDS = [(kind, seed) for seed in range(1, 9) for kind in WORLDS]
LENGTH = 12


@pytest.mark.parametrize(
    ("kind", "seed"), deep_unless(lambda kind, seed: (kind, seed) == ("azure_app_secret", 1), SEEDS)
)
def test_the_promises_are_kept(kind: str, seed: int) -> None:
    played = play_seed(kind, seed, LENGTH)
    assert not played.wrong, "\n".join(played.trace)


def test_a_seed_is_always_the_same_schedule() -> None:
    assert schedule(7, 30) == schedule(7, 30)
    assert schedule(7, 30) != schedule(8, 30)


def _lose(world: World, choice: random.Random) -> Happened:
    """What no run should ever do."""
    before = Seen.of(world)
    world.stage.sandbox.directory.applications[world.stage.at.target_object_id].passwords.clear()
    return Happened("all secrets are lost", kept(world, before), [])


@pytest.mark.deep
def test_a_broken_promise_is_seen_and_the_schedule_made_shorter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KINDS, "lose", (0, _lose))
    steps = [Step("run", 3), Step("wait", 1), Step("policy", 5), Step("lose", 1), Step("wait", 2)]
    played = play("azure_app_secret", 3, steps)
    assert played.wrong and played.wrong[0].startswith("P1")
    assert [step.name for step in shorter("azure_app_secret", 3, steps, played.wrong)][-1] == "lose"

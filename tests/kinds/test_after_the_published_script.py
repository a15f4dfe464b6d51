"""A record that Keeper's published script has rotated is taken over by ours, with nothing changed but the script.

That script writes ``client_secret_id``, ``client_secret`` and ``expires``, and ends with exit 0 also where it could not
remove a former secret or save the new one. Once by these facts; once by the script itself, where ``REFERENCE_SCRIPT``
names it. Source: https://docs.keeper.io/en/keeperpam/privileged-access-manager/password-rotation/post-rotation-scripts
"""

from __future__ import annotations

import contextlib
import copy
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sandbox.demo.published import cut_out
from sandbox.proxy import faults
from tests.stage import patience
from tests.stage.rotation import Outcome, Stage

THEIRS = "Client Secret Rotated by Keeper"
WRITTEN = ("client_secret_id", "client_secret", "expires")
WELL, NOT_REMOVED, NOT_SAVED = "well", "the former secret not removed", "the new secret not saved"


def by_its_facts(stage: Stage, how: str) -> None:
    """What the script leaves behind."""
    graph, target = stage.sandbox.graph, stage.at.target_object_id
    former = [each.key_id for each in graph.passwords(target)]
    ends = datetime.now(UTC) + timedelta(days=365)
    made, text = graph.add_password(target, THEIRS, age_days=0)
    for key_id in former if how != NOT_REMOVED else ():
        graph.remove(target, key_id)
    if how == WELL:
        for label, value in zip(WRITTEN, (made, text, ends.isoformat()), strict=True):
            stage.sandbox.keeper.edit(stage.at.record_uid, label, value)


def by_the_script(stage: Stage, how: str) -> None:
    """The same, by running it."""
    fault = {NOT_REMOVED: ("graph", "remove_password"), NOT_SAVED: ("keeper", "update_secret")}.get(how)
    if fault:
        stage.sandbox.fault(*fault, faults.Status(503), times=None)
    script = cut_out(stage.folder)
    assert script
    text = script.read_text(encoding="utf-8")
    script.write_text(text.replace("/etc/keeper-gateway/gateway-config.json", stage.variables["KSM_CONFIG_FILE"]))
    run = subprocess.run(
        [sys.executable, script], input=stage.line(), env=stage.variables, capture_output=True, check=False,
        timeout=patience.seconds(60), cwd=stage.home,
    )  # fmt: skip
    assert run.returncode == 0, run
    stage.sandbox.faults.clear()
    stage.sandbox.forget()


@pytest.fixture(params=[by_its_facts, by_the_script], ids=["by its facts", "by the script"])
def rotate_theirs(request: pytest.FixtureRequest) -> Callable[[Stage, str], None]:
    """The published script's rotation."""
    if request.param is by_the_script and not os.environ.get("REFERENCE_SCRIPT"):
        pytest.skip("REFERENCE_SCRIPT names no file with Keeper's published script")
    found: Callable[[Stage, str], None] = request.param
    return found


@pytest.fixture
def stages() -> Iterator[Callable[..., Stage]]:
    """A record without ``remove_old`` and whatever else that script does not know, and these settings."""
    with contextlib.ExitStack() as stack:
        yield lambda **settings: stack.enter_context(Stage(settings=settings, foreign=1))


def theirs(stage: Stage) -> set[str]:
    """Key ids of the secrets that the published script made, and that are alive."""
    passwords = stage.sandbox.graph.passwords(stage.at.target_object_id)
    return {each.key_id for each in passwords if each.display_name == THEIRS}


def by_hand(stage: Stage) -> set[str]:
    """Those that a person made, and that are alive."""
    return stage.live() & {*stage.at.foreign_key_ids, *stage.at.old_key_ids}


def taken_over(stage: Stage) -> Outcome:
    """Our rotation of the same record: done, and what it publishes works."""
    outcome = stage.run()
    assert outcome.code == 0 and stage.published_works(), outcome
    assert not stage.leaks([outcome])
    return outcome


RotateTheirs = Callable[[Stage, str], None]
Stages = Callable[..., Stage]


@pytest.mark.parametrize("how", [WELL, NOT_REMOVED, NOT_SAVED])
def test_as_it_is_every_other_secret_is_removed(how: str, rotate_theirs: RotateTheirs, stages: Stages) -> None:
    stage = stages()
    rotate_theirs(stage, how)
    before = stage.live()
    outcome = taken_over(stage)
    assert outcome.result == "rotated" and stage.live() == {stage.value("client_secret_id")}
    assert {*outcome.report["removed"]} == before


def test_with_an_overlap_what_it_made_ends_a_day_later(rotate_theirs: RotateTheirs, stages: Stages) -> None:
    stage = stages(remove_old="replaced", overlap_hours="24", rotate_before_hours="720")
    rotate_theirs(stage, WELL)
    former, value = stage.value("client_secret_id"), stage.value("client_secret")
    stage.sandbox.keeper.edit(stage.at.record_uid, "rotate_now", "True")
    taken_over(stage)
    assert stage.live() == {stage.value("client_secret_id"), former}
    assert stage.sandbox.entra.secret_works(stage.at.target_client_id, value)
    stage.sandbox.clock.advance(25 * 3600)
    assert taken_over(stage).report["removed"] == [former]
    assert stage.live() == {stage.value("client_secret_id")}


def test_what_it_made_is_rotated_on_when_it_is_due(rotate_theirs: RotateTheirs, stages: Stages) -> None:
    stage = stages(remove_old="replaced", rotate_before_hours="720")
    rotate_theirs(stage, WELL)
    made = theirs(stage)
    outcome = taken_over(stage)
    assert outcome.result == "not_due" and outcome.report["next_due"][:4] >= str(datetime.now(UTC).year)
    assert stage.live() == made == {stage.value("client_secret_id")}
    stage.sandbox.clock.advance(340 * 86400)
    assert taken_over(stage).result == "rotated"


def test_a_record_whose_secret_it_has_ended_is_healed(rotate_theirs: RotateTheirs, stages: Stages) -> None:
    """It had removed the former secret before it could not save the new one, and ended with exit 0."""
    stage = stages(remove_old="replaced", rotate_before_hours="720")
    rotate_theirs(stage, NOT_SAVED)
    lost = theirs(stage)
    assert lost and not stage.published_works()
    outcome = taken_over(stage)
    assert outcome.result == "rotated", "whatever rotate_before_hours says"
    assert theirs(stage) == lost, "this record has never published it; remove_old = all removes it"


def test_what_it_could_not_remove_stays_with_an_overlap(rotate_theirs: RotateTheirs, stages: Stages) -> None:
    stage = stages(remove_old="replaced", overlap_hours="24")
    rotate_theirs(stage, NOT_REMOVED)
    others, former = by_hand(stage) | theirs(stage), stage.value("client_secret")
    assert taken_over(stage).result == "rotated"
    assert by_hand(stage) | theirs(stage) == others
    assert stage.sandbox.entra.secret_works(stage.at.target_client_id, former)


def test_these_are_its_facts(stages: Stages) -> None:
    """What stands in for the script here leaves behind what the script does."""
    if not os.environ.get("REFERENCE_SCRIPT"):
        pytest.skip("REFERENCE_SCRIPT names no file with Keeper's published script")
    for how in (WELL, NOT_REMOVED, NOT_SAVED):
        left = []
        for rotate in (by_its_facts, by_the_script):
            stage = stages()
            before = copy.deepcopy(stage.stored())
            rotate(stage, how)
            left.append(
                (_changed(before, stage.stored()), len(theirs(stage)), stage.published_works(), by_hand(stage) == set())
            )
        assert left[0] == left[1], how


def _changed(before: dict[str, Any], after: dict[str, Any]) -> dict[str, str]:
    """The fields with other values, and the form of each."""
    return {
        new["label"]: re.sub("[0-9a-f]", "0", new["value"][0]) if new["label"] != "client_secret" else "a secret"
        for old, new in zip(before["custom"], after["custom"], strict=True)
        if old != new
    }

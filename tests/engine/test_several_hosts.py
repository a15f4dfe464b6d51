"""Hosts that are cloned, lose their lock directory, or have a wrong one: no living run's secret is taken for dead."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from sandbox.proxy import faults
from tests.engine.test_two_at_once import PATIENT, held
from tests.stage.rotation import Stage

HOUR = 3600.0


def copied(stage: Stage) -> str:
    """The lock directory of a clone of this host."""
    clone = stage.home / "clone"
    shutil.copytree(stage.home / "locks", clone)
    clone.chmod(0o700)
    return str(clone)


def emptied(stage: Stage) -> str:
    """Both hosts have an empty ``lock-id``, as a power cut leaves it."""
    for name in ("locks", "clone"):
        folder = stage.home / name
        folder.mkdir(mode=0o700, exist_ok=True)
        (folder / "lock-id").write_text("")
    return str(stage.home / "clone")


@pytest.mark.parametrize("clone_of", [copied, emptied], ids=["cloned", "both lock ids empty"])
@pytest.mark.parametrize("due", ["", "24"], ids=["due", "not due"])
def test_a_clone_leaves_the_secret_of_a_living_run_alone(
    due: str, clone_of: Callable[[Stage], str], make_stage: Callable[..., Stage]
) -> None:
    stage = make_stage(old_secrets=1)
    assert stage.run().code == 0
    clone = clone_of(stage)
    process, fault = held(stage, "keeper.update_secret", 1, faults.Pause())
    stage.sandbox.keeper.edit(stage.at.record_uid, "rotate_before_hours", due)
    new = stage.live() - {stage.value("client_secret_id")}
    other = stage.run(ROTATION_LOCK_DIR=clone)
    assert new <= stage.live(), other
    assert stage.published_works()
    fault.release.set()
    stage.finish(process)
    assert stage.published_works()


def test_a_clone_that_is_killed_at_a_removal_leaves_a_living_secret(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(old_secrets=1)
    assert stage.run().code == 0
    clone = copied(stage)
    first, at_save = held(stage, "keeper.update_secret", 1, faults.Pause())
    removal = stage.sandbox.fault("graph", "remove_password", faults.Pause(), nth=1)
    second = stage.start(ROTATION_LOCK_DIR=clone, **PATIENT)
    reached = removal.reached.wait(3)
    at_save.release.set()
    stage.finish(first)
    second.kill()
    removal.release.set()
    second.communicate()
    assert stage.published_works(), reached


DAMAGED: dict[str, bytes] = {
    "empty": b"",
    "with a colon": b"a:b",
    "binary": b"\xff\xfe\x00",
    "too short": b"abc",
}


@pytest.mark.parametrize("sentence", DAMAGED)
def test_a_damaged_lock_id_is_made_anew(sentence: str, stage: Stage) -> None:
    folder = Path(stage.variables["ROTATION_LOCK_DIR"])
    folder.mkdir(mode=0o700)
    (folder / "lock-id").write_bytes(DAMAGED[sentence])
    outcome = stage.run()
    assert (outcome.code, outcome.result) == (0, "rotated"), outcome
    assert (folder / "lock-id").read_bytes() != DAMAGED[sentence]
    assert stage.run().code == 0
    assert stage.live() == {stage.value("client_secret_id")}


def test_a_lock_directory_that_others_may_write_to_is_refused(stage: Stage) -> None:
    folder = Path(stage.variables["ROTATION_LOCK_DIR"])
    folder.mkdir()
    folder.chmod(0o777)
    before = stage.live()
    outcome = stage.run()
    assert outcome.code == 1 and "ROTATION_LOCK_DIR" in outcome.report["hint"], outcome
    assert stage.live() == before


def test_without_its_lock_directory_a_host_dates_what_it_may_have_published(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(old_secrets=1)
    stage.sandbox.fault("keeper", "update_secret", faults.KillBefore())
    assert stage.run().code == -9
    shutil.rmtree(stage.home / "locks")
    (left,) = stage.marked()
    stage.sandbox.clock.advance(HOUR)
    outcome = stage.run()
    assert (outcome.code, outcome.result) == (0, "rotated"), outcome
    assert left in stage.live() and left in {kept["key_id"] for kept in outcome.report["kept"]}
    stage.sandbox.clock.advance(25 * HOUR)
    assert stage.run().code == 0
    assert stage.live() == {stage.value("client_secret_id")}


def test_what_this_host_surely_never_published_goes_after_the_new_one_is_delivered(
    make_stage: Callable[..., Stage],
) -> None:
    stage = make_stage(old_secrets=1)
    stage.deliver()
    stage.sandbox.fault("keeper", "update_secret", faults.KillBefore())
    assert stage.run().code == -9
    (orphan,) = stage.marked()
    stage.sandbox.forget()
    outcome = stage.run()
    assert (outcome.code, outcome.result) == (0, "rotated"), outcome
    assert orphan in outcome.report["removed"]
    order = [name for name in stage.sandbox.operations() if name in ("graph.remove_password", "devops.put_endpoint")]
    assert order[0] == "devops.put_endpoint"
    assert stage.live() == {stage.value("client_secret_id")}


def test_what_could_not_be_removed_is_known_to_the_next_run_too(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(old_secrets=1)
    stage.sandbox.fault("keeper", "update_secret", faults.KillBefore())
    assert stage.run().code == -9
    stage.sandbox.fault("graph", "remove_password", faults.Status(403), times=None)
    assert stage.run().code == 2
    stage.sandbox.faults.clear()
    outcome = stage.run()
    assert (outcome.code, outcome.result) == (0, "rotated"), outcome
    assert stage.live() == {stage.value("client_secret_id")}


def test_a_run_that_makes_nothing_dates_what_this_record_may_have_published(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(old_secrets=1, settings={"rotate_before_hours": "24"})
    stage.sandbox.fault("keeper", "update_secret", faults.KillBefore())
    assert stage.run(stage.line(dueNow=True)).code == -9
    shutil.rmtree(stage.home / "locks")
    (left,) = stage.marked()
    stage.sandbox.clock.advance(HOUR)
    first, again = stage.run(), stage.run()
    assert [(each.code, each.result) for each in (first, again)] == [(0, "not_due")] * 2, (first, again)
    assert all("overlap_hours" in each.report["kept"][0]["why"] for each in (first, again))
    assert left in stage.live()
    stage.sandbox.clock.advance(25 * HOUR)
    assert stage.run().result == "not_due"
    assert stage.live() == {stage.value("client_secret_id")}

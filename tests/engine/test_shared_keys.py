"""Storage keys over several runs, hosts and records: a key has one name and many values; none in use dies."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace

import pytest

from sandbox.keeper.vault import make_field
from sandbox.proxy import faults
from tests.stage import patience
from tests.stage.storage_key import SCRIPT, StorageStage

DAY = 86400.0
PATIENT = {"ROTATION_REQUEST_TIMEOUT_SECONDS": "10", "ROTATION_DEADLINE_SECONDS": "30"}


@pytest.fixture
def storage() -> Iterator[Callable[..., StorageStage]]:
    """Storage accounts, each in a sandbox of its own."""
    with ExitStack() as stack:
        yield lambda **furnish: stack.enter_context(StorageStage(**furnish))  # type: ignore[return-value]


Make = Callable[..., StorageStage]


def second(stage: StorageStage, active: str) -> str:
    """Another record that publishes this key of the account, which it spells in its own way."""
    key = stage.sandbox.storage.keys(stage.made.account)[active]
    fields = {"storage_account_id": stage.value("storage_account_id").upper(), "NOOP": "True", "active_key": active}
    custom = [make_field("text", value, label) for label, value in fields.items()]
    return stage.sandbox.keeper.add_record("other", "pamUser", [], [*custom, make_field("secret", key, "storage_key")])


@pytest.mark.parametrize("remove_old", ["none", "all"])
def test_a_key_that_another_record_publishes_is_not_regenerated(remove_old: str, storage: Make) -> None:
    stage = storage(settings={"remove_old": remove_old})
    other = second(stage, "key2")
    outcome = stage.run()
    assert (outcome.code, outcome.result) == (1, "failed"), outcome
    assert other in outcome.report["error"] and "deliver_to" in outcome.report["hint"]
    assert stage.regenerated() == [] and stage.works()


def test_a_key_that_another_record_names_is_not_regenerated_while_its_value_there_is_wrong(storage: Make) -> None:
    stage = storage()
    other = second(stage, "key2")
    stage.sandbox.keeper.edit(other, "storage_key", "pasted by mistake")
    outcome = stage.run()
    assert (outcome.code, stage.regenerated()) == (1, []), outcome
    assert f"key2: published by record {other}" in outcome.report["error"]
    stage.sandbox.keeper.edit(other, "active_key", "")
    assert stage.run().code == 0 and stage.works()


@pytest.mark.parametrize("remove_old", ["none", "all"])
def test_without_the_folders_nobody_knows_which_key_another_record_publishes(remove_old: str, storage: Make) -> None:
    stage = storage(settings={"remove_old": remove_old})
    stage.sandbox.keeper.vault.records[second(stage, "key2")].by_hand = True
    stage.sandbox.fault("keeper", "get_folders", faults.Malformed(), times=None)
    outcome = stage.run()
    assert (outcome.code, stage.regenerated()) == (1, []), outcome
    assert "Keeper get_folders" in outcome.report["error"] and stage.works()


# Who may edit any record of a folder may write these; Keeper's SDK then leaves out the whole folder.
UNREADABLE: dict[str, dict[str, object]] = {
    "a field without a type": {"type": "login", "title": "broken", "fields": [{"value": ["x"]}]},
    "no object": [],  # type: ignore[dict-item]
}


@pytest.mark.parametrize("broken", UNREADABLE)
@pytest.mark.parametrize("remove_old", ["none", "all"])
def test_a_record_that_cannot_be_read_hides_no_other_that_publishes_a_key(
    remove_old: str, broken: str, storage: Make
) -> None:
    stage = storage(settings={"remove_old": remove_old})
    other = second(stage, "key2")
    stage.sandbox.keeper.vault.records[stage.sandbox.keeper.add_record("broken")].data = UNREADABLE[broken]
    outcome = stage.run()
    assert (outcome.code, stage.regenerated()) == (1, []), outcome
    assert other in outcome.report["error"] and stage.works()


def test_a_former_key_that_another_record_publishes_lives_on(storage: Make) -> None:
    stage = storage(settings={"remove_old": "all"})
    other = second(stage, "key1")
    outcome = stage.run()
    assert (outcome.code, outcome.result) == (0, "rotated"), outcome
    assert stage.regenerated() == ["key2"] and stage.works()
    assert {"key_id": "key1", "why": f"published by record {other}"} in outcome.report["kept"]


def rotated_by_another(stage: StorageStage, **settings: str) -> str:
    """Another record, whose rotation has left key1 behind; the stage's record is new then."""
    for label, value in settings.items():
        stage.sandbox.keeper.edit(stage.at.record_uid, label, value)
    assert stage.run().code in (0, 2) and stage.value("active_key") == "key2"
    other, fields = stage.at.record_uid, {"NOOP": "True", "storage_account_id": stage.value("storage_account_id")}
    fields |= {"active_key": "", "overlap_hours": "0", "remove_old": "none"}
    custom = [make_field("text", value, label) for label, value in fields.items()]
    keeper = stage.sandbox.keeper
    uid = keeper.add_record("new", "pamUser", [], [*custom, make_field("secret", "", "storage_key")])
    stage.at = replace(stage.at, record_uid=uid)
    return other


@pytest.mark.parametrize("mine", ["none", "all"])
@pytest.mark.parametrize("theirs", ["none", "replaced"])
def test_a_key_that_another_record_keeps_until_a_date_is_not_regenerated(theirs: str, mine: str, storage: Make) -> None:
    stage = storage()
    other = rotated_by_another(stage, overlap_hours="24", remove_old=theirs)
    stage.sandbox.keeper.edit(stage.at.record_uid, "remove_old", mine)
    before = stage.regenerated()
    outcome = stage.run()
    assert (outcome.code, stage.regenerated()) == (1, before), outcome
    assert f"key1: record {other} keeps it until" in outcome.report["error"], outcome
    stage.sandbox.clock.advance(DAY + 3600)
    last = stage.run()
    assert (last.code, last.result, stage.value("active_key")) == (0, "rotated", "key1"), last
    assert stage.works()


@pytest.mark.parametrize("mine", ["none", "all"])
def test_while_another_records_state_cannot_be_read_no_key_of_the_account_is_regenerated(
    mine: str, storage: Make
) -> None:
    stage = storage(settings={"remove_old": mine})
    other = second(stage, "key1")
    stage.sandbox.keeper.edit(other, "rotation_state", "edited")
    outcome = stage.run()
    assert (outcome.code, stage.regenerated()) == (1, []), outcome
    assert f"rotation_state of record {other} cannot be read" in outcome.report["error"]
    assert "rotation_state" in outcome.report["hint"]
    stage.sandbox.keeper.edit(other, "rotation_state", "")
    assert stage.run().code == 0 and stage.works()


def test_two_hosts_and_a_slow_save_leave_a_key_that_works(storage: Make) -> None:
    stage = storage(settings={"remove_old": "all"})
    held = stage.sandbox.fault("keeper", "update_secret", faults.PauseAfter(), nth=2)
    first = stage.start(script=SCRIPT, **PATIENT)
    assert held.reached.wait(patience.seconds(10))
    other = stage.run(ROTATION_LOCK_DIR=str(stage.home / "other-host"))
    assert stage.works(), other
    held.release.set()
    outcome = stage.finish(first)
    assert outcome.code in (0, 2), outcome
    assert stage.works()


def test_a_save_without_an_answer_is_not_repeated_over_another_hosts_key(storage: Make) -> None:
    stage = storage(settings={"remove_old": "all"})
    held = stage.sandbox.fault("keeper", "update_secret", faults.HangAfter(), nth=2)
    first = stage.start(script=SCRIPT, ROTATION_REQUEST_TIMEOUT_SECONDS="4", ROTATION_DEADLINE_SECONDS="30")
    assert held.reached.wait(patience.seconds(10))
    other = stage.run(ROTATION_LOCK_DIR=str(stage.home / "other-host"))
    assert stage.works(), other
    outcome = stage.finish(first)
    assert stage.works(), outcome


def test_an_ending_that_arrives_late_ends_no_key_that_is_published_by_then(storage: Make) -> None:
    stage = storage(settings={"remove_old": "all"})
    ending = stage.sandbox.fault("arm", "regenerate_storage_key", faults.Pause(), nth=2)
    first = stage.run()
    assert first.code == 2 and stage.works(), first
    again = stage.run()
    ending.release.set()
    time.sleep(patience.seconds(0.3))
    assert again.code == 2, again
    assert stage.works()
    stage.sandbox.clock.advance(3600.0)
    assert stage.run().code == 0 and stage.works()


def test_an_ending_of_which_nobody_knows_blocks_the_key_until_it_cannot_arrive(storage: Make) -> None:
    stage = storage(settings={"remove_old": "all"})
    stage.sandbox.fault("arm", "regenerate_storage_key", faults.KillBefore(), nth=2)
    assert stage.run().code == -9
    outcome = stage.run()
    assert outcome.code == 2 and "UTC" in outcome.report["hint"], outcome
    assert stage.works()
    stage.sandbox.clock.advance(3600.0)
    assert stage.run().code == 0 and stage.works()


def test_while_the_overlap_lasts_the_schedule_has_nothing_to_do(storage: Make) -> None:
    stage = storage(settings={"overlap_hours": ""})
    assert stage.run().code == 0
    before = stage.regenerated()
    scheduled = stage.run()
    assert (scheduled.code, scheduled.result) == (0, "not_due"), scheduled
    asked = stage.run(stage.line(dueNow=True))
    assert (asked.code, asked.result) == (1, "failed") and "UTC" in asked.report["hint"], asked
    assert stage.regenerated() == before
    stage.sandbox.clock.advance(DAY)
    assert stage.run().result == "rotated"


def test_a_key_that_somebody_regenerates_during_an_overlap_is_published_as_it_is(storage: Make) -> None:
    """The record holds a dead value, and the other key is what its consumers still use."""
    stage = storage(settings={"overlap_hours": ""})
    address = stage.to_key_vault()
    assert stage.run().code == 0
    named, before = stage.value("active_key"), stage.sandbox.storage.keys(stage.made.account)
    stage.sandbox.clock.advance(3600.0)
    stage.sandbox.storage.regenerate(stage.made.account, named)
    outcome = stage.run()
    assert (outcome.code, outcome.result) == (0, "rotated"), outcome
    assert stage.works() and stage.value("active_key") == named and stage.vault_works()
    after = stage.sandbox.storage.keys(stage.made.account)
    assert {name for name in after if after[name] == before[name]} == set(before) - {named}
    assert outcome.report["delivered"] == [address]
    assert stage.run().result == "not_due"
    stage.sandbox.clock.advance(DAY)
    assert stage.run().result == "rotated" and stage.works() and stage.vault_works()

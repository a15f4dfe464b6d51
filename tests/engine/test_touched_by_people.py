"""Records that people restore, edit and copy between two runs, and apps that two records share: nobody is left dead."""

from __future__ import annotations

import copy
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from sandbox.furnish.rotation import pam_user
from sandbox.proxy import faults
from tests.stage import patience
from tests.stage.rotation import Outcome, Stage

HOUR = 3600.0


def rotated(stage: Stage) -> Outcome:
    """A rotation that is complete."""
    outcome = stage.run()
    assert (outcome.code, outcome.result) == (0, "rotated"), outcome
    return outcome


def restore(stage: Stage, data: dict[str, Any]) -> None:
    """The record as somebody puts it back from Keeper's history: its fields, under a new revision."""
    record = stage.sandbox.keeper.vault.records[stage.at.record_uid]
    for part in ("fields", "custom"):
        record.data[part] = copy.deepcopy(data[part])
    record.revision += 1


# A record that is put back from its history


@pytest.fixture
def put_back(make_stage: Callable[..., Stage]) -> Stage:
    """All destinations and the newest secret, and a record that shows the version before it."""
    stage = make_stage(old_secrets=1, settings={"remove_old": "replaced", "rotate_before_hours": ""})
    stage.deliver()
    rotated(stage)
    before = copy.deepcopy(stage.stored())
    rotated(stage)
    restore(stage, before)
    assert all(stage.working().values())
    return stage


BROKEN_RUNS: dict[str, tuple[str, str, faults.Kind]] = {
    "no new secret can be made": ("graph", "add_password", faults.Status(403)),
    "the run is killed before it makes one": ("graph", "add_password", faults.KillBefore()),
    "the new secret is never accepted": ("entra", "token", faults.Status(401)),
    "the record cannot be saved": ("keeper", "update_secret", faults.Status(403)),
    "the run is killed before the save": ("keeper", "update_secret", faults.KillBefore()),
}


@pytest.mark.parametrize("sentence", BROKEN_RUNS)
def test_what_destinations_use_outlives_a_run_that_breaks(sentence: str, put_back: Stage) -> None:
    service, operation, kind = BROKEN_RUNS[sentence]
    in_use, nth = put_back.live(), 2 if operation == "token" else 1
    put_back.sandbox.fault(service, operation, kind, nth=nth, times=None if "Kill" not in type(kind).__name__ else 1)
    outcome = put_back.run()
    assert outcome.code in (1, -9), outcome
    assert in_use <= put_back.live()
    assert all(put_back.working().values())


def test_a_record_that_was_put_back_is_rotated_and_what_it_forgot_ends_a_day_later(put_back: Stage) -> None:
    forgotten = put_back.live()
    outcome = rotated(put_back)
    assert forgotten <= put_back.live()
    assert {kept["key_id"] for kept in outcome.report["kept"]} == forgotten
    assert all(put_back.working().values()) and put_back.published_works()
    put_back.sandbox.clock.advance(25 * HOUR)
    rotated(put_back)
    assert put_back.live() == {put_back.value("client_secret_id")}
    assert all(put_back.working().values())


@pytest.fixture
def put_back_and_not_due(make_stage: Callable[..., Stage]) -> Stage:
    """The same, where the secret of the version before lives on, and no run makes another one for some weeks."""
    stage = make_stage(old_secrets=1, settings={"rotate_before_hours": "24", "overlap_hours": "48"})
    stage.deliver()
    assert stage.run().code == 0
    before = copy.deepcopy(stage.stored())
    stage.sandbox.keeper.edit(stage.at.record_uid, "rotate_now", "True")
    rotated(stage)
    restore(stage, before)
    assert all(stage.working().values()) and stage.undelivered()
    return stage


@pytest.mark.parametrize("remove_old", ["all", "none"])
def test_a_record_that_was_put_back_is_delivered_anew_before_what_it_forgot_ends(
    remove_old: str, put_back_and_not_due: Stage
) -> None:
    stage = put_back_and_not_due
    stage.sandbox.keeper.edit(stage.at.record_uid, "remove_old", remove_old)
    outcome = stage.run()
    assert (outcome.code, outcome.result) == (0, "finished"), outcome
    assert [each for each in stage.undelivered() if "twice" not in each] == []
    for _ in range(3):
        stage.sandbox.clock.advance(25 * HOUR)
        assert stage.run().result == "not_due"
        assert all(stage.working().values()) and stage.published_works()
    assert (stage.live() == {stage.value("client_secret_id")}) == (remove_old == "all")


@pytest.mark.parametrize("broken", [("arm", "put_connection"), ("keyvault", None)], ids=["unseen", "unreadable"])
def test_what_a_destination_may_hold_since_a_record_was_put_back_stays_until_it_is_served(
    broken: tuple[str, str | None], put_back_and_not_due: Stage
) -> None:
    stage = put_back_and_not_due
    in_use = stage.live()
    fault = stage.sandbox.fault(*broken, faults.Status(403), times=None)
    assert stage.run().code == 2
    stage.sandbox.clock.advance(70 * HOUR)
    outcome = stage.run()
    assert outcome.code == 2 and all(stage.working().values()), outcome
    assert in_use <= stage.live() and fault.fired
    stage.sandbox.faults.clear()
    assert stage.run().code == 0
    assert all(stage.working().values()) and in_use <= stage.live(), "who was served just now may have it in use"
    stage.sandbox.clock.advance(50 * HOUR)
    assert stage.run().code == 0
    assert stage.live() == {stage.value("client_secret_id")} and all(stage.working().values())


@pytest.mark.parametrize("may_hold", ["what a record that was put back forgot", "a former one that a person put there"])
def test_what_a_destination_may_hold_since_it_was_changed_makes_no_room(
    may_hold: str, make_stage: Callable[..., Stage]
) -> None:
    stage = make_stage(
        old_secrets=0,
        audience="AzureADandPersonalMicrosoftAccount",
        settings={"rotate_before_hours": "24", "overlap_hours": "48"},
    )
    address = stage.deliver("secret_address").secret_address
    assert stage.run().code == 0
    before = copy.deepcopy(stage.stored())
    stage.sandbox.keeper.edit(stage.at.record_uid, "rotate_now", "True")
    rotated(stage)
    if "put back" in may_hold:
        restore(stage, before)
    else:
        (former,) = [field["value"][0] for field in before["custom"] if field.get("label") == "client_secret"]
        stage.sandbox.keyvault.set_secret(stage.destinations.vault, stage.destinations.secret_name, former)
    stage.sandbox.fault("keyvault", "set_secret", faults.Status(403), times=None)
    assert stage.run().code == 2
    stage.sandbox.clock.advance(73 * HOUR)
    for _ in range(2):
        stage.sandbox.keeper.edit(stage.at.record_uid, "rotate_now", "True")
        outcome = stage.run()
        assert stage.working()[address] and stage.published_works(), outcome
    stage.sandbox.faults.clear()
    stage.sandbox.keeper.edit(stage.at.record_uid, "rotate_now", "")
    assert stage.run().result == "finished"
    stage.sandbox.clock.advance(50 * HOUR)
    assert stage.run().code == 0 and stage.live() == {stage.value("client_secret_id")}
    assert stage.working()[address]


def test_with_none_what_it_forgot_stays(put_back: Stage) -> None:
    put_back.sandbox.keeper.edit(put_back.at.record_uid, "remove_old", "none")
    forgotten = put_back.live()
    rotated(put_back)
    put_back.sandbox.clock.advance(25 * HOUR)
    outcome = rotated(put_back)
    assert forgotten <= put_back.live()
    assert forgotten <= {kept["key_id"] for kept in outcome.report["kept"]}


# A value that somebody pasted


WRONG_VALUES: dict[str, Callable[[str], str]] = {
    "one character short": lambda value: value[:-1],
    "with a character changed": lambda value: value[:-1] + ("x" if value[-1] != "x" else "y"),
    "of another app": lambda value: "another-secret-8Q~of-another-application",
}


@pytest.mark.parametrize("destinations", [True, False], ids=["with destinations", "without"])
@pytest.mark.parametrize("sentence", WRONG_VALUES)
def test_a_wrong_value_in_the_record_is_replaced_and_given_to_nobody(
    sentence: str, destinations: bool, make_stage: Callable[..., Stage]
) -> None:
    stage = make_stage(old_secrets=1, settings={"rotate_before_hours": "24", "remove_old": "replaced"})
    if destinations:
        stage.deliver()
    wrong = WRONG_VALUES[sentence](stage.value("client_secret"))
    stage.sandbox.keeper.edit(stage.at.record_uid, "client_secret", wrong)
    outcome = rotated(stage)
    assert outcome.report["why"] == ["refused" if sentence != "of another app" else "not the saved one"]
    assert stage.published_works() and all(stage.working().values())
    assert stage.run().result == "not_due"


def test_a_young_secret_that_is_refused_is_given_time(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(old_secrets=1, settings={"rotate_before_hours": "24"})
    stage.sandbox.keeper.edit(stage.at.record_uid, "client_secret_id", "")
    rotated(stage)
    key, value = stage.value("client_secret_id"), stage.value("client_secret")
    stage.sandbox.keeper.edit(stage.at.record_uid, "client_secret", value[:-1])
    outcome = stage.run()
    assert (outcome.code, outcome.result) == (2, "incomplete"), outcome
    assert stage.value("client_secret_id") == key
    stage.sandbox.clock.advance(HOUR)
    assert rotated(stage).report["why"] == ["refused"]


@pytest.mark.parametrize("typed", [str.upper, lambda key_id: f" {key_id} "], ids=["in capitals", "with blanks"])
def test_a_key_id_may_be_typed(typed: Callable[[str], str], make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(old_secrets=1, settings={"rotate_before_hours": "24"})
    destinations = stage.deliver()
    stage.sandbox.keeper.edit(stage.at.record_uid, "client_secret_id", typed(stage.value("client_secret_id")))
    first, second = stage.run(), stage.run()
    assert [(each.code, each.result) for each in (first, second)] == [(0, "finished"), (0, "not_due")]
    assert not stage.undelivered()
    assert len(stage.sandbox.automation.started(destinations.runbook)) == 1


# During a run


@contextmanager
def paused(stage: Stage, service: str, operation: str, kind: faults.Kind, nth: int = 1) -> Iterator[dict[str, Any]]:
    """A run that stands still at a request while the body of the block happens; its outcome is in the box after."""
    fault, box = stage.sandbox.fault(service, operation, kind, nth=nth), {}
    process = stage.start(ROTATION_REQUEST_TIMEOUT_SECONDS="10", ROTATION_DEADLINE_SECONDS="30")
    assert fault.reached.wait(patience.seconds(10))
    box["process"] = process
    yield box
    fault.release.set()
    box["outcome"] = stage.finish(process)


def test_sigterm_after_the_save_begins_no_delivery(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(old_secrets=1)
    stage.deliver()
    with paused(stage, "keeper", "update_secret", faults.PauseAfter()) as run:
        stage.sandbox.forget()
        run["process"].send_signal(signal.SIGTERM)
    outcome = run["outcome"]
    assert outcome.code == 2, outcome
    begun = [name for name in stage.sandbox.operations() if ".set_" in name or ".put_" in name]
    assert begun == []
    assert stage.published_works() and all(stage.working().values())
    assert rotated_or_finished(stage) and not stage.undelivered()


def rotated_or_finished(stage: Stage) -> bool:
    """A plain run that is complete."""
    outcome = stage.run()
    return outcome.code == 0 and outcome.result in ("rotated", "finished")


def test_a_secret_that_a_person_publishes_meanwhile_is_overwritten_by_the_new_one(
    make_stage: Callable[..., Stage],
) -> None:
    """It was there before the run, so no other rotation made it: the record says what the run made."""
    stage = make_stage(old_secrets=1, settings={"remove_old": "replaced"})
    key_id, text = stage.sandbox.graph.add_password(stage.at.target_object_id, "by a person")
    with paused(stage, "keeper", "update_secret", faults.Pause()) as run:
        stage.sandbox.keeper.edit(stage.at.record_uid, "client_secret", text)
        stage.sandbox.keeper.edit(stage.at.record_uid, "client_secret_id", key_id)
    outcome = run["outcome"]
    assert (outcome.code, outcome.result) == (0, "rotated"), outcome
    assert outcome.report["key_id"] == stage.value("client_secret_id") != key_id
    assert stage.published_works() and key_id in stage.live()


def test_a_record_that_is_put_back_while_the_deliveries_are_noted_publishes_the_new_one(
    make_stage: Callable[..., Stage],
) -> None:
    stage = make_stage(old_secrets=1)
    stage.deliver("secret_address")
    before = copy.deepcopy(stage.stored())
    with paused(stage, "keeper", "update_secret", faults.Pause(), nth=2) as run:
        restore(stage, before)
    outcome = run["outcome"]
    assert (outcome.code, outcome.result) == (0, "rotated"), outcome
    assert stage.published_works() and outcome.report["key_id"] == stage.value("client_secret_id")


def test_a_record_that_is_put_back_while_an_optional_destination_fails_publishes_the_new_one(
    make_stage: Callable[..., Stage],
) -> None:
    stage = make_stage(old_secrets=1)
    stage.deliver("secret_address", optional=True)
    before = copy.deepcopy(stage.stored())
    with paused(stage, "keyvault", "set_secret", faults.Pause()) as run:
        stage.sandbox.fault("keyvault", "get_secret", faults.Status(403), times=None)
        restore(stage, before)
    outcome = run["outcome"]
    assert (outcome.code, outcome.result) == (0, "rotated"), outcome
    assert stage.published_works() and outcome.report["key_id"] == stage.value("client_secret_id")


def test_a_record_that_is_put_back_while_a_run_finishes_loses_nothing(make_stage: Callable[..., Stage]) -> None:
    """The run is about to remove what the record publishes by then: its overlap is over."""
    stage = make_stage(old_secrets=1, settings={"overlap_hours": "24"})
    rotated(stage)
    before = copy.deepcopy(stage.stored())
    rotated(stage)
    stage.sandbox.clock.advance(25 * HOUR)
    stage.sandbox.keeper.edit(stage.at.record_uid, "rotate_before_hours", "24")
    with paused(stage, "entra", "token", faults.Pause(), nth=2) as run:
        restore(stage, before)
    outcome = run["outcome"]
    assert outcome.code == 2 and "edited" in outcome.report["error"], outcome
    assert stage.published_works() and stage.value("client_secret_id") == _published(before)
    assert rotated_or_finished(stage) and stage.published_works()


def _published(data: dict[str, Any]) -> str:
    return str(next(each["value"][0] for each in data["custom"] if each.get("label") == "client_secret_id"))


def test_a_secret_that_graph_lists_late_is_published(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(old_secrets=1)
    stage.sandbox.graph.stale_reads = 6
    rotated(stage)
    assert stage.published_works() and len(stage.live()) == 1


def test_a_secret_that_graph_does_not_list_for_long_is_published_and_nothing_is_removed(
    make_stage: Callable[..., Stage],
) -> None:
    stage = make_stage(old_secrets=1)
    stage.deliver()
    before = stage.live()
    stage.sandbox.graph.stale_reads = 40
    outcome = stage.run()
    assert (outcome.code, outcome.result) == (2, "incomplete"), outcome
    assert before < stage.live() and stage.published_works()
    assert not stage.undelivered() and all(stage.working().values())
    stage.sandbox.graph.stale_reads = 0
    stage.sandbox.directory.applications[stage.at.target_object_id].stale_reads = 0
    rotated(stage)
    assert stage.live() == {stage.value("client_secret_id")}


# Two records, one app


def second_record(stage: Stage) -> Stage:
    """The same sandbox, seen from a second record of the same app."""
    other = copy.copy(stage)
    other.at = replace(stage.at, record_uid=pam_user(stage.sandbox, stage.at.target_object_id))
    return other


def test_what_another_records_destination_holds_is_kept(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(old_secrets=1)
    stage.deliver()
    rotated(stage)
    stage.sandbox.fault("devops", "put_endpoint", faults.Status(500), times=None)
    assert stage.run().code == 2
    stage.sandbox.faults.clear()
    stage.sandbox.clock.advance(HOUR)
    needed = stage.live()
    outcome = rotated(second_record(stage))
    assert needed <= stage.live() and not outcome.report["removed"]
    assert {kept["key_id"] for kept in outcome.report["kept"]} >= needed
    assert all(stage.working().values())


@pytest.mark.parametrize("remove_old", ["all", "replaced"])
def test_a_copy_of_a_record_leaves_what_the_original_publishes(
    remove_old: str, make_stage: Callable[..., Stage]
) -> None:
    """The secret that both show was made by hand, so that no marker names the original."""
    stage = make_stage(old_secrets=1, settings={"remove_old": remove_old})
    stage.deliver()
    data = copy.deepcopy(stage.stored())
    custom = [each for each in data["custom"] if each["label"] != "deliver_to"]
    copied = stage.sandbox.keeper.add_record("a copy", "pamUser", data["fields"], custom)
    outcome = stage.run(stage.line(userRecordUid=copied))
    assert (outcome.code, outcome.result) == (0, "rotated"), outcome
    assert stage.published_works() and all(stage.working().values())
    why = f"published by record {stage.at.record_uid}"
    assert {"key_id": stage.value("client_secret_id"), "why": why} in outcome.report["kept"]


def test_what_another_record_keeps_until_a_date_is_kept(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(old_secrets=0, settings={"overlap_hours": "168"})
    rotated(stage)
    former = stage.value("client_secret_id")
    rotated(stage)
    stage.sandbox.clock.advance(HOUR)
    rotated(second_record(stage))
    assert {former, stage.value("client_secret_id")} <= stage.live()
    stage.sandbox.clock.advance(170 * HOUR)
    rotated(stage)
    assert former not in stage.live()


@pytest.mark.parametrize("remove_old", ["all", "replaced"])
def test_a_ledger_of_another_record_that_cannot_be_read_holds_up_what_it_may_keep_and_no_rotation(
    remove_old: str, make_stage: Callable[..., Stage]
) -> None:
    stage = make_stage(old_secrets=1, settings={"remove_old": remove_old})
    other = second_record(stage)
    assert stage.run(other.line()).code == 0
    stage.sandbox.keeper.edit(other.at.record_uid, "rotation_state", "edited")
    before, former = stage.live(), stage.value("client_secret_id")
    outcome = stage.run()
    assert (outcome.code, outcome.result) == (0, "rotated"), outcome
    assert before <= stage.live() and stage.published_works() and not outcome.report["removed"]
    kept = {each["key_id"]: each["why"] for each in outcome.report["kept"]}
    assert set(kept) == before
    assert f"rotation_state of record {other.at.record_uid} cannot be read" in kept[former]
    again = stage.run()
    assert again.code == 0 and before <= stage.live(), again
    stage.sandbox.keeper.edit(other.at.record_uid, "rotation_state", "")
    rotated(stage)
    assert stage.live() == {stage.value("client_secret_id"), other.value("client_secret_id")}


def test_a_run_that_makes_nothing_says_why_a_former_secret_stays(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(old_secrets=1, settings={"overlap_hours": "24"})
    kept = rotated(stage).report["kept"]
    stage.sandbox.keeper.edit(stage.at.record_uid, "rotate_before_hours", "24")
    outcome = stage.run()
    assert (outcome.code, outcome.result) == (0, "not_due"), outcome
    assert outcome.report["kept"] == kept and "overlap_hours" in kept[0]["why"]


def test_a_secret_made_by_hand_that_another_record_publishes_is_kept(make_stage: Callable[..., Stage]) -> None:
    """No marker names that record; it is found because this rotation would remove the secret."""
    stage = make_stage(old_secrets=1)
    key_id, text = stage.sandbox.graph.add_password(stage.at.target_object_id, "by a person")
    other = second_record(stage)
    for label, value in {"client_secret_id": key_id.upper(), "client_secret": text}.items():
        stage.sandbox.keeper.edit(other.at.record_uid, label, value)
    outcome = rotated(stage)
    assert key_id in stage.live()
    assert {"key_id": key_id, "why": f"published by record {other.at.record_uid}"} in outcome.report["kept"]


@pytest.mark.parametrize("state", ["{}", "by hand", '{"version":9}'])
def test_a_record_of_something_else_whose_state_cannot_be_read_holds_up_nothing(
    state: str, make_stage: Callable[..., Stage]
) -> None:
    stage = make_stage(old_secrets=1, foreign=1)
    other = pam_user(stage.sandbox, stage.at.admin_object_id)
    stage.sandbox.keeper.edit(other, "rotation_state", state)
    rotated(stage)
    assert stage.live() == {stage.value("client_secret_id")}


def test_nothing_is_removed_while_what_was_delivered_cannot_be_noted(make_stage: Callable[..., Stage]) -> None:
    """What the record says by then is not known, so neither is what may go."""
    stage = make_stage(old_secrets=1)
    stage.deliver()
    before = stage.live()
    stage.sandbox.fault("keeper", "update_secret", faults.Status(503), nth=2, times=None)
    outcome = stage.run()
    assert outcome.code == 2 and before <= stage.live(), outcome
    stage.sandbox.faults.clear()
    assert rotated_or_finished(stage) and stage.live() == {stage.value("client_secret_id")}
    assert not stage.undelivered()

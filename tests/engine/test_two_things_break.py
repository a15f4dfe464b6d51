"""What one fault alone does not show: late arrivals, freezes, edits and signals at the worst moment."""

from __future__ import annotations

import copy
import json
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

from sandbox.furnish.rotation import pam_user
from sandbox.proxy import faults
from tests.stage import patience
from tests.stage.rotation import Outcome, Process, Stage

PATIENT = {"ROTATION_REQUEST_TIMEOUT_SECONDS": "10", "ROTATION_DEADLINE_SECONDS": "30"}
FOREVER = 10**6


def password(stage: Stage, key_id: str) -> Any:
    """A secret of the target."""
    found = stage.sandbox.directory.applications[stage.at.target_object_id].password(key_id)
    assert found
    return found


def no_more_stale_reads(stage: Stage) -> None:
    stage.sandbox.graph.stale_reads = 0
    for application in stage.sandbox.directory.applications.values():
        application.stale_reads = 0


def arrives_late(stage: Stage, *then: tuple[faults.Kind, int | None]) -> Outcome:
    """A run whose first save is held past its timeout, and arrives when the run is over; later saves meet ``then``."""
    first = stage.sandbox.fault("keeper", "update_secret", faults.Pause())
    for kind, times in then:
        stage.sandbox.fault("keeper", "update_secret", kind, nth=2, times=times)
    outcome = stage.run()
    first.release.set()
    time.sleep(patience.seconds(0.3))
    return outcome


# Saves


def killed_at_its_save(stage: Stage, line: bytes | None = None) -> faults.Fault:
    """A run that is killed while its save is on its way; released, that arrives."""
    save = stage.sandbox.fault("keeper", "update_secret", faults.Pause())
    process = stage.start(line, **PATIENT)
    assert save.reached.wait(patience.seconds(10))
    process.kill()
    process.communicate()
    return save


def test_what_a_killed_run_may_still_publish_is_not_removed_by_one_that_makes_nothing(
    make_stage: Callable[..., Stage],
) -> None:
    stage = make_stage(old_secrets=1, settings={"rotate_before_hours": "24"})
    save = killed_at_its_save(stage, stage.line(dueNow=True))
    outcome = stage.run()
    assert (outcome.code, outcome.result) == (0, "not_due"), outcome
    save.release.set()
    time.sleep(patience.seconds(0.3))
    assert stage.published_works()
    assert stage.live() == {stage.value("client_secret_id")}


def test_what_a_killed_run_may_still_publish_is_not_removed_to_make_room(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(old_secrets=1, audience="AzureADandPersonalMicrosoftAccount")
    save = killed_at_its_save(stage)
    stage.sandbox.fault("graph", "add_password", faults.KillBefore())
    assert stage.run().code == -9
    save.release.set()
    time.sleep(patience.seconds(0.3))
    assert stage.published_works()


LATER: dict[str, tuple[faults.Kind, int | None]] = {
    "is refused": (faults.Status(403), None),
    "is throttled": (faults.throttled(403), None),
    "never arrives": (faults.ResetBefore(), None),
    "never arrives, the fence does": (faults.ResetBefore(), 3),
}


@pytest.mark.parametrize("then", LATER)
def test_a_save_that_arrives_late_after_the_next_one(then: str, stage: Stage) -> None:
    outcome = arrives_late(stage, LATER[then])
    assert stage.published_works(), outcome
    assert outcome.code in (1, 3), outcome
    assert outcome.report["hint"]
    stage.sandbox.faults.clear()
    assert stage.run().code == 0
    assert stage.live() == {stage.value("client_secret_id")}


def test_a_save_that_is_acknowledged_and_did_not_happen(stage: Stage) -> None:
    stage.sandbox.fault("keeper", "update_secret", faults.Status(200, {}, b""))
    assert stage.run().code == 0
    assert stage.published_works()
    assert stage.live() == {stage.value("client_secret_id")}


def test_saves_that_are_always_acknowledged_and_never_happen(stage: Stage) -> None:
    stage.sandbox.fault("keeper", "update_secret", faults.Status(200, {}, b""), times=4)
    live = stage.live()
    outcome = stage.run()
    assert (outcome.code, stage.live()) == (1, live), outcome
    assert stage.published_works()


def test_an_output_that_somebody_edits_after_every_save(stage: Stage) -> None:
    held = [stage.sandbox.fault("keeper", "update_secret", faults.PauseAfter(), nth=nth) for nth in (1, 2, 3, 4)]
    process = stage.start(**PATIENT)
    for number, fault in enumerate(held):
        assert fault.reached.wait(patience.seconds(10))
        stage.sandbox.keeper.edit(stage.at.record_uid, "expires", f"never {number}")
        fault.release.set()
    outcome = stage.finish(process)
    assert outcome.code == 0, outcome
    assert stage.published_works()


def test_a_ledger_note_that_keeper_refuses_leaves_the_next_run_to_serve_again(stage: Stage) -> None:
    stage.deliver()
    stage.sandbox.fault("keeper", "update_secret", faults.Status(403), nth=2)
    outcome = stage.run()
    assert outcome.code == 2, outcome
    assert "could not be noted" in outcome.report["error"]
    again = stage.run()
    assert (again.code, again.result) == (0, "finished"), again
    assert not stage.undelivered()


# Copies, restored versions, cleared and odd fields


@pytest.mark.parametrize("policy", ["all", "replaced"])
def test_a_copy_of_a_record_does_not_remove_what_the_original_publishes(
    policy: str, make_stage: Callable[..., Stage]
) -> None:
    stage = make_stage(old_secrets=1)
    assert stage.run().code == 0
    published = (stage.value("client_secret_id"), stage.value("client_secret"))
    second = pam_user(stage.sandbox, stage.at.target_object_id, *published, settings={"remove_old": policy})
    outcome = stage.run(stage.line(userRecordUid=second))
    assert outcome.code == 0, outcome
    assert published[0] not in outcome.report["removed"]
    assert stage.published_works()


def test_the_same_app_named_otherwise_is_the_same_app(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(old_secrets=0, settings={"remove_old": "none"})
    assert stage.run().code == 0
    former = stage.value("client_secret_id")
    assert stage.run().code == 0
    stage.sandbox.keeper.edit(stage.at.record_uid, "application_object_id", stage.at.target_client_id)
    assert stage.run().code == 0
    assert former in stage.live()


BROKEN_LEDGERS: dict[str, Callable[[dict[str, Any]], str]] = {
    "of another version": lambda state: json.dumps(state | {"version": 99}),
    "cut short": lambda state: json.dumps(state)[:-9],
    "of another shape": lambda state: json.dumps(state | {"retire": {"a": 1}}),
    "with a moment after the last": lambda state: json.dumps(
        state | {"retire": [{"key_id": "a", "after": "9999-12-31T23:59:59-23:59", "published": True}]}
    ),
    "nested without an end": lambda state: json.dumps(state)[:-1] + ', "more": ' + "[" * 20_000,
}


@pytest.mark.parametrize("what", BROKEN_LEDGERS)
def test_a_rotation_state_that_cannot_be_read_is_not_taken_for_empty(
    what: str, make_stage: Callable[..., Stage]
) -> None:
    stage = make_stage(old_secrets=0, settings={"remove_old": "none"})
    assert stage.run().code == stage.run().code == 0
    state = BROKEN_LEDGERS[what](json.loads(stage.value("rotation_state")))
    stage.sandbox.keeper.edit(stage.at.record_uid, "rotation_state", state)
    live = stage.live()
    outcome = stage.run()
    assert (outcome.code, stage.live()) == (1, live), outcome
    assert "rotation_state" in outcome.report["error"] and "history" in outcome.report["hint"]


def test_dates_without_a_zone_in_the_rotation_state(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(old_secrets=1, settings={"overlap_hours": "24"})
    assert stage.run().code == 0
    state = json.loads(stage.value("rotation_state"))
    state["retire"][0]["after"] = "2030-01-01"
    stage.sandbox.keeper.edit(stage.at.record_uid, "rotation_state", json.dumps(state))
    assert stage.run().code == 0


@pytest.mark.parametrize("name", ["keeper:a:b:c:²", "keeper:/../x y:b:c:1", "keeper:a:b:c:99999999999", "keeper::::"])
def test_a_display_name_that_looks_like_a_marker(name: str, stage: Stage) -> None:
    stage.sandbox.graph.add_password(stage.at.target_object_id, name)
    assert stage.run().code in (0, 2)
    assert stage.published_works()


def test_a_key_id_that_was_pasted_in_capitals(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(old_secrets=2, settings={"remove_old": "replaced"})
    published = stage.value("client_secret_id")
    stage.sandbox.keeper.edit(stage.at.record_uid, "client_secret_id", published.upper() + " ")
    assert stage.run().code == 0
    assert published not in stage.live()


def test_the_last_working_secret_outlives_a_failed_run_where_its_key_id_was_cleared(stage: Stage) -> None:
    assert stage.run().code == 0
    stage.sandbox.keeper.edit(stage.at.record_uid, "client_secret_id", "")
    stage.sandbox.keeper.edit(stage.at.record_uid, "rotation_state", "")
    stage.sandbox.fault("graph", "add_password", faults.Status(403), times=None)
    assert stage.run().code == 1
    assert stage.sandbox.entra.secret_works(stage.at.target_client_id, stage.value("client_secret"))
    stage.sandbox.faults.clear()
    assert stage.run().code == 0
    assert len(stage.live()) == 2, "it may be in use: nobody knows any more that the record published it"
    stage.sandbox.clock.advance(25 * 3600.0)
    assert stage.run().code == 0
    assert stage.live() == {stage.value("client_secret_id")}


def test_disabled_whatever_else_is_wrong(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(settings={"rotation_enabled": "false", "rotate_before_hours": "abc", "Remove Old": "none"})
    outcome = stage.run()
    assert (outcome.code, outcome.result) == (0, "disabled"), outcome


def test_a_secret_that_is_an_ordinary_word_does_not_break_the_json_line(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(old_secrets=0)
    stage.sandbox.keeper.edit(stage.at.record_uid, "client_secret", "rotated")
    assert stage.run().result == "rotated"


# Replica lag


@pytest.mark.parametrize("policy", ["none", "replaced", "all"])
def test_what_a_stale_listing_hides_is_not_forgotten(policy: str, make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(old_secrets=0, settings={"remove_old": policy})
    assert stage.run().code == 0
    first = stage.value("client_secret_id")
    stage.sandbox.graph.application(stage.at.target_object_id).stale_reads = 1
    assert stage.run().code == 0
    assert (first in stage.live()) is (policy == "none")
    assert stage.run().code == 0
    assert (first in stage.live()) is (policy == "none")


@pytest.mark.parametrize("lags", [(0.0, 300.0), (300.0, 0.0), (0.0, 300.0, 300.0), (300.0, 0.0, 0.0)], ids=str)
def test_replicas_that_take_turns_and_are_minutes_apart(lags: tuple[float, ...], stage: Stage) -> None:
    """What one read shows, the next may not show: nothing is lost, and nothing is said to be there that is not."""
    stage.deliver()
    stage.sandbox.graph.replica_lags = lags
    for _ in range(3):
        outcome = stage.run()
        assert outcome.code in (0, 2), outcome
        assert stage.published_works() and all(stage.working().values())
        assert not stage.undelivered()
    stage.sandbox.clock.advance(600.0)
    stage.sandbox.graph.replica_lags = (0.0,)
    assert stage.run().code == 0
    assert stage.live() == {stage.value("client_secret_id")}


def vanished(stage: Stage) -> Process:
    """A run whose new secret is removed by hand right after it was saved."""
    fault = stage.sandbox.fault("keeper", "update_secret", faults.PauseAfter())
    process = stage.start(**PATIENT)
    assert fault.reached.wait(patience.seconds(10))
    stage.sandbox.graph.remove(stage.at.target_object_id, stage.value("client_secret_id"))
    fault.release.set()
    return process


def test_what_was_published_before_is_put_back_where_the_new_one_is_gone(stage: Stage) -> None:
    before = stage.sandbox.keeper.record(stage.at.record_uid).data
    outcome = stage.finish(vanished(stage))
    assert (outcome.code, outcome.result) == (1, "failed"), outcome
    assert stage.value("client_secret_id") == stage.at.old_key_ids[-1]
    assert stage.published_works()
    written = ("client_secret_id", "client_secret", "expires")
    after = stage.sandbox.keeper.record(stage.at.record_uid).data["custom"]
    assert [entry for entry in after if entry["label"] in written] == [
        entry for entry in before["custom"] if entry["label"] in written
    ]
    assert stage.run().code == 0
    assert stage.live() == {stage.value("client_secret_id")}


def test_an_expired_secret_is_not_put_back(stage: Stage) -> None:
    password(stage, stage.at.old_key_ids[-1]).end = stage.sandbox.clock.now() - 60
    outcome = stage.finish(vanished(stage))
    assert (outcome.code, outcome.result) == (3, "unknown"), outcome
    assert stage.run().code == 0
    assert stage.published_works()


def test_a_secret_that_is_refused_is_not_put_back(stage: Stage) -> None:
    value = stage.value("client_secret")
    stage.sandbox.keeper.edit(stage.at.record_uid, "client_secret", value[:-1])
    outcome = stage.finish(vanished(stage))
    assert (outcome.code, outcome.result) == (3, "unknown"), outcome
    assert stage.run().code == 0
    assert stage.published_works()


def test_keeper_is_gone_when_the_old_secret_should_be_put_back(stage: Stage) -> None:
    stage.sandbox.fault("keeper", "update_secret", faults.Status(503), nth=2, times=None)
    outcome = stage.finish(vanished(stage))
    assert outcome.code == 3, outcome
    stage.sandbox.faults.clear()
    assert stage.run().code == 0
    assert stage.published_works()


def test_the_record_is_gone_when_the_old_secret_should_be_put_back(stage: Stage) -> None:
    stage.sandbox.graph.stale_reads = FOREVER
    fault = stage.sandbox.fault("keeper", "get_secret", faults.Pause(), nth=3)
    process = stage.start(**PATIENT)
    assert fault.reached.wait(patience.seconds(15))
    kept = stage.sandbox.keeper.vault.records.pop(stage.at.record_uid)
    fault.release.set()
    outcome = stage.finish(process)
    stage.sandbox.keeper.vault.records[stage.at.record_uid] = kept
    assert outcome.code == 3, outcome


def test_another_host_rotates_while_the_old_secret_is_put_back(stage: Stage) -> None:
    fault = stage.sandbox.fault("keeper", "update_secret", faults.Pause(), nth=2)
    process = vanished(stage)
    assert fault.reached.wait(patience.seconds(10))
    other = stage.run(ROTATION_LOCK_DIR=str(stage.home / "other-host"))
    assert other.code == 0, other
    fault.release.set()
    outcome = stage.finish(process)
    assert outcome.code in (0, 1), outcome
    assert stage.published_works()
    assert stage.run().code == 0
    assert stage.live() == {stage.value("client_secret_id")}


def test_sigterm_while_replicas_lag_leaves_the_new_secret_published(stage: Stage) -> None:
    stage.sandbox.graph.stale_reads = 20
    fault = stage.sandbox.fault("graph", "get_application", faults.Pause(), nth=2)
    process = stage.start(ROTATION_RETRY_BASE_SECONDS="1", **PATIENT)
    assert fault.reached.wait(patience.seconds(15))
    process.send_signal(signal.SIGTERM)
    fault.release.set()
    outcome = stage.finish(process)
    assert outcome.code == 2, outcome
    assert stage.published_works()


def test_somebody_restores_the_record_before_the_old_secrets_go(stage: Stage) -> None:
    before = copy.deepcopy(stage.stored()["custom"])
    fault = stage.sandbox.fault("graph", "get_application", faults.Pause(), nth=2)
    process = stage.start(**PATIENT)
    assert fault.reached.wait(patience.seconds(10))
    stage.stored()["custom"] = before
    time.sleep(2.1)  # younger than this, the read-back is still the last look at the record
    fault.release.set()
    outcome = stage.finish(process)
    assert outcome.code == 0, outcome
    assert stage.published_works()


def test_a_host_that_was_frozen_while_another_took_it_for_dead(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(settings={"rotate_before_hours": "24"})
    password(stage, stage.at.old_key_ids[-1]).end = stage.sandbox.clock.now() + 23.9 * 3600
    fault = stage.sandbox.fault("keeper", "update_secret", faults.Pause())
    process = stage.start(**PATIENT)
    assert fault.reached.wait(patience.seconds(10))
    stage.sandbox.clock.advance(700)
    (setting,) = [entry for entry in stage.stored()["custom"] if entry["label"] == "rotate_before_hours"]
    setting["value"] = ["1"]
    assert stage.run(ROTATION_LOCK_DIR=str(stage.home / "other-host")).result == "not_due"
    stage.sandbox.fault("graph", "get_application", faults.Status(503), times=None)
    fault.release.set()
    outcome = stage.finish(process)
    assert outcome.code == 3, outcome
    stage.sandbox.faults.clear()
    assert stage.run().code == 0
    assert stage.published_works()


# Mints and removals


def test_a_mint_that_lands_late_is_gone_when_the_run_is_over(stage: Stage) -> None:
    first = stage.sandbox.fault("graph", "add_password", faults.Pause())
    second = stage.sandbox.fault("graph", "add_password", faults.Pause(), nth=2)
    process = stage.start()
    assert second.reached.wait(patience.seconds(10))
    first.release.set()
    time.sleep(0.2)
    second.release.set()
    outcome = stage.finish(process)
    assert outcome.code == 0, outcome
    assert stage.live() == {stage.value("client_secret_id")}


def test_a_throttled_mint_is_asked_for_when_the_service_wants_it(stage: Stage) -> None:
    stage.sandbox.fault("graph", "add_password", faults.Status(429, {"Retry-After": "1"}), times=3)
    assert stage.run().code == 0
    assert stage.published_works()


def test_a_listing_that_fails_after_a_failed_mint_has_changed_nothing(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(old_secrets=1, audience="AzureADandPersonalMicrosoftAccount")
    live = stage.live()
    stage.sandbox.fault("graph", "add_password", faults.Status(429, {"Retry-After": "0"}))
    stage.sandbox.fault("graph", "get_application", faults.Status(503), nth=5, times=None)
    outcome = stage.run()
    assert (outcome.code, stage.live()) == (1, live), outcome


@pytest.mark.parametrize("address", ["http://[", "//", "https://ex ample/\x7f"])
def test_a_redirect_after_the_mint_took_effect(address: str, stage: Stage) -> None:
    stage.sandbox.fault("graph", "add_password", faults.ErrorAfter(302, {"Location": address}))
    outcome = stage.run()
    assert outcome.code in (0, 1), outcome
    assert len(stage.marked()) == (outcome.code == 0)


def test_a_redirect_is_not_a_removal(stage: Stage) -> None:
    answer = faults.Status(302, {"Content-Type": "application/json", "Location": "https://portal.example/"}, b"{}")
    stage.sandbox.fault("graph", "remove_password", answer, times=None)
    assert stage.run().code == 2
    assert stage.published_works()


def test_an_answer_without_a_token_is_not_a_proof(stage: Stage) -> None:
    stage.sandbox.entra.propagation_seconds = 3600
    answer = faults.Status(200, {"Content-Type": "application/json"}, b'{"portal": "log in"}')
    stage.sandbox.fault("entra", "token", answer, nth=2, times=3)
    assert stage.run().code == 1
    assert stage.published_works()


def test_nothing_goes_to_make_room_where_the_published_secret_has_expired(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(old_secrets=1, foreign=1, audience="AzureADandPersonalMicrosoftAccount")
    password(stage, stage.at.old_key_ids[0]).end = stage.sandbox.clock.now() - 60
    stage.sandbox.fault("graph", "add_password", faults.Status(403), times=None)
    assert stage.run().code == 1
    assert stage.at.foreign_key_ids[0] in stage.live()


def test_a_leftover_is_told_also_when_another_run_was_faster(stage: Stage) -> None:
    stage.sandbox.fault("keeper", "update_secret", faults.KillBefore())
    assert stage.run().code == -9
    (orphan,) = stage.marked()
    stage.sandbox.fault("graph", "remove_password", faults.Status(403))
    fault = stage.sandbox.fault("keeper", "update_secret", faults.Pause())
    process = stage.start(**PATIENT)
    assert fault.reached.wait(patience.seconds(10))
    stage.run(ROTATION_LOCK_DIR=str(stage.home / "other-host"))
    fault.release.set()
    outcome = stage.finish(process)
    assert not (outcome.code == 0 and orphan in stage.live()), outcome


# Signals while something is taken back


def test_sigterm_while_a_secret_is_taken_back(stage: Stage) -> None:
    live = stage.live()
    stage.sandbox.entra.propagation_seconds = 3600
    fault = stage.sandbox.fault("graph", "remove_password", faults.Pause())
    process = stage.start(
        ROTATION_REQUEST_TIMEOUT_SECONDS="1", ROTATION_DEADLINE_SECONDS="30", ROTATION_PROVE_TIMEOUT_SECONDS="0.1"
    )
    assert fault.reached.wait(patience.seconds(15))
    process.send_signal(signal.SIGTERM)
    outcome = stage.finish(process)
    fault.release.set()
    assert (outcome.code, stage.live()) == (1, live), outcome


def test_sigterm_while_a_broken_mint_is_looked_for(stage: Stage) -> None:
    live = stage.live()
    fault = stage.sandbox.fault("graph", "add_password", faults.PauseAfter())
    stage.sandbox.fault("graph", "get_application", faults.Status(503), nth=2)
    process = stage.start(ROTATION_REQUEST_TIMEOUT_SECONDS="1", ROTATION_DEADLINE_SECONDS="30")
    assert fault.reached.wait(patience.seconds(10))
    process.send_signal(signal.SIGTERM)
    outcome = stage.finish(process)
    assert (outcome.code, stage.live()) == (1, live), outcome


# A run that is told to stop while what the record publishes is refused

WRONG = json.dumps({"error": "invalid_client", "error_description": "AADSTS7000215: no", "error_codes": [7000215]})
LOCKED = json.dumps({"error": "invalid_grant", "error_description": "AADSTS50053: locked", "error_codes": [50053]})


def stopped_at_a_refusal(stage: Stage, process: Process, save: faults.Fault) -> Outcome:
    """The run goes on from its save, every sign-in is refused, and after the first one it is told to stop."""
    stage.sandbox.forget()
    refusals = stage.sandbox.fault("entra", "token", faults.Status(401, body=WRONG.encode()), times=None)
    save.release.set()
    assert refusals.reached.wait(patience.seconds(10))
    process.send_signal(signal.SIGTERM)
    return stage.finish(process)


def test_sigterm_while_a_saved_secret_is_refused_is_no_failure(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(old_secrets=1)
    stage.sandbox.graph.stale_reads = FOREVER
    save = stage.sandbox.fault("keeper", "update_secret", faults.PauseAfter())
    process = stage.start(**PATIENT)
    assert save.reached.wait(patience.seconds(10))
    before = stage.live()
    outcome = stopped_at_a_refusal(stage, process, save)
    assert (outcome.code, outcome.result) == (2, "incomplete"), outcome
    assert stage.value("client_secret_id") == outcome.report["key_id"] and before <= stage.live()


def superseded_at_its_save(stage: Stage) -> tuple[Process, faults.Fault]:
    """A run that stands still before its save, while another host rotates."""
    save = stage.sandbox.fault("keeper", "update_secret", faults.Pause())
    process = stage.start(**PATIENT)
    assert save.reached.wait(patience.seconds(10))
    assert stage.run(ROTATION_LOCK_DIR=str(stage.home / "other-host")).result in ("rotated", "incomplete")
    return process, save


def test_sigterm_while_the_secret_of_another_host_is_refused_is_no_failure(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(old_secrets=1)
    process, save = superseded_at_its_save(stage)
    outcome = stopped_at_a_refusal(stage, process, save)
    assert (outcome.code, outcome.result) == (2, "incomplete"), outcome


def test_what_another_host_published_and_is_not_listed_is_not_said_to_be_done(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(old_secrets=1)
    process, save = superseded_at_its_save(stage)
    removal = stage.sandbox.fault("graph", "remove_password", faults.PauseAfter())
    save.release.set()
    assert removal.reached.wait(patience.seconds(10))
    theirs = stage.value("client_secret_id")
    stage.sandbox.directory.applications[stage.at.target_object_id].passwords.remove(password(stage, theirs))
    removal.release.set()
    outcome = stage.finish(process)
    assert outcome.code == 2 and theirs in outcome.report["error"], outcome


# Words and numbers


def test_a_conflict_while_graph_fails_names_the_secret_that_is_left(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(old_secrets=1)
    save = stage.sandbox.fault("keeper", "update_secret", faults.Pause())
    process = stage.start(**PATIENT)
    assert save.reached.wait(patience.seconds(10))
    stage.sandbox.keeper.edit(stage.at.record_uid, "client_secret_id", "another")
    stage.sandbox.fault("graph", "get_application", faults.Status(500), times=None)
    save.release.set()
    outcome = stage.finish(process)
    (new,) = stage.marked()
    assert outcome.code == 3 and f"{new} was left alive" in outcome.report["error"], outcome


def test_what_made_room_is_not_said_to_be_kept(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(old_secrets=1, audience="AzureADandPersonalMicrosoftAccount")
    stage.sandbox.graph.add_password(stage.at.target_object_id, "by a person")
    stage.deliver("secret_address")
    stage.sandbox.fault("keyvault", "set_secret", faults.Status(500), times=None)
    outcome = stage.run()
    assert outcome.code == 2 and len(outcome.report["removed"]) == 1, outcome
    assert {kept["key_id"] for kept in outcome.report["kept"]} == stage.live() - {stage.value("client_secret_id")}


def test_nothing_is_made_where_the_secret_that_is_to_be_delivered_cannot_be_tried(
    make_stage: Callable[..., Stage],
) -> None:
    stage = make_stage(old_secrets=1, settings={"rotate_before_hours": "24"})
    stage.deliver("secret_address")
    before = stage.live()
    stage.sandbox.fault("entra", "token", faults.Status(400, body=LOCKED.encode()), nth=2)
    outcome = stage.run()
    assert (outcome.code, outcome.result) == (2, "incomplete"), outcome
    assert "50053" in outcome.report["warnings"][0]
    assert stage.live() == before
    assert stage.run().result == "finished" and not stage.undelivered()

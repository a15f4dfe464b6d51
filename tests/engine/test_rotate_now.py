"""A rotation that somebody asks for, and one that ends all that the record published before.

By the record's field ``rotate_now`` and by ``keeper-rotation run --now`` and ``--revoke``, whose keys on stdin these
tests write themselves.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from sandbox.furnish.rotation import pam_user
from sandbox.proxy import faults
from tests.stage.certificate import CertificateStage
from tests.stage.mongodb_user import OLD, MongoStage
from tests.stage.mongodb_user import SCRIPT as MONGODB
from tests.stage.rotation import Outcome, Stage
from tests.stage.storage_key import StorageStage

HOUR = 3600.0
NOT_DUE = {"rotate_before_hours": "1"}
Make = Callable[..., Stage]


def wish(stage: Stage, value: str) -> None:
    """What a person writes into the field."""
    stage.sandbox.keeper.edit(stage.at.record_uid, "rotate_now", value)


def by_field(stage: Stage, value: str) -> bytes:
    wish(stage, value)
    return stage.line()


def by_flag(stage: Stage, value: str) -> bytes:
    return stage.line(dueNow=True, byHand=True, **({"revoke": True} if value == "revoke" else {}))


ASK = {"by the field": by_field, "by hand": by_flag}
Ask = Callable[[Stage, str], bytes]
asked = pytest.mark.parametrize("ask", ASK.values(), ids=ASK)


def state(stage: Stage) -> dict[str, Any]:
    """The field ``rotation_state``."""
    return json.loads(stage.value("rotation_state") or "{}")


def working(stage: Stage) -> dict[str, bool]:
    """Whether what each destination that the record names holds signs in."""
    return {where: works for where, works in stage.working().items() if where in stage.value("deliver_to")}


def rotated(stage: Stage, line: bytes | None = None) -> Outcome:
    """Run; the record publishes a new secret that works, and nothing is asked for any more."""
    before = stage.value("client_secret_id")
    outcome = stage.run(line)
    assert (outcome.code, outcome.result) == (0, "rotated"), outcome
    assert stage.value("client_secret_id") != before and stage.published_works()
    assert all(working(stage).values())
    assert stage.value("rotate_now") == "" and "revoking" not in state(stage)
    assert not stage.leaks([outcome])
    return outcome


def complete(stage: Stage, outcome: Outcome) -> None:
    """A revoke is done: the published secret alone is alive, and everyone has it."""
    assert outcome.code == 0, outcome
    assert stage.published_works() and all(working(stage).values())
    assert stage.live() == {stage.value("client_secret_id")}
    assert stage.value("rotate_now") == "" and "revoking" not in state(stage)
    assert not stage.leaks([outcome])


def not_due(stage: Stage) -> Outcome:
    outcome = stage.run()
    assert (outcome.code, outcome.result) == (0, "not_due"), outcome
    return outcome


# Asked for


@asked
@pytest.mark.parametrize("value", ["True", "revoke"])
def test_what_is_not_due_is_rotated_once(value: str, ask: Ask, make_stage: Make) -> None:
    stage = make_stage(settings=NOT_DUE)
    not_due(stage)
    outcome = rotated(stage, ask(stage, value))
    assert outcome.report["why"] == ["asked for"]
    not_due(stage)


FIELD: dict[str, tuple[str, str]] = {
    "yes is True": ("yes", "rotated"),
    "1 is True": ("1", "rotated"),
    "in capitals and with blanks": (" REVOKE ", "rotated"),
    "empty": ("", "not_due"),
    "False": ("False", "not_due"),
    "no": ("no", "not_due"),
    "0": ("0", "not_due"),
}


@pytest.mark.parametrize("what", FIELD)
def test_the_field_says(what: str, make_stage: Make) -> None:
    value, result = FIELD[what]
    stage = make_stage(settings=NOT_DUE | {"rotate_now": value})
    outcome = stage.run()
    assert (outcome.code, outcome.result) == (0, result), outcome
    assert stage.value("rotate_now") == ("" if result == "rotated" else value)


def test_a_word_that_means_nothing_is_refused_with_the_other_problems(make_stage: Make) -> None:
    stage = make_stage(settings={"rotate_now": "soon", "remove_old": "some"})
    live = stage.live()
    outcome = stage.run()
    assert (outcome.code, stage.live()) == (1, live), outcome
    assert "rotate_now: 'soon' is neither True nor revoke" in outcome.report["error"]
    assert "remove_old: 'some'" in outcome.report["error"]


def test_no_field_is_added_to_a_record_without_it(stage: Stage) -> None:
    rotated(stage)
    assert "rotate_now" not in [entry["label"] for entry in stage.stored()["custom"]]


FAILS = {
    "nothing can be made": ("graph", "add_password", faults.Status(403)),
    "the record cannot be saved": ("keeper", "update_secret", faults.Status(403)),
}


@pytest.mark.parametrize("value", ["True", "revoke"])
@pytest.mark.parametrize("what", FAILS)
def test_a_run_that_fails_keeps_the_wish_for_the_next_one(what: str, value: str, make_stage: Make) -> None:
    stage = make_stage(settings=NOT_DUE | {"rotate_now": value})
    live, (service, operation, kind) = stage.live(), FAILS[what]
    stage.sandbox.fault(service, operation, kind, times=None)
    failed = stage.run()
    assert (failed.code, stage.live(), stage.value("rotate_now")) == (1, live, value), failed
    assert not state(stage) and stage.published_works()
    stage.sandbox.faults.clear()
    rotated(stage)


def test_a_new_secret_that_the_app_never_shows_gives_the_wish_back(make_stage: Make) -> None:
    stage = make_stage(settings=NOT_DUE | {"rotate_now": "revoke"})
    stage.sandbox.entra.propagation_seconds = 10**6
    failed = stage.run()
    assert (failed.code, stage.value("rotate_now")) == (1, "revoke"), failed
    assert stage.published_works()


def test_a_wish_that_was_written_meanwhile_is_for_the_next_run(make_stage: Make) -> None:
    stage = make_stage()
    pause = stage.sandbox.fault("graph", "add_password", faults.Pause())
    process = stage.start()
    assert pause.reached.wait(10)
    wish(stage, "revoke")
    pause.release.set()
    first = stage.finish(process)
    assert (first.code, stage.value("rotate_now")) == (0, "revoke"), first
    stage.sandbox.faults.clear()
    rotated(stage)


@pytest.mark.parametrize("value", ["True", "revoke"])
def test_what_is_switched_off_refuses_the_wish(value: str, make_stage: Make) -> None:
    stage = make_stage(settings={"rotation_enabled": "False", "rotate_now": value})
    before, live = stage.sandbox.keeper.record(stage.at.record_uid).data, stage.live()
    outcome = stage.run()
    assert (outcome.code, outcome.result) == (1, "failed"), outcome
    assert "rotate_now" in outcome.report["error"] and "rotation_enabled" in outcome.report["hint"]
    assert (stage.sandbox.keeper.record(stage.at.record_uid).data, stage.live()) == (before, live)


def test_what_is_switched_off_refuses_a_revoke_by_hand(make_stage: Make) -> None:
    stage = make_stage(settings={"rotation_enabled": "False"})
    live = stage.live()
    assert stage.run(by_flag(stage, "revoke")).code == 1
    assert stage.live() == live


def test_not_due_says_when_and_how_to_force_it(make_stage: Make) -> None:
    stage = make_stage(settings={"rotate_before_hours": "24"})
    outcome = not_due(stage)
    assert outcome.report["next_due"] < stage.value("expires")
    assert outcome.report["next_due"] in outcome.stderr and "rotate_now" in outcome.stderr and "--now" in outcome.stderr


# Revoked


# The record's settings, how many secrets that were never ours stay, and what the sentence says.
ENDS: dict[str, tuple[dict[str, str], int]] = {
    "an overlap does not keep what was published": ({"remove_old": "replaced", "overlap_hours": "24"}, 1),
    "none does not keep what was published": ({"remove_old": "none"}, 1),
    "replaced keeps what was never published": ({"remove_old": "replaced"}, 1),
    "all ends what was never published, too": ({"remove_old": "all"}, 0),
    "all keeps what was never published until its overlap is over": ({"remove_old": "all", "overlap_hours": "24"}, 1),
}


@asked
@pytest.mark.parametrize("what", ENDS)
def test_a_revoke_ends_all_that_was_published(what: str, ask: Ask, make_stage: Make) -> None:
    settings, stay = ENDS[what]
    stage = make_stage(old_secrets=1, foreign=1, settings=NOT_DUE | settings)
    stage.deliver("secret_address")
    (first,) = stage.at.old_key_ids
    assert stage.run(by_flag(stage, "True")).code == 0
    second = stage.value("client_secret_id")
    outcome = rotated(stage, ask(stage, "revoke"))
    foreign = set(stage.at.foreign_key_ids) if stay else set()
    assert stage.live() == {stage.value("client_secret_id"), *foreign}
    assert first not in stage.live() and second in outcome.report["removed"]
    not_due(stage)
    assert stage.live() == {stage.value("client_secret_id"), *foreign}


def test_a_rotation_that_is_asked_for_keeps_the_overlap(make_stage: Make) -> None:
    stage = make_stage(old_secrets=1, settings=NOT_DUE | {"overlap_hours": "24", "rotate_now": "True"})
    rotated(stage)
    assert set(stage.at.old_key_ids) < stage.live()


@asked
def test_a_revoke_makes_room_in_a_full_app(ask: Ask, make_stage: Make) -> None:
    stage = make_stage(
        old_secrets=1, audience="AzureADandPersonalMicrosoftAccount", settings=NOT_DUE | {"remove_old": "none"}
    )
    assert stage.run(by_flag(stage, "True")).code == 0
    assert len(stage.live()) == 2
    rotated(stage, ask(stage, "revoke"))
    assert stage.live() == {stage.value("client_secret_id")}


def test_a_revoke_ends_what_a_record_that_was_put_back_has_forgotten(make_stage: Make) -> None:
    stage = make_stage(old_secrets=1, settings=NOT_DUE | {"remove_old": "none"})
    before = {label: stage.value(label) for label in ("client_secret_id", "client_secret", "expires")}
    assert stage.run(by_flag(stage, "True")).code == 0
    forgotten = stage.value("client_secret_id")
    for label, value in (before | {"rotation_state": ""}).items():
        stage.sandbox.keeper.edit(stage.at.record_uid, label, value)
    stage.sandbox.clock.advance(HOUR)
    outcome = rotated(stage, by_field(stage, "revoke"))
    assert forgotten in outcome.report["removed"]
    assert stage.live() == {stage.value("client_secret_id")}


def broken(stage: Stage) -> str:
    """A destination that was served once, and cannot be served now; its address."""
    address = stage.deliver("secret_address").secret_address
    assert stage.run(by_flag(stage, "True")).code == 0
    stage.sandbox.fault("keyvault", "set_secret", faults.Status(403), times=None)
    return address


@asked
@pytest.mark.parametrize("schedule", ["1", ""], ids=["not due", "due at every run"])
def test_what_a_broken_destination_holds_lives_until_it_is_served(schedule: str, ask: Ask, make_stage: Make) -> None:
    settings = {"rotate_before_hours": schedule, "remove_old": "none", "overlap_hours": "24"}
    stage = make_stage(old_secrets=1, settings=settings)
    address = broken(stage)
    held = stage.value("client_secret_id")
    first = stage.run(ask(stage, "revoke"))
    new = stage.value("client_secret_id")
    assert (first.code, first.result) == (2, "incomplete"), first
    assert new != held and stage.published_works() and working(stage) == {address: True}
    assert held in stage.live() and state(stage)["revoking"] is True and stage.value("rotate_now") == ""
    assert held in first.report["error"] and address in first.report["error"]
    assert first.report["pending"] == [address] and "--even-where-not-delivered" in first.report["hint"]
    again = stage.run()
    assert (again.code, stage.value("client_secret_id")) == (2, new), again
    assert held in stage.live() and working(stage) == {address: True}
    stage.sandbox.faults.clear()
    last = stage.run()
    assert (last.code, last.result, stage.value("client_secret_id")) == (0, "finished", new), last
    complete(stage, last)
    assert not stage.leaks([first, again])


def test_by_hand_it_ends_even_where_it_is_not_delivered(make_stage: Make) -> None:
    stage = make_stage(old_secrets=1, foreign=1, settings=NOT_DUE | {"remove_old": "none"})
    address = broken(stage)
    outcome = stage.run(stage.line(dueNow=True, revoke=True, evenWhereNotDelivered=True, byHand=True))
    assert (outcome.code, outcome.result) == (2, "incomplete"), outcome
    assert stage.live() == {stage.value("client_secret_id"), *stage.at.foreign_key_ids}
    assert stage.published_works() and working(stage) == {address: False}
    assert "revoking" not in state(stage) and outcome.report["pending"] == [address]
    assert {kept["key_id"] for kept in outcome.report["kept"]} == set(stage.at.foreign_key_ids)
    stage.sandbox.faults.clear()
    last = stage.run()
    assert (last.code, last.result) == (0, "finished"), last
    assert working(stage) == {address: True} and not stage.leaks([outcome, last])


def test_what_was_left_to_a_broken_destination_is_ended_by_hand_later(make_stage: Make) -> None:
    stage = make_stage(old_secrets=1, settings=NOT_DUE | {"remove_old": "none"})
    address = broken(stage)
    assert stage.run(by_field(stage, "revoke")).code == 2
    outcome = stage.run(stage.line(dueNow=True, revoke=True, evenWhereNotDelivered=True, byHand=True))
    assert outcome.code == 2 and stage.live() == {stage.value("client_secret_id")}, outcome
    assert stage.published_works() and working(stage) == {address: False}
    assert "revoking" not in state(stage)


KILLED: dict[str, tuple[str, str, type[faults.Kind], int]] = {
    "before the save": ("keeper", "update_secret", faults.KillBefore, 1),
    "after the save": ("keeper", "update_secret", faults.KillAfter, 1),
    "before a removal": ("graph", "remove_password", faults.KillBefore, 1),
    "after the first removal": ("graph", "remove_password", faults.KillAfter, 1),
    "after the last removal": ("graph", "remove_password", faults.KillAfter, 2),
}


@pytest.mark.parametrize("delivers", [False, True], ids=["to the record alone", "to a key vault"])
@pytest.mark.parametrize("when", KILLED)
def test_the_next_plain_run_completes_what_was_killed(when: str, delivers: bool, make_stage: Make) -> None:
    stage = make_stage(old_secrets=1, settings=NOT_DUE | {"remove_old": "none", "overlap_hours": "24"})
    if delivers:
        stage.deliver("secret_address")
    assert stage.run(by_flag(stage, "True")).code == 0
    service, operation, kind, nth = KILLED[when]
    line = by_field(stage, "revoke")
    stage.sandbox.fault(service, operation, kind(), nth=nth)
    killed = stage.run(line)
    assert killed.code == -9 and stage.published_works() and all(working(stage).values()), killed
    stage.sandbox.faults.clear()
    complete(stage, stage.run())
    not_due(stage)


LEFT: dict[str, tuple[str, str, faults.Kind]] = {
    "a secret cannot be removed": ("graph", "remove_password", faults.Status(403)),
    "that it is done cannot be noted": ("keeper", "update_secret", faults.Status(403)),
}


@pytest.mark.parametrize("what", LEFT)
def test_what_is_left_over_of_a_revoke_is_done_by_the_next_run(what: str, make_stage: Make) -> None:
    stage = make_stage(old_secrets=1, settings=NOT_DUE | {"remove_old": "none"})
    service, operation, kind = LEFT[what]
    nth = 2 if operation == "update_secret" else 1
    stage.sandbox.fault(service, operation, kind, nth=nth, times=None)
    outcome = stage.run(by_field(stage, "revoke"))
    assert (outcome.code, state(stage)["revoking"]) == (2, True), outcome
    assert stage.published_works()
    stage.sandbox.faults.clear()
    complete(stage, stage.run())


# A revoke by hand that ends before the record publishes a new secret: a service, what is asked of it, what breaks, from
# which request on, and the exit code.
FORGETS: dict[str, tuple[str, str, faults.Kind, int, int]] = {
    "the record cannot be read": ("keeper", "get_secret", faults.Status(403), 2, 1),
    "nobody can sign in": ("entra", "token", faults.Status(400), 1, 1),
    "nothing can be made": ("graph", "add_password", faults.Status(403), 1, 1),
    "the record cannot be saved": ("keeper", "update_secret", faults.Status(403), 1, 1),
    "whether it was saved cannot be told": ("keeper", "update_secret", faults.ResetBefore(), 1, 3),
    "it is killed": ("graph", "add_password", faults.KillBefore(), 1, -9),
}


def is_said(outcome: Outcome) -> bool:
    """Whether the outcome tells to ask for the revoke again."""
    return "know of this revoke" in str(outcome.report.get("hint"))


@asked
@pytest.mark.parametrize("what", FORGETS)
def test_a_revoke_by_hand_that_published_nothing_is_to_be_asked_for_again(
    what: str, ask: Ask, make_stage: Make
) -> None:
    stage = make_stage(old_secrets=1, settings=NOT_DUE | {"remove_old": "none"})
    assert stage.run(by_flag(stage, "True")).code == 0
    line, before = ask(stage, "revoke"), stage.live()
    service, operation, kind, nth, code = FORGETS[what]
    stage.sandbox.fault(service, operation, kind, nth=nth, times=None)
    outcome = stage.run(line)
    assert outcome.code == code, outcome
    stage.sandbox.faults.clear()
    plain = stage.run()
    assert plain.code == 0, plain
    assert is_said(outcome) == (ask is by_flag and code > 0), outcome.report
    if ask is by_field:
        complete(stage, plain)
    else:
        assert stage.live() == before, "without being asked again nothing is revoked"


def test_a_revoke_by_hand_that_gives_way_to_another_run_is_to_be_asked_for_again(make_stage: Make) -> None:
    stage = make_stage(old_secrets=1, settings=NOT_DUE | {"remove_old": "none"})
    pause = stage.sandbox.fault("graph", "add_password", faults.PauseAfter())
    process = stage.start(by_flag(stage, "revoke"), ROTATION_LOCK_DIR=str(stage.home / "another"))
    assert pause.reached.wait(10)
    assert stage.run(by_flag(stage, "True")).result == "incomplete"
    pause.release.set()
    outcome = stage.finish(process)
    assert outcome.code == 2 and is_said(outcome) and "not revoked yet" in outcome.report["error"], outcome
    assert stage.published_works() and "revoking" not in state(stage)


def test_a_revoke_by_hand_that_an_open_delivery_comes_before_is_to_be_asked_for_again(storage: StorageStage) -> None:
    address = storage.to_key_vault()
    storage.sandbox.fault("keyvault", "set_secret", faults.Status(403), times=None)
    assert storage.run(by_flag(storage, "True")).code == 2
    published = storage.value("storage_key")
    storage.sandbox.faults.clear()
    outcome = storage.run(by_flag(storage, "revoke"))
    assert (outcome.code, storage.value("storage_key")) == (2, published), outcome
    assert "came first" in outcome.report["error"] and is_said(outcome)
    assert outcome.report["delivered"] == [address]


def test_a_revoke_by_hand_of_a_certificate_that_waits_for_a_ca_is_to_be_asked_for_again() -> None:
    with CertificateStage(days_left=200, issuer="Unknown", settings={"remove_old": "none"}) as stage:
        stage.publish_first()
        outcome = stage.run(by_flag(stage, "revoke"))
        assert (outcome.code, outcome.result) == (2, "waiting"), outcome
        assert is_said(outcome)


@asked
def test_a_revoke_that_the_record_remembers_need_not_be_asked_for_again(ask: Ask, make_stage: Make) -> None:
    stage = make_stage(old_secrets=1, settings=NOT_DUE | {"remove_old": "none"})
    broken(stage)
    outcome = stage.run(ask(stage, "revoke"))
    assert outcome.code == 2 and state(stage)["revoking"] and not is_said(outcome), outcome


def test_a_revoke_that_is_complete_need_not_be_asked_for_again(make_stage: Make) -> None:
    stage = make_stage(old_secrets=1, settings=NOT_DUE | {"remove_old": "none"})
    broken(stage)
    outcome = stage.run(stage.line(dueNow=True, revoke=True, evenWhereNotDelivered=True, byHand=True))
    assert outcome.code == 2 and outcome.report["pending"] and not is_said(outcome), outcome


def test_what_is_published_after_a_revoke_has_its_overlap_again(make_stage: Make) -> None:
    stage = make_stage(old_secrets=1, settings=NOT_DUE | {"overlap_hours": "24", "rotate_now": "revoke"})
    rotated(stage)
    former = stage.value("client_secret_id")
    rotated(stage, by_field(stage, "True"))
    assert former in stage.live()


# Other records


def test_a_revoke_names_another_record_that_publishes_the_same(make_stage: Make) -> None:
    stage = make_stage(old_secrets=1, settings=NOT_DUE)
    assert stage.run(by_flag(stage, "True")).code == 0
    key_id, value = stage.value("client_secret_id"), stage.value("client_secret")
    first = stage.at.record_uid
    copy = pam_user(stage.sandbox, stage.at.target_object_id, key_id, value, settings={"rotate_now": "revoke"})
    outcome = stage.run(stage.line(userRecordUid=copy))
    assert outcome.code == 0 and key_id not in stage.live(), outcome
    assert any(key_id in warning and first in warning for warning in outcome.report["warnings"])
    assert not outcome.report["kept"]
    healed = stage.run()
    assert (healed.code, healed.report["why"]) == (0, ["gone"]), healed
    assert stage.published_works() and not stage.leaks([outcome, healed])


def test_a_revoke_spares_what_another_record_alone_has_published(make_stage: Make) -> None:
    stage = make_stage(old_secrets=1, settings=NOT_DUE)
    other = pam_user(stage.sandbox, stage.at.target_object_id, settings={"remove_old": "none"})
    assert stage.run(stage.line(userRecordUid=other)).code == 0
    theirs = str(stage.sandbox.keeper.record(other).value("client_secret_id"))
    outcome = rotated(stage, by_field(stage, "revoke"))
    assert stage.live() == {stage.value("client_secret_id"), theirs}
    assert theirs in {kept["key_id"] for kept in outcome.report["kept"]}


# Other kinds


@pytest.fixture
def storage() -> Any:
    with StorageStage(settings=NOT_DUE | {"overlap_hours": "24"}) as made:
        yield made


def test_a_storage_key_in_its_overlap_is_not_rotated_again_and_the_wish_stays(storage: StorageStage) -> None:
    assert storage.run(by_field(storage, "True")).code == 0
    outcome = storage.run(by_field(storage, "True"))
    assert (outcome.code, storage.regenerated(), storage.value("rotate_now")) == (1, ["key2"], "True"), outcome
    assert "UTC" in outcome.report["hint"] and storage.works()
    storage.sandbox.clock.advance(25 * HOUR)
    assert storage.run().code == 0
    assert storage.regenerated() == ["key2", "key1"] and storage.works() and storage.value("rotate_now") == ""


def test_a_storage_key_that_its_overlap_alone_holds_up_says_when_the_next_one_is_due() -> None:
    with StorageStage(settings={"overlap_hours": "24"}) as storage:
        assert storage.run().code == 0
        outcome = storage.run()
        assert (outcome.code, outcome.result, storage.regenerated()) == (0, "not_due", ["key2"]), outcome
        last, due = storage.value("last_rotated"), outcome.report["next_due"]
        assert last < due < storage.value("expires") and due in outcome.stderr


@pytest.mark.parametrize("ask", ASK.values(), ids=ASK)
def test_a_revoke_ends_both_former_storage_keys(ask: Ask, storage: StorageStage) -> None:
    assert storage.run(by_flag(storage, "True")).code == 0
    former = [storage.value("storage_key"), *storage.sandbox.storage.keys(storage.made.account).values()]
    outcome = storage.run(ask(storage, "revoke"))
    assert (outcome.code, outcome.result) == (0, "rotated"), outcome
    assert storage.regenerated() == ["key2", "key1", "key2"] and storage.works()
    assert not any(storage.sandbox.storage.key_works(storage.made.account_name, key) for key in former)
    assert storage.value("rotate_now") == "" and "revoking" not in state(storage)
    assert storage.run().result == "not_due" and len(storage.regenerated()) == 3
    assert not storage.leaks([outcome])


@pytest.mark.parametrize("kind", [faults.KillBefore, faults.KillAfter], ids=["before", "after"])
def test_a_revoke_of_storage_keys_that_is_killed_while_it_ends_the_former_one(
    kind: type[faults.Kind], storage: StorageStage
) -> None:
    former, line = storage.value("storage_key"), by_field(storage, "revoke")
    storage.sandbox.fault("arm", "regenerate_storage_key", kind(), nth=2)
    assert storage.run(line).code == -9 and storage.works()
    published = storage.value("storage_key")
    storage.sandbox.faults.clear()
    outcome = storage.run()
    assert (outcome.code, storage.value("storage_key")) == (0, published), outcome
    assert storage.works() and not storage.sandbox.storage.key_works(storage.made.account_name, former)
    assert storage.regenerated() == ["key2", "key1"] and "revoking" not in state(storage)


def test_a_storage_key_that_a_broken_destination_holds_is_revoked_once_it_is_served(storage: StorageStage) -> None:
    storage.to_key_vault()
    assert storage.run(by_flag(storage, "True")).code == 0
    storage.sandbox.clock.advance(25 * HOUR)
    storage.sandbox.fault("keyvault", "set_secret", faults.Status(403), times=None)
    first = storage.run(by_field(storage, "revoke"))
    assert first.code == 2 and storage.works() and storage.vault_works(), first
    assert state(storage)["revoking"] is True
    storage.sandbox.faults.clear()
    last = storage.run()
    assert (last.code, last.result) == (0, "finished"), last
    assert storage.works() and storage.vault_works() and storage.regenerated() == ["key2", "key1", "key2"]
    assert "revoking" not in state(storage)


def test_a_storage_key_is_ended_by_hand_even_where_a_destination_holds_it(storage: StorageStage) -> None:
    storage.to_key_vault()
    assert storage.run(by_flag(storage, "True")).code == 0
    storage.sandbox.clock.advance(25 * HOUR)
    storage.sandbox.fault("keyvault", "set_secret", faults.Status(403), times=None)
    assert storage.run(by_field(storage, "revoke")).code == 2
    line = storage.line(dueNow=True, revoke=True, evenWhereNotDelivered=True, byHand=True)
    outcome = storage.run(line)
    assert outcome.code == 2 and storage.works() and not storage.vault_works(), outcome
    assert "revoking" not in state(storage) and outcome.report["removed"] == ["key2"]
    storage.sandbox.faults.clear()
    assert storage.run().code == 0
    assert storage.vault_works() and storage.works()


@asked
@pytest.mark.parametrize("killed", [False, True], ids=["", "killed after the save"])
def test_a_revoke_of_two_mongodb_users_locks_the_former_one_out(killed: bool, ask: Ask) -> None:
    with MongoStage(alternate_login="orders-b", rotate_before_hours="1") as stage:
        line = ask(stage, "revoke")
        if killed:
            stage.sandbox.fault("keeper", "update_secret", faults.KillAfter(), nth=2)
        outcome = stage.finish(stage.start(line, MONGODB))
        if killed:
            assert outcome.code == -9 and stage.works(OLD, "orders")
            stage.sandbox.faults.clear()
            outcome = stage.rotate()
        assert outcome.code == 0, outcome
        assert stage.standard("login") == "orders-b" and stage.works(stage.standard("password"))
        assert not stage.works(OLD, "orders") and "revoking" not in state(stage)
        assert not stage.leaks([outcome])
        again = stage.finish(stage.start(stage.line(dueNow=True), MONGODB))
        assert again.code == 0 and stage.works(stage.standard("password"), "orders"), again


@asked
def test_a_revoke_of_a_certificate_disables_the_version_before(ask: Ask) -> None:
    with CertificateStage(days_left=200, settings={"remove_old": "none"}) as stage:
        stage.publish_first()
        outcome = stage.run(ask(stage, "revoke"))
        assert (outcome.code, outcome.result) == (0, "rotated"), outcome
        first, second = stage.versions()
        assert (first.enabled, second.enabled) == (False, True)
        assert stage.value("certificate_version") == second.version
        assert stage.value("rotate_now") == "" and "revoking" not in state(stage)

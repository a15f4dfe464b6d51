"""The main job: what a rotation leaves in the vault and in Entra, for each wish that a record can have."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime

import pytest
import requests

from sandbox.proxy import faults
from tests.stage.rotation import Outcome, Stage

HOUR = 3600.0


def rotated(stage: Stage, **variables: str) -> Outcome:
    """Run; the record publishes a new secret that works."""
    before = stage.value("client_secret_id")
    outcome = stage.run(**variables)
    assert (outcome.code, outcome.result) == (0, "rotated"), outcome
    assert stage.value("client_secret_id") != before
    assert stage.published_works()
    assert not stage.leaks([outcome])
    return outcome


@pytest.mark.parametrize("old", [0, 1, 2, 5])
def test_by_default_every_other_secret_goes(old: int, make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(old_secrets=old, foreign=2)
    outcome = rotated(stage)
    assert stage.live() == {stage.value("client_secret_id")}
    assert set(outcome.report["removed"]) == {*stage.at.old_key_ids, *stage.at.foreign_key_ids}


SPARED = 300.0
"""seconds by which a secret lives shorter than it could"""


def test_the_secret_lives_365_days(stage: Stage) -> None:
    outcome = rotated(stage)
    left = datetime.fromisoformat(stage.value("expires")).timestamp() - stage.sandbox.clock.now()
    assert 365 * 24 * HOUR - SPARED - 60 < left <= 365 * 24 * HOUR - SPARED
    assert outcome.report["expires"] == stage.value("expires")


def test_the_lifetime_that_the_record_asks_for(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(settings={"secret_lifetime_days": "30"})
    rotated(stage)
    left = datetime.fromisoformat(stage.value("expires")).timestamp() - stage.sandbox.clock.now()
    assert 30 * 24 * HOUR - SPARED - 60 < left <= 30 * 24 * HOUR - SPARED


@pytest.mark.parametrize("slow", [0, 1, 240])
def test_a_lifetime_of_just_what_the_tenant_allows(slow: int, stage: Stage) -> None:
    stage.sandbox.directory.policy.max_lifetime_days = 365

    def by_another_node(_: object) -> bool:
        stage.sandbox.graph.clock.advance(-slow)  # the secret begins to live by its clock
        return False

    stage.sandbox.fault("graph", "add_password", faults.Status(500), when=by_another_node)
    rotated(stage)


def test_times_are_the_services_own(stage: Stage) -> None:
    stage.sandbox.clock.advance(400 * 24 * HOUR)  # this host's clock is more than a year behind
    stage.sandbox.directory.applications[stage.at.admin_object_id].passwords[0].end += 500 * 24 * HOUR
    rotated(stage)
    written = datetime.fromisoformat(stage.value("last_rotated")).timestamp()
    assert abs(written - stage.sandbox.clock.now()) < 10


def test_missing_output_fields_are_added_and_hidden(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(old_secrets=0, without=["client_secret", "client_secret_id", "expires"])
    rotated(stage)
    kinds = {label: stage.sandbox.keeper.record(stage.at.record_uid).field(label)["type"] for label in OUTPUTS}
    assert kinds == OUTPUTS


OUTPUTS = {
    "client_secret_id": "text",
    "client_secret": "secret",
    "client_id": "text",
    "tenant_id": "text",
    "expires": "text",
    "created": "text",
    "last_rotated": "text",
    "rotation_state": "text",
}


def test_a_reader_of_the_vault_can_sign_in_with_the_record_alone(stage: Stage) -> None:
    rotated(stage)
    url = f"https://login.microsoftonline.com/{stage.value('tenant_id')}/oauth2/v2.0/token"
    form = {label: stage.value(label) for label in ("client_id", "client_secret")}
    form |= {"grant_type": "client_credentials", "scope": "https://graph.microsoft.com/.default"}
    proxies, ca = {"https": stage.variables["HTTPS_PROXY"]}, stage.variables["REQUESTS_CA_BUNDLE"]
    answer = requests.post(url, data=form, proxies=proxies, verify=ca, timeout=5)
    assert answer.status_code == 200, answer.text


def test_a_secret_that_was_imported_as_plain_text_is_hidden(stage: Stage) -> None:
    (field,) = [entry for entry in stage.stored()["custom"] if entry["label"] == "client_secret"]
    field["type"] = "text"
    rotated(stage)
    assert stage.sandbox.keeper.record(stage.at.record_uid).field("client_secret")["type"] == "secret"


def test_all_other_fields_survive(stage: Stage) -> None:
    before = stage.sandbox.keeper.record(stage.at.record_uid).data
    rotated(stage)
    after = stage.sandbox.keeper.record(stage.at.record_uid).data
    others = [entry for entry in before["custom"] if entry["label"] not in OUTPUTS]
    assert [entry for entry in after["custom"] if entry["label"] not in OUTPUTS] == others
    assert after["fields"] == before["fields"]


def test_the_json_line(stage: Stage) -> None:
    outcome = rotated(stage)
    lines = outcome.stdout.splitlines()
    assert len(lines) == 1
    report = json.loads(lines[0])
    assert report["record"] == stage.at.record_uid
    assert report["target"] == stage.at.target_object_id
    assert report["client_id"] == stage.at.target_client_id
    assert report["application"] == "orders-api"
    assert report["key_id"] == stage.value("client_secret_id")
    assert report["proved"] == "sign-in"
    assert report["error"] == report["hint"] == ""


@pytest.mark.parametrize("given", ["target_object_id", "target_client_id", "target_principal_id"])
def test_the_app_may_be_named_by(given: str, stage: Stage) -> None:
    stage.sandbox.keeper.edit(stage.at.record_uid, "application_object_id", getattr(stage.at, given))
    rotated(stage)
    stage.sandbox.forget()
    rotated(stage)
    reads = [
        name for name in stage.sandbox.operations() if name in ("graph.get_application", "graph.get_service_principal")
    ]
    assert len(reads) == 2, "what was resolved once is remembered"


# remove_old, overlap_hours


def test_replaced_removes_only_what_the_record_published(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(old_secrets=2, foreign=1, settings={"remove_old": "replaced"})
    *others, _published = stage.at.old_key_ids
    rotated(stage)
    first = stage.value("client_secret_id")
    assert stage.live() == {first, *others, *stage.at.foreign_key_ids}
    rotated(stage)
    assert stage.live() == {stage.value("client_secret_id"), *others, *stage.at.foreign_key_ids}


def test_none_removes_nothing_and_takes_no_former_secret_for_an_orphan(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(old_secrets=1, settings={"remove_old": "none"})
    for count in (2, 3, 4):
        rotated(stage)
        assert len(stage.live()) == count


def test_overlap_keeps_the_old_secret_until_a_later_run(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(old_secrets=2, settings={"overlap_hours": "24", "rotate_before_hours": "240"})
    stage.sandbox.directory.applications[stage.at.target_object_id].passwords[-1].end -= 25 * 24 * HOUR
    outcome = rotated(stage)
    assert {kept["key_id"] for kept in outcome.report["kept"]} == set(stage.at.old_key_ids)
    assert len(stage.live()) == 3
    stage.sandbox.clock.advance(23 * HOUR)
    assert stage.run().result == "not_due"
    assert len(stage.live()) == 3
    stage.sandbox.clock.advance(2 * HOUR)
    later = stage.run()
    assert (later.code, later.result) == (0, "not_due")
    assert stage.live() == {stage.value("client_secret_id")}


def test_overlap_is_not_put_off_by_frequent_rotations(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(old_secrets=1, settings={"overlap_hours": "24"})
    (oldest,) = stage.at.old_key_ids
    for _ in range(4):
        rotated(stage)
        assert oldest in stage.live()
        stage.sandbox.clock.advance(7 * HOUR)
    rotated(stage)
    assert oldest not in stage.live()


def test_an_empty_overlap_later_ends_it_at_once(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(old_secrets=1, settings={"overlap_hours": "24"})
    rotated(stage)
    stage.sandbox.keeper.edit(stage.at.record_uid, "overlap_hours", "")
    rotated(stage)
    assert stage.live() == {stage.value("client_secret_id")}


# rotation_enabled, rotate_before_hours


def test_disabled_touches_nothing(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(settings={"rotation_enabled": "false"}, attach_admin=False, admin_roles=[])
    before, live = stage.sandbox.keeper.record(stage.at.record_uid).data, stage.live()
    outcome = stage.run()
    assert (outcome.code, outcome.result) == (0, "disabled")
    assert stage.sandbox.keeper.record(stage.at.record_uid).data == before
    assert stage.live() == live


def test_not_due_until_the_threshold(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(settings={"rotate_before_hours": "48"})
    rotated_at = stage.value("expires")
    outcome = stage.run()
    assert (outcome.code, outcome.result) == (0, "not_due")
    assert stage.value("expires") == rotated_at
    left = datetime.fromisoformat(rotated_at).timestamp() - stage.sandbox.clock.now()
    stage.sandbox.clock.advance(left - 47 * HOUR)
    stage.sandbox.directory.applications[stage.at.admin_object_id].passwords[0].end += left
    rotated(stage)


DUE_ALL_THE_SAME: dict[str, Callable[[Stage], None]] = {
    "the published secret was removed by hand": lambda stage: stage.sandbox.graph.remove(
        stage.at.target_object_id, stage.at.old_key_ids[-1]
    ),
    "the saved value is not that secret's": lambda stage: stage.sandbox.keeper.edit(
        stage.at.record_uid, "client_secret", "!!! pasted from elsewhere"
    ),
    "the key id is a placeholder": lambda stage: stage.sandbox.keeper.edit(
        stage.at.record_uid, "client_secret_id", "pending-first-rotation"
    ),
}


@pytest.mark.parametrize("what", DUE_ALL_THE_SAME)
def test_due_whatever_the_threshold_where(what: str, make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(settings={"rotate_before_hours": "48"})
    DUE_ALL_THE_SAME[what](stage)
    rotated(stage)


# What the service may be like


def test_propagation_is_waited_for(stage: Stage) -> None:
    stage.sandbox.entra.propagation_seconds = 0.5
    rotated(stage)


def test_one_acceptance_does_not_prove_a_secret_while_replicas_disagree(stage: Stage) -> None:
    stage.sandbox.entra.propagation_flaps = [True, False, True, True, False]
    rotated(stage)
    proofs = [request for request in stage.sandbox.requests if request.operation == "token"]
    assert len(proofs) == 1 + 5 + 3


def test_a_secret_that_is_never_accepted_is_taken_back(stage: Stage) -> None:
    stage.sandbox.entra.propagation_seconds = 3600
    live = stage.live()
    outcome = stage.run()
    assert (outcome.code, outcome.result) == (1, "failed")
    assert "not accepted within" in outcome.report["error"]
    assert stage.live() == live
    assert stage.published_works()


CANNOT_SIGN_IN: dict[str, Callable[[Stage], None]] = {
    "it has no service principal": lambda stage: (
        stage.sandbox.directory.service_principals.pop(str(stage.at.target_principal_id)) and None
    ),
    "it is disabled": lambda stage: setattr(
        stage.sandbox.directory.service_principals[str(stage.at.target_principal_id)], "enabled", False
    ),
}


@pytest.mark.parametrize("why", CANNOT_SIGN_IN)
def test_an_app_that_cannot_sign_in_is_proved_by_the_listing_because(why: str, stage: Stage) -> None:
    CANNOT_SIGN_IN[why](stage)
    outcome = stage.run()
    assert (outcome.code, outcome.report["proved"]) == (0, "listed"), outcome
    assert stage.live() == {stage.value("client_secret_id")}


def test_an_app_for_personal_accounts_only_is_proved_by_the_listing(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(old_secrets=1, audience="PersonalMicrosoftAccount")
    outcome = stage.run()
    assert (outcome.code, outcome.report["proved"]) == (0, "listed"), outcome


def test_conditional_access_that_blocks_after_the_secret_was_accepted(stage: Stage) -> None:
    stage.sandbox.directory.applications[stage.at.target_object_id].blocked_by_conditional_access = True
    outcome = stage.run()
    assert (outcome.code, outcome.report["proved"]) == (0, "sign-in"), outcome


@pytest.mark.parametrize("status", [400, 409, 503])
def test_entra_is_asked_again_where_it_is_unavailable_for_a_moment(
    status: int, make_stage: Callable[..., Stage]
) -> None:
    stage = make_stage(old_secrets=1, settings={"rotate_before_hours": "24"})
    value = stage.value("client_secret")
    stage.sandbox.keeper.edit(stage.at.record_uid, "client_secret", value[:-1] + ("y" if value.endswith("x") else "x"))
    stage.sandbox.fault("entra", "token", faults.Status(status), nth=2)
    outcome = rotated(stage)
    assert outcome.report["why"] == ["refused"], "and what it says then counts"


def test_a_full_app_makes_room_where_the_policy_allows_it(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(old_secrets=2, audience="AzureADandPersonalMicrosoftAccount")
    rotated(stage)
    assert stage.live() == {stage.value("client_secret_id")}


def test_a_full_app_makes_room_by_an_expired_secret_whatever_the_policy(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(
        old_secrets=1, foreign=1, audience="AzureADandPersonalMicrosoftAccount", settings={"remove_old": "none"}
    )
    (foreign,) = stage.at.foreign_key_ids
    password = stage.sandbox.directory.applications[stage.at.target_object_id].password(foreign)
    assert password
    password.end = stage.sandbox.clock.now() - 60
    rotated(stage)
    assert foreign not in stage.live()


ODD: dict[str, dict[str, str | None]] = {
    "no end": {"endDateTime": None},
    "the end of a date that was never set": {"endDateTime": "0001-01-01T00:00:00Z"},
    "an end that is no date": {"endDateTime": "never"},
    "an end after all dates": {"endDateTime": "9999-12-31T23:59:59-12:00"},
    "no name, no hint": {"displayName": None, "hint": None},
    "no key id": {"keyId": None},
    "nothing at all": dict.fromkeys(("endDateTime", "displayName", "hint", "keyId", "startDateTime")),
}


@pytest.mark.parametrize("remove_old", ["all", "replaced"])
@pytest.mark.parametrize("what", ODD)
def test_a_foreign_secret_with(what: str, remove_old: str, make_stage: Callable[..., Stage]) -> None:
    settings = {"remove_old": remove_old, "rotate_before_hours": "721"}
    stage = make_stage(old_secrets=1, foreign=1, settings=settings)
    (foreign,) = stage.at.foreign_key_ids
    password = stage.sandbox.directory.applications[stage.at.target_object_id].password(foreign)
    assert password
    password.odd = ODD[what]
    rotated(stage)
    goes = remove_old == "all" and "keyId" not in ODD[what]
    assert stage.live() == {stage.value("client_secret_id"), *([] if goes else [foreign])}
    assert stage.run().result == "not_due"


def test_a_full_app_with_a_secret_without_an_end_is_told_no_date(make_stage: Callable[..., Stage]) -> None:
    settings = {"remove_old": "none"}
    stage = make_stage(foreign=2, old_secrets=0, audience="AzureADandPersonalMicrosoftAccount", settings=settings)
    for password in stage.sandbox.directory.applications[stage.at.target_object_id].passwords:
        password.odd = {"endDateTime": None}
    outcome = stage.run()
    assert outcome.code == 1 and "allows, and none of them may go" in outcome.report["error"], outcome
    assert "9999" not in outcome.report["hint"]


def test_a_replica_that_lags_behind_the_save_is_waited_for(stage: Stage) -> None:
    stage.sandbox.graph.stale_reads = 3
    rotated(stage)


def test_a_former_run_of_another_host_is_cleaned_up_a_day_after_its_deadline(stage: Stage) -> None:
    """That host may have published it in a version of the record that nobody shows any more."""
    from sandbox.proxy import faults

    stage.sandbox.fault("keeper", "update_secret", faults.KillBefore())
    assert stage.run(ROTATION_LOCK_DIR=str(stage.home / "other-host")).code == -9
    (left,) = stage.marked()
    early = stage.run()
    assert (early.code, early.result) == (2, "incomplete")
    assert left in {kept["key_id"] for kept in early.report["kept"]}
    assert left in stage.live()
    stage.sandbox.clock.advance(float(stage.variables["ROTATION_DEADLINE_SECONDS"]) + 10.5 * 60)
    later = rotated(stage)
    assert left in {kept["key_id"] for kept in later.report["kept"]}
    stage.sandbox.clock.advance(25 * HOUR)
    rotated(stage)
    assert stage.live() == {stage.value("client_secret_id")}


def test_a_ledger_that_came_with_a_copied_record_is_void(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(old_secrets=1, settings={"overlap_hours": "1"})
    rotated(stage)
    state = json.loads(stage.value("rotation_state"))
    state["record"] = "A" * 22
    former, _ = stage.sandbox.graph.add_password(stage.at.target_object_id, "of the other record")
    state["retire"] += [
        {"key_id": key_id, "after": "2020-01-01T00:00:00Z", "published": True}
        for key_id in (former, stage.value("client_secret_id"))
    ]
    stage.sandbox.keeper.edit(stage.at.record_uid, "rotation_state", json.dumps(state))
    stage.sandbox.keeper.edit(stage.at.record_uid, "rotate_before_hours", "1")
    published = stage.value("client_secret_id")
    assert stage.run().result == "not_due"
    assert {former, published} <= stage.live()
    assert stage.published_works()


@pytest.mark.parametrize("lags", [(0.4, 0.0, 0.0), (0.0, 0.4, 0.0), (0.0, 0.0, 0.4)], ids=str)
def test_a_secret_is_proved_at_replicas_that_do_not_agree(lags: tuple[float, ...], stage: Stage) -> None:
    """One connection, and one cookie, meet the same replica again and again, and prove nothing of the others."""
    stage.sandbox.entra.replica_lags = lags
    began = stage.sandbox.clock.now()
    outcome = rotated(stage)
    removals = [request.at for request in stage.sandbox.requests if request.operation == "remove_password"]
    assert outcome.report["proved"] == "sign-in"
    assert min(removals) - began > 0.4, "no old secret goes while a replica refuses the new one"


def test_a_secret_that_a_replica_never_knows_is_not_published(stage: Stage) -> None:
    before = stage.live()
    stage.sandbox.entra.replica_lags = (0.0, 0.0, 1000.0)
    outcome = stage.run()
    assert (outcome.code, outcome.result) == (1, "failed"), outcome
    assert stage.live() == before


def test_a_full_app_whose_overlap_lasts_has_nothing_to_do(make_stage: Callable[..., Stage]) -> None:
    """A daily schedule that is a minute early is no failure; whoever asks is told from when on it works."""
    audience = "AzureADandPersonalMicrosoftAccount"
    stage = make_stage(old_secrets=1, audience=audience, settings={"remove_old": "replaced", "overlap_hours": "24"})
    rotated(stage)
    stage.sandbox.clock.advance(24 * HOUR - 60)
    outcome = stage.run()
    assert (outcome.code, outcome.result) == (0, "not_due"), outcome
    assert outcome.report["next_due"]
    asked = stage.run(stage.line(dueNow=True))
    assert asked.code == 1 and "UTC" in asked.report["hint"], asked
    stage.sandbox.clock.advance(24 * HOUR)
    rotated(stage)
    assert len(stage.live()) == 2


@pytest.mark.parametrize(("reason", "first"), [("asked for", 2), ("near its end", 0)])
def test_a_full_app_serves_the_destination_that_holds_the_former_secret_before_it_makes_room(
    reason: str, first: int, make_stage: Callable[..., Stage]
) -> None:
    audience = "AzureADandPersonalMicrosoftAccount"
    stage = make_stage(old_secrets=0, audience=audience, settings={"rotate_before_hours": "24"})
    address = stage.deliver("secret_address").secret_address
    rotated(stage)
    stage.sandbox.fault("keyvault", "set_secret", faults.Status(403), times=None)
    assert stage.run(stage.line(dueNow=True)).code == 2 and len(stage.live()) == 2
    stage.sandbox.faults.clear()
    if reason == "asked for":
        stage.sandbox.keeper.edit(stage.at.record_uid, "rotate_now", "True")
    else:
        ends = datetime.fromisoformat(stage.value("expires")).timestamp()
        stage.sandbox.clock.advance(ends - stage.sandbox.clock.now() - HOUR)
    outcome = stage.run()
    assert outcome.code == first and outcome.report["delivered"] == [address], outcome
    rotated(stage)
    assert stage.live() == {stage.value("client_secret_id")} and stage.working()[address]


def test_a_full_app_that_may_lose_nothing_says_so(make_stage: Callable[..., Stage]) -> None:
    """A date of the past, which today's policy does not let come, is no reason to wait in silence."""
    audience = "AzureADandPersonalMicrosoftAccount"
    stage = make_stage(old_secrets=1, audience=audience, settings={"remove_old": "replaced", "overlap_hours": "24"})
    rotated(stage)
    stage.sandbox.keeper.edit(stage.at.record_uid, "remove_old", "none")
    stage.sandbox.clock.advance(25 * HOUR)
    outcome = stage.run()
    assert (outcome.code, outcome.result) == (1, "failed") and "as many client secrets" in outcome.report["error"], (
        outcome
    )

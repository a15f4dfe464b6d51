"""Which admin credential is used, in their order, and where one is spelled in which way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sandbox.keeper.vault import make_field
from sandbox.proxy import faults
from sandbox.proxy.clock import iso
from tests.stage.rotation import Stage, encoded


def line(stage: Stage, *records: dict[str, Any], **changes: Any) -> bytes:
    """A line with just these records."""
    return encoded(stage.params(records=encoded([*records, stage.flat(stage.at.record_uid)]).decode(), **changes))


def signed_in(stage: Stage) -> list[str]:
    """Who signed in, besides the app that is rotated."""
    tokens = [request for request in stage.sandbox.requests if request.operation == "token"]
    return [request.client_id for request in tokens if request.client_id != stage.at.target_client_id]


def decoy(stage: Stage) -> dict[str, Any]:
    """A complete credential of an application that may do nothing."""
    application = stage.sandbox.graph.new_application("decoy")
    _, secret = stage.sandbox.graph.add_password(application)
    return {"clientId": application.client_id, "clientSecret": secret, "tenantId": stage.at.tenant_id}


def test_an_attached_record_comes_before_the_configuration(stage: Stage) -> None:
    config = {"uid": stage.at.config_record_uid, **decoy(stage)}
    assert stage.run(line(stage, config, stage.flat(stage.at.admin_record_uid))).code == 0
    assert signed_in(stage) == [stage.at.admin_client_id]


def test_several_attached_credentials_are_named_and_the_first_is_used(stage: Stage) -> None:
    first = stage.flat(stage.at.admin_record_uid)
    outcome = stage.run(line(stage, first, first | {"uid": "B" * 22, "client_secret": "another"}))
    assert outcome.code == 0
    (warning,) = outcome.report["warnings"]
    assert first["uid"] in warning and "B" * 22 in warning


SPELLINGS = {
    "the vault's": ("clientId", "clientSecret", "tenantId"),
    "Commander's labels": ("Client ID", "Client Secret", "Tenant Id"),
    "the helper's labels": ("Client Id", "Client Secret", "Tenant Id"),
    "with the field's type": ("secret.clientId", "secret.clientSecret", "secret.tenantId"),
    "the record type's": ("pamazureclientid", "pamazureclientsecret", "pamazuretenantid"),
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_an_attached_configuration_in_the_spelling(name: str, stage: Stage) -> None:
    labels = SPELLINGS[name]
    flat = stage.flat(stage.at.config_record_uid)
    values = (flat["clientId"], flat["clientSecret"], flat["tenantId"])
    config = {"uid": stage.at.config_record_uid, "title": "c", **dict(zip(labels, values, strict=True))}
    assert stage.run(line(stage, config)).code == 0
    assert signed_in(stage) == [stage.at.admin_client_id]


@pytest.mark.parametrize("name", SPELLINGS)
def test_a_fetched_configuration_in_the_spelling(name: str, stage: Stage) -> None:
    labels = SPELLINGS[name]
    values = (stage.at.admin_client_id, stage.at.admin_secret, stage.at.tenant_id)
    fields = [make_field("secret", value, label) for label, value in zip(labels, values, strict=True)]
    uid = stage.sandbox.keeper.add_record("other configuration", "pamAzureConfiguration", fields)
    assert stage.run(line(stage, providerRecordUid=uid)).code == 0
    assert signed_in(stage) == [stage.at.admin_client_id]


def test_the_targets_own_record_is_no_admin_credential_unless_it_is_attached(stage: Stage) -> None:
    own = decoy(stage)
    keeper = stage.sandbox.keeper
    keeper.edit(stage.at.record_uid, "application_client_id", own["clientId"])
    keeper.edit(stage.at.record_uid, "tenant_id", stage.at.tenant_id)
    assert stage.run(line(stage, stage.flat(stage.at.config_record_uid))).code == 0
    assert signed_in(stage) == [stage.at.admin_client_id]


# Records that a rotation has filled in are whole credentials; that alone makes none of them the admin credential.
ROTATED: dict[str, Callable[[Stage], list[str]]] = {
    "the record that is rotated": lambda stage: [],
    "the record that is rotated, attached to its own script": lambda stage: [stage.at.record_uid],
    "another record that was rotated": lambda stage: [another_rotated(stage)],
}


def another_rotated(stage: Stage) -> str:
    """The uid of a PAM User record of another app."""
    own = decoy(stage)
    labels = {"client_id": own["clientId"], "client_secret": own["clientSecret"], "tenant_id": own["tenantId"]}
    custom = [make_field("text", value, label) for label, value in labels.items()]
    return stage.sandbox.keeper.add_record("another", "pamUser", [], custom)


@pytest.mark.parametrize("attached", [True, False])
@pytest.mark.parametrize("what", ROTATED)
def test_the_configuration_is_the_admin_credential_beside(what: str, attached: bool, stage: Stage) -> None:
    config = stage.flat(stage.at.config_record_uid)
    records = [config] if attached else []
    assert stage.run(line(stage, config)).code == 0
    assert stage.value("client_id") and stage.value("tenant_id")
    stage.sandbox.forget()
    others = [stage.flat(uid) for uid in ROTATED[what](stage)]
    outcome = stage.run(line(stage, *others, *records))
    assert outcome.code == 0, outcome
    assert signed_in(stage) == [stage.at.admin_client_id]


@pytest.mark.parametrize("handed", ["once, and the vault says that it is attached", "twice"])
def test_an_app_that_rotates_itself(handed: str, make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(old_secrets=1, self_rotation=True, attach_admin=False, config_has_secret=False)
    own = stage.flat(stage.at.record_uid)
    if handed == "twice":
        given = line(stage, own, providerRecordUid=None)
    else:
        given = line(stage, providerRecordUid=None)
        stage.stored()["fields"].append(script_field(stage.at.record_uid))
    outcome = stage.run(given)
    assert outcome.code == 0, outcome
    assert stage.live() == {stage.value("client_secret_id")}
    assert stage.published_works()
    # Signed in at the start, proved three times side by side and once after, and once more before the old secrets went.
    removals = [number for number, name in enumerate(stage.sandbox.operations()) if name == "graph.remove_password"]
    tokens = [number for number, name in enumerate(stage.sandbox.operations()) if name == "entra.token"]
    assert len(tokens) == 6 and max(tokens) < min(removals)
    own = stage.flat(stage.at.record_uid)
    again = stage.run(line(stage, *([own] if handed == "twice" else []), providerRecordUid=None))
    assert again.code == 0, again


SIGN_IN_AGAIN = {
    "for a moment": ([False] * 3, 0),
    "for longer than proving may take": ([False] * 300, 2),
}


@pytest.mark.parametrize("refused", SIGN_IN_AGAIN)
def test_an_app_that_rotates_itself_and_is_refused(refused: str, make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(old_secrets=1, self_rotation=True, attach_admin=False, config_has_secret=False)
    flaps, code = SIGN_IN_AGAIN[refused]
    stage.sandbox.entra.propagation_flaps = [True] * 4 + flaps
    outcome = stage.run(line(stage, stage.flat(stage.at.record_uid), providerRecordUid=None))
    assert outcome.code == code, outcome
    live = {stage.value("client_secret_id"), *(stage.at.old_key_ids if code else ())}
    assert stage.live() == live, "without a sign-in that works, nothing is removed"


def script_field(uid: str) -> dict[str, Any]:
    """What the vault writes where a record is attached to a script."""
    return {"type": "script", "label": "rotationScripts", "value": [{"fileRef": "F" * 22, "recordRef": [uid]}]}


def test_an_app_may_rotate_itself_where_each_copy_of_its_secret_is_fed(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(old_secrets=1, self_rotation=True, attach_admin=False)
    uid = stage.sandbox.keeper.add_record("copy", "login", [], [make_field("secret", stage.at.admin_secret, "copy")])
    lines = f"keeper:{stage.at.config_record_uid}#clientSecret\nkeeper:{uid}#copy"
    stage.sandbox.keeper.edit(stage.at.record_uid, "deliver_to", lines)
    for _ in range(2):
        outcome = stage.run()
        assert (outcome.code, outcome.result) == (0, "rotated"), outcome
        assert stage.sandbox.keeper.record(uid).value("copy") == stage.value("client_secret")
        assert stage.live() == {stage.value("client_secret_id")}


def test_an_app_whose_identity_has_no_secret_may_rotate_its_own(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(old_secrets=1, self_rotation=True, attach_admin=False, config_has_secret=False)
    token = stage.home / "token"
    token.write_text("a-federated-token")
    stage.sandbox.entra.federated_tokens["a-federated-token"] = stage.at.admin_client_id
    outcome = stage.run(AZURE_FEDERATED_TOKEN_FILE=str(token))
    assert outcome.code == 0, outcome
    assert stage.live() == {stage.value("client_secret_id")} and stage.published_works()


def test_workload_identity_where_the_configuration_has_no_secret(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(attach_admin=False, config_has_secret=False)
    token = stage.home / "token"
    token.write_text("a-federated-token")
    stage.sandbox.entra.federated_tokens["a-federated-token"] = stage.at.admin_client_id
    outcome = stage.run(AZURE_FEDERATED_TOKEN_FILE=str(token))
    assert outcome.code == 0, outcome
    assert stage.published_works()


DAY = 86400.0
ENDS = {
    "in two days": (2, True),
    "in just less than two weeks": (13.9, True),
    "in more than two weeks": (14.1, False),
    "before now, by the record": (-1, True),
}


def admin_ends(stage: Stage, uid: str, days: float) -> str:
    """The record of the admin credential says so."""
    ends = iso(stage.sandbox.clock.now() + days * DAY)
    stage.sandbox.keeper.edit(uid, "expires", ends)
    return ends


@pytest.mark.parametrize("source", ["admin_record_uid", "config_record_uid"])
@pytest.mark.parametrize("when", ENDS)
def test_the_admin_secret_ends(when: str, source: str, make_stage: Callable[..., Stage]) -> None:
    days, warned = ENDS[when]
    stage = make_stage(attach_admin=source == "admin_record_uid")
    uid = getattr(stage.at, source)
    ends = admin_ends(stage, uid, days)
    outcome = stage.run()
    assert outcome.code == 0, outcome
    assert [uid in each and ends in each for each in outcome.report["warnings"]] == [True] * warned


def test_an_admin_record_with_something_else_for_an_end(stage: Stage) -> None:
    stage.sandbox.keeper.edit(stage.at.admin_record_uid, "expires", "in spring")
    outcome = stage.run()
    assert (outcome.code, outcome.report["warnings"]) == (0, []), outcome


@pytest.mark.parametrize("due", [True, False])
def test_the_secret_of_an_app_that_rotates_itself_ends(due: bool, make_stage: Callable[..., Stage]) -> None:
    settings = {} if due else {"rotate_before_hours": "24"}
    stage = make_stage(
        old_secrets=1, self_rotation=True, attach_admin=False, config_has_secret=False, settings=settings
    )
    password = stage.sandbox.directory.applications[stage.at.target_object_id].password(stage.at.admin_key_id)
    assert password
    password.end = stage.sandbox.clock.now() + 2 * DAY
    ends = admin_ends(stage, stage.at.record_uid, 2)
    outcome = stage.run(line(stage, stage.flat(stage.at.record_uid), providerRecordUid=None))
    assert (outcome.code, outcome.result) == (0, "rotated" if due else "not_due"), outcome
    assert [ends in each for each in outcome.report["warnings"]] == ([] if due else [True]), "the new one lives on"


UNREACHABLE = {
    "no connection": faults.ResetBefore(),
    "no answer": faults.Hang(),
    "an error": faults.Status(500),
    "no JSON": faults.Malformed(),
    "throttled": faults.Status(429),
}


@pytest.mark.parametrize("what", UNREACHABLE)
def test_a_managed_identity_that_cannot_be_asked_now(what: str, make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(attach_admin=False, config_has_secret=False)
    stage.sandbox.identity.client_id = stage.at.admin_client_id
    put = stage.sandbox.fault("identity", "managed_identity_token", UNREACHABLE[what], times=None)
    before = stage.live()
    outcome = stage.run(NO_PROXY="127.0.0.1", **stage.sandbox.identity_env())
    assert put.fired and outcome.code == 1, outcome
    assert "managed or workload identity" in outcome.report["error"] and outcome.report["hint"], outcome
    assert stage.live() == before


def test_managed_identity_where_the_configuration_has_no_secret(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(attach_admin=False, config_has_secret=False)
    stage.sandbox.identity.client_id = stage.at.admin_client_id
    outcome = stage.run(NO_PROXY="127.0.0.1", **stage.sandbox.identity_env())
    assert outcome.code == 0, outcome
    assert stage.published_works()


def test_no_identity_where_the_configuration_has_no_secret(make_stage: Callable[..., Stage], tmp_path: Path) -> None:
    stage = make_stage(attach_admin=False, config_has_secret=False)
    outcome = stage.run(AZURE_FEDERATED_TOKEN_FILE=str(tmp_path / "nowhere"))
    assert outcome.code == 1, outcome
    assert "no managed or workload identity answered" in outcome.report["error"]

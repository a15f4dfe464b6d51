"""Where nothing is delivered: the admin credential's own place, what never agreed, orders, and others' secrets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gateway.model.fields import ADMIN_FIELDS, FIELDS, MONGODB_ADMIN_FIELDS, is_order
from sandbox.graph.base import WRITE_ALL
from sandbox.keeper.vault import make_field
from sandbox.proxy import faults
from tests.stage.certificate import CertificateStage
from tests.stage.command import command
from tests.stage.published_password import NEW, PasswordStage
from tests.stage.rotation import Outcome, Stage


def deliver_to(stage: Stage, *lines: str) -> None:
    stage.sandbox.keeper.edit(stage.at.record_uid, "deliver_to", "\n".join(lines))


def refused(stage: Stage, outcome: Outcome, error: str, hint: str = "") -> None:
    """Nothing was made."""
    assert outcome.code == 1 and error in outcome.report["error"], outcome
    assert hint in outcome.report["hint"], outcome
    assert stage.live() == set(stage.at.old_key_ids) and stage.published_works()


# The record that the admin credential comes from


@pytest.mark.parametrize("label", ["client_secret", "its copy"])
@pytest.mark.parametrize("optional", ["", "optional "])
def test_the_record_of_the_admin_credential_is_never_written_to(label: str, optional: str, stage: Stage) -> None:
    uid, keeper = stage.at.admin_record_uid, stage.sandbox.keeper
    keeper.vault.records[uid].data["custom"].append(make_field("secret", "kept", "its copy"))
    keeper.edit(uid, "receives_from", stage.at.record_uid)
    before = keeper.record(uid).values()
    deliver_to(stage, f"{optional}keeper:{uid}#{label}")
    outcome = stage.run()
    said = outcome.report["warnings"] if optional else [outcome.report["error"]]
    assert "the admin credential comes from this record, and would be lost" in " ".join(said), outcome
    assert outcome.code == (0 if optional else 1)
    assert keeper.record(uid).values() == before
    assert stage.run().code == outcome.code


def test_nor_is_the_configuration_where_it_comes_from_that(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(attach_admin=False)
    stage.sandbox.keeper.edit(stage.at.config_record_uid, "receives_from", stage.at.record_uid)
    deliver_to(stage, f"keeper:{stage.at.config_record_uid}#clientSecret")
    refused(stage, stage.run(), "the admin credential comes from this record, and would be lost")


def test_a_configuration_that_nobody_signs_in_with_agrees_as_any_other_record(stage: Stage) -> None:
    deliver_to(stage, f"keeper:{stage.at.config_record_uid}#clientSecret")
    line = f"let who may edit record {stage.at.config_record_uid} add this line to its field receives_from: "
    refused(stage, stage.run(), "does not name the one that is rotated", line + stage.at.record_uid)
    stage.sandbox.keeper.edit(stage.at.config_record_uid, "receives_from", stage.at.record_uid)
    assert stage.run().code == 0
    assert stage.sandbox.keeper.record(stage.at.config_record_uid).value("clientSecret") == stage.value("client_secret")


def test_a_password_is_not_published_into_the_record_of_the_admin_credential() -> None:
    with PasswordStage() as stage:
        assert isinstance(stage, PasswordStage)
        uid = stage.at.admin_record_uid
        stage.sandbox.keeper.edit(uid, "receives_from", stage.at.record_uid)
        deliver_to(stage, f"keeper:{uid}#client_secret")
        outcome = stage.publish()
        assert outcome.code == 1 and "the admin credential comes from this record" in outcome.report["error"], outcome
        assert stage.sandbox.keeper.record(uid).value("client_secret") == stage.at.admin_secret


# The admin credential's own application


@pytest.mark.parametrize("remove_old", ["all", "replaced", "none"])
def test_no_record_gets_a_secret_of_the_admins_own_application(
    remove_old: str, make_stage: Callable[..., Stage]
) -> None:
    settings = {"remove_old": remove_old}
    stage = make_stage(admin_roles=[WRITE_ALL], settings=settings)
    stage.sandbox.keeper.edit(stage.at.record_uid, "application_object_id", stage.at.admin_object_id)
    before = len(stage.sandbox.graph.passwords(stage.at.admin_object_id))
    outcome = stage.run()
    assert outcome.code == 1 and "the app would rotate its own secret" in outcome.report["error"], outcome
    assert len(stage.sandbox.graph.passwords(stage.at.admin_object_id)) == before


# A record that never agreed

SAYS: dict[str, tuple[Callable[[Stage], str | None], bool]] = {
    "nothing": (lambda stage: None, False),
    "this record": (lambda stage: stage.at.record_uid, True),
    "this record, among others": (lambda stage: f"{'A' * 22}\r\n {stage.at.record_uid} \n", True),
    "this record, with commas": (lambda stage: f"{'A' * 22},{stage.at.record_uid}", True),
    "another record": (lambda stage: "A" * 22, False),
    "what this record's uid is a part of": (lambda stage: f"{stage.at.record_uid}x", False),
    "everyone": (lambda stage: "*", False),
}


@pytest.mark.parametrize("what", SAYS)
def test_another_record_is_written_to_where_it_says(what: str, stage: Stage) -> None:
    said, agrees = SAYS[what]
    fields = [make_field("secret", "theirs", "its secret")]
    uid = stage.sandbox.keeper.add_record("consumer", "login", [], fields)
    if (text := said(stage)) is not None:
        stage.sandbox.keeper.edit(uid, "receives_from", text)
    deliver_to(stage, f"keeper:{uid}#its secret")
    outcome = stage.run()
    if agrees:
        assert outcome.code == 0, outcome
        assert stage.sandbox.keeper.record(uid).value("its secret") == stage.value("client_secret")
    else:
        line = f"let who may edit record {uid} add this line to its field receives_from: {stage.at.record_uid}"
        refused(stage, outcome, "does not name the one that is rotated in its field receives_from", line)
        assert stage.sandbox.keeper.record(uid).value("its secret") == "theirs"


def test_a_record_that_no_longer_agrees_gets_nothing_more(stage: Stage) -> None:
    uid = stage.consumer("its secret")
    deliver_to(stage, f"keeper:{uid}#its secret")
    assert stage.run().code == 0
    held = stage.value("client_secret")
    stage.sandbox.keeper.edit(uid, "receives_from", "")
    outcome = stage.run()
    assert outcome.code == 1 and "receives_from" in outcome.report["error"], outcome
    assert stage.sandbox.keeper.record(uid).value("its secret") == held == stage.value("client_secret")


def test_nor_does_it_where_a_rotation_is_asked_for_that_does_not_wait(stage: Stage) -> None:
    uid = stage.consumer("its secret")
    deliver_to(stage, f"keeper:{uid}#its secret")
    assert stage.run().code == 0
    held = stage.value("client_secret")
    stage.sandbox.keeper.edit(uid, "receives_from", "")
    outcome = stage.run(stage.line(dueNow=True))
    assert outcome.code == 2 and "receives_from" in outcome.report["error"], outcome
    assert stage.sandbox.keeper.record(uid).value("its secret") == held != stage.value("client_secret")
    stage.sandbox.keeper.edit(uid, "receives_from", stage.at.record_uid)
    assert stage.run().code == 0


def test_an_app_that_rotates_itself_overwrites_nobody_elses_field(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(old_secrets=1, self_rotation=True, attach_admin=False)
    other = stage.sandbox.keeper.add_record("other", "login", [], [make_field("secret", "theirs", "its secret")])
    forged = stage.value("rotation_state")
    lines = f"keeper:{stage.at.config_record_uid}#clientSecret", f"keeper:{other}#its secret"
    deliver_to(stage, *lines)
    outcome = stage.run()
    assert outcome.code == 1 and f"keeper:{other}#its secret: the record does not name" in outcome.report["error"]
    assert stage.sandbox.keeper.record(other).value("its secret") == "theirs" and not forged


def test_a_copy_that_was_not_fed_in_time_is_fed_by_the_next_run(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(old_secrets=1, self_rotation=True, attach_admin=False)
    copy = stage.sandbox.keeper.add_record("copy", "login", [], [make_field("secret", stage.at.admin_secret, "copy")])
    deliver_to(stage, f"keeper:{stage.at.config_record_uid}#clientSecret", f"keeper:{copy}#copy")

    def of_copy(request: Any) -> bool:
        return copy in str(request)

    stage.sandbox.keeper.set_editable(copy, True)
    stage.sandbox.fault("keeper", "update_secret", faults.Status(403), times=None, when=of_copy)
    first = stage.run()
    stage.sandbox.faults.clear()
    assert first.code in (0, 2), first
    assert stage.run().code == 0
    assert stage.sandbox.keeper.record(copy).value("copy") == stage.value("client_secret")


# What scripts read for what to do

TABLE = [each.label for each in (*FIELDS, *ADMIN_FIELDS, *MONGODB_ADMIN_FIELDS)]
VALUES = {"client_secret", "storage_key", "connection_string", "pfx_password"}


def test_what_is_no_order_is_a_secret() -> None:
    assert {label for label in TABLE if not is_order(label)} == VALUES
    assert not is_order("password") and not is_order("clientSecret") and not is_order("its secret")


@pytest.mark.parametrize("label", ["clientId", "Tenant Id", "deliver_to2", "Remove-Old", "pamazuretenantid", "login"])
def test_an_order_in_another_spelling(label: str) -> None:
    assert is_order(label)


@pytest.mark.parametrize("label", sorted({*TABLE, "login", "tenantId"} - VALUES))
def test_no_secret_is_put_where_scripts_read_an_order(label: str, stage: Stage) -> None:
    uid = stage.consumer("other" if label == "receives_from" else label, "theirs")
    before = stage.sandbox.keeper.record(uid).value(label)
    deliver_to(stage, f"keeper:{uid}#{label}")
    refused(stage, stage.run(), "scripts read a field of this name for what to do")
    assert stage.sandbox.keeper.record(uid).value(label) == before


# What another record delivers in Key Vault


def other_record(stage: Stage) -> str:
    return stage.sandbox.keeper.add_record("another", "pamUser", [make_field("login", "another")], [])


def belongs_to(stage: Stage, uid: str) -> str:
    """The current version of the stage's Key Vault secret was delivered by this record; the secret's address."""
    made = stage.deliver("secret_address")
    tags = {"keeper-record": uid, "keeper-key-id": "k"}
    stage.sandbox.keyvault.set_secret(made.vault, made.secret_name, "theirs", tags=tags)
    return made.secret_address


def held(stage: Stage) -> Any:
    made = stage.destinations
    assert made
    return stage.sandbox.keyvault.versions(made.vault, made.secret_name)[-1]


def test_a_secret_that_another_record_delivers_stays(stage: Stage) -> None:
    uid = other_record(stage)
    address = belongs_to(stage, uid)
    hint = f"keeper-rotation take-over {address} --record={stage.at.record_uid}"
    refused(stage, stage.run(), f"{address}: record {uid} (another) delivers there", hint)
    assert held(stage).value == "theirs"


@pytest.mark.parametrize("tag", ["A" * 22, "nonsense", "", "../x"])
def test_a_secret_of_a_record_that_is_gone_is_delivered_to(tag: str, stage: Stage) -> None:
    belongs_to(stage, tag)
    assert stage.run().code == 0
    assert held(stage).value == stage.value("client_secret")
    assert held(stage).tags["keeper-record"] == stage.at.record_uid


@pytest.mark.parametrize("value", ["theirs", "ours"])
def test_one_that_another_record_took_meanwhile_is_not_fought_for(value: str, stage: Stage) -> None:
    made = stage.deliver("secret_address")
    assert stage.run().code == 0
    uid, text = other_record(stage), stage.value("client_secret") if value == "ours" else value
    tags = {"keeper-record": uid, "keeper-key-id": "k"}
    stage.sandbox.keyvault.set_secret(made.vault, made.secret_name, text, tags=tags)
    outcome = stage.run(stage.line(dueNow=True))
    assert outcome.code == 2 and f"record {uid} (another) delivers there" in outcome.report["error"], outcome
    assert (held(stage).value, held(stage).tags) == (text, tags)
    assert stage.published_works()


def test_a_certificate_that_another_record_delivers_stays() -> None:
    with CertificateStage() as stage:
        assert isinstance(stage, CertificateStage)
        uid, keyvault = other_record(stage), stage.sandbox.keyvault
        keyvault.grant(stage.at.admin_client_id, "Key Vault Certificates Officer", other := keyvault.add_vault("door"))
        keyvault.add_certificate(other, "orders-tls", tags={"keeper-record": uid})
        deliver_to(stage, f"{other.url}/certificates/orders-tls")
        outcome = stage.run()
        assert outcome.code != 0 and f"record {uid} (another) delivers there" in outcome.report["error"], outcome
        assert len(keyvault.certificate_versions(other, "orders-tls")) == 1


def test_a_password_is_not_published_over_another_records() -> None:
    with PasswordStage() as stage:
        assert isinstance(stage, PasswordStage)
        stage.sandbox.keyvault.set_secret(stage.vault, "mongodb", "theirs", tags={"keeper-record": other_record(stage)})
        outcome = stage.publish()
        assert outcome.code == 1 and "delivers there" in outcome.report["error"], outcome
        assert stage.held() == "theirs" != NEW


# It is moved


def take_over(stage: Stage, address: str, uid: str = "") -> Any:
    words = ("take-over", address, f"--record={uid or stage.at.record_uid}")
    return command(stage, *words, f"--credential={stage.at.admin_record_uid}")


def test_a_secret_is_moved_to_another_record(stage: Stage) -> None:
    uid = other_record(stage)
    address = belongs_to(stage, uid)
    process = take_over(stage, address)
    assert process.returncode == 0 and uid in process.stdout, process
    assert held(stage).tags == {"keeper-record": stage.at.record_uid} and held(stage).value == "theirs"
    assert stage.run().code == 0
    assert held(stage).value == stage.value("client_secret")


def test_a_certificate_is_moved_to_another_record() -> None:
    with CertificateStage() as stage:
        assert isinstance(stage, CertificateStage)
        uid, keyvault = other_record(stage), stage.sandbox.keyvault
        keyvault.grant(stage.at.admin_client_id, "Key Vault Certificates Officer", other := keyvault.add_vault("door"))
        keyvault.add_certificate(other, "orders-tls", tags={"keeper-record": uid, "team": "web"})
        process = take_over(stage, f"{other.url}/certificates/orders-tls")
        assert process.returncode == 0, process
        tags = keyvault.certificate_versions(other, "orders-tls")[-1].tags
        assert tags == {"keeper-record": stage.at.record_uid, "team": "web"}


NOT_MOVED: dict[str, tuple[Callable[[Stage, str], tuple[str, str]], str]] = {
    "a record that cannot be read": (lambda stage, address: (address, "A" * 22), "cannot be read"),
    "what is not there": (lambda stage, address: (f"{address}-x", ""), "there is no such secret"),
    "what is no address": (lambda stage, address: ("keeper:x#y", ""), "is not a secret of a vault"),
    "another cloud": (lambda stage, address: ("https://a.vault.azure.cn/secrets/x", ""), "is not a secret of a vault"),
}


@pytest.mark.parametrize("what", NOT_MOVED)
def test_not_moved(what: str, stage: Stage) -> None:
    words, message = NOT_MOVED[what]
    address = belongs_to(stage, uid := other_record(stage))
    stage.sandbox.keyvault.grant(stage.at.admin_client_id, "Key Vault Secrets Officer", stage.destinations.vault)  # type: ignore[union-attr]
    process = take_over(stage, *words(stage, address))
    assert process.returncode == 1 and message in process.stderr, process
    assert held(stage).tags["keeper-record"] == uid

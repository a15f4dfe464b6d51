"""A password that Keeper rotates is at once the same in Azure Key Vault, and both sides are compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import pairwise
from urllib.parse import unquote, urlsplit

import pytest

from gateway.host.deadline import Deadline
from sandbox.keeper.vault import make_field
from sandbox.proxy import faults
from tests.stage import patience
from tests.stage.keeper_gateway import KeeperGateway
from tests.stage.published_password import NEW, OLD, SCRIPT, PasswordStage
from tests.sweep.deep import deep_unless
from tests.sweep.rotation import FAULTS, KILLS

Make = Callable[..., PasswordStage]


@pytest.fixture
def password() -> Iterator[Make]:
    with ExitStack() as stack:
        yield lambda **settings: stack.enter_context(PasswordStage(**settings))  # type: ignore[return-value]


@pytest.mark.parametrize("saved", ["before", "after"])
def test_step_9_the_new_password_is_injected_into_key_vault(saved: str, password: Make) -> None:
    stage = password()
    if saved == "before":
        stage.save(NEW)
    outcome = stage.publish()
    assert (outcome.code, outcome.result) == (0, "published"), outcome
    assert stage.held() == NEW
    assert stage.sandbox.keyvault.versions(stage.vault, "mongodb")[-1].tags["team"] == "orders"


def test_step_10_both_sides_are_compared(password: Make) -> None:
    stage = password()
    outcome = stage.publish()
    assert outcome.report["proved"] == "identical"
    assert f"identical in Keeper and at {stage.address}" in outcome.stderr
    versions = len(stage.sandbox.keyvault.versions(stage.vault, "mongodb"))
    stage.save(NEW)
    assert stage.publish().code == 0
    assert len(stage.sandbox.keyvault.versions(stage.vault, "mongodb")) == versions, "nothing was left to do"


def test_a_version_of_a_password_that_no_date_ends_has_none(password: Make) -> None:
    stage = password()
    assert stage.publish().code == 0
    assert stage.held() == NEW
    assert [each.exp for each in stage.sandbox.keyvault.versions(stage.vault, "mongodb")] == [None, None]


def test_step_3_every_rotation_of_the_schedule_is_published(password: Make) -> None:
    stage = password()
    passwords = [OLD, "second-Password", "third-Password", "fourth-Password"]
    stage.sandbox.issued.extend(passwords)
    for old, new in pairwise(passwords):
        assert stage.publish(old, new).code == 0
        stage.save(new)
        assert stage.held() == new


def test_step_7_the_rendered_template_is_delivered(password: Make) -> None:
    stage = password(value_template="mongodb://{login}:{password}@host.example:27017/db?authSource=admin")
    assert stage.publish().code == 0
    rendered = urlsplit(str(stage.held()))
    assert (unquote(rendered.username or ""), unquote(rendered.password or "")) == ("orders app", NEW)
    assert (rendered.hostname, rendered.port, rendered.path) == ("host.example", 27017, "/db")


def test_a_password_has_no_end_in_key_vault(password: Make) -> None:
    stage = password()
    assert stage.publish().code == 0
    assert stage.held() == NEW
    assert stage.sandbox.keyvault.versions(stage.vault, "mongodb")[-1].exp is None


def test_a_template_that_is_no_address_is_filled_in_as_it_is(password: Make) -> None:
    stage = password(value_template="user={login};password={password}")
    assert stage.publish().code == 0
    assert stage.held() == f"user=orders app;password={NEW}"


REFUSED: dict[str, tuple[dict[str, str], dict[str, str], str]] = {
    "a password that is neither the new nor the old one": (
        {},
        {"old": "another-Password"},
        "neither the new nor the old",
    ),
    "no new password": ({}, {"new": ""}, "'newPassword' is missing"),
    "no destination": ({"deliver_to": " "}, {}, "deliver_to is empty"),
    "an unknown name in the template": ({"value_template": "{password} {host}"}, {}, "unknown names host"),
    "no password in the template": ({"value_template": "{login}"}, {}, "no {password} in it"),
    "a foreign host": ({"deliver_to": "https://evil.example/secrets/x"}, {}, "deliver_to"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused(what: str, password: Make) -> None:
    settings, passwords, message = REFUSED[what]
    stage = password(**settings)
    outcome = stage.publish(**passwords)
    assert outcome.code == 1, outcome
    assert message in outcome.report["error"], outcome
    assert outcome.report["hint"]
    assert stage.held() == OLD


# Lines that cannot be served: each stands alone, beside one that can, and there as an optional one


def _connection(stage: PasswordStage) -> str:
    made = stage.sandbox.connections.add_connection("blobs", "azureblob", {"accountName": "a", "accessKey": "k"})
    stage.sandbox.arm.grant(stage.at.admin_client_id, "Logic App Contributor", made.id)
    return str(made.id)


def _other_vault(stage: PasswordStage, granted: bool) -> str:
    vault = stage.sandbox.keyvault.add_vault("other-vault")
    stage.sandbox.keyvault.set_secret(vault, "mongodb", OLD)
    if granted:
        stage.sandbox.keyvault.grant(stage.at.admin_client_id, "Key Vault Secrets Officer", vault)
    return f"{vault.url}/secrets/mongodb"


def _other_record(stage: PasswordStage, label: str) -> str:
    return f"keeper:{stage.consumer('its password')}#{label}"


def _deleted(stage: PasswordStage) -> str:
    address = _other_vault(stage, granted=True)
    stage.sandbox.keyvault.delete_secret("other-vault", "mongodb")
    return address


CONNECTION = "https://dev.azure.com/contoso/p/_settings/adminservices?resourceId=00000000-0000-0000-0000-000000000001"
LINES: dict[str, tuple[Callable[[PasswordStage], str], str]] = {
    "a certificate": (lambda stage: f"{stage.vault.url}/certificates/x", "only a certificate can be delivered there"),
    "a service connection": (lambda stage: CONNECTION, "takes client secrets only"),
    "an API connection": (_connection, "takes client secrets and access keys only"),
    "a vault without a role": (lambda stage: _other_vault(stage, granted=False), "HTTP 403"),
    "a deleted secret": (_deleted, "a deleted secret has this name"),
    "the record itself": (lambda stage: f"keeper:{stage.at.record_uid}#deliver_to", "the record that is rotated"),
    "a field that is not there": (lambda stage: _other_record(stage, "no such label"), "has no field with this label"),
    "an account without a role": (
        lambda stage: f"{stage.sandbox.group_id}/providers/Microsoft.Automation/automationAccounts/a/runbooks/r",
        "HTTP 403 AuthorizationFailed",
    ),
}


@pytest.mark.parametrize("what", LINES)
def test_a_line_that_cannot_be_served_alone_is_a_failure(what: str, password: Make) -> None:
    line, message = LINES[what]
    stage = password()
    address = line(stage)
    stage.sandbox.keeper.edit(stage.at.record_uid, "deliver_to", address)
    outcome = stage.publish()
    assert (outcome.code, outcome.result) == (1, "failed"), outcome
    assert outcome.report["error"].count(message) == 1 and outcome.report["hint"], outcome
    assert (outcome.report["delivered"], outcome.report["pending"]) == ([], [address])
    assert stage.value("deliver_to") == address and not stage.value("rotation_state")
    assert "PUT" not in {request.method for request in stage.sandbox.requests}


@pytest.mark.parametrize("what", LINES)
def test_a_line_that_cannot_be_served_keeps_the_password_from_nobody(what: str, password: Make) -> None:
    line, message = LINES[what]
    stage = password()
    address = line(stage)
    stage.sandbox.keeper.edit(stage.at.record_uid, "deliver_to", f"{address}\n{stage.address}")
    outcome = stage.publish()
    assert (outcome.code, outcome.result) == (2, "incomplete"), outcome
    assert outcome.report["error"].count(message) == 1 and outcome.report["hint"], outcome
    assert (outcome.report["delivered"], outcome.report["pending"]) == ([stage.address], [address])
    assert stage.held() == NEW


@pytest.mark.parametrize("what", LINES)
def test_an_optional_line_that_cannot_be_served_is_a_warning(what: str, password: Make) -> None:
    line, message = LINES[what]
    stage = password()
    stage.sandbox.keeper.edit(stage.at.record_uid, "deliver_to", f"optional {line(stage)}\n{stage.address}")
    outcome = stage.publish()
    assert (outcome.code, outcome.result) == (0, "published"), outcome
    assert len([warning for warning in outcome.report["warnings"] if message in warning]) == 1, outcome
    assert stage.held() == NEW


def test_a_sign_in_that_fails_keeps_the_password_from_nobody_in_keeper(password: Make) -> None:
    stage = password()
    lines = [stage.address, _other_vault(stage, granted=True), _other_record(stage, "its password")]
    stage.sandbox.keeper.edit(stage.at.record_uid, "deliver_to", "\n".join(lines))
    stage.sandbox.keeper.edit(stage.at.admin_record_uid, "client_secret", "no longer valid")
    outcome = stage.publish()
    assert (outcome.code, outcome.result) == (2, "incomplete"), outcome
    assert outcome.report["error"].count("AADSTS7000215") == 1, outcome
    assert (outcome.report["delivered"], outcome.report["pending"]) == (lines[2:], lines[:2])
    assert stage.held() == OLD


def test_a_runbook_that_waits_for_a_secret_that_is_refused_is_sent_nothing(password: Make) -> None:
    stage = password()
    made = stage.deliver("secret_address", "runbook_address", granted=False)
    lines = f"{made.secret_address}\n{made.runbook_address}?Environment=prod"
    stage.sandbox.keeper.edit(stage.at.record_uid, "deliver_to", lines)
    stage.sandbox.arm.grant(stage.at.admin_client_id, "Automation Operator", made.account.id)
    outcome = stage.publish()
    assert (outcome.code, outcome.result) == (1, "failed"), outcome
    assert "HTTP 403" in outcome.report["error"] and "waits for the Key Vault secret" in outcome.report["error"]
    assert not stage.sandbox.automation.started(made.runbook)


def test_one_who_hangs_leaves_time_for_the_others(password: Make) -> None:
    stage = password()
    other = _other_vault(stage, granted=True)
    stage.sandbox.keeper.edit(stage.at.record_uid, "deliver_to", f"{other}\n{stage.address}")
    stage.sandbox.fault("keyvault", None, faults.Hang(), times=None, when=lambda asked: asked.host in other)
    outcome = stage.publish(ROTATION_REQUEST_TIMEOUT_SECONDS="30", ROTATION_DEADLINE_SECONDS="8")
    assert (outcome.code, outcome.result) == (2, "incomplete"), outcome
    assert (outcome.report["delivered"], outcome.report["pending"]) == ([stage.address], [other])
    assert stage.held() == NEW


def test_one_who_could_not_be_asked_is_served_all_the_same(password: Make) -> None:
    stage = password()
    stage.sandbox.fault("keyvault", "get_secret", faults.Status(503), times=Deadline.TRIES)
    assert stage.publish().code == 0
    assert stage.held() == NEW


def test_a_disabled_version_is_replaced(password: Make) -> None:
    stage = password()
    stage.sandbox.keyvault.versions(stage.vault, "mongodb")[-1].enabled = False
    assert stage.publish().code == 0
    assert stage.held() == NEW


def test_disabled(password: Make) -> None:
    stage = password(rotation_enabled="False")
    assert stage.publish().result == "disabled"
    assert stage.held() == OLD


def test_rotate_now_means_nothing_where_keeper_makes_the_password(password: Make) -> None:
    stage = password(rotate_now="revoke")
    outcome = stage.publish()
    assert outcome.code == 0 and stage.held() == NEW, outcome
    assert any(warning.startswith("rotate_now: ") for warning in outcome.report["warnings"])


def test_a_destination_in_keeper_alone_needs_no_azure(password: Make) -> None:
    stage = password()
    uid = stage.consumer("its password")
    stage.sandbox.keeper.edit(stage.at.record_uid, "deliver_to", f"keeper:{uid}#its password")
    assert stage.publish().code == 0
    assert stage.sandbox.keeper.record(uid).value("its password") == NEW
    assert {request.service for request in stage.sandbox.requests} == {"keeper"}


def test_a_field_in_keeper_that_is_hidden_no_longer_is_a_warning(password: Make) -> None:
    stage = password()
    uid = stage.consumer("its password")
    stage.sandbox.keeper.edit(stage.at.record_uid, "deliver_to", f"keeper:{uid}#its password")
    assert stage.publish().code == 0
    stage.sandbox.keeper.vault.records[uid].data["custom"][0] |= {"type": "text", "value": ["x"]}
    stage.save(NEW)
    again = stage.publish()
    assert (again.code, "the field is not hidden" in str(again.report["warnings"])) == (0, True), again
    assert stage.sandbox.keeper.record(uid).value("its password") == NEW


def test_what_failed_is_delivered_by_the_next_run_with_the_password_of_that_time(password: Make) -> None:
    stage = password()
    stage.sandbox.fault("keyvault", "set_secret", faults.Status(403), times=None)
    first = stage.publish()
    assert (first.code, first.result) == (2, "incomplete"), first
    assert first.report["pending"] == [stage.address]
    stage.sandbox.faults.clear()
    stage.save(NEW)
    third = "third-Password"
    stage.sandbox.issued.append(third)
    assert stage.publish(NEW, third).code == 0
    assert stage.held() == third


GONE = {
    "when it notes what was delivered": ("update_secret", 1, "what was delivered could not be noted in the record"),
    "when it reads back what was noted": ("get_secret", 2, "what was delivered could not be noted in the record"),
    "when it looks for a newer password": ("get_secret", 3, "whether the password was rotated again meanwhile"),
}


@pytest.mark.parametrize("when", GONE)
def test_keeper_is_out_of_reach_after_everything_was_delivered(when: str, password: Make) -> None:
    operation, nth, message = GONE[when]
    stage = password()
    stage.sandbox.fault("keeper", operation, faults.Status(503), nth=nth, times=None)
    outcome = stage.publish()
    assert (outcome.code, outcome.result) == (2, "incomplete"), outcome
    assert message in outcome.report["error"] and outcome.report["hint"], outcome
    assert outcome.report["delivered"] == [stage.address] and stage.held() == NEW
    stage.sandbox.faults.clear()
    stage.save(NEW)
    assert stage.publish().code == 0


def test_a_newer_password_that_cannot_be_delivered_is_left_over(password: Make) -> None:
    stage, newer = password(value_template="{password}"), "second-Password-9"
    stage.sandbox.issued.append(newer)
    held = stage.sandbox.fault("keyvault", "set_secret", faults.Pause())
    variables = {"ROTATION_REQUEST_TIMEOUT_SECONDS": "10", "ROTATION_DEADLINE_SECONDS": "30"}
    process = stage.start(stage.line(newPassword=NEW, oldPassword=OLD), script=SCRIPT, **variables)
    assert held.reached.wait(patience.seconds(10))
    stage.save(newer)
    stage.sandbox.keeper.edit(stage.at.record_uid, "value_template", "{login}")
    held.release.set()
    outcome = stage.finish(process)
    assert (outcome.code, outcome.result) == (2, "incomplete"), outcome
    assert "no {password} in it" in outcome.report["error"] and not stage.leaks([outcome])
    assert stage.held() == NEW


def test_an_older_run_delivers_the_newer_password_though_a_line_cannot_be_served(password: Make) -> None:
    stage, newer = password(), "second-Password-9"
    stage.sandbox.issued.append(newer)
    lines = f"{CONNECTION}\n{stage.address}"
    stage.sandbox.keeper.edit(stage.at.record_uid, "deliver_to", lines)
    held = stage.sandbox.fault("keyvault", "set_secret", faults.Pause())
    variables = {"ROTATION_REQUEST_TIMEOUT_SECONDS": "10", "ROTATION_DEADLINE_SECONDS": "30"}
    process = stage.start(stage.line(newPassword=NEW, oldPassword=OLD), script=SCRIPT, **variables)
    assert held.reached.wait(patience.seconds(10))
    stage.save(newer)
    stage.sandbox.keeper.edit(stage.at.record_uid, "deliver_to", lines)
    held.release.set()
    outcome = stage.finish(process)
    assert outcome.code == 2 and outcome.report["error"].count("takes client secrets only") == 1, outcome
    assert stage.held() == newer and not stage.leaks([outcome])


def test_by_hand_the_current_password_is_delivered(password: Make) -> None:
    from tests.stage.command import command

    stage = password()
    stage.save(NEW)
    process = command(stage, "run", str(SCRIPT), f"--record={stage.at.record_uid}")
    assert process.returncode == 0, process
    assert stage.held() == NEW


# Keeper's rollback: where the script fails, the Gateway may put the old password back, and run the script again


SETTINGS: dict[str, tuple[bool, bool, bool]] = {
    "no rollback": (False, False, False),
    "rollback alone": (True, False, False),
    "rollback, and run again with the same parameters": (True, True, False),
    "rollback, and run again with reversed parameters": (True, True, True),
}


@pytest.mark.parametrize("heals", [True, False], ids=["passing", "lasting"])
@pytest.mark.parametrize("saves_first", [True, False], ids=["saved first", "saved last"])
@pytest.mark.parametrize("settings", SETTINGS)
def test_no_rollback_leaves_a_dead_password_unnamed(
    settings: str, saves_first: bool, heals: bool, password: Make
) -> None:
    stage = password()
    second = _other_vault(stage, granted=True)
    stage.sandbox.keeper.edit(stage.at.record_uid, "deliver_to", f"{stage.address}\n{second}")
    gateway = KeeperGateway(stage, saves_first, *SETTINGS[settings])
    fault = faults.Status(503)
    stage.sandbox.fault("keyvault", "set_secret", fault, times=None, when=lambda asked: asked.host in second)
    outcomes = gateway.rotate(OLD, NEW, stage.sandbox.faults.clear if heals else lambda: None)
    held = {stage.held(), stage.sandbox.keyvault.value("other-vault", "mongodb")}
    agrees = held == {gateway.live}
    assert outcomes[0].code == 2, outcomes
    assert agrees or outcomes[-1].code != 0, (outcomes, held)
    if len(outcomes) > 1 and heals:
        assert agrees, outcomes
    if settings.endswith("same parameters"):
        assert "the Gateway may have rolled the rotation back" in outcomes[-1].report["error"], outcomes
    stage.sandbox.faults.clear()
    assert stage.publish(stage.standard(), "third-Password-3").code == 0, "the next rotation is as any other"


@pytest.mark.parametrize("settings", SETTINGS)
def test_settings_of_a_rollback_that_can_leave_a_dead_password_are_a_warning(settings: str, password: Make) -> None:
    stage = password()
    KeeperGateway(stage, True, *SETTINGS[settings]).configure()
    outcome = stage.publish()
    named = [each for each in outcome.report["warnings"] if "Rollback On Post Rotation Fail" in each]
    assert outcome.code == 0 and len(named) == (settings in list(SETTINGS)[1:3]), outcome


def test_the_resource_is_asked_before_the_configuration(password: Make) -> None:
    """The Gateway hands the configuration over first."""
    stage = password()
    label = "Rollback On Post Rotation Fail"
    stage.sandbox.keeper.edit(stage.at.config_record_uid, label, "TRUE")
    resource = stage.sandbox.keeper.add_record("db", "pamDatabase", [], [make_field("text", "FALSE", label)])
    assert any(label in each for each in stage.publish().report["warnings"])
    stage.attached.append(resource)
    assert not any(label in each for each in stage.publish().report["warnings"])


REQUESTS = [
    *(("keeper", "get_secret", nth) for nth in (1, 3)),
    ("keeper", "update_secret", 1),
    *(("keyvault", "get_secret", nth) for nth in (1, 2)),
    ("keyvault", "set_secret", 1),
]


CASES = [(*request, fault) for request in REQUESTS for fault in FAULTS if fault != "slow"]
CLASSES = ("HTTP 503", "HTTP 403", "reset after", "hang after it took effect", "kill after")


def is_quick(service: str, name: str, nth: int, fault: str) -> bool:
    """Each class of fault, where something is saved or handed over."""
    return name != "get_secret" and fault in CLASSES


@pytest.mark.parametrize(("service", "name", "nth", "fault"), deep_unless(is_quick, CASES))
def test_the_next_run_makes_both_sides_the_same_whatever_broke(
    service: str, name: str, nth: int, fault: str, password: Make
) -> None:
    stage = password()
    put = stage.sandbox.fault(service, name, FAULTS[fault], nth=nth)
    first = stage.publish()
    assert put.fired
    assert first.code == -9 if fault in KILLS else first.code in (0, 1, 2), first
    if first.code in (0, 1):
        assert stage.held() == (NEW if first.code == 0 else OLD), first
    stage.sandbox.faults.clear()
    stage.save(NEW)
    second = stage.publish()
    assert (second.code, stage.held()) == (0, NEW), (first, second)


def test_what_the_vault_holds_is_compared_every_time(password: Make) -> None:
    stage = password()
    assert stage.publish().code == 0
    stage.save(NEW)
    stage.sandbox.keyvault.set_secret(stage.vault, "mongodb", "by hand")
    assert stage.publish().code == 0
    assert stage.held() == NEW


def test_an_older_run_that_delivers_last_delivers_the_newer_password(password: Make) -> None:
    stage, newer = password(), "second-Password-9"
    stage.sandbox.issued.append(newer)
    held = stage.sandbox.fault("keyvault", "set_secret", faults.Pause())
    stage.save(NEW)
    variables = {"ROTATION_REQUEST_TIMEOUT_SECONDS": "10", "ROTATION_DEADLINE_SECONDS": "30"}
    older = stage.start(stage.line(newPassword=NEW, oldPassword=OLD), script=SCRIPT, **variables)
    assert held.reached.wait(patience.seconds(10))
    stage.save(newer)
    assert stage.publish(NEW, newer, ROTATION_LOCK_DIR=str(stage.home / "other")).code == 0
    held.release.set()
    assert stage.finish(older).code == 0
    assert stage.held() == newer


TEMPLATES = {
    "the login of an address": ("mongodb://{login}:{password}@h/?a=b", "mongodb://orders%20app:a%22b%3B1%2F@h/?a=b"),
    "the query of an address": (
        "jdbc:postgresql://h/d?password={password}",
        "jdbc:postgresql://h/d?password=a%22b%3B1%2F",
    ),
    "no part of an address": ("jdbc:sqlserver://h:1433;password={password}", 'jdbc:sqlserver://h:1433;password=a"b;1/'),
    "JSON": ('{"user": "{login}", "pw": "{password}"}', '{"user": "orders app", "pw": "a\\"b;1/"}'),
}


@pytest.mark.parametrize(("template", "text"), TEMPLATES.values(), ids=TEMPLATES)
def test_a_template_escapes_for_its_place(template: str, text: str, password: Make) -> None:
    stage = password(value_template=template)
    stage.sandbox.issued.append('a"b;1/')
    assert stage.publish(OLD, 'a"b;1/').code == 0
    assert stage.held() == text


def test_a_misspelt_label_stops_it_before_anything_is_delivered(password: Make) -> None:
    stage = password(value_Template="mongodb://{login}:{password}@h/")
    outcome = stage.publish()
    assert outcome.code == 1
    assert "'value_Template' is not 'value_template'" in outcome.stderr
    assert stage.held() == OLD

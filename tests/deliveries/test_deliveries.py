"""Everyone who needs the new secret gets it before the old one dies: what operators of AZExecute know, and more.

Each section is named after the heading or setting that it covers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sandbox.automation.jobs import Parameter
from sandbox.keeper.vault import make_field
from sandbox.proxy import faults
from tests.stage import patience
from tests.stage.rotation import Outcome, Stage

DAY = 86400.0


def rotated(stage: Stage, **variables: str) -> Outcome:
    """Run; everyone holds the new secret, which works, and the old ones are gone."""
    outcome = stage.run(**variables)
    assert (outcome.code, outcome.result) == (0, "rotated"), outcome
    assert stage.published_works()
    assert not stage.leaks([outcome])
    return outcome


def refused(stage: Stage, *messages: str) -> Outcome:
    """Run; exit 1 before anything is made, with these messages, and nothing is written anywhere."""
    before, live = stage.sandbox.keeper.record(stage.at.record_uid).data, stage.live()
    outcome = stage.run()
    assert (outcome.code, outcome.result) == (1, "failed"), outcome
    said = outcome.report["error"] + " / " + outcome.report["hint"]
    for message in messages:
        assert message in said, said
    assert (stage.sandbox.keeper.record(stage.at.record_uid).data, stage.live()) == (before, live)
    writes = {"set_secret", "put_endpoint", "put_connection", "put_job", "add_password", "update_secret"}
    assert not writes & {request.operation for request in stage.sandbox.requests}
    assert not stage.leaks([outcome])
    return outcome


def deliver_to(stage: Stage, *lines: str) -> None:
    """The record's field."""
    stage.sandbox.keeper.edit(stage.at.record_uid, "deliver_to", "\n".join(lines))


# All at once


def test_everyone_gets_the_new_secret(stage: Stage) -> None:
    stage.deliver()
    outcome = rotated(stage)
    assert not stage.undelivered()
    assert all(stage.working().values())
    assert len(outcome.report["delivered"]) == 5 and not outcome.report["pending"]
    assert stage.live() == {stage.value("client_secret_id")}


def test_every_rotation_serves_everyone_again(stage: Stage) -> None:
    stage.deliver()
    for number in (1, 2, 3):
        rotated(stage)
        assert not stage.undelivered()
        assert len(stage.sandbox.automation.started(stage.destinations.runbook)) == number  # type: ignore[union-attr]


def test_no_destination_costs_nothing(stage: Stage) -> None:
    rotated(stage)
    assert {request.service for request in stage.sandbox.requests} == {"keeper", "entra", "graph"}
    assert len(stage.sandbox.requests) == 14


# Key Vault Integration


def test_key_vault_existing_secret_keeps_its_tags_and_content_type(stage: Stage) -> None:
    made = stage.deliver("secret_address")
    (old,) = stage.sandbox.keyvault.versions(made.vault, made.secret_name)
    rotated(stage)
    first, second = stage.sandbox.keyvault.versions(made.vault, made.secret_name)
    assert second.value == stage.value("client_secret")
    assert second.content_type == old.content_type
    tags = {"keeper-record": stage.at.record_uid, "keeper-key-id": stage.value("client_secret_id")}
    assert second.tags == old.tags | tags
    assert second.exp and abs(second.exp - stage.sandbox.clock.now() - 365 * DAY) < 360
    assert not first.enabled and second.enabled, "the version with the dead secret is disabled"


def test_key_vault_new_secret_is_made(stage: Stage) -> None:
    made = stage.deliver("secret_address")
    stage.sandbox.keyvault.grant(stage.at.admin_client_id, "Key Vault Secrets Officer", made.vault)
    deliver_to(stage, f"{made.vault.url}/secrets/brand-new")
    rotated(stage)
    assert stage.sandbox.keyvault.value(made.vault, "brand-new") == stage.value("client_secret")


def test_key_vault_versions_of_every_removed_secret_are_disabled(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(settings={"overlap_hours": "24", "rotate_before_hours": str(364 * 24)})
    made = stage.deliver("secret_address")
    rotated(stage)
    stage.sandbox.clock.advance(2 * DAY)
    password = stage.sandbox.directory.applications[stage.at.admin_object_id].passwords[0]
    password.end += 400 * DAY
    rotated(stage)
    enabled = [each.enabled for each in stage.sandbox.keyvault.versions(made.vault, made.secret_name)]
    assert enabled[1:] == [True, True], "the replaced secret lives on for a day"
    stage.sandbox.clock.advance(1.5 * DAY)
    stage.sandbox.keeper.edit(stage.at.record_uid, "rotate_before_hours", "1")
    assert stage.run().result == "not_due"
    enabled = [each.enabled for each in stage.sandbox.keyvault.versions(made.vault, made.secret_name)]
    assert enabled[1:] == [False, True]


def test_what_a_destination_held_until_now_has_its_overlap_from_now_on(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(settings={"overlap_hours": "24", "rotate_before_hours": "24"})
    made = stage.deliver("secret_address")
    assert stage.run().result == "finished"
    held = stage.value("client_secret_id")
    stage.sandbox.keeper.edit(stage.at.record_uid, "rotate_now", "True")
    made.vault.firewall = True
    assert stage.run().code == 2
    stage.sandbox.clock.advance(3 * DAY)
    made.vault.firewall = False
    outcome = stage.run()
    assert outcome.code == 0 and held in stage.live(), outcome
    assert [each["key_id"] for each in outcome.report["kept"]] == [held]
    stage.sandbox.clock.advance(1.1 * DAY)
    assert stage.run().code == 0 and held not in stage.live()


def _delete(stage: Stage) -> None:
    made = stage.destinations
    assert made
    stage.sandbox.keyvault.grant(stage.at.admin_client_id, "Key Vault Secrets Officer", made.vault)
    stage.sandbox.keyvault.delete_secret(made.vault, made.secret_name)


def _disable(stage: Stage) -> None:
    made = stage.destinations
    assert made
    stage.sandbox.keyvault.versions(made.vault, made.secret_name)[-1].enabled = False


def _firewall(stage: Stage) -> None:
    assert stage.destinations
    stage.destinations.vault.firewall = True


KEY_VAULT: dict[str, tuple[Callable[[Stage], None], str]] = {
    "a deleted secret has the name": (_delete, "recover or purge it"),
    "the secret is disabled": (_disable, "enable it"),
    "the firewall is closed": (_firewall, "firewall"),
}


@pytest.mark.parametrize("what", KEY_VAULT)
def test_key_vault_is_checked_first(what: str, stage: Stage) -> None:
    stage.deliver("secret_address")
    prepare, hint = KEY_VAULT[what]
    prepare(stage)
    refused(stage, hint)


def test_key_vault_access_control_is_checked_first(stage: Stage) -> None:
    stage.deliver("secret_address", granted=False)
    refused(stage, "ForbiddenByRbac", "Key Vault Secrets Officer")


# Azure DevOps Integration


def test_devops_only_the_key_changes(stage: Stage) -> None:
    made = stage.deliver("devops_address")
    before = stage.sandbox.devops.stored(made.endpoint)
    rotated(stage)
    after = stage.sandbox.devops.stored(made.endpoint)
    assert after["authorization"]["parameters"].pop("serviceprincipalkey") == stage.value("client_secret")
    before["authorization"]["parameters"].pop("serviceprincipalkey")
    for moving in ("operationStatus", "isReady"):
        before.pop(moving, None), after.pop(moving, None)
    assert after == before, "unknown fields and all project references are kept"


def _rights(stage: Stage, made: Any) -> None:
    made.endpoint.roles.clear()


def _scheme(name: str) -> Callable[[Stage, Any], None]:
    def change(stage: Stage, made: Any) -> None:
        made.endpoint.content["authorization"]["scheme"] = name

    return change


def _creation(stage: Stage, made: Any) -> None:
    made.endpoint.content["data"]["creationMode"] = "Automatic"


def _certificate(stage: Stage, made: Any) -> None:
    made.endpoint.parameters["authenticationType"] = "spnCertificate"


def _other_app(stage: Stage, made: Any) -> None:
    made.endpoint.parameters["serviceprincipalid"] = stage.at.admin_client_id


DEVOPS: dict[str, tuple[Callable[[Stage, Any], None], str]] = {
    "Requirements: not an administrator of the connection": (_rights, "Administrator"),
    "it signs in by workload identity": (_scheme("WorkloadIdentityFederation"), "without a secret"),
    "it signs in by managed identity": (_scheme("ManagedServiceIdentity"), "without a secret"),
    "it was made automatically": (_creation, "manual"),
    "it signs in with a certificate": (_certificate, "certificate"),
    "it is of another app": (_other_app, "not of the app that is rotated"),
}


@pytest.mark.parametrize("what", DEVOPS)
def test_devops_is_checked_first(what: str, stage: Stage) -> None:
    made = stage.deliver("devops_address")
    prepare, message = DEVOPS[what]
    prepare(stage, made)
    refused(stage, message)


def test_devops_connection_that_is_not_there(stage: Stage) -> None:
    made = stage.deliver("devops_address")
    right = made.devops_address.rpartition("=")[2]
    deliver_to(stage, made.devops_address[:-4] + "0000")
    refused(stage, "no such service connection")
    assert f"({right}); else add the admin" in stage.run().report["hint"], "which one there is for this app"


def personal_access_token(stage: Stage) -> None:
    """One of a user who is Administrator of the connection, in a record that is attached."""
    made = stage.deliver("devops_address", granted=False)
    token = stage.sandbox.devops.add_pat(made.organization, "Ada")
    stage.sandbox.devops.grant(made.organization, "Ada", made.endpoint)
    field = {"type": "secret", "label": "azure_devops_pat", "value": [token]}
    stage.attached.append(stage.sandbox.keeper.add_record("DevOps token", "login", [], [field]))


def test_devops_with_a_personal_access_token(stage: Stage) -> None:
    personal_access_token(stage)
    rotated(stage)
    assert not [what for what in stage.undelivered() if "dev.azure.com" in what]


@pytest.mark.parametrize("status", [401, 203, 302])
def test_devops_personal_access_token_that_has_ended(status: int, stage: Stage) -> None:
    personal_access_token(stage)
    stage.sandbox.fault("devops", "get_endpoint", faults.Status(status), times=None)
    said = refused(stage, f"HTTP {status} sign-in refused", "put a new token in azure_devops_pat").report["hint"]
    assert "'All accessible organizations' stop working on 1 December 2026" in said and "service principal" not in said


def test_devops_that_answers_with_its_sign_in_page(stage: Stage) -> None:
    stage.deliver("devops_address")
    stage.sandbox.devops.sign_in_page = True
    stage.destinations.endpoint.roles.clear()  # type: ignore[union-attr]
    refused(stage, "service principal")


# Automation Account Integration


def jobs(stage: Stage) -> list[Any]:
    assert stage.destinations
    return stage.sandbox.automation.started(stage.destinations.runbook)


def runbook(stage: Stage, query: str = "Environment=prod") -> None:
    """Only the runbook, with this query."""
    made = stage.deliver("runbook_address")
    deliver_to(stage, f"{made.runbook_address}?{query}")


def test_runbook_gets_the_key_vault_version_and_not_the_secret(stage: Stage) -> None:
    stage.deliver()
    rotated(stage)
    (job,) = jobs(stage)
    made = stage.destinations
    assert made
    version = stage.sandbox.keyvault.versions(made.vault, made.secret_name)[-1].version
    assert job.parameters == {"Environment": "prod", "SecretId": f"{made.secret_address}/{version}"}


def test_runbook_without_the_parameter_is_not_given_the_version(stage: Stage) -> None:
    stage.deliver()
    stage.destinations.runbook.parameters.pop("SecretId")  # type: ignore[union-attr]
    rotated(stage)
    assert jobs(stage)[0].parameters == {"Environment": "prod"}


def test_runbook_that_insists_on_a_version_without_a_key_vault_line(stage: Stage) -> None:
    runbook(stage)
    stage.destinations.runbook.parameters["SecretId"] = Parameter(mandatory=True)  # type: ignore[union-attr]
    refused(stage, "SecretId is mandatory")


def test_connection_whose_connector_we_may_not_join(stage: Stage) -> None:
    stage.deliver("connection_address")
    stage.sandbox.connections.join_required = True
    outcome = stage.run()
    assert outcome.code == 2, outcome
    assert "managedApis/join/action" in outcome.report["hint"]


def test_key_vault_version_that_somebody_else_set_stays_enabled(stage: Stage) -> None:
    made = stage.deliver("secret_address")
    other = stage.sandbox.keyvault.set_secret(made.vault, made.secret_name, "somebody's own value")
    rotated(stage)
    assert other.enabled


def test_include_secret(stage: Stage) -> None:
    runbook(stage, "Environment=prod&include_secret=true")
    outcome = rotated(stage)
    (job,) = jobs(stage)
    assert job.parameters == {"Environment": "prod", "ClientSecret": stage.value("client_secret")}
    assert any("can be read in the job's parameters" in warning for warning in outcome.report["warnings"])


def test_include_secret_for_a_runbook_without_the_parameter(stage: Stage) -> None:
    runbook(stage, "Environment=prod&include_secret=true")
    stage.destinations.runbook.parameters.pop("ClientSecret")  # type: ignore[union-attr]
    stage.destinations.runbook.strict = False  # type: ignore[union-attr]
    outcome = rotated(stage)
    assert any("no parameter ClientSecret" in warning for warning in outcome.report["warnings"])
    assert jobs(stage)[0].parameters["ClientSecret"] == stage.value("client_secret")


def test_include_secret_for_a_runbook_that_refuses_what_it_does_not_declare(stage: Stage) -> None:
    runbook(stage, "Environment=prod&include_secret=true")
    stage.destinations.runbook.parameters.pop("ClientSecret")  # type: ignore[union-attr]
    assert stage.destinations.runbook.strict  # type: ignore[union-attr]
    outcome = stage.run()
    assert (outcome.code, outcome.result) == (2, "incomplete"), outcome
    assert any("no parameter ClientSecret" in warning for warning in outcome.report["warnings"])
    assert "HTTP 400" in outcome.report["error"]
    assert "add the parameter ClientSecret to the runbook, or take include_secret=true away" in outcome.report["hint"]
    assert stage.published_works() and set(stage.at.old_key_ids) <= stage.live()
    stage.destinations.runbook.parameters["ClientSecret"] = Parameter()  # type: ignore[union-attr]
    assert stage.run().result == "finished"


def test_run_on_a_hybrid_worker_group(stage: Stage) -> None:
    runbook(stage, "Environment=prod&runOn=onprem")
    rotated(stage)
    assert jobs(stage)[0].run_on == "onprem"


def test_run_on_a_group_of_agents_in_a_cloud_that_is_behind(stage: Stage) -> None:
    runbook(stage, "Environment=prod&runOn=onprem")
    account = stage.destinations.account
    assert account
    account.agent_based = ("onprem",)
    stage.sandbox.arm.newest["microsoft.automation"] = "2020-01-13-preview"
    rotated(stage)
    assert jobs(stage)[0].run_on == "onprem"


def test_run_on_azure(stage: Stage) -> None:
    runbook(stage)
    rotated(stage)
    assert jobs(stage)[0].run_on == ""


def test_runbook_parameters_in_another_case_are_sent_as_the_runbook_spells_them(stage: Stage) -> None:
    runbook(stage, "ENVIRONMENT=prod&include_secret=true")
    parameters = stage.destinations.runbook.parameters  # type: ignore[union-attr]
    parameters["clientsecret"] = parameters.pop("ClientSecret")
    rotated(stage)
    assert jobs(stage)[0].parameters == {"Environment": "prod", "clientsecret": stage.value("client_secret")}


def test_additional_runbook_parameters_are_decoded(stage: Stage) -> None:
    runbook(stage, "Environment=north%20%26%20south")
    rotated(stage)
    assert jobs(stage)[0].parameters["Environment"] == "north & south"


RUNBOOKS: dict[str, tuple[str, Callable[[Any], Any], str]] = {
    "an unknown worker group": ("Environment=prod&runOn=nowhere", lambda made: None, "no such hybrid worker group"),
    "a parameter that it does not have": ("Environment=prod&Region=x", lambda made: None, "no parameter Region"),
    "a mandatory parameter missing": ("runOn=onprem", lambda made: None, "Environment is mandatory"),
    "a switch that is no switch": ("Environment=p&wait=maybe", lambda made: None, "neither true nor false"),
    "a runbook that was never published": (
        "Environment=prod",
        lambda made: setattr(made.runbook, "state", "New"),
        "publish it",
    ),
}


@pytest.mark.parametrize("what", RUNBOOKS)
def test_runbook_with(what: str, stage: Stage) -> None:
    query, prepare, message = RUNBOOKS[what]
    runbook(stage, query)
    prepare(stage.destinations)
    refused(stage, message)


def test_runbook_that_is_not_there(stage: Stage) -> None:
    made = stage.deliver("runbook_address")
    stage.sandbox.arm.grant(stage.at.admin_client_id, "Automation Operator", made.account.id)
    deliver_to(stage, made.runbook_address + "x")
    refused(stage, "no such runbook")


def test_runbook_that_we_may_not_start(stage: Stage) -> None:
    stage.deliver("runbook_address", granted=False)
    refused(stage, "Automation Operator")


def test_runbook_that_fails_is_started_once_more_by_the_next_run(stage: Stage) -> None:
    stage.deliver()
    book = stage.destinations.runbook  # type: ignore[union-attr]
    book.outcome = "Failed"
    first = stage.run()
    assert (first.code, first.result) == (2, "incomplete"), first
    assert "ended as Failed" in first.report["error"]
    secret = stage.value("client_secret_id")
    assert len(stage.live()) == 3, "nothing is removed while a destination is open"
    book.outcome = "Completed"
    second = stage.run()
    assert (second.code, second.result) == (0, "finished"), second
    assert len(jobs(stage)) == 2
    assert stage.value("client_secret_id") == secret, "no second secret was made"
    assert stage.live() == {secret}


def test_runbook_that_completes_with_errors_is_done_and_they_are_told(stage: Stage) -> None:
    stage.deliver("runbook_address")
    deliver_to(stage, stage.destinations.runbook_address + "?Environment=prod")  # type: ignore[union-attr]
    stage.destinations.runbook.errors = ["disk is full"]  # type: ignore[union-attr]
    outcome = rotated(stage)
    assert any("disk is full" in warning for warning in outcome.report["warnings"])


def test_runbook_that_never_ends_is_waited_for_by_the_next_run_too(stage: Stage) -> None:
    runbook(stage)
    stage.destinations.runbook.outcome = None  # type: ignore[union-attr]
    first = stage.run(ROTATION_DEADLINE_SECONDS="6")
    assert first.code == 2, first
    stage.destinations.runbook.outcome = "Completed"  # type: ignore[union-attr]
    second = stage.run()
    assert (second.code, second.result) == (0, "finished"), second
    assert len(jobs(stage)) == 1, "the same job"


def test_wait_false(stage: Stage) -> None:
    runbook(stage, "Environment=prod&wait=false")
    stage.destinations.runbook.outcome = None  # type: ignore[union-attr]
    rotated(stage)


@pytest.mark.parametrize("kind", [faults.ResetAfter(), faults.ErrorAfter(503), faults.HangAfter()], ids=repr)
def test_runbook_is_started_once_when_the_answer_is_lost(kind: faults.Kind, stage: Stage) -> None:
    runbook(stage)
    stage.sandbox.fault("arm", "put_job", kind)
    rotated(stage)
    assert len(jobs(stage)) == 1


# Logic Apps API Connectors Update


@pytest.mark.parametrize("which", ["connection_address", "set_connection_address"])
def test_connection_loses_no_parameter(which: str, stage: Stage) -> None:
    made = stage.deliver(which)
    before = stage.sandbox.connections.stored(getattr(made, which))
    old = stage.value("client_secret")
    rotated(stage)
    after = stage.sandbox.connections.stored(getattr(made, which))
    text = repr(after)
    assert stage.value("client_secret") in text and old not in text
    replaced = eval(text.replace(stage.value("client_secret"), old))
    for moving in ("changedTime", "changed", "statuses"):
        before.pop(moving, None), replaced.pop(moving, None)
    assert replaced == before


def test_connection_without_a_client_secret(stage: Stage) -> None:
    stage.deliver()
    other = stage.sandbox.connections.add_connection("mail", "office365", {})
    stage.sandbox.arm.grant(stage.at.admin_client_id, "Logic App Contributor", other.id)
    deliver_to(stage, other.id)
    refused(stage, "no client secret")


def test_connection_that_signs_in_with_a_managed_identity(stage: Stage) -> None:
    made = stage.deliver("connection_address")
    stage.sandbox.connections.find(made.connection.id).value_type = "Alternative"
    refused(stage, "managed identity")


def test_connection_of_another_app(stage: Stage) -> None:
    made = stage.deliver("connection_address")
    stage.sandbox.connections.find(made.connection.id).values["token:clientId"] = stage.at.admin_client_id
    refused(stage, "not of what is rotated")


def test_connection_that_we_may_not_write(stage: Stage) -> None:
    made = stage.deliver("connection_address", granted=False)
    stage.sandbox.arm.grant(stage.at.admin_client_id, "Reader", made.connection.id)
    refused(stage, "Logic App Contributor")


# The test that a destination has of its own


TEXT, JSON = {"Content-Type": "text/plain"}, {"Content-Type": "application/json"}
API, DEVOPS_TEST = ("connection_address", "arm", "test_connection"), ("devops_address", "devops", "test_endpoint")

PASSED: dict[str, tuple[tuple[str, str, str], faults.Status]] = {
    "a connection's, without a body": (API, faults.Status(200, {}, b"")),
    "a connection's, with a list": (API, faults.Status(200, JSON, b'["a table"]')),
    "a connection's, with a text": (API, faults.Status(200, TEXT, b"fine")),
    "a connection's, with half an object": (API, faults.Status(200, JSON, b'{"value": [')),
    "a connection's, as accepted": (API, faults.Status(202, {}, b"")),
    "a service connection's, without a body": (DEVOPS_TEST, faults.Status(200, {}, b"")),
    "a service connection's, with a text": (DEVOPS_TEST, faults.Status(200, TEXT, b"fine")),
    "a service connection's, with a list": (DEVOPS_TEST, faults.Status(200, JSON, b"[]")),
    "a service connection's, that names no status": (DEVOPS_TEST, faults.Status(200, JSON, b'{"result": ["[]"]}')),
    "a service connection's, as no content": (DEVOPS_TEST, faults.Status(204, {}, b"")),
}


@pytest.mark.parametrize("what", PASSED)
def test_own_test_is_passed_with_any_success(what: str, stage: Stage) -> None:
    (which, service, operation), answer = PASSED[what]
    made = stage.deliver(which)
    stage.sandbox.fault(service, operation, answer, times=None)
    outcome = rotated(stage)
    assert outcome.report["delivered"] == [getattr(made, which)] and not outcome.report["pending"]
    assert stage.live() == {stage.value("client_secret_id")}


FAILED: dict[str, tuple[tuple[str, str, str], faults.Status]] = {
    "a connection's, refused": (API, faults.Status(401, JSON, b'{"error": {"code": "Unauthorized"}}')),
    "a service connection's, whose answer says so": (
        DEVOPS_TEST,
        faults.Status(200, JSON, b'{"statusCode": "badRequest", "errorMessage": "AADSTS7000215"}'),
    ),
    "a service connection's, with nothing but a reason": (
        DEVOPS_TEST,
        faults.Status(200, JSON, b'{"errorMessage": "AADSTS7000215"}'),
    ),
    "a service connection's, in whose place a sign-in page comes": (
        DEVOPS_TEST,
        faults.Status(203, {"Content-Type": "text/html"}, b"<html>Sign in</html>"),
    ),
}


@pytest.mark.parametrize("what", FAILED)
def test_own_test_that_fails_keeps_the_old_secrets(what: str, stage: Stage) -> None:
    (which, service, operation), answer = FAILED[what]
    made = stage.deliver(which)
    stage.sandbox.fault(service, operation, answer, times=None)
    outcome = stage.run()
    assert (outcome.code, outcome.result) == (2, "incomplete"), outcome
    assert outcome.report["pending"] == [getattr(made, which)]
    assert set(stage.at.old_key_ids) <= stage.live() and stage.published_works()
    assert not stage.leaks([outcome])


# Another Keeper record


def test_another_keeper_record(stage: Stage) -> None:
    uid = stage.consumer("its secret", "old", {"type": "text", "label": "note", "value": ["kept"]})
    deliver_to(stage, f"keeper:{uid}#its secret")
    rotated(stage)
    record = stage.sandbox.keeper.record(uid)
    assert record.value("its secret") == stage.value("client_secret")
    assert record.field("its secret")["type"] == "secret"
    assert record.value("note") == "kept"


KEEPER: dict[str, tuple[Callable[[Stage, str], str], str]] = {
    "a label that it does not have": (
        lambda stage, uid: f"keeper:{uid}#other",
        "no field with this label; it has its secret, receives_from, note",
    ),
    "a record that cannot be read": (lambda stage, uid: f"keeper:{'A' * 22}#x", "cannot be read"),
    "the record that is rotated": (lambda stage, uid: f"keeper:{stage.at.record_uid}#client_secret", "is rotated"),
    "no label": (lambda stage, uid: f"keeper:{uid}", "is not a field of a Keeper record"),
    "a field that is not hidden": (lambda stage, uid: f"keeper:{uid}#note", "the field is not hidden"),
}


def test_keeper_label_that_is_wrong_in_a_line_that_was_added(stage: Stage) -> None:
    rotated(stage)
    stage.sandbox.keeper.edit(stage.at.record_uid, "rotate_before_hours", "24")
    deliver_to(stage, f"keeper:{stage.consumer('its secret')}#other")
    outcome = stage.run()
    assert outcome.code != 0, outcome
    assert "the record has no field with this label" in outcome.report["error"]
    assert "labels are matched exactly" in outcome.report["hint"] and "network" not in outcome.report["hint"]


def test_the_label_that_is_nearly_meant_is_named_by_a_record_that_agrees_and_by_no_other(stage: Stage) -> None:
    uid = stage.consumer("its secret")
    deliver_to(stage, f"keeper:{uid}#Its secrte")
    assert "write #its secret: labels are matched exactly" in stage.run().report["hint"]
    stage.sandbox.keeper.edit(uid, "receives_from", "")
    outcome = stage.run()
    assert "receives_from" in outcome.report["error"] and "its secret" not in str(outcome.report), outcome


@pytest.mark.parametrize(
    "line", ["https://orders_vault.vault.azure.net/secrets/a", "https://-x.vault.azure.net/secrets/a"]
)
def test_a_host_that_is_no_name_of_a_vault_is_said_to_be_that(line: str, stage: Stage) -> None:
    deliver_to(stage, line)
    refused(stage, "is no name of a key vault: it has 3 to 24 letters, digits and dashes")


@pytest.mark.parametrize("what", KEEPER)
def test_keeper_record_with(what: str, stage: Stage) -> None:
    line, message = KEEPER[what]
    deliver_to(stage, line(stage, stage.consumer("its secret", "old", make_field("text", "old", "note"))))
    refused(stage, message)


def test_a_keeper_field_that_is_not_hidden_is_a_warning_where_it_was_served_before(stage: Stage) -> None:
    uid = stage.consumer("its secret")
    deliver_to(stage, f"keeper:{uid}#its secret")
    rotated(stage)
    stage.sandbox.keeper.vault.records[uid].data["custom"][0]["type"] = "text"
    assert "the field is not hidden" in " ".join(rotated(stage).report["warnings"])


def test_an_app_that_rotates_itself_feeds_the_configuration_that_it_came_from(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(old_secrets=1, self_rotation=True, attach_admin=False)
    deliver_to(stage, f"keeper:{stage.at.config_record_uid}#clientSecret")
    rotated(stage)
    config = stage.sandbox.keeper.record(stage.at.config_record_uid)
    assert config.value("clientSecret") == stage.value("client_secret")
    rotated(stage)


# Addresses


def test_addresses_as_the_portal_shows_them(stage: Stage) -> None:
    made = stage.deliver()
    portal = "https://portal.azure.com/#@contoso.onmicrosoft.com/resource"
    version = stage.sandbox.keyvault.versions(made.vault, made.secret_name)[0].version
    inner = f"{made.secret_address}/{version}"
    deliver_to(
        stage,
        f"https://portal.azure.com/#@contoso.onmicrosoft.com/asset/Microsoft_Azure_KeyVault/Secret/{inner}",
        made.devops_address.replace("https://dev.azure.com/contoso", "https://contoso.visualstudio.com"),
        f"{portal}{made.runbook_address}/overview?Environment=prod",
        f"{portal}{made.connection_address}/edit",
        made.set_connection_address.upper().replace("/SUBSCRIPTIONS", "/subscriptions"),
    )
    rotated(stage)
    assert not [what for what in stage.undelivered() if "TABLES" not in what.upper()]


FOREIGN = [
    "https://orders-vault.vault.azure.net.evil.example/secrets/x",
    "https://evil.example/secrets/x",
    "https://orders-vault.vault.azure.net@evil.example/secrets/x",
    "https://user:word@orders-vault.vault.azure.net/secrets/x",
    "https://orders-vault.vault.azure.net:8443/secrets/x",
    "http://orders-vault.vault.azure.net/secrets/x",
    "https://127.0.0.1/secrets/x",
    "https://orders-vault.vault.azure.cn/secrets/x",
    "https://orders-vault.vault.azure.net/secrets/x?api-version=7.4",
    "https://orders-vault.vault.azure.net/keys/x",
    "https://orders-vault.vault.azure.net/secrets/with_underscore",
    "https://dev.azure.com.evil.example/contoso/p/_settings/adminservices?resourceId=1",
    "https://evil.example/contoso/p/_settings/adminservices?resourceId=00000000-0000-0000-0000-000000000001",
    "https://dev.azure.com/contoso/project",
    "https://portal.azure.com.evil.example/#@x/resource/subscriptions/1",
    "/subscriptions/s/resourceGroups/g/providers/Microsoft.Automation/automationAccounts/a",
    "/subscriptions/s/resourceGroups/g/providers/Microsoft.Web/sites/a",
    "mail ada",
]


@pytest.mark.parametrize("address", FOREIGN)
def test_foreign_or_unknown_address(address: str, stage: Stage) -> None:
    deliver_to(stage, "optional " + address)
    refused(stage, "deliver_to", "https://" if "Microsoft" not in address else "/subscriptions/")
    hosts = {connect.host for connect in stage.sandbox.connects}
    assert hosts <= {"keepersecurity.com", "login.microsoftonline.com", "graph.microsoft.com"}


def test_all_wrong_lines_and_all_failing_checks_are_named_at_once(stage: Stage) -> None:
    deliver_to(stage, "one", "two")
    refused(stage, "'one'", "'two'")
    stage.deliver(granted=False)
    refused(stage, "ForbiddenByRbac", "service principal", "Automation Operator", "Logic App Contributor")


# One destination fails, for once, for good, or slowly


BREAK: dict[str, tuple[str, str]] = {
    "Key Vault": ("keyvault", "set_secret"),
    "DevOps": ("devops", "put_endpoint"),
    "runbook": ("arm", "put_job"),
    "connection": ("arm", "put_connection"),
}


@pytest.mark.parametrize("which", BREAK)
def test_one_that_fails_is_served_by_the_next_run_with_the_same_secret(which: str, stage: Stage) -> None:
    stage.deliver()
    service, operation = BREAK[which]
    stage.sandbox.fault(service, operation, faults.Status(403), times=None)
    first = stage.run()
    assert (first.code, first.result) == (2, "incomplete"), first
    assert first.report["pending"] and first.report["delivered"]
    assert stage.published_works() and all(stage.working().values()), "P2"
    assert set(stage.at.old_key_ids) <= stage.live()
    secret = stage.value("client_secret_id")
    stage.sandbox.faults.clear()
    second = stage.run()
    assert (second.code, second.result) == (0, "finished"), second
    assert stage.value("client_secret_id") == secret
    assert stage.live() == {secret}
    assert not stage.undelivered()


@pytest.mark.parametrize("which", BREAK)
def test_one_that_hangs_does_not_stop_the_others(which: str, stage: Stage) -> None:
    stage.deliver()
    service, operation = BREAK[which]
    stage.sandbox.fault(service, operation, faults.Hang(), times=None)
    first = stage.run(ROTATION_DEADLINE_SECONDS=f"{patience.seconds(8):g}")
    assert first.code == 2, first
    served = len(first.report["delivered"])
    # The runbook is told where the secret lies, so it waits for Key Vault; two connections are put by one operation.
    assert served == {"Key Vault": 3, "DevOps": 4, "runbook": 4, "connection": 3}[which], first
    assert all(stage.working().values())
    stage.sandbox.faults.clear()
    assert stage.run().code == 0
    assert not stage.undelivered()


def test_an_optional_one_that_fails_holds_nothing_back(stage: Stage) -> None:
    made = stage.deliver()
    deliver_to(stage, f"optional {made.secret_address}", made.devops_address)
    stage.sandbox.fault("keyvault", "set_secret", faults.Status(403), times=None)
    outcome = rotated(stage)
    assert outcome.report["pending"] == [made.secret_address]
    assert any(made.secret_address in warning for warning in outcome.report["warnings"])
    assert stage.live() == {stage.value("client_secret_id")}


def test_one_that_is_broken_for_good_is_refused_until_the_secret_is_at_its_end(stage: Stage) -> None:
    made = stage.deliver()
    rotated(stage)
    first = stage.value("client_secret_id")
    held = stage.sandbox.keyvault.value(made.vault, made.secret_name)
    made.vault.firewall = True
    stage.sandbox.forget()
    refused(stage, "firewall")
    password = stage.sandbox.directory.applications[stage.at.target_object_id].password(first)
    assert password
    password.end = stage.sandbox.clock.now() + 20 * 3600
    outcome = stage.run()
    assert outcome.code == 2, outcome
    assert stage.value("client_secret_id") != first, "rotations go on before the secret expires"
    assert first in stage.live(), "what the broken one still holds stays alive"
    assert stage.sandbox.entra.secret_works(stage.at.target_client_id, str(held))
    made.vault.firewall = False
    assert stage.run().code == 0
    assert stage.live() == {stage.value("client_secret_id")}
    assert not stage.undelivered()


def test_a_line_that_was_removed_holds_nothing_back_any_more(stage: Stage) -> None:
    made = stage.deliver()
    stage.sandbox.fault("keyvault", "set_secret", faults.Status(403), times=None)
    assert stage.run().code == 2
    deliver_to(stage, made.devops_address)
    outcome = stage.run()
    assert outcome.code == 0, outcome
    assert stage.live() == {stage.value("client_secret_id")}


def test_another_host_rotates_while_a_delivery_is_on_its_way(stage: Stage) -> None:
    """The first host's delivery comes last; it must not leave the destination with the secret that was replaced."""
    made = stage.deliver("secret_address")
    fault = stage.sandbox.fault("keyvault", "set_secret", faults.Pause())
    process = stage.start(ROTATION_REQUEST_TIMEOUT_SECONDS="20", ROTATION_DEADLINE_SECONDS="60")
    assert fault.reached.wait(patience.seconds(10))
    password = stage.sandbox.directory.applications[stage.at.target_object_id].password(stage.value("client_secret_id"))
    assert password
    password.end = stage.sandbox.clock.now() + 3600  # so that the other host does not just finish what is open
    other = stage.run(ROTATION_LOCK_DIR=str(stage.home / "other-host"))
    assert other.code == 0, other
    fault.release.set()
    outcome = stage.finish(process, 60)
    assert outcome.code in (0, 2), outcome
    assert stage.sandbox.keyvault.value(made.vault, made.secret_name) == stage.value("client_secret")
    assert stage.published_works()


# Application Settings


def test_application_administrators_become_owners(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(admin_roles=["Application.ReadWrite.All", "User.ReadBasic.All", "Directory.Read.All"])
    ada = stage.sandbox.directory.add_user("ada")
    grace = stage.sandbox.directory.add_user("grace")
    stage.sandbox.keeper.edit(stage.at.record_uid, "application_owners", f"{ada.principal_name}\n{grace.object_id}")
    rotated(stage)
    owners = stage.sandbox.directory.applications[stage.at.target_object_id].owners
    assert {ada.object_id, grace.object_id} <= set(owners)
    stage.sandbox.forget()
    rotated(stage)
    assert "graph.add_owner" not in stage.sandbox.operations()


def test_application_administrators_without_the_permission_are_a_warning(stage: Stage) -> None:
    ada = stage.sandbox.directory.add_user("ada")
    stage.sandbox.keeper.edit(stage.at.record_uid, "application_owners", f"{ada.principal_name} {ada.object_id}")
    outcome = rotated(stage)
    assert any("application_owners" in warning for warning in outcome.report["warnings"])


def test_created_and_secret_last_updated(stage: Stage) -> None:
    rotated(stage)
    application = stage.sandbox.directory.applications[stage.at.target_object_id]
    assert stage.value("created") == application.properties["createdDateTime"]
    assert stage.value("last_rotated")


def test_runbook_of_an_unknown_parameter_type_is_described(stage: Stage) -> None:
    runbook(stage, "Environment=prod&Mode=fast")
    stage.destinations.runbook.parameters["Mode"] = Parameter()  # type: ignore[union-attr]
    rotated(stage)
    assert jobs(stage)[0].parameters["Mode"] == "fast"


def test_a_line_that_is_there_twice_is_required(stage: Stage) -> None:
    stage.deliver("secret_address")
    address = stage.value("deliver_to")
    stage.sandbox.keeper.edit(stage.at.record_uid, "deliver_to", f"optional {address}\n{address}")
    stage.sandbox.fault("keyvault", "set_secret", faults.Status(403), times=None)
    assert stage.run().code == 2


@pytest.mark.parametrize("line", ["https://[foo", "https://user:token-in-a-line@dev.azure.com/o/p/_settings"])
def test_a_line_that_cannot_be_read_is_told_without_a_login(line: str, stage: Stage) -> None:
    stage.sandbox.issued.append("token-in-a-line")
    stage.sandbox.keeper.edit(stage.at.record_uid, "deliver_to", line)
    outcome = stage.run()
    assert outcome.code == 1 and "deliver_to" in outcome.report["error"]
    assert not stage.leaks([outcome])


def test_a_redirect_is_not_followed_with_the_secret(stage: Stage) -> None:
    stage.deliver("secret_address")
    away = faults.Status(307, {"Location": "https://graph.microsoft.com/secrets/x"}, b"")
    stage.sandbox.fault("keyvault", "set_secret", away, times=None)
    assert stage.run().code == 2
    assert not [request for request in stage.sandbox.requests if "/secrets/x" in str(request)]


def test_an_answer_of_another_shape_holds_nobody_up(stage: Stage) -> None:
    stage.deliver("secret_address", "connection_address")
    lines = stage.value("deliver_to").splitlines()
    wanted = "\n".join(f"optional {line}" if "Microsoft.Web" in line else line for line in lines)
    stage.sandbox.keeper.edit(stage.at.record_uid, "deliver_to", wanted)
    body = b'{"properties": {"api": "x"}}'
    odd = faults.Status(200, {"Content-Type": "application/json"}, body)
    stage.sandbox.fault("arm", "get_connection", odd, times=None)
    outcome = stage.run()
    assert outcome.code == 0 and "an answer that cannot be read" in str(outcome.report["warnings"])


def test_an_emptied_expiry_keeps_nobody_from_the_newer_secret(stage: Stage) -> None:
    stage.deliver("secret_address")
    held = stage.sandbox.fault("keyvault", "set_secret", faults.Pause())
    older = stage.start(ROTATION_REQUEST_TIMEOUT_SECONDS="10", ROTATION_DEADLINE_SECONDS="30")
    assert held.reached.wait(patience.seconds(10))
    for _ in range(2):
        assert stage.run(ROTATION_LOCK_DIR=str(stage.home / "other")).code == 0
    stage.sandbox.keeper.edit(stage.at.record_uid, "expires", "")
    held.release.set()
    outcome = stage.finish(older)
    assert outcome.code == 0, outcome
    made = stage.destinations
    assert stage.sandbox.keyvault.value(made.vault, made.secret_name) == stage.value("client_secret")

"""``keeper-rotation targets``: what it offers can be pasted and is delivered to; what it calls unusable is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from sandbox.automation.jobs import Parameter
from sandbox.furnish.destinations import Destinations
from sandbox.logic_apps.connectors import CLIENT_ID, CLIENT_SECRET, GRANT_TYPE
from sandbox.proxy import faults
from tests.stage.command import command
from tests.stage.rotation import Stage
from tests.stage.storage_key import StorageStage

ORGANISATION = "--organisation=contoso"
FILLED_IN = {"<String>": "prod", "<new name>": "brand-new"}
WRITES = {
    "set_secret", "put_endpoint", "put_connection", "put_job", "add_password", "update_secret", "remove_password",
    "regenerate_storage_key",
}  # fmt: skip


def arguments(stage: Stage, *more: str) -> tuple[str, ...]:
    """The command for the stage's record."""
    return ("targets", f"--record={stage.at.record_uid}", f"--attach={stage.at.admin_record_uid}", *more)


def listed(stage: Stage, *more: str) -> tuple[list[dict[str, Any]], str]:
    """What it lists, and its warnings; it writes nothing, reads no secret's value and shows none."""
    process = command(stage, *arguments(stage, "--json", *more))
    assert process.returncode == 0, process
    done = {request.operation for request in stage.sandbox.requests}
    assert not done & WRITES and "get_secret" not in {
        request.operation for request in stage.sandbox.requests if request.service == "keyvault"
    }
    assert not stage.sandbox.errors
    return json.loads(process.stdout), process.stderr


def furnished(stage: Stage) -> Destinations:
    """One destination of each kind, with the right to list everything, and an empty ``deliver_to``."""
    made = stage.deliver(browse=True)
    stage.sandbox.keeper.edit(stage.at.record_uid, "deliver_to", "")
    return made


def pasted(stage: Stage, found: list[dict[str, Any]]) -> list[str]:
    """These addresses, filled in, into the record's field."""
    lines = [each["address"] for each in found]
    for blank, text in FILLED_IN.items():
        lines = [line.replace(blank, text) for line in lines]
    assert not [line for line in lines if "<" in line]
    stage.sandbox.keeper.edit(stage.at.record_uid, "deliver_to", "\n".join(lines))
    return lines


def by_name(found: list[dict[str, Any]], name: str) -> dict[str, Any]:
    """The one with this name, or whose name begins so (a service connection's projects follow)."""
    (one,) = [each for each in found if each["name"] == name or each["name"].startswith(f"{name} (")]
    return one


def test_permissions_that_are_not_shown_leave_it_open(stage: Stage) -> None:
    made = furnished(stage)
    stage.sandbox.fault("arm", "permissions", faults.Status(403), times=None)
    found, _ = listed(stage)
    (one,) = [each for each in found if each["address"] == made.connection_address]
    assert one["usable"] is None and "could not be asked for" in one["note"]


def test_every_address_can_be_pasted_and_is_delivered_to(stage: Stage) -> None:
    made = furnished(stage)
    stage.sandbox.keyvault.grant(stage.at.admin_client_id, "Key Vault Secrets Officer", made.vault)
    found, _ = listed(stage, ORGANISATION)
    assert all(each["usable"] for each in found)
    kinds = [each["kind"] for each in found]
    assert kinds == ["key_vault"] * 2 + ["azure_devops"] + ["runbook"] * 2 + ["api_connection"] * 2
    lines = pasted(stage, found)
    outcome = stage.run()
    assert (outcome.code, len(outcome.report["delivered"])) == (0, len(lines)), outcome
    held = [text for address, text in made.held().items() if address != made.runbook_address]
    assert set(held) == {stage.value("client_secret")}
    assert stage.sandbox.keyvault.value(made.vault, "brand-new") == stage.value("client_secret")
    assert {job.run_on for job in stage.sandbox.automation.started(made.runbook)} == {"", made.worker_group}
    assert all(made.tested().values())


def test_what_is_named_already_is_marked_and_tells_the_organisation(stage: Stage) -> None:
    stage.deliver(browse=True)
    found, _ = listed(stage)
    present = [each for each in found if each["note"].startswith("in deliver_to already")]
    assert sorted(each["kind"] for each in present) == [
        "api_connection", "api_connection", "azure_devops", "key_vault", "runbook"
    ]  # fmt: skip


def test_what_another_record_delivers_to_is_marked_with_that_record(stage: Stage) -> None:
    made, keeper = furnished(stage), stage.sandbox.keeper
    field = {"type": "multiline", "label": "deliver_to", "value": [f"optional {made.secret_address}/\nnonsense"]}
    other = keeper.add_record("Other app", "pamUser", [], [field])
    keeper.edit(stage.at.record_uid, "deliver_to", made.runbook_address)
    found, _ = listed(stage)
    marked = {each["name"]: each["delivered_by"] for each in found if each["delivered_by"]}
    assert marked == {made.secret_name: [other]}, "not what this record names itself"
    one = by_name(found, made.secret_name)
    assert one["usable"] and one["note"] == f"in use: record 'Other app' ({other}) delivers to it"
    assert f"{made.secret_address}  {one['note']}" in command(stage, *arguments(stage)).stdout


def test_only_the_kinds_and_the_names_that_are_asked_for(stage: Stage) -> None:
    made = furnished(stage)
    asked = ("--kind=key_vault", "--kind=api_connection", "--search=ORDERS-K", "--search=api-secret")
    found, warnings = listed(stage, *asked)
    assert [each["name"] for each in found] == [made.secret_name, "orders-keyvault"] and "DevOps" not in warnings
    assert not {request.operation for request in stage.sandbox.requests} & {"list_automation_accounts", "list_projects"}
    shown = command(stage, *arguments(stage, *asked)).stdout
    assert [line for line in shown.splitlines() if not line.startswith("  ")] == [
        "Key Vault secrets", "Logic Apps API connections"
    ]  # fmt: skip


def blob_connection(stage: StorageStage, name: str, account: str) -> None:
    """An API connection with an access key of this account, that the admin application may write."""
    values = {"accountName": account, "accessKey": stage.value("storage_key")}
    connection = stage.sandbox.connections.add_connection(name, "azureblob", values)
    stage.sandbox.arm.grant(stage.at.admin_client_id, "Logic App Contributor", connection.id)


def test_a_storage_key_goes_to_connections_with_an_access_key_and_to_no_service_connection() -> None:
    with StorageStage() as stage:
        assert isinstance(stage, StorageStage)
        made = furnished(stage)
        stage.sandbox.keyvault.grant(stage.at.admin_client_id, "Key Vault Secrets Officer", made.vault)
        blob_connection(stage, "our-blobs", stage.made.account_name)
        blob_connection(stage, "other-blobs", f"{stage.made.account_name}2")
        found, warnings = listed(stage, ORGANISATION)
        assert "DevOps" not in warnings and "the record's" not in warnings
        assert [each["kind"] for each in found if each["usable"]] == [
            "key_vault", "key_vault", "runbook", "runbook", "api_connection"
        ]  # fmt: skip
        assert by_name(found, "our-blobs")["usable"]
        notes = {each["name"]: each["note"] for each in found if each["usable"] is False}
        assert notes.keys() == {"other-blobs", "orders-keyvault", "orders-tables"}
        assert "is not of what is rotated" in notes["other-blobs"]
        assert "has no access key" in notes["orders-keyvault"] and "has no access key" in notes["orders-tables"]
        lines = pasted(stage, [each for each in found if each["usable"]])
        outcome = stage.run()
        assert (outcome.code, len(outcome.report["delivered"])) == (0, len(lines)), outcome
        assert stage.works() and stage.sandbox.keyvault.value(made.vault, "brand-new") == stage.value("storage_key")


def test_a_storage_account_that_cannot_be_read_leaves_its_connections_open() -> None:
    with StorageStage(granted=False) as stage:
        assert isinstance(stage, StorageStage)
        stage.deliver(browse=True)
        blob_connection(stage, "our-blobs", stage.made.account_name)
        uid = stage.at.record_uid
        stage.sandbox.keeper.edit(uid, "storage_account_id", stage.made.account_id.replace("rotation", "elsewhere"))
        found, warnings = listed(stage)
        assert by_name(found, "our-blobs")["note"] == "the record's storage account is not known"
        assert "the roles Storage Account Key Operator Service Role and Reader" in warnings


# What cannot be used, with the reason


def _connections_of_devops(stage: Stage, made: Destinations) -> None:
    parameters = {**made.endpoint.parameters}
    certificate = parameters | {"authenticationType": "spnCertificate"}
    other = parameters | {"serviceprincipalid": stage.at.admin_client_id}
    add, projects = stage.sandbox.devops.add_endpoint, list(made.projects)
    for endpoint in (
        add(made.organization, projects, "federated", parameters, scheme="WorkloadIdentityFederation"),
        add(made.organization, projects, "certificate", certificate),
        add(made.organization, projects, "automatic", parameters, creation_mode="Automatic"),
        add(made.organization, projects[:1], "other app", other),
        add(made.organization, projects[:1], "github", {}, scheme="Token", kind="github"),
    ):
        stage.sandbox.devops.grant(made.organization, stage.at.admin_client_id, endpoint)
    foreign = add(made.organization, projects, "not ours to change", parameters)
    stage.sandbox.devops.grant(made.organization, stage.at.admin_client_id, foreign, "Reader")


def _api_connections(stage: Stage, made: Destinations) -> None:
    sign_in = {CLIENT_SECRET: "s", "token:TenantId": stage.at.tenant_id, GRANT_TYPE: "client_credentials"}
    of_other = sign_in | {CLIENT_ID: stage.at.admin_client_id, "vaultName": "orders-vault"}
    of_ours = of_other | {CLIENT_ID: stage.at.target_client_id}
    add, grant = stage.sandbox.connections.add_connection, stage.sandbox.arm.grant
    for connection in (
        add("conn-other", "keyvault", of_other),
        add("conn-blob", "azureblob", {"accountName": "a", "accessKey": "k"}),
        add("conn-person", "office365", {}),
        add("conn-identity", "keyvault", {}, value_type="Alternative"),
    ):
        grant(stage.at.admin_client_id, "Logic App Contributor", connection.id)
    add("conn-readonly", "keyvault", of_ours)


REASONS = {
    "federated": "signs in without a secret",
    "certificate": "signs in with a certificate",
    "automatic": "was made automatically",
    "other app": "is not of the app that is rotated",
    "github": "is not of the app that is rotated",
    "not ours to change": "not Administrator of the connection",
    "conn-other": "is not of what is rotated",
    "conn-blob": "has no client secret",
    "conn-person": "has no client secret",
    "conn-identity": "signs in with a managed identity",
    "conn-readonly": "give its service principal the role Logic App Contributor",
    "disabled-secret": "its current version is disabled",
    "readable-secret": "needs the role Key Vault Secrets Officer",
}


def test_a_secret_whose_current_version_is_ours_and_disabled_can_be_used(stage: Stage) -> None:
    made = furnished(stage)
    tags = {"keeper-record": stage.at.record_uid}
    stage.sandbox.keyvault.set_secret(made.vault, made.secret_name, tags=tags, enabled=False)
    found, _ = listed(stage)
    assert by_name(found, made.secret_name)["usable"] is True


def test_what_cannot_be_used_says_why(stage: Stage) -> None:
    made = furnished(stage)
    _connections_of_devops(stage, made)
    _api_connections(stage, made)
    stage.sandbox.automation.add_runbook(made.account, "draft", state="New")
    for name, enabled in (("disabled-secret", False), ("readable-secret", True)):
        stage.sandbox.keyvault.set_secret(made.vault, name, enabled=enabled)
    stage.sandbox.keyvault.grant(stage.at.admin_client_id, "Key Vault Secrets User", made.vault, "readable-secret")
    found, _ = listed(stage, ORGANISATION)
    for name, reason in REASONS.items():
        one = by_name(found, name)
        assert one["usable"] is False and reason in one["note"], one
    drafts = [each for each in found if each["name"] == "draft"]
    assert [each["usable"] for each in drafts] == [False, False]
    assert all("never published" in each["note"] for each in drafts)
    assert [each["name"] for each in found if each["usable"]] == [
        "orders-api-secret", "orders-production (Orders team, Shared tools)", "update-orders", "update-orders",
        "orders-keyvault", "orders-tables",
    ]  # fmt: skip
    # A rotation says the same of them. Two it cannot know beforehand, or takes for the app's own.
    later = ("readable-secret", "conn-identity", "")
    lines = pasted(stage, [each for each in found if each["usable"] is False and each["name"] not in later])
    outcome = stage.run()
    assert outcome.code == 1, outcome
    assert [line for line in lines if line.replace("%20", " ") not in outcome.report["error"].replace("%20", " ")] == []


def test_a_connection_that_does_not_show_its_app_is_left_open(stage: Stage) -> None:
    made = furnished(stage)
    stage.sandbox.connections.hidden = {CLIENT_ID}
    found, _ = listed(stage)
    one = by_name(found, made.connection.name)
    assert (one["usable"], one["note"]) == (None, "it does not show which app it signs in as")


def test_rights_on_one_secret_are_seen(stage: Stage) -> None:
    made = furnished(stage)
    stage.sandbox.keyvault.set_secret(made.vault, "another")
    found, _ = listed(stage)
    usable = {each["address"].rpartition("/")[2]: each["usable"] for each in found if each["kind"] == "key_vault"}
    assert usable == {"orders-api-secret": True, "another": False, "<new name>": False}


# Runbooks


def test_a_runbook_shows_what_it_wants(stage: Stage) -> None:
    made = furnished(stage)
    made.account.groups[:] = ["Data centre 2"]
    parameters = {"ClientSecret": Parameter(mandatory=True), "Retries": Parameter("System.Int32"),
                  "Dry Run": Parameter("System.Boolean", mandatory=True)}  # fmt: skip
    stage.sandbox.automation.add_runbook(made.account, "strict", parameters)
    found, _ = listed(stage)
    in_azure, on_group = sorted(
        (each for each in found if each["name"] == "strict"), key=lambda each: len(each["address"])
    )
    assert in_azure["address"].endswith("/runbooks/strict?Dry%20Run=<Boolean>&include_secret=true")
    assert on_group["address"].endswith("strict?runOn=Data%20centre%202&Dry%20Run=<Boolean>&include_secret=true")
    assert "runs on the worker group Data centre 2" in on_group["note"]
    assert "Dry Run Boolean mandatory" in in_azure["note"] and "Retries Int32" in in_azure["note"]
    assert in_azure["usable"] and on_group["usable"]
    secret = by_name(found, "orders-api-secret")["address"]
    lines = [secret, *(each["address"].replace("<Boolean>", "false") for each in (in_azure, on_group))]
    stage.sandbox.keeper.edit(stage.at.record_uid, "deliver_to", "\n".join(lines))
    assert stage.run().code == 0


def test_a_runbook_that_insists_on_what_a_rotation_gives(stage: Stage) -> None:
    made = furnished(stage)
    add, mandatory = stage.sandbox.automation.add_runbook, Parameter(mandatory=True)
    reader = add(made.account, "reader", {"SecretId": mandatory})
    add(made.account, "greedy", {"ClientSecret": mandatory, "SecretId": mandatory})
    found, _ = listed(stage)
    readers = [each for each in found if each["name"] == "reader"]
    assert all(each["usable"] and "needs a Key Vault secret in deliver_to too" in each["note"] for each in readers)
    greedy = [each for each in found if each["name"] == "greedy"]
    assert all(each["usable"] and each["address"].endswith("include_secret=true") for each in greedy)
    pasted(stage, [by_name(found, "orders-api-secret"), *readers, *greedy])
    assert stage.run().code == 0 and len(stage.sandbox.automation.started(reader)) == 2


# Many, slow, broken


def test_more_secrets_than_fit_on_a_page(stage: Stage) -> None:
    made = furnished(stage)
    stage.sandbox.keyvault.grant(stage.at.admin_client_id, "Key Vault Secrets Officer", made.vault)
    names = {f"secret-{number:03}" for number in range(60)}
    for name in names:
        stage.sandbox.keyvault.set_secret(made.vault, name)
    found, _ = listed(stage)
    assert names < {each["name"] for each in found if each["usable"]}


def test_more_than_a_few_of_everything(stage: Stage) -> None:
    made = furnished(stage)
    for number in range(20):
        stage.sandbox.automation.add_runbook(made.account, f"book-{number}")
        stage.sandbox.devops.add_project(made.organization, f"project {number}")
    found, warnings = listed(stage, ORGANISATION)
    assert len([each for each in found if each["kind"] == "runbook" and each["usable"]]) == 42
    assert "pool" not in warnings
    asked = [request.path for request in stage.sandbox.requests if request.operation == "permissions"]
    assert len([path for path in asked if path.lower().endswith("orders-automation/providers/microsoft.authorization/"
                                                                 "permissions")]) <= 8  # fmt: skip


def test_one_service_that_fails_does_not_take_the_others_along(stage: Stage) -> None:
    furnished(stage)
    stage.sandbox.fault("arm", "list_vaults", faults.Status(503), times=None)
    stage.sandbox.fault("devops", "list_projects", faults.Malformed(), times=None)
    found, warnings = listed(stage, ORGANISATION)
    assert {each["kind"] for each in found} == {"runbook", "api_connection"}
    assert "Key Vaults in subscription 'sandbox': " in warnings and "HTTP 503" in warnings
    assert "Azure DevOps organisation contoso: " in warnings
    assert len(warnings.splitlines()) == len([line for line in warnings.splitlines() if line.startswith("warning: ")])


@pytest.mark.parametrize("what, operation, lost", [
    ("key_vault", "list_vaults", "Key Vaults in subscription 'sandbox': "),
    ("runbook", "list_runbooks", "Automation account orders-automation: "),
])  # fmt: skip
def test_a_page_that_breaks_does_not_lose_those_before_it(what: str, operation: str, lost: str, stage: Stage) -> None:
    made = furnished(stage)
    stage.sandbox.automation.add_runbook(made.account, "zzz")
    for name in ("zzy-vault", "zzz-vault"):
        stage.sandbox.keyvault.add_vault(name)
    stage.sandbox.arm.page_size = 1
    stage.sandbox.fault("arm", operation, faults.Status(400), nth=2, times=None)
    found, warnings = listed(stage, f"--kind={what}")
    assert found and lost in warnings and "HTTP 400" in warnings


def test_vaults_are_found_once_older_versions_of_azures_api_have_ended(stage: Stage) -> None:
    stage.sandbox.clock.advance(datetime(2027, 3, 1, tzinfo=UTC).timestamp() - stage.sandbox.clock.now())
    furnished(stage)
    found, warnings = listed(stage)
    assert "key_vault" in {each["kind"] for each in found} and "Key Vaults" not in warnings


def test_an_answer_of_another_shape_is_a_warning(stage: Stage) -> None:
    furnished(stage)
    stage.sandbox.fault("arm", "list_automation_accounts", faults.Status(200, {}, b'{"value": [7]}'))
    found, warnings = listed(stage)
    assert "cannot be read" in warnings and {each["kind"] for each in found} == {"key_vault", "api_connection"}


def test_progress_is_shown_when_it_takes_long(stage: Stage) -> None:
    furnished(stage)
    stage.sandbox.fault("arm", "list_vaults", faults.Hang(), times=3)
    found, stderr = listed(stage)
    assert "still asking: " in stderr and "Key Vault secrets" in stderr
    assert {each["kind"] for each in found} == {"key_vault", "runbook", "api_connection"}


# Without permission


@pytest.mark.parametrize("echoes_requests", [False, True])
def test_no_permission_anywhere(echoes_requests: bool, make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(echoes_requests=echoes_requests, owned=False)
    stage.deliver(granted=False)
    found, warnings = listed(stage)
    assert found == []
    assert "Application.ReadWrite.OwnedBy" in warnings
    assert "Azure subscriptions: none can be seen" in warnings and "the role Reader" in warnings
    assert "Azure DevOps organisation contoso: HTTP 401" in warnings and "to the organisation (Basic)" in warnings


def test_an_organisation_that_is_not_there_is_no_matter_of_permission(stage: Stage) -> None:
    furnished(stage)
    _, warnings = listed(stage, "--organisation=contosso")
    (line,) = [line for line in warnings.splitlines() if "contosso" in line]
    assert "there is no organisation of this name: compare it with its address, https://dev.azure.com/contosso" in line
    assert "(Basic)" not in line


def test_the_least_roles_for_delivering_do_not_list(stage: Stage) -> None:
    stage.deliver()
    found, warnings = listed(stage)
    # The roles of deliveries are on single resources, and show some of those.
    assert {each["kind"] for each in found} == {"azure_devops", "api_connection"}
    assert "Key Vaults: none can be seen; where there are any, give" in warnings
    assert "Automation accounts: none can be seen" in warnings


def test_a_vault_that_keeps_its_names_to_itself(stage: Stage) -> None:
    furnished(stage)
    closed = stage.sandbox.keyvault.add_vault("closed-vault")
    closed.firewall = True
    _, warnings = listed(stage)
    assert "Key Vault sandbox-vault: HTTP 403 ForbiddenByRbac; give" in warnings and "Key Vault Reader" in warnings
    assert "Key Vault closed-vault: HTTP 403 ForbiddenByFirewall; let this host through" in warnings


def test_an_app_that_cannot_be_read_leaves_its_connections_open(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(owned=False)
    furnished(stage)
    found, warnings = listed(stage, ORGANISATION)
    open_ = {each["kind"] for each in found if each["usable"] is None}
    assert open_ == {"azure_devops", "api_connection"}
    assert "the record's app, and whose the connections are, cannot be told" in warnings


def test_with_a_personal_access_token(stage: Stage) -> None:
    made = stage.deliver(granted=False, browse=True)
    token = stage.sandbox.devops.add_pat(made.organization, "Ada")
    stage.sandbox.devops.grant(made.organization, "Ada", made.endpoint)
    field = {"type": "secret", "label": "azure_devops_pat", "value": [token]}
    uid = stage.sandbox.keeper.add_record("DevOps token", "login", [], [field])
    found, _ = listed(stage, f"--attach={uid}")
    assert by_name(found, made.endpoint.content["name"])["usable"]


# What is printed, and usage


def test_for_people_it_is_grouped_with_one_address_a_line(stage: Stage) -> None:
    made = furnished(stage)
    process = command(stage, *arguments(stage))
    lines = process.stdout.splitlines()
    assert [line for line in lines if not line.startswith("  ")] == [
        "Key Vault secrets", "Azure DevOps service connections", "Automation runbooks", "Logic Apps API connections"
    ]  # fmt: skip
    assert f"  {made.secret_address}" in lines
    assert "  none found" in lines
    assert "name yours with --organisation NAME" in process.stderr


def test_the_configuration_signs_in_where_nothing_is_attached(stage: Stage) -> None:
    made = furnished(stage)
    process = command(stage, "targets", f"--record={stage.at.record_uid}")
    # Its subscription is a hidden field there, and is shown in addresses all the same.
    assert process.returncode == 0 and made.connection.id in process.stdout


def _wrong_secret(stage: Stage) -> None:
    stage.sandbox.keeper.edit(stage.at.admin_record_uid, "client_secret", "not-the-secret-any-more")


def _no_app(stage: Stage) -> None:
    stage.sandbox.keeper.edit(stage.at.record_uid, "application_object_id", "")


BAD: dict[str, tuple[list[str], Callable[[Stage], None] | None, str]] = {
    "no record": ([], None, "Missing option '--record'"),
    "unknown record": (["--record=AAAAAAAAAAAAAAAAAAAAAA"], None, "cannot be read"),
    "no PAM User": (["--record={at.admin_record_uid}"], None, "not PAM User"),
    "no configuration": (["--record={at.record_uid}", "--config={at.admin_record_uid}"], None, "not a PAM config"),
    "no organisation": (["--record={at.record_uid}", "--organisation=a/b"], None, "is not the name of one"),
    "refused credential": (["--record={at.record_uid}", "--attach={at.admin_record_uid}"], _wrong_secret, "admin cred"),
    "no app": (["--record={at.record_uid}"], _no_app, "has no application_object_id"),
    "an argument too many": (["--record={at.record_uid}", "more"], None, "unexpected extra argument"),
}


@pytest.mark.parametrize("what", BAD)
def test_usage(what: str, stage: Stage) -> None:
    given, prepare, message = BAD[what]
    if prepare:
        prepare(stage)
    process = command(stage, "targets", *(text.format(at=stage.at) for text in given))
    assert (process.returncode, process.stdout) == (1, ""), process
    assert message in process.stderr

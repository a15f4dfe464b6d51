"""Key rotation as AZExecute's users know it: one test for each heading and setting of its page.

The script runs as the Gateway runs it; what it left behind is read through each service's own API.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from sandbox.devops.base import AUDIENCE as DEVOPS_AUDIENCE
from tests.stage.api import ARM, GRAPH, VAULT, Api
from tests.stage.hooks import URL, Hooks
from tests.stage.rotation import Stage

DAY = 86400.0


Scene = tuple[Stage, Api]


@pytest.fixture
def scene(make_stage: Callable[..., Stage]) -> Iterator[Callable[..., Scene]]:
    """A record with these fields, and the services' APIs."""

    def make(services: Any = (), furnish: dict[str, Any] | None = None, **settings: str) -> Scene:
        stage = make_stage(services=services, settings=settings, **(furnish or {}))
        return stage, Api(stage)

    yield make


def rotated(stage: Stage, code: int = 0) -> dict[str, Any]:
    outcome = stage.run()
    assert outcome.code == code, outcome
    return outcome.report


def secret(stage: Stage) -> str:
    return stage.value("client_secret")


# Application Settings


def test_tenant_id(scene: Callable[..., Scene]) -> None:
    stage, api = scene()
    rotated(stage)
    assert api.signs_in(secret(stage)), "in the tenant of the admin credential"


@pytest.mark.parametrize("which", ["target_client_id", "target_object_id"])
def test_application_id_and_object_id(which: str, scene: Callable[..., Scene]) -> None:
    stage, api = scene()
    stage.sandbox.keeper.edit(stage.at.record_uid, "application_object_id", getattr(stage.at, which))
    report = rotated(stage)
    app = api.app()
    assert (report["target"], report["client_id"]) == (app["id"], app["appId"])
    assert [entry["keyId"] for entry in app["passwordCredentials"]] == [stage.value("client_secret_id")]


def test_created(scene: Callable[..., Scene]) -> None:
    stage, api = scene()
    rotated(stage)
    assert stage.value("created") == api.app()["createdDateTime"]


def test_secret_last_updated(scene: Callable[..., Scene]) -> None:
    stage, api = scene()
    rotated(stage)
    (entry,) = api.app()["passwordCredentials"]
    apart = datetime.fromisoformat(stage.value("last_rotated")) - datetime.fromisoformat(entry["startDateTime"])
    assert abs(apart) < timedelta(seconds=10)


def test_application_administrators(scene: Callable[..., Scene]) -> None:
    roles = ["Application.ReadWrite.All", "User.ReadBasic.All", "Directory.Read.All"]
    stage, api = scene(furnish={"admin_roles": roles})
    ada = stage.sandbox.directory.add_user("ada")
    stage.sandbox.keeper.edit(stage.at.record_uid, "application_owners", ada.principal_name)
    rotated(stage)
    owners = api.ask(GRAPH, "GET", f"{GRAPH}/v1.0/applications/{stage.at.target_object_id}/owners")["value"]
    assert ada.object_id in {owner["id"] for owner in owners}


def test_enabled(scene: Callable[..., Scene]) -> None:
    stage, api = scene(rotation_enabled="False")
    before = api.app()["passwordCredentials"]
    assert rotated(stage)["result"] == "disabled"
    assert api.app()["passwordCredentials"] == before


def test_application_name(scene: Callable[..., Scene]) -> None:
    stage, api = scene()
    assert rotated(stage)["application"] == api.app()["displayName"]


def test_secret_notification(scene: Callable[..., Scene]) -> None:
    hooks = Hooks()
    stage, _ = scene(services=[hooks], notify=URL, notify_before_days="60", rotate_before_hours="1")
    assert rotated(stage)["result"] == "not_due"
    assert "expires in" in hooks.received[0]["title"]


def test_secret_lifetime(scene: Callable[..., Scene]) -> None:
    stage, api = scene(secret_lifetime_days="90")
    rotated(stage)
    (entry,) = api.app()["passwordCredentials"]
    lives = datetime.fromisoformat(entry["endDateTime"]) - datetime.fromisoformat(entry["startDateTime"])
    assert abs(lives - timedelta(days=90)) < timedelta(minutes=6)


def test_secret_update_threshold(scene: Callable[..., Scene]) -> None:
    stage, api = scene(rotate_before_hours="23")
    before = api.app()["passwordCredentials"]
    assert rotated(stage)["result"] == "not_due"
    assert api.app()["passwordCredentials"] == before
    password = stage.sandbox.directory.applications[stage.at.target_object_id].passwords[-1]
    password.end = stage.sandbox.clock.now() + 22 * 3600
    assert rotated(stage)["result"] == "rotated"
    assert len(api.app()["passwordCredentials"]) == 1


# Key Vault Integration


def vault_value(api: Api, address: str) -> str:
    return str(api.ask(VAULT, "GET", f"{address}?api-version=7.4")["value"])


def test_selecting_a_key_vault_and_an_existing_secret(scene: Callable[..., Scene]) -> None:
    stage, api = scene()
    made = stage.deliver("secret_address")
    rotated(stage)
    assert vault_value(api, made.secret_address) == secret(stage)


def test_create_new_secret(scene: Callable[..., Scene]) -> None:
    stage, api = scene()
    made = stage.deliver("secret_address")
    stage.sandbox.keyvault.grant(stage.at.admin_client_id, "Key Vault Secrets Officer", made.vault)
    address = f"{made.vault.url}/secrets/made-by-the-rotation"
    stage.sandbox.keeper.edit(stage.at.record_uid, "deliver_to", address)
    rotated(stage)
    assert vault_value(api, address) == secret(stage)


def test_automatic_updates(scene: Callable[..., Scene]) -> None:
    stage, api = scene()
    made = stage.deliver("secret_address")
    for _ in range(3):
        rotated(stage)
        assert vault_value(api, made.secret_address) == secret(stage)
        assert api.signs_in(vault_value(api, made.secret_address))


# Azure DevOps Integration


def test_select_organization_project_and_service_connection(scene: Callable[..., Scene]) -> None:
    stage, api = scene()
    made = stage.deliver("devops_address")
    rotated(stage)
    root = made.devops_address.split("/_settings/")[0]
    url = f"{root}/_apis/serviceendpoint/endpointproxy?endpointId={made.endpoint.id}&api-version=7.1"
    test = {"dataSourceDetails": {"dataSourceName": "TestConnection"}}
    assert api.ask(DEVOPS_AUDIENCE, "POST", url, json=test)["statusCode"] == "ok"
    assert stage.live() == {stage.value("client_secret_id")}, "only the new secret can have passed the test"


def test_requirements_endpoint_administrators(scene: Callable[..., Scene]) -> None:
    stage, api = scene()
    stage.deliver("devops_address").endpoint.roles.clear()
    before = api.app()["passwordCredentials"]
    assert "Administrator" in rotated(stage, 1)["hint"]
    assert api.app()["passwordCredentials"] == before


# Automation Account Integration


def job(stage: Stage, api: Api) -> Any:
    """The one job of the runbook, as Automation shows it."""
    assert stage.destinations
    account = stage.destinations.account.id
    (listed,) = api.arm(f"{account}/jobs", "2019-06-01")["value"]
    return api.arm(f"{account}/jobs/{listed['name']}", "2019-06-01")["properties"]


def runbook(scene: Callable[..., Scene], query: str) -> Scene:
    stage, api = scene()
    made = stage.deliver("runbook_address")
    stage.sandbox.keeper.edit(stage.at.record_uid, "deliver_to", f"{made.runbook_address}?{query}")
    return stage, api


def test_include_secret(scene: Callable[..., Scene]) -> None:
    stage, api = runbook(scene, "Environment=prod&include_secret=true")
    rotated(stage)
    assert job(stage, api)["parameters"]["ClientSecret"] == secret(stage)


def test_runbook_is_executed_each_time_the_secret_is_updated(scene: Callable[..., Scene]) -> None:
    stage, api = runbook(scene, "Environment=prod")
    for number in (1, 2):
        rotated(stage)
        assert stage.destinations
        assert len(api.arm(f"{stage.destinations.account.id}/jobs", "2019-06-01")["value"]) == number


def test_runbook_parameters_a_missing_client_secret_is_told(scene: Callable[..., Scene]) -> None:
    stage, api = runbook(scene, "Environment=prod&include_secret=true")
    assert stage.destinations
    stage.destinations.runbook.parameters.pop("ClientSecret")
    stage.destinations.runbook.strict = False
    assert any("no parameter ClientSecret" in warning for warning in rotated(stage)["warnings"])
    assert job(stage, api)["parameters"]["ClientSecret"] == secret(stage), "it is sent all the same"


@pytest.mark.parametrize("where", ["", "onprem"], ids=["Azure", "hybrid worker"])
def test_runbook_start_run_on(where: str, scene: Callable[..., Scene]) -> None:
    stage, api = runbook(scene, "Environment=prod" + (f"&runOn={where}" if where else ""))
    rotated(stage)
    assert (job(stage, api)["runOn"] or "") == where


def test_additional_runbook_parameters(scene: Callable[..., Scene]) -> None:
    stage, api = runbook(scene, "Environment=prod%20east")
    rotated(stage)
    assert job(stage, api)["parameters"]["Environment"] == "prod east"


# Logic Apps API Connectors Update


def test_select_api_connections_of_several_types(scene: Callable[..., Scene]) -> None:
    stage, api = scene()
    made = stage.deliver("connection_address", "set_connection_address")
    rotated(stage)
    for address in (made.connection_address, made.set_connection_address):
        (link,) = api.arm(address, "2016-06-01")["properties"]["testLinks"]
        api.ask(ARM, link["method"].upper(), link["requestUri"].replace(":443", ""))
    assert stage.live() == {stage.value("client_secret_id")}, "only the new secret can have passed the tests"

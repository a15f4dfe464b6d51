"""Logic Apps API connections: a PUT replaces everything, nothing secret is shown, and the test link tells the truth."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from sandbox import Furnished, Sandbox
from sandbox.furnish.destinations import Destinations
from sandbox.logic_apps.connections import Connection
from tests.sandbox.azure_calls import Calls, refusal
from tests.sandbox.shapes import differences, example

VERSION = "2016-06-01"
SECRET = "token:clientSecret"


@pytest.fixture
def made(sandbox: Sandbox, names: Furnished) -> Destinations:
    return sandbox.furnish_destinations(names)


@pytest.fixture
def admin(sandbox: Sandbox, names: Furnished, made: Destinations) -> Calls:
    return Calls(sandbox, names.admin_client_id)


@pytest.fixture
def fresh(sandbox: Sandbox, names: Furnished) -> str:
    """A second secret of the target that works."""
    return sandbox.graph.add_password(names.target_object_id)[1]


def probe(admin: Calls, connection: str) -> int:
    link = admin.get(connection, VERSION).json()["properties"]["testLinks"][0]
    return admin.session.request(link["method"], link["requestUri"], timeout=10).status_code


def whole(admin: Calls, made: Destinations, secret: str) -> dict[str, Any]:
    """A complete body for the Key Vault connection, from what is shown and the secret."""
    shown = admin.get(made.connection.id, VERSION).json()
    properties = shown["properties"]
    values = properties["nonSecretParameterValues"] | {SECRET: secret}
    body: dict[str, Any] = {name: shown[name] for name in ("location", "kind", "tags")}
    return body | {"properties": {
        "displayName": properties["displayName"], "api": {"id": properties["api"]["id"]}, "parameterValues": values,
    }}  # fmt: skip


def put(admin: Calls, connection: Connection, body: dict[str, Any]) -> Any:
    return admin.send("PUT", connection.id, VERSION, json=body)


def test_nothing_secret_is_shown(sandbox: Sandbox, names: Furnished, admin: Calls, made: Destinations) -> None:
    sandbox.arm.grant(names.admin_client_id, "Reader", sandbox.group_id)
    listed = admin.get(f"{sandbox.group_id}/providers/Microsoft.Web/connections", VERSION)
    plain, chosen = admin.get(made.connection.id, VERSION), admin.get(made.set_connection.id.upper(), VERSION)
    assert len(listed.json()["value"]) == 2
    for answer in (listed, plain, chosen):
        assert names.old_secrets[-1] not in answer.text and "parameterValues" not in answer.json().get("properties", {})
    assert set(plain.json()["properties"]["nonSecretParameterValues"]) == {
        "token:clientId", "token:TenantId", "token:grantType", "vaultName",
    }  # fmt: skip
    shown = chosen.json()["properties"]["parameterValueSet"]
    assert shown["name"] == "oauthSP" and SECRET not in shown["values"]
    assert shown["values"]["token:clientId"] == {"value": names.target_client_id}
    assert "nonSecretParameterValues" not in chosen.json()["properties"]


def test_a_complete_put_replaces_the_secret_and_nothing_else(
    sandbox: Sandbox, admin: Calls, made: Destinations, fresh: str
) -> None:
    before = sandbox.connections.stored(made.connection.id)
    answer = put(admin, made.connection, whole(admin, made, fresh))
    assert (answer.status_code, answer.json()["properties"]["overallStatus"]) == (200, "Connected")
    after = sandbox.connections.stored(made.connection.id)
    assert after["parameterValues"].pop(SECRET) == fresh and before["parameterValues"].pop(SECRET)
    assert after == before
    assert probe(admin, made.connection.id) == 200
    assert answer.json()["properties"]["changedTime"] > answer.json()["properties"]["createdTime"]


@pytest.mark.parametrize("lost", ["token:clientId", "token:TenantId", "token:grantType", "vaultName", SECRET])
def test_a_put_that_loses_a_parameter_breaks_the_connection(
    sandbox: Sandbox, admin: Calls, made: Destinations, fresh: str, lost: str
) -> None:
    body = whole(admin, made, fresh)
    del body["properties"]["parameterValues"][lost]
    answer = put(admin, made.connection, body)
    assert answer.status_code == 200  # stored all the same
    properties = answer.json()["properties"]
    assert (properties["overallStatus"], properties["statuses"][0]["error"]["code"]) == ("Error", "Unauthenticated")
    assert probe(admin, made.connection.id) == 400
    assert lost not in sandbox.connections.stored(made.connection.id)["parameterValues"]


def test_a_dead_secret_looks_connected_and_fails_its_test(
    sandbox: Sandbox, names: Furnished, admin: Calls, made: Destinations
) -> None:
    sandbox.graph.remove(names.target_object_id, names.old_key_ids[-1])
    assert admin.get(made.connection.id, VERSION).json()["properties"]["overallStatus"] == "Connected"
    assert probe(admin, made.connection.id) == probe(admin, made.set_connection.id) == 401
    assert not sandbox.connections.works("orders-keyvault")


def test_a_sign_in_without_rights_fails_the_test_in_the_connectors_own_words(
    sandbox: Sandbox, admin: Calls, made: Destinations
) -> None:
    sandbox.connections.powerless.add(made.connection.name)
    link = admin.get(made.connection.id, VERSION).json()["properties"]["testLinks"][0]["requestUri"]
    answer = admin.session.get(link, timeout=10)
    assert answer.status_code == 403 and set(answer.json()) == {"status", "message", "source"}


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"parameterValueSet": {"name": "oauthSP", "values": {}}}, 400, "BadRequest"),
        ({"nonSecretParameterValues": {"vaultName": "x"}}, 400, "BadRequest"),
        ({"parameterValues": {"token:tenantId": "x"}}, 400, "ParameterNotDefined"),
        ({"api": {"id": "/managedApis/none"}}, 404, "ApiNotFound"),
    ],
)
def test_a_body_that_contradicts_itself_changes_nothing(
    sandbox: Sandbox, admin: Calls, made: Destinations, fresh: str, change: dict[str, Any], status: int, code: str
) -> None:
    before = sandbox.connections.stored(made.connection.id)
    body = whole(admin, made, fresh)
    body["properties"] |= change
    assert refusal(put(admin, made.connection, body)) == (status, code)
    assert sandbox.connections.stored(made.connection.id) == before


def test_only_tags_can_be_patched(admin: Calls, made: Destinations) -> None:
    path = made.connection.id
    patched = admin.send("PATCH", path, VERSION, json={"properties": {"parameterValues": {}}})
    assert refusal(patched) == (400, "PatchApiConnectionPropertiesNotSupported")
    tagged = admin.send("PATCH", path, VERSION, json={"tags": {"a": "b"}})
    assert (tagged.status_code, tagged.json()["tags"]) == (200, {"a": "b"})


def test_a_set_of_parameters(sandbox: Sandbox, admin: Calls, made: Destinations, fresh: str) -> None:
    shown = admin.get(made.set_connection.id, VERSION).json()
    chosen = copy.deepcopy(shown["properties"]["parameterValueSet"])
    chosen["values"][SECRET] = {"value": fresh}
    properties = {"displayName": "x", "api": {"id": shown["properties"]["api"]["id"]}, "parameterValueSet": chosen}
    body = {"location": shown["location"], "kind": "V1", "properties": properties}
    assert put(admin, made.set_connection, body).status_code == 200
    assert probe(admin, made.set_connection.id) == 200
    assert made.held()[made.set_connection_address] == fresh
    chosen["values"] = {name: entry["value"] for name, entry in chosen["values"].items()}  # not wrapped
    answer = put(admin, made.set_connection, body)
    assert (answer.status_code, answer.json()["properties"]["overallStatus"]) == (200, "Error")


def test_connectors_spell_their_parameters_differently(sandbox: Sandbox, names: Furnished, admin: Calls) -> None:
    apis = f"/subscriptions/{names.subscription_id}/providers/Microsoft.Web/locations/westeurope/managedApis"

    def parameters(name: str) -> set[str]:
        return set(admin.get(f"{apis}/{name}", VERSION).json()["properties"]["connectionParameters"])

    assert "token:TenantId" in parameters("keyvault") and "token:tenantId" in parameters("azureeventgrid")
    assert parameters("azureblob") == {"accountName", "accessKey"} and parameters("office365") == {"token"}
    sets = admin.get(f"{apis}/azuretables", VERSION).json()["properties"]["connectionParameterSets"]["values"]
    assert {entry["name"] for entry in sets} == {"keyBasedAuth", "oauthSP", "managedIdentityAuth"}
    secure = {name: entry["type"] for entry in sets for name, entry in entry["parameters"].items()}
    assert secure[SECRET] == "securestring"
    assert len(admin.get(apis, VERSION).json()["value"]) == len(sandbox.connections.catalogue)
    assert refusal(admin.get(f"{apis}/none", VERSION)) == (404, "ApiNotFound")


def test_a_storage_key_in_a_connection(sandbox: Sandbox) -> None:
    account = sandbox.storage.add_account("ordersdata")
    values = {"accountName": "ordersdata", "accessKey": account.keys["key1"].value}
    sandbox.connections.add_connection("blob", "azureblob", values)
    sandbox.connections.add_connection("wrong", "azureblob", values | {"accessKey": "bm9wZQ=="})
    assert sandbox.connections.works("blob") and not sandbox.connections.works("wrong")


def test_connections_without_a_client_secret(sandbox: Sandbox, names: Furnished, admin: Calls) -> None:
    person = sandbox.connections.add_connection("mail", "office365", {})
    identity = sandbox.connections.add_connection("mi", "azuretables", {}, chosen="managedIdentityAuth")
    old_style = sandbox.connections.add_connection("alt", "keyvault", {}, value_type="Alternative")
    sandbox.arm.grant(names.admin_client_id, "Logic App Contributor", sandbox.group_id)
    states = [admin.get(entry.id, VERSION).json()["properties"] for entry in (person, identity, old_style)]
    assert [state["overallStatus"] for state in states] == ["Error", "Connected", "Connected"]
    assert states[2]["parameterValueType"] == "Alternative"
    links = admin.send(
        "POST", f"{person.id}/listConsentLinks", VERSION, json={"parameters": [{"parameterName": "token"}]}
    )
    assert links.json()["value"][0]["status"] == "Unauthenticated"


def test_roles_and_deletion(sandbox: Sandbox, names: Furnished, admin: Calls, made: Destinations, fresh: str) -> None:
    body = whole(admin, made, fresh)
    reader = Calls(sandbox, names.target_client_id)
    sandbox.arm.grant(names.target_client_id, "Reader", sandbox.group_id)
    assert refusal(put(reader, made.connection, body)) == (403, "AuthorizationFailed")
    sandbox.connections.join_required = True
    assert refusal(put(admin, made.connection, body)) == (403, "LinkedAuthorizationFailed")
    assert admin.send("DELETE", made.connection.id, VERSION).status_code == 200
    assert admin.send("DELETE", made.connection.id, VERSION).status_code == 204
    assert refusal(admin.get(made.connection.id, VERSION)) == (404, "ResourceNotFound")
    sandbox.connections.join_required = False
    assert put(admin, made.connection, body).status_code == 201


def test_parameters_that_a_tenant_does_not_show(sandbox: Sandbox, admin: Calls, made: Destinations) -> None:
    sandbox.connections.hidden.add("token:clientId")
    sandbox.connections.test_links = False
    properties = admin.get(made.connection.id, VERSION).json()["properties"]
    assert "token:clientId" not in properties["nonSecretParameterValues"] and properties["testLinks"] == []


def test_the_shapes_are_those_of_the_examples(admin: Calls, made: Destinations) -> None:
    ours = admin.get(made.connection.id, VERSION).json()
    # Shown by the portal's version of the API and by real connections, though the examples lack them.
    newer = frozenset({"/kind", "/tags", "/properties/overallStatus", "/properties/testRequests"})
    values = frozenset({"/properties/nonSecretParameterValues"})
    for name in ("web__connectionsGet", "web__connectionsCreateOrUpdate", "web__connectionsUpdate"):
        assert differences(ours, example(name), newer | values) == []
    assert set(example("web__connectionsDelete", 204) or {}) == set()

"""Microsoft Graph: the shapes of its answers, its permissions and its moods."""

from __future__ import annotations

import re

import pytest
import requests

from sandbox import Furnished, Sandbox
from sandbox.entra.directory import Policy
from sandbox.furnish.rotation import READ_ALL, WRITE_ALL, WRITE_OWNED
from tests.sandbox.conftest import GRAPH, session_for
from tests.sandbox.shapes import Recording, differences

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
PASSWORD = {"customKeyIdentifier", "displayName", "endDateTime", "hint", "keyId", "secretText", "startDateTime"}
DAY = 86400


@pytest.fixture
def target(names: Furnished) -> str:
    return f"{GRAPH}/applications/{names.target_object_id}"


@pytest.fixture
def everything(sandbox: Sandbox) -> requests.Session:
    """A caller that may do everything with all applications."""
    app = sandbox.graph.new_application("allowed all", roles=[WRITE_ALL, "User.Read.All"])
    return session_for(sandbox, app.client_id)


def error(response: requests.Response) -> tuple[int, str]:
    content = response.json()["error"]
    assert set(content) == {"code", "message", "innerError"}
    assert response.headers["request-id"] == content["innerError"]["request-id"]
    return response.status_code, content["code"]


def test_an_application_by_object_id_and_by_client_id(graph: requests.Session, names: Furnished, target: str) -> None:
    by_id = graph.get(target).json()
    by_client = graph.get(f"{GRAPH}/applications(appId='{names.target_client_id}')").json()
    assert by_id == by_client
    assert by_id["@odata.context"] == f"{GRAPH}/$metadata#applications/$entity"
    assert {"id", "appId", "displayName", "signInAudience", "keyCredentials", "requiredResourceAccess"} <= set(by_id)
    assert [entry["keyId"] for entry in by_id["passwordCredentials"]] == list(reversed(names.old_key_ids))


def test_a_doubled_slash_is_folded(graph: requests.Session, names: Furnished) -> None:
    assert graph.get(f"{GRAPH}//applications/{names.target_object_id}").status_code == 200


def test_select(graph: requests.Session, target: str) -> None:
    content = graph.get(f"{target}?$select=id,appId,passwordCredentials").json()
    assert set(content) == {"@odata.context", "id", "appId", "passwordCredentials"}
    assert set(content["passwordCredentials"][0]) == PASSWORD


def test_a_secret_is_shown_once(sandbox: Sandbox, graph: requests.Session, names: Furnished, target: str) -> None:
    wanted = {"displayName": "k", "startDateTime": "2022-05-07T06:52:43Z", "endDateTime": "2099-05-07T06:52:43Z"}
    answer = graph.post(f"{target}/addPassword", json={"passwordCredential": wanted})
    made = answer.json()
    assert (answer.status_code, set(made)) == (200, PASSWORD | {"@odata.context"})
    assert {name: made[name] for name in wanted} == wanted
    assert (len(made["secretText"]), made["hint"]) == (40, made["secretText"][:3])
    shown = graph.get(target).json()["passwordCredentials"][0]
    assert (shown["keyId"], shown["secretText"], shown["hint"]) == (made["keyId"], None, made["hint"])
    assert sandbox.entra.key_of(names.target_client_id, made["secretText"]) == made["keyId"]


def test_a_secret_lives_two_years_by_default(graph: requests.Session, target: str) -> None:
    made = graph.post(f"{target}/addPassword", json={"passwordCredential": {"displayName": None}}).json()
    assert int(made["endDateTime"][:4]) - int(made["startDateTime"][:4]) == 2
    assert MOMENT.fullmatch(made["endDateTime"])


def test_some_secrets_begin_with_a_dash(sandbox: Sandbox, names: Furnished) -> None:
    texts = [sandbox.graph.add_password(names.target_object_id)[1] for _ in range(200)]
    assert any(text.startswith("-") for text in texts) and not all(text.startswith("-") for text in texts)


def test_removal(graph: requests.Session, names: Furnished, target: str) -> None:
    first = graph.post(f"{target}/removePassword", json={"keyId": names.old_key_ids[0]})
    again = graph.post(f"{target}/removePassword", json={"keyId": names.old_key_ids[0]})
    assert (first.status_code, first.content) == (204, b"")
    assert error(again) == (400, "Request_BadRequest")
    assert "No password credential found with keyId" in again.json()["error"]["message"]


def test_what_is_not_there(graph: requests.Session) -> None:
    missing = "11111111-1111-1111-1111-111111111111"
    assert error(graph.get(f"{GRAPH}/applications/{missing}")) == (404, "Request_ResourceNotFound")
    assert error(graph.get(f"{GRAPH}/applications/None")) == (400, "Request_BadRequest")
    assert error(graph.get(f"{GRAPH}/nothing")) == (404, "Request_ResourceNotFound")


@pytest.mark.parametrize(
    ("filter", "found"),
    [
        ("appId eq '{client}'", ["orders-api"]),
        ("appId eq 'x'", []),
        ("displayName eq 'orders-api'", ["orders-api"]),
        ("startswith(displayName,'ORD')", ["orders-api"]),
        ("startswith(displayName,'o') and displayName eq 'nobody'", []),
        ("displayName eq 'o''brien' or displayName eq 'orders-api'", ["orders-api"]),
        ("identifierUris/any(s:s eq 'api://x')", []),
    ],
)
def test_filters(everything: requests.Session, names: Furnished, filter: str, found: list[str]) -> None:
    params = {"$filter": filter.format(client=names.target_client_id)}
    content = everything.get(f"{GRAPH}/applications", params=params).json()
    assert [entry["displayName"] for entry in content["value"]] == found


def test_an_unknown_filter_is_refused(everything: requests.Session) -> None:
    answer = everything.get(f"{GRAPH}/applications", params={"$filter": "contains(displayName,'x')"})
    assert error(answer) == (400, "Request_BadRequest")


def test_pages(sandbox: Sandbox, everything: requests.Session) -> None:
    for number in range(4):
        sandbox.graph.new_application(f"app {number}")
    url, sizes = f"{GRAPH}/applications?$top=2&$filter=startswith(displayName,'app')", []
    while url:
        content = everything.get(url).json()
        sizes.append(len(content["value"]))
        url = content.get("@odata.nextLink")
    assert sizes == [2, 2]


def test_create_change_and_delete(graph: requests.Session, names: Furnished) -> None:
    made = graph.post(f"{GRAPH}/applications", json={"displayName": "new", "signInAudience": "AzureADMyOrg"})
    app = f"{GRAPH}/applications/{made.json()['id']}"
    assert made.status_code == 201
    assert [owner["id"] for owner in graph.get(f"{app}/owners").json()["value"]] == [names.admin_principal_id]
    assert graph.patch(app, json={"description": "changed"}).status_code == 204
    assert graph.get(app).json()["description"] == "changed"
    assert error(graph.patch(app, json={"passwordCredentials": []})) == (400, "Request_BadRequest")
    principal = graph.post(f"{GRAPH}/servicePrincipals", json={"appId": made.json()["appId"]})
    assert (principal.status_code, principal.json()["appId"]) == (201, made.json()["appId"])
    assert graph.delete(app).status_code == 204
    assert graph.get(app).status_code == 404
    assert graph.delete(f"{GRAPH}/directory/deletedItems/{made.json()['id']}").status_code == 204


def test_owners(sandbox: Sandbox, everything: requests.Session, graph: requests.Session, target: str) -> None:
    user = everything.get(f"{GRAPH}/users/{sandbox.user.principal_name}").json()
    body = {"@odata.id": f"{GRAPH}/directoryObjects/{user['id']}"}
    assert error(graph.post(f"{target}/owners/$ref", json=body))[0] == 403  # OwnedBy is not enough
    assert everything.post(f"{target}/owners/$ref", json=body).status_code == 204
    assert everything.post(f"{target}/owners/$ref", json=body).status_code == 400
    assert user["id"] in [owner["id"] for owner in everything.get(f"{target}/owners").json()["value"]]
    assert everything.delete(f"{target}/owners/{user['id']}/$ref").status_code == 204


def test_service_principals(everything: requests.Session, graph: requests.Session, names: Furnished) -> None:
    own = graph.get(f"{GRAPH}/servicePrincipals(appId='{names.admin_client_id}')").json()
    assert own["id"] == names.admin_principal_id
    owned = graph.get(f"{GRAPH}/servicePrincipals/{own['id']}/ownedObjects").json()["value"]
    assert [entry["id"] for entry in owned] == [names.target_object_id]
    params = {"$filter": f"appId eq '{names.target_client_id}'"}
    found = everything.get(f"{GRAPH}/servicePrincipals", params=params).json()["value"]
    assert [entry["id"] for entry in found] == [names.target_principal_id]


@pytest.mark.parametrize(
    ("roles", "owned", "read", "write", "listed"),
    [
        ((WRITE_OWNED,), True, 200, 200, 403),
        ((WRITE_OWNED,), False, 403, 403, 403),
        ((WRITE_ALL,), False, 200, 200, 200),
        ((READ_ALL,), True, 200, 403, 200),
        ((), True, 403, 403, 403),
    ],
)
def test_permissions(sandbox: Sandbox, roles: tuple[str, ...], owned: bool, read: int, write: int, listed: int) -> None:
    names = sandbox.furnish(admin_roles=roles, owned=owned)
    session, target = session_for(sandbox, names.admin_client_id), f"{GRAPH}/applications/{names.target_object_id}"
    minted, found = session.post(f"{target}/addPassword", json={}), session.get(f"{GRAPH}/applications")
    answers = [session.get(target), minted, found]
    assert [answer.status_code for answer in answers] == [read, write, listed]
    denied = {answer.json()["error"]["code"] for answer in answers if answer.status_code == 403}
    assert denied <= {"Authorization_RequestDenied"}


def test_a_token_that_is_not_for_graph(sandbox: Sandbox, names: Furnished, target: str) -> None:
    for header in (
        "",
        "Bearer x.y.z",
        "Bearer " + sandbox.tokens.issue(names.admin_client_id, "https://vault.azure.net"),
    ):
        answer = requests.get(target, headers={"Authorization": header}, timeout=10)
        assert error(answer) == (401, "InvalidAuthenticationToken")


def test_policies(sandbox: Sandbox, graph: requests.Session, names: Furnished, target: str) -> None:
    sandbox.directory.policy.max_lifetime_days = 90
    refused = graph.post(f"{target}/addPassword", json={"passwordCredential": {}})
    assert error(refused) == (400, "CredentialInvalidLifetimeAsPerAppPolicy")
    sandbox.graph.application(names.target_object_id).policy = Policy(passwords_forbidden=True)
    refused = graph.post(f"{target}/addPassword", json={})
    assert error(refused) == (400, "CredentialTypeNotAllowedAsPerAppPolicy")
    assert len(sandbox.graph.passwords(names.target_object_id)) == 2


def test_an_application_with_personal_accounts_has_at_most_two_secrets(sandbox: Sandbox) -> None:
    names = sandbox.furnish(audience="AzureADandPersonalMicrosoftAccount")
    session, target = session_for(sandbox, names.admin_client_id), f"{GRAPH}/applications/{names.target_object_id}"
    assert error(session.post(f"{target}/addPassword", json={})) == (400, "Request_BadRequest")
    session.post(f"{target}/removePassword", json={"keyId": names.old_key_ids[0]})
    assert session.post(f"{target}/addPassword", json={}).status_code == 200


def test_replica_lag(sandbox: Sandbox, graph: requests.Session, target: str) -> None:
    def count() -> int:
        return len(graph.get(target).json()["passwordCredentials"])

    sandbox.graph.replica_lag_seconds = 5
    graph.post(f"{target}/addPassword", json={})
    assert count() == 2
    sandbox.clock.advance(6)
    assert count() == 3
    sandbox.graph.replica_lag_seconds, sandbox.graph.stale_reads = 0, 2
    graph.post(f"{target}/addPassword", json={})
    assert [count() for _ in range(3)] == [3, 3, 4]


def test_a_new_application_is_not_seen_at_once(sandbox: Sandbox, graph: requests.Session) -> None:
    sandbox.graph.stale_reads = 1
    made = graph.post(f"{GRAPH}/applications", json={"displayName": "new"}).json()
    statuses = [graph.get(f"{GRAPH}/applications/{made['id']}").status_code for _ in range(2)]
    assert statuses == [404, 200]


def test_batch(sandbox: Sandbox, graph: requests.Session, names: Furnished) -> None:
    url = f"/applications/{names.target_object_id}/removePassword"
    parts = [
        {"id": key, "method": "POST", "url": url, "body": {"keyId": key}, "headers": {"Content-Type": "text/json"}}
        for key in (*names.old_key_ids, "unknown")
    ]
    answers = graph.post(f"{GRAPH}/$batch", json={"requests": parts}).json()["responses"]
    assert [(answer["id"], answer["status"]) for answer in answers] == [
        (names.old_key_ids[0], 204), (names.old_key_ids[1], 204), ("unknown", 400),
    ]  # fmt: skip
    assert sandbox.operations() == ["graph.batch"]
    assert graph.post(f"{GRAPH}/$batch", json={"requests": parts * 7}).status_code == 400


def test_an_echoing_server_quotes_the_token(sandbox: Sandbox, graph: requests.Session) -> None:
    sandbox.graph.echoes_requests = True
    assert graph.headers["Authorization"] in graph.get(f"{GRAPH}/applications/None").text


def test_the_shapes_are_those_of_the_recordings(graph: requests.Session, target: str) -> None:
    recording, nobody = Recording("graph__test_app_credential"), Recording("graph__test_app_resolution")

    def check(answer: requests.Response, number: int, of: Recording = recording) -> None:
        status, theirs = of.answer(number)
        ours = answer.json() if answer.content else None
        assert (answer.status_code, differences(ours, theirs)) == (status, []), of.call(number)

    made = graph.post(f"{target}/addPassword", json={"passwordCredential": {"displayName": "k"}})
    check(made, 4)
    check(graph.get(target), 6)
    check(graph.post(f"{target}/removePassword", json={"keyId": made.json()["keyId"]}), 14)
    check(graph.get(f"{GRAPH}/applications/00000000-0000-0000-0000-000000000009"), 11, nobody)

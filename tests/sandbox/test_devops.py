"""Azure DevOps: who gets in, whole updates of service endpoints, and keys that are never shown."""

from __future__ import annotations

import base64
import copy
from typing import Any

import pytest
import requests

from sandbox import Furnished, Sandbox, Status
from sandbox.devops.endpoints import NAMESPACE
from sandbox.devops.model import Endpoint
from sandbox.furnish.destinations import Destinations
from tests.sandbox.azure_calls import DEVOPS, Calls, devops_calls
from tests.sandbox.shapes import Recording, differences, example

KEY = "serviceprincipalkey"
VERSION = "7.1"
TEST = {"dataSourceDetails": {"dataSourceName": "TestConnection"}}


@pytest.fixture
def made(sandbox: Sandbox, names: Furnished) -> Destinations:
    return sandbox.furnish_destinations(names)


@pytest.fixture
def admin(sandbox: Sandbox, names: Furnished, made: Destinations) -> Calls:
    return devops_calls(sandbox, names.admin_client_id)


@pytest.fixture
def fresh(sandbox: Sandbox, names: Furnished) -> str:
    """A second secret of the target that works."""
    return sandbox.graph.add_password(names.target_object_id)[1]


def shown(calls: Calls, endpoint: Endpoint, project: str = "Orders team") -> Any:
    return calls.get(f"/contoso/{project}/_apis/serviceendpoint/endpoints/{endpoint.id}", VERSION).json()


def put(calls: Calls, endpoint: Endpoint, body: Any) -> requests.Response:
    return calls.send("PUT", f"/contoso/_apis/serviceendpoint/endpoints/{endpoint.id}", VERSION, json=body)


def probe(calls: Calls, endpoint: Endpoint, body: Any = TEST) -> str:
    path = f"/contoso/Orders team/_apis/serviceendpoint/endpointproxy?endpointId={endpoint.id}"
    answer = calls.send("POST", path, VERSION, json=body).json()
    assert bool(answer["errorMessage"]) == (answer["statusCode"] != "ok")
    return str(answer["statusCode"])


def may(calls: Calls, token: str, bits: int = 2) -> Any:
    return calls.get(f"/contoso/_apis/permissions/{NAMESPACE}/{bits}?tokens={token}", VERSION).json()["value"]


def type_key(answer: requests.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["typeKey"]


def test_a_whole_update_changes_the_key_and_nothing_else(
    sandbox: Sandbox, admin: Calls, made: Destinations, fresh: str
) -> None:
    before = sandbox.devops.stored(made.endpoint)
    body = shown(admin, made.endpoint)
    assert body["authorization"]["parameters"][KEY] is None
    body["authorization"]["parameters"][KEY] = fresh
    answer = put(admin, made.endpoint, body)
    assert answer.status_code == 200 and answer.json()["authorization"]["parameters"][KEY] is None
    after = sandbox.devops.stored(made.endpoint)
    assert after["authorization"]["parameters"].pop(KEY) == fresh
    assert before["authorization"]["parameters"].pop(KEY) != fresh and after == before
    assert after["sandboxExtra"] == {"kept": ["as", "it", "was"]}
    assert probe(admin, made.endpoint) == "ok" and shown(admin, made.endpoint, "Shared tools") == answer.json()


def test_fields_that_are_not_sent_are_lost_but_projects_stay(
    sandbox: Sandbox, admin: Calls, made: Destinations
) -> None:
    body = shown(admin, made.endpoint)
    del body["sandboxExtra"], body["data"]["subscriptionName"]
    body["serviceEndpointProjectReferences"] = body["serviceEndpointProjectReferences"][:1]
    assert put(admin, made.endpoint, body).status_code == 200
    stored = sandbox.devops.stored(made.endpoint)
    assert "sandboxExtra" not in stored and "subscriptionName" not in stored["data"]
    assert len(stored["serviceEndpointProjectReferences"]) == 2 and stored["isShared"]


@pytest.mark.parametrize("way", ["null", "absent"])
def test_an_update_without_the_key_wipes_it(sandbox: Sandbox, admin: Calls, made: Destinations, way: str) -> None:
    assert probe(admin, made.endpoint) == "ok"
    body = shown(admin, made.endpoint)
    if way == "absent":
        del body["authorization"]["parameters"][KEY]
    assert put(admin, made.endpoint, body).status_code == 200
    assert made.held()[made.devops_address] is None
    assert probe(admin, made.endpoint) == "badRequest"


def test_a_dead_key_fails_its_test(sandbox: Sandbox, names: Furnished, admin: Calls, made: Destinations) -> None:
    sandbox.graph.remove(names.target_object_id, names.old_key_ids[-1])
    assert probe(admin, made.endpoint) == "badRequest" and not sandbox.devops.works(made.endpoint)


def test_a_test_with_details_of_its_own_says_nothing_of_what_is_stored(
    sandbox: Sandbox, names: Furnished, admin: Calls, made: Destinations, fresh: str
) -> None:
    sandbox.graph.remove(names.target_object_id, names.old_key_ids[-1])
    details = {"authorization": {"parameters": {KEY: fresh}}}
    assert probe(admin, made.endpoint, TEST | {"serviceEndpointDetails": details}) == "ok"
    assert probe(admin, made.endpoint) == "badRequest"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"data": {"creationMode": "Automatic"}}, "automatically"),
        ({"serviceEndpointProjectReferences": []}, "project reference"),
        ({"type": "generic"}, "type"),
        ({"id": "11111111-1111-1111-1111-111111111111"}, "id"),
        ({"authorization": None}, "authorization"),
    ],
)
def test_an_update_that_is_refused_changes_nothing(
    sandbox: Sandbox, admin: Calls, made: Destinations, fresh: str, change: dict[str, Any], said: str
) -> None:
    before = sandbox.devops.stored(made.endpoint)
    body = shown(admin, made.endpoint)
    body["authorization"]["parameters"][KEY] = fresh
    answer = put(admin, made.endpoint, body | change)
    assert answer.status_code == 400 and said in answer.json()["message"]
    assert sandbox.devops.stored(made.endpoint) == before


def test_patch_shares_and_does_nothing_else(sandbox: Sandbox, admin: Calls, made: Destinations) -> None:
    path = f"/contoso/_apis/serviceendpoint/endpoints/{made.endpoint.id}"
    body = shown(admin, made.endpoint)
    assert type_key(admin.send("PATCH", path, VERSION, json=body)) == (400, "ArgumentNullException")
    third = sandbox.devops.add_project(made.organization, "Third")
    reference = {"projectReference": {"id": third.id, "name": third.name}, "name": "orders-third"}
    assert admin.send("PATCH", path, VERSION, json=[reference]).status_code == 204
    assert len(shown(admin, made.endpoint, "Third")["serviceEndpointProjectReferences"]) == 3


def test_an_endpoint_that_is_not_there_is_null(sandbox: Sandbox, admin: Calls, made: Destinations) -> None:
    unshared = sandbox.devops.add_endpoint(made.organization, [made.projects[0]], "mine", {})
    missing = Endpoint({"id": "11111111-1111-1111-1111-111111111111"})
    assert shown(admin, missing) is None and shown(admin, unshared) is None
    sandbox.devops.grant(made.organization, admin_of(made), unshared, "Reader")
    assert shown(admin, unshared)["name"] == "mine" and shown(admin, unshared, "Shared tools") is None
    nowhere = admin.get("/contoso/Nowhere/_apis/serviceendpoint/endpoints", VERSION)
    assert type_key(nowhere) == (404, "ProjectDoesNotExistWithNameException")


def admin_of(made: Destinations) -> str:
    return str(made.organization.identities[0].client_id)


def test_lists_and_their_filters(sandbox: Sandbox, admin: Calls, made: Destinations) -> None:
    other = sandbox.devops.add_endpoint(made.organization, [made.projects[0]], "other", {}, kind="generic")
    sandbox.devops.grant(made.organization, admin_of(made), other, "Reader")
    path = "/contoso/Orders team/_apis/serviceendpoint/endpoints"

    def found(query: str = "") -> list[str]:
        content = admin.get(path + query, VERSION).json()
        assert content["count"] == len(content["value"])
        return [entry["name"] for entry in content["value"]]

    assert found() == ["orders-production", "other"]
    assert found("?endpointNames=Other,none") == ["other"] and found("?endpointNames=none") == []
    assert found("?type=AzureRM") == ["orders-production"] and found(f"?endpointIds={other.id}") == ["other"]
    listed = admin.get(path, VERSION).json()["value"][0]
    assert KEY not in listed["authorization"]["parameters"]
    projects = admin.get("/contoso/_apis/projects", VERSION).json()["value"]
    assert [project["name"] for project in projects] == ["Orders team", "Shared tools"]
    by_id = admin.get(f"/contoso/_apis/projects/{projects[0]['id']}", VERSION).json()
    assert by_id["name"] == "Orders team" and shown(admin, made.endpoint, projects[0]["id"])["id"] == made.endpoint.id


@pytest.mark.parametrize(
    ("role", "bits", "status"),
    [(None, [], 404), ("Reader", [16], 403), ("User", [1, 8, 16], 403), ("Administrator", [1, 2, 8, 16], 200)],
)
def test_what_each_role_may_do(
    sandbox: Sandbox, names: Furnished, made: Destinations, role: str | None, bits: list[int], status: int
) -> None:
    sandbox.devops.add_member(made.organization, names.target_client_id)
    if role:
        sandbox.devops.grant(made.organization, names.target_client_id, made.endpoint, role)
    calls = devops_calls(sandbox, names.target_client_id)
    token = f"endpoints/{made.projects[0].id}/{made.endpoint.id}"
    assert [bit for bit in (1, 2, 8, 16) if may(calls, token, bit) == [True]] == bits
    assert put(calls, made.endpoint, sandbox.devops.stored(made.endpoint)).status_code == status


def test_permission_tokens_are_exact(admin: Calls, made: Destinations) -> None:
    project, endpoint = made.projects[1].id, made.endpoint.id
    assert may(admin, f"endpoints/{project}/{endpoint},endpoints/Collection/{endpoint}") == [True, True]
    assert may(admin, f"endpoints/{made.projects[1].name}/{endpoint}") == [False]
    assert may(admin, "endpoints/x/y") == [False]


def test_who_gets_in(sandbox: Sandbox, names: Furnished, admin: Calls, made: Destinations) -> None:
    mine = admin.get("/contoso/_apis/connectionData", VERSION).json()["authenticatedUser"]
    assert mine["properties"]["Account"]["$value"] == names.admin_client_id
    stranger = devops_calls(sandbox, names.target_client_id).get("/contoso/_apis/projects", VERSION)
    assert stranger.status_code == 401 and "TF400813" in stranger.json()["message"]
    assert admin.get("/fabrikam/_apis/projects", VERSION).status_code == 404
    arm_token = Calls(sandbox, names.admin_client_id, DEVOPS).get("/contoso/_apis/projects", VERSION)
    assert (arm_token.status_code, arm_token.content) == (401, b"")
    assert arm_token.headers["WWW-Authenticate"].startswith("Basic realm=")


def test_a_sign_in_page_instead_of_401(sandbox: Sandbox, made: Destinations) -> None:
    sandbox.devops.sign_in_page = True
    url = f"{DEVOPS}/contoso/_apis/projects?api-version=7.1"
    page = requests.get(url, timeout=10)
    assert (page.status_code, page.headers["Content-Type"]) == (203, "text/html; charset=utf-8")
    quiet = requests.get(url, headers={"X-TFS-FedAuthRedirect": "Suppress"}, timeout=10)
    assert (quiet.status_code, quiet.content) == (401, b"")


@pytest.mark.parametrize(("scope", "status"), [("vso.serviceendpoint_manage", 200), ("vso.serviceendpoint", 403)])
def test_a_personal_access_token(sandbox: Sandbox, made: Destinations, scope: str, status: int) -> None:
    token = sandbox.devops.add_pat(made.organization, "dana", scope)
    sandbox.devops.grant(made.organization, "dana", made.endpoint)
    assert token in sandbox.issued
    calls = Calls(sandbox, "")
    calls.root = DEVOPS
    calls.session.headers["Authorization"] = "Basic " + base64.b64encode(f":{token}".encode()).decode()
    body = sandbox.devops.stored(made.endpoint)
    assert put(calls, made.endpoint, body).status_code == status
    calls.session.headers["Authorization"] = "Basic " + base64.b64encode(b":wrong").decode()
    assert put(calls, made.endpoint, body).status_code == 401


def test_a_slow_down_is_told_in_an_answer_that_succeeds(sandbox: Sandbox, admin: Calls, made: Destinations) -> None:
    sandbox.devops.slow_down_seconds = 7
    answer = admin.get("/contoso/_apis/projects", VERSION)
    assert (answer.status_code, answer.headers["Retry-After"]) == (200, "7")
    assert answer.headers["X-RateLimit-Remaining"] == "0"


def test_an_update_takes_a_while(sandbox: Sandbox, admin: Calls, made: Destinations) -> None:
    sandbox.devops.settle_seconds = 5
    answer = put(admin, made.endpoint, sandbox.devops.stored(made.endpoint)).json()
    assert (answer["isReady"], answer["operationStatus"]["state"]) == (False, "InProgress")
    sandbox.clock.advance(6)
    assert shown(admin, made.endpoint)["isReady"]


def test_a_change_needs_an_api_version(admin: Calls, made: Destinations) -> None:
    url = f"{DEVOPS}/contoso/_apis/serviceendpoint/endpoints/{made.endpoint.id}"
    assert type_key(admin.session.put(url, json={}, timeout=10)) == (400, "VssVersionNotSpecifiedException")
    assert admin.session.get(f"{DEVOPS}/contoso/_apis/projects", timeout=10).status_code == 200


def test_the_test_reads_the_subscription_and_pipelines_need_not(
    sandbox: Sandbox, names: Furnished, admin: Calls, made: Destinations
) -> None:
    assert probe(admin, made.endpoint) == "ok"
    sandbox.roles.revoke(names.target_client_id)
    sandbox.arm.grant(names.target_client_id, "Contributor", sandbox.group_id)
    path = f"/contoso/Orders team/_apis/serviceendpoint/endpointproxy?endpointId={made.endpoint.id}"
    answer = admin.send("POST", path, VERSION, json=TEST).json()
    assert answer["statusCode"] == "forbidden" and "Microsoft.Resources/subscriptions/read" in answer["errorMessage"]
    assert answer["errorMessage"].startswith("Failed to query service connection API: 'https://management.azure.com/")
    assert sandbox.devops.works(made.endpoint)


@pytest.mark.parametrize("scheme", ["WorkloadIdentityFederation", "ManagedServiceIdentity"])
def test_endpoints_without_a_key(sandbox: Sandbox, made: Destinations, scheme: str) -> None:
    endpoint = sandbox.devops.add_endpoint(made.organization, list(made.projects), "no-key", {}, scheme=scheme)
    assert sandbox.devops.works(endpoint)


def test_clients_find_their_way(sandbox: Sandbox, admin: Calls, made: Destinations) -> None:
    locations = admin.session.options(f"{DEVOPS}/contoso/_apis", timeout=10).json()["value"]
    assert {"id", "area", "resourceName", "routeTemplate", "maxVersion"} <= set(locations[0])
    assert admin.get("/contoso/_apis/ResourceAreas", VERSION).json() == {"count": 0, "value": []}


def test_faults_have_the_services_own_form(sandbox: Sandbox, admin: Calls, made: Destinations) -> None:
    sandbox.fault("devops", "get_endpoint", Status(503))
    assert shown(admin, made.endpoint)["typeKey"] == "VssServiceException"


def test_the_shapes_are_those_of_the_examples(sandbox: Sandbox, admin: Calls, made: Destinations) -> None:
    # What an endpoint of another type holds, and fields newer than the examples.
    other = frozenset({"/data", "/authorization/parameters"})
    newer = frozenset({f"/{name}" for name in ("operationStatus", "isOutdated", "sandboxExtra")} | {
        "/administratorsGroup", "/readersGroup", "/description", "/serviceEndpointProjectReferences[]/description",
    })  # fmt: skip
    ours = shown(admin, made.endpoint)
    assert differences(ours, example("GetServiceEndpointDetails"), newer | other) == []
    azure = example("CreateAzureRMEndpoint")
    assert differences(ours, azure, newer | {"/authorization/parameters/scope"}) == []
    assert ours["authorization"]["parameters"][KEY] is azure["authorization"]["parameters"][KEY] is None
    updated = put(admin, made.endpoint, copy.deepcopy(ours)).json()
    assert differences(updated, example("UpdateServiceEndpoint"), newer | other) == []
    listed = admin.get("/contoso/Orders team/_apis/serviceendpoint/endpoints", VERSION).json()
    theirs = example("GetServiceEndpointsByName")
    nested = frozenset(f"/value[]{name}" for name in newer | other)
    assert differences(listed, theirs, nested) == []
    path = f"/contoso/Orders team/_apis/serviceendpoint/endpointproxy?endpointId={made.endpoint.id}"
    proxied = admin.send("POST", path, VERSION, json=TEST).json()
    assert differences(proxied, example("POST__ExecuteServiceEndpointRequestAsync"), frozenset({"/activityId"})) == []


def test_errors_have_the_shapes_of_the_recordings(sandbox: Sandbox, admin: Calls) -> None:
    status, theirs = Recording("devops__test_workItemCreateShowUpdateDelete").answer(0)
    ours = admin.get("/contoso/Nowhere/_apis/serviceendpoint/endpoints", VERSION)
    assert (ours.status_code, differences(ours.json(), theirs)) == (status, [])
    unsigned = Recording("devops__401_excerpt")
    bare = requests.get(f"{DEVOPS}/contoso/_apis/projects", timeout=10)
    assert (bare.status_code, bare.content) == (unsigned.answer(0)[0], b"")
    assert unsigned.challenge(0).split("=")[0] == bare.headers["WWW-Authenticate"].split("=")[0]

"""Projects and service endpoints of Azure DevOps on the wire: secrets go in and never come out."""

from __future__ import annotations

import copy
import json
import re
from typing import Any

from sandbox.devops.base import ORGANIZATION, PROJECT, DevOpsBase, DevOpsError, Visitor, bad_request
from sandbox.devops.model import ADMINISTRATOR, BITS, READER, USER, Endpoint
from sandbox.entra.directory import new_id
from sandbox.entra.service import Entra
from sandbox.proxy.messages import Request, Response
from sandbox.proxy.service import Part, route

ENDPOINTS = "/_apis/serviceendpoint/endpoints"
ENDPOINT = ENDPOINTS + r"/(?P<endpoint>[^/]+)"
NAMESPACE = "49b48001-ca20-4adc-8111-5b60c903a50c"
READ_SUBSCRIPTION = "Microsoft.Resources/subscriptions/read"
WITHOUT_KEY = ("WorkloadIdentityFederation", "ManagedServiceIdentity")


class DevOpsEndpoints(Part):
    """Projects and their endpoints; ``entra`` says whether one can sign in."""

    def __init__(self, devops: DevOpsBase, entra: Entra) -> None:
        self.devops = devops
        self.clock = devops.clock
        self.entra = entra

    @route("GET", ORGANIZATION + "/_apis/connectionData", "connection_data")
    def connection_data(self, request: Request, match: re.Match[str]) -> Response:
        """Who the caller is."""
        visitor = self.devops.caller(request)
        identity = visitor.identity
        user = {
            "id": identity.id, "descriptor": identity.descriptor, "subjectDescriptor": identity.descriptor,
            "providerDisplayName": identity.name, "isActive": True, "resourceVersion": 2, "metaTypeId": 0,
            "properties": {"Account": {"$type": "System.String", "$value": identity.client_id or identity.name}},
        }  # fmt: skip
        return self.devops.answer(request, {
            "authenticatedUser": user, "authorizedUser": user, "instanceId": visitor.organization.id,
            "deploymentId": new_id(), "deploymentType": "hosted",
        })  # fmt: skip

    @route("GET", ORGANIZATION + "/_apis/projects", "list_projects")
    def list_projects(self, request: Request, match: re.Match[str]) -> Response:
        """All projects."""
        organization = self.devops.caller(request).organization
        projects = sorted(organization.projects.values(), key=lambda project: project.name)
        return self.devops.answer_list(request, [project.shown(organization.name) for project in projects])

    @route("GET", ORGANIZATION + "/_apis/projects/(?P<project>[^/]+)", "get_project")
    def get_project(self, request: Request, match: re.Match[str]) -> Response:
        """One project, by name or id."""
        organization = self.devops.caller(request).organization
        return self.devops.answer(request, self.devops.project(organization, match).shown(organization.name))

    @route("GET", PROJECT + ENDPOINTS, "list_endpoints")
    def list_endpoints(self, request: Request, match: re.Match[str]) -> Response:
        """The project's endpoints that the caller may see, as far as the query's filters allow."""
        visitor = self.devops.caller(request)
        project, query = self.devops.project(visitor.organization, match), request.query
        names, ids = query.get("endpointNames"), query.get("endpointIds")
        found = [
            endpoint for endpoint in visitor.organization.endpoints.values()
            if project.id in endpoint.projects and visitor.may(endpoint, READER)
            and (names is None or endpoint.content["name"].lower() in names.lower().split(","))
            and (ids is None or endpoint.id in ids.lower().split(","))
            and query.get("type", endpoint.content["type"]).lower() == endpoint.content["type"].lower()
        ]  # fmt: skip
        return self.devops.answer_list(request, [endpoint.shown(self.clock.now(), listed=True) for endpoint in found])

    @route("GET", PROJECT + ENDPOINT, "get_endpoint")
    def get_endpoint(self, request: Request, match: re.Match[str]) -> Response:
        """One endpoint; what is not there, or not for the caller to see, is ``null``."""
        visitor = self.devops.caller(request)
        project = self.devops.project(visitor.organization, match)
        endpoint = visitor.organization.endpoints.get(match["endpoint"].lower())
        there = endpoint is not None and project.id in endpoint.projects and visitor.may(endpoint, READER)
        return self.devops.answer(request, endpoint.shown(self.clock.now()) if endpoint and there else None)

    @route("PUT", ORGANIZATION + ENDPOINT, "put_endpoint")
    def put_endpoint(self, request: Request, match: re.Match[str]) -> Response:
        """Store an endpoint. Whatever the body does not hold is gone, the key too; only its projects stay."""
        endpoint = self._administered(request, match)
        wanted = self.devops.body(request)
        self._check_update(endpoint, wanted)
        fixed = {name: endpoint.content[name] for name in ("id", "createdBy", "owner") if name in endpoint.content}
        references = endpoint.merge_references(wanted["serviceEndpointProjectReferences"])
        computed = {"serviceEndpointProjectReferences": references, "isShared": len(references) > 1}
        stored = {name: value for name, value in wanted.items() if name != "operationStatus"}
        endpoint.content = copy.deepcopy(stored | fixed | computed)
        endpoint.ready = self.clock.now() + self.devops.settle_seconds
        return self.devops.answer(request, endpoint.shown(self.clock.now()))

    @route("PATCH", ORGANIZATION + ENDPOINT, "share_endpoint")
    def share_endpoint(self, request: Request, match: re.Match[str]) -> Response:
        """Share an endpoint with further projects; nothing else can be changed this way."""
        endpoint = self._administered(request, match)
        wanted = self.devops.body(request)
        if not isinstance(wanted, list) or not wanted:
            raise bad_request("There is no value for the parameter endpointProjectReferences.", "ArgumentNullException")
        endpoint.content["serviceEndpointProjectReferences"] = endpoint.merge_references(wanted)
        endpoint.content["isShared"] = len(endpoint.projects) > 1
        return Response(204)

    @route("POST", PROJECT + "/_apis/serviceendpoint/endpointproxy", "test_endpoint")
    def test_endpoint(self, request: Request, match: re.Match[str]) -> Response:
        """Use an endpoint once. What the body says of its sign-in comes before what is stored."""
        visitor = self.devops.caller(request)
        project = self.devops.project(visitor.organization, match)
        endpoint = visitor.organization.endpoints.get(request.query.get("endpointId", "").lower())
        if endpoint is None or project.id not in endpoint.projects or not visitor.may(endpoint, USER):
            message = "There is no service connection of this id, or the caller may not use it."
            raise DevOpsError(404, "ServiceEndpointNotFoundException", message)
        content = self.devops.body(request)
        if (content.get("dataSourceDetails") or {}).get("dataSourceName") != "TestConnection":
            raise bad_request("The service connection has no such data source.")
        details = (content.get("serviceEndpointDetails") or {}).get("authorization") or {}
        sent = {name: value for name, value in (details.get("parameters") or {}).items() if value is not None}
        refusal = self.sign_in_refusal(endpoint.content, endpoint.parameters | sent)
        status, said = ("badRequest", refusal) if refusal else self._read_subscription(endpoint)
        return self.devops.answer(request, {
            "result": [] if said else ["[]"], "statusCode": status, "errorMessage": said, "activityId": new_id(),
        })  # fmt: skip

    def _read_subscription(self, endpoint: Endpoint) -> tuple[str, str]:
        """What the test of a connection to Azure does once it is signed in: a right that pipelines may not need."""
        scope = f"/subscriptions/{(endpoint.content.get('data') or {}).get('subscriptionId')}"
        client_id = str(endpoint.parameters.get("serviceprincipalid"))
        other = endpoint.content["type"] != "azurerm" or endpoint.content["authorization"]["scheme"] in WITHOUT_KEY
        if other or self.devops.roles.allowed(client_id, READ_SUBSCRIPTION, scope):
            return "ok", ""
        error = {"code": "AuthorizationFailed", "message": (
            f"The client '{client_id}' with object id '{new_id()}' does not have authorization to perform action "
            f"'{READ_SUBSCRIPTION}' over scope '{scope}' or the scope is invalid. If access was recently granted, "
            "please refresh your credentials."
        )}  # fmt: skip
        return "forbidden", (
            f"Failed to query service connection API: 'https://management.azure.com{scope}?api-version=2016-06-01'. "
            f"Status Code: 'Forbidden', Response from server: '{json.dumps({'error': error})}'"
        )

    @route("GET", ORGANIZATION + f"/_apis/permissions/{NAMESPACE}/(?P<bits>\\d+)", "check_permission")
    def check_permission(self, request: Request, match: re.Match[str]) -> Response:
        """Whether the caller has these permissions, for each token: the check that takes no change.

        A token of the namespace ServiceEndpoints is ``endpoints/<project id>/<endpoint id>``, or has ``Collection`` in
        the project's place; bit 2 is Administer. Source: https://learn.microsoft.com/rest/api/azure/devops/security
        """
        visitor = self.devops.caller(request)
        bits = int(match["bits"])
        needed = [role for bit, role in BITS.items() if bits & bit]
        tokens = request.query.get("tokens", "").split(request.query.get("delimiter") or ",")
        return self.devops.answer_list(request, [self._has(visitor, token, needed) for token in tokens])

    def _has(self, visitor: Visitor, token: str, needed: list[str]) -> bool:
        parts = token.strip("/").split("/")
        endpoint = visitor.organization.endpoints.get(parts[-1].lower())
        if endpoint is None or len(parts) != 3 or parts[0] != "endpoints":
            return False
        there = parts[1] == "Collection" or parts[1].lower() in endpoint.projects
        if parts[1].lower() in endpoint.denied_in:
            return False
        return there and all(visitor.may(endpoint, role) for role in needed)

    def _administered(self, request: Request, match: re.Match[str]) -> Endpoint:
        visitor = self.devops.caller(request)
        endpoint = visitor.organization.endpoints.get(match["endpoint"].lower())
        if endpoint is None or not visitor.may(endpoint, READER):
            message = f"There is no service connection {match['endpoint']}, or the caller may not see it."
            raise DevOpsError(404, "ServiceEndpointNotFoundException", message)
        if not visitor.may(endpoint, ADMINISTRATOR):
            message = f"'{visitor.identity.name}' lacks the permission Administer on the service connection."
            raise DevOpsError(403, "AccessDeniedException", message)
        return endpoint

    def _check_update(self, endpoint: Endpoint, wanted: Any) -> None:
        if not isinstance(wanted, dict):
            raise bad_request("The body is no service connection.")
        for name in ("name", "type", "url", "authorization"):
            if not wanted.get(name):
                raise bad_request(f"The service connection has no value for '{name}'.")
        if str(wanted.get("id", endpoint.id)).lower() != endpoint.id:
            raise bad_request("The id in the body is not the one in the address.")
        if str(wanted["type"]).lower() != str(endpoint.content["type"]).lower():
            raise bad_request("The type of a service connection cannot be changed.")
        if not wanted.get("serviceEndpointProjectReferences"):
            raise bad_request("A service connection needs at least one project reference.")
        key = (wanted["authorization"].get("parameters") or {}).get("serviceprincipalkey")
        if key and (wanted.get("data") or {}).get("creationMode") == "Automatic":
            raise bad_request("A service connection that was made automatically takes no key.")

    def sign_in_refusal(self, content: dict[str, Any], parameters: dict[str, Any]) -> str | None:
        """Why an endpoint with these parameters cannot sign in now; None if it can."""
        if content.get("authorization", {}).get("scheme") in WITHOUT_KEY:
            return None
        values = {name.lower(): value for name, value in parameters.items()}
        client_id = str(values.get("serviceprincipalid") or "")
        known = values.get("tenantid") in (self.devops.directory.tenant_id, self.devops.directory.domain)
        if known and self.entra.secret_works(client_id, str(values.get("serviceprincipalkey") or "")):
            return None
        return f"No token could be had for the service principal '{client_id}': AADSTS7000215."

"""Azure DevOps: projects and service connections of one organisation.

Source: https://learn.microsoft.com/rest/api/azure/devops/serviceendpoint/endpoints
"""

from __future__ import annotations

import base64
import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import requests

from gateway.azure.decode import decoding, entries, mapping, text
from gateway.azure.versions import DEVOPS
from gateway.errors import Refused, Unclear
from gateway.host.http import Http, json_object, retry_after
from gateway.secret import Secret

ROOT = "https://dev.azure.com"
SCOPE = "499b84ac-1321-427f-aa17-267ca6975798/.default"
_NO_ORGANISATION = (
    "there is no organisation of this name: compare it with its address, {}; one that belongs to another tenant cannot "
    "be reached with this sign-in"
)
# https://learn.microsoft.com/azure/devops/organizations/security/namespace-reference: ServiceEndpoints, Administer
_NAMESPACE, _ADMINISTER = "49b48001-ca20-4adc-8111-5b60c903a50c", 2


@dataclass(frozen=True)
class Endpoint:
    """A service connection. ``projects``: id and name of those that share it; ``whole``: all of it, as it came."""

    endpoint_id: str
    name: str
    scheme: str
    authentication: str
    client_id: str
    is_automatic: bool
    projects: tuple[tuple[str, str], ...]
    whole: dict[str, Any] = field(repr=False)

    def with_key(self, key: Secret) -> dict[str, Any]:
        """The whole connection with another key, to be written back."""
        changed = copy.deepcopy(self.whole)
        changed["authorization"]["parameters"]["serviceprincipalkey"] = key.reveal()
        return changed


@dataclass(frozen=True)
class TestAnswer:
    """What a connection's own test says; ``status`` is ``ok`` where it passed."""

    status: str
    message: str


class DevOps:
    """One organisation. All methods raise CallError.

    Args:
        where: what errors name.
        authorization: gives the header of the same name.
        signed_out, forbidden: what to do where the sign-in, and where the call is refused.
    """

    def __init__(
        self,
        http: Http,
        where: str,
        organisation: str,
        authorization: Callable[[], str],
        signed_out: str,
        forbidden: str,
    ) -> None:
        self._http, self._where = http, where
        self._root = f"{ROOT}/{quote(organisation)}"
        self._authorization = authorization
        self._signed_out, self._forbidden = signed_out, forbidden

    def projects(self, skip: int, most: int) -> list[str]:
        """The names of up to so many projects, after the first ones."""
        answer = self._send("GET", f"_apis/projects?$top={most}&$skip={skip}")
        with decoding(self._where):
            return [text(project["name"]) for project in entries(answer["value"])]

    def endpoints(self, project: str) -> list[Endpoint]:
        """The service connections of a project."""
        answer = self._send("GET", f"{quote(project)}/_apis/serviceendpoint/endpoints")
        with decoding(self._where):
            return [_endpoint(each) for each in entries(answer["value"])]

    def endpoint(self, project: str, endpoint_id: str) -> Endpoint | None:
        """One service connection; None where it is not there, or not ours to see."""
        answer = self._send("GET", f"{quote(project)}/_apis/serviceendpoint/endpoints/{endpoint_id}")
        with decoding(self._where):
            return _endpoint(answer) if answer else None

    def replace(self, endpoint_id: str, whole: dict[str, Any]) -> None:
        """Write a service connection: what is not in it is gone. It may be repeated without harm."""
        # An update is of the organisation, without a project.
        self._send("PUT", f"_apis/serviceendpoint/endpoints/{endpoint_id}", whole)

    def may_administer(self, project_id: str, endpoint_id: str) -> bool:
        """Whether we are Administrator of a service connection, by the permissions of this project."""
        token = quote(f"endpoints/{project_id}/{endpoint_id}", safe="")
        answer = self._send("GET", f"_apis/permissions/{_NAMESPACE}/{_ADMINISTER}?tokens={token}")
        with decoding(self._where):
            granted = answer.get("value")
            if granted is not None and not isinstance(granted, list):
                raise TypeError
            return all(granted or [False])

    def test(self, project: str, endpoint_id: str) -> TestAnswer:
        """Let a service connection test itself, once, as the button *Verify* does."""
        payload = {"dataSourceDetails": {"dataSourceName": "TestConnection"}}
        path = f"{quote(project)}/_apis/serviceendpoint/endpointproxy?endpointId={endpoint_id}"
        answer = json_object(self._once("POST", path, payload)) or {}
        # Documented is statusCode, "ok" where it passed; a success that says nothing of the kind is one.
        with decoding(self._where):
            said = text(answer.get("errorMessage"))
            return TestAnswer((text(answer.get("statusCode")) or ("failed" if said else "ok")).lower(), said)

    def _send(self, method: str, path: str, payload: dict[str, Any] | None = None) -> dict[str, Any]:
        """The answer to a call that may be repeated; empty for ``null``."""

        def ask() -> dict[str, Any]:
            response = self._once(method, path, payload)
            answer = json_object(response)
            if answer is None and response.content.strip() != b"null":
                raise Unclear(self._where, "an answer that is not JSON")
            return answer or {}

        return self._http.retrying(ask)

    def _once(self, method: str, path: str, payload: dict[str, Any] | None) -> requests.Response:
        url = f"{self._root}/{path}{'&' if '?' in path else '?'}api-version={DEVOPS.version}"
        headers = {"Authorization": self._authorization(), "X-TFS-FedAuthRedirect": "Suppress"}
        response = self._http.raw(self._where, method, url, json=payload, headers=headers)
        status = response.status_code
        if status >= 500:
            raise Unclear(self._where, f"HTTP {status}")
        if status in (203, 302, 401):
            raise Refused(self._where, status, "sign-in refused", hint=self._signed_out)
        if not 200 <= status < 300:
            code = str((json_object(response) or {}).get("typeKey", ""))
            wait = retry_after(response)
            hint = _NO_ORGANISATION.format(self._root) if _lacks_organisation(status, code, path) else self._forbidden
            raise Refused(self._where, status, code, throttled=status == 429, retry_after=wait, hint=hint)
        return response


def _lacks_organisation(status: int, code: str, path: str) -> bool:
    """Where no project is named, only the organisation can be what is not there."""
    return status == 404 and (code == "HostDoesNotExistException" or (not code and path.startswith("_apis/projects")))


def bearer(token: Secret) -> str:
    """The header for an access token."""
    return f"Bearer {token.reveal()}"


def basic(token: Secret) -> str:
    """The header for a personal access token."""
    return "Basic " + base64.b64encode(f":{token.reveal()}".encode()).decode()


def _endpoint(body: dict[str, Any]) -> Endpoint:
    authorization = mapping(body.get("authorization"))
    parameters = mapping(authorization.get("parameters"))
    references = entries(body.get("serviceEndpointProjectReferences"))
    projects = [mapping(each["projectReference"]) for each in references]
    return Endpoint(
        text(body["id"]),
        text(body.get("name")),
        text(authorization.get("scheme")),
        text(parameters.get("authenticationType")),
        text(parameters.get("serviceprincipalid")),
        mapping(body.get("data")).get("creationMode") == "Automatic",
        tuple((text(each["id"]), text(each.get("name"))) for each in projects),
        body,
    )

"""An Azure DevOps service connection that signs in with the app's client secret.

Permission: the rotating application's service principal is a user of the organisation (Basic licence) and Administrator
of the service connection; or a personal access token with *Service Connections (read, query, & manage)*, in the field
``azure_devops_pat`` of an attached record. Source:
https://learn.microsoft.com/rest/api/azure/devops/serviceendpoint/endpoints
"""

from __future__ import annotations

import base64
import copy
import re
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

import requests

from gateway.deliveries.base import Delivery, DeliveryContext, Denied, Destination, Receipt, cannot_be_asked, refuse
from gateway.deliveries.own_test import OwnTest, Tested
from gateway.errors import CallError, Failed, Refused, Unclear
from gateway.host.http import json_object, retry_after
from gateway.model.clouds import Cloud
from gateway.secret import mask

ROOT = "https://dev.azure.com"
SCOPE = "499b84ac-1321-427f-aa17-267ca6975798/.default"
PAT_LABEL = "azure_devops_pat"
# https://learn.microsoft.com/azure/devops/organizations/security/namespace-reference: ServiceEndpoints, Administer
_NAMESPACE, _ADMINISTER = "49b48001-ca20-4adc-8111-5b60c903a50c", 2
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_RIGHTS = (
    "add the rotating application's service principal to the organisation (Basic) and make it Administrator of the "
    "service connection"
)
_TOKEN_ENDED = (
    f"put a new token in {PAT_LABEL}, made for this organisation: the old one has expired, was revoked, or is for "
    "another organisation; tokens for 'All accessible organizations' stop working on 1 December 2026"
)


class DevOpsConnection(Destination):
    """One service connection of one project."""

    rights = _RIGHTS

    example = "https://dev.azure.com/<organisation>/<project>/_settings/adminservices?resourceId=<connection id>"

    def __init__(self, organisation: str, project: str, endpoint_id: str, optional: bool) -> None:
        self.organisation, self.project, self.endpoint_id = organisation, project, endpoint_id
        address = f"{ROOT}/{quote(organisation)}/{quote(project)}/_settings/adminservices?resourceId={endpoint_id}"
        super().__init__(address, optional)
        self._own_test = OwnTest(address)

    @classmethod
    def recognise(cls, text: str, cloud: Cloud, optional: bool) -> Destination | None:
        """The connection's page in the project's settings, also under the old ``visualstudio.com`` address."""
        parts = urlsplit(text)
        segments = [unquote(segment) for segment in parts.path.strip("/").split("/")]
        if old := re.fullmatch(r"([A-Za-z0-9-]+)\.visualstudio\.com", parts.netloc):
            segments = [old.group(1), *segments]
        elif parts.netloc != "dev.azure.com":
            if "_settings/adminservices" in parts.path:
                raise refuse(text, "is not in Azure DevOps", cls.example)
            return None
        endpoint_id = (parse_qs(parts.query).get("resourceId") or [""])[0]
        fits = len(segments) >= 2 and segments[2:] == ["_settings", "adminservices"] and _GUID.fullmatch(endpoint_id)
        if parts.scheme != "https" or not fits or cloud.name != "AzureCloud":
            raise refuse(text, "is not the page of a service connection", cls.example)
        return cls(segments[0], segments[1], endpoint_id.lower(), optional)

    def check(self, context: DeliveryContext) -> list[str]:
        """It is there, signs in with a client secret of our app, and we are its administrator."""
        client_id = self._owner(context)
        endpoint = self._get(context)
        self.check_scheme(endpoint, client_id)
        path = f"_apis/permissions/{_NAMESPACE}/{_ADMINISTER}?tokens={quote(self._token(endpoint), safe='')}"
        try:
            answer = self.send(context, "GET", path, version="7.1")
        except CallError as error:
            return [cannot_be_asked(self.address, error)]
        if not all(answer.get("value") or [False]):
            raise Denied(f"{self.address}: we are not Administrator of the connection {endpoint['name']!r}", _RIGHTS)
        return []

    def _token(self, endpoint: dict[str, Any]) -> str:
        """By which the namespace of permissions knows the connection in the project of the address."""
        references = endpoint.get("serviceEndpointProjectReferences") or []
        projects = [each["projectReference"] for each in references]
        mine = [each for each in projects if self.project.lower() in (each["id"], str(each.get("name")).lower())]
        project = next((each["id"] for each in [*mine, *projects]), "Collection")
        return f"endpoints/{project}/{self.endpoint_id}"

    def check_scheme(self, endpoint: dict[str, Any], client_id: str) -> None:
        """It signs in with a client secret of this app, and takes a new one. Raises Failed."""
        authorization = endpoint.get("authorization") or {}
        parameters = authorization.get("parameters") or {}
        name = f"{self.address}: the connection {endpoint.get('name')!r}"
        if authorization.get("scheme") in ("WorkloadIdentityFederation", "ManagedServiceIdentity"):
            raise Failed(f"{name} signs in without a secret", "it needs no delivery: remove the line from deliver_to")
        if parameters.get("authenticationType") == "spnCertificate":
            raise Failed(f"{name} signs in with a certificate", "it needs no delivery: remove the line from deliver_to")
        if str(parameters.get("serviceprincipalid", "")).lower() != client_id.lower():
            raise Failed(f"{name} is not of the app that is rotated", "name a connection with the app's client id")
        if (endpoint.get("data") or {}).get("creationMode") == "Automatic":
            raise Failed(
                f"{name} was made automatically, and Azure DevOps refuses a key for it",
                "make a new connection with 'App registration (manual)', or convert it to workload identity federation",
            )

    def deliver(self, context: DeliveryContext, delivery: Delivery) -> Receipt:
        """The whole connection with the new key, then its own test. The key can never be read back."""
        client_id = self._owner(context)
        endpoint = self._get(context)
        self.check_scheme(endpoint, client_id)
        self.observe(context)
        changed = copy.deepcopy(endpoint)
        changed["authorization"]["parameters"]["serviceprincipalkey"] = delivery.value.reveal()
        # An update is of the organisation, without a project; it repeats itself without harm.
        self.send(context, "PUT", f"_apis/serviceendpoint/endpoints/{self.endpoint_id}", changed)
        return Receipt(warnings=self._verify(context))

    def _owner(self, context: DeliveryContext) -> str:
        """The client id that a connection must have to take our secret."""
        if not context.delivery_form.for_service_connections:
            raise Failed(f"{self.address}: a service connection takes client secrets only", "remove the line")
        return context.delivery_form.roles["clientid"]

    def observe(self, context: DeliveryContext) -> None:
        """Its own test, with what it holds."""
        self._own_test.observe(lambda: self._ask_test(context))

    def _verify(self, context: DeliveryContext) -> tuple[str, ...]:
        # What it signs in to may be a replica that does not know the secret yet.
        return context.http.retrying(lambda: self._own_test.judge(self._ask_test(context)))

    def _ask_test(self, context: DeliveryContext) -> Tested:
        """The test behind the button *Verify*. Raises Failed, CallError."""
        payload = {"dataSourceDetails": {"dataSourceName": "TestConnection"}}
        path = f"{quote(self.project)}/_apis/serviceendpoint/endpointproxy?endpointId={self.endpoint_id}"
        try:
            answer = json_object(self._asked(context, "POST", path, payload, "7.1")) or {}
        except Refused as error:
            if error.status not in (400, 403, 404):
                raise
            return Tested.by_status(error.status, f"HTTP {error.status} {error.code}")
        # Documented is statusCode, "ok" where it passed; a success that says nothing of the kind is one.
        said = str(answer.get("errorMessage") or "")
        status = str(answer.get("statusCode") or ("failed" if said else "ok")).lower()
        # A test that ran and failed was offered, whatever its status.
        return Tested.by_status({"ok": 200, "unauthorized": 401}.get(status, 403), said or status)

    def _get(self, context: DeliveryContext) -> dict[str, Any]:
        path = f"{quote(self.project)}/_apis/serviceendpoint/endpoints/{self.endpoint_id}"
        endpoint = self.send(context, "GET", path)
        if not endpoint:
            raise Failed(f"{self.address}: there is no such service connection, or we may not see it", _RIGHTS)
        return endpoint

    def send(
        self,
        context: DeliveryContext,
        method: str,
        path: str,
        payload: dict[str, Any] | None = None,
        version: str = "7.1",
    ) -> dict[str, Any]:
        """The answer of the organisation to a call that may be repeated. Raises CallError."""
        return context.http.retrying(lambda: self._once(context, method, path, payload, version))

    def _once(
        self, context: DeliveryContext, method: str, path: str, payload: dict[str, Any] | None, version: str
    ) -> dict[str, Any]:
        response = self._asked(context, method, path, payload, version)
        answer = json_object(response)
        if answer is None and response.content.strip() != b"null":
            raise Unclear(self.address, "an answer that is not JSON")
        return answer or {}

    def _asked(
        self, context: DeliveryContext, method: str, path: str, payload: dict[str, Any] | None, version: str
    ) -> requests.Response:
        url = f"{ROOT}/{quote(self.organisation)}/{path}{'&' if '?' in path else '?'}api-version={version}"
        token = next(filter(None, (attached.get(PAT_LABEL) for attached in context.attached)), "")
        headers = {"Authorization": _authorization(context, token), "X-TFS-FedAuthRedirect": "Suppress"}
        response = context.http.raw(self.address, method, url, json=payload, headers=headers)
        status = response.status_code
        if status >= 500:
            raise Unclear(self.address, f"HTTP {status}")
        if status in (203, 302, 401):
            raise Refused(self.address, status, "sign-in refused", hint=_TOKEN_ENDED if token else _RIGHTS)
        if not 200 <= status < 300:
            code = str((json_object(response) or {}).get("typeKey", ""))
            wait = retry_after(response)
            raise Refused(self.address, status, code, throttled=status == 429, retry_after=wait, hint=_RIGHTS)
        return response


def _authorization(context: DeliveryContext, token: str) -> str:
    if not token:
        return "Bearer " + context.azure.token(SCOPE).reveal()
    mask(token)
    return "Basic " + base64.b64encode(f":{token}".encode()).decode()

"""An Azure DevOps service connection that signs in with the app's client secret.

Permission: the admin credential's service principal is a user of the organisation (Basic licence) and Administrator
of the service connection; or a personal access token with *Service Connections (read, query, & manage)*, in the field
``azure_devops_pat`` of an attached record. Source:
https://learn.microsoft.com/rest/api/azure/devops/serviceendpoint/endpoints
"""

from __future__ import annotations

import re
from urllib.parse import parse_qs, quote, unquote, urlsplit

from gateway.azure.devops import ROOT, SCOPE, DevOps, Endpoint, basic, bearer
from gateway.deliveries.base import Delivery, DeliveryContext, Denied, Destination, Receipt, cannot_be_asked, refuse
from gateway.deliveries.own_test import OwnTest, Tested
from gateway.errors import CallError, Failed, Refused
from gateway.model.clouds import Cloud
from gateway.secret import Secret

PAT_LABEL = "azure_devops_pat"
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_RIGHTS = (
    "add the admin credential's service principal to the organisation (Basic) and make it Administrator of the "
    "service connection"
)
_NAMED = 5
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
        are_names = all(segment and "/" not in segment for segment in segments[:2])
        if parts.scheme != "https" or not (fits and are_names) or cloud.name != "AzureCloud":
            raise refuse(text, "is not the page of a service connection", cls.example)
        return cls(segments[0], segments[1], endpoint_id.lower(), optional)

    def check(self, context: DeliveryContext) -> list[str]:
        """It is there, signs in with a client secret of our app, and we are its administrator."""
        client_id = self._owner(context)
        endpoint = self._get(context)
        self.check_scheme(endpoint, client_id)
        try:
            may = self.organisation_of(context).may_administer(self._project_of(endpoint), self.endpoint_id)
        except CallError as error:
            return [cannot_be_asked(self.address, error)]
        if not may:
            raise Denied(f"{self.address}: we are not Administrator of the connection {endpoint.name!r}", _RIGHTS)
        return []

    def _project_of(self, endpoint: Endpoint) -> str:
        """By what the list of permissions knows the project of the address."""
        mine = [ident for ident, name in endpoint.projects if self.project.lower() in (ident, name.lower())]
        return next(iter([*mine, *(ident for ident, _ in endpoint.projects)]), "Collection")

    def check_scheme(self, endpoint: Endpoint, client_id: str) -> None:
        """It signs in with a client secret of this app, and takes a new one. Raises Failed."""
        name = f"{self.address}: the connection {endpoint.name!r}"
        if endpoint.scheme in ("WorkloadIdentityFederation", "ManagedServiceIdentity"):
            raise Failed(f"{name} signs in without a secret", "it needs no delivery: remove the line from deliver_to")
        if endpoint.authentication == "spnCertificate":
            raise Failed(f"{name} signs in with a certificate", "it needs no delivery: remove the line from deliver_to")
        if endpoint.client_id.lower() != client_id.lower():
            raise Failed(f"{name} is not of the app that is rotated", "name a connection with the app's client id")
        if endpoint.is_automatic:
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
        self.organisation_of(context).replace(self.endpoint_id, endpoint.with_key(delivery.value))
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
        try:
            answer = self.organisation_of(context).test(self.project, self.endpoint_id)
        except Refused as error:
            if error.status not in (400, 403, 404):
                raise
            return Tested.by_status(error.status, f"HTTP {error.status} {error.code}")
        # A test that ran and failed was offered, whatever its status.
        return Tested.by_status(
            {"ok": 200, "unauthorized": 401}.get(answer.status, 403), answer.message or answer.status
        )

    def _get(self, context: DeliveryContext) -> Endpoint:
        endpoint = self.organisation_of(context).endpoint(self.project, self.endpoint_id)
        if not endpoint:
            what = f"{self.address}: there is no such service connection, or we may not see it"
            raise Failed(what, f"{self._others(context)}{_RIGHTS}")
        return endpoint

    def _others(self, context: DeliveryContext) -> str:
        """What there is in the project for our app instead, as the beginning of a hint; empty where nothing is."""
        try:
            listed = self.organisation_of(context).endpoints(self.project)
        except CallError:
            return ""
        ours = context.delivery_form.roles["clientid"].lower()
        found = [f"{each.name!r} ({each.endpoint_id})" for each in listed if each.client_id.lower() == ours]
        return f"of this app the project has {', '.join(found[:_NAMED])}; else " if found else ""

    def organisation_of(self, context: DeliveryContext) -> DevOps:
        """Its organisation, with the token of an attached record, else with the admin credential."""
        token = Secret(next(filter(None, (attached.get(PAT_LABEL) for attached in context.attached)), ""))

        def authorization() -> str:
            return basic(token) if token else bearer(context.azure.token(SCOPE))

        signed_out = _TOKEN_ENDED if token else _RIGHTS
        return DevOps(context.http, self.address, self.organisation, authorization, signed_out, _RIGHTS)

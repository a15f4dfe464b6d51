"""An API connection of Logic Apps that signs in with what is rotated.

A connection is only ever replaced whole, and never shows its secrets: what it does not show and we do not hold would be
lost, so such a connection is refused. Permission: *Logic App Contributor* on the connection or its resource group.
Source: https://learn.microsoft.com/azure/templates/microsoft.web/connections
"""

from __future__ import annotations

from typing import Any

from gateway.azure.arm import arm_id
from gateway.deliveries.base import Delivery, DeliveryContext, Destination, Receipt, ask_arm, refuse
from gateway.deliveries.own_test import OwnTest, Tested, Verdict
from gateway.errors import Failed, Refused
from gateway.host.http import Answer
from gateway.model.clouds import Cloud

API_VERSION = "2016-06-01"
ROLE = "Logic App Contributor"
_JOIN = "Microsoft.Web/locations/managedApis/join/action"
_ACTIONS = ["Microsoft.Web/connections/read", "Microsoft.Web/connections/write"]


class ApiConnection(Destination):
    """One connection."""

    rights = f"give the rotating application's service principal the role {ROLE} on the connection"
    example = "/subscriptions/<id>/resourceGroups/<group>/providers/Microsoft.Web/connections/<name>"

    def __init__(self, resource: str, optional: bool) -> None:
        super().__init__(resource, optional)
        self._own_test = OwnTest(self.address)
        self._test_links: list[dict[str, Any]] = []

    @classmethod
    def recognise(cls, text: str, cloud: Cloud, optional: bool) -> Destination | None:
        """The connection's id, or its page in the portal."""
        found = arm_id(text, cloud, "Microsoft.Web", "connections")
        if found and not found[1]:
            return cls(found[0], optional)
        if "microsoft.web/" in text.lower():
            raise refuse(text, "is not an API connection", cls.example)
        return None

    def check(self, context: DeliveryContext) -> list[str]:
        """It is there, we may write it, and all that it needs is known."""
        connection = self._read(context)
        self.complete(context, connection, "")
        return ask_arm(context, self.address, _ACTIONS, ROLE)

    def deliver(self, context: DeliveryContext, delivery: Delivery) -> Receipt:
        """The whole connection with the new secret, then its own test."""
        connection = self._read(context)
        self.observe(context)
        body = self.complete(context, connection, delivery.value.reveal())

        def put() -> Answer:
            return context.azure.arm.send("PUT", self.address, API_VERSION, body)

        try:
            context.http.retrying(put)  # the same whole content twice is the same as once
        except Refused as error:
            if error.code == "LinkedAuthorizationFailed":
                error.hint = (
                    f"give the rotating application {_JOIN} on the connector: templates/roles/api_connector.json"
                )
            raise
        self._read(context)
        return Receipt(warnings=self._verify(context))

    def _read(self, context: DeliveryContext) -> dict[str, Any]:
        try:
            connection = context.azure.arm.get(self.address, API_VERSION)
        except Refused as error:
            if error.status == 404:
                raise Failed(f"{self.address}: there is no such connection", f"the form is {self.example}") from None
            raise
        self._test_links = (connection.get("properties") or {}).get("testLinks") or []
        return connection

    def complete(self, context: DeliveryContext, connection: dict[str, Any], secret: str) -> dict[str, Any]:
        """The body of the PUT: what the connection shows, and the sign-in in full. Raises Failed, CallError."""
        shown = connection.get("properties") or {}
        if shown.get("parameterValueType") == "Alternative":
            raise Failed(f"{self.address}: the connection signs in with a managed identity", "it needs no delivery")
        api = context.azure.arm.get(str((shown.get("api") or {}).get("id") or ""), API_VERSION).get("properties") or {}
        properties = {"displayName": shown.get("displayName"), "api": {"id": shown["api"]["id"]}}
        if shown.get("customParameterValues"):
            properties["customParameterValues"] = shown["customParameterValues"]
        chosen = shown.get("parameterValueSet")
        if chosen:
            sets = (api.get("connectionParameterSets") or {}).get("values") or []
            known = next((each.get("parameters") or {} for each in sets if each.get("name") == chosen.get("name")), {})
            have = {name: (entry or {}).get("value") for name, entry in (chosen.get("values") or {}).items()}
            filled = self._filled(context, known, have, secret)
            values = {name: {"value": value} for name, value in filled.items()}
            properties["parameterValueSet"] = {"name": chosen.get("name"), "values": values}
        else:
            have = dict(shown.get("nonSecretParameterValues") or {})
            known = api.get("connectionParameters") or {}
            properties["parameterValues"] = self._filled(context, known, have, secret)
        body = {key: connection[key] for key in ("location", "kind", "tags") if connection.get(key) is not None}
        return body | {"properties": properties}

    def _filled(
        self, context: DeliveryContext, known: dict[str, Any], have: dict[str, Any], secret: str
    ) -> dict[str, Any]:
        ours, by_role = context.delivery_form, {_role(name): name for name in known}
        if not ours.owner:
            what = f"{self.address}: a connection takes client secrets and access keys only"
            raise Failed(what, "remove the line from deliver_to")
        if ours.secret not in by_role:
            what = {"clientsecret": "client secret", "accesskey": "access key"}.get(ours.secret, ours.secret)
            raise Failed(f"{self.address}: the connection has no {what}", "remove the line from deliver_to")
        shown = {_role(name): str(value) for name, value in have.items() if value}
        owner, belongs = ours.roles[ours.owner], shown.get(ours.owner)
        if belongs and belongs.lower() != owner.lower():
            raise Failed(f"{self.address}: the connection is not of what is rotated", f"it signs in as {belongs}")
        values = {name: value for name, value in have.items() if value is not None}
        values |= {by_role[role]: shown.get(role) or value for role, value in ours.roles.items() if role in by_role}
        values[by_role[ours.secret]] = secret
        unknown = [name for name, about in known.items() if _is_secret(about) and name not in values]
        if unknown:
            raise Failed(
                f"{self.address}: an update would lose {', '.join(unknown)}, which the connection does not show",
                "this connection cannot be updated from outside: remove the line from deliver_to",
            )
        return values

    def observe(self, context: DeliveryContext) -> None:
        """Its own test, with what it holds."""
        self._own_test.observe(lambda: self._ask_test(context))

    def _verify(self, context: DeliveryContext) -> tuple[str, ...]:
        # What it signs in to may be a replica that does not know the secret yet.
        return context.http.retrying(lambda: self._own_test.judge(self._ask_test(context)))

    def _ask_test(self, context: DeliveryContext) -> Tested:
        """Its own test link, as it was read last; some connectors have none. Raises Failed, CallError."""
        link = self._test_links[0] if self._test_links else {}
        path = context.azure.arm.path_of(str(link.get("requestUri", "")))
        if not path:
            return Tested(Verdict.NOT_OFFERED, "the connection has no test")
        status, text = context.azure.arm.answer(str(link.get("method") or "GET").upper(), path)
        return Tested.by_status(status, f"HTTP {status} {text}")


def _role(name: str) -> str:
    # Connectors spell these differently (token:TenantId, token:tenantId): compared without case and prefix.
    return name.rpartition(":")[2].replace("_", "").lower()


def _is_secret(about: Any) -> bool:
    return isinstance(about, dict) and str(about.get("type", "")).lower() in ("securestring", "secureobject")

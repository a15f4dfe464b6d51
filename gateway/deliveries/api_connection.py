"""An API connection of Logic Apps that signs in with what is rotated.

A connection is only ever replaced whole, and never shows its secrets: what it does not show and we do not hold would be
lost, so such a connection is refused. Permission: *Logic App Contributor* on the connection or its resource group.
Source: https://learn.microsoft.com/azure/templates/microsoft.web/connections
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.azure.api_connections import Connection, ConnectionTest, is_secret, read_connection, read_connector
from gateway.azure.arm import arm_id
from gateway.azure.versions import API_CONNECTIONS
from gateway.deliveries.base import SEEN, Delivery, DeliveryContext, Destination, Receipt, ask_arm, refuse
from gateway.deliveries.own_test import OwnTest, Tested, Verdict
from gateway.errors import Failed, Refused
from gateway.host.http import Answer
from gateway.model.clouds import Cloud

ROLE = "Logic App Contributor"
_JOIN = "Microsoft.Web/locations/managedApis/join/action"
_ACTIONS = ["Microsoft.Web/connections/read", "Microsoft.Web/connections/write"]


class ApiConnection(Destination):
    """One connection."""

    rights = f"give the admin credential's service principal the role {ROLE} on the connection"
    example = "/subscriptions/<id>/resourceGroups/<group>/providers/Microsoft.Web/connections/<name>"

    def __init__(self, resource: str, optional: bool) -> None:
        super().__init__(resource, optional)
        self._own_test = OwnTest(self.address)
        self._test: ConnectionTest | None = None

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
            return context.azure.arm.send("PUT", self.address, API_CONNECTIONS, body)

        try:
            context.http.retrying(put)  # the same whole content twice is the same as once
        except Refused as error:
            if error.code == "LinkedAuthorizationFailed":
                error.hint = f"give the admin credential {_JOIN} on the connector: templates/roles/api_connector.json"
            raise
        self._read(context)
        return Receipt(warnings=self._verify(context))

    def _read(self, context: DeliveryContext) -> Connection:
        try:
            connection = read_connection(context.azure.arm.get(self.address, API_CONNECTIONS), self.address)
        except Refused as error:
            if error.status == 404:
                raise Failed(f"{self.address}: there is no such connection", SEEN) from None
            raise
        self._test = connection.test
        return connection

    def complete(self, context: DeliveryContext, connection: Connection, secret: str) -> dict[str, Any]:
        """The body of the PUT: what the connection shows, and the sign-in in full. Raises Failed, CallError."""
        if connection.by_identity:
            raise Failed(f"{self.address}: the connection signs in with a managed identity", "it needs no delivery")
        connector = read_connector(context.azure.arm.get(connection.connector, API_CONNECTIONS), self.address)
        known = connector.parameters_of(connection.chosen)
        return connection.whole(self._filled(context, known, connection.values, secret))

    def _filled(
        self, context: DeliveryContext, known: Mapping[str, str], have: Mapping[str, Any], secret: str
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
        unknown = [name for name, kind in known.items() if is_secret(kind) and name not in values]
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
        path = context.azure.arm.path_of(self._test.link) if self._test else ""
        if not self._test or not path:
            return Tested(Verdict.NOT_OFFERED, "the connection has no test")
        status, text = context.azure.arm.answer(self._test.method, path)
        return Tested.by_status(status, f"HTTP {status} {text}")


def _role(name: str) -> str:
    # Connectors spell these differently (token:TenantId, token:tenantId): compared without case and prefix.
    return name.rpartition(":")[2].replace("_", "").lower()

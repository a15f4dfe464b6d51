"""Logic Apps API connections: what is shown never suffices to store it again, and storing replaces everything."""

from __future__ import annotations

import re
from typing import Any

from sandbox.arm.base import GROUP, ArmError, collection, json_object
from sandbox.arm.service import Arm
from sandbox.entra.directory import new_id
from sandbox.entra.service import Entra
from sandbox.logic_apps.connections import CONNECTION_TYPE, IDENTITY, Connection
from sandbox.logic_apps.connectors import CATALOGUE, CLIENT_ID, CLIENT_SECRET, MANAGED_API, MANAGED_APIS, Connector
from sandbox.proxy.messages import Request, Response
from sandbox.proxy.service import STATE, Part, route
from sandbox.storage.service import Storage

CONNECTIONS = GROUP + r"/providers/Microsoft\.Web/connections"
CONNECTION = CONNECTIONS + r"/(?P<connection>[^/]+)"
JOIN = "Microsoft.Web/locations/managedApis/join/action"


class Connections(Part):
    """The part of Microsoft.Web that belongs to Logic Apps.

    ``hidden``: parameters that are never shown, though they are no secrets. ``test_links``: whether connections have
    one. ``powerless``: names of connections whose sign-in may not do what their test does. ``join_required``: whether
    storing one also takes a permission on its connector.
    """

    def __init__(self, arm: Arm, entra: Entra, storage: Storage) -> None:
        self.arm = arm
        self.entra = entra
        self.storage = storage
        self.clock = arm.clock
        self.catalogue = dict(CATALOGUE)
        self.hidden: set[str] = set()
        self.test_links = True
        self.powerless: set[str] = set()
        self.join_required = False

    # -- for tests and the demo ---------------------------------------------------------------------------------

    def add_connection(
        self, name: str, connector: str, values: dict[str, Any], *, chosen: str | None = None,
        group: str = "rotation", kind: str | None = "V1", display_name: str = "", value_type: str | None = None,
        tags: dict[str, str] | None = None, location: str = "westeurope",
    ) -> Connection:  # fmt: skip
        """Make a connection; ``chosen`` names the parameter set that the values belong to."""
        resources, now = self.arm.resources, self.clock.now()
        connection = Connection(
            f"{resources.group_id(group)}/providers/{CONNECTION_TYPE}/{name}", CONNECTION_TYPE, location, tags or {},
            self.catalogue[connector], self._api_id(location, connector), kind, display_name or name, dict(values),
            chosen, value_type, {}, now, now,
        )  # fmt: skip
        with STATE:
            return resources.add(connection)

    def stored(self, name: str) -> dict[str, Any]:
        """All that is kept of a connection, secrets included, by its name or ARM id. Raises KeyError."""
        with STATE:
            return self.find(name).stored()

    def find(self, name: str) -> Connection:
        """A connection by its name or ARM id. Raises KeyError."""
        for connection in self.arm.resources.below(self.arm.resources.subscription, Connection):
            if name.lower() in (connection.name.lower(), connection.id.lower()):
                return connection
        raise KeyError(name)

    def works(self, name: str) -> bool:
        """Whether the connection reaches what it connects to now."""
        with STATE:
            return self._refusal(self.find(name)) is None

    # -- the wire -----------------------------------------------------------------------------------------------

    @route("GET", MANAGED_API, "get_managed_api")
    def get_managed_api(self, request: Request, match: re.Match[str]) -> Response:
        """A connector and its parameters; anyone with a role in the subscription may look."""
        caller = self.arm.caller(request)
        if not self.arm.roles.anything_in(caller.client_id, self.arm.resources.subscription):
            self.arm.authorize(request, "Microsoft.Web/locations/managedApis/read", match[0])
        connector = self._connector(match["api"])
        return Response.of(200, connector.shown(self._api_id(match["location"], connector.name), match["location"]))

    @route("GET", MANAGED_APIS, "list_managed_apis")
    def list_managed_apis(self, request: Request, match: re.Match[str]) -> Response:
        """All connectors."""
        location = match["location"]
        return collection(
            connector.shown(self._api_id(location, name), location) for name, connector in self.catalogue.items()
        )

    @route("GET", CONNECTIONS, "list_connections")
    def list_connections(self, request: Request, match: re.Match[str]) -> Response:
        """The connections of a resource group that the caller may read."""
        found = self.arm.visible(request, match, Connection, f"{CONNECTION_TYPE}/read")
        return Response.of(200, {"value": [self._shown(request, connection) for connection in found]})

    @route("GET", CONNECTION, "get_connection")
    def get_connection(self, request: Request, match: re.Match[str]) -> Response:
        """One connection, without its secrets."""
        return Response.of(200, self._shown(request, self._connection(request, match, "read")))

    @route("PUT", CONNECTION, "put_connection")
    def put_connection(self, request: Request, match: re.Match[str]) -> Response:
        """Store a connection. Whatever the body does not hold is gone."""
        self.arm.authorize(request, f"{CONNECTION_TYPE}/write", match[0])
        self.arm.group(match[0])
        content = json_object(request)
        properties = content.get("properties")
        if not isinstance(properties, dict) or not content.get("location"):
            raise ArmError(400, "InvalidRequestContent", "A connection needs a location and properties.")
        connector = self._wanted_connector(request, properties)
        values, chosen = self._wanted_values(properties, connector)
        known = self.arm.resources.find(match[0], Connection)
        now = self.clock.now()
        connection = self.arm.resources.add(Connection(
            known.id if known else match[0], CONNECTION_TYPE, content["location"], dict(content.get("tags") or {}),
            connector, self._api_id(content["location"], connector.name), content.get("kind"),
            str(properties.get("displayName") or ""), values, chosen, properties.get("parameterValueType"),
            dict(properties.get("customParameterValues") or {}), known.created if known else now, now,
        ))  # fmt: skip
        return Response.of(200 if known else 201, self._shown(request, connection))

    @route("PATCH", CONNECTION, "patch_connection")
    def patch_connection(self, request: Request, match: re.Match[str]) -> Response:
        """Change the tags; nothing else of a connection can be patched."""
        connection = self._connection(request, match, "write")
        content = json_object(request)
        if "properties" in content:
            message = f"The connection '{connection.name}' was not changed: nothing in properties can be patched."
            raise ArmError(400, "PatchApiConnectionPropertiesNotSupported", message)
        connection.tags = dict(content.get("tags") or connection.tags)
        return Response.of(200, self._shown(request, connection))

    @route("DELETE", CONNECTION, "delete_connection")
    def delete_connection(self, request: Request, match: re.Match[str]) -> Response:
        """Remove a connection."""
        self.arm.authorize(request, f"{CONNECTION_TYPE}/delete", match[0])
        there = self.arm.resources.find(match[0], Connection) is not None
        self.arm.resources.remove(match[0])
        return Response(200 if there else 204)

    @route("POST", CONNECTION + "/listConsentLinks", "list_consent_links")
    def list_consent_links(self, request: Request, match: re.Match[str]) -> Response:
        """Where a person would consent to it."""
        connection = self._connection(request, match, "listConsentLinks/action")
        asked = json_object(request).get("parameters") or []
        status = "Unauthenticated" if connection.missing else "Authenticated"
        return Response.of(200, {"value": [
            {"link": f"https://logic-apis-{connection.location}.consent.azure-apim.net/login", "status": status}
            for _ in asked
        ]})  # fmt: skip

    @route("GET", CONNECTION + "/extensions/proxy/testConnection", "test_connection")
    def test_connection(self, request: Request, match: re.Match[str]) -> Response:
        """Use the connection once, with what is stored in it. The body is the connector's own: here, as often, none."""
        connection = self._connection(request, match, "read")
        refusal = self._refusal(connection)
        if refusal:
            raise refusal
        if connection.name in self.powerless:
            return Response.of(403, {  # the connector's own form of an error
                "status": 403, "message": "Operation failed because client does not have permission to perform the "
                f"operation on the key vault.\r\nclientRequestId: {new_id()}", "source": "keyvault-we.azconn-we.net",
            })  # fmt: skip
        return Response(200)

    # -- behind them --------------------------------------------------------------------------------------------

    def _connection(self, request: Request, match: re.Match[str], action: str) -> Connection:
        resource_id = match[0][: match.end("connection")]
        return self.arm.resource(request, resource_id, Connection, f"{CONNECTION_TYPE}/{action}", CONNECTION_TYPE)

    def _shown(self, request: Request, connection: Connection) -> dict[str, Any]:
        shown = connection.shown(request.host, self.hidden)
        if not self.test_links:
            shown["properties"]["testLinks"] = []
        return shown

    def _api_id(self, location: str, connector: str) -> str:
        return f"{self.arm.resources.subscription}/providers/Microsoft.Web/locations/{location}/managedApis/{connector}"

    def _connector(self, name: str) -> Connector:
        connector = self.catalogue.get(name.lower())
        if connector is None:
            raise ArmError(404, "ApiNotFound", f"There is no managed API '{name}' here.")
        return connector

    def _wanted_connector(self, request: Request, properties: dict[str, Any]) -> Connector:
        api_id = str((properties.get("api") or {}).get("id") or "")
        connector = self._connector(api_id.rsplit("/", 1)[-1])
        caller = self.arm.caller(request)
        if self.join_required and not self.arm.roles.allowed(caller.client_id, JOIN, api_id):
            message = f"The client may write the connection, but not perform '{JOIN}' on '{api_id}'."
            raise ArmError(403, "LinkedAuthorizationFailed", message)
        return connector

    def _wanted_values(self, properties: dict[str, Any], connector: Connector) -> tuple[dict[str, Any], str | None]:
        plain, chosen = properties.get("parameterValues"), properties.get("parameterValueSet")
        shown = properties.get("nonSecretParameterValues")
        if plain is not None and chosen is not None:
            raise ArmError(400, "BadRequest", "A connection has parameterValues or a parameterValueSet, not both.")
        if shown is not None and (plain is not None or chosen is not None):
            raise ArmError(400, "BadRequest", "nonSecretParameterValues cannot stand beside other parameters.")
        if chosen is not None:
            wrapped = chosen.get("values") or {}
            values = {name: entry.get("value") for name, entry in wrapped.items() if isinstance(entry, dict)}
            return values, str(chosen.get("name"))
        values = dict(plain if plain is not None else shown or {})
        for name in values:
            if name not in connector.parameters and properties.get("parameterValueType") != IDENTITY:
                message = f"The parameter '{name}' is not one of the connector '{connector.name}'."
                raise ArmError(400, "ParameterNotDefined", message)
        return values, None

    def _refusal(self, connection: Connection) -> ArmError | None:
        if connection.missing:
            return ArmError(400, "Unauthenticated", "The connection is not authenticated.")
        values = connection.values
        if CLIENT_SECRET in values:
            tenant = next((values[name] for name in values if name.lower() == "token:tenantid"), None)
            known = tenant in (self.arm.directory.tenant_id, self.arm.directory.domain)
            accepted = known and self.entra.secret_works(str(values[CLIENT_ID]), str(values[CLIENT_SECRET]))
        elif key := next((values[name] for name in ("accessKey", "sharedkey") if name in values), None):
            account = values.get("accountName") or values.get("storageaccount")
            accepted = self.storage.key_works(str(account), str(key))
        else:
            accepted = True
        return None if accepted else ArmError(401, "Unauthorized", "The connection's credential was refused.")

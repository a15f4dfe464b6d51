"""An API connection: all that is stored of it, and the part that anyone is ever shown."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sandbox.arm.base import Resource
from sandbox.logic_apps.connectors import GRANT_TYPE, STRING, Connector

CONNECTION_TYPE = "Microsoft.Web/connections"
IDENTITY = "Alternative"


@dataclass
class Connection(Resource):
    """A connection of Microsoft.Web. ``values`` and ``chosen``: its parameters, and the set they belong to, if any."""

    connector: Connector = field(default_factory=lambda: Connector("", ""))
    api_id: str = ""
    kind: str | None = "V1"
    display_name: str = ""
    values: dict[str, Any] = field(default_factory=dict, repr=False)
    chosen: str | None = None
    value_type: str | None = None
    custom: dict[str, Any] = field(default_factory=dict)
    created: float = 0.0
    changed: float = 0.0

    def stored(self) -> dict[str, Any]:
        """Everything, secrets too, in the form of a PUT's properties."""
        content: dict[str, Any] = {
            "displayName": self.display_name, "api": {"id": self.api_id}, "customParameterValues": dict(self.custom)
        }  # fmt: skip
        if self.value_type:
            content["parameterValueType"] = self.value_type
        if self.chosen is not None:
            wrapped = {name: {"value": value} for name, value in self.values.items()}
            return content | {"parameterValueSet": {"name": self.chosen, "values": wrapped}}
        return content | {"parameterValues": copy.deepcopy(self.values)}

    @property
    def missing(self) -> list[str]:
        """The parameters without which it is not authenticated."""
        if self.value_type == IDENTITY or self.chosen == "managedIdentityAuth":
            return []
        if self.connector.types(self.chosen) is None or (self.connector.sets and self.chosen is None):
            return ["parameterValueSet"]
        missing = [name for name in self.connector.required(self.chosen) if not self.values.get(name)]
        if self.connector.needs_a_person and "token" not in self.values:
            missing.append("token")
        if self.values.get(GRANT_TYPE, "client_credentials") != "client_credentials":
            missing.append(GRANT_TYPE)
        return missing

    def shown(self, host: str, hidden: set[str]) -> dict[str, Any]:
        """As ARM shows it: no parameter of a secure type, and none of the ``hidden``."""
        properties: dict[str, Any] = {
            "displayName": self.display_name,
            "statuses": self._statuses(),
            "overallStatus": "Error" if self.missing else "Connected",
            "customParameterValues": dict(self.custom),
            "createdTime": moment(self.created),
            "changedTime": moment(self.changed),
            "api": self.connector.reference(self.api_id),
            "testLinks": self._test_links(host),
            "testRequests": [],
        }
        if self.value_type:
            properties["parameterValueType"] = self.value_type
        if self.chosen is not None:
            values = {name: {"value": value} for name, value in self._open_values(hidden).items()}
            properties["parameterValueSet"] = {"name": self.chosen, "values": values}
        else:
            properties["nonSecretParameterValues"] = self._open_values(hidden)
        return self.summary() | ({"kind": self.kind} if self.kind else {}) | {"properties": properties}

    def _open_values(self, hidden: set[str]) -> dict[str, Any]:
        types = self.connector.types(self.chosen) or {}
        return {
            name: value for name, value in self.values.items() if types.get(name) == STRING and name not in hidden
        }  # fmt: skip

    def _statuses(self) -> list[dict[str, Any]]:
        if not self.missing:
            return [{"status": "Connected"}]
        error = {"code": "Unauthenticated", "message": "The connection is not authenticated."}
        return [{"status": "Error", "target": "token", "error": error}]

    def _test_links(self, host: str) -> list[dict[str, str]]:
        uri = f"https://{host}:443{self.id}/extensions/proxy/testConnection?api-version=2018-07-01-preview"
        return [{"requestUri": uri, "method": "get"}]


def moment(at: float) -> str:
    """A moment as Microsoft.Web writes it: up to seven digits, as many as there are."""
    digits = f"{at % 1:.7f}".split(".")[1].rstrip("0")
    whole = datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{whole}.{digits or '0'}Z"

"""The managed connectors that API connections stand on: which parameters each of them takes.

The spelling of ``token:TenantId`` is each connector's own affair, and a client has to read it here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sandbox.arm.base import SUBSCRIPTION

STRING, SECURE, SIGN_IN = "string", "securestring", "oauthSetting"
CLIENT_ID, CLIENT_SECRET, GRANT_TYPE = "token:clientId", "token:clientSecret", "token:grantType"
MANAGED_APIS = SUBSCRIPTION + r"/providers/Microsoft\.Web/locations/(?P<location>[^/]+)/managedApis"
MANAGED_API = MANAGED_APIS + r"/(?P<api>[^/]+)"
OPTIONAL = ("token", "token:resourceUri", "gateway")


def service_principal(tenant: str = "token:TenantId", **more: str) -> dict[str, str]:
    """The parameters of a connector that signs in as an application, and its own ones."""
    return {"token": SIGN_IN, CLIENT_ID: STRING, CLIENT_SECRET: SECURE, tenant: STRING, GRANT_TYPE: STRING} | more


@dataclass(frozen=True)
class Connector:
    """A managed API. ``parameters``: name to type; ``sets``: the same for each way to authenticate, if several."""

    name: str
    title: str
    parameters: dict[str, str] = field(default_factory=dict)
    sets: dict[str, dict[str, str]] = field(default_factory=dict)

    def types(self, chosen: str | None = None) -> dict[str, str] | None:
        """The parameters of a set, or those outside any set; None if there is no such set."""
        return self.parameters if chosen is None else self.sets.get(chosen)

    def required(self, chosen: str | None = None) -> list[str]:
        """What a connection needs before it can do anything."""
        return [name for name in self.types(chosen) or {} if name not in OPTIONAL]

    @property
    def needs_a_person(self) -> bool:
        """Whether only somebody's consent in a browser can authenticate it."""
        return self.parameters == {"token": SIGN_IN}

    def reference(self, api_id: str) -> dict[str, Any]:
        """As a connection shows what it stands on."""
        return {
            "name": self.name, "displayName": self.title, "description": f"Connects to {self.title}.",
            "iconUri": f"https://connectoricons.example/{self.name}/icon.png", "brandColor": "#0072C6", "id": api_id,
            "type": "Microsoft.Web/locations/managedApis",
        }  # fmt: skip

    def shown(self, api_id: str, location: str) -> dict[str, Any]:
        """As the managed API itself is shown."""
        properties: dict[str, Any] = {
            "name": self.name,
            "connectionParameters": _described(self.parameters),
            "generalInformation": {"displayName": self.title, "description": f"Connects to {self.title}."},
            "capabilities": ["actions"],
            "runtimeUrls": [],
        }
        if self.sets:
            properties["connectionParameterSets"] = {
                "uiDefinition": {"displayName": "Authentication type"},
                "values": [
                    {"name": name, "uiDefinition": {"displayName": name}, "parameters": _described(types)}
                    for name, types in self.sets.items()
                ],
            }
        return {
            "id": api_id, "name": self.name, "type": "Microsoft.Web/locations/managedApis", "location": location,
            "properties": properties,
        }  # fmt: skip


CATALOGUE = {
    connector.name: connector
    for connector in (
        Connector("keyvault", "Azure Key Vault", service_principal(vaultName=STRING)),
        Connector("azureeventgrid", "Azure Event Grid", service_principal("token:tenantId")),
        Connector("azureblob", "Azure Blob Storage", {"accountName": STRING, "accessKey": SECURE}),
        Connector("office365", "Office 365 Outlook", {"token": SIGN_IN}),
        Connector("azuretables", "Azure Table Storage", {}, {
            "keyBasedAuth": {"storageaccount": STRING, "sharedkey": SECURE},
            "oauthSP": service_principal(storageaccount=STRING),
            "managedIdentityAuth": {},
        }),
    )
}  # fmt: skip


def _described(types: dict[str, str]) -> dict[str, Any]:
    return {name: _definition(name, kind) for name, kind in types.items()}


def _definition(name: str, kind: str) -> dict[str, Any]:
    hidden = str(name.startswith("token:")).lower()
    constraints = {"required": str(name not in OPTIONAL and hidden == "false").lower(), "hidden": hidden}
    definition: dict[str, Any] = {
        "type": kind, "uiDefinition": {"displayName": name, "constraints": constraints},
    }  # fmt: skip
    if kind == SIGN_IN:
        definition["oAuthSettings"] = {
            "identityProvider": "aad", "scopes": [], "redirectMode": "Global",
            "properties": {"IsFirstParty": "True", "AzureActiveDirectoryResourceId": "https://management.azure.com"},
        }  # fmt: skip
    return definition

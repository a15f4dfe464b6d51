"""Storage accounts and their two keys, as Resource Manager shows them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sandbox.arm.base import Resource
from sandbox.proxy.messages import Response

STORAGE_TYPE = "Microsoft.Storage/storageAccounts"
SUFFIXES = ("core.windows.net", "core.usgovcloudapi.net", "core.chinacloudapi.cn")
KEY_NAMES = ("key1", "key2")
SERVICES = ("blob", "queue", "table", "file")
PER_SERVICE_SINCE = "2025-08-01"
NAME = re.compile(r"[a-z0-9]{3,24}")


@dataclass
class StorageKey:
    """One key of an account, accepted from a moment on. ``created`` None: Azure does not tell."""

    value: str = field(repr=False)
    created: float | None = None
    usable_from: float = 0.0


@dataclass
class StorageAccount(Resource):
    """A storage account with ``key1`` and ``key2``.

    ``suffix``: how its hosts end, which is its cloud; ``services``: those that it has.
    """

    keys: dict[str, StorageKey] = field(default_factory=dict)
    suffix: str = SUFFIXES[0]
    created: float = 0.0
    allow_shared_key: bool = True
    expiry_days: int | None = None
    sku: str = "Standard_LRS"
    kind: str = "StorageV2"
    services: tuple[str, ...] = SERVICES
    without_keys: tuple[str, ...] = ()
    """services that take no keys, of an account that admits them"""
    closed: tuple[str, ...] = ()
    """services whose network lets nobody in, as where only another one has a private endpoint"""

    def host(self, service: str) -> str:
        """The host of one of its services: ``blob``, ``queue``, ``table`` or ``file``."""
        return f"{self.name}.{service}.{self.suffix}"

    @property
    def blob_url(self) -> str:
        """Where its blobs are, with a slash at the end."""
        return f"https://{self.host('blob')}/"

    def connection_string(self, name: str) -> str:
        """The connection string with this key, as the portal offers it to be copied."""
        return (
            f"DefaultEndpointsProtocol=https;AccountName={self.name};AccountKey={self.keys[name].value};"
            f"EndpointSuffix={self.suffix}"
        )

    def creation_times(self) -> dict[str, str | None]:
        """When each key was made, in the very text that Resource Manager shows; null where it does not tell."""
        return {name: moment(key.created) if key.created else None for name, key in self.keys.items()}

    def admits_keys(self, service: str) -> bool:
        """Whether one of its services takes its keys."""
        return self.allow_shared_key and service not in self.without_keys

    def shown(self, version: str) -> dict[str, Any]:
        """As ARM shows it in this version of its API: the keys' ages, never the keys."""
        policy = {"keyPolicy": {"keyExpirationPeriodInDays": self.expiry_days}} if self.expiry_days else {}
        # An account on which nobody ever set this does not show it, and accepts its keys.
        shared: dict[str, Any] = {} if self.allow_shared_key else {"allowSharedKeyAccess": False}
        if version >= PER_SERVICE_SINCE:
            each = {name: {"enabled": name not in self.without_keys} for name in SERVICES}
            shared["allowSharedKeyAccessForServices"] = each if self.without_keys else None
        return {"sku": {"name": self.sku, "tier": self.sku.split("_")[0]}, "kind": self.kind} | self.summary() | {
            "properties": policy | shared | {
                "keyCreationTime": self.creation_times(),
                "allowCrossTenantReplication": False,
                "privateEndpointConnections": [],
                "minimumTlsVersion": "TLS1_2",
                "allowBlobPublicAccess": False,
                "supportsHttpsTrafficOnly": True,
                "creationTime": moment(self.created),
                "primaryEndpoints": {service: f"https://{self.host(service)}/" for service in self.services},
                "primaryLocation": self.location,
                "provisioningState": "Succeeded",
                "statusOfPrimary": "available",
            }
        }  # fmt: skip

    def key_list(self) -> Response:
        """Both keys, whichever was asked for."""
        made = self.creation_times()
        return Response.of(200, {"keys": [
            {"creationTime": made[name], "keyName": name, "value": key.value, "permissions": "FULL"}
            for name, key in self.keys.items()
        ]})  # fmt: skip


def moment(at: float) -> str:
    """A moment as Microsoft.Storage writes it: with seven digits of a second."""
    return f"{datetime.fromtimestamp(at, UTC).strftime('%Y-%m-%dT%H:%M:%S.%f')}0Z"

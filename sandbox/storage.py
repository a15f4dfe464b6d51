"""Storage accounts and their two keys; what is kept in the accounts is not served."""

from __future__ import annotations

import base64
import os
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sandbox.arm import Arm
from sandbox.arm_base import GROUP, SUBSCRIPTION, ArmError, Provider, Resource, json_object
from sandbox.messages import Request, Response
from sandbox.service import STATE, route

STORAGE_TYPE = "Microsoft.Storage/storageAccounts"
KIND = r"/providers/Microsoft\.Storage/storageAccounts"
ACCOUNT = GROUP + KIND + r"/(?P<account>[^/]+)"


@dataclass
class StorageKey:
    """One key of an account."""

    value: str = field(repr=False)
    created: float = 0.0


@dataclass
class StorageAccount(Resource):
    """A storage account with ``key1`` and ``key2``."""

    keys: dict[str, StorageKey] = field(default_factory=dict)
    expiry_days: int | None = None

    def shown(self) -> dict[str, Any]:
        """As ARM shows it: the keys' ages, never the keys."""
        policy = {"keyPolicy": {"keyExpirationPeriodInDays": self.expiry_days}} if self.expiry_days else {}
        return {"sku": {"name": "Standard_LRS", "tier": "Standard"}, "kind": "StorageV2"} | self.summary() | {
            "properties": policy | {
                "keyCreationTime": {name: moment(key.created) for name, key in self.keys.items()},
                "allowCrossTenantReplication": False,
                "privateEndpointConnections": [],
                "minimumTlsVersion": "TLS1_2",
                "allowBlobPublicAccess": False,
                "supportsHttpsTrafficOnly": True,
                "creationTime": moment(min(key.created for key in self.keys.values())),
                "primaryEndpoints": {"blob": f"https://{self.name}.blob.core.windows.net/"},
                "primaryLocation": self.location,
                "provisioningState": "Succeeded",
                "statusOfPrimary": "available",
            }
        }  # fmt: skip

    def key_list(self) -> Response:
        """Both keys, whichever was asked for."""
        return Response.of(200, {"keys": [
            {"creationTime": moment(key.created), "keyName": name, "value": key.value, "permissions": "FULL"}
            for name, key in self.keys.items()
        ]})  # fmt: skip


class Storage(Provider):
    """The resource provider Microsoft.Storage, as far as keys go."""

    def __init__(self, arm: Arm) -> None:
        self.arm = arm
        arm.providers.append(self)

    # -- for tests and the demo ---------------------------------------------------------------------------------

    def add_account(self, name: str, group: str = "rotation", age_days: float = 100.0) -> StorageAccount:
        """Make a storage account."""
        resource_id = f"{self.arm.resources.group_id(group)}/providers/{STORAGE_TYPE}/{name}"
        created = self.arm.clock.now() - age_days * 86400
        with STATE:
            keys = {key: self._new_key(created) for key in ("key1", "key2")}
            return self.arm.resources.add(StorageAccount(resource_id, STORAGE_TYPE, keys=keys))

    def key_works(self, account: str, value: str) -> bool:
        """Whether a key opens the account of this name now."""
        with STATE:
            found = self.arm.resources.below(self.arm.resources.subscription, StorageAccount)
            return any(
                key.value == value for entry in found if entry.name == account for key in entry.keys.values()
            )  # fmt: skip

    # -- the wire -----------------------------------------------------------------------------------------------

    @route("GET", SUBSCRIPTION + KIND, "list_storage_accounts")
    @route("GET", GROUP + KIND, "list_storage_accounts")
    def list_accounts(self, request: Request, match: re.Match[str]) -> Response:
        """The accounts that the caller may read."""
        accounts = self.arm.visible(request, match, StorageAccount, f"{STORAGE_TYPE}/read")
        return Response.of(200, {"value": [account.shown() for account in accounts]})

    @route("GET", ACCOUNT, "get_storage_account")
    def get_account(self, request: Request, match: re.Match[str]) -> Response:
        """One account."""
        return Response.of(200, self._account(request, match, "read").shown())

    @route("POST", ACCOUNT + "/listKeys", "list_storage_keys")
    def list_keys(self, request: Request, match: re.Match[str]) -> Response:
        """Both keys in clear."""
        return self._account(request, match, "listkeys/action").key_list()

    @route("POST", ACCOUNT + "/regenerateKey", "regenerate_storage_key")
    def regenerate_key(self, request: Request, match: re.Match[str]) -> Response:
        """Replace one key: the old one is dead at once, and the answer shows both."""
        account = self._account(request, match, "regeneratekey/action")
        name = str(json_object(request).get("keyName"))
        if name not in account.keys:
            raise ArmError(400, "InvalidValuesForRequestParameters", f"There is no key '{name}'.")
        account.keys[name] = self._new_key(self.arm.clock.now())
        return account.key_list()

    def _account(self, request: Request, match: re.Match[str], action: str) -> StorageAccount:
        resource_id = match[0][: match.end("account")]
        return self.arm.resource(request, resource_id, StorageAccount, f"{STORAGE_TYPE}/{action}", STORAGE_TYPE)

    def _new_key(self, created: float) -> StorageKey:
        value = base64.b64encode(os.urandom(64)).decode()
        self.arm.directory.issued.append(value)
        return StorageKey(value, created)


def moment(at: float) -> str:
    """A moment as Microsoft.Storage writes it: with seven digits of a second."""
    return f"{datetime.fromtimestamp(at, UTC).strftime('%Y-%m-%dT%H:%M:%S.%f')}0Z"

"""Storage accounts and their two keys; what the keys open is in blobs.py."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Sequence
from typing import Any

from sandbox.arm.base import GROUP, SUBSCRIPTION, ArmError, json_object, page
from sandbox.arm.service import Arm
from sandbox.proxy.messages import Request, Response
from sandbox.proxy.service import STATE, Part, route
from sandbox.storage.accounts import KEY_NAMES, NAME, STORAGE_TYPE, SUFFIXES, StorageAccount, StorageKey

KIND = r"/providers/Microsoft\.Storage/storageAccounts"
ACCOUNT = GROUP + KIND + r"/(?P<account>[^/]+)"
OPERATION = SUBSCRIPTION + r"/providers/Microsoft\.Storage/locations/(?P<location>[^/]+)/asyncoperations/"


class Storage(Part):
    """The resource provider Microsoft.Storage, as far as keys go.

    ``propagation_seconds``: a regenerated key is accepted only after so long; its old value stops at once.
    ``front_end_lags``: how many seconds later than that each front end knows it. A connection meets one of them.
    """

    def __init__(self, arm: Arm) -> None:
        self.arm = arm
        self.propagation_seconds = 0.0
        self.front_end_lags: Sequence[float] = (0.0,)
        self.regenerations: list[tuple[str, str]] = []
        """Account and key name of every regeneration, whoever did it, in order."""

    # -- for tests and the demo ---------------------------------------------------------------------------------

    def add_account(
        self, name: str, group: str = "rotation", age_days: float = 100.0, *, suffix: str = SUFFIXES[0],
        allow_shared_key: bool = True, ages_known: bool = True,
    ) -> StorageAccount:  # fmt: skip
        """Make a storage account. Raises ValueError if Azure would not take the name or knows no such suffix.

        ``ages_known``: whether Azure shows when the keys were made, which it does not before their first regeneration
        where the account is an old one.
        """
        if not NAME.fullmatch(name) or suffix not in SUFFIXES:
            raise ValueError(f"no storage account can be at {name}.blob.{suffix}")
        resource_id = f"{self.arm.resources.group_id(group)}/providers/{STORAGE_TYPE}/{name}"
        created = self.arm.clock.now() - age_days * 86400
        with STATE:
            if group.lower() not in self.arm.resources.groups:
                self.arm.resources.add_group(group)
            keys = {key: self._new_key(created if ages_known else None) for key in KEY_NAMES}
            return self.arm.resources.add(StorageAccount(
                resource_id, STORAGE_TYPE, keys=keys, suffix=suffix, created=created, allow_shared_key=allow_shared_key
            ))  # fmt: skip

    def accounts(self) -> list[StorageAccount]:
        """All accounts, by id."""
        with STATE:
            return self.arm.resources.below(self.arm.resources.subscription, StorageAccount)

    def get(self, account: StorageAccount | str) -> StorageAccount:
        """An account by its name or ARM id. Raises KeyError."""
        if isinstance(account, StorageAccount):
            return account
        wanted = account.lower().rstrip("/")
        found = next((entry for entry in self.accounts() if wanted in (entry.name, entry.id.lower())), None)
        if found is None:
            raise KeyError(account)
        return found

    def keys(self, account: StorageAccount | str) -> dict[str, str]:
        """The values of both keys, by name."""
        with STATE:
            return {name: key.value for name, key in self.get(account).keys.items()}

    def creation_times(self, account: StorageAccount | str) -> dict[str, str | None]:
        """When each key was made, in the very text that Resource Manager shows; the text sorts by time."""
        with STATE:
            return self.get(account).creation_times()

    def regenerate(self, account: StorageAccount | str, name: str) -> str:
        """Replace a key, as a person in the portal would; returns the new value. Raises KeyError."""
        with STATE:
            found = self.get(account)
            _ = found.keys[name]
            now = self.arm.clock.now()
            found.keys[name] = self._new_key(now, now + self.propagation_seconds)
            self.regenerations.append((found.name, name))
            return found.keys[name].value

    def usable(self, account: StorageAccount, connection: int | None = None) -> list[str]:
        """The values of the keys that are accepted now, by this connection or by every one; none where keys are not."""
        lags = self.front_end_lags
        now = self.arm.clock.now() - (max(lags) if connection is None else lags[connection % len(lags)])
        with STATE:
            fresh = [key.value for key in account.keys.values() if key.usable_from <= now]
            return fresh if account.allow_shared_key else []

    def key_works(self, account: str, value: str) -> bool:
        """Whether a key opens the account of this name now."""
        return any(value in self.usable(entry) for entry in self.accounts() if entry.name == account)

    # -- the wire -----------------------------------------------------------------------------------------------

    @route("GET", SUBSCRIPTION + KIND, "list_storage_accounts")
    @route("GET", GROUP + KIND, "list_storage_accounts")
    def list_accounts(self, request: Request, match: re.Match[str]) -> Response:
        """The accounts that the caller may read."""
        accounts = self.arm.visible(request, match, StorageAccount, f"{STORAGE_TYPE}/read")
        shown = [account.shown(request.query["api-version"]) for account in accounts]
        return Response.of(200, page(request, shown, self.arm.page_size))

    @route("GET", ACCOUNT, "get_storage_account")
    def get_account(self, request: Request, match: re.Match[str]) -> Response:
        """One account."""
        return Response.of(200, self._account(request, match, "read").shown(request.query["api-version"]))

    @route("PUT", ACCOUNT, "put_storage_account")
    def put_account(self, request: Request, match: re.Match[str]) -> Response:
        """Make an account, which takes a while: the answer says where to ask. One that is there is shown as it is.

        https://learn.microsoft.com/rest/api/storagerp/storage-accounts/create
        """
        self.arm.authorize(request, f"{STORAGE_TYPE}/write", match[0])
        self.arm.group(match[0])
        content, name = json_object(request), match["account"]
        if found := self.arm.resources.find(match[0], StorageAccount):
            return Response.of(200, found.shown(request.query["api-version"]))
        self._check_new(name, content)
        self.add_account(name, match["group"], age_days=0)
        place = f"/subscriptions/{match['subscription']}/providers/Microsoft.Storage/locations/{content['location']}"
        where = f"https://{request.host}{place}/asyncoperations/{name}?api-version={request.query['api-version']}"
        return Response(202, b"", {"Location": where, "Retry-After": "1"})

    @route("GET", OPERATION + r"(?P<account>[^/]+)", "get_storage_operation")
    def get_operation(self, request: Request, match: re.Match[str]) -> Response:
        """The account, once it is made."""
        self.arm.caller(request)
        found = next((entry for entry in self.accounts() if entry.name == match["account"]), None)
        if found is None:
            raise ArmError(404, "OperationNotFound", "There is no such operation.")
        return Response.of(200, found.shown(request.query["api-version"]))

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
        self.regenerate(account, name)
        return account.key_list()

    def _account(self, request: Request, match: re.Match[str], action: str) -> StorageAccount:
        resource_id = match[0][: match.end("account")]
        return self.arm.resource(request, resource_id, StorageAccount, f"{STORAGE_TYPE}/{action}", STORAGE_TYPE)

    def _check_new(self, name: str, content: dict[str, Any]) -> None:
        """Whether an account of this name can be made. Raises ArmError."""
        if missing := [field for field in ("sku", "kind", "location") if not content.get(field)]:
            raise ArmError(400, "InvalidRequestPropertyName", f"The request has no {', '.join(missing)}.")
        if not NAME.fullmatch(name):
            raise ArmError(400, "AccountNameInvalid", f"{name} is not a valid storage account name.")
        if name in [entry.name for entry in self.accounts()]:
            raise ArmError(409, "StorageAccountAlreadyTaken", f"The storage account named {name} is already taken.")

    def _new_key(self, created: float | None, usable_from: float = 0.0) -> StorageKey:
        value = base64.b64encode(os.urandom(64)).decode()
        self.arm.directory.issued.append(value)
        return StorageKey(value, created, usable_from)

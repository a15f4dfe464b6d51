"""Storage accounts: their keys in Resource Manager, and where a key is proved.

Permission: *Storage Account Key Operator Service Role* and *Reader* on the account.
Source: https://learn.microsoft.com/rest/api/storagerp/storage-accounts
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.azure.arm import arm_id
from gateway.azure.decode import decoding
from gateway.azure.resources import key_services
from gateway.azure.sign_in import Azure
from gateway.azure.storage_request import NOT_LET_IN, SERVICES, ask
from gateway.azure.versions import STORAGE_ACCOUNTS
from gateway.errors import CallError, Failed, NotSent, Refused, Unclear
from gateway.model.credential import LiveCredential, Minted, Target, utc
from gateway.secret import Secret

NAMES = ("key1", "key2")
_CLOCK = timedelta(minutes=5)
_REACH = (
    "this host must reach the account's endpoint, also through the account's firewall; "
    "see the account's page Networking in the portal"
)
ROLE = "Storage Account Key Operator Service Role"
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
_EXAMPLE = "/subscriptions/<id>/resourceGroups/<group>/providers/Microsoft.Storage/storageAccounts/<name>"


class StorageAccount:
    """One account.

    Args:
        azure: signed in.
        given: its resource id, or its page in the portal.

    Raises:
        Failed: it is not there, or not ours to read.
        CallError
    """

    def __init__(self, azure: Azure, given: str) -> None:
        found = arm_id(given, azure.cloud, "Microsoft.Storage", "storageAccounts")
        if not found:
            raise Failed(f"storage_account_id: {given!r} is not a storage account", f"the form is {_EXAMPLE}")
        self._azure = azure
        self._last: dict[str, tuple[Secret, datetime]] = {}
        self._open: list[str] = []
        """the service that accepted a key in this run"""
        self.id = found[0]
        self.name = self.id.rpartition("/")[2]
        self._properties = self._read()
        with decoding(f"storage account {self.name}"):
            self._admitting = key_services(self._properties)
        self.admits_keys = bool(self._admitting)

    def _read(self) -> dict[str, Any]:
        try:
            return self._azure.arm.get(self.id, STORAGE_ACCOUNTS).get("properties") or {}
        except Refused as error:
            if error.status == 404:
                what = f"storage_account_id: there is no storage account {self.name} in that resource group"
                raise Failed(what, f"the form is {_EXAMPLE}") from None
            raise _with_role(error) from None

    def target(self) -> Target:
        """The account as what is rotated."""
        created = str(self._properties.get("creationTime") or "")
        return Target(self.id, "", self.name, created, None, can_sign_in=self.admits_keys)

    def check_endpoint(self) -> None:
        """A key can be proved here, if the account admits keys at all. Raises Failed."""
        if self.admits_keys and not self._candidates():
            what = f"storage account {self.name} has no endpoint that admits keys, to prove a new one"
            raise Failed(what, "regenerate its keys by hand")

    def keys(self, lifetime: timedelta, saved: Secret) -> tuple[LiveCredential, ...]:
        """Both keys. They never expire by themselves: their end is when they are to be replaced.

        One of unknown age is due, and not at its end: nothing ends. Where neither has the value that the record has
        ``saved``, the start of neither fits. Raises CallError.
        """
        listed = self._listed()
        is_saved = bool(self.name_of(saved))
        now = self._azure.arm.http.now()
        return tuple(
            LiveCredential(
                name,
                "",
                value.hint if is_saved else "neither",
                (now if made == _LONG_AGO else made) + lifetime,
                made,
                made == _LONG_AGO,
            )
            for name, (value, made) in listed.items()
        )

    def _listed(self) -> dict[str, tuple[Secret, datetime]]:
        def ask() -> dict[str, tuple[Secret, datetime]]:
            try:
                body = self._azure.arm.send("POST", f"{self.id}/listKeys", STORAGE_ACCOUNTS).body
            except Refused as error:
                raise _with_role(error) from None
            try:
                rows = {str(row["keyName"]).lower(): row for row in body["keys"]}
                self._last = {
                    name: (Secret(rows[name]["value"]), _moment(rows[name].get("creationTime"))) for name in NAMES
                }
            except (KeyError, TypeError, ValueError):
                raise Unclear("Azure listKeys", "an answer without both keys") from None
            return self._last

        # A list is a read, whatever its verb.
        return self._azure.arm.retrying(ask)

    def published(self, name: str, ends: datetime) -> Minted:
        """The key of this name as it is now. Raises CallError."""
        value, made = self._listed()[name]
        return Minted(name, value, ends, made)

    def name_of(self, key: Secret) -> str:
        """The name of the key that had this value when it was listed last; empty where none had."""
        return next((name for name, (value, _) in self._last.items() if key and value == key), "")

    def regenerate(self, name: str) -> None:
        """Give the key a new value, asked for once: its old value is dead at once. Raises CallError."""
        self._azure.arm.send("POST", f"{self.id}/regenerateKey", STORAGE_ACCOUNTS, {"keyName": name})

    def signs_in(self, key: Secret) -> None:
        """One request that this key signs, at the first service that lets this host in: from then on at that one.

        Raises:
            CallError: not accepted, or no answer.
        """
        # A private endpoint or a rule of the network may admit this host at one service and not at another.
        closed: CallError = NotSent(f"storage account {self.name}", "no endpoint")
        for service in self._open or self._candidates():
            try:
                ask(self._azure.arm.http, service, self._endpoints[service], self.name, key)
            except Refused as error:
                error.hint, closed = self._hint(), error
                if error.code not in NOT_LET_IN:
                    raise
            except NotSent as error:
                closed = error
            else:
                self._open = [service]
                return
        raise closed

    @property
    def _endpoints(self) -> dict[str, str]:
        return self._properties.get("primaryEndpoints") or {}

    def _candidates(self) -> list[str]:
        """The services at which a key may be proved: each has an endpoint and admits keys."""
        return [each for each in SERVICES if self._endpoints.get(each) and each in self._admitting]

    def _hint(self) -> str:
        off = datetime.now(UTC) - self._azure.arm.http.now()
        if abs(off) <= _CLOCK:
            return _REACH
        return f"set the clock of this host, which dates what a key signs: it is {abs(off) // _CLOCK * 5} minutes off"

    def _suffix(self) -> str:
        suffixes = {"AzureUSGovernment": "core.usgovcloudapi.net", "AzureChinaCloud": "core.chinacloudapi.cn"}
        return suffixes.get(self._azure.cloud.name, "core.windows.net")

    def connection_string(self, key: Secret) -> str:
        """As the portal shows it, with the endpoints of the account where they are not the usual ones."""
        usual = f"https://{self.name}.blob.{self._suffix()}/"
        parts = ["DefaultEndpointsProtocol=https", f"AccountName={self.name}", f"AccountKey={key.reveal()}"]
        if self._endpoints.get("blob") == usual:
            return ";".join([*parts, f"EndpointSuffix={self._suffix()}"])
        given = {kind: self._endpoints.get(kind) for kind in ("blob", "file", "queue", "table")}
        return ";".join(parts + [f"{kind.title()}Endpoint={address}" for kind, address in given.items() if address])


def _with_role(error: Refused) -> Refused:
    if error.status == 403:
        error.hint = f"give the admin credential's service principal the roles {ROLE} and Reader on the account"
    return error


def _moment(text: str | None) -> datetime:
    # Null: the key has not been regenerated since Azure reports creation times.
    return utc(text) if text else _LONG_AGO

"""Rotate the two access keys of an Azure storage account, in turn.

The record publishes one of the keys. It signs a request first, so that this host is known to reach the account. The
other one is noted in the record and regenerated, which ends its former value, then it signs a request itself. It is
saved in the record (active_key, storage_key, connection_string, expires), and each destination in deliver_to gets it.
The key that was published before lives on until its turn comes; with remove_old it is regenerated after overlap_hours,
and its new value goes to nobody. A key is not regenerated while a required destination still holds it. A key that was
regenerated and could not be saved is published by the next run.

Field that names the account: storage_account_id. All others are optional: docs/storage-keys.md.
Permission of the admin credential: the roles Storage Account Key Operator Service Role and Reader on the account.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from importlib.util import find_spec

from gateway.azure.arm import arm_id
from gateway.azure.sign_in import Azure
from gateway.azure.storage_account import StorageAccount
from gateway.engine.kind import Wanted
from gateway.engine.make.regenerate import RegeneratedKind
from gateway.errors import CallError
from gateway.host.http import Http
from gateway.keeper.record import VaultRecord
from gateway.kinds.registry import STORAGE_KEY
from gateway.model.credential import AdminCredential, DeliveryForm, LiveCredential, Minted, Target
from gateway.secret import Secret


class AzureStorageKey(RegeneratedKind):
    """The two keys of a storage account: one is published, the other one is regenerated and takes its place.

    https://learn.microsoft.com/azure/storage/common/storage-account-keys-manage
    """

    facts = STORAGE_KEY
    proof = "request"
    listed = (
        "the storage account admits no keys (allowSharedKeyAccess is off): "
        "the new key was proved by Azure's listing, and opens nothing"
    )
    azure: Azure
    account: StorageAccount
    account_id = name = ""
    lifetime = timedelta()
    saved = Secret("")

    def __init__(self, http: Http, admin: AdminCredential) -> None:
        self.azure = Azure(http, admin, begin_with=admin.cloud.arm)

    @classmethod
    def named(cls, given: str, record: VaultRecord, admin: AdminCredential) -> tuple[str, ...]:
        """The account's resource id."""
        found = arm_id(given, admin.cloud, "Microsoft.Storage", "storageAccounts")
        return (found[0] if found else given,)

    def identify(self, given: str) -> None:
        """The account, by its resource id."""
        self.account = StorageAccount(self.azure, given)
        self.account_id, self.name = self.account.id, self.account.name

    def find(self, given: str, wanted: Wanted) -> tuple[Target, tuple[LiveCredential, ...]]:
        """The account, and its keys."""
        self.identify(given)
        self.account.check_endpoint()
        # What proves a key is imported when one is proved; that it is there is seen before one gets another value.
        if not find_spec("azure.storage.blob"):
            raise ImportError("No module named 'azure.storage.blob'")
        self.lifetime, self.saved = wanted.lifetime, wanted.record.secret(self.outputs.value)
        return self.account.target(), self.live()

    def live(self) -> tuple[LiveCredential, ...]:
        """Both keys, which Azure shows as often as it is asked."""
        return self.account.keys(self.lifetime, self.saved)

    def published_id(self, record: VaultRecord) -> str:
        """The value tells which key it is, whatever name somebody wrote beside it."""
        return self.account.name_of(record.secret(self.outputs.value)) or super().published_id(record)

    def published_by(self, other: VaultRecord) -> str:
        """By its value, for a name may be of another value by now; by its name, where no key has that value."""
        return self.account.name_of(other.secret(self.outputs.value)) or self.published_id(other)

    def is_target_of(self, record: VaultRecord) -> bool:
        """Whether it names the same account."""
        found = arm_id(record.value(self.target), self.azure.cloud, "Microsoft.Storage", "storageAccounts")
        return found is not None and found[0].lower() == self.account_id.lower()

    def regenerate(self, key_id: str) -> None:
        """Its former value is dead at once."""
        self.account.regenerate(key_id)

    def read(self, key_id: str, ends: datetime) -> Minted:
        """Azure shows its value."""
        return self.account.published(key_id, ends)

    def prove(self, minted: Minted) -> None:
        """A request that the key signs, through Microsoft's own client."""
        self.account.signs_in(minted.value)

    def cannot_sign_in(self, error: CallError) -> bool:
        """The account admits no keys at all (allowSharedKeyAccess is off)."""
        return not self.account.admits_keys

    def more_outputs(self, minted: Minted, record: VaultRecord) -> dict[str, str]:
        """The connection string that most consumers take."""
        return {"connection_string": self.account.connection_string(minted.value)}

    def delivery_form(self) -> DeliveryForm:
        """As an access key, with the tags that Microsoft's own rotation samples put on a secret."""
        days = str(self.lifetime.days)
        tags = {"CredentialId": "{key_id}", "ProviderAddress": self.account_id, "ValidityPeriodDays": days}
        return replace(self.facts.delivery_form, roles={"accountname": self.name}, tags=tags)

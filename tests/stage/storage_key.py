"""A stage whose record publishes a storage key."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.stage.rotation import ROOT, Outcome, Stage

SCRIPT = ROOT / "scripts" / "azure_storage_key.py"


class StorageStage(Stage):
    """A stage whose record publishes a key of a storage account."""

    def __init__(self, *, services: tuple[Any, ...] = (), **furnish: Any) -> None:
        super().__init__(services=services)
        # Runs follow each other at once here; with "" it is as in a record that says nothing of it.
        furnish["settings"] = {"overlap_hours": "0"} | (furnish.get("settings") or {})
        self.made = self.sandbox.furnish_storage(self.at, **furnish)
        self.at = replace(self.at, record_uid=self.made.record_uid)
        # The client signs with this machine's clock; tests move the sandbox's.
        self.sandbox.blobs.skew_seconds = None

    def run(self, line: bytes | None = None, **variables: str) -> Outcome:
        return self.finish(self.start(line, script=SCRIPT, **variables))

    def works(self) -> bool:
        """Whether the published key signs requests, and is the one that the record names."""
        keys = self.sandbox.storage.keys(self.made.account)
        key = self.value("storage_key")
        return keys.get(self.value("active_key")) == key and self.sandbox.storage.key_works(self.made.account_name, key)

    def regenerated(self) -> list[str]:
        """Names of the keys that were regenerated, in order."""
        return [name for _, name in self.sandbox.storage.regenerations]

    def to_key_vault(self) -> str:
        """Deliver to a vault that holds the published key; its address."""
        vault = self.sandbox.keyvault.add_vault("storage-vault")
        self.sandbox.keyvault.set_secret(vault, "storage-key", self.value("storage_key"))
        self.sandbox.keyvault.grant(self.at.admin_client_id, "Key Vault Secrets Officer", vault)
        address = f"{vault.url}/secrets/storage-key"
        self.sandbox.keeper.edit(self.at.record_uid, "deliver_to", address)
        return address

    def versions(self) -> list[Any]:
        """The versions in the vault, oldest first."""
        return self.sandbox.keyvault.versions("storage-vault", "storage-key")

    def enabled(self) -> list[bool]:
        """Whether each of them is enabled."""
        return [each.enabled for each in self.versions()]

    def vault_works(self) -> bool:
        """Whether the key in the vault can be read, and signs requests."""
        last = self.versions()[-1]
        return last.enabled and self.sandbox.storage.key_works(self.made.account_name, last.value)

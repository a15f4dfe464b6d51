"""A storage account in a simulation: two keys that take turns."""

from __future__ import annotations

import random
from typing import ClassVar

from tests.simulate.worlds import World, requests_of
from tests.stage.rotation import Process
from tests.stage.storage_key import SCRIPT, StorageStage


class StorageWorld(World):
    """A storage account with two keys, and a key vault."""

    name = "azure_storage_key"
    requests = requests_of("storage key")
    forgets = True
    outputs = ("active_key", "storage_key")
    policies: ClassVar = {
        "remove_old": ("all", "replaced", "none", ""),
        "overlap_hours": ("", "0", "24"),
        "rotate_before_hours": ("", "24", "720"),
    }

    def __init__(self, choice: random.Random) -> None:
        self.storage = StorageStage(settings={label: choice.choice(values) for label, values in self.policies.items()})
        super().__init__(self.storage)
        self.address = self.storage.to_key_vault()
        if choice.random() < 0.3:
            self.edit(self.records[0], "deliver_to", "")

    def _start(self, line: bytes, **variables: str) -> Process:
        return self.stage.start(line, SCRIPT, **variables)

    def works(self, record: str) -> bool:
        """The key signs, and is the one that the record names."""
        keys = self.stage.sandbox.storage.keys(self.storage.made.account)
        key = self.value(record, "storage_key")
        return keys.get(self.value(record, "active_key")) == key and self.accepted(key)

    def lines(self) -> list[str]:
        """One key vault secret."""
        return [self.address]

    def held(self) -> dict[str, str | None]:
        """The newest version, where it is enabled."""
        last = self.storage.versions()[-1]
        return {self.address: last.value if last.enabled else ""}

    def accepted(self, value: str) -> bool:
        """It signs."""
        return self.stage.sandbox.storage.key_works(self.storage.made.account_name, value)

    def leftovers(self) -> set[str]:
        """There are always two."""
        return set()

    def break_destination(self, broken: bool) -> None:
        """The key vault's firewall."""
        for vault in self.stage.sandbox.keyvault.vaults.values():
            vault.firewall = broken

    def meddle(self, choice: random.Random) -> str:
        """Somebody regenerates a key."""
        key = choice.choice(("key1", "key2"))
        self.stage.sandbox.storage.regenerate(self.storage.made.account, key)
        return f"{key} is regenerated in the portal"

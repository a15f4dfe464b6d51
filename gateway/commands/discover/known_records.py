"""Which records stand for a thing in Azure already, however they name it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from gateway.azure.arm import arm_id
from gateway.azure.key_vault.ids import CertificateId, SecretId
from gateway.commands.shared.new_records import APP, CERTIFICATE, STORAGE, TLS, Item
from gateway.deliveries.addresses import known_destinations
from gateway.errors import Failed
from gateway.keeper.record import VaultRecord
from gateway.model.clouds import Cloud

LABELS = (CERTIFICATE, APP, STORAGE, TLS)


@dataclass
class KnownItem:
    """One thing, and the uids of the records that stand for it; ``made``: the one that this run made."""

    item: Item
    records: list[str] = field(default_factory=list)
    made: str = ""


class KnownRecords:
    """What the records of the host's Keeper application name, compared without regard to case.

    Args:
        records: all that can be read.
    """

    def __init__(self, records: Iterable[VaultRecord], cloud: Cloud) -> None:
        self._cloud = cloud
        self._uids: dict[tuple[str, str], list[str]] = {}
        self._delivered: dict[tuple[str, str], list[str]] = {}
        for record in records:
            for label in LABELS:
                if value := record.value(label).strip():
                    self.add(label, value, record.uid)
            for destination in known_destinations(record.value("deliver_to"), cloud):
                for label in (CERTIFICATE, TLS):
                    name = self._plain(label, destination.address)
                    self._delivered.setdefault((label, name), []).append(record.uid)

    def add(self, label: str, value: str, uid: str) -> None:
        """From now on the record ``uid`` names this."""
        self._uids.setdefault((label, self._plain(label, value)), []).append(uid)

    def records(self, item: Item) -> list[str]:
        """The uids of the records that name it."""
        names = dict.fromkeys(self._plain(item.label, text) for text in (item.address, *item.also))
        return [uid for name in names for uid in self._uids.get((item.label, name), [])]

    def deliverers(self, item: Item) -> list[str]:
        """The uids of the records whose rotation fills it."""
        return self._delivered.get((item.label, self._plain(item.label, item.address)), [])

    def strangers(self, label: str, items: Iterable[Item]) -> list[str]:
        """What records name in this field that is none of the items."""
        ours = {self._plain(label, text) for item in items for text in (item.address, *item.also)}
        return [name for kind, name in self._uids if kind == label and name not in ours]

    def same(self, label: str, name: str, other: str) -> None:
        """``name`` turned out to be another name of ``other``."""
        uids = self._uids.get((label, self._plain(label, name)), [])
        self._uids.setdefault((label, self._plain(label, other)), []).extend(uids)

    def _plain(self, label: str, text: str) -> str:
        """One spelling of what a field may hold: an id, or its page in the portal."""
        try:
            if label == CERTIFICATE:
                found = CertificateId.read(text, self._cloud, label)
                return f"{found.vault_url}/certificates/{found.name}".lower()
            if label == TLS:
                return str(SecretId.read(text, self._cloud, label).whole()).lower()
            if label == STORAGE and (resource := arm_id(text, self._cloud, "Microsoft.Storage", "storageAccounts")):
                return resource[0].lower()
        except (Failed, ValueError):  # no address at all
            pass
        return text.strip().lower()

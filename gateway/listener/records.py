"""The records of the Keeper application, as they were at most so long ago, and which of them answers for an event."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable
from time import monotonic
from urllib.parse import urlsplit

from gateway.deliveries.key_vault import KeyVaultSecretDestination
from gateway.errors import CallError, Failed, RotationError
from gateway.host.deadline import Deadline
from gateway.host.http import Http
from gateway.host.settings import Settings
from gateway.keeper.record import VaultRecord
from gateway.keeper.vault import Vault
from gateway.kinds.registry import CERTIFICATE
from gateway.listener.events import Event
from gateway.model.clouds import CLOUDS, Cloud


def new_http(settings: Settings) -> Http:
    """A session for a few calls: it may repeat them, but not for ever."""
    return Http(settings.request_timeout, Deadline(3 * settings.request_timeout, settings.retry_base))


class Records:
    """The vault to those who only read (`gateway.keeper.record.ReadsRecords`), from memory.

    Args:
        config: the Keeper configuration as JSON text.
        settings: of the host.
        seconds: how old what is read may be.
        pause: seconds without a further try after Keeper did not answer.
    """

    def __init__(self, config: str, settings: Settings, seconds: float, pause: float) -> None:
        self._config = config
        self._settings = settings
        self._seconds = seconds
        self._records: dict[str, VaultRecord] = {}
        self._until = 0.0
        self._error: CallError | RotationError | None = None
        self._lock = threading.Lock()
        self.pause = pause
        self.readings = 0
        """How often Keeper was asked; a new number means new records."""

    def read(self, uids: Iterable[str]) -> dict[str, VaultRecord]:
        """As `Vault.read`.

        Raises:
            CallError, Failed: Keeper did not answer now, or a moment ago.
        """
        with self._lock:
            if monotonic() >= self._until:
                self._renew()
            if self._error:
                raise self._error
            wanted = list(uids)
            return {uid: record for uid, record in self._records.items() if not wanted or uid in wanted}

    def forget(self) -> None:
        """Let the next reading be a new one."""
        with self._lock:
            self._until = 0.0

    def _renew(self) -> None:
        self.readings += 1
        # A session and its deadline belong to one run, so each reading gets a vault of its own.
        http = new_http(self._settings)
        try:
            self._records, self._error = Vault(self._config, http).read([]), None
            self._until = monotonic() + self._seconds
        except (CallError, RotationError) as error:
            self._error, self._until = error, monotonic() + self.pause
        finally:
            http.session.close()

    def answering(self, event: Event) -> list[VaultRecord]:
        """The PAM User records that deliver the event's secret, or whose target is its certificate, in order of uid."""
        records = sorted(self.read([]).values(), key=lambda record: record.uid)
        return [record for record in records if address_in(record, event)]

    def is_ours(self, vault: str) -> bool:
        """Whether any record names a secret of this key vault."""
        return any(vault == each[1] for record in self.read([]).values() for each in _addresses(record))


def address_in(record: VaultRecord, event: Event) -> str:
    """The address under which this record names what the event is about; empty where it does not."""
    for root, vault, kind, name in _addresses(record):
        if (vault, kind, name) == (event.vault, event.kind, event.name) and event.host in ("", root[len("https://") :]):
            return f"{root}/{kind}/{name}"
    return ""


def _addresses(record: VaultRecord) -> list[tuple[str, str, str, str]]:
    """Of each Key Vault object that a record names: the vault's address and name, the object's kind and name.

    In whatever cloud: an event is about one host, and the admin credential is sent to its own cloud only.
    """
    if record.type != "pamUser":
        return []
    lines = [*record.value("deliver_to").splitlines(), record.value(CERTIFICATE.target)]
    found = (_address(line.strip(), cloud) for line in lines for cloud in CLOUDS.values())
    return [address for address in found if address]


def _address(line: str, cloud: Cloud) -> tuple[str, str, str, str] | None:
    first, _, rest = line.partition(" ")
    text = rest.strip() if first.lower() == "optional" else line
    kind = "secrets"
    if certificate := re.fullmatch(r"(https://[^/]+)/certificates/([0-9a-zA-Z-]+)(/[0-9a-f]{32})?/?", text):
        kind, text = "certificates", f"{certificate[1]}/secrets/{certificate[2]}"
    try:
        destination = KeyVaultSecretDestination.recognise(text, cloud, False)
    except (Failed, ValueError):  # the rotation itself says what is wrong with the line
        return None
    if not isinstance(destination, KeyVaultSecretDestination):
        return None
    host = urlsplit(destination.vault_url).netloc
    return destination.vault_url, host.partition(".")[0], kind, destination.name.lower()

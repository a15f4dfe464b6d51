"""Which version of a secret or certificate Key Vault holds now, read with the record's own admin credential.

Permission: what the delivery needs anyway (*Key Vault Secrets Officer*; for certificates *Key Vault Reader*).
Source: https://learn.microsoft.com/rest/api/keyvault/secrets/get-secret/get-secret
"""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from time import monotonic, time
from typing import Any
from urllib.parse import urlsplit

from gateway.azure.entra import Entra, token_ends
from gateway.azure.versions import KEY_VAULT_SECRETS
from gateway.deliveries.tags import RECORD
from gateway.errors import Failed, Refused, Unclear
from gateway.host.http import Http
from gateway.host.settings import Settings
from gateway.keeper.admin import AdminSearch, choose_admin
from gateway.keeper.parameters import gateway_line, read_params
from gateway.keeper.record import VaultRecord
from gateway.listener.records import Records, new_http
from gateway.model.credential import AdminCredential
from gateway.secret import Secret, mask

_TOKEN_SECONDS = 1800.0
# A host's identity hands out kept tokens, too, which may end soon.
_BEFORE_THE_END = 120.0
_KNOWN_SECONDS = 5.0
_DAY, _MOST = 86400.0, 1e12


@dataclass(frozen=True)
class Current:
    """The version that a vault holds now; ``near_end`` by the vault's own word, ``record`` by its tag."""

    version: str
    near_end: bool
    record: str


def near_end(body: Mapping[str, Any], days: float, now: float) -> bool:
    """Whether what Key Vault shows ends within so many days, or is at the point that its policy has an action for."""
    attributes = body.get("attributes")
    begins, ends = ((_number(attributes, name) if isinstance(attributes, dict) else 0.0) for name in ("nbf", "exp"))
    if not ends:
        return False
    spans = [days * _DAY, *_triggers(body.get("policy"), ends - begins if begins else 0.0)]
    return ends - now <= max(spans)


def _triggers(policy: Any, lifetime: float) -> Iterator[float]:
    """How long before the end a certificate's policy has something done, in seconds."""
    actions = policy.get("lifetime_actions") if isinstance(policy, dict) else None
    for action in actions if isinstance(actions, list) else []:
        trigger = action.get("trigger") if isinstance(action, dict) else None
        if isinstance(trigger, dict):
            yield _number(trigger, "days_before_expiry") * _DAY
            if percentage := _number(trigger, "lifetime_percentage"):
                yield lifetime * max(0.0, 1 - percentage / 100)


def _number(values: Mapping[str, Any], name: str) -> float:
    value = values.get(name)
    return float(value) if isinstance(value, (int, float)) and abs(value) < _MOST else 0.0


class Versions:
    """Asks key vaults; keeps the admin credentials of records, and tokens, for a while.

    Args:
        records: the copy of the Keeper records.
        settings: of the host.
        configuration: uid of the PAM configuration, or empty.
        event_days: within so many days a version is near its end.
    """

    def __init__(self, records: Records, settings: Settings, configuration: str, event_days: float) -> None:
        self._records = records
        self._settings = settings
        self._configuration = configuration
        self._event_days = event_days
        self._known: dict[str, tuple[float, Current | None]] = {}
        self._admins: dict[str, tuple[int, AdminCredential]] = {}
        self._tokens: dict[AdminCredential, tuple[float, Secret]] = {}
        self._lock = threading.Lock()

    def current(self, record: VaultRecord, address: str) -> Current | None:
        """The current version of what is at ``address``; None where nothing is there (any more), or it is disabled.

        Asked once in a few seconds, however many events there are: see `forget`.

        Raises:
            Failed: the record has no admin credential that can be used.
            CallError: Keeper, Entra or the key vault did not answer, or refused.
        """
        with self._lock:
            until, known = self._known.get(address, (0.0, None))
        if monotonic() < until:
            return known
        found = self._ask(record, address)
        with self._lock:
            self._known = {key: value for key, value in self._known.items() if monotonic() < value[0]}
            self._known[address] = monotonic() + _KNOWN_SECONDS, found
        return found

    def forget(self) -> None:
        """Let the next questions be asked anew: something was changed."""
        with self._lock:
            self._known.clear()

    def _ask(self, record: VaultRecord, address: str) -> Current | None:
        cloud = self._admin(record).cloud
        if not (urlsplit(address).hostname or "").endswith(f".{cloud.key_vault}"):
            raise Failed(f"{address} is not in {cloud.name}, the cloud of the admin credential", "correct the address")
        http = new_http(self._settings)
        try:
            token = self._token(http, record)
            url = f"{address}?api-version={KEY_VAULT_SECRETS.version}"
            answer = http.retrying(lambda: http.send(address, "GET", url, token=token.reveal()))
        except Refused as error:
            if error.status == 404 or error.inner_code == "SecretDisabled":
                return None
            if error.status == 401:
                self._forget_token(record)
            raise
        finally:
            http.session.close()
        mask(str(answer.body.get("value") or ""))
        version = str(answer.body.get("id") or "").rstrip("/").rpartition("/")[2].lower()
        if not version:
            raise Unclear(address, "an answer without a version")
        tags = answer.body.get("tags")
        named = str(tags.get(RECORD) or "") if isinstance(tags, dict) else ""
        return Current(version, near_end(answer.body, self._event_days, http.now().timestamp()), named)

    def _token(self, http: Http, record: VaultRecord) -> Secret:
        admin = self._admin(record)
        with self._lock:
            until, token = self._tokens.get(admin, (0.0, Secret("")))
        if monotonic() < until:
            return token
        entra = Entra(http, admin.cloud, admin.tenant_id, admin.client_id, admin.client_secret)
        token = entra.token(admin.cloud.key_vault_scope())
        with self._lock:
            lasts = min(_TOKEN_SECONDS, token_ends(token) - time() - _BEFORE_THE_END)
            self._tokens[admin] = (monotonic() + lasts, token)
        return token

    def _forget_token(self, record: VaultRecord) -> None:
        with self._lock:
            self._tokens.pop(self._admin(record), None)

    def _admin(self, record: VaultRecord) -> AdminCredential:
        """Found as the script would find it; once for each reading of the records."""
        reading, admin = self._admins.get(record.uid, (-1, None))
        if admin is None or reading != self._records.readings:
            line = gateway_line(self._records.read([]), record.uid, [], self._configuration)
            admin = choose_admin(
                AdminSearch(read_params(io.BytesIO(line)), record, self._records, self._settings.cloud)
            )
            self._admins[record.uid] = (self._records.readings, admin)
        return admin

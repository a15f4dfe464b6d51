"""Which version of a secret or certificate Key Vault holds now, read with the record's own admin credential.

Permission: what the delivery needs anyway (*Key Vault Secrets Officer*; for certificates *Key Vault Reader*).
Source: https://learn.microsoft.com/rest/api/keyvault/secrets/get-secret/get-secret
"""

from __future__ import annotations

import io
import threading
from time import monotonic, time
from urllib.parse import urlsplit

from gateway.azure.entra import Entra, token_ends
from gateway.errors import Failed, Refused, Unclear
from gateway.host.http import Http
from gateway.host.settings import Settings
from gateway.keeper.admin import AdminSearch, choose_admin
from gateway.keeper.parameters import gateway_line, read_params
from gateway.keeper.record import VaultRecord
from gateway.listener.records import Records, new_http
from gateway.model.credential import AdminCredential
from gateway.secret import Secret, mask

API_VERSION = "7.4"
_TOKEN_SECONDS = 1800.0
# A host's identity hands out kept tokens, too, which may end soon.
_BEFORE_THE_END = 120.0


class Versions:
    """Asks key vaults; keeps the admin credentials of records, and tokens, for a while.

    Args:
        records: the copy of the Keeper records.
        settings: of the host.
        configuration: uid of the PAM configuration, or empty.
    """

    def __init__(self, records: Records, settings: Settings, configuration: str) -> None:
        self._records = records
        self._settings = settings
        self._configuration = configuration
        self._admins: dict[str, tuple[int, AdminCredential]] = {}
        self._tokens: dict[AdminCredential, tuple[float, Secret]] = {}
        self._lock = threading.Lock()

    def current(self, record: VaultRecord, address: str) -> str | None:
        """The current version of what is at ``address``; None where nothing is there (any more), or it is disabled.

        Raises:
            Failed: the record has no admin credential that can be used.
            CallError: Keeper, Entra or the key vault did not answer, or refused.
        """
        cloud = self._admin(record).cloud
        if not (urlsplit(address).hostname or "").endswith(f".{cloud.key_vault}"):
            raise Failed(f"{address} is not in {cloud.name}, the cloud of the admin credential", "correct the address")
        http = new_http(self._settings)
        try:
            token = self._token(http, record)
            url = f"{address}?api-version={API_VERSION}"
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
        return version

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

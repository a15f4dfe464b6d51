"""The vault and the tenant in which things are tried, and the records that the trial makes there."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from gateway.azure.entra import Entra
from gateway.azure.graph import Application, Graph
from gateway.azure.key_vault.calls import KeyVaultCalls, key_vault_url
from gateway.azure.sign_in import Azure
from gateway.commands.shared.session import find_folder
from gateway.errors import Failed
from gateway.host.deadline import Deadline
from gateway.host.http import Http
from gateway.host.settings import read_settings
from gateway.keeper.admin import credential_of
from gateway.keeper.config import find_ksm_config
from gateway.keeper.folders import Folders, NewField
from gateway.keeper.record import VaultRecord
from gateway.keeper.vault import Vault
from gateway.model.credential import AdminCredential
from gateway.model.fields import TYPES
from tests.live.given import Given

PREFIX = "rotation-live-"
"""of every name that the trial gives"""
_DAY = 86400.0


class Ground:
    """Raises Failed, CallError: Keeper does not answer, or there is no such folder."""

    def __init__(self, given: Given) -> None:
        self.given = given
        self.run = secrets.token_hex(4)
        self.settings = read_settings()
        self.admin_uid = ""
        self.connect()
        self.folder_uid = self.folder(given.folder)

    def connect(self) -> None:
        """On new connections: those of before may have been interrupted in the middle of an answer."""
        self.http = Http(self.settings.request_timeout, Deadline(_DAY, self.settings.retry_base))
        self.vault = Vault(find_ksm_config(), self.http)
        self.folders = Folders(self.vault.keeper, self.vault.read)

    def folder(self, given: str) -> str:
        """The uid of a folder. Raises Failed, CallError."""
        return find_folder(given, self.folders.all())

    def name(self, what: str) -> str:
        """A name for a thing of this trial."""
        return f"{PREFIX}{self.run}-{what}"

    def own_records(self) -> dict[str, VaultRecord]:
        """The records of this trial and of others that were not cleared away. Raises CallError."""
        return {uid: each for uid, each in self.vault.read([]).items() if each.title.startswith(PREFIX)}

    def make_record(self, what: str, values: dict[str, str], type_: str = "pamUser", folder: str = "") -> str:
        """A record of this trial; its uid. Raises Failed, CallError."""
        name = self.name(what)
        base: list[NewField] = [("login", "login", name), ("password", "password", secrets.token_urlsafe(24))]
        fields: Sequence[NewField] = [
            *base,
            *((label, TYPES.get(label, "text"), value) for label, value in values.items()),
        ]
        notes = "Made by `make live`, which deletes it at its end."
        return self.folders.create(folder or self.folder_uid, name, type_, fields, notes, target="login").uid

    def set(self, uid: str, label: str, value: str) -> None:
        """Change a field, as a person would. Raises Failed, CallError."""
        record = self.vault.read([uid])[uid]
        record.set(label, value)
        self.vault.save(record)

    def admin(self) -> AdminCredential:
        """The admin credential, from its record. Raises Failed, CallError."""
        visible = self.vault.read([])
        if not self.admin_uid:
            self.admin_uid = self._own_admin() if self.given.has_own_admin else self._named(visible)
            visible = self.vault.read([])
        found = credential_of(visible[self.admin_uid], self.settings.cloud)
        if found is None:
            raise Failed(f"record {self.admin_uid} holds no admin credential", "see docs/permissions.md")
        return found

    def _own_admin(self) -> str:
        given = self.given
        values = {"application_client_id": given.admin_client_id, "tenant_id": given.admin_tenant_id}
        return self.make_record("admin", values | {"client_secret": given.admin_client_secret.reveal()}, "login")

    def _named(self, visible: dict[str, VaultRecord]) -> str:
        given = self.given.admin_record
        found = [uid for uid, each in visible.items() if given in (uid, each.title)]
        if len(found) != 1:
            what = "several records have this title" if found else "there is no such record"
            raise Failed(
                f"LIVE_ADMIN_RECORD {given!r}: {what}", "name it by its uid, and share it with the application"
            )
        return found[0]

    def azure(self) -> Azure:
        """Signed in anew: a trial takes longer than a token lives. Raises Failed, CallError."""
        admin = self.admin()
        return Azure(self.http, admin, begin_with=admin.cloud.arm)

    def entra(self) -> Entra:
        """The token endpoint of the app's tenant, which is the admin credential's. Raises Failed, CallError."""
        admin = self.admin()
        return Entra(self.http, admin.cloud, admin.tenant_id, admin.client_id, admin.client_secret)

    def graph(self) -> Graph:
        """Microsoft Graph as the admin credential. Raises Failed, CallError."""
        azure = self.azure()
        root = azure.cloud.graph
        return Graph(self.http, root, lambda: azure.token(f"{root}/.default"))

    def app(self, graph: Graph) -> Application:
        """The throw-away app as it is now. Raises Failed, CallError."""
        return graph.find_application(self.given.app)

    @property
    def vault_url(self) -> str:
        """The key vault's address. Raises Failed, CallError."""
        return key_vault_url(self.given.key_vault, self.admin().cloud, "LIVE_KEY_VAULT")

    def sign_in(self) -> tuple[str, str]:
        """The options by which a command signs in as the trial does. Raises Failed, CallError."""
        cloud = self.admin().cloud.name
        return f"--credential={self.admin_uid}", f"--cloud={cloud}"

    def key_vault(self) -> KeyVaultCalls:
        """The key vault as the admin credential. Raises Failed, CallError."""
        return KeyVaultCalls(self.http, self.azure(), self.vault_url, "Key Vault", {})

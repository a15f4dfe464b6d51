"""What an operator's command works with: the vault, and the admin credential signed in to Azure."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.azure.sign_in import Azure
from gateway.commands.shared.interrupt import finish_on_signals
from gateway.errors import CallError, Failed
from gateway.host.deadline import Deadline
from gateway.host.http import Http
from gateway.host.lock import RecordLock
from gateway.host.settings import Settings, read_settings
from gateway.keeper.admin import AdminSearch, choose_admin, has_admin
from gateway.keeper.config import find_ksm_config
from gateway.keeper.files import Files
from gateway.keeper.folders import Folders, SharedFolder
from gateway.keeper.parameters import Params, configuration_of, flat, readable
from gateway.keeper.record import AttachedRecord, VaultRecord
from gateway.keeper.vault import Vault
from gateway.model.clouds import CLOUDS, Cloud
from gateway.model.credential import AdminCredential
from gateway.secret import Secret


@dataclass(frozen=True)
class Session:
    """A command's session.

    ``records``: all that the host's Keeper application can read, by uid. ``locks``: of those that are held.
    """

    settings: Settings
    http: Http
    deadline: Deadline
    vault: Vault
    folders: Folders
    records: dict[str, VaultRecord]
    admin: AdminCredential
    azure: Azure
    locks: dict[str, RecordLock] = field(default_factory=dict)

    @property
    def files(self) -> Files:
        """The files of the records."""
        return Files(self.vault.keeper, self.vault.read)

    def record(self, uid: str) -> VaultRecord:
        """The record with this uid. Raises Failed."""
        return readable(self.records, uid)

    def hold(self, uid: str) -> VaultRecord:
        """The record as it reads now; no other run on this host works on it until `let_go` or the command's end.

        Raises:
            Failed: another run is at work on it, or it cannot be read.
            CallError
        """
        if uid not in self.locks:
            self.locks[uid] = RecordLock(self.settings.lock_dir, uid)
        self.records.pop(uid, None)
        self.records.update(self.vault.read([uid]))
        return self.record(uid)

    def let_go(self, uid: str) -> None:
        """Others may work on the record again."""
        self.locks.pop(uid, None)

    def folder_uid(self, given: str) -> str:
        """The uid of a shared folder, given by its uid or its name. Raises Failed, CallError."""
        return find_folder(given, self.folders.all())


def find_folder(given: str, folders: Sequence[SharedFolder]) -> str:
    """The uid of one of these folders, given by its uid or its name.

    Raises:
        Failed: there is none, or several have this name.
    """
    found = [folder.uid for folder in folders if given == folder.uid]
    found = found or [folder.uid for folder in folders if given == folder.name]
    if len(found) == 1:
        return found[0]
    seen = ", ".join(f"{folder.name} ({folder.uid})" for folder in folders) or "none"
    what = "several folders have this name" if found else "the Keeper application sees no such folder"
    hint = f"give the uid of one of these: {seen}; or share the folder with it"
    raise Failed(f"--folder {given!r}: {what}", hint)


def open_session(credential_uid: str, configuration_uid: str, cloud: str) -> Session:
    """Read the vault and sign in, with the credential in the record named, else with that of the PAM configuration.

    Raises:
        Failed: there is none, it is for another cloud, or it cannot sign in.
        CallError: Keeper does not answer.
    """
    logging.lastResort = None  # what libraries warn about may quote a request
    settings = read_settings()
    deadline = Deadline(settings.deadline, settings.retry_base)
    http = Http(settings.request_timeout, deadline)
    finish_on_signals(http, deadline)
    vault = Vault(find_ksm_config(), http)
    records = vault.read([])
    search = AdminSearch(_params(records, credential_uid, configuration_uid), None, vault, settings.cloud)
    if credential_uid and not has_admin(search):
        raise Failed(
            f"admin credential: record {credential_uid} (--credential) has no application_client_id",
            "name a record with application_client_id, client_secret and tenant_id, or leave --credential out to use "
            "the PAM configuration",
        )
    admin = choose_admin(search)
    _check_cloud(admin, CLOUDS[cloud])
    try:
        azure = Azure(http, admin, begin_with=admin.cloud.arm)
    except CallError as error:
        raise Failed(f"admin credential, {admin.source}: {error}", error.hint) from None
    return Session(settings, http, deadline, vault, Folders(vault.keeper, vault.read), records, admin, azure)


def _check_cloud(admin: AdminCredential, named: Cloud) -> None:
    if admin.cloud != named:
        what = f"the admin credential is for {admin.cloud.name} ({admin.source}), not for {named.name}"
        raise Failed(what, f"add --cloud={admin.cloud.name}; or correct azure_cloud of that record")


def _params(records: dict[str, VaultRecord], credential_uid: str, configuration_uid: str) -> Params:
    """As the Gateway would pass them to a script to which the credential is attached."""
    attached = [readable(records, credential_uid)] if credential_uid else []
    configuration = None if credential_uid else configuration_of(records, configuration_uid)
    attached += [configuration] if configuration else []
    rows = tuple(_attached(record) for record in attached)
    return Params("", configuration.uid if configuration else "", rows, Secret(""), Secret(""))


def _attached(record: VaultRecord) -> AttachedRecord:
    values = {label: str(value) for label, value in flat(record).items()}
    return AttachedRecord(record.uid, record.title, values)

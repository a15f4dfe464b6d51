"""What each endpoint of Keeper Secrets Manager does to the vault, once a request is decrypted and its sender known."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from cryptography.exceptions import InvalidTag

from sandbox.keeper import crypto
from sandbox.keeper.files import FileStorage
from sandbox.keeper.vault import ClientApp, Folder, StoredFile, StoredRecord, Vault

Payload = dict[str, Any]
Endpoint = Callable[[ClientApp, Payload], Payload | None]


class Refused(Exception):
    """The server's refusal, as a status and Keeper's own error code."""

    def __init__(self, status: int, error: str, message: str, **more: str) -> None:
        super().__init__(message)
        self.status = status
        self.content = {"error": error, "message": message, **more}


class KeeperApi:
    """The endpoints. ``duplicates`` shows each record of a folder a second time, as shared directly.

    ``keeps_silent``: whether a new record with the uid of one that is there is accepted, and thrown away. Keeper does
    not publish what it does; clients must not depend on it. ``names_parents``: whether a nested folder is told of with
    its parent, which the SDK cannot read; that is not published either.
    """

    def __init__(self, vault: Vault, storage: FileStorage) -> None:
        self.vault = vault
        self.storage = storage
        self.duplicates = False
        self.keeps_silent = False
        self.names_parents = False
        self.owner_key = crypto.new_private_key()
        self.endpoints: dict[str, Endpoint] = {
            "get_secret": self._get_secret,
            "get_folders": self._get_folders,
            "update_secret": self._update_secret,
            "finalize_secret_update": self._finalize,
            "rollback_secret_update": self._rollback,
            "create_secret": self._create_secret,
            "delete_secret": self._delete_secret,
            "add_file": self._add_file,
        }

    def _get_secret(self, client: ClientApp, payload: Payload) -> Payload:
        wanted = set(payload.get("requestedRecords") or []) or None
        folders = set(payload.get("requestedFolders") or []) or None
        records = [
            record for record in self.vault.records.values()
            if client.sees(record) and (wanted is None or record.uid in wanted)
            and (folders is None or record.folder_uid in folders)
        ]  # fmt: skip
        answer: Payload = {
            "folders": self._shared_folders(client, records, everything=wanted is None and folders is None),
            "records": [
                self._beside(client, record) for record in records if record.by_hand or self._direct(client, record)
            ],
            "appData": crypto.to_base64(crypto.encrypt(b'{"title":"Rotation","type":"rotation"}', client.app_key)),
        }
        if client.token is not None and payload.get("publicKey"):
            answer["encryptedAppKey"] = crypto.to_url_base64(crypto.encrypt(client.app_key, client.token))
            answer["appOwnerPublicKey"] = crypto.to_url_base64(crypto.public_point(self.owner_key))
        return answer

    def _direct(self, client: ClientApp, record: StoredRecord) -> bool:
        return self.duplicates or record.uid in client.records

    def _beside(self, client: ClientApp, record: StoredRecord) -> Payload:
        """A record that is told of outside of its folder.

        One that was made by hand is under the folder's key there, and not under the application's.
        https://github.com/Keeper-Security/secrets-manager/pull/1094
        """
        if not record.by_hand:
            return self._wrapped(record, client.app_key)
        inner = {"innerFolderUid": record.inner_folder_uid or record.folder_uid}
        return self._wrapped(record, self.vault.folders[record.folder_uid].key) | inner

    def _shared_folders(self, client: ClientApp, records: list[StoredRecord], everything: bool) -> list[Payload]:
        shared = []
        for folder in (folder for folder in self.vault.folders.values() if self.vault.shared(folder) is folder):
            there = (record for record in records if record.folder_uid == folder.uid and not record.by_hand)
            inside = [self._wrapped(record, folder.key) for record in there]
            if client.sees_folder(folder.uid) and (inside or everything):
                key = crypto.to_base64(crypto.encrypt(folder.key, client.app_key))
                shared.append({"folderUid": folder.uid, "folderKey": key, "records": inside})
        return shared

    def _get_folders(self, client: ClientApp, payload: Payload) -> Payload:
        folders = [(folder, self.vault.shared(folder)) for folder in self.vault.folders.values()]
        seen = [(folder, shared) for folder, shared in folders if client.sees_folder(shared.uid)]
        return {"folders": [self._described(folder, shared, client.app_key) for folder, shared in seen]}

    def _described(self, folder: Folder, shared: Folder, app_key: bytes) -> Payload:
        name, own = json.dumps({"name": folder.name}).encode(), folder is shared
        key = crypto.encrypt(folder.key, app_key) if own else crypto.encrypt_cbc(folder.key, shared.key)
        return {
            "folderUid": folder.uid,
            "folderKey": crypto.to_base64(key),
            "data": crypto.to_base64(crypto.encrypt_cbc(name, folder.key)),
            "parent": folder.parent if self.names_parents or not own else None,
        }

    def _update_secret(self, client: ClientApp, payload: Payload) -> None:
        record = self._writable(client, payload.get("recordUid"))
        _check_revision(record, payload.get("revision"))
        data = _opened_data(payload, record.key)
        self.vault.detach(record, payload.get("links2Remove") or [])
        if payload.get("transactionType") == "rotation":
            record.before = record.data
        record.replace(data)

    def _finalize(self, client: ClientApp, payload: Payload) -> None:
        self._in_transaction(client, payload).before = None

    def _rollback(self, client: ClientApp, payload: Payload) -> None:
        record = self._in_transaction(client, payload)
        if record.before is not None:
            record.replace(record.before)
        record.before = None

    def _in_transaction(self, client: ClientApp, payload: Payload) -> StoredRecord:
        record = self._writable(client, payload.get("recordUid"))
        if record.before is None:
            raise Refused(400, "bad_request", "the record has no open transaction")
        return record

    def _writable(self, client: ClientApp, uid: object) -> StoredRecord:
        record = self.vault.records.get(str(uid))
        if record is None or not client.sees(record):
            raise Refused(403, "access_denied", "the record is not shared with this application")
        if not self.vault.editable(record):
            raise Refused(403, "access_denied", "the record is read-only for this application")
        return record

    def _create_secret(self, client: ClientApp, payload: Payload) -> None:
        folder = self.vault.folders.get(str(payload.get("folderUid")))
        uid = str(payload.get("recordUid"))
        if folder is None or self.vault.shared(folder) is not folder or not client.sees_folder(folder.uid):
            raise Refused(403, "access_denied", "the folder is not shared with this application")
        if not folder.editable:
            raise Refused(403, "access_denied", "the folder is read-only for this application")
        inner = self.vault.folders.get(str(payload.get("subFolderUid")))
        if payload.get("subFolderUid") and (inner is None or self.vault.shared(inner) is not folder):
            raise Refused(400, "bad_request", "the subfolder is not in the folder")
        if uid in self.vault.records and self.keeps_silent:
            return
        if uid in self.vault.records or uid in self.vault.deleted:
            raise Refused(400, "bad_request", "the record exists already")
        key = self._new_key(payload, "recordKey", "folderKey", folder.key)
        data = _opened_data(payload, key)
        inner_uid = inner.uid if inner else None
        self.vault.records[uid] = StoredRecord(uid, data, folder.uid, key=key, inner_folder_uid=inner_uid)

    def _add_file(self, client: ClientApp, payload: Payload) -> Payload:
        record = self._writable(client, payload.get("ownerRecordUid"))
        _check_revision(record, payload.get("ownerRecordRevision"))
        uid, size = str(payload.get("fileRecordUid")), payload.get("fileSize")
        if uid in self.vault.files:
            raise Refused(400, "bad_request", "the file exists already")
        if not isinstance(size, int) or size <= 0:
            raise Refused(400, "bad_request", "the file has no size")
        key = self._new_key(payload, "fileRecordKey", "linkKey", record.key)
        _opened_data(payload, key, "fileRecordData")
        about, link = (crypto.from_base64(payload[name]) for name in ("fileRecordData", "linkKey"))
        file = StoredFile(uid, about, link, size, key)
        self.vault.attach(record, file, _opened_data(payload, record.key, "ownerRecordData"))
        return self.storage.form(file)

    def _new_key(self, payload: Payload, owned: str, shared: str, shared_key: bytes) -> bytes:
        """A new thing's key, which comes twice: sealed for the owner, and under the key of what it belongs to.

        Keeper cannot open either; the sandbox has both keys, and says so where a client mixes them up.
        """
        try:
            key = crypto.decrypt(crypto.from_base64(payload[shared]), shared_key)
            other = crypto.unseal(crypto.from_base64(payload[owned]), self.owner_key)
        except (InvalidTag, ValueError, KeyError):
            raise Refused(400, "bad_request", f"unable to decrypt {owned} or {shared}") from None
        if other != key:
            raise Refused(400, "bad_request", f"{owned} and {shared} hold different keys")
        return key

    def _delete_secret(self, client: ClientApp, payload: Payload) -> Payload:
        return {"records": [self._deleted(client, str(uid)) for uid in payload.get("recordUids") or []]}

    def _deleted(self, client: ClientApp, uid: str) -> Payload:
        try:
            record = self._writable(client, uid)
        except Refused as refusal:
            return {"recordUid": uid, "responseCode": "access_denied", "errorMessage": str(refusal)}
        self.vault.detach(record, record.files)
        del self.vault.records[uid]
        self.vault.deleted.add(uid)
        return {"recordUid": uid, "responseCode": "ok", "errorMessage": ""}

    def _wrapped(self, record: StoredRecord, key: bytes) -> Payload:
        """A record as it travels, its own key under ``key``."""
        files = [self._listed(self.vault.files[uid]) for uid in record.files]
        return {
            "recordUid": record.uid,
            "recordKey": crypto.to_base64(crypto.encrypt(record.key, key)),
            "data": crypto.to_base64(crypto.encrypt(json.dumps(record.data).encode(), record.key)),
            "revision": record.revision,
            "isEditable": self.vault.editable(record),
            "innerFolderUid": record.inner_folder_uid,
            "files": files or None,
        }

    def _listed(self, file: StoredFile) -> Payload:
        return {
            "fileUid": file.uid,
            "fileKey": crypto.to_base64(file.link_key),
            "data": crypto.to_base64(file.data),
            "url": self.storage.address(file),
            "thumbnailUrl": None,
        }


def _check_revision(record: StoredRecord, revision: object) -> None:
    if revision != record.revision:
        # Keeper publishes neither the status nor the code of this one; clients must not depend on them.
        raise Refused(409, "out_of_sync", "the record has a newer revision")


def _opened_data(payload: Payload, key: bytes, name: str = "data") -> dict[str, Any]:
    try:
        data = json.loads(crypto.decrypt(crypto.from_base64(payload[name]), key))
    except (InvalidTag, ValueError, KeyError):
        raise Refused(400, "bad_request", "unable to decrypt the record") from None
    if not isinstance(data, dict):
        raise Refused(400, "bad_request", "the record is no object")
    return data

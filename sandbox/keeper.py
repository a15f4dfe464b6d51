"""Keeper Secrets Manager, as its unmodified SDK meets it: `POST /api/rest/sm/v1/<endpoint>`.

Everything is checked as the real service would: the transmission key, the signature over it and the body, the client
id, the revision of a record that is saved, and whether the record may be edited at all.
"""

from __future__ import annotations

import copy
import hashlib
import hmac
import json
import os
from collections.abc import Callable, Sequence
from typing import Any

from cryptography.exceptions import InvalidTag

from sandbox import keeper_crypto as crypto
from sandbox.keeper_vault import ClientApp, Field, Folder, RecordView, StoredRecord, Vault, new_uid
from sandbox.messages import Request, Response
from sandbox.service import STATE, Service

HOST = "keepersecurity.com"
KEY_ID = "1"
PREFIX = "/api/rest/sm/v1/"
TOKEN_MESSAGE = b"KEEPER_SECRETS_MANAGER_CLIENT_ID"

Payload = dict[str, Any]
Endpoint = Callable[[ClientApp, Payload], Payload | None]


class Refused(Exception):
    """The server's refusal, as a status and Keeper's own error code."""

    def __init__(self, status: int, error: str, message: str, **more: str) -> None:
        super().__init__(message)
        self.status = status
        self.content = {"error": error, "message": message, **more}


class Keeper(Service):
    """The vault and its API. ``duplicates`` shows each record of a folder a second time, as shared directly."""

    name = "keeper"
    hosts = (HOST,)

    def __init__(self) -> None:
        self.vault = Vault()
        self.duplicates = False
        self._server_key = crypto.new_private_key()
        self._owner_key = crypto.new_private_key()
        self._configs: dict[str, dict[str, str]] = {}
        self._endpoints: dict[str, Endpoint] = {
            "get_secret": self._get_secret,
            "get_folders": self._get_folders,
            "update_secret": self._update_secret,
            "finalize_secret_update": self._finalize,
            "rollback_secret_update": self._rollback,
            "create_secret": self._create_secret,
            "delete_secret": self._delete_secret,
        }
        self.client_id = self.add_client()

    # -- for tests and the demo ---------------------------------------------------------------------------------

    def add_client(self, folders: Sequence[str] | None = None, records: Sequence[str] = ()) -> str:
        """Give another application access, to all folders or to the named ones; returns its client id."""
        private = crypto.new_private_key()
        client_id = crypto.to_base64(os.urandom(64))
        client = ClientApp(client_id, private.public_key(), records=set(records))
        client.folders = None if folders is None else set(folders)
        self.vault.clients[client_id] = client
        self._configs[client_id] = {
            "hostname": HOST,
            "clientId": client_id,
            "privateKey": crypto.to_base64(crypto.private_der(private)),
            "appKey": crypto.to_base64(client.app_key),
            "appOwnerPublicKey": crypto.to_base64(crypto.public_point(self._owner_key)),
            "serverPublicKeyId": KEY_ID,
            "serverPublicKey": self.server_public_key,
        }
        return client_id

    @property
    def server_public_key(self) -> str:
        """The key that clients encrypt for, in place of Keeper's own."""
        return crypto.to_url_base64(crypto.public_point(self._server_key))

    def client_config(self, client_id: str | None = None) -> dict[str, str]:
        """The configuration of a bound client; of the one that sees everything, if none is named."""
        return dict(self._configs[client_id or self.client_id])

    def one_time_token(self) -> str:
        """A token with which a new client can bind itself (and then sees everything)."""
        token = os.urandom(32)
        client_id = crypto.to_base64(hmac.new(token, TOKEN_MESSAGE, hashlib.sha512).digest())
        self.vault.clients[client_id] = ClientApp(client_id, None, token=token)
        return crypto.to_url_base64(token)

    def add_record(
        self,
        title: str,
        type: str = "pamUser",
        fields: Sequence[Field] = (),
        custom: Sequence[Field] | None = (),
        uid: str | None = None,
        editable: bool = True,
        folder: str | None = None,
        notes: str = "",
    ) -> str:
        """Put a record into a folder (the default one, if none is named); returns its uid."""
        data: dict[str, Any] = {"title": title, "type": type, "fields": copy.deepcopy(list(fields))}
        if custom is not None:
            data["custom"] = copy.deepcopy(list(custom))
        if notes:
            data["notes"] = notes
        uid = uid or new_uid()
        with STATE:
            self.vault.records[uid] = StoredRecord(uid, data, folder or self.vault.default_folder, editable)
        return uid

    def record(self, uid: str) -> RecordView:
        """The record as it is now. Raises KeyError."""
        with STATE:
            return self.vault.view(uid)

    def edit(self, uid: str, label: str, value: Any) -> None:
        """Another user's edit of one field, which bumps the revision."""
        with STATE:
            self.vault.edit(uid, label, value)

    def set_editable(self, uid: str, editable: bool) -> None:
        """Let the applications edit the record, or only see it."""
        self.vault.records[uid].editable = editable

    # -- the wire -----------------------------------------------------------------------------------------------

    def operation(self, request: Request) -> str:
        """The endpoint's name."""
        name = request.path.removeprefix(PREFIX)
        return name if name in self._endpoints else "unknown"

    def handle(self, request: Request) -> Response:
        """Check, decrypt, perform and encrypt."""
        try:
            endpoint = self._endpoints.get(self.operation(request))
            if request.method != "POST" or endpoint is None:
                raise Refused(404, "not_found", "no such endpoint")
            key, payload = self._open(request)
            answer = endpoint(self._client(request, payload), payload)
        except Refused as refusal:
            return self._refusal(request, refusal)
        body = b"" if answer is None else crypto.encrypt(json.dumps(answer).encode(), key)
        return Response(200, body, {"Content-Type": "application/octet-stream"})

    def failure(self, request: Request, status: int) -> Response:
        """Keeper's form of an error."""
        code = {403: "access_denied", 429: "throttled"}.get(status, "server_error")
        return self._refusal(request, Refused(status, code, "the request was not carried out"))

    def _refusal(self, request: Request, refusal: Refused) -> Response:
        where = {
            "path": f"https://{request.host}{request.path}, {request.method}",
            "additional_info": "",
            "location": "default exception manager - api validation exception",
        }
        return Response.of(refusal.status, where | refusal.content)

    def _open(self, request: Request) -> tuple[bytes, Payload]:
        """The transmission key and the decrypted payload."""
        if request.headers.get("publickeyid") != KEY_ID:
            raise Refused(401, "key", "invalid key id", key_id=KEY_ID)
        try:
            sealed = crypto.from_base64(request.headers.get("transmissionkey", ""))
            key = crypto.unseal(sealed, self._server_key)
            payload = json.loads(crypto.decrypt(request.body, key))
        except (InvalidTag, ValueError):
            raise Refused(400, "bad_request", "unable to decrypt the payload") from None
        if not isinstance(payload, dict):
            raise Refused(400, "bad_request", "the payload is no object")
        return key, payload

    def _client(self, request: Request, payload: Payload) -> ClientApp:
        """The application that signed the request. A first request with a one-time token binds its key."""
        client = self.vault.clients.get(str(payload.get("clientId")))
        if client is None:
            raise Refused(403, "access_denied", "Unable to validate application access")
        public = client.public_key
        if public is None and payload.get("publicKey"):
            public = crypto.from_point(crypto.from_base64(payload["publicKey"]))
        scheme, _, signature = request.headers.get("authorization", "").partition(" ")
        signed = crypto.from_base64(request.headers["transmissionkey"]) + request.body
        try:
            genuine = public is not None and crypto.signed_by(public, crypto.from_base64(signature), signed)
        except ValueError:
            genuine = False
        if scheme != "Signature" or not genuine:
            raise Refused(403, "access_denied", "Signature is invalid")
        client.public_key = public
        return client

    # -- endpoints ----------------------------------------------------------------------------------------------

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
            "records": [_wrapped(record, client.app_key) for record in records if self._direct(client, record)],
            "appData": crypto.to_base64(crypto.encrypt(b'{"title":"Rotation","type":"rotation"}', client.app_key)),
        }
        if client.token is not None and payload.get("publicKey"):
            answer["encryptedAppKey"] = crypto.to_url_base64(crypto.encrypt(client.app_key, client.token))
            answer["appOwnerPublicKey"] = crypto.to_url_base64(crypto.public_point(self._owner_key))
        return answer

    def _direct(self, client: ClientApp, record: StoredRecord) -> bool:
        return self.duplicates or record.uid in client.records

    def _shared_folders(self, client: ClientApp, records: list[StoredRecord], everything: bool) -> list[Payload]:
        shared = []
        for folder in self.vault.folders.values():
            inside = [_wrapped(record, folder.key) for record in records if record.folder_uid == folder.uid]
            if client.sees_folder(folder.uid) and (inside or everything):
                key = crypto.to_base64(crypto.encrypt(folder.key, client.app_key))
                shared.append({"folderUid": folder.uid, "folderKey": key, "records": inside})
        return shared

    def _get_folders(self, client: ClientApp, payload: Payload) -> Payload:
        seen = [folder for folder in self.vault.folders.values() if client.sees_folder(folder.uid)]
        return {"folders": [_described(folder, client.app_key) for folder in seen]}

    def _update_secret(self, client: ClientApp, payload: Payload) -> None:
        record = self._writable(client, payload.get("recordUid"))
        if payload.get("revision") != record.revision:
            # Keeper publishes neither the status nor the code of this one; clients must not depend on them.
            raise Refused(409, "out_of_sync", "the record has a newer revision")
        data = _opened_data(payload, record.key)
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
        if not record.editable:
            raise Refused(403, "access_denied", "the record is read-only for this application")
        return record

    def _create_secret(self, client: ClientApp, payload: Payload) -> None:
        folder = self.vault.folders.get(str(payload.get("folderUid")))
        uid = str(payload.get("recordUid"))
        if folder is None or not client.sees_folder(folder.uid):
            raise Refused(403, "access_denied", "the folder is not shared with this application")
        if uid in self.vault.records:
            raise Refused(400, "bad_request", "the record exists already")
        try:
            key = crypto.decrypt(crypto.from_base64(payload["folderKey"]), folder.key)
            owned = crypto.unseal(crypto.from_base64(payload["recordKey"]), self._owner_key)
        except (InvalidTag, ValueError, KeyError):
            raise Refused(400, "bad_request", "unable to decrypt the record key") from None
        if owned != key:
            raise Refused(400, "bad_request", "the owner's and the folder's record key differ")
        data = _opened_data(payload, key)
        self.vault.records[uid] = StoredRecord(uid, data, folder.uid, key=key)

    def _delete_secret(self, client: ClientApp, payload: Payload) -> Payload:
        return {"records": [self._deleted(client, str(uid)) for uid in payload.get("recordUids") or []]}

    def _deleted(self, client: ClientApp, uid: str) -> Payload:
        try:
            self._writable(client, uid)
        except Refused as refusal:
            return {"recordUid": uid, "responseCode": "access_denied", "errorMessage": str(refusal)}
        del self.vault.records[uid]
        return {"recordUid": uid, "responseCode": "ok", "errorMessage": ""}


def _described(folder: Folder, app_key: bytes) -> Payload:
    name = json.dumps({"name": folder.name}).encode()
    return {
        "folderUid": folder.uid,
        "folderKey": crypto.to_base64(crypto.encrypt(folder.key, app_key)),
        "data": crypto.to_base64(crypto.encrypt_cbc(name, folder.key)),
        "parent": None,
    }


def _wrapped(record: StoredRecord, key: bytes) -> Payload:
    """A record as it travels, its own key under ``key``."""
    return {
        "recordUid": record.uid,
        "recordKey": crypto.to_base64(crypto.encrypt(record.key, key)),
        "data": crypto.to_base64(crypto.encrypt(json.dumps(record.data).encode(), record.key)),
        "revision": record.revision,
        "isEditable": record.editable,
        "innerFolderUid": None,
        "files": None,
    }


def _opened_data(payload: Payload, key: bytes) -> dict[str, Any]:
    try:
        data = json.loads(crypto.decrypt(crypto.from_base64(payload["data"]), key))
    except (InvalidTag, ValueError, KeyError):
        raise Refused(400, "bad_request", "unable to decrypt the record") from None
    if not isinstance(data, dict):
        raise Refused(400, "bad_request", "the record is no object")
    return data

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
from collections.abc import Sequence
from typing import Any

from cryptography.exceptions import InvalidTag

from sandbox.keeper import crypto
from sandbox.keeper.api import KeeperApi, Payload, Refused
from sandbox.keeper.files import FileStorage, FileView, new_file, view
from sandbox.keeper.vault import ClientApp, Field, RecordView, StoredRecord, Vault, new_uid
from sandbox.proxy.messages import Request, Response
from sandbox.proxy.service import STATE, Service

HOST = "keepersecurity.com"
KEY_ID = "1"
PREFIX = "/api/rest/sm/v1/"
TOKEN_MESSAGE = b"KEEPER_SECRETS_MANAGER_CLIENT_ID"


class Keeper(Service):
    """The vault and its wire protocol."""

    name = "keeper"
    hosts = (HOST,)

    def __init__(self) -> None:
        self.vault = Vault()
        self.storage = FileStorage(self.vault)
        self.api = KeeperApi(self.vault, self.storage)
        self._server_key = crypto.new_private_key()
        self._configs: dict[str, dict[str, str]] = {}
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
            "appOwnerPublicKey": crypto.to_base64(crypto.public_point(self.api.owner_key)),
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

    def add_file(
        self, uid: str, name: str, content: bytes | None, mime: str = "application/octet-stream", title: str = ""
    ) -> str:
        """Another user's upload to a record, which bumps the revision; returns the file's uid.

        With ``content`` None the file is linked, and its bytes never came.
        """
        with STATE:
            record = self.vault.records[uid]
            file = new_file(name, content, mime, title or name, record.key)
            data = copy.deepcopy(record.data)
            references = [entry for entry in data["fields"] if entry["type"] == "fileRef"]
            if not references:
                references = [{"type": "fileRef", "value": []}]
                data["fields"] += references
            references[0]["value"].append(file.uid)
            self.vault.attach(record, file, data)
            return file.uid

    def attached(self, uid: str) -> list[FileView]:
        """The files of a record as they are now, decrypted."""
        with STATE:
            return [view(self.vault.files[file]) for file in self.vault.records[uid].files]

    def files(self, uid: str) -> dict[str, bytes | None]:
        """The contents of a record's files by name; None where the bytes were never uploaded."""
        return {file.name: file.content for file in self.attached(uid)}

    @property
    def duplicates(self) -> bool:
        """Whether each record of a folder is shown a second time, as shared directly."""
        return self.api.duplicates

    @duplicates.setter
    def duplicates(self, wanted: bool) -> None:
        self.api.duplicates = wanted

    # -- the wire -----------------------------------------------------------------------------------------------

    def operation(self, request: Request) -> str:
        """The endpoint's name."""
        name = request.path.removeprefix(PREFIX)
        return name if name in self.api.endpoints else "unknown"

    def handle(self, request: Request) -> Response:
        """Check, decrypt, perform and encrypt."""
        try:
            endpoint = self.api.endpoints.get(self.operation(request))
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

"""The files of records: `add_file`, and the storage host that takes and gives their bytes.

Keeper keeps the bytes outside the vault, in Amazon S3: `add_file` links a file to a record at once and answers with a
form that allows one upload of just that file; whoever reads the record gets a signed address to download it from. A
file whose upload never came is listed like any other, and its download fails.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from sandbox.keeper import crypto
from sandbox.keeper.vault import StoredFile, Vault, new_uid
from sandbox.proxy.messages import Request, Response
from sandbox.proxy.service import Service, route

HOST = "keeper-attachments.s3.us-east-1.amazonaws.com"
CREDENTIAL = "AKIASANDBOX/20260101/us-east-1/s3/aws4_request"
CREATED = 201
MESSAGES = {
    "AccessDenied": "Access Denied",
    "EntityTooLarge": "Your proposed upload exceeds the maximum allowed size",
    "EntityTooSmall": "Your proposed upload is smaller than the minimum allowed size",
    "MalformedPOSTRequest": "The body of your POST request is not well-formed multipart/form-data.",
    "NoSuchKey": "The specified key does not exist.",
    "SignatureDoesNotMatch": "The request signature we calculated does not match the signature you provided.",
}


@dataclass(frozen=True)
class FileView:
    """A file of a record for a test to look at, decrypted; ``content`` is None where the bytes were never uploaded."""

    uid: str
    name: str
    title: str
    mime: str
    size: int
    content: bytes | None = field(repr=False)


class FileStorage(Service):
    """A bucket: uploads by a form that Keeper signed, downloads by an address that Keeper signed."""

    name = "keeper_files"
    hosts = (HOST,)

    def __init__(self, vault: Vault) -> None:
        self.vault = vault
        self._secret = os.urandom(32)
        self._open: dict[str, str] = {}

    def form(self, file: StoredFile) -> dict[str, Any]:
        """What `add_file` answers: where and how the bytes are uploaded, once."""
        conditions = {"key": file.uid, "content-length-range": [file.size, file.size], "nonce": new_uid()}
        policy = crypto.to_base64(json.dumps(conditions).encode())
        self._open[policy] = file.uid
        fields = {
            "key": file.uid,
            "success_action_status": str(CREATED),
            "x-amz-algorithm": "AWS4-HMAC-SHA256",
            "x-amz-credential": CREDENTIAL,
            "policy": policy,
            "x-amz-signature": self._signature(policy),
        }
        return {"url": f"https://{HOST}/", "parameters": json.dumps(fields), "successStatusCode": CREATED}

    def address(self, file: StoredFile) -> str:
        """Where the bytes are downloaded from."""
        date = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        query = {
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Credential": CREDENTIAL,
            "X-Amz-Date": date,
            "X-Amz-Expires": "900",
            "X-Amz-SignedHeaders": "host",
            "X-Amz-Signature": self._signature(file.uid + date),
        }
        return f"https://{HOST}/{file.uid}?{urlencode(query)}"

    @route("POST", "/", "upload")
    def upload(self, request: Request, match: re.Match[str]) -> Response:
        """Take the bytes of one file, once, if they are as many as `add_file` was told."""
        fields = _form_fields(request)
        policy, content = fields.get("policy", b"").decode("latin-1"), fields.get("file")
        if content is None:
            return _error(400, "MalformedPOSTRequest")
        if not hmac.compare_digest(fields.get("x-amz-signature", b"").decode("latin-1"), self._signature(policy)):
            return _error(403, "SignatureDoesNotMatch")
        file = self.vault.files.get(self._open.get(policy, ""))
        if file is None or fields.get("key", b"").decode("latin-1") != file.uid:
            return _error(403, "AccessDenied")
        if len(content) != file.size:
            return _error(400, "EntityTooLarge" if len(content) > file.size else "EntityTooSmall")
        file.content = content
        del self._open[policy]
        return _xml(CREATED, f"<PostResponse><Key>{file.uid}</Key></PostResponse>")

    @route("GET", r"/(?P<uid>[\w-]+)", "download")
    def download(self, request: Request, match: re.Match[str]) -> Response:
        """The bytes as they were sent."""
        uid, query = match["uid"], request.query
        signed = self._signature(uid + query.get("X-Amz-Date", ""))
        if not hmac.compare_digest(query.get("X-Amz-Signature", "").encode(), signed.encode()):
            return _error(403, "SignatureDoesNotMatch")
        file = self.vault.files.get(uid)
        if file is None or file.content is None:
            return _error(404, "NoSuchKey")
        return Response(200, file.content, {"Content-Type": "binary/octet-stream"})

    def failure(self, request: Request, status: int) -> Response:
        """S3's form of an error."""
        codes = {403: "AccessDenied", 404: "NoSuchKey", 503: "SlowDown"}
        return _error(status, codes.get(status, "InternalError" if status >= 500 else "InvalidRequest"))

    def _signature(self, text: str) -> str:
        return hmac.new(self._secret, text.encode(), hashlib.sha256).hexdigest()


def new_file(name: str, content: bytes | None, mime: str, title: str, record_key: bytes) -> StoredFile:
    """A file as another client would have made it; with ``content`` None it was never uploaded."""
    key = crypto.new_key()
    about = {"name": name, "title": title, "type": mime, "size": len(content or b""), "lastModified": 1767225600000}
    data = crypto.encrypt(json.dumps(about).encode(), key)
    stored = None if content is None else crypto.encrypt(content, key)
    return StoredFile(new_uid(), data, crypto.encrypt(key, record_key), len(stored or b""), key, stored)


def view(file: StoredFile) -> FileView:
    """The file, decrypted."""
    about = json.loads(crypto.decrypt(file.data, file.key))
    content = None if file.content is None else crypto.decrypt(file.content, file.key)
    return FileView(file.uid, about["name"], about["title"], about["type"], about["size"], content)


def _form_fields(request: Request) -> dict[str, bytes]:
    """The parts of a multipart body by name. What follows the file is ignored, as S3 does."""
    found = re.search(r'boundary="?([^";]+)', request.headers.get("content-type", ""))
    if not found:
        return {}
    fields: dict[str, bytes] = {}
    for part in (b"\r\n" + request.body).split(b"\r\n--" + found[1].encode())[1:]:
        head, _, body = part.partition(b"\r\n\r\n")
        name = re.search(rb'\bname="([^"]*)"', head)
        if name and "file" not in fields:
            fields[name[1].decode("latin-1").lower()] = body
    return fields


def _error(status: int, code: str) -> Response:
    message = MESSAGES.get(code, "The request was not carried out.")
    return _xml(status, f"<Error><Code>{code}</Code><Message>{message}</Message></Error>")


def _xml(status: int, text: str) -> Response:
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'.encode()
    return Response(status, body, {"Content-Type": "application/xml", "Server": "AmazonS3"})

"""Files of a record: attached from memory, downloaded to memory, detached. Nothing touches the disk.

Keeper links a new file to the record first (`add_file`), and only then its bytes go to a storage host; what breaks
between the two leaves a file that is listed and has no content. The SDK does both in one method, without a timeout
and on connections of its own, so here are the same two requests on ours.
Source: https://docs.keeper.io/en/keeperpam/secrets-manager/developer-sdk-library/python-sdk
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from keeper_secrets_manager_core.crypto import CryptoUtils
from keeper_secrets_manager_core.dto.dtos import KeeperFileUpload
from keeper_secrets_manager_core.utils import base64_to_bytes

from gateway.errors import CallError, Failed, Refused, Unclear
from gateway.host.http import retry_after
from gateway.keeper.sdk import Keeper

if TYPE_CHECKING:
    from requests import Response

    from gateway.keeper.record import VaultRecord

UPLOAD, DOWNLOAD = "Keeper file upload", "Keeper file download"


class HalfAttached(Unclear):
    """The file ``attachment_uid`` may be listed on the record, and may be without content."""

    def __init__(self, error: CallError, attachment_uid: str) -> None:
        what = str(error).removeprefix(f"{error.where}: ")
        hint = "look at the record's files: one that cannot be opened has no content, and can be deleted"
        super().__init__(error.where, f"{what} (file {attachment_uid})", hint, may_have_changed=True)
        self.attachment_uid = attachment_uid


@dataclass(frozen=True)
class _Upload:
    """A file on its way: what Keeper is told, and the bytes for the storage host."""

    payload: Any = field(repr=False)
    encrypted: bytes = field(repr=False)
    content: bytes = field(repr=False)

    @property
    def uid(self) -> str:
        return str(self.payload.fileRecordUid)


class Files:
    """The files of the records that one application sees.

    Args:
        keeper: `Vault.keeper`.
        read: `Vault.read`.
    """

    def __init__(self, keeper: Keeper, read: Callable[[Iterable[str]], dict[str, VaultRecord]]) -> None:
        self._keeper = keeper
        self._read = read

    def attach(
        self, record: VaultRecord, name: str, content: bytes, mime: str = "application/octet-stream"
    ) -> VaultRecord:
        """Attach ``content`` to ``record`` as a new file, and save the record as it stands with it, in one revision.

        Returns the record as it reads now; the one given is not changed. A file of the same name stays beside it.

        Raises:
            Failed: this configuration cannot attach files; nothing was sent.
            NotSent, Refused: the record is as before, also where somebody changed it since it was read.
            HalfAttached: the record may list the file, perhaps without content.
            Unclear: the file is attached, but the record could not be read back.
        """
        upload = self._prepared(record, name, content, mime)
        try:
            url, fields = self._keeper.call("add_file", lambda: self._add_file(upload), repeat_unclear=False)
        except Unclear as error:
            raise HalfAttached(error, upload.uid) from None
        try:
            # The same bytes to the same place: this may happen twice.
            self._keeper.http.retrying(lambda: self._send(url, fields, upload))
        except CallError as error:
            return self._verify_upload(record, upload, error)
        return self._read_again(record, "the file is attached")

    def download(self, record: VaultRecord, attachment_uid: str) -> bytes:
        """The content of this file of ``record``, which must be freshly read: the address in it expires.

        Raises:
            CallError: `Refused` with status 403 or 404 where the file has no content.
            KeyError: the record did not list the file when it was read.
        """
        file = next((file for file in record.sdk_record.files if file.f["fileUid"] == attachment_uid), None)
        if file is None:
            raise KeyError(attachment_uid)
        return self._keeper.http.retrying(lambda: self._fetched(file))

    def detach(self, record: VaultRecord, uids: Iterable[str]) -> VaultRecord:
        """Remove these files from ``record``, and save it as it stands; returns it as it reads now.

        Raises:
            NotSent, Refused, Unclear: as `Vault.save`; the record given is not changed.
        """
        removed = list(uids)
        # A copy: after an error the caller's record is as it was.
        changed = copy.deepcopy(record.sdk_record)
        for reference in _references(changed):
            reference["value"] = [uid for uid in reference["value"] if uid not in removed]
        changed.raw_json = json.dumps(changed.dict)
        self._keeper.call(
            "update_secret", lambda: self._keeper.sdk.save(changed, links_to_remove=removed), repeat_unclear=False
        )
        return self._read_again(record, "the files are detached")

    def _prepared(self, record: VaultRecord, name: str, content: bytes, mime: str) -> _Upload:
        self._keeper.check_owner_key("no file can be attached")
        # A copy: the SDK writes the reference to the file into the record before Keeper has agreed.
        changed = copy.deepcopy(record.sdk_record)
        _references(changed)
        file = KeeperFileUpload(name, name, mime, content)
        try:
            made = self._keeper.sdk.prepare_file_upload_payload(self._keeper.sdk.config, changed, file)
        except Exception as error:  # such as a key of the application's owner that is none
            raise Failed(f"the file for the record cannot be encrypted ({type(error).__name__})") from None
        return _Upload(made["payload"], made["encryptedFileData"], content)

    def _add_file(self, upload: _Upload) -> tuple[str, dict[str, str]]:
        """Link the file to the record; where its bytes go, and the form that goes with them."""
        answer = json.loads(self._keeper.post("add_file", upload.payload))
        fields = json.loads(answer["parameters"])
        return _https("Keeper add_file", answer["url"]), {name: str(value) for name, value in fields.items()}

    def _send(self, url: str, fields: dict[str, str], upload: _Upload) -> None:
        form: dict[str, Any] = {"data": fields, "files": {"file": upload.encrypted}}
        _accepted(UPLOAD, self._keeper.http.raw(UPLOAD, "POST", url, verify=self._keeper.sdk.verify_ssl_certs, **form))

    def _fetched(self, file: Any) -> bytes:
        url = _https(DOWNLOAD, file.f.get("url"))
        response = self._keeper.http.raw(DOWNLOAD, "GET", url, is_file=True, verify=self._keeper.sdk.verify_ssl_certs)
        _accepted(DOWNLOAD, response)
        try:
            key = CryptoUtils.decrypt_aes(base64_to_bytes(file.f["fileKey"]), file.record_key_bytes)
            content: bytes = CryptoUtils.decrypt_aes(response.content, key)
        except Exception as error:  # whatever the SDK's AES and base64 libraries raise
            raise Unclear(DOWNLOAD, f"content that cannot be decrypted ({type(error).__name__})") from None
        return content

    def _verify_upload(self, record: VaultRecord, upload: _Upload, error: CallError) -> VaultRecord:
        """The fresh record, where the bytes are there in spite of ``error``."""
        try:
            fresh = self._read_again(record, "the file is listed")
            if self.download(fresh, upload.uid) == upload.content:
                return fresh
        except (CallError, KeyError):
            pass
        raise HalfAttached(error, upload.uid)

    def _read_again(self, record: VaultRecord, done: str) -> VaultRecord:
        try:
            fresh = self._read([record.uid]).get(record.uid)
        except CallError as error:
            # Not what the reading raised: `NotSent` would say that nothing has happened.
            what = f"{done}, but the record could not be read back: {error}"
            raise Unclear("Keeper get_secret", what, may_have_changed=True) from None
        if fresh is None:
            raise Unclear("Keeper get_secret", f"{done}, but the record has disappeared", may_have_changed=True)
        return fresh


def _references(sdk_record: Any) -> list[dict[str, Any]]:
    """The record's fields that refer to files. One without a list of values, at which the SDK stumbles, gets it."""
    parts = (sdk_record.dict.get(part) or [] for part in ("fields", "custom"))
    found = [entry for part in parts for entry in part if isinstance(entry, dict) and entry.get("type") == "fileRef"]
    for reference in found:
        if not isinstance(reference.get("value"), list):
            reference["value"] = []
    return found


def _https(where: str, url: Any) -> str:
    if not isinstance(url, str) or urlsplit(url).scheme != "https":
        raise Unclear(where, "an address for the file's content that is not https")
    return url


def _accepted(where: str, response: Response) -> None:
    """Raises Refused or Unclear unless the storage host did what it was asked."""
    status = response.status_code
    if 200 <= status < 300:
        return
    if status >= 500:
        raise Unclear(where, f"HTTP {status}")
    code = re.search(rb"<Code>(\w{1,60})</Code>", response.content[:2000])
    hint = "the file has no content, or its address has expired: attach it again, or read the record again"
    raise Refused(
        where, status, code[1].decode() if code else "", throttled=status == 429, retry_after=retry_after(response),
        hint=hint,
    )  # fmt: skip

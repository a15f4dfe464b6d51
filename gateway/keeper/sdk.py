"""Calls to Keeper through its own SDK, with what the SDK leaves open closed.

A timeout on every call, throttling by 403 and by 429, and errors sorted by what may have happened.
Source: https://docs.keeper.io/en/keeperpam/secrets-manager/developer-sdk-library/python-sdk
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar

from keeper_secrets_manager_core import SecretsManager
from keeper_secrets_manager_core.configkeys import ConfigKeys
from keeper_secrets_manager_core.crypto import CryptoUtils
from keeper_secrets_manager_core.dto.dtos import KeeperFolder, Record
from keeper_secrets_manager_core.dto.payload import KSMHttpResponse
from keeper_secrets_manager_core.storage import InMemoryKeyValueStorage
from keeper_secrets_manager_core.utils import base64_to_bytes

from gateway.errors import KEEPER, CallError, Failed, Refused, Unclear
from gateway.host.http import Http, json_object, retry_after
from gateway.keeper.config import locate

T = TypeVar("T")
_CHANGES = ("create_secret", "update_secret", "delete_secret", "add_file")


class Keeper:
    """The SDK on our session.

    Args:
        config: the Keeper configuration as JSON text (`gateway.keeper.config`).
        http: the session of the run.
    """

    def __init__(self, config: str, http: Http) -> None:
        self.http = http
        self.sdk = SecretsManager(config=InMemoryKeyValueStorage(config))
        if not self.sdk.verify_ssl_certs:
            what = "KSM_SKIP_VERIFY is set: anyone in between could read and change what this host asks Keeper for"
            hint = "remove it from the environment; where a proxy opens TLS, name its CA in REQUESTS_CA_BUNDLE"
            raise Failed(what, hint)
        # The SDK posts without a timeout and on a new connection each time; this is the seam its own tests use too.
        self.sdk.post_function = self._post
        self._key_changes = 0

    def call(self, endpoint: str, call: Callable[[], T], *, repeat_unclear: bool = True) -> T:
        """``call`` of the SDK until it goes through; for one that must not happen twice: ``repeat_unclear=False``.

        Raises:
            NotSent, Refused, Unclear
        """
        self.http.may_have_changed |= endpoint in _CHANGES
        try:
            return self.http.retrying(lambda: self._sorted(f"Keeper {endpoint}", call), repeat_unclear=repeat_unclear)
        except CallError as error:
            error.service = KEEPER
            error.may_have_changed = isinstance(error, Unclear) and endpoint in _CHANGES
            raise

    def post(self, endpoint: str, payload: Any) -> bytes:
        """One request that the SDK has prepared, for what it has no method that fits; the answer, decrypted.

        To be given to `call`, which sorts what this raises.
        """
        answer: bytes = self.sdk._post_query(endpoint, payload)
        return answer

    def records(self, uids: list[str]) -> list[Any]:
        """The records with these uids that can be read; no uids: all.

        One that a person made in a folder comes beside the folders, under the key of one of them. The SDK tries the
        application's key alone, and leaves it out: https://github.com/Keeper-Security/secrets-manager/pull/1094
        With one record that cannot be read it leaves out the whole folder.

        Raises:
            CallError
        """
        answer = self.call("get_secret", lambda: self.sdk.get_secrets(uids, full_response=True))
        left_out = [each["r"] for each in answer.bad_records]
        left_out += [row for each in answer.bad_folders for row in _inside(each["f"])]
        # Without the folders nobody knows what these need: they are not taken for records that are not there.
        folders = self.folders() if left_out else []
        opened = (next(filter(None, (_opened(row, folder) for folder in folders)), None) for row in left_out)
        return [*answer.records, *filter(None, opened)]

    def folders(self) -> list[KeeperFolder]:
        """The folders that the application sees, as far as they can be read; the SDK reads all of them or none.

        One that is shared by itself has no parent here, wherever it is: its key is under the application's.

        Raises:
            CallError
        """
        config = self.sdk.config
        payload = SecretsManager.prepare_get_payload(config, None)
        rows = self.call("get_folders", lambda: _rows(self.post("get_folders", payload)))
        app_key = base64_to_bytes(config.get(ConfigKeys.KEY_APP_KEY))
        shared = {uid: key for uid, row in rows.items() if (key := _key(row, CryptoUtils.decrypt_aes, app_key))}
        found = []
        for uid, row in rows.items():
            outer = shared.get(_root(uid, rows, shared), b"")
            if key := shared.get(uid) or _key(row, CryptoUtils.decrypt_aes_cbc, outer):
                found.append(KeeperFolder(key, uid, "" if uid in shared else str(row["parent"]), _name(row, key)))
        return found

    def check_owner_key(self, what: str) -> None:
        """Before anything is made: it is encrypted for the owner of the application too.

        Raises:
            Failed: the configuration does not hold the owner's key.
        """
        if not self.sdk.config.get(ConfigKeys.KEY_OWNER_PUBLIC_KEY):
            raise Failed(
                f"Keeper configuration: without appOwnerPublicKey, so {what}",
                "it was made by an old client: add a device to the application in a current web vault or Commander, "
                "and bind its one-time token again",
            )

    def _sorted(self, where: str, call: Callable[[], T]) -> T:
        self._key_changes = 0
        try:
            return call()
        except CallError:
            raise
        except Exception as error:  # the SDK raises whatever its JSON and AES libraries do on a broken answer
            raise Unclear(where, f"an answer that cannot be read ({type(error).__name__})") from None

    def _post(self, url: str, transmission_key: Any, message: Any, verify: bool, _proxy: str | None) -> KSMHttpResponse:
        where = "Keeper " + url.rsplit("/", 1)[-1]
        headers = {
            "Content-Type": "application/octet-stream",
            "PublicKeyId": str(transmission_key.publicKeyId),
            "TransmissionKey": base64.b64encode(transmission_key.encryptedKey).decode(),
            "Authorization": "Signature " + base64.b64encode(message.signature).decode(),
        }
        response = self.http.raw(where, "POST", url, headers=headers, data=message.encrypted_payload, verify=verify)
        self.http.note_time(response, of_vault=True)
        if response.status_code != 200:
            self._raise_unless_key_change(where, response)
        return KSMHttpResponse(response.status_code, response.content, response)

    def _raise_unless_key_change(self, where: str, response: Any) -> None:
        body = json_object(response) or {}
        code = str(body.get("result_code") or body.get("error") or "")
        if code == "key" and self._key_changes < 3:
            self._key_changes += 1  # the SDK changes to the key that Keeper names, and posts again, without a bound
            return
        status = response.status_code
        if status >= 500:
            raise Unclear(where, f"HTTP {status}")
        throttled = status == 429 or code == "throttled"
        wait = retry_after(response) or _number(body.get("retry_after"))
        hint = "" if throttled or not where.endswith(" get_secret") else _other_configuration()
        said = str(body.get("message", ""))
        raise Refused(where, status, code, said, throttled=throttled, retry_after=wait, hint=hint)


def _inside(folder: dict[str, Any]) -> list[dict[str, Any]]:
    """The records of a folder that the SDK has left out."""
    rows = folder.get("records")
    found = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    return [{"folderUid": folder.get("folderUid"), **row} for row in found]


def _opened(row: dict[str, Any], folder: KeeperFolder) -> Any:
    """The record of this row, if it is under the folder's key: AES-GCM tells."""
    try:
        return Record(row, folder.folder_key, folder.folder_uid)
    except Exception:  # whatever the SDK's JSON and AES libraries raise
        return None


def _rows(answer: bytes) -> dict[str, dict[str, Any]]:
    """The folders by uid. Raises whatever there is for an answer that is none: see `Keeper.call`."""
    return {str(row["folderUid"]): dict(row) for row in json.loads(answer or "{}").get("folders") or []}


def _key(row: dict[str, Any], decrypt: Callable[[bytes, bytes], bytes], outer: bytes) -> bytes:
    try:
        return decrypt(base64_to_bytes(row["folderKey"]), outer)
    except Exception:  # as above
        return b""


def _root(uid: str, rows: Mapping[str, dict[str, Any]], shared: Collection[str]) -> str:
    """The shared folder that a folder is in; empty where none is seen."""
    for _ in rows:
        if uid in shared:
            return uid
        uid = str(rows.get(uid, {}).get("parent") or "")
    return ""


def _name(row: dict[str, Any], key: bytes) -> str:
    try:
        return str(json.loads(CryptoUtils.decrypt_aes_cbc(base64_to_bytes(row["data"]), key))["name"])
    except Exception:  # as above
        return ""


def _other_configuration() -> str:
    """What an application may not read is left out of its answers: who is refused altogether is not of this vault."""
    return (
        f"the Keeper configuration ({locate() or 'of this host'}) may be of another vault or of a device that was "
        "removed, or it is locked to another address: name the right one in KSM_CONFIG_FILE, or make a new device"
    )


def _number(value: Any) -> float | None:
    return float(min(value, 1e9)) if isinstance(value, (int, float)) and value > 0 else None

"""Shared folders, and new records in them.

The SDK chooses a new record's uid at random, inside the call that sends it. Here the uid follows from the thing that
the record stands for, so that all hosts choose the same one and Keeper takes only one record; and it is known before
the request is sent, so that the record can be looked for after a lost answer.
Source: https://docs.keeper.io/en/keeperpam/secrets-manager/developer-sdk-library/python-sdk
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from keeper_secrets_manager_core.crypto import CryptoUtils
from keeper_secrets_manager_core.dto.dtos import RecordCreate, RecordField
from keeper_secrets_manager_core.dto.payload import CreateOptions
from keeper_secrets_manager_core.exceptions import KeeperError

from gateway.errors import CallError, Failed, Refused, Unclear
from gateway.keeper.record import VaultRecord
from gateway.keeper.sdk import Keeper

TRIES = 3
# The uids that a thing may have: a record in the trash keeps its own, and so does one that stands for something else.
UIDS = 6
ASTRAY = "restore that record in the vault, empty the trash, or name another folder; then run it again"
LOOK = (
    "look for it in the shared folder before you run this again; where it lies in the trash, restore it or empty that"
)
NewField = tuple[str, str, str]
"""label, Keeper's field type, value"""


class SharedFolder(NamedTuple):
    """A folder that the application sees; ``parent`` is empty for a shared folder, else it is a folder inside one."""

    uid: str
    name: str
    parent: str


class Created(NamedTuple):
    """The uid of a thing's record. ``made``: Keeper took ours; else another run had made it."""

    uid: str
    made: bool


class Settled(NamedTuple):
    """What became of new records, by uid: another run has made it; why it is none; why that cannot be told."""

    others: set[str]
    astray: dict[str, str]
    doubts: dict[str, str]


class _Taken(Exception):
    """A record has this uid that cannot be seen, or stands for something else; or that is what Keeper's no may mean."""

    def __init__(self, reason: CallError) -> None:
        super().__init__()
        self.reason = reason


class Folders:
    """The folders that one application sees.

    Args:
        keeper: `Vault.keeper`.
        read: `Vault.read`.
    """

    def __init__(self, keeper: Keeper, read: Callable[[Iterable[str]], dict[str, VaultRecord]]) -> None:
        self._keeper = keeper
        self._read = read
        self._seen: list[Any] = []
        """as they were last; a folder keeps its uid and its key"""
        self._keys: dict[str, bytes] = {}
        """the key of each record that was sent, by uid: no two have the same"""

    def all(self) -> list[SharedFolder]:
        """The shared folders that the application sees, and the folders inside them.

        Raises:
            CallError
        """
        return [SharedFolder(folder.folder_uid, folder.name, folder.parent_uid) for folder in self._folders()]

    def check(self, folder_uid: str) -> None:
        """A record can be created there, as far as can be told before it is tried.

        Raises:
            Failed: this configuration cannot create records, or the folder cannot be seen.
            CallError
        """
        self._keeper.check_owner_key("no record can be created")
        _shared(self._folders(), folder_uid)

    def create(
        self,
        folder_uid: str,
        title: str,
        record_type: str,
        fields: Sequence[NewField],
        notes: str = "",
        *,
        target: str,
    ) -> Created:
        """Create a record in a folder, unless another run does so meanwhile. One is made, whatever answer is lost.

        Args:
            fields: label, Keeper's type and value of each. Those without a label of their own (empty, or the type
                itself, such as ``login``) become standard fields, the others custom fields.
            target: the label of the field that names the thing the record stands for.

        Raises:
            Failed: this configuration cannot create records, the folder cannot be seen, or not be edited.
            NotSent, Refused: no record was made.
            Unclear: a record with the uid in the message may have been made.
        """
        self._keeper.check_owner_key("no record can be created")
        content = _content(title, record_type, fields, notes)
        if all(folder.folder_uid != folder_uid for folder in self._seen):
            self._folders()
        shared = _shared(self._seen, folder_uid)
        options = CreateOptions(shared.folder_uid, None if folder_uid == shared.folder_uid else folder_uid)
        address = next(value for label, _, value in fields if label == target)
        for number in range(UIDS):
            payload = self._prepared(options, content, shared.folder_key)
            payload.recordUid = record_uid(shared.folder_uid, target, address, number)
            self._keys[payload.recordUid] = _key(payload, shared.folder_key)
            try:
                return self._send(payload, lambda record: _same(record.value(target), address))
            except _Taken as error:
                reason = error.reason
        if not isinstance(reason, Refused):
            raise reason
        if reason.status != 403:
            reason.hint = f"where {UIDS} former records of it lie in the trash, restore one or empty it"
            raise reason
        hint = "give the application the right to edit in the shared folder"
        raise Failed(f"no record can be created in folder {shared.name or folder_uid}: {reason}", hint)

    def settled(self, created: Mapping[str, tuple[str, str]]) -> Settled:
        """What became of the records that `create` seems to have made: Keeper may accept one, and keep another.

        Args:
            created: by uid, the label and the value of the field that names the thing.
        """
        try:
            found = self._read(list(created)) if created else {}
        except CallError as error:
            what = "whether Keeper has kept record {} for {} cannot be told: {}"
            return Settled(set(), {}, {uid: what.format(uid, of, error) for uid, (_, of) in created.items()})
        settled = Settled(set(), {}, {})
        for uid, (label, address) in created.items():
            if (record := found.get(uid)) is None:
                settled.doubts[uid] = f"Keeper took record {uid} for {address}, and does not show it"
            elif not _same(record.value(label), address):
                settled.astray[uid] = f"record {uid}, which is that of {address}, is of something else by now"
            elif not self._is_ours(record):
                settled.others.add(uid)
        return settled

    def _folders(self) -> list[Any]:
        self._seen = self._keeper.folders()
        return self._seen

    def _prepared(self, options: CreateOptions, content: str, folder_key: bytes) -> Any:
        sdk = self._keeper.sdk
        try:
            return sdk.prepare_create_payload(sdk.config, options, content, folder_key)
        except Exception as error:  # such as a key of the application's owner that is none
            raise Failed(f"the new record cannot be encrypted ({type(error).__name__})") from None

    def _send(self, payload: Any, is_same: Callable[[VaultRecord], bool]) -> Created:
        """Send it, again after a lost answer. Raises _Taken, CallError."""
        uid = str(payload.recordUid)
        lost: Unclear | None = None
        for _ in range(TRIES):
            refusal: Refused | None = None
            try:
                self._keeper.call(
                    "create_secret", lambda: self._keeper.post("create_secret", payload), repeat_unclear=False
                )
                return Created(uid, True)
            except Unclear as error:
                lost = error
            except CallError as error:
                refusal = error if isinstance(error, Refused) and not error.throttled else None
                if not (lost or refusal):
                    raise
            try:
                record = self._read([uid]).get(uid)
            except CallError:
                if refusal and not lost:
                    raise refusal from None
                continue
            if record and (self._is_ours(record) or is_same(record)):
                return Created(uid, self._is_ours(record))
            reason = refusal or lost
            if reason and (record or not lost):  # where an answer was lost, a no may be to what Keeper has taken
                raise _Taken(reason)
        raise Unclear(
            "Keeper create_secret",
            f"whether record {uid} was created cannot be told: {lost}",
            "look for it in the shared folder before you run this again",
            may_have_changed=True,
        )

    def _is_ours(self, record: VaultRecord) -> bool:
        return bool(record.sdk_record.record_key_bytes == self._keys.get(record.uid))


def record_uid(folder_uid: str, target: str, address: str, number: int) -> str:
    """The uid of a thing's record, the same on every host; ``number``: those before are taken.

    None begins with a dash, which command lines take for an option: the SDK makes none that does, either.
    """
    text = "\n".join((folder_uid, target, address.strip().lower(), str(number)))
    digest = hashlib.sha256(text.encode()).digest()[:16]
    return base64.urlsafe_b64encode(bytes([digest[0] & 0x7F]) + digest[1:]).decode().rstrip("=")


def _key(payload: Any, folder_key: bytes) -> bytes:
    """The record's own key, which the SDK has put into the request under the folder's."""
    return bytes(CryptoUtils.decrypt_aes(base64.b64decode(payload.folderKey), folder_key))


def _same(one: str, other: str) -> bool:
    return one.strip().lower() == other.strip().lower()


def _content(title: str, type_: str, fields: Sequence[NewField], notes: str) -> str:
    """The record as JSON: what has a label of its own is a custom field."""
    record = RecordCreate(type_, title)
    record.notes = notes
    record.fields = [RecordField(type_, value) for label, type_, value in fields if label in ("", type_)]
    record.custom = [RecordField(type_, value, label) for label, type_, value in fields if label not in ("", type_)]
    try:
        return str(record.to_json())
    except KeeperError as error:
        raise Failed(f"record {title}: {error}") from None


def _shared(folders: Sequence[Any], folder_uid: str) -> Any:
    """The shared folder that this one is or lies in."""
    known = {folder.folder_uid: folder for folder in folders}
    found = known.get(folder_uid)
    while found is not None and found.parent_uid:
        found = known.get(found.parent_uid)
    if found is None:
        raise Failed(
            f"folder {folder_uid} cannot be seen by the Keeper application",
            "share the folder with the application, with the right to edit, or correct the folder's uid",
        )
    return found

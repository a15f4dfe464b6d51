"""Shared folders, and new records in them.

The SDK chooses a new record's uid inside the call that sends it, so that nobody could look for the record after a lost
answer. Here the SDK prepares the request first: the uid is known, and sending the same request again makes no second
record.
Source: https://docs.keeper.io/en/keeperpam/secrets-manager/developer-sdk-library/python-sdk
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from keeper_secrets_manager_core.dto.dtos import RecordCreate, RecordField
from keeper_secrets_manager_core.dto.payload import CreateOptions
from keeper_secrets_manager_core.exceptions import KeeperError

from gateway.errors import CallError, Failed, Refused, Unclear
from gateway.keeper.sdk import Keeper

TRIES = 3
NewField = tuple[str, str, str]
"""label, Keeper's field type, value"""


class SharedFolder(NamedTuple):
    """A folder that the application sees; ``parent`` is empty for a shared folder, else it is a folder inside one."""

    uid: str
    name: str
    parent: str


class Folders:
    """The folders that one application sees.

    Args:
        keeper: `Vault.keeper`.
        read: `Vault.read`.
    """

    def __init__(self, keeper: Keeper, read: Callable[[Iterable[str]], dict[str, Any]]) -> None:
        self._keeper = keeper
        self._read = read
        self._seen: list[Any] = []
        """as they were last; a folder keeps its uid and its key"""

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

    def create(self, folder_uid: str, title: str, record_type: str, fields: Sequence[NewField], notes: str = "") -> str:
        """Create a record in a folder, and return its uid. After a lost answer it is looked for; one is made at most.

        Args:
            fields: label, Keeper's type and value of each. Those without a label of their own (empty, or the type
                itself, such as ``login``) become standard fields, the others custom fields.

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
        try:
            payload = self._keeper.sdk.prepare_create_payload(
                self._keeper.sdk.config, options, content, shared.folder_key
            )
        except Exception as error:  # such as a key of the application's owner that is none
            raise Failed(f"the new record cannot be encrypted ({type(error).__name__})") from None
        try:
            self._send(payload)
        except Refused as error:
            if error.status != 403 or error.throttled:
                raise
            hint = "give the application the right to edit in the shared folder"
            raise Failed(f"no record can be created in folder {shared.name or folder_uid}: {error}", hint) from None
        return str(payload.recordUid)

    def _folders(self) -> list[Any]:
        self._seen = self._keeper.call("get_folders", lambda: list(self._keeper.sdk.get_folders()))
        return self._seen

    def _send(self, payload: Any) -> None:
        lost: CallError | None = None
        for _ in range(TRIES):
            try:
                self._keeper.call(
                    "create_secret", lambda: self._keeper.post("create_secret", payload), repeat_unclear=False
                )
                return
            except Unclear as error:
                lost = error
            except CallError:
                if lost is None:
                    raise
            if self._is_there(payload.recordUid):
                return
        raise Unclear(
            "Keeper create_secret",
            f"whether record {payload.recordUid} was created cannot be told: {lost}",
            "look for it in the shared folder before you run this again",
            may_have_changed=True,
        )

    def _is_there(self, uid: str) -> bool:
        try:
            return uid in self._read([uid])
        except CallError:
            return False


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

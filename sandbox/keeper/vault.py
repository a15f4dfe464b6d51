"""What a Keeper vault holds: records in folders, and the applications that may see them."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from sandbox.keeper import crypto

Field = dict[str, Any]


@dataclass
class Folder:
    """A shared folder, or one inside ``parent``.

    ``editable``: whether applications may change its records and put new ones into it. ``nested``: it has a parent, and
    a key and rights of its own all the same, so that nobody sees it who sees its parent alone.
    https://github.com/Keeper-Security/Commander/pull/2308
    """

    name: str
    uid: str
    key: bytes = field(default_factory=crypto.new_key, repr=False)
    editable: bool = True
    parent: str | None = None
    nested: bool = False


@dataclass
class StoredFile:
    """A file as the vault keeps it, encrypted; ``size`` is that of ``content``, which is None until it is uploaded."""

    uid: str
    data: bytes = field(repr=False)
    link_key: bytes = field(repr=False)
    size: int
    key: bytes = field(repr=False)
    content: bytes | None = field(default=None, repr=False)


@dataclass
class StoredRecord:
    """A record as the vault keeps it. ``before`` is what a rollback of an open transaction goes back to."""

    uid: str
    data: dict[str, Any]
    folder_uid: str
    editable: bool = True
    revision: int = 1
    key: bytes = field(default_factory=crypto.new_key, repr=False)
    before: dict[str, Any] | None = None
    files: list[str] = field(default_factory=list)
    inner_folder_uid: str | None = None
    by_hand: bool = False
    """made in a folder by the web vault or Commander, not by an application: it is told of beside the folders"""

    def replace(self, data: dict[str, Any]) -> None:
        """Save a whole new content."""
        self.data = data
        self.revision += 1


@dataclass
class ClientApp:
    """A device of a Secrets Manager application. With ``folders`` or ``records`` None it sees all of them."""

    client_id: str
    public_key: ec.EllipticCurvePublicKey | None
    app_key: bytes = field(default_factory=crypto.new_key, repr=False)
    folders: set[str] | None = None
    records: set[str] = field(default_factory=set)
    token: bytes | None = field(default=None, repr=False)

    def sees_folder(self, uid: str) -> bool:
        """Whether the folder is shared with the application."""
        return self.folders is None or uid in self.folders

    def sees(self, record: StoredRecord) -> bool:
        """Whether the record is shared with the application in any way."""
        return record.uid in self.records or self.sees_folder(record.folder_uid)


@dataclass(frozen=True)
class RecordView:
    """A record for a test or a demo to look at: a copy, not touched by later changes."""

    uid: str
    revision: int
    editable: bool
    data: dict[str, Any]

    @property
    def title(self) -> str:
        """The record's title."""
        return str(self.data.get("title", ""))

    @property
    def type(self) -> str:
        """The record's type, such as ``pamUser``."""
        return str(self.data.get("type", ""))

    def fields(self) -> list[Field]:
        """All fields, the standard ones first."""
        return [*self.data.get("fields", []), *(self.data.get("custom") or [])]

    def field(self, label: str) -> Field | None:
        """The field with this very label, or else the unlabelled one of this type."""
        return _find(self.fields(), label)

    def value(self, label: str) -> Any:
        """The first value of that field; None where there is no field or no value."""
        found = self.field(label)
        return found["value"][0] if found and found.get("value") else None

    def values(self) -> dict[str, Any]:
        """Every field's first value by its label, or by its type where it has none."""
        return {
            entry.get("label") or entry["type"]: (entry["value"][0] if entry.get("value") else None)
            for entry in self.fields()
        }


def _find(fields: Iterable[Field], label: str) -> Field | None:
    entries = list(fields)
    named = (entry for entry in entries if entry.get("label") == label)
    typed = (entry for entry in entries if not entry.get("label") and entry.get("type") == label)
    return next(named, None) or next(typed, None)


def make_field(type_: str, value: Any, label: str | None = None) -> Field:
    """A field as a record holds it; None is an empty one."""
    values = [] if value is None else value if isinstance(value, list) else [value]
    return {"type": type_, **({"label": label} if label else {}), "value": values}


def new_uid(first: str = "") -> str:
    """A record uid; ``first`` can be ``-``, with which one in 64 real ones begins."""
    while not (uid := crypto.to_url_base64(os.urandom(16))).startswith(first):
        pass
    return uid


class Vault:
    """The folders and records, and the applications that were given access."""

    def __init__(self) -> None:
        self.folders: dict[str, Folder] = {}
        self.records: dict[str, StoredRecord] = {}
        self.deleted: set[str] = set()
        """uids of records in the trash, which no new record may have"""
        self.files: dict[str, StoredFile] = {}
        self.clients: dict[str, ClientApp] = {}
        self.default_folder = self.add_folder("Azure Rotation")

    def add_folder(self, name: str, parent: str | None = None, *, nested: bool = False, editable: bool = True) -> str:
        """Make a shared folder, or a folder inside one, or one that is shared by itself inside one; returns its uid."""
        folder = Folder(name, new_uid(), parent=parent, nested=nested, editable=editable)
        self.folders[folder.uid] = folder
        return folder.uid

    def view(self, uid: str) -> RecordView:
        """The record as it is now. Raises KeyError."""
        record = self.records[uid]
        return RecordView(uid, record.revision, record.editable, copy.deepcopy(record.data))

    def shared(self, folder: Folder) -> Folder:
        """The shared folder that this one is or lies in."""
        return self.shared(self.folders[folder.parent]) if folder.parent and not folder.nested else folder

    def editable(self, record: StoredRecord) -> bool:
        """Whether applications may change the record."""
        return record.editable and self.folders[record.folder_uid].editable

    def attach(self, record: StoredRecord, file: StoredFile, data: dict[str, Any]) -> None:
        """Link a new file to a record, whose new content ``data`` refers to it."""
        self.files[file.uid] = file
        record.files.append(file.uid)
        record.replace(data)

    def detach(self, record: StoredRecord, uids: Iterable[str]) -> None:
        """Take these files from a record; others are left as they are."""
        for uid in set(uids) & set(record.files):
            record.files.remove(uid)
            del self.files[uid]

    def edit(self, uid: str, label: str, value: Any) -> None:
        """Change (or add, as a text field) one field, as another user in the web vault would."""
        record = self.records[uid]
        data = copy.deepcopy(record.data)
        found = _find([*data.get("fields", []), *(data.get("custom") or [])], label)
        if found is None:
            found = make_field("text", None, label)
            data["custom"] = [*(data.get("custom") or []), found]
        found["value"] = [] if value is None else [value]
        record.replace(data)

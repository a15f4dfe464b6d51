"""Records for things that have none yet, as Keeper's SDK, the web vault and Keeper Commander each want them.

The same fields as in ``templates/``; what a rotation writes is left to its first run.
Source: https://docs.keeper.io/en/user-guides/import-records-1/import-a-.csv-file
and https://docs.keeper.io/en/keeperpam/commander-cli/command-reference/import-and-export-commands
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from gateway.commands.shared.output import note
from gateway.errors import Failed, Unclear
from gateway.host.shown import cell
from gateway.keeper.folders import ASTRAY, LOOK, Created, Folders, NewField
from gateway.kinds import registry
from gateway.kinds.registry import ROTATED, of_target
from gateway.model.fields import TYPES, Field
from gateway.model.kind_facts import KindFacts

FOLDER = "Azure Rotation"
PENDING = "pending-first-rotation"
UNUSED = "dummy-not-used"
NOTES = "Rotated by the Keeper Gateway (Run PAM scripts only)"
FOLLOWS = "Shows a TLS secret of Azure Key Vault; brought up to date by keeper-rotation tls-secret rediscover"
NOOP = {"NOOP": "True", "Private Key Type": "rsa-ssh"}
_COLUMNS = ("Folder", "Title", "Login", "Password", "Website Address", "Notes", "Shared Folder")
CERTIFICATE, TLS = registry.CERTIFICATE.target, registry.TLS_SECRET.target
APP, STORAGE = registry.APP_SECRET.target, registry.STORAGE_KEY.target


@dataclass(frozen=True)
class NewRecord:
    """A record that is to be made. ``values`` by label, without what may be empty; ``all_values`` with it.

    What is rotated is a PAM User; what is only shown is a Login, which needs no rotation.
    """

    item: Item
    title: str
    login: str
    values: dict[str, str]
    all_values: dict[str, str]
    type: str = "pamUser"
    password: str = UNUSED
    notes: str = NOTES

    def fields(self) -> list[NewField]:
        """For `Folders.create`."""
        own: list[NewField] = [("login", "login", self.login)]
        own += [("password", "password", self.password)] if self.password else []
        return own + [(label, TYPES[label], value) for label, value in self.values.items()]


def new_record(item: Item, more: Mapping[str, str] | None = None) -> NewRecord:
    """The record that stands for ``item``. ``more``: what one that is rotated asks for, besides what all of them do."""
    facts = of_target(item.label)
    name = " ".join(item.name.split()) or item.also[0]
    title, values = facts.title.format(name=name, where=item.where), {item.label: item.address}
    if facts not in ROTATED:
        shown = _defaults(each for each in facts.fields if each.label in _own(facts))
        return NewRecord(item, title, name, values, shown | values, "login", "", FOLLOWS)
    wishes = dict(facts.wishes) | {label: value for label, value in (more or {}).items() if label not in facts.defaults}
    written = [each.label for each in facts.fields if each.written and each.label in _own(facts)]
    pending = dict.fromkeys(written if facts.shows_pending else (), PENDING)
    every = _defaults(facts.fields) | dict(facts.defaults)
    return NewRecord(item, title, name, values | pending | NOOP | wishes, every | values | wishes)


def make(folders: Folders, folder_uid: str, record: NewRecord) -> Created:
    """Create it, unless another run has done so meanwhile; `Folders.settled` tells for sure.

    Raises:
        Failed, CallError
    """
    fields, target = record.fields(), record.item.label
    return folders.create(folder_uid, record.title, record.type, fields, record.notes, target=target)


def make_one(folders: Folders, folder_uid: str, record: NewRecord) -> Created:
    """As `make`, settled, and said where it is another run's.

    Raises:
        Failed
        CallError: an `Unclear` with a uid, where the record may be there.
    """
    uid, made = make(folders, folder_uid, record)
    settled = folders.settled({uid: (record.item.label, record.item.address)} if made else {})
    if settled.doubts:
        raise Unclear("Keeper create_secret", settled.doubts[uid], LOOK, may_have_changed=True)
    if settled.astray:
        raise Failed(settled.astray[uid], ASTRAY)
    made = made and not settled.others
    if not made:
        note(f"record {uid} was made by another run meanwhile")
    return Created(uid, made)


def _own(facts: KindFacts) -> frozenset[str]:
    """Labels of the fields that say something of the thing itself."""
    return facts.own() | {facts.outputs.expires}


def _defaults(of: Iterable[Field]) -> dict[str, str]:
    return {each.label: each.default for each in of}


def web_vault_csv(records: Sequence[NewRecord], folder: str) -> str:
    """For the import of the web vault, which knows no types: records arrive as Logins, all fields as text."""
    most = max(len(record.values) for record in records)
    pairs = [f"Custom Field {number} {part}" for number in range(1, most + 1) for part in ("Name", "Value")]
    rows: list[list[str]] = [[*_COLUMNS, *pairs]]
    for record in records:
        custom = [text for pair in record.values.items() for text in pair]
        rows.append([*_start(record, folder), *custom])
    return _csv(rows)


def commander_json(records: Sequence[NewRecord], folder: str) -> str:
    """For ``keeper import --format=json``: all fields, also those that are empty."""
    shared = {"shared_folder": _escaped(folder), "can_edit": True}
    made: list[dict[str, Any]] = [
        {
            "title": record.title,
            "$type": record.type,
            "login": record.login,
            "password": record.password,
            "notes": record.notes,
            "custom_fields": {_typed(label): value for label, value in record.all_values.items()},
            "folders": [shared],
        }
        for record in records
    ]
    whole = {"shared_folders": [{"path": _escaped(folder), "can_edit": True}], "records": made}
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


def _start(record: NewRecord, folder: str) -> list[str]:
    return ["", record.title, record.login, record.password, "", record.notes, folder]


def _typed(label: str) -> str:
    return f"${TYPES[label]}:{label}"


def _escaped(folder: str) -> str:
    """A folder's name in a path of Commander, where one backslash begins a subfolder."""
    return folder.replace("\\", "\\\\")


def _csv(rows: Sequence[Sequence[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([cell(text) for text in row] for row in rows)
    return text.getvalue()


@dataclass(frozen=True)
class Item:
    """One thing that is there. ``label``: the field by which a record names it; ``address``: that field's value.

    ``also``: other values that name it; ``source``: where it was found, if that is another address; ``version``: empty
    for the thing as a whole; ``unwanted``: why no record is made for it; ``owners``: an app's.
    """

    label: str
    address: str
    name: str
    where: str
    expires: datetime | None
    note: str = ""
    also: tuple[str, ...] = ()
    version: str = ""
    previous: bool = False
    source: str = ""
    unwanted: str = ""
    owners: tuple[str, ...] = ()

    def days_left(self, now: datetime) -> int | None:
        """Whole days until it expires, negative where it has; None where it does not."""
        return None if self.expires is None else (self.expires - now) // timedelta(days=1)

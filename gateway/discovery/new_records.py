"""Records for things that have none yet, as Keeper's SDK, the web vault and Keeper Commander each want them.

The same fields as in ``templates/``; what a rotation writes is left to its first run.
Source: https://docs.keeper.io/en/user-guides/import-records-1/import-a-.csv-file
and https://docs.keeper.io/en/keeperpam/commander-cli/command-reference/import-and-export-commands
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.clouds import Cloud
from gateway.discovery.looking import APP, CERTIFICATE, STORAGE, TLS, Item
from gateway.fields import DEFAULTS, FIELDS, KINDS, script_of
from gateway.folders import NewField

FOLDER = "Azure Rotation"
PENDING = "pending-first-rotation"
UNUSED = "dummy-not-used"
NOTES = "Rotated by the Keeper Gateway (Run PAM scripts only)"
FOLLOWS = "Shows a TLS secret of Azure Key Vault; brought up to date by keeper-rotation tls-secret rediscover"
NOOP = {"NOOP": "True", "Private Key Type": "rsa-ssh"}
_COLUMNS = ("Folder", "Title", "Login", "Password", "Website Address", "Notes", "Shared Folder")


@dataclass(frozen=True)
class _Form:
    """What a kind of record is called, what its first rotation fills in, and what it asks for at least."""

    title: str
    outputs: tuple[str, ...]
    wishes: dict[str, str]
    rotated: bool = True
    defaults: dict[str, str] = field(default_factory=dict)
    """what an empty field means to its script, where that is another thing than for the others"""


_FORMS = {
    CERTIFICATE: _Form(
        "Azure certificate - {name} ({where})",
        (),
        {"remove_old": "none"},
        defaults={"rotate_before_hours": "720"},
    ),
    APP: _Form(
        "Azure app secret - {name}",
        ("client_secret_id", "client_secret", "expires"),
        {"remove_old": "replaced", "overlap_hours": "24"},
    ),
    STORAGE: _Form(
        "Azure storage key - {name}",
        ("active_key", "storage_key", "connection_string", "expires"),
        {"remove_old": "none"},
    ),
    TLS: _Form("Azure TLS secret - {name} ({where})", (), {}, rotated=False),
}


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
    kind: str = "pamUser"
    password: str = UNUSED
    notes: str = NOTES

    def fields(self) -> list[NewField]:
        """For `Vault.create`."""
        own: list[NewField] = [("login", "login", self.login)]
        own += [("password", "password", self.password)] if self.password else []
        return own + [(label, KINDS[label], value) for label, value in self.values.items()]


def new_record(item: Item, cloud: Cloud) -> NewRecord:
    """The record that stands for ``item``."""
    form = _FORMS[item.label]
    name = " ".join(item.name.split()) or item.also[0]
    wishes = form.wishes | ({} if cloud.name == DEFAULTS["azure_cloud"] else {"azure_cloud": cloud.name})
    if not form.rotated:
        return _shown(item, form.title.format(name=name, where=item.where), name)
    values = {item.label: item.address} | dict.fromkeys(form.outputs, PENDING) | NOOP | wishes
    every = {each.label: each.default for each in FIELDS if each.is_for(script_of(item.label))} | form.defaults
    title = form.title.format(name=name, where=item.where)
    return NewRecord(item, title, name, values, every | {item.label: item.address} | wishes)


def _shown(item: Item, title: str, login: str) -> NewRecord:
    values = {item.label: item.address}
    ours = [each for each in FIELDS if each.label == "expires" or (each.only and each.is_for(script_of(item.label)))]
    every = {each.label: each.default for each in ours}
    return NewRecord(item, title, login, values, every | values, "login", "", FOLLOWS)


def web_vault_csv(records: Sequence[NewRecord], folder: str) -> str:
    """For the import of the web vault, which knows no types: records arrive as Logins, all fields as text."""
    most = max(len(record.values) for record in records)
    pairs = [f"Custom Field {number} {part}" for number in range(1, most + 1) for part in ("Name", "Value")]
    rows: list[list[str]] = [[*_COLUMNS, *pairs]]
    for record in records:
        custom = [text for pair in record.values.items() for text in pair]
        rows.append([*_start(record, folder), *custom])
    return _csv(rows)


def commander_csv(records: Sequence[NewRecord], folder: str) -> str:
    """For ``keeper import --format=csv``, which takes a header for a record, and leaves out empty values."""
    rows = []
    for record in records:
        custom = [text for label, value in record.values.items() for text in (_typed(label), value)]
        rows.append([*_start(record, f"{_escaped(folder)}#edit"), "$type", record.kind, *custom])
    return _csv(rows)


def commander_json(records: Sequence[NewRecord], folder: str) -> str:
    """For ``keeper import --format=json``: all fields, also those that are empty."""
    place = {"shared_folder": _escaped(folder), "can_edit": True}
    made: list[dict[str, Any]] = [
        {
            "title": record.title,
            "$type": record.kind,
            "login": record.login,
            "password": record.password,
            "notes": record.notes,
            "custom_fields": {_typed(label): value for label, value in record.all_values.items()},
            "folders": [place],
        }
        for record in records
    ]
    whole = {"shared_folders": [{"path": _escaped(folder), "can_edit": True}], "records": made}
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


def _start(record: NewRecord, folder: str) -> list[str]:
    return ["", record.title, record.login, record.password, "", record.notes, folder]


def _typed(label: str) -> str:
    return f"${KINDS[label]}:{label}"


def _escaped(folder: str) -> str:
    """A folder's name in a path of Commander, where one backslash begins a subfolder."""
    return folder.replace("\\", "\\\\")


def _csv(rows: Sequence[Sequence[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()

"""The field ``rotation_state``: what a record has published before, and when that is to be removed. No secret in it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from gateway.credential import stamp

VERSION = 1


@dataclass(frozen=True)
class Entry:
    """A credential to be removed at ``after``, or only remembered (None).

    ``published``: this record once published it; otherwise it is somebody else's.
    """

    after: datetime | None
    published: bool


@dataclass(frozen=True)
class Ledger:
    """``named`` is the target as the record gave it, ``target`` its object id, ``key_id`` what was published last."""

    named: str = ""
    target: str = ""
    key_id: str = ""
    entries: dict[str, Entry] = field(default_factory=dict)

    def ever_published(self) -> set[str]:
        """Key ids that this record publishes or once published."""
        return {self.key_id} | {key_id for key_id, entry in self.entries.items() if entry.published}

    def text(self, record_uid: str) -> str:
        """The ledger as the record keeps it."""
        entries = [
            {"key_id": key_id, "after": stamp(entry.after) if entry.after else None, "published": entry.published}
            for key_id, entry in self.entries.items()
        ]
        content = {"version": VERSION, "record": record_uid, "named": self.named, "target": self.target}
        return json.dumps({**content, "key_id": self.key_id, "retire": entries}, separators=(",", ":"))


def read_ledger(text: str, record_uid: str, named: str) -> Ledger:
    """The ledger in ``text``; an empty one where it is unreadable or speaks of another record or target.

    Records are copied by hand, with this field: what it says of another record must not be acted upon.
    """
    try:
        content = json.loads(text or "{}")
        if (content["version"], content["record"], content["named"]) != (VERSION, record_uid, named):
            return Ledger(named)
        entries = {str(row["key_id"]): _entry(row) for row in content["retire"]}
        return Ledger(named, str(content["target"]), str(content["key_id"]), entries)
    except (ValueError, KeyError, TypeError):
        return Ledger(named)


def _entry(row: dict[str, Any]) -> Entry:
    after = row["after"]
    return Entry(datetime.fromisoformat(after) if after else None, bool(row["published"]))

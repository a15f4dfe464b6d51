"""The field ``rotation_state``: what a record has published before, when that is to be removed, and what each
destination holds. No secret in it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from gateway.errors import Failed
from gateway.model.credential import GRACE, stamp, utc

VERSION = 1


@dataclass(frozen=True)
class Entry:
    """A credential to be removed at ``after``, or only remembered (None).

    ``published``: this record once published it; otherwise it is somebody else's.
    """

    after: datetime | None
    published: bool


@dataclass(frozen=True)
class Intent:
    """What a run is about to make, saved before it does.

    ``key_id``: the key that is to be regenerated, the id of the new password, or the newest version so far; ``before``:
    when that key or version was made, for a password the moment of the intent.
    ``lock_id`` and ``until`` tell which run is at it, and until when, as the marker of a credential does. ``ends``: the
    key is regenerated only to end its former value, and nobody is to be given the new one. ``late``: the new one is
    published, and a request of that run may still arrive, which would end a newer one.
    """

    key_id: str
    before: datetime
    lock_id: str
    until: datetime
    ends: bool = False
    late: bool = False

    def over(self, lock_id: str) -> datetime:
        """After this nothing of that run can arrive, as far as the host with this lock id can tell."""
        return self.until if self.lock_id == lock_id else self.until + GRACE


@dataclass(frozen=True)
class Ledger:
    """``named`` is the target as the record gave it, ``target`` its object id, ``key_id`` what was published last.

    ``holds``: for each destination's address the key id that was last confirmed there. ``drift``: addresses that the
    last run found with another value, and served again. ``revoking``: what was published before is to end, whatever the
    record's policy says, and not all of it has ended yet.
    """

    named: str = ""
    target: str = ""
    key_id: str = ""
    entries: dict[str, Entry] = field(default_factory=dict)
    holds: dict[str, str] = field(default_factory=dict)
    intent: Intent | None = None
    drift: tuple[str, ...] = ()
    revoking: bool = False

    def ever_published(self) -> set[str]:
        """Key ids that this record publishes or once published."""
        return {self.key_id} | {key_id for key_id, entry in self.entries.items() if entry.published}

    def still_expected(self, now: datetime) -> set[str]:
        """What this record publishes or once published, and what no run has been told to remove yet."""
        waiting = {key_id for key_id, entry in self.entries.items() if entry.after is None or entry.after > now}
        return (self.ever_published() & (waiting | {self.key_id})) - {""}

    def publishing(self, key_id: str) -> Ledger:
        """The ledger once the record publishes this; what it published last is remembered."""
        former = {self.key_id: Entry(None, True)} if self.key_id not in ("", key_id) else {}
        return replace(self, key_id=key_id, entries=former | self.entries)

    def text(self, record_uid: str) -> str:
        """The ledger as the record keeps it."""
        entries = [
            {"key_id": key_id, "after": stamp(entry.after) if entry.after else None, "published": entry.published}
            for key_id, entry in self.entries.items()
        ]
        content = {"version": VERSION, "record": record_uid, "named": self.named, "target": self.target}
        rest: dict[str, Any] = {"key_id": self.key_id, "retire": entries, "holds": self.holds}
        rest |= {"drift": list(self.drift)} if self.drift else {}
        if self.revoking:
            rest["revoking"] = True
        if at_work := self.intent:
            moments = {"before": at_work.before.isoformat(), "until": stamp(at_work.until)}
            # Records hold intents of every kind under this name.
            rest["regenerating"] = {"key_id": at_work.key_id, "lock": at_work.lock_id, **moments}
            rest["regenerating"] |= {"ends": True} if at_work.ends else {}
            rest["regenerating"] |= {"late": True} if at_work.late else {}
        return json.dumps(content | rest, separators=(",", ":"))


def read_ledger(text: str, record_uid: str) -> Ledger:
    """The ledger in ``text``; an empty one where it speaks of another record.

    Records are copied by hand, with this field: what it says of another record must not be acted upon.

    Raises:
        Failed: it cannot be read. It is not taken for empty: secrets that it remembers would lose their dates.
    """
    if not text.strip():
        return Ledger()
    try:
        content = json.loads(text)
        if content["version"] != VERSION:
            raise ValueError
        if content["record"] != record_uid:
            return Ledger()
        entries = {str(row["key_id"]): _entry(row) for row in content["retire"]}
        holds = {str(address): str(key_id) for address, key_id in content["holds"].items()}
        named, target, key_id = (str(content[name]) for name in ("named", "target", "key_id"))
        drift, revoking = tuple(map(str, content.get("drift") or ())), content.get("revoking") is True
        intent = _intent(content.get("regenerating"))
        return Ledger(named, target, key_id, entries, holds, intent, drift, revoking)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise Failed(
            "rotation_state cannot be read: it was edited, or written by another version of this package",
            "put the field back from the record's history, or run the same version on all hosts; where it is emptied, "
            "secrets that this record published before end a day after the next rotation",
        ) from None


def _entry(row: dict[str, Any]) -> Entry:
    return Entry(utc(row["after"]) if row["after"] else None, bool(row["published"]))


def _intent(row: dict[str, Any] | None) -> Intent | None:
    if row is None:
        return None
    ends, late = row.get("ends") is True, row.get("late") is True
    return Intent(str(row["key_id"]), utc(row["before"]), str(row["lock"]), utc(row["until"]), ends, late)

"""What the vault and this host's history say of each record, and what in it is trouble."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from gateway.commands.outlook import Outlook, kind_of, look_ahead
from gateway.commands.reading import Reading
from gateway.errors import Failed
from gateway.keeper.admin import credential_of
from gateway.keeper.record import VaultRecord
from gateway.kinds import registry
from gateway.model.credential import read_stamp, stamp
from gateway.model.kind_facts import KindFacts

SILENT, SILENT_EVERY_RUN = timedelta(hours=48), timedelta(days=8)
# What nothing here renews is told of so long before its end.
_TELL_BEFORE = timedelta(days=14)
ADMIN = "admin"
TROUBLE, NOTE, WELL, OFF = "trouble", "note", "ok", "off"
_WORDS = {
    registry.APP_SECRET.name: "app",
    registry.STORAGE_KEY.name: "storage",
    registry.MONGODB_USER.name: "mongodb",
    registry.CERTIFICATE.name: "cert",
    registry.PUBLISHED_PASSWORD.name: "password",
    registry.TLS_SECRET.name: "tls",
}


@dataclass(frozen=True)
class Row:
    """One record.

    ``recent``: its last lines in this host's history, oldest first; ``drift``: what differs, None if not known.
    """

    record: VaultRecord
    kind: str
    target: str
    outlook: Outlook
    recent: Sequence[Mapping[str, Any]]
    state: str
    trouble: tuple[str, ...]
    notes: tuple[str, ...]
    days_left: int | None
    drift: tuple[str, ...] | None = None

    @property
    def last_run(self) -> Mapping[str, Any]:
        """The last one of them; empty where there is none."""
        return self.recent[-1] if self.recent else {}

    def keys(self) -> dict[str, Any]:
        """For machines. Times are in UTC."""
        outlook, run = self.outlook, self.last_run
        return {
            "title": self.record.title,
            "record": self.record.uid,
            "kind": self.kind,
            "target": self.target,
            "state": self.state,
            "trouble": list(self.trouble),
            "notes": list(self.notes),
            "enabled": outlook.is_enabled,
            "expires": stamp(outlook.expires) or None,
            "days_left": self.days_left,
            "why": list(outlook.why),
            "next_due": stamp(outlook.next_due) or None,
            "every_run": outlook.every_run,
            "last_rotated": stamp(outlook.last_rotated) or None,
            "pending": list(outlook.pending),
            "left": list(outlook.left),
            "drift": None if self.drift is None else list(self.drift),
            "last_run_here": {key: run[key] for key in _OF_A_RUN if key in run} or None,
        }


_OF_A_RUN = ("time", "result", "exit_code", "error", "hint", "run", "host", "seconds")


class Overview:
    """All that is known without asking anybody else."""

    def __init__(self, reading: Reading) -> None:
        self._chosen = reading.chosen
        self._reading = reading
        self._now = reading.now
        self._ends = {
            record.value("client_id").strip().lower(): record.value("expires")
            for record in reading.records.values()
            if record.value(registry.APP_SECRET.target).strip() and record.value("client_id").strip()
        }
        """when the secret ends of each app that a record of ours rotates, by its client id"""

    def rows(self) -> Iterator[Row]:
        """Of each record that is one of this package's."""
        for record in self._chosen.values():
            if facts := kind_of(record):
                yield self._row(record, facts)
            elif row := self._admin(record):
                yield row

    def _row(self, record: VaultRecord, facts: KindFacts) -> Row:
        run = self._reading.last_run(record.uid)
        outlook = look_ahead(record, facts, self._now, run)
        target = record.value(facts.target) if facts.target else ""
        trouble = [*_of_the_record(outlook, self._now, is_rotated=facts in registry.ROTATED), *_of_the_run(run)]
        return self._made(record, _WORDS[facts.name], target, outlook, trouble, list(_notes(outlook)))

    def _admin(self, record: VaultRecord) -> Row | None:
        try:
            admin = credential_of(record)
        except Failed as error:
            return self._made(record, ADMIN, "", Outlook(problem=error.message), [error.message], [])
        if admin is None:
            return None
        ends = admin.ends or read_stamp(self._ends.get(admin.client_id.lower(), ""))
        outlook = Outlook(expires=ends)
        trouble = list(_of_the_record(outlook, self._now, is_rotated=False))
        is_unknown = ends is None and admin.client_secret is not None
        notes = ["when its secret ends is not known: write it into its field expires"] if is_unknown else []
        return self._made(record, ADMIN, admin.client_id, outlook, trouble, notes)

    def _made(
        self,
        record: VaultRecord,
        kind: str,
        target: str,
        outlook: Outlook,
        trouble: list[str],
        notes: list[str],
    ) -> Row:
        state = TROUBLE if trouble else OFF if not outlook.is_enabled else NOTE if notes else WELL
        left = (outlook.expires - self._now).days if outlook.expires else None
        recent = self._reading.recent.get(record.uid, ())
        return Row(record, kind, target.strip(), outlook, recent, state, tuple(trouble), tuple(notes), left)


def _of_the_record(outlook: Outlook, now: datetime, *, is_rotated: bool) -> Iterable[str]:
    if outlook.problem:
        yield outlook.problem
    if outlook.expires and outlook.expires <= now:
        yield "expired"
    elif outlook.expires and not (is_rotated and outlook.is_enabled) and outlook.expires - now < _TELL_BEFORE:
        yield "ends soon, and nothing here renews it"
    if is_rotated and outlook.is_enabled and (silence := _silence(outlook, now)):
        yield silence
    if outlook.pending:
        yield f"not delivered: {', '.join(outlook.pending)}"


def _silence(outlook: Outlook, now: datetime) -> str:
    """Since when no run has done what was due; empty where that may still come."""
    if outlook.next_due and now - outlook.next_due > SILENT:
        return f"silent: it was due at {stamp(outlook.next_due)}"
    if outlook.every_run and outlook.last_rotated and now - outlook.last_rotated > SILENT_EVERY_RUN:
        return f"silent: it is for every run, and was last rotated at {stamp(outlook.last_rotated)}"
    return ""


def _of_the_run(run: Mapping[str, Any]) -> Iterable[str]:
    if run.get("exit_code") and run.get("result") != "waiting":
        yield f"{run.get('result')} here: {run.get('error')}"


def _notes(outlook: Outlook) -> Iterable[str]:
    if not outlook.is_enabled:
        yield "rotation_enabled is False"
    if why := [reason for reason in outlook.why if reason != "every run"]:
        yield f"due: {', '.join(why)}"
    yield from outlook.left

"""Making the records that are missing: straight in a shared folder, or as a file to be imported.

None is made twice in one shared folder, whoever else makes records there at the same time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from gateway.commands.discover.known_records import KnownItem, KnownRecords
from gateway.commands.shared.facts import facts_at
from gateway.commands.shared.new_records import TLS, Item, NewRecord, make, new_record
from gateway.commands.shared.output import counted
from gateway.commands.shared.progress import progress
from gateway.commands.shared.session import Session
from gateway.errors import CallError, Failed, Incomplete, RotationError, Unclear, Unknown
from gateway.host.lock import LockHeld, RecordLock
from gateway.keeper.folders import ASTRAY, LOOK, Folders

_SHOWN = 5
AGAIN = "run it again: it continues with the rest; ROTATION_DEADLINE_SECONDS says how long one run may take"


def one_at_a_time(lock_dir: str) -> RecordLock:
    """Before the records are read, where some may be made. Raises Failed: another run on this host is at it."""
    try:
        return RecordLock(lock_dir, "discover --create")
    except LockHeld:
        raise Failed("another run on this host makes records", "wait for it, and run this again") from None


def folder_name(folders: Folders, given: str) -> str:
    """What a file for an import calls a folder that is given by its uid or its name; it may be one to be made.

    Raises:
        CallError
    """
    return next((folder.name for folder in folders.all() if folder.uid == given and not folder.parent), given)


def missing(rows: Sequence[KnownItem], more: Mapping[str, str]) -> list[NewRecord]:
    """A record for each thing that has none; one, however often it is listed. ``more``: as for `new_record`."""
    wanted: dict[str, Item] = {}
    for row in rows:
        if not (row.records or row.item.previous or row.item.unwanted):
            wanted.setdefault(row.item.address.lower(), row.item)
    return [new_record(item, more) for item in wanted.values()]


class Creation:
    """New records in a folder.

    Args:
        done: is told of each that is there: its uid, and whether this run has made it.
    """

    def __init__(self, session: Session, folder: str, done: Callable[[NewRecord, str, bool], None]) -> None:
        self._session, self._folder, self._done = session, folder, done
        self._new: dict[str, NewRecord] = {}
        self._met = 0
        self._total = 0
        self._skipped: list[str] = []
        self._doubts: list[str] = []

    def run(self, records: Sequence[NewRecord]) -> str:
        """Make those that no other run makes meanwhile; what was done, in words.

        Raises:
            Failed: none was made.
            Incomplete: some were; run again for the rest.
            Unknown: one may have been made.
        """
        deadline, cloud = self._session.deadline, self._session.azure.cloud
        known = KnownRecords(self._session.vault.read([]).values(), cloud)
        self._total = len(records)
        try:
            with progress(lambda: f"made {len(self._new):,} of {self._total:,} records"):
                for record in records:
                    if there := known.records(record.item):
                        self._meet(record, there[0])
                    else:
                        self._make(record, deadline.over())
        except _Stopped as stop:
            self._settle()
            error = self._stopped(stop.record, stop.error)
            raise self._with_doubts(str(error)) if self._doubts else error from None
        self._settle()
        if self._doubts:
            raise self._with_doubts(self._so_far())
        return self._finished()

    def _meet(self, record: NewRecord, uid: str) -> None:
        self._met += 1
        self._done(record, uid, False)

    def _settle(self) -> None:
        """What Keeper took may be another run's all the same."""
        made = {uid: (record.item.label, record.item.address) for uid, record in self._new.items()}
        others, astray, doubts = self._session.folders.settled(made)
        self._skipped += [f"{what} ({ASTRAY})" for what in astray.values()]
        self._doubts = list(doubts.values())
        for uid, record in self._new.items():
            if uid in others:
                self._meet(record, uid)
            elif uid not in astray:
                self._done(record, uid, uid not in doubts)
        gone = others | astray.keys() | doubts.keys()
        self._new = {uid: record for uid, record in self._new.items() if uid not in gone}

    def _with_doubts(self, so_far: str) -> Unknown:
        return Unknown(f"{so_far}; {_first([*self._doubts, *self._skipped])}", LOOK)

    def _finished(self) -> str:
        if not self._skipped:
            return f"{counted(len(self._new), 'record')} made{self._of_others()}"
        hint = "do what is said for each, and run it again"
        raise (Incomplete if self._new else Failed)(f"{self._so_far()}; {_first(self._skipped)}", hint)

    def _so_far(self) -> str:
        return f"{len(self._new):,} of {self._total:,} records were made{self._of_others()}"

    def _of_others(self) -> str:
        return f"; another run made {self._met:,} meanwhile" if self._met else ""

    def _make(self, record: NewRecord, too_late: str) -> None:
        try:
            if too_late:
                raise Failed(too_late, AGAIN)
            if (filled := self._filled(record)) is None:
                return
            uid, made = make(self._session.folders, self._folder, filled)
        except (Failed, CallError) as error:
            raise _Stopped(record, error) from None
        if made:
            self._new[uid] = record
        else:
            self._meet(record, uid)

    def _filled(self, record: NewRecord) -> NewRecord | None:
        """With what can be said of it already; None where it turns out to be no certificate, or may not be read.

        Raises:
            Failed: the vault does not answer now.
        """
        if record.item.label != TLS:
            return record
        try:
            return replace(record, values=record.values | facts_at(self._session, record.item.address))
        except (Failed, CallError) as error:
            if isinstance(error, CallError) and error.worth_another_try():
                raise Failed(str(error), error.hint) from None  # an `Unclear` here leaves no doubt about a record
            self._skipped.append(f"{record.item.address}: {error} ({error.hint})")
            return None

    def _stopped(self, record: NewRecord, error: Failed | CallError) -> RotationError:
        if isinstance(error, Unclear):
            return Unknown(f"{self._so_far()}; {record.title}: {error}", error.hint)
        if not self._new:
            return Failed(f"no record was made; {record.title}: {error}", error.hint)
        return Incomplete(f"{self._so_far()}; {record.title}: {error}", error.hint if error.hint else AGAIN)


def _first(texts: Sequence[str]) -> str:
    """As many as can be read; of the others the table has the uids."""
    return "; ".join(texts[:_SHOWN]) + ("; …" if len(texts) > _SHOWN else "")


class _Stopped(Exception):
    """The rest is not made."""

    def __init__(self, record: NewRecord, error: Failed | CallError) -> None:
        super().__init__()
        self.record, self.error = record, error

"""Making the records that are missing: straight in a shared folder, or as a file to be imported. None is made twice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from gateway.commands.discover.known_records import KnownItem, KnownRecords
from gateway.commands.shared.new_records import TLS, Item, NewRecord, new_record
from gateway.commands.shared.progress import progress
from gateway.commands.shared.session import Session
from gateway.commands.shared.tls_facts import facts_at
from gateway.errors import CallError, Failed, Incomplete, RotationError, Unclear, Unknown
from gateway.host.lock import LockHeld, RecordLock
from gateway.keeper.folders import Folders

_SHOWN = 5
AGAIN = "run it again: it goes on with the rest; ROTATION_DEADLINE_SECONDS says how long one run may take"


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


def missing(rows: Sequence[KnownItem], session: Session) -> list[NewRecord]:
    """A record for each thing that has none; one, however often it is listed."""
    wanted: dict[str, Item] = {}
    for row in rows:
        if not (row.records or row.item.previous or row.item.unwanted):
            wanted.setdefault(row.item.address.lower(), row.item)
    return [new_record(item, session.azure.cloud) for item in wanted.values()]


class Creation:
    """New records in a folder.

    Args:
        done: is told of each.
    """

    def __init__(self, session: Session, folder: str, done: Callable[[NewRecord, str], None]) -> None:
        self._session, self._folder, self._done = session, folder, done
        self._made = 0
        self._total = 0
        self._skipped: list[str] = []

    def run(self, records: Sequence[NewRecord]) -> int:
        """Make those that nobody has made meanwhile; how many.

        Raises:
            Failed: none was made.
            Incomplete: some were; run again for the rest.
            Unknown: one may have been made.
        """
        deadline, cloud = self._session.deadline, self._session.azure.cloud
        known = KnownRecords(self._session.vault.read([]).values(), cloud)
        left = [record for record in records if not known.records(record.item)]
        self._total = len(left)
        with progress(lambda: f"made {self._made:,} of {self._total:,} records"):
            for record in left:
                self._make(record, deadline.over())
        return self._finished()

    def _finished(self) -> int:
        if not self._skipped:
            return self._made
        hint = "do what is said for each, and run it again"
        said = "; ".join(self._skipped[:_SHOWN]) + ("; …" if len(self._skipped) > _SHOWN else "")
        what = f"{self._made:,} of {self._total:,} records were made; {said}"
        raise (Incomplete if self._made else Failed)(what, hint)

    def _make(self, record: NewRecord, too_late: str) -> None:
        try:
            if too_late:
                raise Failed(too_late, AGAIN)
            if (filled := self._filled(record)) is None:
                return
            uid = self._session.folders.create(self._folder, record.title, record.type, filled.fields(), record.notes)
        except (Failed, CallError) as error:
            raise self._stopped(record, error) from None
        self._made += 1
        self._done(record, uid)

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
        so_far = f"{self._made:,} of {self._total:,} records were made"
        if isinstance(error, Unclear):
            return Unknown(f"{so_far}; {record.title}: {error}", error.hint)
        if not self._made:
            return Failed(f"no record was made; {record.title}: {error}", error.hint)
        return Incomplete(f"{so_far}; {record.title}: {error}", error.hint if error.hint else AGAIN)

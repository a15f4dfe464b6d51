"""``keeper-rotation discover``, step by step. Checked first, looked next; changed only where that is asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatch

import click

from gateway.commands.batch import DAILY, Batch
from gateway.commands.discover import table
from gateway.commands.discover.create import Creation, folder_name, missing, one_at_a_time
from gateway.commands.discover.known_records import KnownItem, KnownRecords
from gateway.commands.discover.lines import write_lines
from gateway.commands.discover.look import WITHOUT, Discovery
from gateway.commands.shared import new_records
from gateway.commands.shared.new_records import APP, Item
from gateway.commands.shared.output import counted, warn
from gateway.commands.shared.output import note as say
from gateway.commands.shared.private_file import check_path, write_private
from gateway.commands.shared.progress import progress
from gateway.commands.shared.session import Session, open_session
from gateway.commands.shared.survey import not_all
from gateway.errors import CallError, Failed, RotationError
from gateway.host.settings import read_settings

STDOUT = "-"


@dataclass(frozen=True)
class Options:
    """The command's options, by click's names."""

    credential_uid: str
    configuration_uid: str
    cloud: str
    only: tuple[str, ...] = ()
    expiring_within: int | None = None
    create: bool = False
    folder: str | None = None
    csv_file: str | None = None
    json_file: str | None = None
    force: bool = False
    previous_versions: bool = False
    also_unwanted: bool = False
    batch: str | None = None
    daily_at: tuple[int, int] = (4, 0)
    script_command: str = ""
    create_option: str = "--create"
    """what ``create`` is called on the command line"""

    def files(self) -> dict[str, Callable[[Sequence[new_records.NewRecord], str], str]]:
        """The files that are to be written, with what writes each."""
        forms = (
            (self.csv_file, new_records.web_vault_csv),
            (self.json_file, new_records.commander_json),
        )
        return {path: form for path, form in forms if path and path != STDOUT}

    def check(self) -> None:
        """They fit together, and the file can be written. Raises Failed."""
        if self.create + len(self.files()) > 1:
            hint = "import one file, or use --create: the same thing done in two ways makes two records"
            raise Failed("more than one of --create, --csv and --json FILE", hint)
        if self.create and not self.folder:
            raise Failed(f"{self.create_option} without --folder", "give the uid or the name of a shared folder")
        if self.batch and not self.create:
            raise Failed("--batch without --create", "its lines are for the records that --create makes")
        for path in (*self.files(), *filter(None, [self.batch])):
            check_path(path, force=self.force)

    def lines(self) -> Batch | None:
        """The file with lines for Commander; None where none is asked for."""
        if not self.batch:
            return None
        uids = self.credential_uid, self.configuration_uid
        return Batch(self.batch, self.force, self.script_command, self.daily_at, *uids)

    def wants(self, row: KnownItem, session: Session) -> bool:
        """Whether the row is one of those that are asked for."""
        name, days = row.item.name.lower(), row.item.days_left(session.http.now())
        named = not self.only or any(fnmatch(name, pattern.lower()) for pattern in self.only)
        return named and (self.expiring_within is None or (days is not None and days <= self.expiring_within))


def show(find: Callable[[Discovery], list[Item]], options: Options) -> None:
    """Show what is found; make the records that are missing, where that is asked for.

    Raises:
        Failed: nothing was made or written.
        Incomplete: some places could not be read, or some records are still to be made.
        Unknown: a record may have been made.
        CallError
    """
    options.check()
    lock = one_at_a_time(read_settings().lock_dir) if options.create else None
    session = open_session(options.credential_uid, options.configuration_uid, options.cloud)
    folder = _folder(session, options)
    batch = options.lines()
    configuration_uid = batch.resolved(session.records) if batch else ""
    look = Discovery(session)
    with progress(look.state):
        items = find(look)
    rows = [row for row in known_rows(items, session, look) if options.wants(row, session)]
    stopped = _make(rows, session, folder, options)
    if batch:
        write_lines(batch, rows, session.records, configuration_uid)
    del lock
    table.show_rows(rows, session.http.now(), as_json=options.json_file == STDOUT)
    for note in look.notes:
        say(f"note: {note}")
    for warning in dict.fromkeys(look.warnings):
        warn(warning)
    _close(rows, look, stopped)


def _folder(session: Session, options: Options) -> str:
    """The uid of the folder where records are made, or its name in a file."""
    if options.create and options.folder:
        return session.folder_uid(options.folder)
    return folder_name(session.folders, options.folder) if options.files() and options.folder else new_records.FOLDER


def known_rows(items: Iterable[Item], session: Session, look: Discovery) -> list[KnownItem]:
    """Each with the records that stand for it."""
    once = {(item.address.lower(), item.version): item for item in items}
    known = KnownRecords(session.records.values(), session.azure.cloud)
    _resolve_principals(known, list(once.values()), session, look)
    return [_row(item, known) for item in once.values()]


def _row(item: Item, known: KnownRecords) -> KnownItem:
    """With the records that stand for it, or that deliver to it: such a copy follows its original."""
    if (uids := known.records(item)) or not (deliverers := known.deliverers(item)):
        return KnownItem(item, uids)
    return KnownItem(replace(item, note=", ".join(filter(None, (item.note, "delivered by that record")))), deliverers)


def _resolve_principals(known: KnownRecords, items: Sequence[Item], session: Session, look: Discovery) -> None:
    """A record may name an app by its service principal, which the list of apps does not show."""
    from gateway.azure.graph import is_guid

    if not any(item.label == APP for item in items):
        return
    for name in filter(is_guid, known.strangers(APP, items)):
        try:
            if name.strip("0-") and (client_id := session.azure.graph.client_id_of(name)):
                known.same(APP, name, client_id)
        except CallError as error:
            look.warnings.append(f"whether {name} of a record is a service principal cannot be told: {error}")


def _make(rows: list[KnownItem], session: Session, folder: str, options: Options) -> RotationError | None:
    """The records or the file that is asked for; what kept them from being complete, once some are made."""
    if not (options.create or options.files()):
        return None
    if options.also_unwanted:
        for row in rows:
            row.item = replace(row.item, unwanted=row.item.unwanted.replace(WITHOUT, ""))
    records = missing(rows, DAILY if options.batch else {})
    if options.previous_versions:
        click.echo("one record for each, whatever its version: previous versions get none", err=True)
    for why, count in Counter(row.item.unwanted for row in rows if not row.records).items():
        if why:
            click.echo(f"left out: {count:,} ({why})", err=True)
    if options.create:
        return _create(rows, records, session, folder)
    _write(records, folder, options)
    return None


def _create(
    rows: list[KnownItem], records: Sequence[new_records.NewRecord], session: Session, folder: str
) -> RotationError | None:
    by_address = {row.item.address.lower(): row for row in rows if not row.item.previous}

    def done(record: new_records.NewRecord, uid: str, made: bool) -> None:
        row = by_address[record.item.address.lower()]
        row.records, row.made = [uid], uid if made else ""

    try:
        say(Creation(session, folder, done).run(records))
    except RotationError as error:
        return error
    return None


def _write(records: Sequence[new_records.NewRecord], folder: str, options: Options) -> None:
    for path, form in options.files().items():
        if not records:
            click.echo("no file was written: nothing is left to make a record for", err=True)
            continue
        text = form(records, folder)
        write_private(path, text.encode(), force=options.force)
        click.echo(f"{counted(len(records), 'record')} written to {path}", err=True)


def _close(rows: Sequence[KnownItem], look: Discovery, stopped: RotationError | None) -> None:
    without = sum(1 for row in rows if not (row.records or row.item.previous))
    click.echo(f"{len(rows):,} shown, {without:,} without a record", err=True)
    if stopped:
        raise stopped
    if not look.warnings:
        return
    if not look.read:
        raise Failed("nothing could be read", "do what the warnings say")
    raise not_all()

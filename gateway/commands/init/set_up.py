"""An app, a storage account or a certificate, step by step: asked and checked first, then one record is made.

What can be rotated is found by `gateway.commands.discover`, and the record is the one that it makes. Run again, it goes
on with a record of its own that waits for its script.
"""

from __future__ import annotations

from collections.abc import Callable

from gateway.commands.batch import DAILY, waits
from gateway.commands.discover.create import one_at_a_time
from gateway.commands.discover.known_records import KnownItem
from gateway.commands.discover.look import OURS, Discovery
from gateway.commands.discover.show import known_rows
from gateway.commands.init.ask import ask, choose, confirm, similar
from gateway.commands.init.given import Given
from gateway.commands.plan.rehearsal import How
from gateway.commands.shared.new_records import Item, NewRecord, make_one, new_record
from gateway.commands.shared.output import note, warn
from gateway.commands.shared.progress import progress
from gateway.commands.shared.session import Session, open_session
from gateway.deliveries.addresses import read_destinations
from gateway.errors import Failed
from gateway.keeper.record import VaultRecord
from gateway.kinds.registry import of_target

_FIND: dict[str, Callable[[Discovery], list[Item]]] = {
    "app": lambda look: look.apps(),
    "storage": lambda look: look.storage_accounts(()),
    "certificate": lambda look: look.certificates(look.key_vaults(()), versions=False),
}


def set_up(given: Given) -> tuple[str, How]:
    """Make the record that is asked for, and the lines for Commander; its uid, and how it is rotated.

    Raises:
        Failed: nothing was made.
        Incomplete: the record is there, and the lines cannot be written.
        Unknown: the record may have been made.
        CallError
    """
    asks = not all(given.needed().values())
    session = open_session(given.credential_uid, given.configuration_uid, given.cloud)
    configuration_uid = given.file().resolved(session.records)
    read_destinations("\n".join(given.deliver_to), session.azure.cloud)
    look = Discovery(session)
    row = _target(given, session, look)
    folder = _folder(given, session)
    with session.deadline.standing_still():
        given.batch = given.batch or ask("Write the lines for Keeper Commander to", f"{given.kind}.batch")
    given.file().check()
    delivers = {"deliver_to": "\n".join(given.deliver_to)} if given.deliver_to else {}
    record = new_record(row.item, DAILY | delivers)
    if asks:
        with session.deadline.standing_still():
            confirm(f"Make the record {record.title!r}")
    uid = _made(session, row, record, folder)
    given.file().write([(uid, record.title, of_target(row.item.label))], configuration_uid)
    note(f"lines that attach its script and its schedule written to {given.batch}")
    return uid, How((given.credential_uid,) if given.credential_uid else (), configuration_uid)


def _target(given: Given, session: Session, look: Discovery) -> KnownItem:
    """The one that is named, or chosen. Raises Failed, CallError."""
    with progress(look.state):
        rows = known_rows(_FIND[str(given.kind)](look), session, look)
    for warning in look.warnings:
        warn(warning)
    rows = [row for row in rows if row.item.unwanted != OURS]
    if not given.target:
        free = [row for row in rows if not row.records]
        with session.deadline.standing_still():
            return choose(str(given.kind), [(f"{row.item.name}  {row.item.where}", row) for row in free])
    name = given.target.strip().rstrip("/").casefold()
    found = [row for row in rows if name in (each.casefold() for each in (row.item.address, *row.item.also))]
    found = found or [row for row in rows if row.item.name.casefold() == name]
    if len(found) == 1:
        return found[0]
    addresses = ", ".join(row.item.address for row in found)
    what = f"several have this name: {addresses}" if found else "nothing that can be seen has this name or id"
    hint = "give the id of one that keeper-rotation discover shows"
    more = "" if found else similar(name, (row.item.name for row in rows))
    raise Failed(f"--target {given.target!r}: {what}", hint + more)


def _folder(given: Given, session: Session) -> str:
    if not given.folder:
        folders = [(f"{each.name}  {each.uid}", each.uid) for each in session.folders.all()]
        with session.deadline.standing_still():
            given.folder = choose("folder", folders)
    return session.folder_uid(given.folder)


def _made(session: Session, row: KnownItem, record: NewRecord, folder: str) -> str:
    """The uid of its record: made now, or by an earlier run of this command. Raises Failed, Unknown, CallError."""
    for uid in row.records:
        there = session.records[uid]
        if not _is_as_made(there, record):
            what = f"record {uid} stands for {row.item.name} already"
            raise Failed(what, f"keeper-rotation plan {uid} shows what its rotation would do; nothing was made")
        note(f"record {uid} is there already")
        return uid
    lock = one_at_a_time(session.settings.lock_dir)
    made = make_one(session.folders, folder, record)
    del lock
    note(f"record {made.uid} {'made' if made.made else 'is there already'}: {record.title}")
    return made.uid


def _is_as_made(there: VaultRecord, record: NewRecord) -> bool:
    return waits(there) is not None and all(there.value(label) == value for label, value in record.values.items())

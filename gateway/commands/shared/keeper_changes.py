"""What commands change in Keeper: a record, its files, and whether it is there at all.

A record is changed only while it is held (`Session.hold`), so that no run on this host is at work on it meanwhile.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from gateway.errors import CallError, Failed, Incomplete, RotationError, Unclear, Unknown
from gateway.host.lost_answer import resolve_lost_answer
from gateway.keeper.certificate_attachment import FILE, Export
from gateway.keeper.files import HalfAttached
from gateway.keeper.record import VaultRecord
from gateway.keeper.save import Labels, Save
from gateway.model.credential import GRACE
from gateway.model.ledger import read_ledger

if TYPE_CHECKING:
    from gateway.commands.shared.session import Session

_AGAIN = "run it again: files that the record does not name are removed then"


def save(session: Session, record: VaultRecord, values: Mapping[str, str], labels: Labels) -> VaultRecord:
    """Save these fields, whoever else edits the record; the record as it reads then.

    Raises:
        Failed: the record is as before.
        Unknown: that cannot be told.
    """
    saving = Save(session.vault, session.deadline, record, values, labels, lambda _: False)
    saving.run()
    return saving.record


def with_field(record: VaultRecord, label: str, value: str, type_: str = "") -> VaultRecord:
    """The record as it would read with this field; nothing is saved of it."""
    wished = VaultRecord(copy.deepcopy(record.sdk_record))
    wished.set(label, value, type_)
    return wished


def publish(
    session: Session, export: Export, record: VaultRecord, values: Mapping[str, str], labels: Labels
) -> VaultRecord:
    """Attach the version that ``values`` name, and save these with its file; older files stay.

    Raises:
        Failed, CallError: the record is as before.
        Incomplete: it is, but for a file that it does not name; or somebody has removed the file that it names.
        Unknown: what it shows cannot be told.
    """
    version = values[labels.key_id]
    attached = attach(session, record, lambda: export.attach(session.vault, record, version))
    try:
        saved = save(session, attached, {**values, **export.outputs(attached)}, labels)
    except Failed:  # where that is unknown, the record may name the new attachment already
        export.take_back(session.vault)
        raise
    if export.is_missing(saved):
        what = f"record {saved.uid} shows version {version}, and its file {saved.value(FILE)} was removed meanwhile"
        raise Incomplete(what, "run it again: it is attached again")
    return saved


def attach(session: Session, record: VaultRecord, call: Callable[[], VaultRecord], added: str = "") -> VaultRecord:
    """The record as it reads after ``call`` has attached a file to it; what is half attached is removed again.

    Args:
        added: the field that was saved with it.

    Raises:
        Failed, CallError: the record is as before.
        Incomplete: it may have a file that it does not name.
    """
    try:
        return call()
    except HalfAttached as error:
        raise _put_back(session, record, error, added) from None
    except Unclear as error:
        if not error.may_have_changed:  # such as a version that could not be read
            raise
        raise Incomplete(str(error), _AGAIN) from None


def _put_back(session: Session, before: VaultRecord, error: HalfAttached, added: str) -> RotationError:
    """The error to raise, once a file without content is gone."""
    try:
        with session.deadline.taking_back():
            fresh = session.vault.read([before.uid])[before.uid]
            if added and fresh.has(added):
                fresh.set(added, before.value(added))
            if any(each.uid == error.attachment_uid for each in fresh.attachments()):
                session.files.detach(fresh, [error.attachment_uid])
    except (CallError, KeyError) as second:
        return Incomplete(f"{error}; it may be there without content: {second}", _AGAIN)
    return Failed(f"nothing was attached: {error}", CallError.default_hint)


def is_held_elsewhere(session: Session, record: VaultRecord) -> bool:
    """Whether a run of another host is at work on it: that one may be about to name a file that nobody names yet."""
    try:
        intent = read_ledger(record.value("rotation_state"), record.uid).intent
    except Failed:
        return True
    if intent is None or intent.lock_id == session.locks[record.uid].lock_id:
        return False
    return session.http.now() <= intent.until + GRACE


def delete(session: Session, records: Sequence[VaultRecord]) -> Iterator[VaultRecord]:
    """Delete these records, one after the other; each that is gone.

    Args:
        records: as they were checked, and shown to who agreed.

    Raises:
        Failed: none was deleted; one of them is another by now.
        Incomplete: some were.
        Unknown: one may have been.
    """
    for record in records:
        if session.hold(record.uid).revision != record.revision:
            what = f"record {record.uid} was edited meanwhile; nothing was deleted"
            raise Failed(what, "look at it, and run this again")
    done: list[str] = []
    for record in records:
        try:
            session.deadline.check()
            _delete(session, record.uid)
        except (Failed, Unknown, CallError) as error:
            so_far = f"; deleted before that: {', '.join(done)}" if done else ""
            kind = Unknown if isinstance(error, Unknown) else Incomplete if done else Failed
            raise kind(f"record {record.uid}: {error}{so_far}", error.hint) from None
        done.append(record.uid)
        yield record


def _delete(session: Session, uid: str) -> None:
    try:
        session.vault.delete(uid)
    except CallError as error:
        hint = "look for the record in the vault, and in its deleted items"
        resolve_lost_answer(error, lambda: None if session.vault.read([uid]) else True, "it was deleted", hint)

"""What other records need of a target: what they publish, what their destinations hold, and what they keep for a while.

Each way of making a new one knows which records to ask; what each of them needs is told here, for all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from gateway.engine.kind import Kind, Needed
from gateway.errors import Failed
from gateway.keeper.record import ReadsRecords, VaultRecord
from gateway.model.credential import NEVER, LiveCredential
from gateway.model.ledger import read_ledger


def others_of(
    is_target_of: Callable[[VaultRecord], bool], record: VaultRecord, vault: ReadsRecords
) -> list[VaultRecord]:
    """All records that can be read and are of the target, but this one. Raises CallError."""
    return [other for other in vault.read([]).values() if other.uid != record.uid and is_target_of(other)]


def needed_by(kind: Kind, others: Iterable[VaultRecord], listing: Sequence[LiveCredential], now: datetime) -> Needed:
    """What these records need of ``listing``. Raises CallError."""
    kept: dict[str, str] = {}
    published: dict[str, str] = {}
    unread: list[str] = []
    for other in others:
        published[kind.published_by(other)] = f"published by record {other.uid}"
        try:
            kept |= _kept_by(kind, other, listing, now)
        except Failed:
            unread.append(other.uid)
    listed = {key.key_id for key in listing}
    known = {key_id: why for key_id, why in (kept | published).items() if key_id in listed}
    return Needed(known, f"rotation_state of record {', '.join(unread)} cannot be read" if unread else "")


def _kept_by(kind: Kind, other: VaultRecord, listing: Sequence[LiveCredential], now: datetime) -> dict[str, str]:
    """What its destinations hold, and what it keeps. Raises Failed: that cannot be read."""
    ledger = read_ledger(other.value("rotation_state"), other.uid)
    needed: dict[str, str] = {}
    for key in listing:
        entry = ledger.entries.get(key.key_id)
        until = kind.kept_until(other, entry) if entry else now
        if key.generation in ledger.holds.values():
            needed[key.key_id] = f"a destination of record {other.uid} holds it"
        elif until > now:
            date = "" if until == NEVER else f" until {until:%Y-%m-%d %H:%M} UTC"
            needed[key.key_id] = f"record {other.uid} keeps it{date}"
    return needed

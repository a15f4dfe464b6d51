"""What other records need of a target: what they publish, what their destinations hold, and what they keep for a while.

Each way of making a new one knows which records to ask; what each of them needs is told here, for all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from gateway.engine.kind import Kind, Needed
from gateway.errors import Failed
from gateway.keeper.record import ReadsRecords, VaultRecord
from gateway.model.credential import NEVER, LiveCredential, read_marker
from gateway.model.ledger import read_ledger
from gateway.model.policy import Policy


def others_of(
    is_target_of: Callable[[VaultRecord], bool], record: VaultRecord, vault: ReadsRecords
) -> list[VaultRecord]:
    """All records that can be read and are of the target, but this one. Raises CallError."""
    return [other for other in vault.read([]).values() if other.uid != record.uid and is_target_of(other)]


def others_by_markers(
    kind: Kind, listing: Sequence[LiveCredential], record: VaultRecord, vault: ReadsRecords, policy: Policy
) -> list[VaultRecord]:
    """Those that markers name. Who publishes one that was made by hand is asked only where it might be removed.

    Raises:
        CallError
    """
    markers = {key.key_id: read_marker(key.name) for key in listing}
    theirs = {marker.record_uid for marker in markers.values() if marker} - {record.uid}
    by_hand = {key_id for key_id, marker in markers.items() if marker is None}
    ours = {kind.published_id(record), *read_ledger(record.value("rotation_state"), record.uid).ever_published()}
    everybody = bool({"all": by_hand, "replaced": by_hand & ours}.get(policy.remove_old))
    asked = vault.read([] if everybody else theirs).values() if theirs or everybody else ()
    return [
        other
        for other in asked
        if other.uid in theirs or (other.uid != record.uid and kind.published_by(other) in markers)
    ]


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

"""Step 7: end what is old. And what has to go earlier: orphans of dead runs, what is overdue, and to make room."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from gateway.engine.state import State
from gateway.errors import CallError
from gateway.model import decisions
from gateway.model.credential import LiveCredential, read_marker
from gateway.model.ledger import Entry

log = logging.getLogger("gateway")


def remove_orphans(state: State) -> None:
    """What dead runs of this record made, and never published. Raises RotationError: the time is over."""
    for key in state.prepared.inventory.orphans:
        state.deadline.check()
        _remove(state, key.key_id, "orphan of an earlier run")


def remove_overdue(state: State) -> list[str]:
    """What the ledger dated, and whose time has come; the key ids. Raises RotationError: the time is over."""
    overdue = decisions.overdue(state.prepared.inventory, state.prepared.policy, state.prepared.known)
    for key_id in overdue:
        state.deadline.check()
        _remove(state, key_id, "its time is over")
    return [key_id for key_id in overdue if key_id in state.report.removed]


def make_room(state: State) -> None:
    """Remove one where the target can hold no further credential. Raises Failed: none may go."""
    prepared = state.prepared
    left = [key for key in prepared.inventory.all() if key.key_id not in state.report.removed]
    if prepared.target.most_live and len(left) >= prepared.target.most_live:
        _remove(
            state,
            decisions.to_free(prepared.inventory, prepared.policy, prepared.known, prepared.held),
            "the app is full",
        )


def retire(state: State, new: str, entries: dict[str, Entry], listing: Iterable[LiveCredential]) -> None:
    """End the old ones, once everyone required holds the new one.

    Args:
        new: the key id that is published now.
        entries: what is to go, and when, as it was fixed before the new one was made.
        listing: what the target showed last.
    """
    prepared = state.prepared
    now, later = decisions.split_by_time(entries, prepared.known.now)
    for key_id in later:
        state.report.keep(key_id, "its overlap_hours are not over")
    orphans = decisions.late_orphans(listing, prepared.inventory, prepared.known, new)
    for key_id in (*now, *orphans):
        if reason := state.deadline.over():
            state.leave(f"secret {key_id} is not removed yet: {reason}")
        else:
            _remove(state, key_id, _why(entries.get(key_id)))


def _why(entry: Entry | None) -> str:
    if entry is None:
        return "orphan of an earlier run"
    published = "this record published it before"
    return published if entry.published else "this record never published it (remove_old is all)"


def _remove(state: State, key_id: str, why: str) -> None:
    try:
        was_there = state.maker.remove(key_id)
    except CallError as error:
        state.report.keep(key_id, f"{why}, but could not be removed")
        state.leave(f"secret {key_id} could not be removed: {error}", error.hint)
        return
    if was_there:
        names = [
            key.name for key in state.prepared.inventory.all() if key.key_id == key_id and not read_marker(key.name)
        ]
        log.info("%s %s%s: %s", state.maker.end_of_old, key_id, f" {names[0]!r}" if any(names) else "", why)
        state.report.removed.append(key_id)

"""Step 7: end what is old, once the new one is saved, proved and delivered. Only a full target needs room before."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from dataclasses import replace

from gateway.engine.state import State
from gateway.errors import CallError, Failed
from gateway.model import decisions
from gateway.model.credential import LiveCredential, read_marker
from gateway.model.ledger import Entry

log = logging.getLogger("gateway")


def has_no_room(state: State) -> bool:
    """Whether the target can hold no further credential, and none may go: a destination that is served may free one."""
    prepared, most = state.prepared, state.prepared.target.most_live
    if not most or len(prepared.inventory.all()) < most:
        return False
    if decisions.expired_to_free(prepared.inventory, prepared.known):
        return False
    try:
        decisions.to_free(prepared.inventory, prepared.policy, prepared.known, prepared.held)
    except Failed:
        return True
    return False


def make_room(state: State, is_accepted: Callable[[State, LiveCredential], bool]) -> None:
    """Remove one where the target can hold no further credential. Raises Failed: none may go."""
    prepared, most = state.prepared, state.prepared.target.most_live
    if not most or len(prepared.inventory.all()) < most:
        return
    dead = decisions.expired_to_free(prepared.inventory, prepared.known)
    if not dead and not (prepared.inventory.published and is_accepted(state, prepared.inventory.published)):
        raise decisions.full(prepared.inventory, prepared.policy, prepared.known, prepared.held)
    free = dead[0] if dead else decisions.to_free(prepared.inventory, prepared.policy, prepared.known, prepared.held)
    is_orphan = any(each.key_id == free for each in prepared.inventory.orphans)
    if is_orphan and not dead and (why := state.fence(prepared.known.key_id)):
        raise Failed(f"the app is full, and nothing was removed: {why}", "run it again")
    _remove(state, free, "the app is full")


def retire(
    state: State, new: str, entries: dict[str, Entry], listing: Collection[LiveCredential], *, served: bool
) -> None:
    """End the old ones.

    Args:
        new: the key id that is published now.
        entries: what is to go, and when, as it was fixed before the new one was made.
        listing: what the target showed last.
        served: whether everyone required holds the new one; else only what is dead already goes, and where a revoke
            says so what this record published.
    """
    prepared = state.prepared
    due, later = decisions.split_by_time(entries, prepared.known.now)
    now = decisions.to_end(entries, prepared.inventory, prepared.policy, prepared.known, new)
    for key_id in (key_id for key_id in due if key_id not in now):
        state.report.keep(key_id, f"another record may need it: {prepared.known.unread}")
    strays = {each.key_id for each in prepared.inventory.strays}
    for key_id in later:
        may = "a record that was put back, or another host, may have published it; " if key_id in strays else ""
        until = f"{entries[key_id].after:%Y-%m-%d %H:%M} UTC"
        state.report.keep(key_id, f"{may}it may be in use until {until} (overlap_hours)")
    if not served:
        dead = decisions.expired(prepared.inventory, prepared.policy, prepared.known, new)
        despite = prepared.known.even_where_not_delivered
        now = [key_id for key_id in now if key_id in dead or (despite and entries[key_id].published)]
        served = despite
    ended = [_remove_in_time(state, key_id, _why(entries[key_id])) for key_id in now]
    if served:
        remove_orphans(state, listing)
        if prepared.known.revoking:
            state.is_revoked = _end_unlisted(state, new, entries) and all(ended)
    _name_the_rest(state, new)


def remove_orphans(state: State, listing: Collection[LiveCredential]) -> None:
    """What this host made and nobody ever published, attempts of this very run included."""
    prepared, lock = state.prepared, state.prepared.lock
    runs = decisions.OwnRuns(lock.runs_over(), lock.never_published(prepared.record.revision))
    known = replace(prepared.known, runs=runs)
    names = {each.key_id: each.name for each in (*listing, *prepared.inventory.all())}
    for key_id in decisions.orphans(listing, prepared.inventory, known, state.report.key_id):
        if marker := read_marker(names[key_id]):  # where it cannot be removed now, the next run knows it, too
            state.never_saved(marker.run_id)
        _remove_in_time(state, key_id, "orphan of an earlier run")


def _end_unlisted(state: State, new: str, entries: dict[str, Entry]) -> bool:
    try:
        if done := state.maker.end_unlisted():
            log.info("%s", done)
            for key_id in (each.key_id for each in state.prepared.inventory.all()):
                if key_id in entries and key_id not in (new, *state.report.removed):
                    state.ended(key_id, _why(entries[key_id]))
    except CallError as error:
        state.leave(f"not all is revoked: {error}", error.hint)
        return False
    return True


def _remove_in_time(state: State, key_id: str, why: str) -> bool:
    """Whether it is gone."""
    if reason := state.deadline.over():
        state.leave(f"secret {key_id} is not removed yet: {reason}")
        return False
    return key_id in state.report.removed or _remove(state, key_id, why)


def _name_the_rest(state: State, new: str) -> None:
    """What stays because the record's policy says so."""
    policy, inventory = f"remove_old is {state.prepared.policy.remove_old}", state.prepared.inventory
    policy = "a revoke ends only what this record published" if state.prepared.known.revoking else policy
    strays = {each.key_id for each in inventory.strays}
    dead = () if state.maker.keeps_old else (inventory.published,)
    for credential in (each for each in inventory.all() if each not in dead):
        if credential.key_id not in (new, *state.report.removed) and credential not in inventory.young:
            what = "this record may have published it" if credential.key_id in strays else "it stays"
            state.report.keep(credential.key_id, f"{what} ({policy})")


def _why(entry: Entry) -> str:
    published = "this record published it before"
    return published if entry.published else "this record never published it (remove_old is all)"


def _remove(state: State, key_id: str, why: str) -> bool:
    try:
        was_there = state.maker.remove(key_id)
    except CallError as error:
        state.report.keep(key_id, f"{why}, but could not be removed")
        state.leave(f"secret {key_id} could not be removed: {error}", error.hint)
        return False
    if was_there:
        state.ended(key_id, why)
        if reason := state.prepared.known.needed_by_others.get(key_id):
            state.report.warnings.append(f"{key_id} was revoked anyway: {reason}, which finds out at its next run")
    return True

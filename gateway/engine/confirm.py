"""After the save: the app shows the new credential, or what the record published before is put back.

It matters when replicas lag for long, when another host took a run for dead that was only frozen, or when somebody
edits the record at that moment. What cannot be told is said to be unknown; nothing is removed then.
"""

from __future__ import annotations

from collections.abc import Iterable
from time import monotonic

from gateway.engine.state import State
from gateway.errors import CallError, Failed, Unclear, Unknown
from gateway.keeper.save import Saved
from gateway.model.credential import LiveCredential, Minted

# A look at the record that is older than this, in seconds, is no longer the last look.
_FRESH = 2.0


def confirm(state: State, minted: Minted) -> tuple[LiveCredential, ...]:
    """The target shows what was saved, and an app that rotates itself can go on with it.

    Returns:
        What the target shows; nothing where it does not show the new one yet, though that works, which is noted: then
        nothing may be removed. Where another rotation finished meanwhile, the state says so.

    Raises:
        Failed: the record publishes what it published before.
        Unclear: the new one works, but what the target or the record show could not be read.
        Unknown: what the record publishes may be dead.
    """
    listing = _confirmed(state, minted)
    if not state.is_superseded and state.prepared.kind.rotates_itself(state.prepared.admin):
        state.maker.sign_in_again(minted.value)
    return listing


def _confirmed(state: State, minted: Minted) -> tuple[LiveCredential, ...]:
    saved_at = monotonic()
    listing = _shown(state, minted)
    if _lists(listing, minted):
        if monotonic() - saved_at >= _FRESH:
            _look_again(state, minted)
        return listing
    _look_again(state, minted)
    if state.is_superseded:
        return listing
    if _is_late(state):
        raise Unknown(_gone(minted), "run it again soon: it makes a new one")
    if why := _refusal(state, minted):
        _put_back(state, minted, why)
        return listing
    state.leave(f"the app does not show the new secret {minted.key_id} yet, though it works; nothing was removed")
    return ()


def _refusal(state: State, minted: Minted) -> str:
    try:
        return state.maker.refuses(_as_listed(minted), minted.value)
    except Failed as error:  # told to stop: the record is saved, so this is no failure
        raise Unclear("the new secret", f"is not shown yet, and {error}", error.hint) from None


def _shown(state: State, minted: Minted) -> tuple[LiveCredential, ...]:
    try:
        return state.maker.shown(minted)
    except CallError as error:
        if not _is_late(state):
            raise Unclear(error.where, str(error).removeprefix(f"{error.where}: "), error.hint) from None
        what = f"the save took so long that another run may have removed {minted.key_id}; and then: {error}"
        raise Unknown(what, "run it again soon: it finds out, and makes a new one if need be") from None


def _is_late(state: State) -> bool:
    """Whether another host may have taken this run for dead."""
    return state.run.http.latest > state.maker.marked_until


def _look_again(state: State, minted: Minted) -> None:
    """The record publishes the new one still, or what another rotation has put there meanwhile."""
    uid = state.prepared.record.uid
    try:
        fresh = state.run.vault.read([uid]).get(uid)
    except CallError as error:
        raise Unclear("the record", f"cannot be looked at again: {error}") from None
    if fresh is None:
        raise Unknown("the record disappeared after it was saved", "look for it in the vault's deleted items")
    if state.prepared.kind.published_id(fresh) == minted.key_id:
        return
    if state.is_of_another(state.published)(fresh):
        state.supersede(fresh)
    else:  # somebody put back what was there before
        state.save_values(fresh, state.published, state.maker.saving)


def _put_back(state: State, minted: Minted, why: str) -> None:
    """Nothing where another rotation was first.

    Raises:
        Failed: done.
        Unknown: the previous one is not known to work, or cannot be saved.
    """
    before, value = state.prepared.inventory.published, state.prepared.known.value
    try:
        if before is None or not _is_alive(state, before) or state.maker.refuses(before, value):
            raise Unknown(f"{_gone(minted)}: {why}", "run it again soon: it makes a new one")
        if state.save_before(state.record) is Saved.SUPERSEDED:
            return
    except (Failed, CallError) as error:
        what = f"{_gone(minted)}, and the previous one could not be put back: {error}"
        raise Unknown(what, error.hint) from None
    state.maker.take_back(minted)
    state.note_published()
    raise Failed(
        f"the app does not show the new secret {minted.key_id}: the previous one is published again",
        "run it again in a few minutes",
    )


def _is_alive(state: State, before: LiveCredential) -> bool:
    listing = state.prepared.kind.live()
    return before.ends > state.run.http.now() and any(key.generation == before.generation for key in listing)


def _lists(listing: Iterable[LiveCredential], minted: Minted) -> bool:
    return any(key.key_id == minted.key_id for key in listing)


def _as_listed(minted: Minted) -> LiveCredential:
    return LiveCredential(minted.key_id, "", minted.value.hint, minted.ends, minted.made)


def _gone(minted: Minted) -> str:
    return f"the record publishes {minted.key_id}, which the app does not show"

"""The order of a rotation, once, for every kind of credential.

::

    0 read      everything is read and checked; nothing is written (``prepare.py``)
    1 decide    why a new one is to be made, or that what an earlier run left open comes first (``model/decisions/``)
    2 verify    where none is made: what the record publishes is accepted (``verify.py``)
    3 make      a new credential, in the way of its kind (``make/``)
    4 prove     it is accepted, on several connections
    5 save      into the record, read back, and shown by the target (``publish.py``, ``confirm.py``)
    6 deliver   to everyone else who needs it, side by side (``deliver.py``)
    7 retire    what is old or was never published, as it was listed before the new one was made (``retire.py``)
    8 report    one JSON line and the exit code (``run.py``)

Until the save nothing that anyone relies on has changed, and what was made is taken back when a step fails.
After it the new credential stays, unless the app turns out not to know it (``confirm.py``), and what is left over is
left to the next run. Nothing is removed before step 7, but for one where a full target has no room.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime, timedelta

from gateway.engine.confirm import confirm
from gateway.engine.deliver import (
    after_retirement,
    check_destinations,
    deliver,
    delivery_of_new,
    delivery_of_published,
    find_drift,
    note,
)
from gateway.engine.publish import give_way, make, publish, tidy
from gateway.engine.retire import has_no_room, make_room, remove_orphans, retire
from gateway.engine.state import State
from gateway.engine.verify import is_accepted
from gateway.errors import CallError, Failed, Incomplete, RotationError
from gateway.host.clocks import Clocks
from gateway.model import decisions
from gateway.model.credential import NEVER, LiveCredential, Minted, stamp
from gateway.model.ledger import Entry, Intent, Ledger

log = logging.getLogger("gateway")

Listing = tuple[LiveCredential, ...]


def rotate(state: State) -> str:
    """Do it all; how it ended, for the report.

    Raises:
        RotationError, CallError
    """
    _begin_report(state)
    if published := _good_enough(state):
        return _end(state, _finish(state, published))
    state.report.why = state.why
    check_destinations(state)
    make_room(state, is_accepted)
    minted = make(state)
    ledger, intent = _to_remember(state, minted)
    listing = _published(state, minted, ledger)
    if state.is_superseded:
        _give_way(state, minted)
    elif listing is not None:
        _hand_on(state, minted, ledger, intent, listing)
        _note_next_due(state, minted.ends, valid=minted.ends - state.prepared.known.now)
    return _end(state, "rotated")


def _to_remember(state: State, minted: Minted) -> tuple[Ledger, Intent | None]:
    """What the record says of the old ones once it publishes the new one, and what is to be noted before they end."""
    prepared, holds = state.prepared, state.prepared.deliveries.holds
    named, revoking = prepared.known.ledger.named, prepared.known.revoking
    entries = decisions.retirements(prepared.inventory, prepared.policy, prepared.known, minted.key_id)
    entries |= _let_go(state, entries)
    entries = {key_id: entry for key_id, entry in entries.items() if key_id not in state.report.removed}
    ended = decisions.to_end(entries, prepared.inventory, prepared.policy, prepared.known, minted.key_id)
    intent = state.maker.intent_to_end(ended)
    at_once = None if prepared.deliveries.open(minted.generation) else intent
    at_once = at_once or state.maker.late_intent()
    ledger = Ledger(named, prepared.target.object_id, minted.key_id, entries, holds, at_once, revoking=revoking)
    return ledger, intent


def _let_go(state: State, entries: dict[str, Entry]) -> dict[str, Entry]:
    prepared = state.prepared
    return decisions.let_go(entries, prepared.inventory, prepared.policy, prepared.known, prepared.held)


def _give_way(state: State, minted: Minted) -> None:
    give_way(state, minted)
    if state.report.proved and not state.report.pending:
        remove_orphans(state, state.prepared.inventory.all())


def _published(state: State, minted: Minted, ledger: Ledger) -> Listing | None:
    """Step 5; what the target shows then, empty where it does not show the new one yet; None where this ends here."""
    if not publish(state, minted, ledger):
        return None
    try:
        return confirm(state, minted)
    except CallError as error:
        state.leave(f"the old secrets are not removed yet: {error}", error.hint)
        state.report.pending += [each.address for each in state.prepared.deliveries.open(minted.generation)]
        return None


def _hand_on(state: State, minted: Minted, ledger: Ledger, intent: Intent | None, listing: Listing) -> None:
    """Steps 6 and 7."""
    tidy(state)
    if delivery := delivery_of_new(state, minted):
        served = deliver(state, delivery, ledger, intent)
        if listing and not state.is_superseded:
            retire(state, minted.key_id, ledger.entries, listing, served=served)
            after_retirement(state, delivery, state.report.removed)


def _begin_report(state: State) -> None:
    report, prepared = state.report, state.prepared
    report.target, report.application, report.client_id = (
        prepared.target.object_id,
        prepared.target.name,
        prepared.target.client_id,
    )
    _check_clocks(state.run.http)
    report.warnings += state.run.http.differences() + prepared.admin.near_end(prepared.known.now)
    state.note_published()
    for credential in prepared.inventory.all():
        if why := prepared.known.needed_by_others.get(credential.key_id):
            report.keep(credential.key_id, why)


def _check_clocks(clocks: Clocks) -> None:
    if doubt := clocks.doubt():
        hint = "nothing was changed; run it again later. Where it stays so, look for a proxy that changes answers"
        raise Failed(doubt, hint)


def _good_enough(state: State) -> LiveCredential | None:
    """What the record publishes, where no new one is to be made now; it was seen to work. Raises Incomplete."""
    prepared, published = state.prepared, state.prepared.inventory.published
    unfinished, until = _unfinished(state), state.maker.may_make_from()
    if until is not None and state.why == [decisions.EVERY_RUN]:
        log.info("not before %s UTC: the last rotation may still be under way, or in use", f"{until:%Y-%m-%d %H:%M}")
        state.why = []
    # A revoke that was begun is completed first, be it at the price of a destination.
    despite = prepared.known.even_where_not_delivered and not prepared.known.ledger.revoking
    comes_first = state.maker.finishes_first or has_no_room(state)
    holds_up = comes_first and _is_undelivered(state) and not despite
    waits = decisions.can_wait(state.why, prepared.known, at_any_time=holds_up)
    if published is None or (state.why and not (waits and unfinished)):
        return None
    if not is_accepted(state, published) and (state.why or unfinished or _is_in_doubt(state)):
        if not state.why:
            raise Incomplete("nothing was delivered: what the record publishes could not be tried", "see the warnings")
        return None
    if state.why and prepared.policy.rotate_now:
        state.leave("what was asked for was not made: what an earlier run left open came first", "run it again")
    elif state.why:
        log.info("what an earlier run left open is finished first; the next run makes a new one")
    return published


def _tell_next_due(state: State, published: LiveCredential) -> None:
    """When the next one is made, and how one is made before."""
    _note_next_due(state, published.ends, state.maker.may_make_from())
    log.info(
        "no new one is made before %s; to force it, set rotate_now to True in the record, or run by hand with --now",
        state.report.next_due or "the next run",
    )


def _note_next_due(state: State, ends: datetime, until: datetime | None = None, valid: timedelta | None = None) -> None:
    """By the end of what is published, and not before ``until``; empty where every run makes a new one.

    ``valid``: for how long, of a new one, which an issuer may give for less than the one before.
    """
    policy = state.prepared.policy
    before = policy.share * valid if policy.share and valid else policy.threshold
    before = None if ends == NEVER else before
    dates = ([] if before is None else [ends - before]) + ([until] if until else [])
    state.report.next_due = stamp(max(dates)) if dates and not state.is_superseded else ""


def _is_in_doubt(state: State) -> bool:
    """Whether the ledger may be of before what destinations hold: the record was put back, or another host saved it."""
    return bool(state.prepared.inventory.strays and state.prepared.deliveries.holds)


def _unfinished(state: State) -> bool:
    return _is_undelivered(state) or state.prepared.known.ledger.revoking


def _is_undelivered(state: State) -> bool:
    published = state.prepared.inventory.published
    generation = published.generation if published else state.prepared.known.key_id
    return bool(state.prepared.deliveries.open(generation, required=True))


def _finish(state: State, published: LiveCredential) -> str:
    """Complete what an earlier run left open, with what the record publishes."""
    prepared, known = state.prepared, state.prepared.known
    _tell_next_due(state, published)
    tidy(state)
    entries = decisions.dated(prepared.inventory, prepared.policy, known)
    entries |= (later := _let_go(state, entries))
    entries |= dict.fromkeys(decisions.revoked(prepared.inventory, known), Entry(known.now, True))
    due = decisions.to_end(entries, prepared.inventory, prepared.policy, known, published.key_id)
    if (delivery := delivery_of_published(state, published)) is None:
        return "not_due"
    if strays := decisions.undated(prepared.inventory, prepared.policy, known):
        prepared.deliveries.may_hold(decisions.newest(prepared.inventory.strays).generation)
    ledger = find_drift(state, delivery)
    ledger = replace(ledger, entries=ledger.entries | later)
    if strays:
        ledger = replace(ledger, entries=ledger.entries | strays, holds=dict(prepared.deliveries.holds))
        note(state, ledger)
        entries = strays | entries  # what is to be revoked goes at once
    result = "finished" if _unfinished(state) or state.report.drift else "not_due"
    served = deliver(state, delivery, ledger)
    despite = known.even_where_not_delivered and not state.is_superseded
    if (served or despite) and state.report.proved:
        if intent := state.maker.intent_to_end(due):
            state.save_intent(intent, "another run has begun to end a key; nothing was ended")
        if (due or prepared.inventory.orphans) and (why := state.fence(published.key_id)):
            state.leave(f"nothing was removed: {why}")
            return result
        retire(state, published.key_id, entries, prepared.inventory.all(), served=served)
        after_retirement(state, delivery, state.report.removed)
    return result


def _end(state: State, result: str) -> str:
    """How it ended. Raises Incomplete: something is left over."""
    prepared, report = state.prepared, state.report
    report.warnings += prepared.deliveries.warnings
    report.warnings += state.make_owners()
    waited_for = prepared.kind.waits_for(state.record)
    # One of another run that is still young, unless that run has published it meanwhile.
    for key_id in (key.key_id for key in prepared.inventory.young if key.key_id != report.key_id):
        report.keep(key_id, "another run may be about to publish it")
        state.leave(f"secret {key_id} belongs to another run that may still be at work")
    if prepared.known.revoking:
        _end_revoke(state)
    state.raise_left_over(waited_for)
    return "superseded" if state.is_superseded else result


def _end_revoke(state: State) -> None:
    """The record no longer says that something is to be revoked; where not all of it has ended, that is left over."""
    prepared, report = state.prepared, state.report
    if state.is_revoked:
        try:
            state.save_revoked()
        except (RotationError, CallError, KeyError) as error:
            state.leave(f"that all is revoked could not be noted in the record: {error}")
        return
    once = {prepared.known.key_id, *decisions.revoked(prepared.inventory, prepared.known)}
    listed = [key.key_id for key in prepared.inventory.all()]
    alive = [key for key in listed if key in once and key not in (report.key_id, *report.removed)]
    hint = "repair the destination and run it again, or run it by hand with --revoke --even-where-not-delivered"
    again = "run it again" if state.is_superseded else ""
    state.leave(
        f"not revoked yet: {', '.join(alive) or 'what was published before'}", again or hint * bool(report.pending)
    )

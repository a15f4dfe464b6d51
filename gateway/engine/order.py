"""The order of a rotation, once, for every kind of credential.

::

    0 read      everything is read and checked; nothing is written (``prepare.py``)
    1 recover   orphans of dead runs go, open deliveries are finished, and what is dated and due goes
    2 due?      not yet: done (``model/decisions.py``)
    3 make      a new credential, in the way of its kind (``make/``)
    4 prove     it is accepted, several times in a row
    5 save      into the record, and read back (``publish.py``, ``confirm.py``)
    6 deliver   to everyone else who needs it, side by side (``deliver.py``)
    7 retire    the old ones, as they were listed before the new one was made (``retire.py``)
    8 report    one JSON line and the exit code (``run.py``)

Until the save nothing that anyone relies on has changed, and what was made is taken back when a step fails.
After it the new credential stays, unless the app turns out not to know it (``confirm.py``), and what is left over is
left to the next run.
"""

from __future__ import annotations

import logging

from gateway.engine.confirm import confirm
from gateway.engine.deliver import after_retirement, check_destinations, deliver, delivery_of_new, delivery_of_published
from gateway.engine.publish import make, publish, tidy
from gateway.engine.retire import make_room, remove_orphans, remove_overdue, retire
from gateway.engine.state import State
from gateway.model import decisions
from gateway.model.ledger import Ledger

log = logging.getLogger("gateway")


def rotate(state: State) -> str:
    """Do it all; how it ended, for the report.

    Raises:
        RotationError, CallError
    """
    prepared = state.prepared
    _begin_report(state)
    remove_orphans(state)
    if result := _without_a_new_one(state):
        return _end(state, result)
    check_destinations(state)
    make_room(state)
    minted = make(state)
    entries = decisions.retirements(
        prepared.inventory, prepared.policy, prepared.known, {*state.report.removed, minted.key_id}
    )
    ledger = Ledger(
        prepared.known.ledger.named, prepared.target.object_id, minted.key_id, entries, prepared.deliveries.holds
    )
    if not publish(state, minted, ledger):
        return _end(state, "superseded")
    listing = confirm(state, minted)
    if listing is None:
        return _end(state, "rotated")
    tidy(state)
    delivery = delivery_of_new(state, minted)
    if delivery and deliver(state, delivery, ledger):
        retire(state, minted.key_id, entries, listing)
        after_retirement(state, delivery, state.report.removed)
    return _end(state, "rotated")


def _begin_report(state: State) -> None:
    report, prepared = state.report, state.prepared
    report.target, report.application, report.client_id = (
        prepared.target.object_id,
        prepared.target.name,
        prepared.target.client_id,
    )
    state.note_published()
    for key_id, uid in prepared.known.published_by_others.items():
        report.keep(key_id, f"published by record {uid}")


def _without_a_new_one(state: State) -> str:
    """Finish what an earlier run left open, where the published credential is good enough; else an empty result."""
    prepared, published = state.prepared, state.prepared.inventory.published
    is_behind = prepared.kind.is_behind(prepared.record, prepared.inventory.all())
    due = is_behind or decisions.is_due(published, prepared.known, prepared.policy)
    unfinished = prepared.deliveries.open(published.generation if published else prepared.known.key_id, required=True)
    # Only a rotation of ours can have left something open; where there was none, the first one serves all.
    can_finish = prepared.known.ledger.key_id == prepared.known.key_id and decisions.can_finish(
        published, prepared.known, prepared.policy, at_any_time=state.maker.finishes_first
    )
    if due and unfinished and can_finish:
        log.info("what an earlier run left open is finished first; the next run makes a new one")
    if published is None or is_behind or (due and not (unfinished and can_finish)):
        # Without a published one, what is overdue may be all that works.
        if published is not None and not unfinished:
            remove_overdue(state)
        return ""
    tidy(state)
    delivery = delivery_of_published(state, published)
    if delivery and deliver(state, delivery, prepared.known.ledger.publishing(published.key_id)):
        after_retirement(state, delivery, remove_overdue(state))
    return "finished" if unfinished else "not_due"


def _end(state: State, result: str) -> str:
    """How it ended. Raises Incomplete: something is left over."""
    prepared, report = state.prepared, state.report
    report.warnings += prepared.deliveries.warnings
    report.warnings += prepared.kind.make_owners(prepared.policy.owners)
    if waited_for := prepared.kind.waits_for(state.record):
        state.leave(*waited_for)
    # One of another run that is still young, unless that run has published it meanwhile.
    for key_id in (key.key_id for key in prepared.inventory.young if key.key_id != report.key_id):
        report.keep(key_id, "another run may be about to publish it")
        state.leave(f"secret {key_id} belongs to another run that may still be at work")
    state.raise_left_over()
    return "superseded" if state.is_superseded else result

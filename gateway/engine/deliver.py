"""Step 6: hand the published credential to everyone else who needs it, and note who holds it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from gateway.deliveries.base import Delivery, Destination
from gateway.deliveries.distribution import UNKNOWN
from gateway.engine.state import State
from gateway.errors import CallError, Failed, RotationError
from gateway.keeper.record import VaultRecord
from gateway.model import decisions
from gateway.model.credential import NEVER, LiveCredential, Minted, generation, read_stamp
from gateway.model.ledger import Intent, Ledger, read_ledger
from gateway.secret import Secret


def check_destinations(state: State) -> None:
    """Every destination can be served, before anything is made. Raises Failed: not, and the rotation can wait."""
    problems = [problem for _, problem in state.prepared.deliveries.check()]
    if problems and not decisions.is_pressing(state.why, state.prepared.known):
        raise Failed.together(problems)
    why = f"rotated anyway ({', '.join(state.why)})"
    state.report.warnings += [f"{problem}; {why}" for problem in problems]


def delivery_of_new(state: State, minted: Minted) -> Delivery | None:
    """What destinations get of the new credential; None where that cannot be had now, which is noted."""
    known, former = state.prepared.known, state.prepared.inventory.published
    replaces = former.generation if former else known.key_id
    delivery = _delivery(state, minted.key_id, minted.value, minted.ends, minted.made)
    return delivery and replace(delivery, replaces=replaces, replaced=known.value)


def delivery_of_published(state: State, published: LiveCredential) -> Delivery | None:
    """What destinations get of the credential that the record publishes; None where that cannot be had now."""
    return _delivery(state, published.key_id, state.prepared.known.value, published.ends, published.made)


def _delivery(state: State, key_id: str, value: Secret, ends: datetime, made: datetime | None) -> Delivery | None:
    kind, deliveries = state.prepared.kind, state.prepared.deliveries
    try:
        value = kind.deliverable(value, state.record) if deliveries.take_values() else value
    except (RotationError, CallError) as error:
        state.leave(f"nothing was delivered: {error}", error.hint)
        state.report.pending += [each.address for each in deliveries.open(generation(key_id, made))]
        return None
    where = kind.address(key_id)
    return Delivery(key_id, value, None if ends == NEVER else ends, made=made, versions={where: where} if where else {})


def deliver(state: State, delivery: Delivery, ledger: Ledger, intent: Intent | None = None) -> bool:
    """Serve every destination that is not known to hold the secret; whether all required ones do now.

    ``intent``: what is noted, too, where they do, because it is about to be ended.
    """
    deliveries, before = state.prepared.deliveries, dict(state.prepared.deliveries.holds)
    waiting = deliveries.open(delivery.generation)
    if waiting and (reason := state.deadline.over()):
        state.report.pending += [each.address for each in waiting]
        state.leave(f"not delivered: {reason}")
        return _all_served(state, delivery)
    failures = [] if state.published else _refused(state, waiting)
    refused = [destination for destination, _ in failures]
    failures += deliveries.serve(delivery, [each for each in waiting if each not in refused])
    state.report.delivered = deliveries.holding(delivery.generation)
    for destination, error in failures:
        state.report.pending.append(destination.address)
        if destination.optional:
            state.report.warnings.append(f"{error}; {error.hint}" if error.hint else str(error))
        else:
            state.leave(f"not delivered: {error}", error.hint)
    if state.prepared.known.even_where_not_delivered or not deliveries.open(delivery.generation, required=True):
        ledger = replace(ledger, intent=intent or ledger.intent)
    # One that others have changed, and that could not be served, is noted too: it may hold any from now on.
    has_news = deliveries.holds != before or UNKNOWN in deliveries.holds.values()
    served = _all_served(state, delivery)
    # Where all who failed are optional, time has passed: the record is looked at again before anything is removed.
    if has_news or (served and waiting and state.published):
        return note(state, replace(ledger, holds=deliveries.holds)) and served
    return served


def _refused(state: State, waiting: list[Destination]) -> list[tuple[Destination, Failed]]:
    """Lines that were added since the last rotation are checked as at a first one, with the same messages."""
    deliveries = state.prepared.deliveries
    return deliveries.check([each for each in waiting if each.address not in deliveries.holds])


def find_drift(state: State, delivery: Delivery) -> Ledger:
    """What destinations show is compared: one that shows another value is served again, but not twice in a row.

    Returns:
        What the record is to remember of it.
    """
    deliveries, before = state.prepared.deliveries, state.ledger.drift
    found = deliveries.drifted(delivery)
    state.report.drift = [each.address for each in found]
    for destination in found:
        if destination.address not in before:
            deliveries.was_changed(destination)
        else:
            what = f"{destination.address} shows another value again, a run after it was delivered again"
            hint = "find out who writes to it, or take the line out of deliver_to; the next rotation serves it"
            state.report.warnings.append(what) if destination.optional else state.leave(what, hint)
    ledger = replace(state.ledger.publishing(delivery.key_id), drift=tuple(state.report.drift))
    if before and not found:
        note(state, ledger)
    return ledger


def _all_served(state: State, delivery: Delivery) -> bool:
    missing = state.prepared.deliveries.open(delivery.generation, required=True)
    gone = (delivery.key_id, *state.report.removed)
    for key in (each for each in state.prepared.inventory.all() if missing and each.key_id not in gone):
        state.report.keep(key.key_id, "a destination whose delivery failed may hold it")
    return not missing


def note(state: State, ledger: Ledger) -> bool:
    """What is delivered is noted once, after all; where that fails, the next run serves all again.

    Returns:
        Whether the record is known to publish what was delivered.
    """
    uid, kind = state.prepared.record.uid, state.prepared.kind
    try:
        record = state.run.vault.read([uid])[uid]
        state.ledger = ledger
        noted = {"rotation_state": ledger.text(uid)}
        if kind.published_id(record) == ledger.key_id:
            state.save_values(record, noted)
            record = state.record
        if kind.published_id(record) != ledger.key_id and not state.is_superseded:
            if state.published and not state.is_of_another(state.published)(record):
                state.save_values(record, state.published | noted)  # a person put back what was there before
            else:
                state.supersede(record)
        if state.is_superseded:
            _deliver_newer(state, state.record)
    except (RotationError, CallError, KeyError) as error:
        # What the record publishes by now is not known either, so nothing may be ended on the strength of it.
        state.leave(f"what was delivered could not be noted in the record: {error}")
        return False
    return not state.is_superseded


def _deliver_newer(state: State, record: VaultRecord) -> None:
    """Another rotation has finished while we delivered: what we gave out may have come last, so give its secret."""
    kind, deliveries, report = state.prepared.kind, state.prepared.deliveries, state.report
    # The other run noted its own as delivered; what we gave out since makes that untrue, until it is given again.
    ledger = read_ledger(record.value("rotation_state"), record.uid)
    state.save_values(record, {"rotation_state": replace(ledger, holds={}).text(record.uid)})
    made = next((key.made for key in kind.live() if key.key_id == report.key_id), None)
    value, ends = state.record.secret(kind.outputs.value), _ends(state, report.expires)
    newer = _delivery(state, report.key_id, value, ends, made)
    for destination, error in deliveries.serve(newer, deliveries.open(newer.generation)) if newer else ():
        state.leave(f"{destination.address} may hold an older secret: {error}", error.hint)


def _ends(state: State, expires: str) -> datetime:
    # Where somebody edits the record: how long it lives is not worth a consumer.
    return read_stamp(expires) or state.run.http.now() + state.prepared.policy.lifetime


def after_retirement(state: State, delivery: Delivery, removed: list[str]) -> None:
    """Tell the destinations what is dead: by key id, and by generation, as a key id may name a live one by now."""
    new, listed = delivery.key_id, state.prepared.inventory.all()
    ended = [key for key in listed if key.key_id in removed or key.key_id == new]
    dead = removed + [key.generation for key in ended if key.generation != delivery.generation]
    state.prepared.deliveries.after_retirement(delivery, dead)

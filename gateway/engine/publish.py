"""Steps 3 to 5: make a new credential, prove it, and save it in the record; what cannot be published is taken back."""

from __future__ import annotations

from gateway.engine.state import State
from gateway.errors import CallError, Failed, RotationError, Unknown
from gateway.keeper.record import VaultRecord
from gateway.keeper.save import Saved
from gateway.model.credential import Minted, stamp
from gateway.model.ledger import Ledger, read_ledger


def make(state: State) -> Minted:
    """A new credential that is proved; none where that fails. Raises RotationError, CallError."""
    state.deadline.check()
    state.has_written = True
    minted = state.maker.make(state.prepared.policy.lifetime)
    try:
        _prove(state, minted)
    except (RotationError, CallError) as error:
        state.maker.take_back(minted)
        raise Failed(str(error), error.hint) from None
    except BaseException:
        state.maker.take_back(minted)
        raise
    return minted


def _prove(state: State, minted: Minted) -> None:
    state.report.proved = state.maker.prove(minted)
    if state.report.proved == "listed":
        state.report.warnings.append(state.prepared.kind.listed)
    state.deadline.check()


def publish(state: State, minted: Minted, ledger: Ledger) -> bool:
    """Save the new credential; False where another rotation was first.

    Raises:
        Failed: the record is as it was, and the new one is taken back.
        Unknown: what the record says cannot be told, and the new one is left alive.
    """
    if _save(state, minted, ledger) is Saved.SUPERSEDED:
        return False
    state.report.key_id, state.report.expires = minted.key_id, stamp(minted.ends)
    return True


def give_way(state: State, minted: Minted) -> None:
    """Another rotation has finished: ours is taken back, theirs is looked at. Raises Unknown."""
    state.maker.take_back(minted)
    _check_other(state, state.record)


def _check_other(state: State, record: VaultRecord) -> None:
    """What another rotation published works, and all required destinations have it; else that is left over."""
    state.report.proved = ""
    kind, key_id = state.prepared.kind, state.report.key_id
    theirs = None
    try:
        theirs = next((key for key in kind.live() if key.key_id == key_id), None)
        why = ""
        if theirs and (why := state.maker.refuses(theirs, record.secret(kind.outputs.value))):
            state.leave(f"another rotation has published {key_id}, which is not accepted: {why}")
        state.report.proved = kind.proof if theirs and not why else ""
        if theirs is None and not state.maker.ids_are_runs_own:
            state.leave(f"another rotation has published {key_id}, which the service does not show")
    except (CallError, Failed) as error:
        state.leave(f"another rotation has published {key_id}, and whether it works cannot be told: {error}")
    held = read_ledger(record.value("rotation_state"), record.uid).holds
    generation = theirs.generation if theirs else key_id
    missing = [each.address for each in state.prepared.deliveries.required if held.get(each.address) != generation]
    if missing:
        state.report.pending += missing
        state.leave(f"another rotation has published {key_id}, and has not delivered it everywhere yet")


def _save(state: State, minted: Minted, ledger: Ledger) -> Saved:
    try:
        state.record = state.maker.before_save(minted, state.record)
    except (RotationError, CallError) as error:
        state.maker.take_back(minted)
        raise Failed(str(error), error.hint) from None
    try:
        return state.save_new(minted, ledger)
    except Failed:
        state.maker.take_back(minted)
        raise
    except (Unknown, CallError) as error:
        raise Unknown(f"{error}; the new secret {minted.key_id} was left alive", error.hint) from None


def tidy(state: State) -> None:
    """Remove from the record what it does not name, and empty what is over; what fails is left to the next run."""
    try:
        state.record = state.maker.tidy(state.record)
        stale = {label: "" for label in state.prepared.kind.stale(state.record) if state.record.value(label)}
        if stale:
            state.save_values(state.record, stale)
    except (RotationError, CallError) as error:
        state.leave(f"the record is not tidied up: {error}", error.hint)

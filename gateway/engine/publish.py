"""Steps 3 to 5: make a new credential, prove it, and save it in the record; what cannot be published is taken back."""

from __future__ import annotations

from gateway.engine.state import State
from gateway.errors import CallError, Failed, RotationError, Unknown
from gateway.keeper.save import Saved
from gateway.model.credential import Minted, stamp
from gateway.model.ledger import Ledger

_LISTED = (
    "the app cannot sign in at all (no enterprise application, disabled, or for personal accounts only): "
    "the new secret was proved by Graph's listing"
)


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
        state.report.warnings.append(_LISTED)
    state.deadline.check()


def publish(state: State, minted: Minted, ledger: Ledger) -> bool:
    """Save the new credential; False where another rotation was first, and the new one is taken back.

    Raises:
        Failed: the record is as it was, and the new one is taken back.
        Unknown: what the record says cannot be told, and the new one is left alive.
    """
    if _save(state, minted, ledger) is Saved.SUPERSEDED:
        state.maker.take_back(minted)
        return False
    state.report.key_id, state.report.expires = minted.key_id, stamp(minted.ends)
    return True


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
    except Unknown as error:
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

"""Step 2: what the record publishes is seen to work in this run, before anything is said about it or handed on."""

from __future__ import annotations

from gateway.engine.state import State
from gateway.errors import CallError, Incomplete, Refused
from gateway.model import decisions
from gateway.model.credential import LiveCredential


def is_accepted(state: State, published: LiveCredential) -> bool:
    """Whether it is accepted; where it is refused, that is a reason for a new one.

    Raises:
        Incomplete: it is so new that a refusal may mean "not yet", or nobody could be asked.
    """
    try:
        refusal = state.maker.refuses(published, state.prepared.known.value)
    except Refused as error:
        state.report.warnings.append(f"what the record publishes could not be tried: {error}")
        return False
    except CallError as error:
        raise Incomplete(f"whether what the record publishes works cannot be told: {error}", error.hint) from None
    if refusal and state.prepared.known.is_young:
        raise Incomplete(
            f"{published.key_id} was published a short time ago, and is not accepted: {refusal}",
            "run it again in a quarter of an hour: if it is refused then, a new one is made",
        )
    if refusal:
        state.why.append(decisions.REFUSED)
    else:
        state.report.proved = state.prepared.kind.proof
    return not refusal

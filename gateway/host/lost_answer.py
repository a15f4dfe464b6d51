"""What became of a change whose answer was lost: the service is asked what is there now."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from gateway.errors import CallError, NotSent, Refused, Unknown

T = TypeVar("T")


def resolve_lost_answer(error: CallError, look: Callable[[], T | None], what: str, hint: str) -> T:
    """What ``look`` finds of a change that ``error`` broke; None where it finds nothing of it.

    Args:
        what: was to be done, such as ``the chain was merged``.

    Raises:
        CallError: ``error`` itself, where it did not happen.
        Unknown: that cannot be told.
    """
    looked = True
    try:
        found = look()
    except Exception:  # what is told is the first error
        found, looked = None, False
    if found is not None:
        return found
    if isinstance(error, Refused) or (looked and isinstance(error, NotSent)):
        raise error
    raise Unknown(f"whether {what} cannot be told: {error}", hint) from None

"""An end that comes near is told once for each of the days that a record names, as far as this host remembers.

What was told stands in the run's own line in the host's history: a run that changes nothing must not save the record
only to note that it spoke. Another host, or one without a history, tells it once more.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from gateway.errors import Failed
from gateway.host.history import read_history

_DAY = timedelta(days=1)


def days_left(expires: str, now: datetime) -> float | None:
    """Days from ``now`` until ``expires`` as a record has it; None where that is no date."""
    try:
        ends = datetime.fromisoformat(expires)
    except ValueError:
        return None
    return ((ends if ends.tzinfo else ends.replace(tzinfo=UTC)) - now) / _DAY


def in_days(left: float) -> str:
    """``1 day`` or ``6 days``."""
    days = round(left)
    return f"{days} day" if days == 1 else f"{days} days"


def crossed(before: Sequence[timedelta], expires: str, now: datetime) -> str:
    """What a run's line says of the nearest of these thresholds that is behind us; empty where there is none."""
    left = days_left(expires, now)
    found = [each for each in before if left is not None and left < each / _DAY]
    return f"{min(found) / _DAY:g} days before {expires}" if found else ""


def was_told(record_uid: str, told: str) -> bool:
    """Whether a run on this host has told this of the record; False where that is not known."""
    try:
        runs = read_history(datetime.min.replace(tzinfo=UTC))
        return any(run.get("told") == told and run.get("record") == record_uid for run in runs)
    except Failed:
        return False

"""The decisions of a rotation, without any input or output.

``inventory.py`` says what is what, ``why.py`` whether a new one is due, ``ends.py`` what may go and when, ``room.py``
what goes first where the target is full. All times are the service's own (its Date header), never this host's.
"""

from gateway.model.decisions.ends import (
    dated,
    expired,
    let_go,
    may_go,
    orphans,
    overdue,
    retirements,
    revoked,
    split_by_time,
    to_end,
    undated,
)
from gateway.model.decisions.inventory import LAG, Inventory, Knowledge, OwnRuns, newest, sort
from gateway.model.decisions.room import expired_to_free, full, to_free
from gateway.model.decisions.why import (
    ASKED,
    BEHIND,
    DIFFERENT,
    EVERY_RUN,
    FIRST,
    GONE,
    REFUSED,
    UNSAVED,
    can_wait,
    is_pressing,
    reasons,
)

__all__ = [
    "ASKED", "BEHIND", "DIFFERENT", "EVERY_RUN", "FIRST", "GONE", "LAG", "REFUSED", "UNSAVED", "Inventory", "Knowledge",
    "OwnRuns", "can_wait", "dated", "expired", "expired_to_free", "full", "is_pressing", "let_go", "may_go", "newest",
    "orphans", "overdue", "reasons", "retirements", "revoked", "sort", "split_by_time", "to_end", "to_free", "undated",
]  # fmt: skip

"""Why a new one is to be made now, by name, and whether what an earlier run left open comes first."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import timedelta

from gateway.model.credential import LiveCredential
from gateway.model.decisions.inventory import A_DAY, Knowledge
from gateway.model.policy import Policy

# What a broken destination lacks may hold up a rotation that nothing but the schedule asks for, for so long.
PATIENCE = timedelta(days=7)

# A key id of an app's secret or a version of a certificate. Templates have words or zeros in its place.
_ID = re.compile(r"(?=.*[1-9a-f])[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE)

EVERY_RUN = "every run"
ASKED = "asked for"
FIRST = "placeholder"
GONE = "gone"
UNSAVED = "not the saved one"
REFUSED = "refused"
NEAR_END = "near its end"
OLD = "of unknown age"
BEHIND = "behind the service"
DIFFERENT = (FIRST, GONE, UNSAVED, REFUSED, BEHIND)
"""those that say that the record does not publish what lives at its target"""


def reasons(published: LiveCredential | None, known: Knowledge, policy: Policy, *, asked: bool) -> list[str]:
    """Why a new one is to be made now; none where that can wait."""
    near = A_DAY if policy.rotate_before is None else policy.rotate_before
    holds = {
        ASKED: asked,
        FIRST: published is None and not _names_one(known),
        GONE: published is None and _names_one(known),
        UNSAVED: published is not None and not _fits(published, known),
        OLD: published is not None and published.is_due,
        NEAR_END: published is not None and published.ends - known.now < near,
        EVERY_RUN: policy.rotate_before is None and not asked,
    }
    return [reason for reason, is_so in holds.items() if is_so]


def _names_one(known: Knowledge) -> bool:
    """Whether the record ever published one: by a run of ours, or by another tool, whose id it still has."""
    return known.ledger.key_id != "" or bool(_ID.fullmatch(known.key_id))


def _fits(published: LiveCredential, known: Knowledge) -> bool:
    return not published.hint or published.hint == known.value.hint


def can_wait(why: Iterable[str], known: Knowledge, *, at_any_time: bool) -> bool:
    """Whether what an earlier run left open comes first, completed with what the record publishes.

    So it is where only the schedule asks for a new one, and not for too long; ``at_any_time``: where a new one would
    end what a destination still holds.
    """
    if not set(why):
        return True
    # Only a rotation of ours can have left something open; where there was none, the first one serves all.
    if not known.ledger.key_id or set(DIFFERENT) & set(why):
        return False
    recent = known.last_rotated is not None and known.now - known.last_rotated < PATIENCE
    return at_any_time or (recent and set(why) == {EVERY_RUN} and known.ledger.key_id == known.key_id)


def is_pressing(why: Iterable[str], known: Knowledge) -> bool:
    """Whether a broken destination must not hold up a new one: more than the schedule asks for it, and not at first."""
    if known.even_where_not_delivered:
        return True
    return NEAR_END in why or (known.ledger.key_id != "" and bool(set(why) - {EVERY_RUN, FIRST}))

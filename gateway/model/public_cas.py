"""What public CAs give, those whose certificates every browser trusts. A CA of one's own may give more.

Source: https://cabforum.org/working-groups/server/baseline-requirements/requirements/
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

# From this day on, so many days at most.
_MOST_DAYS = ((date(2026, 3, 15), 200), (date(2027, 3, 15), 100), (date(2029, 3, 15), 47))
_BEFORE = 398
_DAYS_A_MONTH = 30
SERVER_AUTH, CLIENT_AUTH = "1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"


def most_days(on: date) -> int:
    """How long a certificate may be valid that a public CA issues on this day."""
    return next((days for since, days in reversed(_MOST_DAYS) if on >= since), _BEFORE)


def usual_months(on: date) -> int:
    """How long a certificate of a CA is asked for, where nothing is said: six months, while public CAs give them."""
    return min(6, most_days(on) // _DAYS_A_MONTH)


def not_of_public_cas(policy: Mapping[str, Any], on: date) -> list[str]:
    """What a certificate's policy asks for that no public CA gives, as warnings."""
    x509, most, found = policy.get("x509_props") or {}, most_days(on), []
    months = int(x509.get("validity_months") or 12)
    if months * _DAYS_A_MONTH > most:
        ahead = "".join(f", {days} from {since}" for since, days in _MOST_DAYS if since > on)
        found.append(f"validity-months is {months}, and a public CA gives {most} days at most{ahead}")
    if {SERVER_AUTH, CLIENT_AUTH} <= set(x509.get("ekus") or ()):
        found.append("extended-key-usage has clientAuth beside serverAuth, which public CAs leave out")
    return found

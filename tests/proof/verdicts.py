"""Which promise a complaint of a sweep or of the simulation is about."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

# In this order: the first that fits counts. Each is a promise of README.md, in its words.
ABOUT = {
    "A run ends": re.compile(r"\bhung\b|exit None"),
    "No secret is shown": re.compile(r"\bleak"),
    "The secret in the record works": re.compile(r"\bP1\b|secret is dead|somebody else's|removed what should stay"),
    "No consumer is cut off": re.compile(r"\bP2\b"),
    "No orphans": re.compile(r"\bP3\b|healed|afterwards|after the plain run|left over"),
    "Exit code 0 means done": re.compile(r"\bP4\b|exit -?\d|exit without|no error or no hint|not killed"),
}
UNJUDGED = "could not be judged"
"""what is wrong with the trial itself: the stand-in failed, or its fault did not happen"""


def about(complaint: str) -> str:
    """The promise that is broken, in README's words; `UNJUDGED` where it is none."""
    return next((promise for promise, words in ABOUT.items() if words.search(complaint)), UNJUDGED)


def broken(complaints: Iterable[Iterable[str]]) -> Counter[str]:
    """How many trials broke each promise, given the complaints of each trial."""
    return Counter(promise for each in complaints for promise in {about(complaint) for complaint in each})

"""The requests of each scene that faults are put on, as kept in ``known_requests.json``.

They are kept so that no rotation has to run before it is known which tests there are. ``engine/test_known_requests.py``
says when they are no longer what a run asks for; ``python -m tests.sweep.scenes`` then writes them anew.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from functools import cache
from pathlib import Path

PATH = Path(__file__).with_name("known_requests.json")
Request = tuple[str, int]
"""An operation, and which one of its kind it is, from 1."""


def known(scene: str) -> list[Request]:
    """The requests of this scene, in the order of their names."""
    return [(operation, nth) for operation, times in _kept()[scene].items() for nth in range(1, times + 1)]


@cache
def _kept() -> dict[str, dict[str, int]]:
    kept: dict[str, dict[str, int]] = json.loads(PATH.read_text(encoding="utf-8"))
    return kept


def counted(operations: Iterable[str], most: int = 1_000_000) -> dict[str, int]:
    """How often each was asked for, ``most`` at most."""
    return {operation: min(times, most) for operation, times in sorted(Counter(operations).items())}

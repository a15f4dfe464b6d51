"""The requests of each scene that faults are put on, as kept in ``known_requests.json``.

They are kept so that no rotation has to run before it is known which tests there are. ``engine/test_known_requests.py``
says when they are no longer what a run asks for; ``python -m tests.sweep.known_requests`` then writes them anew.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
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


def scenes() -> dict[str, Callable[[], dict[str, int]]]:
    """What runs each scene without a fault, and counts."""
    from tests.kinds import test_storage_key
    from tests.sweep import certificate, rotation, tls_secret

    found: dict[str, Callable[[], dict[str, int]]] = {
        name: lambda scene=scene: rotation.requests(scene)  # type: ignore[misc]
        for name, scene in rotation.SCENES.items()
    }
    return found | {
        "storage key": test_storage_key.requests,
        "certificate": certificate.requests,
        "tls-secret rediscover": tls_secret.requests,
    }


if __name__ == "__main__":
    PATH.write_text(json.dumps({name: ask() for name, ask in scenes().items()}, indent=1) + "\n", encoding="utf-8")

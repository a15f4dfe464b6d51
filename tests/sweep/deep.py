"""Which cases of a sweep every change runs, and which are left to ``make test-all``."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest


def deep_unless(quick: Callable[..., bool], cases: Iterable[Any]) -> list[Any]:
    """The cases as parameters; those for which ``quick`` is false are marked ``deep``. A tuple is several values."""
    found = []
    for case in cases:
        values = case if isinstance(case, tuple) else (case,)
        found.append(
            pytest.param(*values, id=" ".join(map(str, values)), marks=[] if quick(*values) else pytest.mark.deep)
        )
    return found

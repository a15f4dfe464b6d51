"""The sandbox's answers beside those of the real services, as far as ``tests/shapes`` knows them."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from tests.shapes import shape

_SHAPES = Path(shape.__file__).parent


class Recording:
    """The exchanges of one recording."""

    def __init__(self, name: str) -> None:
        self._exchanges: list[dict[str, Any]] = _read("recorded")[name]

    def answer(self, number: int) -> tuple[int, Any]:
        """Status and shape of one answer."""
        return self._exchanges[number]["status"], self._exchanges[number]["body"]

    def challenge(self, number: int) -> str:
        """What an answer asks for; ids are ID."""
        return str(self._exchanges[number]["www-authenticate"])

    def call(self, number: int) -> str:
        """Method and path; ids are ID."""
        return str(self._exchanges[number]["call"])


def example(name: str, status: int = 200) -> Any:
    """The shape of an example's answer."""
    return _read("examples")[name][str(status)]


def differences(ours: Any, theirs: Any, ignoring: frozenset[str] = frozenset()) -> list[str]:
    """How an answer of the sandbox differs from the shape of a real one."""
    return shape.differences(shape.shape(ours), theirs, ignoring)


@cache
def _read(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((_SHAPES / f"{name}.json").read_text(encoding="utf-8"))
    return content

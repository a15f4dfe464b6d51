"""Answers into typed values: what is null or absent has its default, what is odd is an error of the call."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from gateway.errors import Unclear


@contextmanager
def decoding(where: str) -> Iterator[None]:
    """While an answer is decoded. Raises Unclear: it has another shape than it should."""
    try:
        yield
    except (KeyError, IndexError, TypeError, ValueError, AttributeError):
        raise Unclear(where, "an answer that cannot be read") from None


def mapping(value: Any) -> dict[str, Any]:
    """An object; empty for null. Raises TypeError."""
    if value is not None and not isinstance(value, dict):
        raise TypeError
    return value or {}


def entries(value: Any) -> list[dict[str, Any]]:
    """A list of objects; empty for null. Raises TypeError."""
    if value is not None and not isinstance(value, list):
        raise TypeError
    return [mapping(each) for each in value or []]


def text(value: Any) -> str:
    """A text or a number as text; empty for null. Raises TypeError."""
    if isinstance(value, (dict, list)):
        raise TypeError
    return "" if value is None else str(value)


def texts(value: Any) -> tuple[str, ...]:
    """A list of texts; empty for null. Raises TypeError."""
    if value is not None and not isinstance(value, list):
        raise TypeError
    return tuple(text(each) for each in value or [])

"""The form of a JSON answer: its keys, and the types of its values."""

from __future__ import annotations

from typing import Any


def shape(value: Any) -> Any:
    """A dict of shapes; a list with the shape of its first entry; the name of a type; None, which is of any type."""
    if isinstance(value, dict):
        return {str(name): shape(each) for name, each in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return None if value is None else type(value).__name__


def differences(ours: Any, theirs: Any, ignoring: frozenset[str] = frozenset(), path: str = "") -> list[str]:
    """Keys that only one of two shapes has, and values of another type."""
    if ours is None or theirs is None or path in ignoring:
        return []
    if isinstance(ours, dict) and isinstance(theirs, dict):
        names = [name for name in sorted({*ours, *theirs}) if f"{path}/{name}" not in ignoring]
        lonely = [f"{path}/{name} {'missing' if name in theirs else 'extra'}" for name in names
                  if (name in ours) != (name in theirs)]  # fmt: skip
        both = [name for name in names if name in ours and name in theirs]
        return lonely + [text for name in both
                         for text in differences(ours[name], theirs[name], ignoring, f"{path}/{name}")]  # fmt: skip
    if isinstance(ours, list) and isinstance(theirs, list):
        return differences(ours[0], theirs[0], ignoring, f"{path}[]") if ours and theirs else []
    return [] if ours == theirs else [f"{path} is {_kind(ours)}, not {_kind(theirs)}"]


def _kind(of: Any) -> str:
    return of if isinstance(of, str) else type(of).__name__

"""Tags by which our versions are known in a key vault; whoever may list secrets can read them."""

from __future__ import annotations

from collections.abc import Mapping

RECORD, KEY = "keeper-record", "keeper-key-id"
_MOST = 15


def not_ours(tags: Mapping[str, str]) -> dict[str, str]:
    """Without those by which a version is known as one that was delivered: another version is none."""
    return {name: text for name, text in tags.items() if name not in (RECORD, KEY)}


def kept(theirs: Mapping[str, str], ours: Mapping[str, str]) -> dict[str, str]:
    """Ours, and of those of the version before as many as a version may have."""
    others = [(name, text) for name, text in theirs.items() if name not in ours]
    return dict(others[: _MOST - len(ours)]) | dict(ours)

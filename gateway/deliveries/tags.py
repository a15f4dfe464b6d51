"""Tags by which our versions are known in a key vault; whoever may list secrets can read them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from gateway.errors import Failed
from gateway.keeper.record import ReadsRecords

RECORD, KEY = "keeper-record", "keeper-key-id"
_MOST = 15


def not_ours(tags: Mapping[str, str]) -> dict[str, str]:
    """Without those by which a version is known as one that was delivered: another version is none."""
    return {name: text for name, text in tags.items() if name not in (RECORD, KEY)}


def kept(theirs: Mapping[str, str], ours: Mapping[str, str]) -> dict[str, str]:
    """Ours, and of those of the version before as many as a version may have."""
    others = [(name, text) for name, text in theirs.items() if name not in ours]
    return dict(others[: _MOST - len(ours)]) | dict(ours)


def check_owner(address: str, tags: Mapping[str, str] | None, vault: ReadsRecords, record_uid: str) -> None:
    """What another record delivers here stays. Keeper is asked only where a tag names one.

    Raises:
        Failed: the current version has that record's tag, and the record is there.
        CallError
    """
    other = (tags or {}).get(RECORD, "")
    if other == record_uid or not re.fullmatch(r"[A-Za-z0-9_-]{22}", other):
        return
    if found := vault.read([other]).get(other):
        raise Failed(
            f"{address}: record {other} ({found.title}) delivers there, as the tag {RECORD} says",
            "name another place; or let who may write there move it to this record: "
            f"keeper-rotation take-over {address} --record={record_uid}",
        )

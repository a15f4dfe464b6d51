"""A secret that Keeper's Universal Secrets Sync keeps: it is set back to a whole record whenever that record changes.

Such a secret bears the record's title and is, by default, one JSON object of the record's fields, by label or type,
with the content type of JSON. A record with the one field ``value`` becomes that text, which nothing tells from others.
Source: https://docs.keeper.io/keeperpam/privileged-access-manager/universal-secrets-sync/advanced
"""

from __future__ import annotations

import json
from typing import Any

_JSON = "application/json"
# Fields that only records have that are rotated here or delivered to: where a key vault shows them, it has them all.
_OF_OUR_RECORDS = frozenset(
    ("NOOP", "application_object_id", "deliver_to", "receives_from", "rotate_now", "rotation_state")
)
HINT = (
    "take the record out of the folder that Universal Secrets Sync is linked to, then name another secret or delete "
    "this one; docs/deliver-key-vault.md shows how the two go together"
)


def is_whole_record(value: str | None) -> bool:
    """Whether a secret's value is all the fields of a record that is rotated here or delivered to."""
    return not _OF_OUR_RECORDS.isdisjoint(_object(value))


def may_be_synced(value: str | None, content_type: str | None) -> bool:
    """Whether it may be the fields of some record: it looks like it, as other JSON documents do."""
    return (content_type or "").partition(";")[0].strip().lower() == _JSON and bool(_object(value))


def _object(value: str | None) -> dict[str, Any]:
    try:
        found = json.loads(value or "")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}

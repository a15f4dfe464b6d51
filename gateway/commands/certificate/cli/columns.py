"""What ``certificate list`` shows to people: the columns that say something, and short rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gateway.commands.certificate.list import ListOptions

COLUMNS = {
    "vault": "VAULT", "name": "NAME", "version": "VERSION", "state": "STATE", "subject": "SUBJECT",
    "issuer": "ISSUER", "not_before": "NOT BEFORE", "expires": "EXPIRES", "days_left": "DAYS",
    "enabled": "ENABLED", "records": "RECORD", "since": "SINCE", "next": "NEXT",
}  # fmt: skip
_DETAILS, _PENDING = ("subject", "issuer", "not_before"), ("issuer", "since", "next")


def columns_of(rows: Sequence[dict[str, Any]], options: ListOptions) -> dict[str, str]:
    """The columns that say something, and their headings."""
    wanted = {key for key in COLUMNS if key not in (*_DETAILS, *_PENDING, "version", "enabled")}
    wanted |= {"version"} if any(row["version"] for row in rows) else set()
    wanted |= {"enabled"} if any(not row["enabled"] and row["state"] != "pending" for row in rows) else set()
    wanted |= set(_DETAILS) if options.details else set()
    wanted |= set(_PENDING) if any(row["state"] == "pending" for row in rows) else set()
    return {key: heading for key, heading in COLUMNS.items() if key in wanted}


def for_people(row: dict[str, Any]) -> dict[str, Any]:
    """A row as short as a table needs it: days instead of seconds, and no command but its name."""
    days = {key: row[key][:10] for key in ("not_before", "expires", "since")}
    following, _, command = row["next"].partition(": ")
    return row | days | {"version": row["version"][:8], "next": following + (" merge" if command else "")}

"""What was found, for people and for machines."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from gateway.commands.discover.known_records import KnownItem
from gateway.commands.shared.output import show_table
from gateway.model.credential import stamp

_COLUMNS = {
    "name": "NAME", "where": "WHERE", "expires": "EXPIRES", "days": "DAYS", "records": "RECORD", "note": "",
}  # fmt: skip


def show_rows(rows: Sequence[KnownItem], now: datetime, *, as_json: bool) -> None:
    """Print a line for each, or a list of objects."""
    shown = [_object(row, now) if as_json else _line(row, now) for row in rows]
    show_table(shown, _COLUMNS, as_json=as_json, none="none found")


def _object(row: KnownItem, now: datetime) -> dict[str, object]:
    item = row.item
    return {
        "label": item.label,
        "id": item.address,
        "secret": item.source or None,
        "name": item.name,
        "where": item.where,
        "version": item.version,
        "expires": stamp(item.expires) or None,
        "days_left": item.days_left(now),
        "note": item.note,
        "owners": list(item.owners),
        "records": row.records,
        "created": bool(row.made),
    }


def _line(row: KnownItem, now: datetime) -> dict[str, object]:
    item = row.item
    return {
        "name": f"{item.name} {item.version[:8]}" if item.version else item.name,
        "where": item.where,
        "expires": f"{item.expires:%Y-%m-%d}" if item.expires else "-",
        "days": item.days_left(now),
        "records": (" ".join(row.records) or "none") + (" (new)" if row.made else ""),
        "note": item.note,
    }

"""What was found, for people and for machines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

from gateway.discovery.creating import Row

STAMP = "%Y-%m-%dT%H:%M:%SZ"
_HEAD = ("NAME", "WHERE", "EXPIRES", "DAYS", "RECORD", "")


def as_json(rows: Sequence[Row], now: datetime) -> str:
    """A list of objects, one for each thing."""
    return json.dumps([_object(row, now) for row in rows], indent=1, ensure_ascii=False) + "\n"


def _object(row: Row, now: datetime) -> dict[str, object]:
    item = row.item
    return {
        "label": item.label,
        "id": item.address,
        "secret": item.source or None,
        "name": item.name,
        "where": item.where,
        "version": item.version,
        "expires": item.expires.strftime(STAMP) if item.expires else None,
        "days_left": item.days_left(now),
        "note": item.note,
        "records": row.records,
        "created": bool(row.made),
    }


def as_table(rows: Sequence[Row], now: datetime) -> str:
    """One line each; what control characters a name holds is not sent to the terminal."""
    lines = [_HEAD, *(_line(row, now) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEAD) - 1)]
    texts = ("  ".join(text.ljust(width) for text, width in zip(line, [*widths, 0], strict=True)) for line in lines)
    return "\n".join(text.rstrip() for text in texts) + "\n"


def _line(row: Row, now: datetime) -> tuple[str, ...]:
    item = row.item
    days = item.days_left(now)
    name = f"{item.name} {item.version[:8]}" if item.version else item.name
    expires = f"{item.expires:%Y-%m-%d}" if item.expires else "-"
    records = " ".join(row.records) + (" (new)" if row.made else "")
    cells = (name, item.where, expires, "" if days is None else str(days), records or "none", item.note)
    return tuple("".join(sign if sign.isprintable() else "?" for sign in cell) for cell in cells)

"""Which rows are shown, in which order and form, and the exit code."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import click

from gateway.commands.fit import fit
from gateway.commands.outlook import find_named
from gateway.commands.reading import Reading
from gateway.commands.shared.output import counted, show, show_table, terminal_width
from gateway.commands.status.rows import NOTE, OFF, TROUBLE, WELL, Overview, Row
from gateway.host.shown import cell

_SIGNS = {TROUBLE: "x", NOTE: "!", OFF: "-", WELL: ""}
_COLORS = {TROUBLE: "red", NOTE: "yellow", OFF: "bright_black"}
_COLUMNS = {
    "sign": "", "title": "TITLE", "kind": "KIND", "days": "DAYS", "due": "NEXT DUE UTC", "about": "ABOUT",
}  # fmt: skip
_WIDE = 130
_NEVER, _ALWAYS = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
SORTS: dict[str, Callable[[Row], Any]] = {
    "state": lambda row: (TROUBLE, NOTE, WELL, OFF).index(row.state),
    "expires": lambda row: row.outlook.expires or _ALWAYS,
    "due": lambda row: row.outlook.next_due or _ALWAYS,
    "rotated": lambda row: row.outlook.last_rotated or _NEVER,
    "kind": lambda row: row.kind,
    "title": lambda row: 0,
}


@dataclass(frozen=True)
class Wanted:
    """What is to be shown. ``records``: names, as `find_named` takes them; ``folder``: the one that was read."""

    records: tuple[str, ...] = ()
    only_trouble: bool = False
    expiring_within: int | None = None
    sort: str = "state"
    folder: str = ""

    def none(self) -> str:
        """What is said where there is no such record."""
        which = " of these" if self.records else f" in folder {self.folder}" if self.folder else ""
        days = self.expiring_within
        trouble = "is in trouble" if self.only_trouble else ""
        ends = f"expires within {counted(days, 'day')}" if days is not None else ""
        return f"no record{which} {' and '.join(filter(None, (trouble, ends))) or 'is of this package'}"


def choose_rows(
    reading: Reading, wanted: Wanted, more: Callable[[list[Row]], list[Row]] = lambda rows: rows
) -> list[Row]:
    """The rows that are wanted; ``more`` adds what it knows of those that are named. Raises Failed: there are none."""
    rows = list(Overview(reading).rows())
    if wanted.records:
        named = {record.uid for record in find_named((row.record for row in rows), wanted.records)}
        rows = [row for row in rows if row.record.uid in named]
    by_title = sorted(more(rows), key=lambda row: row.record.title.casefold())
    return sorted((row for row in by_title if _is_wanted(row, wanted)), key=SORTS[wanted.sort])


def _is_wanted(row: Row, wanted: Wanted) -> bool:
    return (not wanted.only_trouble or row.state == TROUBLE) and (
        wanted.expiring_within is None or _ends_within(row, wanted.expiring_within)
    )


def _ends_within(row: Row, days: int) -> bool:
    return row.days_left is not None and row.days_left < days


def is_failing(rows: Sequence[Row], days: int) -> bool:
    """Whether a monitor is to be told."""
    return any(row.state == TROUBLE or _ends_within(row, days) for row in rows)


def show_json(rows: Sequence[Row]) -> None:
    """A list of objects."""
    click.echo(json.dumps([row.keys() for row in rows], indent=1))


def show_csv(rows: Sequence[Row]) -> None:
    """A line for each row, with a heading; nothing in it is a formula to a spreadsheet."""
    text = io.StringIO()
    lines = csv.writer(text)
    for number, keys in enumerate(row.keys() for row in rows):
        if not number:
            lines.writerow(keys)
        lines.writerow(_inert(value) for value in keys.values())
    click.echo(text.getvalue(), nl=False)


def _inert(value: Any) -> str:
    if isinstance(value, Mapping):
        value = [f"{key}={each}" for key, each in value.items()]
    words = "; ".join(map(str, value)) if isinstance(value, list) else "" if value is None else str(value)
    return words if words.lstrip("-").isdigit() else cell(words)


def show_rows(rows: Sequence[Row], none: str) -> None:
    """For people: a table; ``none`` where it would be empty."""
    width = terminal_width()
    columns = _COLUMNS | ({"last": "LAST RUN HERE UTC", "uid": "RECORD"} if width is None or width >= _WIDE else {})
    lines = [_line(row) for row in rows]
    shown = fit(lines, columns, {"title": 2, "about": 3})
    show_table(shown, columns, as_json=False, none=none, paint=[_COLORS.get(row.state) for row in rows])


def show_one(row: Row) -> None:
    """Everything that is known of one record."""
    show({key: value for key, value in row.keys().items() if value not in (None, [])}, as_json=False)


def _line(row: Row) -> dict[str, Any]:
    run = row.last_run
    return {
        "sign": _SIGNS[row.state],
        "title": row.record.title or row.record.uid,
        "kind": row.kind,
        "days": row.days_left,
        "due": _due(row),
        "about": "; ".join((*row.trouble, *row.notes)),
        "last": f"{str(run.get('time', ''))[:16].replace('T', ' ')} {run.get('result', '')}".strip(),
        "uid": row.record.uid,
    }


def _due(row: Row) -> str:
    if row.outlook.every_run and row.outlook.is_enabled:
        return "every run"
    return f"{row.outlook.next_due:%Y-%m-%d}" if row.outlook.next_due else ""

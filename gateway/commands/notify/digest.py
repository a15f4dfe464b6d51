"""``keeper-rotation digest``: one message with all that wants somebody's attention. Nothing is changed anywhere."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import groupby

import click

from gateway.commands.notify.sent import show_sent
from gateway.commands.reading import Reading, read_all
from gateway.commands.shared.output import counted
from gateway.commands.status.rows import TROUBLE, Overview, Row
from gateway.errors import Failed
from gateway.host.notify.message import HOST, of_host, send
from gateway.host.shown import clean
from gateway.model.credential import stamp

_LONGEST_TITLE, _LONGEST_TEXT = 80, 300
# What services take in one message is some thousand characters; the rest is in `keeper-rotation status`.
_MOST_OF_A_PART = 25
WRONG, DUE, ENDING = "wrong", "due or left over", "expiring within {days}"
_PARTS = (WRONG, DUE, ENDING)


def send_digest(folder: str, days: int, *, as_json: bool) -> None:
    """Tell whom the host names; nobody, where there is nothing to tell.

    Raises:
        Failed: one of them did not take it, or the host names nobody.
        CallError
    """
    urls = of_host()
    if not urls:
        hint = f"set {HOST} in the environment of this command; docs/notifications.md shows how"
        raise Failed(f"{HOST} is not set: there is no address to notify", hint)
    reading = read_all(folder)
    rows = list(Overview(reading).rows())
    if not (parts := _parts(rows, days)):
        click.echo("[]" if as_json else f"nothing to tell of {counted(len(rows), 'record')}: nothing was sent")
        return
    told = send(urls, _title(parts), _body(parts, reading), is_of_host=True)
    show_sent(told, f"correct {HOST}, and look at the service", as_json=as_json)


Parts = dict[str, list[Row]]


def _parts(rows: Sequence[Row], days: int) -> Parts:
    """Each row that is told, once, under what is most urgent of it."""
    order = {name: number for number, name in enumerate(_PARTS)}
    found = [(part, row) for row in rows if (part := _part(row, days))]
    found.sort(key=lambda each: (order[each[0]], _left(each[1]), each[1].record.title.casefold()))
    return {
        name.format(days=counted(days, "day")): [row for _, row in each]
        for name, each in groupby(found, key=lambda each: each[0])
    }


def _part(row: Row, days: int) -> str:
    if row.state == TROUBLE:
        return WRONG
    if row.outlook.is_enabled and (row.outlook.left or _is_due(row)):
        return DUE
    return ENDING if _left(row) < days else ""


def _is_due(row: Row) -> bool:
    """For another reason than that every run makes a new one."""
    return any(reason != "every run" for reason in row.outlook.why)


def _left(row: Row) -> float:
    return float("inf") if row.days_left is None else row.days_left


def _title(parts: Parts) -> str:
    return f"Rotation digest: {', '.join(f'{len(rows)} {name}' for name, rows in parts.items())}"


def _body(parts: Parts, reading: Reading) -> str:
    lines = [line for name, rows in parts.items() for line in _lines(name, rows)]
    seen = f"seen by {clean(socket.gethostname())} at {stamp(reading.now)}; keeper-rotation status shows all"
    return "\n".join([*lines, seen])


def _lines(name: str, rows: Sequence[Row]) -> Iterator[str]:
    yield f"{name[0].upper()}{name[1:]}:"
    yield from (f"- {_line(row)}" for row in rows[:_MOST_OF_A_PART])
    if len(rows) > _MOST_OF_A_PART:
        yield f"- and {len(rows) - _MOST_OF_A_PART} more"
    yield ""


def _line(row: Row) -> str:
    title = clean(row.record.title, _LONGEST_TITLE) or "record without a title"
    said = [*row.trouble, *row.notes]
    if row.outlook.expires:
        said.append(_end(row.outlook.expires, row.days_left or 0))
    return f"{title} ({row.kind}, record {row.record.uid}): {clean('; '.join(said), _LONGEST_TEXT)}"


def _end(expires: datetime, days: int) -> str:
    return f"expires {stamp(expires)}, in {counted(days, 'day')}" if days >= 0 else f"ended {stamp(expires)}"

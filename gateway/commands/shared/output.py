"""What an operator's command shows: a table or the lines of one result, the same as JSON, and warnings."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import click

from gateway.errors import RotationError
from gateway.host.shown import clean, shown

Row = Mapping[str, Any]


def show_table(
    rows: Sequence[Row], columns: Mapping[str, str], *, as_json: bool, none: str, paint: Sequence[str | None] = ()
) -> None:
    """Print rows on stdout, line by line where a terminal is too narrow for a table.

    Args:
        columns: keys and their headings.
        none: what is said instead of an empty table.
        paint: the colour of each row on a terminal.
    """
    if as_json:
        click.echo(json.dumps(list(rows), indent=1))
        return
    if not rows:
        click.echo(none)
        return
    lines = [list(columns.values()), *([_text(row.get(key)) for key in columns] for row in rows)]
    widths = [max(len(line[at]) for line in lines) for at in range(len(columns))]
    most = terminal_width()
    if most and sum(widths) + 2 * (len(widths) - 1) > most:
        blocks = [{heading or key.upper(): row.get(key) for key, heading in columns.items()} for row in rows]
        click.echo("\n\n".join("\n".join(_lines(each)) for each in blocks))
        return
    for line, color in zip(lines, (None, *(paint or [None] * len(rows))), strict=True):
        text = "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
        click.echo(click.style(text, fg=color) if color and not os.environ.get("NO_COLOR") else text)


def terminal_width() -> int | None:
    """The columns of the terminal that stdout is; None where it is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def show(result: Row, *, as_json: bool) -> None:
    """Print one result on stdout: its keys that say something, a line each; a list or an object in it has several."""
    if as_json:
        click.echo(json.dumps(result, indent=1))
        return
    width = max(map(len, result), default=0)
    for key, value in result.items():
        for number, text in enumerate(_lines(value)):
            click.echo(f"{'' if number else key:{width}}  {text}")


def _lines(value: Any) -> list[str]:
    if isinstance(value, Mapping):
        wide = max(map(len, value), default=0)
        return [f"{key:{wide}}  {text}" for key, each in value.items() if (text := _text(each))]
    if isinstance(value, (list, tuple)) and any(isinstance(each, Mapping) for each in value):
        return ["  ".join(filter(None, map(_text, each.values()))) for each in value]
    return [text] if (text := _text(value)) else []


def counted(number: int, what: str) -> str:
    """A number of things, such as ``1 record`` or ``2 records``."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def warn(text: str) -> None:
    """A warning on stderr."""
    click.echo(shown(f"warning: {' '.join(text.split())}"), err=True)


def tell_error(error: RotationError) -> None:
    """Print it on stderr: several in one are several lines, each with its hint; those with the same hint share it."""
    for hint, parts in groupby(error.parts, lambda part: part.hint):
        for part in parts:
            note(f"error: {part}")
        if hint:
            note(f"hint: {hint}")


def note(text: str) -> None:
    """Something to know, on stderr: a line."""
    click.echo(shown(text), err=True)


def _text(value: Any) -> str:
    return clean(_plain(value))


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_plain, value))
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={_plain(each)}" for key, each in value.items())
    return "" if value is None else str(value)

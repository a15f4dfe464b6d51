"""``keeper-rotation history``: what the runs of this host came to."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from gateway.commands.fit import fit
from gateway.commands.shared.inputs import RecordsCommand
from gateway.commands.shared.output import show_table
from gateway.errors import Failed
from gateway.host.history import read_history
from gateway.model.credential import read_stamp

_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_COLUMNS = {"time": "TIME UTC", "exit": "EXIT", "result": "RESULT", "title": "TITLE", "about": "ABOUT"}


@click.command(cls=RecordsCommand, short_help="Show the outcomes of this host's runs.")
@click.argument("record", default="", metavar="[RECORD]")
@click.option("--since", default="7d", metavar="TIME", help="30m, 12h, 7d, 4w or a date; default: 7d.")
@click.option("--json", "as_json", is_flag=True, help="Print the whole JSON line of each run, in a list.")
def history(record: str, since: str, as_json: bool) -> None:
    """Show how the runs on this host ended, oldest first.

    RECORD is a record's uid or a part of its title. Runs on other hosts are in their own histories.
    """
    runs = [run for run in read_history(_moment(since)) if is_about(run, record)]
    if as_json:
        click.echo(json.dumps(runs, indent=1))
        return
    lines = [_row(run) for run in runs]
    shown = fit(lines, _COLUMNS, {"title": 2, "about": 3})
    show_table(shown, _COLUMNS, as_json=False, none=f"no run since {since} on this host")


def is_about(run: Mapping[str, Any], record: str) -> bool:
    """Whether a line is of this record, given by its uid or a part of its title; of every one where none is given."""
    return record in ("", run.get("record")) or record.casefold() in str(run.get("title", "")).casefold()


def about(run: Mapping[str, Any]) -> str:
    """What to know of a run beside its result: the error, else what is pending, else why, else when it is due."""
    for key, words in (("error", ""), ("pending", "pending: "), ("why", ""), ("next_due", "next due "), ("hint", "")):
        value = run.get(key)
        if text := ", ".join(map(str, value)) if isinstance(value, list) else str(value or ""):
            return words + text
    return ""


def _row(run: Mapping[str, Any]) -> dict[str, Any]:
    moment = read_stamp(str(run["time"]))
    return {
        "time": f"{moment:%Y-%m-%d %H:%M}",
        "exit": run.get("exit_code"),
        "result": run.get("result"),
        "title": run.get("title") or run.get("record"),
        "about": about(run),
    }


def _moment(since: str) -> datetime:
    try:
        if ago := re.fullmatch(r"(\d{1,6})([mhdw])", since.strip().lower()):
            return datetime.now(UTC) - int(ago[1]) * _UNITS[ago[2]]
    except OverflowError:
        return datetime.min.replace(tzinfo=UTC)
    if moment := read_stamp(since):
        return moment
    raise Failed(f"--since {since!r} is neither a time such as 12h or 7d nor a date", "write --since=2026-11-30")

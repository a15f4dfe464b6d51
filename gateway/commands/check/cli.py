"""The command ``keeper-rotation check``."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from gateway.commands.check.admin import admin_of
from gateway.commands.check.finding import Finding, Level
from gateway.commands.check.findings import find
from gateway.commands.credential import attached_options
from gateway.commands.plan.rehearsal import How, Rehearsed, Stage
from gateway.commands.plan.show import WOULD
from gateway.commands.shared.inputs import RecordsCommand
from gateway.commands.shared.output import counted, note
from gateway.commands.shared.progress import progress
from gateway.errors import worst
from gateway.host.shown import clean, shown

SIGNS = {Level.ERROR: "x", Level.UNASKED: "?", Level.WARNING: "!"}


@click.command(cls=RecordsCommand, short_help="Find what would stop the next rotation.")
@click.argument("records", nargs=-1, metavar="[RECORD]...")
@click.option("--all", "all_", is_flag=True, help="Every record that a script of this package rotates.")
@attached_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def check(records: tuple[str, ...], all_: bool, attached: tuple[str, ...], configuration: str, as_json: bool) -> None:
    """Find out whether the next run of each RECORD, a uid or a part of a title, would work: all that is wrong, at once.

    Only questions are asked.

    Exits 0 where each run would work or has nothing to do, 2 where a question could not be asked, else 1.
    """
    if bool(records) == all_:
        raise click.UsageError("name records, or give --all")
    stage, how = Stage(), How(attached, configuration)
    rows: list[dict[str, Any]] = []
    chosen = stage.rotated() if all_ else stage.find(records)
    with progress(lambda: f"checking record {len(rows) + 1:,} of {len(chosen):,}"):
        for record in chosen:
            outcome, found = find(stage, record, how)
            outcome.close()
            rows.append(_row(outcome, found))
            if not as_json:
                _show(outcome, found)
    if as_json:
        click.echo(json.dumps(rows, indent=1))
    else:
        wrong = sum(row["exit_code"] == Level.ERROR.value for row in rows)
        note(f"{counted(len(rows), 'record')}, {wrong or 'none'} of which would fail" if rows else "no records")
    sys.exit(worst(row["exit_code"] for row in rows))


def _row(outcome: Rehearsed, found: list[Finding]) -> dict[str, Any]:
    report = outcome.plan.report
    return {
        "record": outcome.record.uid,
        "title": outcome.record.title,
        "kind": outcome.facts.name if outcome.facts else "",
        "result": outcome.error.result if outcome.error else report.result,
        "why": report.why,
        "next_due": report.next_due,
        "admin": {key: _of_admin(key, text) for key, text in admin_of(outcome).items()},
        "findings": [
            {"level": each.level.name.lower(), "what": shown(each.what), "hint": shown(each.hint)} for each in found
        ],
        "exit_code": worst(each.level.value for each in found),
    }


def _show(outcome: Rehearsed, found: list[Finding]) -> None:
    record, result = outcome.record, outcome.error.result if outcome.error else outcome.plan.report.result
    click.echo(f"{shown(record.title) or 'record without a title'} ({record.uid}): it would {WOULD[result]}")
    if admin := admin_of(outcome):
        source, *limits = [
            _of_admin(key, text) if key in ("from", "name") else shown(f"{key} {text}") for key, text in admin.items()
        ]
        click.echo(f"  signs in with: {source}; {'; '.join(limits)}")
    for each in found:
        click.echo(f"  {SIGNS[each.level]} {shown(each.what)}")
        if each.hint:
            click.echo(f"    hint: {shown(each.hint)}")


def _of_admin(key: str, text: str) -> str:
    return clean(text) if key == "name" else shown(text)  # an id may stand in a hidden field, and is no secret

"""The command ``keeper-rotation plan``."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable

import click

from gateway.commands.credential import attached_options
from gateway.commands.plan.rehearsal import How, Stage
from gateway.commands.plan.show import as_row, show_plan
from gateway.commands.shared.inputs import RecordsCommand
from gateway.errors import worst


@click.command(cls=RecordsCommand, short_help="Show what a rotation would do; change nothing.")
@click.argument("records", nargs=-1, required=True, metavar="RECORD...")
@attached_options
@click.option("--now", is_flag=True, help="As with `run --now`.")
@click.option("--revoke", is_flag=True, help="As with `run --revoke`.")
@click.option("--even-where-not-delivered", "despite", is_flag=True, help="With --revoke: as with `run`.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def plan(
    records: tuple[str, ...],
    attached: tuple[str, ...],
    configuration: str,
    now: bool,
    revoke: bool,
    despite: bool,
    as_json: bool,
) -> None:
    """Show what a rotation of each RECORD would do now: make, deliver, end and keep, and why.

    RECORD is a uid or a part of a title.

    All is asked that a run asks: the record, the sign-in, the target, the destinations. Nothing is made, saved,
    delivered or ended.

    Exits as the worst of the runs would: 0 done, 1 nothing would change, 2 something would be left over.
    """
    if despite and not revoke:
        raise click.UsageError("--even-where-not-delivered goes with --revoke only")
    sys.exit(plan_all(records, How(attached, configuration, now or revoke, revoke, despite), as_json=as_json))


def plan_all(records: Iterable[str], how: How, *, as_json: bool) -> int:
    """Show the plans of these records, by uid or title; the worst exit code. Raises Failed, CallError."""
    stage, rows = Stage(), []
    for number, record in enumerate(stage.find(records)):
        outcome = stage.rehearse(record, how)
        outcome.ask_target()
        outcome.close()
        rows.append(as_row(outcome))
        if not as_json:
            show_plan(outcome, number)
    if as_json:
        click.echo(json.dumps(rows, indent=1))
    return worst(row["exit_code"] for row in rows)

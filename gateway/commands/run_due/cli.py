"""``keeper-rotation run-due``, as it is called."""

from __future__ import annotations

import sys
from datetime import timedelta

import click

from gateway.commands.credential import attached_options


@click.command("run-due", short_help="Run all records that are due, in parallel.")
@click.option("--all", "everything", is_flag=True, help="All records that the Keeper application sees.")
@click.option("--folder", default="", metavar="FOLDER", help="Or those of this shared folder (uid or name).")
@click.option("--at-once", type=click.IntRange(1, 100), default=8, metavar="N", help="Parallel runs; default: 8.")
@attached_options
@click.option(
    "--verify-after", type=click.FloatRange(0), default=24.0, metavar="HOURS",
    help="Run a record that is not due this long after its last good run on this host; default: 24.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the JSON line of each run.")
def run_due(
    everything: bool,
    folder: str,
    at_once: int,
    attached: tuple[str, ...],
    configuration: str,
    verify_after: float,
    as_json: bool,
) -> None:
    """Run each record that is due in a process of its own, as the Keeper Gateway would run its script.

    The vault is read once; what has nothing to do is left alone. Exits with the worst code of the runs: 3, else 1,
    else 2, else 0.
    """
    from gateway.commands.reading import read_all
    from gateway.commands.run_due import summary
    from gateway.commands.run_due.choose import Options, choose
    from gateway.commands.run_script import MEANING

    if everything == bool(folder):
        raise click.UsageError("give either --all or --folder")
    reading = read_all(folder)
    jobs, idle = choose(reading, Options(attached, configuration, timedelta(hours=verify_after)))
    tell = summary.tell_as_json if as_json else summary.tell_people
    runs = summary.Summary(reading.settings, jobs, idle, tell)
    outcome = runs.run(at_once)
    code = outcome.exit_code if outcome else 0
    click.echo(f"{runs.text()}\nexit {code}: {MEANING[code]}", err=True)
    sys.exit(code)

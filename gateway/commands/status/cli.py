"""``keeper-rotation status``, as it is called."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from gateway.commands.credential import attached_options
from gateway.commands.shared.inputs import RecordsCommand
from gateway.commands.shared.output import counted, note
from gateway.commands.shared.private_file import check_path, write_private

if TYPE_CHECKING:
    from gateway.commands.reading import Reading

_SORTS = ("expires", "due", "rotated", "title", "kind", "state")


@click.command(cls=RecordsCommand, short_help="Show all records, what is due and what is wrong.")
@click.argument("records", nargs=-1, metavar="[RECORD]...")
@click.option("--folder", default="", metavar="FOLDER", help="Only this shared folder (uid or name).")
@click.option("--drift", is_flag=True, help="Also compare each target and destination.")
@attached_options
@click.option("--only", "only", type=click.Choice(["trouble"]), help="Only what is in trouble.")
@click.option(
    "--expiring-within", type=int, metavar="DAYS", help="Only what expires within so many days, or has expired."
)
@click.option("--sort", type=click.Choice(_SORTS), default="state", help="Order; default: state.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@click.option("--html", "html", metavar="FILE", help="Write an HTML page that loads nothing else.")
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
@click.option(
    "--fail-within", type=int, metavar="DAYS", help="Exit 1 if anything is wrong, or expires within so many days."
)
def status(
    records: tuple[str, ...],
    folder: str,
    drift: bool,
    attached: tuple[str, ...],
    configuration: str,
    only: str | None,
    expiring_within: int | None,
    sort: str,
    as_json: bool,
    as_csv: bool,
    html: str | None,
    force: bool,
    fail_within: int | None,
) -> None:
    """Show every record of this package that the Keeper application sees, from one reading of the vault.

    RECORD is a uid or a part of a title. Without --drift Azure is not asked: what is shown is what the records say, and
    how the last runs on this host ended. With it each rotation is rehearsed; nothing is changed.
    """
    if (attached or configuration) and not drift:
        raise click.UsageError("--credential and --config go with --drift only")
    from gateway.commands.reading import read_all
    from gateway.commands.status import show

    if html:
        check_path(html, force=force)
    reading = read_all(folder)
    more = _with_drift(reading, attached, configuration) if drift else list
    wanted = show.Wanted(records, only == "trouble", expiring_within, sort, folder)
    rows = show.choose_rows(reading, wanted, more)
    if html:
        from gateway.commands.status.page import page

        write_private(html, page(rows, reading.now, socket.gethostname()).encode(), force=force)
        note(f"page with {counted(len(rows), 'record')} written to {html}")
    elif as_json:
        show.show_json(rows)
    elif as_csv:
        show.show_csv(rows)
    elif len(rows) == 1 and records:
        show.show_one(rows[0])
    else:
        show.show_rows(rows, wanted.none())
    sys.exit(1 if fail_within is not None and show.is_failing(rows, fail_within) else 0)


def _with_drift(reading: Reading, attached: tuple[str, ...], configuration: str) -> Callable[[list[Any]], list[Any]]:
    from gateway.commands.plan.rehearsal import How
    from gateway.commands.status.drift import compare

    return lambda rows: compare(reading, rows, How(attached, configuration))

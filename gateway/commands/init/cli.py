"""The command ``keeper-rotation init``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from gateway.commands.batch import batch_options
from gateway.commands.credential import session_options
from gateway.commands.init.ask import KINDS
from gateway.commands.shared.interrupt import changing
from gateway.errors import CallError, Failed, Incomplete

if TYPE_CHECKING:
    from gateway.commands.plan.rehearsal import How


@click.command(short_help="Set up one rotation; asks questions.")
@click.option("--kind", type=click.Choice(KINDS), help="What to rotate.")
@click.option("--target", metavar="NAME|ID", help="Its name or id, as `discover` shows it.")
@click.option("--folder", metavar="FOLDER", help="The shared folder of the new record (uid or name).")
@click.option("--deliver-to", multiple=True, metavar="ADDRESS", help="A destination of the secret; repeatable.")
@batch_options
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
@session_options
@changing("look into the folder before you run this again")
def init(**given: Any) -> None:
    """Make the record of one app, storage account or certificate, and show what its first rotation would do.

    Asks at a terminal what no option says: which one of those that have no record, in which folder, where to write the
    lines for Keeper Commander. With --kind, --target, --folder and --batch it asks nothing. The record spares what
    others made, is rotated 30 days before the end, and tells nobody. Nothing is changed in Azure.

    Exit 2: the record is made, and its first rotation would not work yet.
    """
    from gateway.commands.init.set_up import Given, set_up

    _show_plan(*set_up(Given(**given)))


def _show_plan(uid: str, how: How) -> None:
    from gateway.commands.plan.cli import plan_all

    again = f"do what is said, then look with keeper-rotation plan {uid}"
    try:
        code = plan_all([uid], how, as_json=False)
    except (Failed, CallError) as error:
        raise Incomplete(f"the record is made, and its plan cannot be shown: {error}", again) from None
    if code:
        raise Incomplete("the record is made, and its first rotation would not work yet: see above", again)

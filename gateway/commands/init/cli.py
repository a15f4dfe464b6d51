"""The command ``keeper-rotation init``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from gateway.commands.batch import batch_options
from gateway.commands.credential import session_options
from gateway.commands.init.ask import check_answers, choose
from gateway.commands.init.given import KINDS, OF_A_RECORD
from gateway.commands.shared.interrupt import changing
from gateway.commands.shared.output import note
from gateway.errors import CallError, Failed, Incomplete

if TYPE_CHECKING:
    from gateway.commands.init.given import Given
    from gateway.commands.plan.rehearsal import How


@click.command(short_help="Set up one rotation; asks questions.")
@click.option("--kind", type=click.Choice(tuple(KINDS)), help="What to rotate.")
@click.option("--target", metavar="NAME|ID", help="Its name or id, as `discover` shows it; of a password its record.")
@click.option("--folder", metavar="FOLDER", help="The shared folder of the new record (uid or name).")
@click.option("--deliver-to", multiple=True, metavar="ADDRESS", help="A destination of the secret; repeatable.")
@click.option("--mongodb-uri", metavar="ADDRESS", help="The server of a MongoDB user, without login and password.")
@click.option("--auth-database", default="", metavar="NAME", help="The database of a MongoDB user; default: admin.")
@batch_options
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
@session_options
@changing("look into the folder before you run this again")
def init(**given: Any) -> None:
    """Make the record of one app, storage account or certificate, and show what its first rotation would do.

    The record of a MongoDB user, or of a password that Keeper rotates, is there already, and gets the fields.

    Asks at a terminal what no option says. With --kind, --target, --batch and --folder (of a MongoDB user
    --mongodb-uri and --credential instead, of a password --deliver-to) it asks nothing. The record spares what others
    made, and is rotated 30 days before the end. Nothing is changed in Azure or on the server.

    Exit 2: the record is set up, and its first rotation would not work yet.
    """
    from gateway.commands.init.given import Given

    wanted = Given(**given)
    uid, how = _set_up(wanted)
    if how:
        _show_plan(uid, how)
    else:
        also = f" --credential={wanted.credential_uid}" if wanted.credential_uid else ""
        note(f"deliver its present password with keeper-rotation run publish_password --record={uid}{also}")


def _set_up(given: Given) -> tuple[str, How | None]:
    """The record's uid, and how it is rotated; None where Keeper does that. Raises Failed, Incomplete, Unknown."""
    check_answers(given.needed())
    if given.batch:
        given.file().check()
    given.kind = given.kind or choose("kind", [(f"{kind:12}{what}", kind) for kind, what in KINDS.items()])
    check_answers(given.needed())
    if strangers := given.strangers():
        raise Failed(f"{strangers}: not for --kind={given.kind}", "leave these options out")
    if given.kind in OF_A_RECORD:
        from gateway.commands.init.complete import complete

        return complete(given)
    from gateway.commands.init.set_up import set_up

    return set_up(given)


def _show_plan(uid: str, how: How) -> None:
    from gateway.commands.plan.cli import plan_all

    again = f"do what is said, then look with keeper-rotation plan {uid}"
    try:
        code = plan_all([uid], how, as_json=False)
    except (Failed, CallError) as error:
        raise Incomplete(f"the record is set up, and its plan cannot be shown: {error}", again) from None
    if code:
        raise Incomplete("the record is set up, and its first rotation would not work yet: see above", again)

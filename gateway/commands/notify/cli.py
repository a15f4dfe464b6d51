"""The commands ``keeper-rotation notify test`` and ``keeper-rotation digest``."""

from __future__ import annotations

import click


@click.group(short_help="Try the notifications of a record.")
def notify() -> None:
    """Try the notifications of a record."""


@notify.command("test", short_help="Send a test message to a record's addresses.")
@click.option("--record", "record_uid", required=True, metavar="UID", help="The PAM User record.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def notify_test(record_uid: str, as_json: bool) -> None:
    """Send one message to each address in the field notify of a record, and show which of them took it.

    Nothing is changed in Keeper or Azure. Exit 1: one of them did not take it. Write --record=UID: a uid may begin
    with a dash.
    """
    from gateway.commands.notify.try_out import notify_test as run_test

    run_test(record_uid, as_json=as_json)


@click.command(short_help="Send one message with everything due or wrong.")
@click.option("--folder", default="", metavar="FOLDER", help="Only this shared folder (uid or name).")
@click.option(
    "--expiring-within",
    type=click.IntRange(0),
    default=30,
    metavar="DAYS",
    help="Also what expires within so many days; default: 30.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def digest(folder: str, expiring_within: int, as_json: bool) -> None:
    """Tell whom ROTATION_NOTIFY names, in one message, all that failed, is silent, due, changed or near its end.

    Of all records of this package, certificates, TLS secrets and admin credentials too. Where there is nothing to
    tell, nothing is sent. Azure is not asked, and nothing is changed. Exit 1: an address did not take the message.
    """
    from gateway.commands.notify.digest import send_digest

    send_digest(folder, expiring_within, as_json=as_json)

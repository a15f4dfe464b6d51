"""``keeper-rotation certificate``: a version that is asked for, until it is there."""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

import click

from gateway.commands.certificate.cli.options import (
    MONTHS,
    NO_VERSION,
    as_json,
    csr_file,
    named,
    policy_options,
    split_options,
)
from gateway.commands.credential import session_options
from gateway.commands.shared.interrupt import changing
from gateway.errors import Failed, Incomplete

STATUS = "look with keeper-rotation certificate status {certificate_id} before you run this again"


@click.command(short_help="Request a certificate, or a new version of one.")
@named
@policy_options
@click.option("--contact", "contacts", multiple=True, metavar="EMAIL", help="Add to the contacts of the vault.")
@click.option("--tag", "tags", multiple=True, metavar="KEY=VALUE", help="Tag of the version; repeatable.")
@click.option("--wait/--no-wait", default=True, help="Wait until it is issued. Default: wait.")
@click.option("--record", "record_uid", default="", metavar="UID", help="Write certificate_id into this PAM User.")
@click.option("--folder", default="", metavar="FOLDER", help="Make a PAM User in this shared folder (uid or name).")
@csr_file
@as_json
@session_options
@changing(STATUS)
def request(
    certificate_id: str, contacts: tuple[str, ...], tags: tuple[str, ...], wait: bool, record_uid: str,
    folder: str, csr_out: str, force: bool, as_json: bool, **given: Any,
) -> None:  # fmt: skip
    """Ask for a certificate; for a new version of it where it is there, of which what is not named stays.

    A new one is named with its vault, as VAULT/NAME or by its identifier.

    With the issuer Unknown the signing request goes to --csr-out and into the record; `merge` finishes it. Exit 2: it
    is asked for, and not issued yet.
    """
    from gateway.commands.certificate.policies import with_contacts
    from gateway.commands.certificate.request import FollowUp, Request, read_tags
    from gateway.commands.shared.find_by_name import open_certificate

    options, session = split_options(given)
    if record_uid and folder:
        raise Failed("--record or --folder, not both", "--record fills in a record, --folder makes one")
    with_contacts([], contacts)
    labels = read_tags(tags)
    opened, certificate = open_certificate(certificate_id, session, NO_VERSION)
    folder_uid = opened.folder_uid(folder) if folder else ""
    follow_up = FollowUp(wait, record_uid, folder_uid, csr_out, force, contacts, labels)
    _ended(Request(opened, certificate, follow_up).request(options), as_json)


@click.command(short_help="Show the status of the pending version.")
@named
@csr_file
@as_json
@session_options
def status(certificate_id: str, csr_out: str, force: bool, as_json: bool, **session: str) -> None:
    """How the making of its last version stands. Exit 0: nothing is open; 2: in progress; 1: failed or cancelled."""
    from gateway.commands.certificate.operation import status as look
    from gateway.commands.shared.find_by_name import open_certificate
    from gateway.commands.shared.output import show

    about, code = look(*open_certificate(certificate_id, session, NO_VERSION), csr_out, force=force)
    show(about, as_json=as_json)
    sys.exit(code)


@click.command(short_help="Cancel the pending version.")
@named
@as_json
@session_options
@changing(STATUS)
def cancel(certificate_id: str, as_json: bool, **session: str) -> None:
    """Cancel the version that is being made; those that are there stay."""
    from gateway.commands.certificate.operation import cancel as end
    from gateway.commands.shared.find_by_name import open_certificate
    from gateway.commands.shared.output import show

    show(end(*open_certificate(certificate_id, session, NO_VERSION)), as_json=as_json)


@click.command(short_help="Complete a pending version with a CA's certificate.")
@named
@click.option("--chain", "first", required=True, multiple=True, metavar="FILE", help="PEM, DER or PKCS #7.")
@click.argument("more", nargs=-1, metavar="[FILE]...")
@as_json
@session_options
@changing(STATUS)
def merge(certificate_id: str, first: tuple[str, ...], more: tuple[str, ...], as_json: bool, **session: str) -> None:
    """Finish a pending version with what a CA signed: the certificate, then its issuer, up to the root or below it.

    Order, key and dates are checked before anything is sent.
    """
    from gateway.commands.certificate.merge import merge as finish
    from gateway.commands.certificate.merge import read_files
    from gateway.commands.shared.find_by_name import open_certificate
    from gateway.commands.shared.output import show

    chain = read_files([*first, *more])
    show(finish(*open_certificate(certificate_id, session, NO_VERSION), chain), as_json=as_json)


@click.command()
@named
@click.option("--validity-months", type=MONTHS, default=None, help="For the new version and those after it.")
@click.option("--record", "record_uid", default="", metavar="UID", help="The certificate's PAM User record.")
@click.option("--script", type=click.Path(exists=True, dir_okay=False), help="Run this renewal script for the record.")
@click.option("--wait/--no-wait", default=True, help="Wait until it is issued. Default: wait.")
@csr_file
@as_json
@session_options
@changing(STATUS)
def renew(
    certificate_id: str, validity_months: int | None, record_uid: str, script: str | None, wait: bool, csr_out: str,
    force: bool, as_json: bool, **session: str,
) -> None:  # fmt: skip
    """Make a new version by the certificate's policy.

    With --script the renewal script does it at once, whatever rotate_before_hours says, and fills in the record.
    Without, the record follows with the script's next run. Refused: earlier versions, and issuers that are not set up.
    Exit 2: it is asked for, and not issued yet.
    """
    from gateway.commands.certificate.renew import uid_for_script
    from gateway.commands.certificate.request import FollowUp, Request
    from gateway.commands.run_script import command_of, run_script
    from gateway.commands.shared.find_by_name import open_certificate

    if script and (not wait or csr_out or force):
        raise Failed(
            "--no-wait, --csr-out and --force do not go with --script",
            "leave them out: the script waits, and writes a signing request into the record",
        )
    opened, certificate = open_certificate(
        certificate_id, session, "an earlier version cannot be renewed, nor one alone"
    )
    if not script:
        follow_up = FollowUp(wait, record_uid, csr_out=csr_out, force=force)
        _ended(Request(opened, certificate, follow_up).renew(validity_months), as_json)
        return
    uid = uid_for_script(opened, certificate, validity_months, record_uid)
    attached = [session["credential_uid"]] if session["credential_uid"] else []
    run = partial(
        run_script, command_of(script), uid, attached, session["configuration_uid"], now=True, as_json=as_json
    )
    sys.exit(Request(opened, certificate, FollowUp()).renew_by_script(validity_months, run))


def _ended(about: dict[str, Any], as_json: bool) -> None:
    """Show a version that was asked for; exit 2 where it is not issued yet."""
    from gateway.commands.shared.output import show

    show(about, as_json=as_json)
    if about.get("status") == "inProgress":
        sys.exit(Incomplete.exit_code)

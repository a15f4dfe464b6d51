"""``keeper-rotation certificate``: the versions that are there, in files, and in Keeper's records."""

from __future__ import annotations

from typing import Any

import click

from gateway.commands.certificate.cli.options import NO_VERSION, as_json, named
from gateway.commands.credential import session_options
from gateway.commands.shared.interrupt import changing
from gateway.commands.shared.session import open_session
from gateway.errors import Failed


@click.command("list")
@click.option("--vault", "vault", multiple=True, metavar="VAULT", help="Name or address; repeatable. Default: all.")
@click.option("--versions", type=click.Choice(["current", "previous", "all"]), default="current", help="Which to show.")
@click.option("--pending", is_flag=True, help="Also pending versions: one request for each.")
@click.option(
    "--expiring-within", "days", type=int, metavar="DAYS", help="Only what expires within so many days, or has expired."
)
@click.option("--details", is_flag=True, help="Subject and issuer too: one request for each certificate.")
@as_json
@session_options
def list_(
    vault: tuple[str, ...], versions: str, pending: bool, days: int | None, details: bool, as_json: bool, **session: str
) -> None:
    """List certificates, with the Keeper records that name them.

    Exit 2: a vault, or a certificate of it, could not be read, or not all vaults could be listed; exit 1: none could.
    """
    from gateway.commands.certificate.cli.columns import columns_of, for_people
    from gateway.commands.certificate.list import Listing, ListOptions
    from gateway.commands.shared.names import read_key_vault
    from gateway.commands.shared.output import show_table, warn
    from gateway.commands.shared.survey import all_key_vaults, not_all

    urls = [read_key_vault(text, session["cloud"]) for text in vault]
    opened = open_session(**session)
    seen, are_all = ([], True) if urls else all_key_vaults(opened)
    urls = list(dict.fromkeys(urls or [url for url, _ in seen]))
    options = ListOptions(versions, pending, details, days)
    listing = Listing(opened, options)
    rows = listing.rows(urls)
    for warning in listing.warnings:
        warn(warning)
    if listing.failed == len(urls):
        raise Failed("no vault could be listed", "see the warnings")
    shown = rows if as_json else list(map(for_people, rows))
    show_table(shown, columns_of(rows, options), as_json=as_json, none="no certificates")
    if listing.warnings or not are_all:
        raise not_all()


@click.command(short_help="Write a version to a file, or attach it to a record.")
@named
@click.option("--history", is_flag=True, help="All versions.")
@click.option("--out", default="", metavar="FILE|DIR", help="Write there; a folder for the history.")
@click.option("--form", type=click.Choice(["pfx", "pem", "cer", "chain"]), default=None, help="Default: pfx.")
@click.option("--password-stdin", is_flag=True, help="Read the password of the PFX from stdin.")
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
@click.option("--record", "record_uid", default="", metavar="UID", help="Or attach to this PAM User.")
@as_json
@session_options
@changing("look at what is there now; running it again does no harm")
def obtain(
    certificate_id: str, history: bool, out: str, form: str | None, password_stdin: bool, force: bool,
    record_uid: str, as_json: bool, **session: str,
) -> None:  # fmt: skip
    """Obtain a version, the current one or ID/<version>, or all: into files with mode 0600, or into the record.

    pfx and pem hold the private key (pem unprotected), cer is the certificate alone, chain the certificate and those
    above it. In the record a PFX gets a password of its own, in a hidden field.
    """
    from gateway.commands.certificate.obtain import FileOptions, to_files
    from gateway.commands.shared.find_by_name import open_certificate
    from gateway.commands.shared.output import show_table

    no_version = NO_VERSION if history else ""
    if bool(out) == bool(record_uid):
        raise Failed(
            "where to is not said" if not out else "--out or --record, not both", "--out=FILE, or --record=UID"
        )
    if record_uid:
        from gateway.commands.certificate.attach import RecordAttachment

        opened, certificate = open_certificate(certificate_id, session, no_version)
        rows = RecordAttachment(opened, certificate, record_uid, form or "").obtain(history=history)
    else:
        asked = _password(form or "pfx", from_stdin=password_stdin)
        options = FileOptions(out, form or "pfx", asked, history, force)
        rows = to_files(*open_certificate(certificate_id, session, no_version), options)
    columns = {"version": "VERSION", "file": "FILE", "password_field": "PASSWORD IN", "note": ""}
    shown = {key: heading for key, heading in columns.items() if any(row.get(key) for row in rows)}
    show_table(rows, shown, as_json=as_json, none="nothing")


def _password(form: str, *, from_stdin: bool) -> Any:
    """Of a new PFX: asked for before the time of a session begins."""
    from gateway.commands.shared.inputs import new_password
    from gateway.secret import Secret

    return new_password(from_stdin=from_stdin) if form == "pfx" else Secret("")


@click.command(short_help="Show a certificate, its policy, versions and records.")
@named
@as_json
@session_options
def show(certificate_id: str, as_json: bool, **session: str) -> None:
    """Show one certificate, or one version: what it says, its policy, versions and tags, and the records that have to
    do with it.
    """
    from gateway.commands.certificate.show import show as about
    from gateway.commands.shared import output
    from gateway.commands.shared.find_by_name import open_certificate

    output.show(about(*open_certificate(certificate_id, session)), as_json=as_json)


@click.command()
@click.argument("certificate_ids", nargs=-1, metavar="[ID]...")
@click.option("--record", "record_uids", multiple=True, metavar="UID", help="Or delete this record; repeatable.")
@click.option("--from-keeper", is_flag=True, help="Required: confirms that only Keeper records are deleted.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@as_json
@session_options
@changing("look for the records in the vault, and in its deleted items")
def delete(
    certificate_ids: tuple[str, ...], record_uids: tuple[str, ...], from_keeper: bool, yes: bool, as_json: bool,
    **session: str,
) -> None:  # fmt: skip
    """Delete the Keeper records of certificates. Key Vault keeps the certificates, with all their versions."""
    from gateway.commands.certificate.delete import ONLY_KEEPER, to_delete
    from gateway.commands.certificate.delete import delete as end
    from gateway.commands.shared.find_by_name import is_bare
    from gateway.commands.shared.inputs import confirm_deletion
    from gateway.commands.shared.names import read_id
    from gateway.commands.shared.output import note, show_table

    if not from_keeper:
        raise Failed(ONLY_KEEPER, "add --from-keeper to delete its records in Keeper; the portal deletes certificates")
    certificates = [
        text if is_bare(text) else read_id(text, session["cloud"], version=NO_VERSION) for text in certificate_ids
    ]
    if not certificates and not record_uids:
        raise Failed("what is to be deleted is not said", "name a certificate's ID, or --record=UID")
    opened = open_session(**session)
    wanted = to_delete(opened, certificates, record_uids)
    if not yes:
        confirm_deletion([f"{record.uid}  {record.title}" for record in wanted], opened.deadline)
    rows = end(opened, wanted)
    columns = {"record": "DELETED RECORD", "title": "TITLE", "certificate": "CERTIFICATE"}
    show_table(rows, columns, as_json=as_json, none="nothing")
    note("Key Vault keeps the certificates")

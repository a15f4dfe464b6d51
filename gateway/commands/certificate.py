"""``keeper-rotation certificate …``: the certificates of key vaults, from the command line."""

from __future__ import annotations

import sys
from typing import Any

import click

from gateway.commands.certificate_options import MONTHS, as_json, csr_file, named, policy_options, vaults, wanted_of
from gateway.errors import Failed, Incomplete
from gateway.operating.session import open_session, session_options

NO_VERSION = "it is the certificate as a whole that is meant here"


class Ordered(click.Group):
    """Commands in the order in which they are written here."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names."""
        return list(self.commands)


@click.group(cls=Ordered)
def certificate() -> None:
    """Certificates of Azure Key Vault: list, request, merge, renew, obtain.

    A certificate is named by its identifier, https://<vault>.vault.azure.net/certificates/<name>, or by its page in
    the portal. Write --option=UID: a uid may begin with a dash.
    """


@certificate.command("list")
@click.option("--vault", "vault", multiple=True, metavar="VAULT", help="Name or address; repeatable. Default: all.")
@click.option("--versions", type=click.Choice(["current", "previous", "all"]), default="current", help="Which to show.")
@click.option("--pending", is_flag=True, help="Also certificates whose first version is still being made.")
@click.option("--details", is_flag=True, help="Subject and issuer too: one request for each certificate.")
@as_json
@session_options
def list_(vault: tuple[str, ...], versions: str, pending: bool, details: bool, as_json: bool, **session: str) -> None:
    """List certificates, with the Keeper records that name them.

    Exit 2: a vault, or a certificate of it, could not be read; exit 1: none could.
    """
    from gateway.operating.listing import COLUMNS, DETAILS, Listing, Look
    from gateway.operating.naming import read_vault
    from gateway.operating.showing import show_table
    from gateway.operating.vault import all_vaults

    urls = [read_vault(text, session["cloud"]) for text in vault]
    opened = open_session(**session)
    urls = list(dict.fromkeys(urls)) or [url for url, _ in all_vaults(opened)]
    listing = Listing(opened, Look(versions, pending, details))
    rows = listing.rows(urls)
    if listing.failed == len(urls):
        raise Failed("no vault could be listed", "see the warnings")
    left_out = (() if details else DETAILS) + (() if any(row["version"] for row in rows) else ("version",))
    columns = {key: heading for key, heading in COLUMNS.items() if key not in left_out}
    shown = rows if as_json else [row | {"version": row["version"][:8]} for row in rows]
    show_table(shown, columns, as_json=as_json, none="no certificates")
    if listing.warned:
        raise Incomplete("not everything could be read; what is shown is not all", "do what the warnings say")


@certificate.command("vaults")
@as_json
@session_options
def list_vaults(as_json: bool, **session: str) -> None:
    """List the key vaults that the credential can see, in all subscriptions."""
    from gateway.operating.showing import show_table
    from gateway.operating.vault import all_vaults

    found = all_vaults(open_session(**session))
    rows = [{"vault": name.rpartition("/")[2], "address": url, "id": name} for url, name in sorted(found)]
    columns = {"vault": "VAULT", "address": "ADDRESS", "id": "RESOURCE ID"}
    show_table(rows, columns, as_json=as_json, none="no vaults")


@certificate.command()
@named
@policy_options
@click.option("--contact", "contacts", multiple=True, metavar="EMAIL", help="Add to the contacts of the vault.")
@click.option("--tag", "tags", multiple=True, metavar="KEY=VALUE", help="Of the version; repeatable.")
@click.option("--wait/--no-wait", default=True, help="Wait until it is issued. Default: wait.")
@click.option("--record", "record_uid", default="", metavar="UID", help="Write certificate_id into this PAM User.")
@click.option("--folder", default="", metavar="UID", help="Make a PAM User in this shared folder: its uid or name.")
@csr_file
@as_json
@session_options
def request(
    certificate_id: str, contacts: tuple[str, ...], tags: tuple[str, ...], wait: bool, record_uid: str,
    folder: str, csr_out: str, force: bool, as_json: bool, **given: Any,
) -> None:  # fmt: skip
    """Ask for a certificate; for a new version of it where it is there, of which what is not named stays.

    With the issuer Unknown the signing request goes to --csr-out and into the record; `merge` finishes it. Exit 2: it
    is asked for, and not issued yet.
    """
    from gateway.operating.naming import read_id
    from gateway.operating.requesting import Follow, Request, read_tags, with_contacts

    wanted, session = wanted_of(given)
    place = read_id(certificate_id, session["cloud"], version=NO_VERSION)
    if record_uid and folder:
        raise Failed("--record or --folder, not both", "--record fills in a record, --folder makes one")
    with_contacts([], contacts)
    labels, opened = read_tags(tags), open_session(**session)
    folder_uid = opened.folder_uid(folder) if folder else ""
    follow = Follow(wait, record_uid, folder_uid, csr_out, force, contacts, labels)
    _ended(Request(opened, place, follow).request(wanted), as_json)


@certificate.command()
@named
@csr_file
@as_json
@session_options
def status(certificate_id: str, csr_out: str, force: bool, as_json: bool, **session: str) -> None:
    """How the making of its last version stands. Exit 0: nothing is open; 2: in progress; 1: failed or cancelled."""
    from gateway.operating.following import status as look
    from gateway.operating.naming import read_id
    from gateway.operating.showing import show

    place = read_id(certificate_id, session["cloud"], version=NO_VERSION)
    about, code = look(open_session(**session), place, csr_out, force=force)
    show(about, as_json=as_json)
    sys.exit(code)


@certificate.command()
@named
@as_json
@session_options
def cancel(certificate_id: str, as_json: bool, **session: str) -> None:
    """Cancel the version that is being made; those that are there stay."""
    from gateway.operating.following import cancel as end
    from gateway.operating.naming import read_id
    from gateway.operating.showing import show

    place = read_id(certificate_id, session["cloud"], version=NO_VERSION)
    show(end(open_session(**session), place), as_json=as_json)


@certificate.command()
@named
@click.option("--chain", "first", required=True, multiple=True, metavar="FILE", help="PEM, DER or PKCS #7.")
@click.argument("more", nargs=-1, metavar="[FILE]...")
@as_json
@session_options
def merge(certificate_id: str, first: tuple[str, ...], more: tuple[str, ...], as_json: bool, **session: str) -> None:
    """Finish a pending version with what a CA signed: the certificate, then its issuer, up to the root or below it.

    Order, key and dates are checked before anything is sent.
    """
    from gateway.operating.merging import merge as finish
    from gateway.operating.merging import read_files
    from gateway.operating.naming import read_id
    from gateway.operating.showing import show

    place = read_id(certificate_id, session["cloud"], version=NO_VERSION)
    chain = read_files([*first, *more])
    show(finish(open_session(**session), place, chain), as_json=as_json)


@certificate.command()
@named
@click.option("--validity-months", type=MONTHS, default=None, help="Of the new version, and of those after it.")
@click.option("--record", "record_uid", default="", metavar="UID", help="The PAM User that follows it.")
@click.option("--script", type=click.Path(exists=True, dir_okay=False), help="Run this renewal script for the record.")
@click.option("--wait/--no-wait", default=True, help="Wait until it is issued. Default: wait.")
@csr_file
@as_json
@session_options
def renew(
    certificate_id: str, validity_months: int | None, record_uid: str, script: str | None, wait: bool, csr_out: str,
    force: bool, as_json: bool, **session: str,
) -> None:  # fmt: skip
    """Make a new version by the certificate's policy.

    With --script the renewal script does it at once, whatever rotate_before_hours says, and fills in the record.
    Without, the record follows with the script's next run. Refused: earlier versions, and issuers that are not set up.
    Exit 2: it is asked for, and not issued yet.
    """
    from gateway.by_hand import run_script
    from gateway.operating.naming import read_id
    from gateway.operating.renew import prepare_script
    from gateway.operating.renew import renew as make
    from gateway.operating.requesting import Follow

    place = read_id(certificate_id, session["cloud"], version="an earlier version cannot be renewed, nor one alone")
    opened = open_session(**session)
    if not script:
        follow = Follow(wait, record_uid, csr_out=csr_out, force=force)
        _ended(make(opened, place, validity_months, follow), as_json)
        return
    run = prepare_script(opened, place, validity_months, record_uid, script)
    attached = [session["credential_uid"]] if session["credential_uid"] else []
    sys.exit(run_script(run.script, run.record_uid, attached, session["configuration_uid"], now=True, as_json=as_json))


@certificate.command()
@named
@click.option("--history", is_flag=True, help="All versions.")
@click.option("--out", default="", metavar="FILE|DIR", help="Write there; a folder for the history.")
@click.option("--form", type=click.Choice(["pfx", "pem", "cer", "chain"]), default=None, help="Default: pfx.")
@click.option("--password-stdin", is_flag=True, help="Read the password of the PFX from stdin.")
@click.option("--force", is_flag=True, help="Write over files that are there.")
@click.option("--record", "record_uid", default="", metavar="UID", help="Or attach to this PAM User.")
@as_json
@session_options
def obtain(
    certificate_id: str, history: bool, out: str, form: str | None, password_stdin: bool, force: bool,
    record_uid: str, as_json: bool, **session: str,
) -> None:  # fmt: skip
    """Obtain a version, the current one or ID/<version>, or all: into files with mode 0600, or into the record.

    pfx and pem hold the private key (pem unprotected), cer is the certificate alone, chain the certificate and those
    above it. In the record a PFX gets a password of its own, in a hidden field.
    """
    from gateway.operating.naming import read_id
    from gateway.operating.showing import show_table

    place = read_id(certificate_id, session["cloud"], version=NO_VERSION if history else "")
    if bool(out) == bool(record_uid):
        raise Failed(
            "where to is not said" if not out else "--out or --record, not both", "--out=FILE, or --record=UID"
        )
    if record_uid:
        from gateway.operating.into_record import IntoRecord

        rows = IntoRecord(open_session(**session), place, record_uid, form or "").obtain(history=history)
    else:
        rows = _to_files(place, out, form or "pfx", history, force, password_stdin, session)
    columns = {"version": "VERSION", "file": "FILE", "password_field": "PASSWORD IN", "note": ""}
    shown = {key: heading for key, heading in columns.items() if any(row.get(key) for row in rows)}
    show_table(rows, shown, as_json=as_json, none="nothing")


def _to_files(
    place: Any, out: str, form: str, history: bool, force: bool, password_stdin: bool, session: dict[str, str]
) -> list[dict[str, Any]]:
    from gateway.operating.files import new_password
    from gateway.operating.obtaining import ToFiles, to_files
    from gateway.secret import Secret

    password = new_password(from_stdin=password_stdin) if form == "pfx" else Secret("")
    return to_files(open_session(**session), place, ToFiles(out, form, password, history, force))


@certificate.command()
@named
@policy_options
@as_json
@session_options
def policy(certificate_id: str, as_json: bool, **given: Any) -> None:
    """Show the policy by which new versions are made, after changing what is named; the rest stays.

    Versions that are there stay as they are.
    """
    from gateway.operating.naming import read_id
    from gateway.operating.policies import policy as changed
    from gateway.operating.policies import readable
    from gateway.operating.showing import show

    wanted, session = wanted_of(given)
    place = read_id(certificate_id, session["cloud"], version=NO_VERSION)
    found = changed(open_session(**session), place, wanted)
    show(found if as_json else readable(found), as_json=as_json)


@certificate.command()
@vaults
@as_json
@session_options
def issuers(vault: str, as_json: bool, **session: str) -> None:
    """List the issuers that are set up in a vault. Self and Unknown need no setting up."""
    from gateway.operating.naming import read_vault
    from gateway.operating.policies import issuers as there
    from gateway.operating.showing import show_table

    url = read_vault(vault, session["cloud"])
    columns = {"name": "NAME", "provider": "PROVIDER", "account": "ACCOUNT", "enabled": "ENABLED"}
    none = "no issuers are set up; Self and Unknown need no setting up"
    show_table(there(open_session(**session), url), columns, as_json=as_json, none=none)


@certificate.command()
@vaults
@click.option("--add", "added", multiple=True, metavar="EMAIL", help="Add this one; repeatable.")
@click.option("--remove", "removed", multiple=True, metavar="EMAIL", help="Remove this one; repeatable.")
@as_json
@session_options
def contacts(vault: str, added: tuple[str, ...], removed: tuple[str, ...], as_json: bool, **session: str) -> None:
    """List whom Key Vault writes to before a certificate of the vault expires, after adding and removing."""
    from gateway.operating.naming import read_vault
    from gateway.operating.policies import contacts as there
    from gateway.operating.requesting import with_contacts
    from gateway.operating.showing import show_table

    url = read_vault(vault, session["cloud"])
    with_contacts([], added)
    rows = there(open_session(**session), url, added, removed)
    columns = {"email": "EMAIL", "name": "NAME", "phone": "PHONE"}
    show_table(rows, columns, as_json=as_json, none="no contacts: nobody is told")


@certificate.command()
@click.argument("certificate_ids", nargs=-1, metavar="[ID]...")
@click.option("--record", "record_uids", multiple=True, metavar="UID", help="Or the record itself; repeatable.")
@click.option("--from-keeper", is_flag=True, help="Needed: only the Keeper records are deleted.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@as_json
@session_options
def delete(
    certificate_ids: tuple[str, ...], record_uids: tuple[str, ...], from_keeper: bool, yes: bool, as_json: bool,
    **session: str,
) -> None:  # fmt: skip
    """Delete the Keeper records of certificates. Key Vault keeps the certificates, with all their versions."""
    from gateway.operating.deleting import ONLY_KEEPER, to_delete
    from gateway.operating.deleting import delete as end
    from gateway.operating.naming import read_id
    from gateway.operating.showing import note, show_table

    if not from_keeper:
        raise Failed(ONLY_KEEPER, "add --from-keeper to delete its records in Keeper; the portal deletes certificates")
    places = [read_id(text, session["cloud"], version=NO_VERSION) for text in certificate_ids]
    if not places and not record_uids:
        raise Failed("what is to be deleted is not said", "name a certificate's ID, or --record=UID")
    opened = open_session(**session)
    wanted = to_delete(opened, places, record_uids)
    _confirm([f"{record.uid}  {record.title}" for record in wanted], yes)
    rows = end(opened, wanted)
    columns = {"record": "DELETED RECORD", "title": "TITLE", "certificate": "CERTIFICATE"}
    show_table(rows, columns, as_json=as_json, none="nothing")
    note("Key Vault keeps the certificates")


def _ended(about: dict[str, Any], as_json: bool) -> None:
    """Show a version that was asked for; exit 2 where it is not issued yet."""
    from gateway.operating.showing import show

    show(about, as_json=as_json)
    if about.get("status") == "inProgress":
        sys.exit(Incomplete.exit_code)


def _confirm(lines: list[str], yes: bool) -> None:
    """Ask, where nobody has said yes already. Raises Failed, click.Abort."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise Failed("nobody can be asked whether to delete", "run this at a terminal, or add --yes")
    click.echo("These records will be deleted from Keeper:\n  " + "\n  ".join(lines), err=True)
    click.confirm("Delete?", abort=True, err=True)

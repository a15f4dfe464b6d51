"""``keeper-rotation certificate …``: the certificates of key vaults, from the command line."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import click

from gateway.errors import Failed
from gateway.session import open_session, session_options

NO_VERSION = "it is the certificate as a whole that is meant here"
Command = Callable[..., Any]


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


def options(*given: Command) -> Callable[[Command], Command]:
    """Several options of click as one decorator, in this order."""

    def add(command: Command) -> Command:
        for option in reversed(given):
            command = option(command)
        return command

    return add


as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
named = click.argument("certificate_id", metavar="ID")
vaults = click.option("--vault", "vault", required=True, metavar="VAULT", help="Its name or its address.")
csr_file = options(
    click.option("--csr-out", default="", metavar="FILE", help="Write the signing request there, as PEM."),
    click.option("--force", is_flag=True, help="Write over files that are there."),
)


@certificate.command("list")
@click.option("--vault", "vault", multiple=True, metavar="VAULT", help="Name or address; repeatable. Default: all.")
@click.option("--versions", type=click.Choice(["current", "previous", "all"]), default="current", help="Which to show.")
@click.option("--pending", is_flag=True, help="Also certificates whose first version is still being made.")
@click.option("--details", is_flag=True, help="Subject and issuer too: one request for each certificate.")
@as_json
@session_options
def list_(vault: tuple[str, ...], versions: str, pending: bool, details: bool, as_json: bool, **session: str) -> None:
    """List certificates, with the Keeper records that name them.

    A vault that refuses is a warning; exit 1 where all do.
    """
    from gateway.operating.listing import COLUMNS, DETAILS, Listing, Look
    from gateway.operating.naming import read_vault
    from gateway.operating.showing import show_table
    from gateway.operating.vault import all_vaults

    urls = [read_vault(text, session["cloud"]) for text in vault]
    opened = open_session(**session)
    urls = list(dict.fromkeys(urls)) or all_vaults(opened)
    listing = Listing(opened, Look(versions, pending, details))
    rows = listing.rows(urls)
    if listing.failed == len(urls):
        raise Failed("no vault could be listed", "see the warnings")
    columns = {key: heading for key, heading in COLUMNS.items() if details or key not in DETAILS}
    shown = rows if as_json else [row | {"version": row["version"][:8]} for row in rows]
    show_table(shown, columns, as_json=as_json, none="no certificates")


MONTHS = click.IntRange(1, 1200)
policy_options = options(
    click.option("--subject", default="", metavar="NAME", help='The whole name: CN=…, O="Contoso, Ltd.", C=DE.'),
    click.option("--cn", default="", metavar="NAME", help="Common name, usually the domain; instead of --subject."),
    click.option("--organisation", default="", metavar="NAME", help="O of the subject."),
    click.option("--unit", default="", metavar="NAME", help="OU of the subject."),
    click.option("--locality", default="", metavar="CITY", help="L of the subject."),
    click.option("--state", default="", metavar="STATE", help="ST of the subject."),
    click.option("--country", default="", metavar="CODE", help="C of the subject, two letters."),
    click.option("--dns", multiple=True, metavar="NAMES", help="Subject alternative names; repeatable, or a,b,c."),
    click.option("--email", multiple=True, metavar="ADDRESSES", help="Addresses of e-mail as alternative names."),
    click.option("--upn", multiple=True, metavar="NAMES", help="User principal names as alternative names."),
    click.option(
        "--key-type", type=click.Choice(["RSA", "RSA-HSM", "EC", "EC-HSM"], case_sensitive=False), default=None,
        help="Default: RSA.",
    ),
    click.option("--key-size", type=click.Choice(["2048", "3072", "4096"]), default=None, help="Of RSA."),
    click.option(
        "--curve", type=click.Choice(["P-256", "P-384", "P-521", "P-256K"], case_sensitive=False), default=None,
        help="Of EC.",
    ),
    click.option(
        "--key-usage", multiple=True, metavar="NAMES",
        help="digitalSignature, nonRepudiation, keyEncipherment, dataEncipherment, keyAgreement, keyCertSign, cRLSign, "
        "encipherOnly, decipherOnly. Key Vault has no switch for critical.",
    ),
    click.option(
        "--extended-key-usage", multiple=True, metavar="NAMES",
        help="serverAuth, clientAuth, codeSigning, emailProtection, timeStamping, OCSPSigning, or an OID. Key Vault "
        "has no switch for critical here either.",
    ),
    click.option("--validity-months", "--set-validity-months", type=MONTHS, default=None, help="Default: 12."),
    click.option("--issuer", default="", metavar="NAME", help="Self, Unknown, or one that is set up. Default: Self."),
    click.option(
        "--lifetime-action", "--set-lifetime-action", type=click.Choice(["auto-renew", "email"]), default=None,
        help="What Key Vault does near the end. Default: auto-renew, for Unknown email.",
    ),
    click.option("--days-before", type=click.IntRange(min=1), default=None, help="When: days before the end."),
    click.option("--percentage", type=click.IntRange(1, 99), default=None, help="Or: percent of the validity."),
    click.option("--content-type", type=click.Choice(["pfx", "pem"]), default=None, help="Of its secret."),
    click.option("--exportable/--not-exportable", default=None, help="Whether its private key may leave the vault."),
    click.option("--reuse-key/--new-key", default=None, help="Whether the next version keeps the key."),
)  # fmt: skip


def _wanted(given: dict[str, Any]) -> tuple[Any, dict[str, str]]:
    """The options of `policy_options`, and those of the session that are left."""
    from dataclasses import fields

    from gateway.operating.wishes import Wanted

    names = {each.name for each in fields(Wanted)}
    # click gives None for a choice that was not made.
    mine = {name: given[name] for name in names if given[name] is not None}
    return Wanted(**mine), {name: value for name, value in given.items() if name not in names}


@certificate.command()
@named
@policy_options
@click.option("--contact", "contacts", multiple=True, metavar="EMAIL", help="Add to the contacts of the vault.")
@click.option("--tag", "tags", multiple=True, metavar="KEY=VALUE", help="Of the version; repeatable.")
@click.option("--wait/--no-wait", default=True, help="Wait until it is issued. Default: wait.")
@click.option("--record", "record_uid", default="", metavar="UID", help="Write certificate_id into this PAM User.")
@click.option("--folder", "folder_uid", default="", metavar="UID", help="Make a PAM User in this shared folder.")
@csr_file
@as_json
@session_options
def request(
    certificate_id: str, contacts: tuple[str, ...], tags: tuple[str, ...], wait: bool, record_uid: str,
    folder_uid: str, csr_out: str, force: bool, as_json: bool, **given: Any,
) -> None:  # fmt: skip
    """Ask for a certificate; for a new version of it where it is there, of which what is not named stays.

    With the issuer Unknown the signing request goes to --csr-out and into the record; `merge` finishes it. Exit 2: it
    is asked for, and not issued yet.
    """
    from gateway.operating.naming import read_id
    from gateway.operating.requesting import Follow, Request, read_tags, with_contacts
    from gateway.operating.showing import show

    wanted, session = _wanted(given)
    place = read_id(certificate_id, session["cloud"], version=NO_VERSION)
    if record_uid and folder_uid:
        raise Failed("--record or --folder, not both", "--record fills in a record, --folder makes one")
    with_contacts([], contacts)
    follow = Follow(wait, record_uid, folder_uid, csr_out, force, contacts, read_tags(tags))
    show(Request(open_session(**session), place, follow).request(wanted), as_json=as_json)


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
@click.option("--history", is_flag=True, help="All versions.")
@click.option("--out", default="", metavar="FILE|DIR", help="Write there; a folder for the history.")
@click.option("--form", type=click.Choice(["pfx", "pem", "cer", "chain"]), default="pfx", help="Default: pfx.")
@click.option("--password-stdin", is_flag=True, help="Read the password of the PFX from stdin.")
@click.option("--force", is_flag=True, help="Write over files that are there.")
@as_json
@session_options
def obtain(
    certificate_id: str, history: bool, out: str, form: str, password_stdin: bool, force: bool, as_json: bool,
    **session: str,
) -> None:  # fmt: skip
    """Obtain a version, the current one or ID/<version>, or all of them: into files with mode 0600.

    pfx and pem hold the private key (pem unprotected), cer is the certificate alone, chain the certificate and those
    above it.
    """
    from gateway.operating.files import new_password
    from gateway.operating.naming import read_id
    from gateway.operating.obtaining import ToFiles, to_files
    from gateway.operating.showing import show_table
    from gateway.secret import Secret

    place = read_id(certificate_id, session["cloud"], version=NO_VERSION if history else "")
    if not out:
        raise Failed("where to is not said", "name a file with --out")
    password = new_password(from_stdin=password_stdin) if form == "pfx" else Secret("")
    rows = to_files(open_session(**session), place, ToFiles(out, form, password, history, force))
    show_table(rows, {"version": "VERSION", "file": "FILE"}, as_json=as_json, none="nothing")

"""``keeper-rotation certificate``: the vaults, and by what the versions to come are made in them."""

from __future__ import annotations

from typing import Any

import click

from gateway.commands.certificate.cli.options import NO_VERSION, as_json, named, policy_options, split_options, vaults
from gateway.commands.credential import session_options
from gateway.commands.shared.interrupt import changing
from gateway.commands.shared.session import open_session


@click.command("vaults", short_help="List the key vaults that the credential can see.")
@as_json
@session_options
def list_key_vaults(as_json: bool, **session: str) -> None:
    """List the key vaults that the credential can see, in all subscriptions. Exit 2: some could not be listed."""
    from gateway.commands.shared.output import show_table
    from gateway.commands.shared.survey import all_key_vaults, not_all

    found, are_all = all_key_vaults(open_session(**session))
    rows = [{"vault": name.rpartition("/")[2], "address": url, "id": name} for url, name in sorted(found)]
    columns = {"vault": "VAULT", "address": "ADDRESS", "id": "RESOURCE ID"}
    show_table(rows, columns, as_json=as_json, none="no vaults")
    if not are_all:
        raise not_all()


@click.command(short_help="Show or change the policy of new versions.")
@named
@policy_options
@as_json
@session_options
@changing("look with keeper-rotation certificate policy {certificate_id}")
def policy(certificate_id: str, as_json: bool, **given: Any) -> None:
    """Show the policy by which new versions are made, after changing what is named; the rest stays.

    Versions that are there stay as they are.
    """
    from gateway.commands.certificate.policies import policy as changed
    from gateway.commands.certificate.policies import readable
    from gateway.commands.shared.find_by_name import open_certificate
    from gateway.commands.shared.output import show

    options, session = split_options(given)
    found = changed(*open_certificate(certificate_id, session, NO_VERSION), options)
    show(found if as_json else readable(found), as_json=as_json)


@click.command()
@vaults
@as_json
@session_options
def issuers(vault: str, as_json: bool, **session: str) -> None:
    """List the issuers that are set up in a vault. Self and Unknown need no setting up."""
    from gateway.commands.certificate.policies import issuers as there
    from gateway.commands.shared.names import read_key_vault
    from gateway.commands.shared.output import show_table

    url = read_key_vault(vault, session["cloud"])
    columns = {"name": "NAME", "provider": "PROVIDER", "account": "ACCOUNT", "enabled": "ENABLED"}
    none = "no issuers are set up; Self and Unknown need no setting up"
    show_table(there(open_session(**session), url), columns, as_json=as_json, none=none)


@click.command(short_help="List or change the contacts of a vault.")
@vaults
@click.option("--add", "added", multiple=True, metavar="EMAIL", help="Add this one; repeatable.")
@click.option("--remove", "removed", multiple=True, metavar="EMAIL", help="Remove this one; repeatable.")
@as_json
@session_options
@changing("look with keeper-rotation certificate contacts --vault={vault}")
def contacts(vault: str, added: tuple[str, ...], removed: tuple[str, ...], as_json: bool, **session: str) -> None:
    """List whom Key Vault writes to before a certificate of the vault expires, after adding and removing."""
    from gateway.commands.certificate.policies import contacts as there
    from gateway.commands.certificate.policies import with_contacts
    from gateway.commands.shared.names import read_key_vault
    from gateway.commands.shared.output import show_table

    url = read_key_vault(vault, session["cloud"])
    with_contacts([], added)
    rows = there(open_session(**session), url, added, removed)
    columns = {"email": "EMAIL", "name": "NAME", "phone": "PHONE"}
    show_table(rows, columns, as_json=as_json, none="no contacts: no one is notified")

"""``keeper-rotation discover``: what a tenant has, which of it has a Keeper record, and records for the rest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from gateway.commands.batch import batch_options
from gateway.commands.credential import session_options
from gateway.commands.shared.interrupt import changing

STDOUT = "-"
FOLDER = "look into the folder before you run this again"
_JSON = "Print what is found as JSON; with a FILE: write them as JSON for Keeper Commander instead."


def listing_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that all of ``discover`` have."""
    options = (
        click.option("--only", multiple=True, metavar="PATTERN", help="Names like this, such as 'prod-*'; repeatable."),
        click.option("--expiring-within", type=int, metavar="DAYS", help="What expires so soon, or has expired."),
        click.option("--create", is_flag=True, help="Make a record for each that has none, in --folder."),
        click.option("--folder", metavar="UID", help="The shared folder of new records: its uid or its name."),
        click.option("--csv", "csv_file", metavar="FILE", help="Write them for the import of the web vault instead."),
        click.option("--json", "json_file", is_flag=False, flag_value=STDOUT, metavar="[FILE]", help=_JSON),
        click.option("--force", is_flag=True, help="Write over a file that is there."),
    )
    command = batch_options(command)
    for option in reversed(options):
        command = option(command)
    return session_options(command)


vault_option = click.option(
    "--vault", "vaults", multiple=True, metavar="NAME|URL", help="A key vault; repeatable. Without: all that are seen."
)
versions_option = click.option(
    "--previous-versions", is_flag=True, help="List every version, not only the current one."
)


@click.group(short_help="Find what has no record in Keeper, and make records.")
def discover() -> None:
    """Show what Azure has and Keeper has no record of, and make the records.

    Nothing is changed unless --create, --csv or --json FILE is given. Exit 2: some places could not
    be read, or some records are still to be made.
    """


@discover.command()
@vault_option
@versions_option
@listing_options
@changing(FOLDER)
def certificates(vaults: tuple[str, ...], previous_versions: bool, **options: Any) -> None:
    """Certificates of key vaults."""
    from gateway.commands.discover.show import Options, show

    def find(look: Any) -> Any:
        return look.certificates(look.key_vaults(vaults), versions=previous_versions)

    show(find, Options(previous_versions=previous_versions, **options))


@discover.command("tls-secrets", short_help="TLS secrets of key vaults.")
@vault_option
@versions_option
@listing_options
@changing(FOLDER)
def tls_secrets(vaults: tuple[str, ...], previous_versions: bool, **options: Any) -> None:
    """Secrets of key vaults that are a certificate with its key, PFX or PEM by their content type."""
    from gateway.commands.discover.show import Options, show

    def find(look: Any) -> Any:
        return look.tls_secrets(look.key_vaults(vaults), versions=previous_versions)

    show(find, Options(previous_versions=previous_versions, **options))


@discover.command(short_help="App registrations, with owners and secrets.")
@click.option("--also-without-secret", is_flag=True, help="Make records for apps that have no client secret, too.")
@listing_options
@changing(FOLDER)
def apps(also_without_secret: bool, **options: Any) -> None:
    """App registrations, with the end of the client secret that expires first."""
    from gateway.commands.discover.show import Options, show

    show(lambda look: look.apps(), Options(also_unwanted=also_without_secret, **options))


@discover.command("storage-accounts", short_help="Storage accounts, with the age of their keys.")
@click.option("--subscription", "subscriptions", multiple=True, metavar="ID", help="Repeatable. Without: all.")
@listing_options
@changing(FOLDER)
def storage_accounts(subscriptions: tuple[str, ...], **options: Any) -> None:
    """Storage accounts, with the age of their keys and their expiry by the account's key policy."""
    from gateway.commands.discover.show import Options, show

    show(lambda look: look.storage_accounts(subscriptions), Options(**options))

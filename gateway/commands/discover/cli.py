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
_JSON = "Print the result as JSON; with a FILE: write the missing records for Keeper Commander."


def listing_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that all of ``discover`` have."""
    options = (
        click.option(
            "--only", multiple=True, metavar="PATTERN", help="Only matching names, such as 'prod-*'; repeatable."
        ),
        click.option(
            "--expiring-within", type=int, metavar="DAYS", help="Only what expires within so many days, or has expired."
        ),
        click.option("--create", is_flag=True, help="Make the missing records, in --folder."),
        click.option("--folder", metavar="FOLDER", help="The shared folder of new records (uid or name)."),
        click.option("--csv", "csv_file", metavar="FILE", help="Write the missing records as CSV for the web vault."),
        click.option("--json", "json_file", is_flag=False, flag_value=STDOUT, metavar="[FILE]", help=_JSON),
        click.option("--force", is_flag=True, help="Overwrite an existing file."),
    )
    command = batch_options(command)
    for option in reversed(options):
        command = option(command)
    return session_options(command)


vault_option = click.option(
    "--vault", "vaults", multiple=True, metavar="NAME|URL", help="A key vault; repeatable. Default: all visible ones."
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
@click.option("--also-without-secret", is_flag=True, help="Also make records for apps without a client secret.")
@listing_options
@changing(FOLDER)
def apps(also_without_secret: bool, **options: Any) -> None:
    """App registrations, with the end of the client secret that expires first."""
    from gateway.commands.discover.show import Options, show

    show(lambda look: look.apps(), Options(also_unwanted=also_without_secret, **options))


@discover.command("storage-accounts", short_help="Storage accounts, with the age of their keys.")
@click.option(
    "--subscription", "subscriptions", multiple=True, metavar="ID", help="A subscription; repeatable. Default: all."
)
@listing_options
@changing(FOLDER)
def storage_accounts(subscriptions: tuple[str, ...], **options: Any) -> None:
    """Storage accounts, with the age of their keys and their expiry by the account's key policy."""
    from gateway.commands.discover.show import Options, show

    show(lambda look: look.storage_accounts(subscriptions), Options(**options))

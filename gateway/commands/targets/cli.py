"""``keeper-rotation targets``, as it is called."""

from __future__ import annotations

import click

from gateway.commands.credential import attached_options

_KINDS = ("key_vault", "azure_devops", "runbook", "api_connection")


@click.command(short_help="List possible destinations of a record's secret.")
@click.option("--record", "record_uid", required=True, metavar="UID", help="The PAM User record.")
@attached_options
@click.option(
    "--organisation",
    "--organization",
    "organisations",
    multiple=True,
    metavar="NAME",
    help="An organisation of Azure DevOps; repeatable.",
)
@click.option("--kind", "kinds", multiple=True, type=click.Choice(_KINDS), help="Only this kind; repeatable.")
@click.option("--search", "texts", multiple=True, metavar="TEXT", help="Only what contains this text; repeatable.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
def targets(
    record_uid: str, attached: tuple[str, ...], configuration: str, as_json: bool, **wanted: tuple[str, ...]
) -> None:
    """List what the record's admin credential can reach, as addresses for its field deliver_to.

    Nothing is changed. What cannot be listed is a warning; exit 1 only where the record or the credential is no good.
    """
    from gateway.commands.targets.show import Wanted, show_targets

    show_targets(record_uid, attached, configuration, Wanted(**wanted), as_json=as_json)

"""``keeper-rotation certificate …``: the certificates of key vaults, from the command line."""

from __future__ import annotations

import click

from gateway.commands.certificate.cli import key_vaults as vaults
from gateway.commands.certificate.cli import requests, versions


class OrderedGroup(click.Group):
    """Commands in the order in which they are written here."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names."""
        return list(self.commands)


@click.group(cls=OrderedGroup, short_help="Manage certificates of Azure Key Vault.")
def certificate() -> None:
    """Certificates of Azure Key Vault: list, request, merge, renew, obtain.

    A certificate is named by its identifier, https://<vault>.vault.azure.net/certificates/<name>, as VAULT/NAME, or by
    its page in the portal; one that is there also by its bare name, where one vault alone has it.
    """


for command in (
    versions.list_, versions.show, vaults.list_key_vaults, requests.request, requests.status, requests.cancel,
    requests.merge, requests.renew, versions.obtain, vaults.policy, vaults.issuers, vaults.contacts, versions.delete,
):  # fmt: skip
    certificate.add_command(command)

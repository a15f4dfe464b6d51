"""The Azure clouds and their addresses.

Source: https://learn.microsoft.com/entra/identity-platform/authentication-national-cloud
and https://learn.microsoft.com/graph/deployments
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Cloud:
    """One Azure cloud: where to sign in, Microsoft Graph, Resource Manager, and how hosts of Key Vault end."""

    name: str
    login: str
    graph: str
    arm: str
    key_vault: str
    portal: str

    def key_vault_scope(self) -> str:
        """What a token for Key Vault is asked for."""
        return f"https://{self.key_vault}/.default"


PUBLIC = "AzureCloud"

CLOUDS = {
    cloud.name: cloud
    for cloud in (
        Cloud(
            name=PUBLIC,
            login="https://login.microsoftonline.com",
            graph="https://graph.microsoft.com",
            arm="https://management.azure.com",
            key_vault="vault.azure.net",
            portal="portal.azure.com",
        ),
        Cloud(
            name="AzureUSGovernment",
            login="https://login.microsoftonline.us",
            graph="https://graph.microsoft.us",
            arm="https://management.usgovcloudapi.net",
            key_vault="vault.usgovcloudapi.net",
            portal="portal.azure.us",
        ),
        Cloud(
            name="AzureChinaCloud",
            login="https://login.partner.microsoftonline.cn",
            graph="https://microsoftgraph.chinacloudapi.cn",
            arm="https://management.chinacloudapi.cn",
            key_vault="vault.azure.cn",
            portal="portal.azure.cn",
        ),
    )
}


def find_cloud(name: str) -> Cloud | None:
    """The cloud with this name, in any case; None where there is none."""
    return next((cloud for cloud in CLOUDS.values() if cloud.name.lower() == name.strip().lower()), None)

"""The Azure clouds and their addresses.

Source: https://learn.microsoft.com/entra/identity-platform/authentication-national-cloud
and https://learn.microsoft.com/graph/deployments
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Cloud:
    """One Azure cloud: where to sign in, and where Microsoft Graph is."""

    name: str
    login: str
    graph: str


CLOUDS = {
    cloud.name: cloud
    for cloud in (
        Cloud("AzureCloud", "https://login.microsoftonline.com", "https://graph.microsoft.com"),
        Cloud("AzureUSGovernment", "https://login.microsoftonline.us", "https://graph.microsoft.us"),
        Cloud("AzureChinaCloud", "https://login.partner.microsoftonline.cn", "https://microsoftgraph.chinacloudapi.cn"),
    )
}

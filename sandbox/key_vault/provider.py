"""Key vaults as Azure Resource Manager shows them; what they keep is in service.py."""

from __future__ import annotations

import re

from sandbox.arm.base import GROUP, SUBSCRIPTION, page
from sandbox.arm.service import Arm
from sandbox.key_vault.vaults import VAULT_TYPE, Vault
from sandbox.proxy.messages import Request, Response
from sandbox.proxy.service import Part, route

KIND = r"/providers/Microsoft\.KeyVault/vaults"


class KeyVaultProvider(Part):
    """The resource provider Microsoft.KeyVault."""

    def __init__(self, arm: Arm) -> None:
        self.arm = arm

    @route("GET", SUBSCRIPTION + KIND, "list_vaults")
    @route("GET", GROUP + KIND, "list_vaults")
    def list_vaults(self, request: Request, match: re.Match[str]) -> Response:
        """The key vaults that the caller may see."""
        vaults = [vault.shown() for vault in self.arm.visible(request, match, Vault, f"{VAULT_TYPE}/read")]
        return Response.of(200, {"nextLink": None} | page(request, vaults, self.arm.page_size))

    @route("GET", GROUP + KIND + r"/[^/]+", "get_vault")
    def get_vault(self, request: Request, match: re.Match[str]) -> Response:
        """One key vault."""
        vault = self.arm.resource(request, match[0], Vault, f"{VAULT_TYPE}/read", VAULT_TYPE)
        return Response.of(200, vault.shown())

"""What holds for all certificates of a vault: whom it tells, and whom it may ask for certificates."""

from __future__ import annotations

import re
from typing import Any

from sandbox.key_vault.base import KeyVaultBase, KeyVaultError, bad_parameter, json_object, page
from sandbox.key_vault.certificates import shapes as shapes
from sandbox.key_vault.certificates.store import SELF, UNKNOWN, Issuer
from sandbox.key_vault.secrets import NAME
from sandbox.key_vault.vaults import Vault
from sandbox.proxy.messages import Request, Response
from sandbox.proxy.service import Part, route

CONTACTS = r"/certificates/contacts/?"
ISSUERS = r"/certificates/issuers"
ISSUER = ISSUERS + r"/(?P<name>[^/]+)/?"
PROVIDERS = ("Test", "DigiCert", "GlobalSign")


class KeyVaultCertificateSettings(Part):
    """Azure has one data action for contacts, to read and to write them."""

    def __init__(self, keyvault: KeyVaultBase) -> None:
        self.keyvault = keyvault
        self.clock = keyvault.clock

    @route("GET", CONTACTS, "get_certificate_contacts")
    def get_contacts(self, request: Request, match: re.Match[str]) -> Response:
        """Whom the vault tells."""
        vault = self.keyvault.authorize(request, "write", kind="certificatecontacts")
        return Response.of(200, _contacts(vault))

    @route("PUT", CONTACTS, "set_certificate_contacts")
    def set_contacts(self, request: Request, match: re.Match[str]) -> Response:
        """Replace all contacts."""
        vault = self.keyvault.authorize(request, "write", kind="certificatecontacts")
        contacts = json_object(request).get("contacts") or []
        if not contacts or any(not entry.get("email") for entry in contacts):
            raise bad_parameter("Property contacts is a list with an email in each entry.")
        shown = ("email", "name", "phone")
        vault.certificates.contacts = [{key: entry[key] for key in shown if entry.get(key)} for entry in contacts]
        return Response.of(200, _contacts(vault))

    @route("DELETE", CONTACTS, "delete_certificate_contacts")
    def delete_contacts(self, request: Request, match: re.Match[str]) -> Response:
        """Forget all contacts."""
        vault = self.keyvault.authorize(request, "write", kind="certificatecontacts")
        content = _contacts(vault)
        vault.certificates.contacts = []
        return Response.of(200, content)

    @route("GET", ISSUERS + "/?", "list_certificate_issuers")
    def list_issuers(self, request: Request, match: re.Match[str]) -> Response:
        """All issuers by name."""
        vault = self.keyvault.authorize(request, "read", kind="certificatecas")
        found = [entry for _, entry in sorted(vault.certificates.issuers.items())]
        issuers = f"{vault.url}/certificates/issuers"
        return page(request, found, lambda entry: {"id": f"{issuers}/{entry.name}", "provider": entry.provider})

    @route("GET", ISSUER, "get_certificate_issuer")
    def get_issuer(self, request: Request, match: re.Match[str]) -> Response:
        """One issuer."""
        vault = self.keyvault.authorize(request, "read", kind="certificatecas")
        return Response.of(200, shapes.issuer(vault, self._issuer(vault, match["name"])))

    @route("PUT", ISSUER, "set_certificate_issuer")
    def set_issuer(self, request: Request, match: re.Match[str]) -> Response:
        """Make an issuer, or replace it."""
        vault, content = self.keyvault.authorize(request, "write", kind="certificatecas"), json_object(request)
        if not NAME.fullmatch(match["name"]) or match["name"].lower() in (SELF.lower(), UNKNOWN.lower()):
            raise bad_parameter("An issuer cannot have this name.")
        known = vault.certificates.issuers.get(match["name"].lower())
        now = int(self.clock.now())
        issuer = Issuer(match["name"], _provider(content), known.created if known else now, updated=now)
        vault.certificates.issuers[match["name"].lower()] = _filled(issuer, content)
        return Response.of(200, shapes.issuer(vault, issuer))

    @route("PATCH", ISSUER, "update_certificate_issuer")
    def update_issuer(self, request: Request, match: re.Match[str]) -> Response:
        """Change what is named."""
        vault, content = self.keyvault.authorize(request, "write", kind="certificatecas"), json_object(request)
        issuer = self._issuer(vault, match["name"])
        if content.get("provider"):
            issuer.provider = _provider(content)
        issuer.updated = int(self.clock.now())
        return Response.of(200, shapes.issuer(vault, _filled(issuer, content)))

    @route("DELETE", ISSUER, "delete_certificate_issuer")
    def delete_issuer(self, request: Request, match: re.Match[str]) -> Response:
        """Forget an issuer."""
        vault = self.keyvault.authorize(request, "delete", kind="certificatecas")
        issuer = self._issuer(vault, match["name"])
        del vault.certificates.issuers[match["name"].lower()]
        return Response.of(200, shapes.issuer(vault, issuer))

    def _issuer(self, vault: Vault, name: str) -> Issuer:
        if found := vault.certificates.issuers.get(name.lower()):
            return found
        raise KeyVaultError(404, f"Issuer not found: {name}", "CertificateIssuerNotFound")


def _contacts(vault: Vault) -> dict[str, Any]:
    if not vault.certificates.contacts:
        raise KeyVaultError(404, "Contacts not found", "ContactsNotFound")
    return {"id": f"{vault.url}/certificates/contacts", "contacts": vault.certificates.contacts}


def _provider(content: dict[str, Any]) -> str:
    provider = str(content.get("provider"))
    if provider not in PROVIDERS:
        raise bad_parameter(f"Property provider is one of {', '.join(PROVIDERS)}.")
    return provider


def _filled(issuer: Issuer, content: dict[str, Any]) -> Issuer:
    present = {name: value for name, value in (content.get("credentials") or {}).items() if value is not None}
    issuer.credentials = issuer.credentials | present
    issuer.org_details = content.get("org_details") or issuer.org_details
    enabled = (content.get("attributes") or {}).get("enabled")
    issuer.enabled = issuer.enabled if enabled is None else bool(enabled)
    return issuer

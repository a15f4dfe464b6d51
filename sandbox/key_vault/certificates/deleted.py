"""Certificates that were deleted: they can be recovered until they are purged, and their secrets with them."""

from __future__ import annotations

import re
from typing import Any

from sandbox.key_vault.base import KeyVaultBase, KeyVaultError, page
from sandbox.key_vault.certificates import shapes as shapes
from sandbox.key_vault.certificates.requests import CERTIFICATE
from sandbox.key_vault.certificates.store import Certificate
from sandbox.key_vault.certificates.versions import KeyVaultCertificates
from sandbox.key_vault.secrets import KeyVaultSecrets
from sandbox.key_vault.vaults import Vault
from sandbox.proxy.messages import Request, Response
from sandbox.proxy.service import Part, route

DELETED = r"/deletedcertificates/(?P<name>[^/]+)"


class KeyVaultDeletedCertificates(Part):
    """A certificate is deleted and comes back together with its secret."""

    def __init__(self, keyvault: KeyVaultBase, certificates: KeyVaultCertificates, secrets: KeyVaultSecrets) -> None:
        self.keyvault = keyvault
        self.clock = keyvault.clock
        self.certificates = certificates
        self.secrets = secrets

    @route("DELETE", CERTIFICATE + "/?", "delete_certificate")
    def delete_certificate(self, request: Request, match: re.Match[str]) -> Response:
        """Delete a certificate with all its versions and its request."""
        vault = self.keyvault.authorize_certificate(request, "delete", match["name"])
        self.certificates.existing(vault, match["name"])
        return Response.of(200, _shown(vault, self.remove(vault, match["name"])))

    @route("GET", r"/deletedcertificates/?", "list_deleted_certificates")
    def list_deleted_certificates(self, request: Request, match: re.Match[str]) -> Response:
        """All certificates that can be recovered."""
        vault = self.keyvault.authorize_certificate(request, "read")
        pending = request.query.get("includePending", "").lower() == "true"
        found = [entry for _, entry in sorted(vault.certificates.deleted.items())]
        found = [entry for entry in found if entry.versions or pending]
        return page(request, found, lambda entry: shapes.deleted(vault, entry) | shapes.line(vault, entry))

    @route("GET", DELETED + "/?", "get_deleted_certificate")
    def get_deleted_certificate(self, request: Request, match: re.Match[str]) -> Response:
        """A deleted certificate, once the deletion is through."""
        vault = self.keyvault.authorize_certificate(request, "read", match["name"])
        return Response.of(200, _shown(vault, self._deleted_certificate(vault, match["name"])))

    @route("POST", DELETED + "/recover", "recover_certificate")
    def recover_certificate(self, request: Request, match: re.Match[str]) -> Response:
        """Bring a deleted certificate back, and its secret."""
        vault = self.keyvault.authorize_certificate(request, "recover/action", match["name"])
        certificate, key = self._deleted_certificate(vault, match["name"]), match["name"].lower()
        vault.certificates.live[key] = vault.certificates.deleted.pop(key)
        certificate.deleted, certificate.ready = None, self.clock.now() + self.keyvault.transition_seconds
        if secret := vault.deleted.pop(key, None):
            vault.secrets[key] = secret
            secret.deleted, secret.ready = None, certificate.ready
        return Response.of(200, shapes.whole(vault, certificate))

    @route("DELETE", DELETED + "/?", "purge_certificate")
    def purge_certificate(self, request: Request, match: re.Match[str]) -> Response:
        """End a deleted certificate for good."""
        vault = self.keyvault.authorize_certificate(request, "purge/action", match["name"])
        self._deleted_certificate(vault, match["name"])
        del vault.certificates.deleted[match["name"].lower()]
        vault.deleted.pop(match["name"].lower(), None)
        return Response(204)

    def remove(self, vault: Vault, name: str) -> Certificate:
        """Move a certificate and its secret to the deleted ones. Raises KeyError."""
        certificate = vault.certificates.deleted[name.lower()] = vault.certificates.live.pop(name.lower())
        certificate.deleted = int(self.clock.now())
        certificate.ready = self.clock.now() + self.keyvault.transition_seconds
        if name.lower() in vault.secrets:
            self.secrets.delete(vault, name)
        return certificate

    def _deleted_certificate(self, vault: Vault, name: str) -> Certificate:
        found = vault.certificates.deleted.get(name.lower())
        if found is None or found.ready > self.clock.now():
            message = f"Deleted Certificate not found: {name}"
            raise KeyVaultError(404, message, "CertificateNotFound")
        return found


def _shown(vault: Vault, certificate: Certificate) -> dict[str, Any]:
    return shapes.deleted(vault, certificate) | shapes.whole(vault, certificate)

"""Certificates of a key vault on the wire: read and changed."""

from __future__ import annotations

import re
from typing import cast

from sandbox.key_vault.base import KeyVaultBase, KeyVaultError, json_object, page
from sandbox.key_vault.certificates import shapes as shapes
from sandbox.key_vault.certificates.issuance import Issuance
from sandbox.key_vault.certificates.policies import changed_policy
from sandbox.key_vault.certificates.requests import CERTIFICATE, named
from sandbox.key_vault.certificates.store import Certificate, CertificateVersion
from sandbox.key_vault.vaults import Vault
from sandbox.proxy.messages import Request, Response
from sandbox.proxy.service import Part, route


class KeyVaultCertificates(Part):
    """The certificates that are there."""

    def __init__(self, keyvault: KeyVaultBase, issuance: Issuance) -> None:
        self.keyvault = keyvault
        self.clock = keyvault.clock
        self.issuance = issuance

    @route("GET", r"/certificates/?", "list_certificates")
    def list_certificates(self, request: Request, match: re.Match[str]) -> Response:
        """All certificates; with ``includePending`` also those that have no version yet."""
        vault = self.keyvault.authorize_certificate(request, "read")
        pending = request.query.get("includePending", "").lower() == "true"
        found = [entry for _, entry in sorted(vault.certificates.live.items()) if self._there(entry)]
        return page(
            request, [entry for entry in found if entry.versions or pending], lambda entry: shapes.line(vault, entry)
        )

    @route("GET", CERTIFICATE + "/versions", "list_certificate_versions")
    def list_certificate_versions(self, request: Request, match: re.Match[str]) -> Response:
        """All versions, in no order of time."""
        vault = self.keyvault.authorize_certificate(request, "read", match["name"])
        found = vault.certificates.live.get(match["name"].lower())
        versions = sorted(found.versions, key=lambda entry: entry.version) if found else []
        return page(request, versions, lambda entry: shapes.item(vault, cast(Certificate, found), entry, True))

    @route("GET", CERTIFICATE + "/policy", "get_certificate_policy")
    def get_certificate_policy(self, request: Request, match: re.Match[str]) -> Response:
        """How the next version is to be."""
        vault = self.keyvault.authorize_certificate(request, "read", match["name"])
        return Response.of(200, shapes.policy(vault, self.existing(vault, match["name"])))

    @route("PATCH", CERTIFICATE + "/policy", "update_certificate_policy")
    def update_certificate_policy(self, request: Request, match: re.Match[str]) -> Response:
        """Change what is named; versions that are there stay as they are."""
        vault = self.keyvault.authorize_certificate(request, "update/action", match["name"])
        certificate = self.existing(vault, match["name"])
        policy = changed_policy(certificate.policy, json_object(request), vault.certificates.issuers)
        certificate.policy = self.issuance.dated(policy, certificate.policy)
        return Response.of(200, shapes.policy(vault, certificate))

    @route("GET", CERTIFICATE + r"(?:/(?P<version>[^/]*))?", "get_certificate")
    def get_certificate(self, request: Request, match: re.Match[str]) -> Response:
        """A version without its key, also if it is disabled or expired."""
        vault = self.keyvault.authorize_certificate(request, "read", match["name"])
        certificate = self.existing(vault, match["name"])
        if not match["version"]:
            return Response.of(200, shapes.whole(vault, certificate))
        return Response.of(200, shapes.bundle(vault, certificate, self._of(certificate, match["version"])))

    @route("PATCH", CERTIFICATE + r"(?:/(?P<version>[^/]*))?", "update_certificate")
    def update_certificate(self, request: Request, match: re.Match[str]) -> Response:
        """Enable or disable a version, or replace its tags; the secret goes along."""
        vault = self.keyvault.authorize_certificate(request, "update/action", match["name"])
        certificate = self.existing(vault, match["name"])
        version, content = self._of(certificate, match["version"]), json_object(request)
        for name, value in named(content, self.issuance.flags(content)).items():
            setattr(version, name, value)
        version.updated = int(self.clock.now())
        self.issuance.update_secret(vault, certificate, version)
        return Response.of(200, shapes.bundle(vault, certificate, version))

    def _there(self, certificate: Certificate) -> bool:
        return certificate.ready <= self.clock.now()

    def existing(self, vault: Vault, name: str) -> Certificate:
        """A certificate that is neither deleted nor still on its way back. Raises KeyVaultError."""
        found = vault.certificates.live.get(name.lower())
        if found is None or not self._there(found):
            raise _not_found(name)
        return found

    def _of(self, certificate: Certificate, version: str | None) -> CertificateVersion:
        found = certificate.version(version)
        if found is None:
            raise _not_found(f"{certificate.name}/{version}" if version else certificate.name)
        return found


def _not_found(name: str) -> KeyVaultError:
    return KeyVaultError(404, (
        f"A certificate with (name/id) {name} was not found in this key vault. If you recently deleted this "
        "certificate you may be able to recover it using the correct recovery command. For help resolving this issue, "
        "please see https://go.microsoft.com/fwlink/?linkid=2125182"
    ), "CertificateNotFound")  # fmt: skip

"""Certificates of a key vault on the wire: read and changed."""

from __future__ import annotations

import re
from typing import cast

from sandbox import keyvault_certificate_shapes as shapes
from sandbox.keyvault_base import KeyVaultError
from sandbox.keyvault_certificate_requests import CERTIFICATE, KeyVaultCertificateRequests, named
from sandbox.keyvault_certificate_store import Certificate, CertificateVersion
from sandbox.keyvault_policies import changed_policy
from sandbox.keyvault_vaults import Vault
from sandbox.messages import Request, Response
from sandbox.service import route


class KeyVaultCertificates(KeyVaultCertificateRequests):
    """A recovered certificate is there after ``transition_seconds``."""

    @route("GET", r"/certificates/?", "list_certificates")
    def list_certificates(self, request: Request, match: re.Match[str]) -> Response:
        """All certificates; with ``includePending`` also those that have no version yet."""
        vault = self._authorized(request, "read")
        pending = request.query.get("includePending", "").lower() == "true"
        found = [entry for _, entry in sorted(vault.certificates.live.items()) if self._there(entry)]
        return self._page(
            request, [entry for entry in found if entry.versions or pending], lambda entry: shapes.line(vault, entry)
        )

    @route("GET", CERTIFICATE + "/versions", "list_certificate_versions")
    def list_certificate_versions(self, request: Request, match: re.Match[str]) -> Response:
        """All versions, in no order of time."""
        vault = self._authorized(request, "read", match["name"])
        found = vault.certificates.live.get(match["name"].lower())
        versions = sorted(found.versions, key=lambda entry: entry.version) if found else []
        return self._page(request, versions, lambda entry: shapes.item(vault, cast(Certificate, found), entry, True))

    @route("GET", CERTIFICATE + "/policy", "get_certificate_policy")
    def get_certificate_policy(self, request: Request, match: re.Match[str]) -> Response:
        """How the next version is to be."""
        vault = self._authorized(request, "read", match["name"])
        return Response.of(200, shapes.policy(vault, self._certificate(vault, match["name"])))

    @route("PATCH", CERTIFICATE + "/policy", "update_certificate_policy")
    def update_certificate_policy(self, request: Request, match: re.Match[str]) -> Response:
        """Change what is named; versions that are there stay as they are."""
        vault = self._authorized(request, "update/action", match["name"])
        certificate = self._certificate(vault, match["name"])
        policy = changed_policy(certificate.policy, self._body(request), vault.certificates.issuers)
        certificate.policy = self.dated(policy, certificate.policy)
        return Response.of(200, shapes.policy(vault, certificate))

    @route("GET", CERTIFICATE + r"(?:/(?P<version>[^/]*))?", "get_certificate")
    def get_certificate(self, request: Request, match: re.Match[str]) -> Response:
        """A version without its key, also if it is disabled or expired."""
        vault = self._authorized(request, "read", match["name"])
        certificate = self._certificate(vault, match["name"])
        if not match["version"]:
            return Response.of(200, shapes.whole(vault, certificate))
        return Response.of(200, shapes.bundle(vault, certificate, self._of(certificate, match["version"])))

    @route("PATCH", CERTIFICATE + r"(?:/(?P<version>[^/]*))?", "update_certificate")
    def update_certificate(self, request: Request, match: re.Match[str]) -> Response:
        """Enable or disable a version, or replace its tags; the secret goes along."""
        vault = self._authorized(request, "update/action", match["name"])
        certificate = self._certificate(vault, match["name"])
        version, content = self._of(certificate, match["version"]), self._body(request)
        for name, value in named(content, self._flags(content)).items():
            setattr(version, name, value)
        version.updated = int(self.clock.now())
        self._update_secret(vault, certificate, version)
        return Response.of(200, shapes.bundle(vault, certificate, version))

    def _there(self, certificate: Certificate) -> bool:
        return certificate.ready <= self.clock.now()

    def _certificate(self, vault: Vault, name: str) -> Certificate:
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

"""What tests and the demo do to certificates directly, without a request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cryptography.hazmat.primitives import serialization

from sandbox.key_vault.base import KeyVaultBase
from sandbox.key_vault.certificates.authority import certificate_authority
from sandbox.key_vault.certificates.deleted import KeyVaultDeletedCertificates
from sandbox.key_vault.certificates.issuance import BEFORE_NOW, Issuance, months_later
from sandbox.key_vault.certificates.policies import new_policy
from sandbox.key_vault.certificates.store import UNKNOWN, Certificate, CertificateVersion, Issuer
from sandbox.key_vault.material import PFX
from sandbox.key_vault.vaults import Vault
from sandbox.proxy.service import STATE

REASON = "The certificate authority rejected the request."


class CertificateHelpers:
    """The same that a person in the portal could do, or an issuer."""

    def __init__(self, keyvault: KeyVaultBase, issuance: Issuance, deleted: KeyVaultDeletedCertificates) -> None:
        self.keyvault = keyvault
        self.clock = keyvault.clock
        self.issuance = issuance
        self.deleted = deleted

    def add_issuer(self, vault: Vault | str, name: str, provider: str = "Test") -> Issuer:
        """Let a vault ask an authority of the sandbox for certificates."""
        with STATE:
            issuer = Issuer(name, provider, int(self.clock.now()), {"account_id": "sandbox"})
            self.keyvault.get(vault).certificates.issuers[name.lower()] = issuer
        return issuer

    def add_certificate(
        self, vault: Vault | str, name: str, *, subject: str | None = None, dns_names: Sequence[str] = (),
        expires: float | None = None, not_before: float | None = None, validity_months: int = 12,
        issuer: str = "Self", ekus: Sequence[str] | None = None, key_usage: Sequence[str] | None = None,
        kty: str = "RSA", content_type: str = PFX, exportable: bool = True, reuse_key: bool = False,
        lifetime_actions: Sequence[dict[str, Any]] | None = None, tags: dict[str, str] | None = None,
        enabled: bool = True, created: float | None = None,
    ) -> CertificateVersion:  # fmt: skip
        """A version that is simply there, valid from ``not_before`` until ``expires``, be that past.

        Without ``not_before`` it has been valid for so long that it lasts ``validity_months``; ``created`` is now.
        ``issuer``: ``Self``, ``Unknown`` (as if merged with what the public authority signed), or an issuer, which is
        made where it is not there yet. Raises KeyVaultError for what Key Vault would not take.
        """
        policy = {
            "key_props": {"kty": kty, "exportable": exportable, "reuse_key": reuse_key},
            "secret_props": {"contentType": content_type},
            "x509_props": {
                "subject": f"CN={name}" if subject is None else subject, "sans": {"dns_names": list(dns_names)},
                "ekus": None if ekus is None else list(ekus), "validity_months": validity_months,
                "key_usage": None if key_usage is None else list(key_usage),
            },
            "lifetime_actions": list(lifetime_actions or ()), "issuer": {"name": issuer},
        }  # fmt: skip
        with STATE:
            found = self.keyvault.get(vault)
            if issuer not in ("Self", UNKNOWN) and issuer.lower() not in found.certificates.issuers:
                self.add_issuer(found, issuer)
            certificate = self._prepared(found, name, policy)
            draft = self.issuance.draft(certificate, certificate.policy)
            draft.span = self._span(expires, not_before, validity_months)
            return self.issuance.complete(
                found, certificate, self.issuance.sign(found, draft), enabled=enabled, tags=tags, created=created
            )

    def add_many_certificates(
        self, vault: Vault | str, count: int, prefix: str = "many", expires: float | None = None
    ) -> list[str]:
        """So many certificates in a moment, ``prefix-00000`` and so on: all of them one and the same. Their names."""
        names = [f"{prefix}-{number:05}" for number in range(count)]
        with STATE:
            first = self.add_certificate(vault, names[0], subject=f"CN={prefix}", expires=expires, kty="EC")
            found = self.keyvault.get(vault)
            policy = found.certificates.live[names[0].lower()].policy
            for name in names[1:]:
                certificate = Certificate(name, policy)
                self.issuance.complete(found, certificate, first.material)
        return names

    def certificate_versions(self, vault: Vault | str, name: str) -> list[CertificateVersion]:
        """A certificate's versions, oldest first; nothing if it is not there or was deleted."""
        with STATE:
            found = self.keyvault.get(vault)
            self.issuance.settle(found)
            certificate = found.certificates.live.get(name.lower())
            return list(certificate.versions) if certificate else []

    def pending_certificate(self, vault: Vault | str, name: str) -> str | None:
        """How the request for a certificate stands: inProgress, completed, cancelled, failed; None without one."""
        with STATE:
            found = self.keyvault.get(vault)
            self.issuance.settle(found)
            certificate = found.certificates.live.get(name.lower())
            return certificate.pending.status if certificate and certificate.pending else None

    def sign_csr(
        self, vault: Vault | str, name: str, *, authority: str = "Public", expires: float | None = None,
        not_before: float | None = None, root: bool = False,
    ) -> list[bytes]:  # fmt: skip
        """What a public authority answers to the pending request: leaf and intermediate, in DER. Raises KeyError."""
        with STATE:
            pending = self.keyvault.get(vault).certificates.live[name.lower()].pending
            if pending is None:
                raise KeyError(name)
            signer = certificate_authority(authority)
            chain = signer.sign(pending.csr, self._span(expires, not_before, 12))
            return [_der(entry) for entry in (*chain, *((signer.root,) if root else ()))]

    def delete_certificate(self, vault: Vault | str, name: str) -> None:
        """Delete a certificate as a person in the portal would: it can still be recovered. Raises KeyError."""
        with STATE:
            self.deleted.remove(self.keyvault.get(vault), name)

    def fail_next_issuance(self, message: str = REASON, code: str = "Request rejected") -> None:
        """Let the next certificate that is asked for fail instead of being signed; the codes are documented."""
        with STATE:
            self.issuance.failures.append({"code": code, "message": message})

    def _prepared(self, vault: Vault, name: str, given: dict[str, Any]) -> Certificate:
        before = vault.certificates.live.get(name.lower())
        self.issuance.refuse_name(vault, name)
        policy = self.issuance.dated(new_policy(given, vault.certificates.issuers), before.policy if before else None)
        certificate = before or Certificate(name, policy)
        certificate.policy = policy
        return certificate

    def _span(self, expires: float | None, not_before: float | None, months: int) -> tuple[float, float]:
        now = self.clock.now()
        end = months_later(now, months) if expires is None else expires
        start = min(now - BEFORE_NOW, months_later(end, -months)) if not_before is None else not_before
        return start, end


def _der(certificate: Any) -> bytes:
    return bytes(certificate.public_bytes(serialization.Encoding.DER))

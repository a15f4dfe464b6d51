"""How a certificate gets its versions: asked for, signed after a while, merged or imported; each is also a secret."""

from __future__ import annotations

import calendar
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from sandbox.key_vault.base import KeyVaultBase, KeyVaultError, bad_parameter
from sandbox.key_vault.certificates.authority import certificate_authority
from sandbox.key_vault.certificates.store import (
    CANCELLED,
    COMPLETED,
    FAILED,
    SELF,
    Certificate,
    CertificateVersion,
    Issuer,
    Pending,
    Policy,
    new_version,
)
from sandbox.key_vault.material import Material
from sandbox.key_vault.secrets import KeyVaultSecrets
from sandbox.key_vault.vaults import SecretVersion, Vault
from sandbox.key_vault.x509 import PrivateKey, certify, make_csr, make_key

BEFORE_NOW = 600
"""Seconds by which a certificate is valid before it is asked for, as recorded."""

PUBLIC = ("DigiCert", "GlobalSign")
# https://cabforum.org/working-groups/server/baseline-requirements/requirements/
PUBLIC_DAYS = ((date(2029, 3, 15), 47), (date(2027, 3, 15), 100), (date(2026, 3, 15), 200))


class Issuance:
    """Every version of a certificate is a version of the secret of its name as well."""

    def __init__(self, keyvault: KeyVaultBase, secrets: KeyVaultSecrets) -> None:
        self.keyvault = keyvault
        self.clock = keyvault.clock
        self.secrets = secrets
        self.failures: list[dict[str, str]] = []
        """What becomes of the next requests that somebody signs, one entry each."""

    def settle(self, vault: Vault) -> None:
        """Let every request that is due come to its end."""
        for certificate in list(vault.certificates.live.values()):
            if pending := certificate.in_progress:
                self._settle(vault, certificate, pending)

    def ask(
        self, vault: Vault, certificate: Certificate, policy: Policy, *, enabled: bool = True,
        tags: Mapping[str, str] | None = None,
    ) -> Pending:  # fmt: skip
        """Begin a new version under a policy, which is then the certificate's. Raises KeyVaultError."""
        pending = self.draft(certificate, policy, enabled=enabled, tags=tags)
        if not pending.by_hand:
            pending.due = self.clock.now() + self.keyvault.issue_seconds
            pending.failure = self.failures.pop(0) if self.failures else None
        certificate.policy, certificate.pending = policy, pending
        vault.certificates.live[certificate.name.lower()] = certificate
        return pending

    def draft(
        self, certificate: Certificate, policy: Policy, *, enabled: bool = True, tags: Mapping[str, str] | None = None
    ) -> Pending:
        """A request that nobody knows of yet, with its key. Raises KeyVaultError."""
        now, key = self.clock.now(), self._key(certificate, policy)
        try:
            csr = make_csr(key, policy["x509_props"])
        except (ValueError, TypeError) as error:
            raise bad_parameter(f"Property policy.x509_props has invalid value: {error}") from None
        span = (now - BEFORE_NOW, months_later(now, policy["x509_props"]["validity_months"]))
        return Pending(new_version(), policy, key, csr, int(now), span, None, dict(tags or {}), enabled)

    def complete(
        self, vault: Vault, certificate: Certificate, material: Material, *, version: str | None = None,
        enabled: bool = True, tags: Mapping[str, str] | None = None, created: float | None = None,
    ) -> CertificateVersion:  # fmt: skip
        """Add a version, and the secret that goes with it."""
        now = int(self.clock.now() if created is None else created)
        added = CertificateVersion(version or new_version(), material, now, dict(tags or {}), enabled)
        certificate.versions.append(added)
        vault.certificates.live[certificate.name.lower()] = certificate
        self._add_secret(vault, certificate, added)
        return added

    def sign(self, vault: Vault, pending: Pending) -> Material:
        """What the issuer of a request answers; a public CA gives no more than it may."""
        issuer = str(pending.policy["issuer"]["name"])
        if issuer.lower() == SELF.lower():
            return Material(pending.key, (certify(pending.csr, pending.span, pending.key),))
        authority = certificate_authority(issuer)
        span = self._given(vault.certificates.issuers.get(issuer.lower()), pending.span)
        return Material(pending.key, (*authority.sign(pending.csr, span), authority.root))

    def _given(self, issuer: Issuer | None, span: tuple[float, float]) -> tuple[float, float]:
        if issuer is None or issuer.provider not in PUBLIC:
            return span
        now = datetime.fromtimestamp(self.clock.now(), UTC).date()
        most = next((days for since, days in PUBLIC_DAYS if now >= since), 398)
        return span[0], min(span[1], span[0] + most * 86400.0)

    def dated(self, policy: Policy, before: Policy | None = None) -> Policy:
        """A policy with the moments of its making and of this change."""
        now = int(self.clock.now())
        attributes = before["attributes"] if before else {"enabled": True, "created": now}
        return policy | {"attributes": attributes | {"updated": now}}

    def _settle(self, vault: Vault, certificate: Certificate, pending: Pending) -> None:
        if pending.cancelling:
            pending.status, pending.details = CANCELLED, "Certificate request was cancelled."
        elif pending.due is None or pending.due > self.clock.now():
            return
        elif pending.failure:
            pending.status, pending.details = FAILED, pending.failure["message"]
        else:
            self.complete(
                vault, certificate, self.sign(vault, pending), version=pending.version, enabled=pending.enabled,
                tags=pending.tags, created=pending.due,
            )  # fmt: skip
            pending.status, pending.details = COMPLETED, None

    def _key(self, certificate: Certificate, policy: Policy) -> PrivateKey:
        props = policy["key_props"]
        current = certificate.version(None)
        if props["reuse_key"] and current:
            return current.key
        return make_key(props["kty"], props.get("key_size"), props.get("crv"))

    def _add_secret(self, vault: Vault, certificate: Certificate, version: CertificateVersion) -> None:
        policy = certificate.policy
        content_type = policy["secret_props"]["contentType"]
        text = version.material.text(content_type, policy["key_props"]["exportable"])
        if policy["key_props"]["exportable"] and self.keyvault.directory.issued[-1:] != [text]:
            self.keyvault.directory.issued.append(text)
        secret = self.secrets.add(vault, certificate.name, SecretVersion(
            text, version.created, content_type, dict(version.tags), version.enabled, version.nbf, version.exp,
            version=version.version,
        ))  # fmt: skip
        secret.managed = True

    def update_secret(self, vault: Vault, certificate: Certificate, version: CertificateVersion) -> None:
        """Let the secret of a version say what the version says."""
        for entry in vault.secrets[certificate.name.lower()].versions:
            if entry.version == version.version:
                entry.enabled, entry.tags, entry.updated = version.enabled, dict(version.tags), version.updated

    def refuse_name(self, vault: Vault, name: str) -> None:
        """A name is taken while a certificate or a secret of it is deleted, or a secret of the customer's has it."""
        gone = vault.certificates.deleted.get(name.lower())
        if gone:
            done = gone.ready <= self.clock.now()
            raise KeyVaultError(409, (
                f"Certificate {name} is currently in a deleted but recoverable state, and its name cannot be reused; "
                "in this state, the certificate can only be recovered or purged."
            ), inner="ObjectIsDeletedButRecoverable" if done else "ObjectIsBeingDeleted")  # fmt: skip
        self.secrets.refuse_deleted(vault, name)
        secret = vault.secrets.get(name.lower())
        if secret and not secret.managed:
            raise KeyVaultError(409, f"There is a secret {name} already, which belongs to no certificate.")

    def refuse_pending(self, certificate: Certificate | None) -> None:
        """One request at a time, for imports too; the documentation's sample says Forbidden, the service Conflict.

        Sources: https://learn.microsoft.com/azure/key-vault/certificates/create-certificate-scenarios,
        https://github.com/Azure/azure-sdk-for-python/pull/13289
        """
        if certificate and certificate.in_progress:
            raise KeyVaultError(409, (
                "A new key vault certificate can not be created or imported while a pending key vault certificate's "
                "status is inProgress."
            ))  # fmt: skip

    def flags(self, content: Mapping[str, Any]) -> dict[str, Any]:
        """What a request says of the version itself: whether it is enabled, and its tags."""
        flags = SecretVersion("", 0)
        self.secrets.apply(flags, {name: content.get(name) for name in ("tags", "attributes")})
        return {"enabled": flags.enabled, "tags": flags.tags}


def months_later(at: float, months: int) -> float:
    """The same day and time so many months later, or that month's last day."""
    moment = datetime.fromtimestamp(at, UTC)
    year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    day = min(moment.day, calendar.monthrange(year, month + 1)[1])
    return moment.replace(year=year, month=month + 1, day=day).timestamp()

"""Certificates, requests and issuers as answers show them."""

from __future__ import annotations

import base64
from typing import Any

from cryptography.hazmat.primitives import serialization

from sandbox.key_vault.certificates.store import COMPLETED, Certificate, CertificateVersion, Issuer, Pending
from sandbox.key_vault.vaults import DAY, Vault
from sandbox.key_vault.x509 import shown_subject


def bundle(vault: Vault, certificate: Certificate, version: CertificateVersion) -> dict[str, Any]:
    """One version in full, with the policy of all."""
    tail = f"{certificate.name}/{version.version}"
    return {
        "id": f"{vault.url}/certificates/{tail}",
        "kid": f"{vault.url}/keys/{tail}",
        "sid": f"{vault.url}/secrets/{tail}",
        "x5t": version.material.thumbprint,
        "cer": base64.b64encode(version.material.der).decode(),
        "attributes": attributes(version) | vault.recovery,
        **_tags(version.tags),
        "policy": policy(vault, certificate),
        **_pending(vault, certificate),
    }


def pending_bundle(vault: Vault, certificate: Certificate, pending: Pending) -> dict[str, Any]:
    """A certificate that has no version yet."""
    tail = f"{certificate.name}/{pending.version}"
    return {
        "id": f"{vault.url}/certificates/{tail}",
        "kid": f"{vault.url}/keys/{tail}",
        "attributes": _pending_attributes(pending) | vault.recovery,
        **_tags(pending.tags),
        "policy": policy(vault, certificate),
        **_pending(vault, certificate),
    }


def line(vault: Vault, certificate: Certificate) -> dict[str, Any]:
    """A line of the list of certificates."""
    if version := certificate.version(None):
        return item(vault, certificate, version)
    assert certificate.pending
    return pending_item(vault, certificate, certificate.pending)


def whole(vault: Vault, certificate: Certificate) -> dict[str, Any]:
    """A certificate in its current version, or without one."""
    if version := certificate.version(None):
        return bundle(vault, certificate, version)
    assert certificate.pending
    return pending_bundle(vault, certificate, certificate.pending)


def item(vault: Vault, certificate: Certificate, version: CertificateVersion, each: bool = False) -> dict[str, Any]:
    """A line of a list; ``each``: of the list of versions."""
    tail = f"/{version.version}" if each else ""
    return {
        "id": f"{vault.url}/certificates/{certificate.name}{tail}",
        "x5t": version.material.thumbprint,
        "attributes": attributes(version),
        **_tags(version.tags),
        "subject": shown_subject(version.certificate.subject),
    }


def pending_item(vault: Vault, certificate: Certificate, pending: Pending) -> dict[str, Any]:
    """A line of the list for a certificate without a version: not enabled, and without a subject."""
    return {
        "id": f"{vault.url}/certificates/{certificate.name}",
        "attributes": _pending_attributes(pending),
        **_tags(pending.tags),
        "subject": "",
    }


def operation(vault: Vault, certificate: Certificate, pending: Pending) -> dict[str, Any]:
    """A request, whatever became of it."""
    content = {
        "id": f"{vault.url}/certificates/{certificate.name}/pending",
        "issuer": pending.policy["issuer"],
        "csr": base64.b64encode(pending.csr.public_bytes(serialization.Encoding.DER)).decode(),
        "cancellation_requested": pending.cancelling,
        "status": pending.status,
        "status_details": pending.details,
        "error": dict(pending.failure) if pending.failure and pending.status != COMPLETED else None,
        "target": f"{vault.url}/certificates/{certificate.name}" if pending.status == COMPLETED else None,
        "request_id": pending.request_id,
    }
    return {name: value for name, value in content.items() if value is not None}


def policy(vault: Vault, certificate: Certificate) -> dict[str, Any]:
    """A certificate's policy."""
    return {"id": f"{vault.url}/certificates/{certificate.name}/policy"} | certificate.policy


def deleted(vault: Vault, certificate: Certificate) -> dict[str, Any]:
    """What a deleted certificate shows besides."""
    since = certificate.deleted or 0
    return {
        "recoveryId": f"{vault.url}/deletedcertificates/{certificate.name}",
        "deletedDate": since,
        "scheduledPurgeDate": since + vault.retention_days * DAY,
    }


def issuer(vault: Vault, entry: Issuer) -> dict[str, Any]:
    """An issuer without its password."""
    return {
        "id": f"{vault.url}/certificates/issuers/{entry.name}",
        "provider": entry.provider,
        "credentials": {name: value for name, value in entry.credentials.items() if name != "pwd"},
        "org_details": entry.org_details,
        "attributes": {"enabled": entry.enabled, "created": entry.created, "updated": entry.updated},
    }


def attributes(version: CertificateVersion) -> dict[str, Any]:
    """A version's attributes as lists show them."""
    return {
        "enabled": version.enabled, "nbf": version.nbf, "exp": version.exp, "created": version.created,
        "updated": version.updated,
    }  # fmt: skip


def _pending_attributes(pending: Pending) -> dict[str, Any]:
    return {
        "enabled": False, "nbf": int(pending.span[0]), "exp": int(pending.span[1]), "created": pending.created,
        "updated": pending.created,
    }  # fmt: skip


def _pending(vault: Vault, certificate: Certificate) -> dict[str, Any]:
    found = certificate.pending
    return {"pending": {"id": f"{vault.url}/certificates/{certificate.name}/pending"}} if found else {}


def _tags(tags: dict[str, str]) -> dict[str, Any]:
    return {"tags": dict(tags)} if tags else {}

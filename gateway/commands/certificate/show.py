"""``certificate show``: all that can be known of one certificate without its private key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway.azure.key_vault.certificate_answers import UNKNOWN, Version
from gateway.azure.key_vault.certificate_changes import OperatorCertificates
from gateway.commands.certificate import records
from gateway.commands.certificate.operation import by_hand
from gateway.commands.certificate.policies import readable
from gateway.commands.shared.facts import followers, said_by
from gateway.model.credential import stamp

if TYPE_CHECKING:
    from gateway.azure.key_vault.ids import CertificateId
    from gateway.commands.shared.session import Session


def show(session: Session, certificate_id: CertificateId) -> dict[str, Any]:
    """The version that is named, or the current one, with the certificate's policy, versions and records.

    Raises:
        Failed: it is not there.
        CallError
    """
    vault = OperatorCertificates(session.http, session.azure, certificate_id.vault_url)
    name, whole = certificate_id.name, certificate_id.whole()
    version, certificate = vault.whole(name, certificate_id.version)
    about: dict[str, Any] = {"certificate": str(whole), "version": version.version, "enabled": version.enabled}
    about |= said_by(certificate, session.http.now()) if certificate else {}
    about |= {"made": stamp(version.made), "tags": version.tags, "policy": readable(vault.policy(name))}
    about["versions"] = [_line(each) for each in reversed(vault.versions(name))]
    about["pending"] = _pending(vault, whole)
    return about | followers(session, records.of_certificate(session, whole), str(whole))


def _line(version: Version) -> dict[str, Any]:
    return {
        "version": version.version,
        "made": stamp(version.made),
        "expires": stamp(version.expires),
        "enabled": version.enabled,
        "thumbprint": version.thumbprint,
    }


def _pending(vault: OperatorCertificates, whole: CertificateId) -> dict[str, str]:
    operation = vault.operation(whole.name)
    if not operation or not operation.is_open:
        return {}
    following = by_hand(whole) if operation.issuer == UNKNOWN else f"wait for {operation.issuer}"
    return {"issuer": operation.issuer, "said": operation.said, "next": following}

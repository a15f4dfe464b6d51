"""``tls-secret show``: all that can be known of one TLS secret but its private key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway.azure.key_vault.ids import SecretId
from gateway.azure.key_vault.secrets import KeyVaultSecrets, TlsSecret
from gateway.commands.shared.facts import followers, said_by
from gateway.commands.tls_secret.records import of_secret
from gateway.errors import Failed
from gateway.model.credential import stamp

if TYPE_CHECKING:
    from gateway.commands.shared.session import Session


def show(session: Session, secret_id: SecretId) -> dict[str, Any]:
    """The version that is named, or the newest; of one that is disabled, what its certificate says cannot be read.

    Raises:
        Failed: it is not there, or no TLS secret.
        CallError
    """
    vault = KeyVaultSecrets(session.http, session.azure, secret_id.vault_url)
    versions, whole = vault.versions(secret_id.name), secret_id.whole()
    named = [each for each in versions if secret_id.version in ("", each.secret_id.version)]
    if not named:
        what = f"version {secret_id.version} of {whole}" if versions else f"secret {whole}"
        raise Failed(f"there is no {what}", "look with keeper-rotation tls-secret list")
    secret = named[-1]
    if not secret.is_tls:
        kind = repr(secret.content_type) if secret.content_type else "none"
        raise Failed(f"{whole} is no TLS secret: its content type is {kind}", "name a secret of PFX or PEM")
    about = {"secret": str(whole)} | _line(secret)
    about |= {"content_type": secret.content_type, "belongs_to_certificate": secret.managed, "tags": secret.tags}
    about |= _certificate(session, vault, secret) if secret.enabled else {}
    about["versions"] = [_line(each) for each in reversed(versions)]
    return about | followers(session, of_secret(session, whole), str(whole))


def _certificate(session: Session, vault: KeyVaultSecrets, secret: TlsSecret) -> dict[str, Any]:
    from gateway.model.x509 import facts, read_public

    _, value = vault.read(secret.secret_id.name, secret.secret_id.version)
    leaf, *above = read_public(value.reveal(), secret.content_type)
    said = said_by(leaf, session.http.now())
    return {"certificate": said, "chain": [facts(each).subject for each in above]}


def _line(secret: TlsSecret) -> dict[str, Any]:
    return {
        "version": secret.secret_id.version,
        "made": stamp(secret.made),
        "activates": stamp(secret.activates),
        "expires": stamp(secret.expires),
        "enabled": secret.enabled,
    }

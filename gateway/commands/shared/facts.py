"""What a record says of a TLS secret, and what an operator is shown of one or of a certificate."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from gateway.azure.key_vault.ids import SecretId
from gateway.azure.key_vault.secrets import KeyVaultSecrets, TlsSecret
from gateway.deliveries.addresses import known_destinations
from gateway.errors import Failed
from gateway.kinds.registry import TLS_SECRET
from gateway.model.credential import stamp
from gateway.secret import Secret

if TYPE_CHECKING:
    from cryptography import x509

    from gateway.commands.shared.session import Session
    from gateway.keeper.record import VaultRecord
    from gateway.model.x509 import Bundle

TARGET, VERSION = TLS_SECRET.target, TLS_SECRET.outputs.key_id


def bundle_of(secret: TlsSecret, value: Secret) -> Bundle:
    """The certificate with its key.

    Raises:
        Failed: it is none, or the key cannot leave the vault.
    """
    from gateway.model.x509 import WrongPassword, read_secret

    if not secret.is_tls:
        kind = repr(secret.content_type) if secret.content_type else "none"
        raise Failed(
            f"{secret.secret_id.name} is no TLS secret: its content type is {kind}", "name a secret of PFX or PEM"
        )
    try:
        return read_secret(value.reveal(), secret.content_type)
    except Failed as error:
        hint = error.hint
        if isinstance(error, WrongPassword):
            hint = "a PFX in a vault must be without a password: set it again with keeper-rotation tls-secret create"
        raise Failed(f"{secret.secret_id.name}: {error.message}", hint) from None


def values_of(secret: TlsSecret, bundle: Bundle) -> dict[str, str]:
    """What a record says of it, by label."""
    from gateway.model.x509 import facts

    said = facts(bundle.leaf)
    return {
        TARGET: str(secret.secret_id.whole()),
        VERSION: secret.secret_id.version,
        TLS_SECRET.outputs.value: said.thumbprint,
        "serial_number": said.serial_number,
        "subject": said.subject,
        "issuer": said.issuer,
        "not_before": stamp(said.not_before),
        "expires": stamp(said.expires),
    }


def facts_at(session: Session, address: str) -> dict[str, str]:
    """The values for a new record, without the field that names the secret. Raises Failed, CallError."""
    secret_id = SecretId.read(address, session.azure.cloud, TARGET)
    secret, value = KeyVaultSecrets(session.http, session.azure, secret_id.vault_url).read(secret_id.name)
    values = values_of(secret, bundle_of(secret, value))
    return {label: text for label, text in values.items() if label != TARGET}


def said_by(certificate: x509.Certificate, now: datetime) -> dict[str, Any]:
    """What a certificate says of itself."""
    from gateway.model.x509 import facts
    from gateway.model.x509.usages import alternative_names, extended_key_usages, key_usages

    said = facts(certificate)
    return {
        "subject": said.subject,
        "issuer": said.issuer,
        "serial_number": said.serial_number,
        "thumbprint": said.thumbprint,
        "key": said.key,
        "names": alternative_names(certificate),
        "key_usage": key_usages(certificate),
        "extended_key_usage": extended_key_usages(certificate),
        "not_before": stamp(said.not_before),
        "expires": stamp(said.expires),
        "days_left": (said.expires - now).days,
    }


def followers(session: Session, named: Sequence[VaultRecord], address: str) -> dict[str, Any]:
    """The records that name it and where these deliver to, and the records that deliver to it.

    Args:
        named: the records that name it.
        address: as ``deliver_to`` names it.
    """
    cloud, uids = session.azure.cloud, {record.uid for record in named}
    goes = {
        uid: [each.address for each in known_destinations(record.value("deliver_to"), cloud)]
        for uid, record in session.records.items()
    }
    comes = [uid for uid, addresses in goes.items() if address.lower() in map(str.lower, addresses)]
    return {
        "records": [_titled(record) for record in named],
        "deliver_to": [each for uid in sorted(uids) for each in goes.get(uid, [])],
        "delivered_by": [_titled(session.records[uid]) for uid in comes if uid not in uids],
    }


def _titled(record: VaultRecord) -> dict[str, str]:
    return {"uid": record.uid, "title": record.title}

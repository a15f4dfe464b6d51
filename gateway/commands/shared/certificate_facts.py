"""What an operator is shown of one certificate or TLS secret: what it says, and which records have to do with it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from gateway.deliveries.addresses import known_destinations
from gateway.model.credential import stamp

if TYPE_CHECKING:
    from cryptography import x509

    from gateway.commands.shared.session import Session
    from gateway.keeper.record import VaultRecord


def said_by(certificate: x509.Certificate, now: datetime) -> dict[str, Any]:
    """What a certificate says of itself."""
    from gateway.model.x509 import facts
    from gateway.model.x509_names import alternative_names, extended_key_usages, key_usages

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

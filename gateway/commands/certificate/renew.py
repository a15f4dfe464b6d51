"""``certificate renew --script``: the record for which the renewal script makes the new version."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.azure.key_vault.ids import CertificateId
from gateway.commands.certificate import records
from gateway.errors import Failed

if TYPE_CHECKING:
    from gateway.commands.shared.session import Session


def uid_for_script(session: Session, certificate_id: CertificateId, months: int | None, record_uid: str) -> str:
    """The uid of the record for which the script can renew this certificate, valid for ``months`` where that is said.

    Raises:
        Failed: there is none.
    """
    record = records.record_for(session, record_uid or _only_record(session, certificate_id), certificate_id)
    if not record.value(records.TARGET).strip():
        raise Failed(f"record {record.uid} names no certificate", f"fill in its field {records.TARGET}")
    wish = record.value("validity_months").strip()
    if months and wish and wish != str(months):
        what = f"the field validity_months of record {record.uid} says {wish}, and the script goes by it"
        raise Failed(what, "change or empty this field, or leave out --validity-months")
    return record.uid


def _only_record(session: Session, certificate_id: CertificateId) -> str:
    named = [record.uid for record in records.of_certificate(session, certificate_id)]
    if len(named) == 1:
        return named[0]
    what = f"several records name this certificate: {', '.join(named)}" if named else "no record names this certificate"
    raise Failed(what, "name one with --record=UID, or leave out --script")

"""``certificate renew``: a new version by the certificate's policy; through the renewal script where it is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gateway.azure.key_vault.ids import CertificateId
from gateway.commands.certificate import records
from gateway.commands.certificate.request import Follow, Request
from gateway.errors import Failed

if TYPE_CHECKING:
    from gateway.commands.session import Session


@dataclass(frozen=True)
class ByScript:
    """The run of the renewal script that renews, and fills in the record."""

    script: str
    record_uid: str


def renew(session: Session, place: CertificateId, months: int | None, follow: Follow) -> dict[str, Any]:
    """Renew in the vault; what is shown of the new version. Raises as `Request.renew`."""
    return Request(session, place, follow).renew(months)


def prepare_script(
    session: Session, place: CertificateId, months: int | None, record_uid: str, script: str
) -> ByScript:
    """Check that the script can renew this certificate for its record, and set the validity in the policy.

    Raises:
        Failed: it cannot; nothing was changed.
        CallError
    """
    record = records.record_for(session, record_uid or _only_record(session, place), place)
    if not record.value(records.TARGET).strip():
        raise Failed(f"record {record.uid} names no certificate", f"fill in its field {records.TARGET}")
    wish = record.value("validity_months").strip()
    if months and wish and wish != str(months):
        what = f"the field validity_months of record {record.uid} says {wish}, and the script goes by it"
        raise Failed(what, "change or empty this field, or leave out --validity-months")
    Request(session, place, Follow()).prepare_policy(months)
    return ByScript(script, record.uid)


def _only_record(session: Session, place: CertificateId) -> str:
    named = [record.uid for record in records.of_certificate(session, place)]
    if len(named) == 1:
        return named[0]
    what = f"several records name this certificate: {', '.join(named)}" if named else "no record names this certificate"
    raise Failed(what, "name one with --record=UID, or leave out --script")

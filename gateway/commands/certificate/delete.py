"""``certificate delete --from-keeper``: the Keeper records of certificates; Key Vault keeps the certificates."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from gateway.azure.key_vault.ids import CertificateId
from gateway.commands.certificate import records
from gateway.commands.shared import keeper_changes
from gateway.commands.shared.find_by_name import several
from gateway.errors import Failed
from gateway.kinds.registry import CERTIFICATE

if TYPE_CHECKING:
    from gateway.commands.shared.session import Session
    from gateway.keeper.record import VaultRecord

ONLY_KEEPER = "this command never deletes a certificate from Key Vault"


def to_delete(session: Session, given: Iterable[CertificateId | str], uids: Iterable[str]) -> list[VaultRecord]:
    """The records that are named, or that name these certificates. Raises Failed: all that cannot be deleted.

    Args:
        given: certificates, or bare names of those that records name; Key Vault may have them no more.
    """
    certificate_ids = [_recorded(session, each) if isinstance(each, str) else each for each in given]
    problems: list[str] = []
    found: dict[str, VaultRecord] = {}
    for certificate_id in certificate_ids:
        named = records.of_certificate(session, certificate_id)
        found |= {record.uid: record for record in named}
        problems += [] if named else [f"no record names {certificate_id}"]
    for uid in uids:
        record = session.record(uid)
        found[uid] = record
        if not record.value(records.TARGET).strip():
            problems.append(f"record {uid} ({record.title}) has no {records.TARGET}: it is not a certificate's")
    problems += [
        f"record {record.uid} ({record.title}) is for another target as well: it has {', '.join(others)}"
        for record in found.values()
        if (others := CERTIFICATE.used_for(record.value))
    ]
    problems += [
        f"record {record.uid} ({record.title}) is read-only for the Gateway's application"
        for record in found.values()
        if not record.editable
    ]
    if problems:
        raise Failed.each(problems, "nothing was deleted: correct what is named")
    return list(found.values())


def _recorded(session: Session, name: str) -> CertificateId:
    """The one certificate of this name that records name. Raises Failed: there is none, or there are several."""
    cloud = session.azure.cloud
    named = (records.named_in(record, cloud) for record in session.records.values())
    found = {records.key(each): each.whole() for each in named if each and each.name.lower() == name.lower()}
    if len(found) == 1:
        return next(iter(found.values()))
    if not found:
        raise Failed(f"no record names a certificate {name}", "keeper-rotation certificate list shows which have one")
    raise several("certificate", name, [each.vault_url for each in found.values()])


def delete(session: Session, wanted: list[VaultRecord]) -> list[dict[str, str]]:
    """Delete these records; what was deleted. Raises as `keeper_changes.delete`."""
    gone = keeper_changes.delete(session, wanted)
    return [{"record": each.uid, "title": each.title, "certificate": each.value(records.TARGET)} for each in gone]

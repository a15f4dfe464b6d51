"""The Keeper records of certificates: found by the field that names one, filled in and created."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from gateway.azure.key_vault.ids import CertificateId
from gateway.commands.shared import keeper_changes
from gateway.commands.shared.new_records import Item, make_one, new_record
from gateway.errors import Failed
from gateway.keeper.checks import check_alone, check_editable, check_labels
from gateway.keeper.record import VaultRecord
from gateway.keeper.save import Labels
from gateway.kinds.registry import CERTIFICATE

if TYPE_CHECKING:
    from gateway.commands.shared.session import Session
    from gateway.model.clouds import Cloud

TARGET = CERTIFICATE.target
LABELS = Labels(TARGET, CERTIFICATE.outputs.key_id, CERTIFICATE.outputs.value)


def by_certificate(records: Iterable[VaultRecord], cloud: Cloud) -> dict[str, list[VaultRecord]]:
    """The records that name a certificate, by `key`."""
    found: dict[str, list[VaultRecord]] = {}
    for record in records:
        if certificate_id := named_in(record, cloud):
            found.setdefault(key(certificate_id), []).append(record)
    return found


def named_in(record: VaultRecord, cloud: Cloud) -> CertificateId | None:
    """The certificate that a record names; None where it names none of this cloud."""
    try:
        return CertificateId.read(record.value(TARGET), cloud, TARGET)
    except Failed:
        return None


def key(certificate_id: CertificateId) -> str:
    """The same for every spelling of a certificate, and for all its versions."""
    return f"{certificate_id.vault_url}/{certificate_id.name}".lower()


def of_certificate(session: Session, certificate_id: CertificateId) -> list[VaultRecord]:
    """The records that name this certificate."""
    return by_certificate(session.records.values(), session.azure.cloud).get(key(certificate_id), [])


def record_for(session: Session, uid: str, certificate_id: CertificateId) -> VaultRecord:
    """The PAM User record with this uid, which names this certificate or none yet, and can be edited.

    Raises:
        Failed
    """
    record = session.record(uid)
    if record.type != "pamUser":
        hint = "convert it to PAM User in the vault, or name another record"
        raise Failed(f"record {uid} is of type {record.type}, not PAM User", hint)
    check_labels(record, CERTIFICATE, by_hand=True)
    check_editable(record)
    check_alone(record, CERTIFICATE)
    there, given = named_in(record, session.azure.cloud), record.value(TARGET).strip()
    if given and (there is None or key(there) != key(certificate_id)):
        raise Failed(f"record {uid} names another certificate, {given}", "name another record, or empty this field")
    return record


def save(session: Session, record: VaultRecord, values: Mapping[str, str]) -> VaultRecord:
    """Save these fields; the record as it reads then. Raises as `keeper_changes.save`."""
    return keeper_changes.save(session, record, values, LABELS)


def create(session: Session, folder_uid: str, certificate_id: CertificateId, *, is_short: bool) -> str:
    """A new PAM User record that the renewal script can be attached to; its uid. ``is_short``: of a year or less.

    Raises:
        Failed, CallError
    """
    where = certificate_id.vault_url.removeprefix("https://").partition(".")[0]
    new = new_record(Item(TARGET, str(certificate_id), certificate_id.name, where, None))
    if is_short:  # the script's default may be as long
        new = replace(new, values=new.values | {"rotate_before_hours": "33%"})
    return make_one(session.folders, folder_uid, new).uid

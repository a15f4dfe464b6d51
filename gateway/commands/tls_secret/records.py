"""The Keeper records of TLS secrets: found by their field ``tls_secret_id``, filled in, with or without a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.azure.key_vault.ids import SecretId
from gateway.azure.key_vault.secrets import TlsSecret
from gateway.commands.shared import keeper_changes
from gateway.commands.shared.facts import TARGET, VERSION, bundle_of, values_of
from gateway.errors import CallError, Failed, Incomplete
from gateway.keeper.certificate_attachment import FILE, FORMS, Export
from gateway.keeper.checks import check_editable
from gateway.keeper.record import VaultRecord
from gateway.keeper.save import Labels
from gateway.kinds.registry import CERTIFICATE, TLS_SECRET
from gateway.secret import Secret

if TYPE_CHECKING:
    from gateway.commands.shared.session import Session

_LABELS = Labels(TARGET, VERSION, TLS_SECRET.outputs.value)


def named_in(record: VaultRecord, session: Session) -> SecretId | None:
    """The secret that a record names; None where it names none.

    Raises:
        Failed: what it names is no secret.
    """
    given = record.value(TARGET).strip()
    return SecretId.read(given, session.azure.cloud, f"{TARGET} of record {record.uid}").whole() if given else None


def of_secret(session: Session, secret_id: SecretId) -> list[VaultRecord]:
    """The records that name this secret."""
    address, found = str(secret_id.whole()).lower(), []
    for record in session.records.values():
        try:
            named = named_in(record, session)
        except Failed:
            continue
        if named and str(named).lower() == address:
            found.append(record)
    return found


def tls_record(session: Session, uid: str) -> VaultRecord:
    """The record with this uid, which can be edited, and is held. Raises Failed, CallError."""
    record = session.hold(uid)
    check_editable(record)
    return record


def record_for(session: Session, uid: str, secret_id: SecretId) -> VaultRecord:
    """As `tls_record`; it names this secret, or nothing yet. Raises Failed, CallError."""
    record = tls_record(session, uid)
    refuse_others(record)
    there = named_in(record, session)
    if there and str(there).lower() != str(secret_id.whole()).lower():
        raise Failed(f"record {uid} names another secret, {there}", f"name another record, or empty {TARGET}")
    return record


def refuse_others(record: VaultRecord) -> None:
    """It is not the record of something that is rotated. Raises Failed."""
    for label in TLS_SECRET.used_for(record.value)[:1]:
        hint = "name another record"
        if label == CERTIFICATE.target:
            hint = "that record follows a certificate: use keeper-rotation certificate, or its rotation"
        raise Failed(f"record {record.uid} is not of a TLS secret: it has {label}", hint)


def follow(session: Session, record: VaultRecord, secret: TlsSecret, value: Secret, form: str = "") -> bool:
    """Let the record show this version, with an attachment in ``form``, or as its field ``export`` or its own one says.

    Returns whether anything had to be changed.

    Raises:
        Failed: the record is as before.
        Incomplete: it is, or it shows the version, but for a file that it does not name.
        Unknown: what it shows cannot be told.
        CallError
    """
    bundle = bundle_of(secret, value)
    values = values_of(secret, bundle)
    wish = form or record.value("export") or _attached(record)
    export = Export(keeper_changes.with_field(record, "export", wish), secret.secret_id.name, lambda _: bundle)
    shown = all(record.value(name) == text for name, text in values.items())
    if shown and not form and not export.is_missing(record):
        return _tidy(session, export, record)
    if wish != record.value("export"):
        values["export"] = wish
    _tidy(session, export, keeper_changes.publish(session, export, record, values, _LABELS))
    return True


def _tidy(session: Session, export: Export, record: VaultRecord) -> bool:
    """Remove older attachments, or what a run that died has left; whether there were any. Raises Incomplete."""
    if not export.strays(record):
        return False
    try:
        export.tidy(session.vault, record)
    except CallError as error:
        raise Incomplete(f"an older attachment is still there: {error}", "run it again") from None
    return True


def _attached(record: VaultRecord) -> str:
    """The form of the attachment that the record names; empty where it has none, or one of another kind."""
    named = record.value(FILE)
    form = named.rpartition(".")[2]
    return form if form in FORMS and any(each.name == named for each in record.attachments()) else ""

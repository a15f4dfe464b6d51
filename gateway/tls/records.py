"""The Keeper records of TLS secrets: found by their field ``tls_secret_id``, filled in, with or without a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.errors import CallError, Failed, Incomplete
from gateway.exporting import FILE, FORMS, Export
from gateway.key_vault_id import SecretId
from gateway.kinds.registry import CERTIFICATE, TLS_SECRET
from gateway.operating import in_keeper
from gateway.preparation import check_editable
from gateway.saving import Labels
from gateway.secret import Secret
from gateway.tls.vault import SecretVault, TlsSecret
from gateway.vault import VaultRecord

if TYPE_CHECKING:
    from gateway.operating.session import Session
    from gateway.x509 import Bundle

TARGET, VERSION = TLS_SECRET.target, TLS_SECRET.outputs.key_id
_LABELS = Labels(TARGET, VERSION, TLS_SECRET.outputs.value)
_STAMP = "%Y-%m-%dT%H:%M:%SZ"


def bundle_of(secret: TlsSecret, value: Secret) -> Bundle:
    """The certificate with its key.

    Raises:
        Failed: it is none, or the key cannot leave the vault.
    """
    from gateway.x509 import read_secret

    if not secret.is_tls:
        kind = repr(secret.content_type) if secret.content_type else "none"
        raise Failed(f"{secret.place.name} is no TLS secret: its content type is {kind}", "name a secret of PFX or PEM")
    try:
        return read_secret(value.reveal(), secret.content_type)
    except Failed as error:
        hint = error.hint
        if "password" in error.message:
            hint = "a PFX in a vault must be without a password: set it anew with keeper-rotation tls-secret create"
        raise Failed(f"{secret.place.name}: {error.message}", hint) from None


def values_of(secret: TlsSecret, bundle: Bundle) -> dict[str, str]:
    """What a record says of it, by label."""
    from gateway.x509 import facts

    said = facts(bundle.leaf)
    return {
        TARGET: str(secret.place.whole()),
        VERSION: secret.place.version,
        TLS_SECRET.outputs.value: said.thumbprint,
        "serial_number": said.serial_number,
        "subject": said.subject,
        "issuer": said.issuer,
        "not_before": said.not_before.strftime(_STAMP),
        "expires": said.expires.strftime(_STAMP),
    }


def facts_at(session: Session, address: str) -> dict[str, str]:
    """The values for a new record, without the field that names the secret. Raises Failed, CallError."""
    place = SecretId.read(address, session.azure.cloud, TARGET)
    secret, value = SecretVault(session, place.vault_url).read(place.name)
    values = values_of(secret, bundle_of(secret, value))
    return {label: text for label, text in values.items() if label != TARGET}


def named_in(record: VaultRecord, session: Session) -> SecretId | None:
    """The secret that a record names; None where it names none.

    Raises:
        Failed: what it names is no secret.
    """
    given = record.value(TARGET).strip()
    return SecretId.read(given, session.azure.cloud, f"{TARGET} of record {record.uid}").whole() if given else None


def of_secret(session: Session, place: SecretId) -> list[VaultRecord]:
    """The records that name this secret."""
    wanted, found = str(place.whole()).lower(), []
    for record in session.records.values():
        try:
            named = named_in(record, session)
        except Failed:
            continue
        if named and str(named).lower() == wanted:
            found.append(record)
    return found


def wanted(session: Session, uid: str) -> VaultRecord:
    """The record with this uid, which can be edited, and is held. Raises Failed, CallError."""
    record = session.hold(uid)
    check_editable(record)
    return record


def record_for(session: Session, uid: str, place: SecretId) -> VaultRecord:
    """As `wanted`; it names this secret, or nothing yet. Raises Failed, CallError."""
    record = wanted(session, uid)
    refuse_others(record)
    there = named_in(record, session)
    if there and str(there).lower() != str(place.whole()).lower():
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
    export = Export(in_keeper.wishing(record, "export", wish), secret.place.name, lambda _: bundle)
    shown = all(record.value(name) == text for name, text in values.items())
    if shown and not form and not export.is_missing(record):
        return _tidy(session, export, record)
    if wish != record.value("export"):
        values["export"] = wish
    _tidy(session, export, in_keeper.publish(session, export, record, values, _LABELS))
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

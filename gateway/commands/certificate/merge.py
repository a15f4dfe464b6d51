"""``certificate merge``: what a CA signed elsewhere becomes the version that waits for it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from gateway.azure.key_vault.certificate_answers import UNKNOWN, Operation, Version
from gateway.azure.key_vault.certificate_changes import OperatorCertificates
from gateway.azure.key_vault.ids import CertificateId
from gateway.commands.certificate import records
from gateway.commands.certificate.operation import described
from gateway.commands.shared import inputs
from gateway.commands.shared.output import warn
from gateway.errors import CallError, Failed, Incomplete, Unclear
from gateway.host.lost_answer import resolve_lost_answer
from gateway.model import x509

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

    from gateway.commands.shared.session import Session


def read_files(paths: Iterable[str]) -> list[Certificate]:
    """The certificates of these files, in any order. Raises Failed."""
    chain: list[Certificate] = []
    for path in paths:
        try:
            chain += x509.read_chain(inputs.read(path))
        except Failed as error:
            raise Failed(error.message if path in error.message else f"{path}: {error}", error.hint) from None
    return chain


def merge(session: Session, certificate_id: CertificateId, found: list[Certificate]) -> dict[str, Any]:
    """Finish the pending operation with what a CA handed out; the version as the vault then shows it.

    Raises:
        Failed: it does not fit, or Key Vault refused it; nothing was changed.
        Incomplete: it was merged, and cannot be shown.
        Unknown: whether it was merged cannot be told.
        CallError
    """
    vault = OperatorCertificates(session.http, session.azure, certificate_id.vault_url)
    operation = _pending(vault, certificate_id)
    chain = x509.chain_of(x509.answer_to(operation.csr, found), found)
    if rest := [each.subject.rfc4514_string() for each in found if each not in chain]:
        warn(f"left out, for it is no part of the certificate's chain: {'; '.join(rest)}")
    for each in chain:
        x509.check_dates(each, session.http.now())
    if names := x509.missing_names(chain[0], operation.csr):
        warn(f"the CA left out names that were asked for: {', '.join(names)}")
    version = _merged(vault, certificate_id, chain)
    followers = [record.uid for record in records.of_certificate(session, certificate_id)]
    try:
        about = described(vault, version)
    except (Failed, CallError) as error:
        what = f"the chain is merged, as version {version.version}, which cannot be shown: {error}"
        raise Incomplete(what, "keeper-rotation certificate list --details shows it; do not merge again") from None
    if not followers:
        return about
    return about | {"records": followers, "next": "the next run of the renewal script publishes it in the record"}


def _pending(vault: OperatorCertificates, certificate_id: CertificateId) -> Operation:
    operation = vault.operation(certificate_id.name)
    if operation is None or not operation.is_open:
        raise Failed(
            f"nothing waits to be merged: no version of {certificate_id.name} is being made",
            "ask for one first: keeper-rotation certificate request, or renew, with the issuer Unknown",
        )
    if operation.issuer != UNKNOWN or not operation.csr:
        what = f"{certificate_id.name} is being issued by {operation.issuer}"
        raise Failed(f"{what}, and nothing can be merged", "wait for the issuer; keeper-rotation certificate status")
    return operation


def _merged(vault: OperatorCertificates, certificate_id: CertificateId, chain: list[Certificate]) -> Version:
    """Sent once; where the answer is lost, the vault is asked what it has."""
    from cryptography.hazmat.primitives.serialization import Encoding

    def look() -> Version | None:
        wanted = x509.thumbprint(chain[0])
        return next((each for each in vault.versions(certificate_id.name) if each.thumbprint == wanted), None)

    try:
        return vault.merge(certificate_id.name, [each.public_bytes(Encoding.DER) for each in chain])
    except Unclear as error:
        hint = f"look with keeper-rotation certificate status {certificate_id}; merging again does no harm"
        return resolve_lost_answer(error, look, "the chain was merged", hint)

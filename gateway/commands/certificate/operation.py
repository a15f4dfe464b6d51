"""The operation in which Key Vault makes a version: begun once, waited for, looked at, cancelled.

Source: https://learn.microsoft.com/azure/key-vault/certificates/create-certificate
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from gateway.azure.key_vault.certificate_answers import UNKNOWN, Operation, Version
from gateway.azure.key_vault.certificate_changes import OperatorCertificates, not_there
from gateway.azure.key_vault.ids import CertificateId
from gateway.commands.shared.private_file import check_path, write_private
from gateway.commands.shared.progress import progress
from gateway.errors import CallError, Failed, Incomplete, Refused, Unclear
from gateway.host.lost_answer import resolve_lost_answer
from gateway.model import x509
from gateway.model.credential import stamp

if TYPE_CHECKING:
    from gateway.commands.shared.session import Session

_POLL_SECONDS = 5.0
_READS = 5
_COMMAND = "keeper-rotation certificate"


def refuse_open(operation: Operation | None, certificate_id: CertificateId) -> None:
    """No version is being made already. Raises Failed."""
    if operation and operation.is_open:
        finish = f"{_COMMAND} merge, or " if operation.issuer == UNKNOWN else ""
        raise Failed(
            f"a version of {certificate_id.name} is being made already, by the issuer {operation.issuer}",
            f"look with {_COMMAND} status {certificate_id}; end it with {finish}{_COMMAND} cancel",
        )


class NotMade(Failed):
    """The operation has ended, and there is no new version."""


def begin(
    vault: OperatorCertificates, name: str, policy: dict[str, Any] | None, tags: dict[str, str], last: Operation | None
) -> Operation:
    """Begin a version, once: a CA may charge for each. ``last``: the operation before it.

    Raises:
        NotSent, Refused: nothing was begun.
        Unknown: that cannot be told.
    """
    hint = f"look with {_COMMAND} status {vault.url}/certificates/{name} before you run this again"
    before = last.request_id if last else ""

    def look() -> Operation | None:
        found = vault.operation(name)
        return found if found and found.request_id != before else None

    try:
        return vault.begin(name, policy, tags, before)
    except Refused as error:
        if error.status == 409:
            refuse_open(vault.operation(name), CertificateId(vault.url, name))
        raise
    except Unclear as error:
        return resolve_lost_answer(error, look, "the version was begun", hint)


def wait(session: Session, vault: OperatorCertificates, name: str, operation: Operation) -> None:
    """Wait until an issuer has made the version; who signs by hand is not waited for.

    Raises:
        NotMade: it was refused or cancelled.
        Incomplete: it takes longer than this command may.
        CallError
    """
    deadline, pause = session.deadline, session.settings.retry_base / 2
    with progress(lambda: f"waiting for {operation.issuer} to issue {name}"):
        while operation.is_open and operation.issuer != UNKNOWN:
            if reason := deadline.over():
                raise Incomplete(f"is not issued yet: {reason}")
            deadline.pause(max(0.1, pause))
            pause = min(_POLL_SECONDS, 2 * pause)
            operation = vault.operation(name) or _gone(name)
    if not operation.is_open and operation.status != "completed":
        said = f"{operation.status}: {operation.said}".rstrip(": ")
        raise NotMade(f"Key Vault did not make the version, {said}", "correct the cause, and ask for it again")


def _gone(name: str) -> Operation:
    raise NotMade(f"the pending operation of {name} was removed", "request it again")


def made_since(session: Session, vault: OperatorCertificates, name: str, before: set[str]) -> Version:
    """The version that was not there before: a completed operation names none.

    Raises:
        Incomplete: it is not shown yet.
        CallError
    """
    for attempt in range(_READS):
        if attempt:
            session.deadline.pause(session.settings.retry_base)
        if new := [each for each in vault.versions(name) if each.version not in before]:
            return new[-1]
    raise Incomplete("Key Vault does not show the new version yet")


def described(vault: OperatorCertificates, version: Version) -> dict[str, Any]:
    """A version as it is shown: read from the certificate itself. Raises Failed, CallError."""
    listed, certificate = vault.whole(version.name, version.version)
    about: dict[str, Any] = {"certificate": f"{vault.url}/certificates/{version.name}", "version": version.version}
    if certificate is not None:
        said = x509.facts(certificate)
        about |= {"subject": said.subject, "issuer": said.issuer, "dns_names": list(said.dns_names), "key": said.key}
        about |= {"serial_number": said.serial_number, "thumbprint": said.thumbprint}
        about |= {"not_before": stamp(said.not_before), "expires": stamp(said.expires)}
    return about | {"enabled": listed.enabled}


def csr_of(operation: Operation, path: str, *, force: bool) -> dict[str, str]:
    """What is said of the signing request, which is written to a file where one is named. Raises Failed."""
    if not operation.csr:
        raise Failed("Key Vault shows no signing request", "look at the certificate's operation in the portal")
    about = {"csr_sha256": hashlib.sha256(operation.csr).hexdigest()}
    if path:
        write_private(path, x509.request_text(operation.csr).encode(), force=force)
        about["csr_file"] = path
    return about


def status(session: Session, certificate_id: CertificateId, csr_out: str, *, force: bool) -> tuple[dict[str, Any], int]:
    """How the last operation of a certificate stands, and the command's exit code.

    Raises:
        Failed: there is no such certificate; or the file is there already.
        CallError
    """
    if csr_out:
        check_path(csr_out, force=force)
    vault = OperatorCertificates(session.http, session.azure, certificate_id.vault_url)
    operation = vault.operation(certificate_id.name)
    if operation is None:
        if not vault.versions(certificate_id.name):
            raise not_there(vault.url, certificate_id.name)
        return {"certificate": str(certificate_id), "status": "none", "details": "no version is being made"}, 0
    about: dict[str, Any] = {"certificate": str(certificate_id), "status": operation.status, "issuer": operation.issuer}
    about |= {"details" if operation.status in ("inProgress", "completed") else "error": operation.said}
    if operation.is_open:
        about["since"] = stamp(vault.begun(certificate_id.name))
        about |= csr_of(operation, csr_out, force=force) if operation.issuer == UNKNOWN else {}
        about |= {"next": by_hand(certificate_id)} if operation.issuer == UNKNOWN else {}
    elif csr_out:
        raise Failed("there is no signing request that waits", "leave out --csr-out")
    codes = {"completed": 0, "inProgress": 2}
    return about | {"request_id": operation.request_id}, codes.get(operation.status, 1)


def by_hand(certificate_id: CertificateId) -> str:
    """What follows where a CA signs elsewhere."""
    return f"have the CSR signed, then: {_COMMAND} merge {certificate_id} --chain FILE"


def cancel(session: Session, certificate_id: CertificateId) -> dict[str, Any]:
    """Cancel what is being made. One that waits for a CA elsewhere is forgotten: nobody would answer the wish.

    Raises:
        Failed: nothing is being made, or it came to its end.
        Incomplete: the issuer has not agreed yet.
        Unknown: whether it was asked to cannot be told.
        CallError
    """
    vault = OperatorCertificates(session.http, session.azure, certificate_id.vault_url)
    look = f"look with {_COMMAND} status {certificate_id}"
    operation = vault.operation(certificate_id.name)
    if operation is None or not operation.is_open:
        raise Failed(f"no version of {certificate_id.name} is being made", look)
    vault.cancel(certificate_id.name)
    try:
        operation = _after_cancelling(session, vault, certificate_id.name)
    except CallError as error:
        raise Incomplete(f"the issuer is asked to cancel, and how it stands cannot be told: {error}", look) from None
    if operation and operation.is_open:
        raise Incomplete(f"{operation.issuer} has not answered yet", look)
    if operation and operation.status == "completed":
        raise Failed(f"the version of {certificate_id.name} was made before it could be cancelled", look)
    return {"certificate": str(certificate_id), "status": operation.status if operation else "cancelled"}


def _after_cancelling(session: Session, vault: OperatorCertificates, name: str) -> Operation | None:
    operation = vault.operation(name)
    for _ in range(_READS):
        if operation is None or not operation.is_open:
            break
        if operation.issuer == UNKNOWN:
            vault.forget(name)
            return None
        session.deadline.pause(session.settings.retry_base)
        operation = vault.operation(name)
    return operation

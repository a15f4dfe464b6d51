"""``certificate obtain --record``: versions as attachments of the Keeper record.

The current version goes where the renewal script keeps it: the new attachment first, then the record is saved with
its name and password, and only then an older one goes. Other versions are further attachments, which the script leaves
alone; their PFX files share one password, in the field `HISTORY_PASSWORD`.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from gateway.azure.key_vault.certificate_answers import Version
from gateway.azure.key_vault.certificate_changes import OperatorCertificates
from gateway.azure.key_vault.ids import CertificateId
from gateway.commands.certificate import records
from gateway.commands.certificate.obtain import chosen, each_version
from gateway.commands.certificate.policy_options import CONTENT_TYPES
from gateway.commands.shared import keeper_changes
from gateway.commands.shared.output import note, warn
from gateway.errors import CallError, Failed, Incomplete, Refused
from gateway.keeper.certificate_attachment import FILE, PASSWORD, Export
from gateway.kinds.registry import CERTIFICATE
from gateway.model import x509
from gateway.model.credential import stamp
from gateway.secret import Secret

if TYPE_CHECKING:
    from gateway.commands.shared.session import Session
    from gateway.keeper.record import VaultRecord

HISTORY_PASSWORD = "pfx_password_history"  # noqa: S105 (a field's label)
_TRIES = 4


class RecordAttachment:
    """What is attached to one record, which is held until the command ends.

    Args:
        form: ``pfx`` or ``pem``; empty: what the record's field ``export`` says, else ``pfx``.

    Raises:
        Failed: the record cannot be used for it, or another run is at work on it.
        CallError
    """

    def __init__(self, session: Session, certificate_id: CertificateId, uid: str, form: str) -> None:
        self._session, self._certificate_id = session, certificate_id
        self._vault = OperatorCertificates(session.http, session.azure, certificate_id.vault_url)
        session.hold(uid)
        self._record: VaultRecord = records.record_for(session, uid, certificate_id)
        self._form = form or self._record.value("export").strip().lower() or "pfx"
        if self._form not in CONTENT_TYPES:
            raise Failed(f"--form {self._form} has no private key", "attach pfx or pem; cer and chain go to --out")

    def obtain(self, *, history: bool) -> list[dict[str, Any]]:
        """Attach the version that is named, the current one, or all; what was attached.

        Raises:
            Failed: nothing was attached.
            Incomplete: some versions could not be, or a file is left over.
            Unknown, CallError
        """
        versions = chosen(self._vault, self._certificate_id, history=history)
        if history or self._is_earlier(versions[0]):
            return each_version(self._session, versions, self._further)
        self._refuse_overtaking(versions[0])
        return [self._current(versions[0])]

    def _is_earlier(self, version: Version) -> bool:
        if not self._certificate_id.version:
            return False
        return self._vault.whole(self._certificate_id.name)[0].version != version.version

    def _refuse_overtaking(self, version: Version) -> None:
        """What the script publishes it also hands on; a record that is filled in past it would look as if it had."""
        shown = self._record.value(records.LABELS.key_id)
        if self._record.value("rotation_state").strip() and shown != version.version:
            raise Failed(
                f"record {self._record.uid} is kept by the renewal script, and shows version {shown or 'none'} yet",
                f"keeper-rotation run {CERTIFICATE.script} publishes the current version there, and hands it on",
            )

    # The current version

    def _current(self, version: Version) -> dict[str, Any]:
        name, before = self._certificate_id.name, self._record.value("export")
        # The wish is saved together with the file that it asks for, not before.
        wished = keeper_changes.with_field(self._record, "export", self._form)
        export = Export(wished, name, lambda wanted: self._vault.bundle(name, wanted))
        values = self._facts(version) | {"export": self._form}
        values[records.TARGET] = str(CertificateId(self._certificate_id.vault_url, name))
        saved = keeper_changes.publish(self._session, export, self._record, values, records.LABELS)
        if before != self._form:
            note(f"the record's field export is {self._form} now: each renewal attaches the new version so")
        self._tidy(export, saved)
        return self._row(version, saved.value(FILE), PASSWORD)

    def _tidy(self, export: Export, saved: VaultRecord) -> None:
        if not export.strays(saved):
            return
        if keeper_changes.is_held_elsewhere(self._session, saved):
            warn("older attachments stay: a run of another host is at work on the record, and removes them")
            return
        try:
            export.tidy(self._session.vault, saved)
        except CallError as error:
            raise Incomplete(f"an older attachment is still there: {error}", "run it again") from None

    def _facts(self, version: Version) -> dict[str, str]:
        """The fields that the renewal script writes as well."""
        said = x509.facts(self._vault.certificate(version.name, version.version))
        values = {
            records.LABELS.key_id: version.version,
            records.LABELS.value: said.thumbprint,
            "serial_number": said.serial_number,
            "issuer": said.issuer,
            "not_before": stamp(said.not_before),
            "expires": stamp(said.expires),
            "last_rotated": stamp(self._session.http.now()),
        }
        if not self._is_wish(self._record.value("subject")):
            values["subject"] = said.subject
        return values | ({"csr": ""} if self._record.value("csr") else {})

    def _is_wish(self, subject: str) -> bool:
        """A subject that is not that of the version shown is wanted for the next one."""
        shown = self._record.value(records.LABELS.key_id)
        if not subject or not shown:
            return bool(subject)
        return subject != x509.facts(self._vault.certificate(self._certificate_id.name, shown)).subject

    # Other versions

    def _further(self, version: Version) -> dict[str, Any]:
        file = f"{version.name}-{version.version}.{self._form}"
        if self._has(file):
            return self._row(version, file, HISTORY_PASSWORD) | {"note": "attached already"}
        bundle = self._vault.bundle(version.name, version.version)
        for attempt in range(_TRIES):
            changed, content = self._content(bundle, version.name)
            send = partial(self._session.files.attach, changed, file, content, CONTENT_TYPES[self._form])
            try:
                self._record = keeper_changes.attach(self._session, self._record, send, HISTORY_PASSWORD)
                break
            except Refused:
                # Somebody edits the record: once more, over what it says now.
                if attempt == _TRIES - 1 or not self._has_changed():
                    raise
        return self._row(version, file, HISTORY_PASSWORD)

    def _has(self, file: str) -> bool:
        """Whether it is attached, with its content: an upload that broke leaves a file without."""
        self._record = self._session.vault.read([self._record.uid])[self._record.uid]
        for each in self._record.attachments():
            if each.name == file:
                try:
                    self._session.files.download(self._record, each.uid)
                    return True
                except Refused:
                    self._record = self._session.files.detach(self._record, [each.uid])
        return False

    def _content(self, bundle: x509.Bundle, name: str) -> tuple[VaultRecord, bytes]:
        """The file, and the record with its password, which is saved with it."""
        if self._form == "pem":
            return self._record, x509.to_pem(bundle)
        password = Secret(self._record.value(HISTORY_PASSWORD) or secrets.token_urlsafe(24))
        wished = keeper_changes.with_field(self._record, HISTORY_PASSWORD, password.reveal(), "secret")
        return wished, x509.to_pfx(bundle, name, password.reveal())

    def _has_changed(self) -> bool:
        before, uid = self._record.revision, self._record.uid
        self._record = self._session.vault.read([uid])[uid]
        return self._record.revision != before

    def _row(self, version: Version, file: str, password: str) -> dict[str, Any]:
        about: Mapping[str, Any] = {"version": version.version, "file": file, "record": self._record.uid}
        return {**about, "password_field": password if self._form == "pfx" else ""}

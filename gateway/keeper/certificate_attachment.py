"""The certificate with its key as an attachment of the record (field ``export``).

The new attachment goes up first, then the record is saved with its name and password, and only then older ones go:
what the record names is always there, and opens.
"""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING

from gateway.errors import CallError, Failed
from gateway.keeper.files import Files
from gateway.secret import Secret

if TYPE_CHECKING:
    from gateway.keeper.record import VaultRecord
    from gateway.keeper.vault import Vault
    from gateway.model.x509.bundle import Bundle

log = logging.getLogger("gateway")

FORMS = {"pfx": "application/x-pkcs12", "pem": "application/x-pem-file"}
FILE, PASSWORD = "certificate_file", "pfx_password"
_OURS = re.compile(r"(?P<certificate>[0-9a-zA-Z-]+)-[0-9a-f]{8}-[0-9a-f]{6}\.(pfx|pem)")


class Export:
    """What a record wants exported, and how far that has come.

    Args:
        name: of the certificate.
        bundle: reads a version with its key. Raises Failed, CallError.

    Raises:
        Failed: the field ``export`` cannot be used.
    """

    def __init__(self, record: VaultRecord, name: str, bundle: Callable[[str], Bundle]) -> None:
        self.form = record.value("export").strip().lower()
        if self.form not in ("", *FORMS):
            raise Failed(f"export: {self.form!r} is none of {', '.join(FORMS)}", "correct this field, or empty it")
        self._name = name
        self._former = record.value(FILE)
        self._bundle = bundle
        self._password = ""
        self._file = ""
        self._attached_to = ""

    def is_missing(self, record: VaultRecord) -> bool:
        """Whether the record lacks what it wants exported of the version that it names."""
        named, there = record.value(FILE), {each.name for each in record.attachments()}
        if not self.form:
            return bool(named)
        return named not in there or not named.endswith(f".{self.form}") or not self._opens(record)

    def _opens(self, record: VaultRecord) -> bool:
        return self.form != "pfx" or bool(record.value(PASSWORD))

    def attach(self, vault: Vault, record: VaultRecord, version: str) -> VaultRecord:
        """Put the version up beside what is there; the record as it is then. Raises Failed, CallError."""
        if not self.form:
            return record
        from gateway.model import x509

        bundle = self._bundle(version)
        # A name of its own each time: a file of a run that died has a password that nobody knows.
        self._file = f"{self._name}-{version[:8]}-{secrets.token_hex(3)}.{self.form}"
        if self.form == "pfx":
            self._password = secrets.token_urlsafe(24)
            Secret(self._password)
            content = x509.to_pfx(bundle, self._name, self._password)
        else:
            content = x509.to_pem(bundle)
        attached = _files(vault).attach(record, self._file, content, FORMS[self.form])
        self._attached_to = record.uid
        return attached

    def outputs(self, record: VaultRecord) -> dict[str, str]:
        """What is saved of it, by label."""
        wanted = {FILE: self._file, PASSWORD: self._password}
        return {label: value for label, value in wanted.items() if value or record.value(label)}

    def strays(self, record: VaultRecord) -> list[str]:
        """Uids of attachments of ours that the record does not name."""
        named = record.value(FILE)
        return [each.uid for each in record.attachments() if each.name != named and self._is_ours(each.name)]

    def _is_ours(self, name: str) -> bool:
        """Whether a run attached it; of another certificate only what the record named before."""
        ours = _OURS.fullmatch(name)
        return ours is not None and (ours["certificate"] == self._name or name == self._former)

    def tidy(self, vault: Vault, record: VaultRecord) -> VaultRecord:
        """Remove attachments of ours that the record does not name. Raises CallError."""
        strays = self.strays(record)
        return _files(vault).detach(record, strays) if strays else record

    def take_back(self, vault: Vault) -> None:
        """Remove what `attach` put up; where that fails, the next run does."""
        if not self._attached_to:
            return
        try:
            # Read anew: in the record at hand stands what could not be saved, and detaching would save it.
            fresh = vault.read([self._attached_to])[self._attached_to]
            _files(vault).detach(fresh, [each.uid for each in fresh.attachments() if each.name == self._file])
        except (CallError, KeyError) as error:
            log.warning("the new attachment could not be removed again, the next run does: %s", error)


def _files(vault: Vault) -> Files:
    return Files(vault.keeper, vault.read)

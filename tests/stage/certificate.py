"""A stage whose record follows a certificate of Key Vault."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    pkcs12,
)

from gateway.model.x509 import Bundle, facts, to_pfx
from sandbox.furnish.certificate import OFFICER, furnish_certificate
from sandbox.proxy.service import Service
from tests.stage.rotation import ROOT, Outcome, Stage

SCRIPT = ROOT / "scripts" / "azure_key_vault_certificate.py"
STAMP = "%Y-%m-%dT%H:%M:%SZ"
PASSWORD = "first-password-of-the-pfx"


class CertificateStage(Stage):
    """A stage whose record follows a certificate, by default one that is near its end."""

    def __init__(self, services: Sequence[Service] = (), **furnish: Any) -> None:
        super().__init__(services=services)
        self.made = furnish_certificate(self.sandbox, self.at, **furnish)
        self.at = replace(self.at, record_uid=self.made.record_uid)

    def start(self, line: bytes | None = None, script: Any = SCRIPT, **options: Any) -> Any:
        return super().start(line, script, **options)

    def versions(self) -> list[Any]:
        """The certificate's versions in the vault, oldest first."""
        return self.sandbox.keyvault.certificate_versions(self.made.vault, self.made.name)

    def publish_first(self) -> None:
        """As if an earlier run had published and exported the version that is there."""
        (first,) = self.versions()
        said = facts(first.certificate)
        name = f"{self.made.name}-{first.version[:8]}-000000.pfx"
        content = to_pfx(Bundle(first.key, first.certificate, ()), self.made.name, PASSWORD)
        self.sandbox.keeper.add_file(self.at.record_uid, name, content, "application/x-pkcs12")
        values = {"certificate_version": first.version, "thumbprint": said.thumbprint, "subject": said.subject}
        values |= {"serial_number": said.serial_number, "issuer": said.issuer, "expires": said.expires.strftime(STAMP)}
        for label, value in (values | {"certificate_file": name, "pfx_password": PASSWORD}).items():
            self.sandbox.keeper.edit(self.at.record_uid, label, value)

    def to_vault(self, name: str = "front-door") -> str:
        """Deliver to a certificate of another vault; its address."""
        other = self.sandbox.keyvault.add_vault(name)
        self.sandbox.keyvault.grant(self.at.admin_client_id, OFFICER, other)
        address = f"{other.url}/certificates/{self.made.name}"
        self.sandbox.keeper.edit(self.at.record_uid, "deliver_to", address)
        return address

    def in_vault(self, name: str = "front-door") -> list[Any]:
        """The versions that the other vault holds."""
        return self.sandbox.keyvault.certificate_versions(name, self.made.name)

    def vault_forgets(self) -> None:
        """As if somebody had cancelled the version that is being made."""
        self.made.vault.certificates.live[self.made.name].pending = None

    def files(self) -> dict[str, bytes | None]:
        """What is attached to the record."""
        there = self.at.record_uid in self.sandbox.keeper.vault.records
        return self.sandbox.keeper.files(self.at.record_uid) if there else {}

    def wrong(self, *, complete: bool = True) -> list[str]:
        """What does not hold: the record names a version that is there, and the attachment is that version's."""
        version = self.value("certificate_version")
        found = next((each for each in self.versions() if each.version == version), None)
        if not version and not complete:
            return []
        if found is None:
            return [f"the record names version {version!r}, which is not there"]
        said = [
            label
            for label, value in {
                "thumbprint": found.certificate.fingerprint(hashes.SHA1()).hex().upper(),
                "serial_number": facts(found.certificate).serial_number,
                "expires": found.certificate.not_valid_after_utc.strftime(STAMP),
            }.items()
            if self.value(label) != value
        ]
        return said + self._wrong_file(found.certificate, complete)

    def leaks(self, outcomes: Iterable[Outcome]) -> list[str]:
        """As that of every stage, for private keys and the password of the PFX besides."""
        outcomes = list(outcomes)
        keeper = self.sandbox.keeper
        passwords = {str(keeper.record(uid).value("pfx_password") or "") for uid in keeper.vault.records}
        canaries = {*self._private(), *passwords, PASSWORD} - {""}
        seen = [each.stdout + each.stderr for each in outcomes]
        seen += [path.read_text(errors="replace") for path in self.home.rglob("*") if path.is_file()]
        found = super().leaks(outcomes)
        return found + ["a private key or its password" for text in seen if any(each in text for each in canaries)]

    def _private(self) -> set[str]:
        """Parts of every private key, and of what holds one, as they would show."""
        keys = [each.key for each in self.versions()]
        pems = [key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode() for key in keys]
        files = [base64.b64encode(content).decode()[60:100] for content in self.files().values() if content]
        return {pem.splitlines()[1] for pem in pems} | set(files)

    def _wrong_file(self, certificate: x509.Certificate, complete: bool) -> list[str]:
        form, files, named = self.value("export"), self.files(), self.value("certificate_file")
        if not form:
            return []
        if named not in files or not files[named]:
            return [f"the attachment {named!r} is not there"]
        problems = ["attachments that the record does not name"] if complete and len(files) > 1 else []
        opened = opens(bytes(files[named] or b""), form, self.value("pfx_password"))
        return problems + ([] if opened == certificate else ["the attachment is another version's"])


def names(pem: bytes) -> list[str]:
    """Whose the certificates in PEM are, in their order."""
    found = x509.load_pem_x509_certificates(pem)
    return [each.subject.rfc4514_string().partition(",")[0] for each in found]


def opens(content: bytes, form: str, password: str) -> x509.Certificate:
    """The certificate in an attachment, whose key is checked."""
    if form == "pfx":
        found = pkcs12.load_pkcs12(content, password.encode())
        assert found.key and found.cert
        key, certificate = found.key, found.cert.certificate
    else:
        key = load_pem_private_key(content, None)  # type: ignore[assignment]
        certificate = x509.load_pem_x509_certificate(content)
    form_of = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert key.public_key().public_bytes(*form_of) == certificate.public_key().public_bytes(*form_of)
    return certificate

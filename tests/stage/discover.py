"""A tenant with key vaults that the operator's commands look through, and the commands themselves."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, pkcs12
from cryptography.x509.oid import NameOID

from gateway.model.x509 import Bundle, facts, read_pem, read_pfx, to_pem, to_pfx
from sandbox.graph.base import READ_ALL, WRITE_OWNED
from sandbox.keeper.vault import RecordView, make_field
from sandbox.key_vault.vaults import SecretVersion, Vault
from tests.stage.api import VAULT, Api
from tests.stage.certificate import STAMP, opens
from tests.stage.forked import Forked
from tests.stage.rotation import ROOT, Outcome, Stage

PFX, PEM = "application/x-pkcs12", "application/x-pem-file"
CERTIFICATES, SECRETS = "Key Vault Certificates Officer", "Key Vault Secrets Officer"
FOLDER = "Azure Rotation"
# Answers to a request that was carried out, of which nobody can tell.
LOST = ("reset after", "hang after it took effect", "503 after it took effect", "malformed body", "empty body")
DAY = 86400.0
PASSWORD, EARLIER = "password-of-the-file-that-was-given", "password-of-the-attachment-before"
LONGEST = 60.0
_WRITES = re.compile(
    r"keeper\.(create|update|delete|add|finalize|rollback)|keeper_files\.upload"
    r"|keyvault\.(set|update|create|import|merge|delete|recover|purge)"
    r"|graph\.(add|remove|create|update|delete|purge)|arm\.(put|patch|post|delete|regenerate)"
)


@pytest.fixture
def shop() -> Iterator[DiscoverStage]:
    """A key vault, and an application that may do everything there, and read all apps."""
    with DiscoverStage(admin_roles=[READ_ALL, WRITE_OWNED]) as made:
        assert isinstance(made, DiscoverStage)
        yield made


class DiscoverStage(Stage):
    """One key vault, in which the admin application may do what the commands ask for; it reads the subscription."""

    def __init__(self, **furnish: Any) -> None:
        super().__init__(**furnish)
        self.api = Api(self)
        self.out = self.folder / "out"
        self.out.mkdir()
        self.sandbox.arm.grant(self.at.admin_client_id, "Reader")
        self.vault = self.add_vault("shop")
        self.sandbox.keyvault.grant(self.at.admin_client_id, "Key Vault Reader", "sandbox-vault")
        self.passwords = {PASSWORD}
        self._there = set(self.sandbox.keeper.vault.records)

    def add_vault(self, name: str, *roles: str) -> Vault:
        """A further vault; without ``roles`` the admin application may do there what it may do in the first one."""
        vault = self.sandbox.keyvault.add_vault(name)
        for role in roles or (CERTIFICATES, SECRETS):
            self.sandbox.keyvault.grant(self.at.admin_client_id, role, vault)
        return vault

    # What is there

    def certificate(self, name: str, days: float = 100.0, vault: Vault | None = None, **more: Any) -> Any:
        """A version of a certificate that expires in so many days."""
        ends = self.sandbox.clock.now() + days * DAY
        return self.sandbox.keyvault.add_certificate(vault or self.vault, name, expires=ends, kty="EC", **more)

    def tls(
        self, name: str, days: float = 100.0, *, form: str = PFX, vault: Vault | None = None, **more: Any
    ) -> SecretVersion:
        """A version of a TLS secret, made as by hand, whose certificate expires in so many days."""
        bundle, ends = make_bundle(name, days), self.sandbox.clock.now() + days * DAY
        value = to_pem(bundle).decode() if form == PEM else base64.b64encode(to_pfx(bundle, name, "")).decode()
        self.sandbox.clock.advance(1)  # Key Vault's versions are told apart by whole seconds
        return self.sandbox.keyvault.set_secret(
            vault or self.vault, name, value, content_type=form, **{"expires": ends, **more}
        )

    def file(self, bundle: Bundle, password: str = "", name: str = "given.pfx") -> str:
        """A PFX file of the operator's; its path."""
        path = self.out / name
        path.write_bytes(to_pfx(bundle, "given", password))
        return str(path)

    def record_of(self, label: str, value: str, kind: str = "pamUser", **more: str) -> str:
        """A record that names something; its uid. It counts as having been there."""
        values = {label: value, **more}
        fields = [
            make_field("secret" if name == "pfx_password" else "text", text, name) for name, text in values.items()
        ]
        uid = self.sandbox.keeper.add_record("mine", kind, [make_field("login", "mine")], fields)
        self._there.add(uid)
        return uid

    def follows(self, name: str, version: SecretVersion, form: str = "") -> str:
        """The record of a TLS secret as an earlier run has left it; its uid. It counts as having been there."""
        bundle = read_value(version.value)
        said, file = facts(bundle.leaf), f"{name}-{version.version[:8]}-000000.{form}" if form else ""
        values = {"tls_secret_version": version.version, "thumbprint": said.thumbprint, "subject": said.subject}
        values |= {"serial_number": said.serial_number, "issuer": said.issuer, "expires": said.expires.strftime(STAMP)}
        values |= {"export": form, "certificate_file": file, "pfx_password": EARLIER if form == "pfx" else ""}
        uid = self.record_of("tls_secret_id", f"{self.vault.url}/secrets/{name}/", "login", **values)
        self.sandbox.keeper.add_file(uid, "notes.txt", b"mine")
        if form:
            content = to_pem(bundle) if form == "pem" else to_pfx(bundle, name, EARLIER)
            self.sandbox.keeper.add_file(uid, file, content)
        return uid

    # The commands

    def command(self, *arguments: str, given: str | None = None, encoding: str = "utf-8", **variables: str) -> Outcome:
        """Run the operator's command, the victim of kill faults; no secret in what it prints or leaves behind."""
        text = None if given is None else given.encode(encoding)
        process = Forked(("-m", "gateway", *arguments), self.variables | variables, text, self.streams, ROOT)
        self.sandbox.victim = process
        outcome = self.outcome_of(process, LONGEST)
        assert outcome.code is not None and "Traceback" not in outcome.stderr and not self.sandbox.errors, (
            outcome, self.sandbox.errors,
        )  # fmt: skip
        assert not self.leaks([outcome])
        return outcome

    def leaks(self, outcomes: Iterable[Outcome]) -> list[str]:
        """As that of every stage, for private keys, what holds one, and the passwords of files besides."""
        outcomes = list(outcomes)
        canaries = self.private()
        seen = [each.stdout + each.stderr for each in outcomes]
        seen += [path.read_text(errors="replace") for path in self.home.rglob("*") if path.is_file()]
        found = super().leaks(outcomes)
        return found + ["a private key or its password" for text in seen if any(each in text for each in canaries)]

    def private(self) -> set[str]:
        """Parts of all private keys, of what holds them, and the passwords of files, as they would show."""
        keeper, texts = self.sandbox.keeper, set[str]()
        for vault in self.sandbox.keyvault.vaults.values():
            texts |= {version.value for secret in vault.secrets.values() for version in secret.versions}
        pems = {text for text in texts if text.startswith("-----BEGIN PRIVATE KEY")}
        files = [content for uid in keeper.vault.records for content in keeper.files(uid).values()]
        held = {text[60:100] for text in texts - pems if len(text) > 100}
        held |= {base64.b64encode(content).decode()[60:100] for content in files if content}
        for text in {*texts - pems}:
            pems |= _key_of(text)
        passwords = {str(keeper.record(uid).value("pfx_password") or "") for uid in keeper.vault.records}
        return ({text.splitlines()[1] for text in pems} | held | passwords | self.passwords) - {""}

    # What is left behind

    def made(self) -> list[RecordView]:
        """The records that commands have made."""
        return [self.sandbox.keeper.record(uid) for uid in self.sandbox.keeper.vault.records if uid not in self._there]

    def writes(self) -> list[str]:
        """The requests that would change something, in Keeper or in Azure."""
        return [each for each in self.sandbox.operations() if _WRITES.match(each)]

    def secret(self, name: str, version: str = "") -> Any:
        """A version of a secret, as Key Vault's own API shows it."""
        return self.api.ask(VAULT, "GET", f"{self.vault.url}/secrets/{name}/{version}?api-version=7.4")

    def versions(self, name: str) -> list[SecretVersion]:
        """The versions of a secret, oldest first."""
        return self.sandbox.keyvault.versions(self.vault, name)

    def shown(self, uid: str) -> str:
        """The version of a secret that a record shows."""
        return str(self.sandbox.keeper.record(uid).value("tls_secret_version") or "")

    def wrong(self, uid: str, name: str, *, complete: bool = True) -> list[str]:
        """What does not hold: the record shows a version that is there, and the attachment is that version's."""
        record, values = self.sandbox.keeper.record(uid), self.sandbox.keeper.record(uid).values()
        found = {each.version: certificate_of(each.value) for each in self.versions(name)}
        shown = self.shown(uid)
        if shown not in found:
            return [f"the record shows version {shown!r}, which is not there"]
        if complete and shown != self.versions(name)[-1].version:
            return ["the record shows an older version"]
        said = facts(found[shown])
        want = {"thumbprint": said.thumbprint, "serial_number": said.serial_number, "subject": said.subject}
        want |= {"issuer": said.issuer, "expires": said.expires.strftime(STAMP)}
        bad = [label for label, text in want.items() if values.get(label) != text]
        return bad + self._wrong_files(record, found[shown], complete)

    def _wrong_files(self, record: RecordView, certificate: x509.Certificate, complete: bool) -> list[str]:
        files, named = self.sandbox.keeper.files(record.uid), str(record.value("certificate_file") or "")
        bad = ["attachments that the record does not name"] if complete and set(files) - {named, "notes.txt"} else []
        if not named:
            return bad
        if not files.get(named):
            return [*bad, f"the attachment {named!r} is not there"]
        content, password = bytes(files[named] or b""), str(record.value("pfx_password") or "")
        is_it = opens(content, named.rpartition(".")[2], password) == certificate
        return bad if is_it else [*bad, "the attachment is another version's"]


def furnish_each(stage: DiscoverStage) -> dict[str, str]:
    """Secrets, records and files of every kind, in the first vault; their names."""
    keyvault, url = stage.sandbox.keyvault, f"{stage.vault.url}/secrets"
    stage.certificate("web")
    stage.certificate("deleted-certificate")
    keyvault.delete_certificate(stage.vault, "deleted-certificate")
    stage.tls("api")
    stage.tls("off", enabled=False)
    for name, kind in (("plain", None), ("text", "text/plain"), ("deleted", PFX), ("umlaut", PFX)):
        value = "p\xe4sswort-and-no-certificate" if name == "umlaut" else "not-a-certificate"
        keyvault.set_secret(stage.vault, name, value, content_type=kind)
    keyvault.delete_secret(stage.vault, "deleted")
    named = {"shows": "api", "locked": "api", "other": "other", "of_plain": "plain", "of_off": "off"}
    names = {name: stage.record_of("tls_secret_id", f"{url}/{secret}") for name, secret in named.items()}
    stage.sandbox.keeper.set_editable(names["locked"], False)
    stage.record_of("tls_secret_id", f"{url}/other", certificate_id=f"{stage.vault.url}/certificates/web")
    names |= {"empty": stage.record_of("note", ""), "app": stage.at.record_uid, "gone": "A" * 22, "url": url}
    return names | _files(stage) | {"folder": stage.sandbox.keeper.vault.default_folder, "out": str(stage.out)}


def _files(stage: DiscoverStage) -> dict[str, str]:
    """A file that is good, and others that are not."""
    for name, key in (("public", None), ("alien", make_bundle("b").key)):
        content = pkcs12.serialize_key_and_certificates(None, key, None, [make_bundle("a").leaf], NoEncryption())
        (stage.out / name).write_bytes(content)
    (stage.out / "broken").write_bytes(b"no PFX at all")
    stage.file(make_bundle("a"), PASSWORD, "protected")
    for name, bundle in (
        ("good", make_bundle("a")),
        ("expired", make_bundle("a", -2)),
        ("large", make_bundle("a", chain=60)),
    ):
        stage.file(bundle, name=name)
    return {path.name: str(path) for path in stage.out.iterdir()}


def make_bundle(name: str, days: float = 100.0, chain: int = 0) -> Bundle:
    """A certificate with its key, signed by itself; ``chain``: so many others besides it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{name}.example.com")])
    ends = datetime.now(UTC).replace(microsecond=0) + timedelta(days=days)
    leaf = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(ends - timedelta(days=400)).not_valid_after(ends)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    return Bundle(key, leaf, tuple(make_bundle(f"{name}-{number}").leaf for number in range(chain)))


def read_value(value: str) -> Bundle:
    """The certificate with its key in the value of a TLS secret, which opens without a password."""
    return read_pem(value.encode()) if value.startswith("-----BEGIN") else read_pfx(base64.b64decode(value), "")


def certificate_of(value: str) -> x509.Certificate:
    """The certificate alone."""
    return read_value(value).leaf


def done(outcome: Outcome) -> Outcome:
    """It ended well."""
    assert outcome.code == 0, outcome
    return outcome


def day(days: float) -> str:
    """A date so many days from now."""
    return f"{datetime.now(UTC) + timedelta(days=days):%Y-%m-%d}"


def mode(path: Path) -> int:
    """The permissions of a file."""
    return path.stat().st_mode & 0o777


def _key_of(value: str) -> set[str]:
    """The private key in a PFX in base64, in PEM."""
    try:
        key = read_pfx(base64.b64decode(value), "").key
    except Exception:  # not every secret is a certificate
        return set()
    return {key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()}

"""A tenant with two key vaults, and the operator's command in it."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from cryptography import x509

from gateway.model.x509 import Bundle, to_pfx
from sandbox.furnish.certificate import OFFICER
from tests.stage import patience
from tests.stage.api import VAULT, Api
from tests.stage.certificate import CertificateStage
from tests.stage.forked import Forked
from tests.stage.rotation import ROOT, Outcome

WRITES = {
    "create_certificate", "merge_certificate", "import_certificate", "update_certificate", "update_certificate_policy",
    "set_certificate_contacts", "update_certificate_operation", "delete_certificate_operation",
    "update_secret", "add_file", "create_secret", "delete_secret",
}  # fmt: skip


class Scene(CertificateStage):
    """A tenant with two key vaults, and a certificate near its end that no record follows but the stage's own."""

    def __init__(self) -> None:
        super().__init__(subject="CN=orders.example.com, O=Contoso", dns_names=["orders.example.com"])
        self.api = Api(self)
        self.vault = self.made.vault
        self.sandbox.keyvault.add_issuer(self.vault, "contoso-ca", "DigiCert")
        self.other = self.sandbox.keyvault.add_vault("front-door")
        for role in ("Key Vault Secrets Officer", "Reader", "Key Vault Reader"):
            self.sandbox.roles.grant(self.at.admin_client_id, role, self.sandbox.arm.resources.subscription)
        self.sandbox.keyvault.grant(self.at.admin_client_id, OFFICER, self.other)
        self.folder_uid = self.sandbox.keeper.vault.default_folder
        self.out = self.folder / "out"
        self.out.mkdir()

    def id(self, name: str) -> str:
        """A certificate of the vault."""
        return f"{self.vault.url}/certificates/{name}"

    def command(self, *arguments: str, stdin: str = "", **variables: str) -> Forked:
        """Start ``keeper-rotation``; it is the victim of kill faults."""
        given, environment = stdin.encode(), self.variables | variables
        self.sandbox.victim = process = Forked(("-m", "gateway", *arguments), environment, given, self.streams, ROOT)
        return process

    def ended(self, process: Forked, code: int) -> tuple[str, str]:
        """What it printed on stdout and stderr: it ends with this exit code, and shows no secret."""
        stdout, stderr = (text.decode() for text in process.communicate(timeout=patience.seconds(30)))
        assert process.returncode == code, (process.returncode, stdout, stderr)
        assert not self.leaks([Outcome(process.returncode, stdout, stderr)])
        return stdout, stderr

    def ask(self, *arguments: str, code: int = 0, stdin: str = "") -> str:
        """Run the command, which ends with this exit code and shows no secret; what it printed on stdout."""
        return self.ended(self.command(*arguments, stdin=stdin), code)[0]

    def said(self, *arguments: str, code: int = 0, stdin: str = "") -> str:
        """The same; what it printed on stderr. One that fails has one error, and a hint."""
        said = self.ended(self.command(*arguments, stdin=stdin), code)[1]
        assert code != 1 or ("error: " in said and "hint: " in said), said
        return said

    def rows(self, *arguments: str, **more: Any) -> Any:
        """The same, as JSON."""
        return json.loads(self.ask(*arguments, "--json", **more))

    def written(self) -> list[str]:
        """The requests of the commands that changed something."""
        return [operation for operation in self.sandbox.operations() if operation.partition(".")[2] in WRITES]

    def at_vault(self, path: str) -> Any:
        """What Key Vault's own API says."""
        return self.api.ask(VAULT, "GET", f"{self.vault.url}{path}", params={"api-version": "7.4"})

    def certificate(self, name: str, version: str = "") -> x509.Certificate:
        """A certificate as Key Vault gives it out."""
        shown = self.at_vault(f"/certificates/{name}/{version}")
        return x509.load_der_x509_certificate(base64.b64decode(shown["cer"]))

    def listed(self, name: str) -> list[str]:
        """The versions of a certificate, by its age."""
        found = self.at_vault(f"/certificates/{name}/versions")["value"]
        return [each["id"].rpartition("/")[2] for each in sorted(found, key=lambda each: each["attributes"]["created"])]

    def records_of(self, label: str, address: str) -> list[str]:
        """The records whose field names this."""
        keeper = self.sandbox.keeper
        return [uid for uid in keeper.vault.records if keeper.record(uid).value(label) == address]

    def record(self, uid: str, label: str) -> str:
        """A field of a record."""
        return str(self.sandbox.keeper.record(uid).value(label) or "")

    def pfx(self, password: str, name: str = "upload") -> Path:
        """A PFX file on the operator's disk, outside of what the command may write to."""
        made = self.sandbox.keyvault.add_certificate(self.other, name, dns_names=["shop.example.com"])
        path = self.out / f"{name}.pfx"
        path.write_bytes(to_pfx(Bundle(made.key, made.certificate, ()), name, password))
        return path

    def uploaded(self) -> x509.Certificate:
        """The certificate in that file."""
        return self.sandbox.keyvault.certificate_versions(self.other, "upload")[0].certificate

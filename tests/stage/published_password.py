"""A stage whose record has a password that Keeper rotates."""

from __future__ import annotations

from dataclasses import replace

from tests.stage.rotation import ROOT, Outcome, Stage

SCRIPT = ROOT / "scripts" / "publish_password.py"
OLD, NEW = "old-Password-1!", "new/Pass:word@2 #äöü%"


class PasswordStage(Stage):
    """A stage with a record that Keeper rotates, delivered to a vault that holds the old password."""

    def __init__(self, **settings: str) -> None:
        super().__init__()
        self.vault = self.sandbox.keyvault.add_vault("passwords-vault")
        self.sandbox.keyvault.set_secret(self.vault, "mongodb", OLD, tags={"team": "orders"})
        self.sandbox.keyvault.grant(self.at.admin_client_id, "Key Vault Secrets Officer", self.vault)
        self.address = f"{self.vault.url}/secrets/mongodb"
        fields = [{"type": "login", "value": ["orders app"]}, {"type": "password", "value": [OLD]}]
        wanted = {"deliver_to": self.address} | settings
        custom = [{"type": "text", "label": label, "value": [value]} for label, value in wanted.items()]
        uid = self.sandbox.keeper.add_record("orders database", "pamUser", fields, custom)
        self.at = replace(self.at, record_uid=uid)
        self.sandbox.issued.extend([OLD, NEW])

    def save(self, password: str) -> None:
        """The Gateway saves the record; it may do so before or after it runs the script."""
        (field,) = [entry for entry in self.stored()["fields"] if entry["type"] == "password"]
        field["value"] = [password]

    def standard(self) -> str:
        """The record's password."""
        (field,) = [entry for entry in self.stored()["fields"] if entry["type"] == "password"]
        return str(field["value"][0])

    def publish(self, old: str = OLD, new: str = NEW, **variables: str) -> Outcome:
        """Run the script as the Gateway does after it has rotated the password."""
        line = self.line(newPassword=new, oldPassword=old)
        outcome = self.finish(self.start(line, script=SCRIPT, **variables))
        assert not self.leaks([outcome])
        return outcome

    def held(self) -> str | None:
        return self.sandbox.keyvault.value(self.vault, "mongodb")

"""A MongoDB user in a simulation, or two that take turns."""

from __future__ import annotations

import random
from typing import ClassVar

from tests.simulate.worlds import World
from tests.stage.mongodb_user import OLD, SCRIPT, MongoStage
from tests.stage.rotation import Process


class MongoWorld(World):
    """A MongoDB user, or two that take turns, and a key vault."""

    name = "mongodb_user"
    may_be_copied = False  # a user has one password
    forgets = True
    outputs = ("password_id", "password")
    policies: ClassVar = {
        "alternate_login": ("", "orders-b"),
        "rotate_before_hours": ("", "24", "720"),
        "secret_lifetime_days": ("", "60"),
    }
    requests: ClassVar = [
        *(("keeper.get_secret", nth) for nth in (1, 2, 3, 4)),
        *(("keeper.update_secret", nth) for nth in (1, 2, 3)),
        *(("mongodb.updateUser", nth) for nth in (1, 1, 1, 2)),
        *(("mongodb.saslContinue", nth) for nth in (1, 3, 5, 7)),
        *((f"keyvault.{name}", 1) for name in ("get_secret", "set_secret", "set_secret")),
    ]  # fmt: skip

    def __init__(self, choice: random.Random) -> None:
        self.mongo = MongoStage(**{label: choice.choice(values) for label, values in self.policies.items()})
        self.mongo.attached.append(self.mongo.at.admin_record_uid)
        super().__init__(self.mongo)
        keyvault = self.stage.sandbox.keyvault
        self.vault = keyvault.add_vault("passwords-vault")
        keyvault.set_secret(self.vault, "orders", OLD)
        keyvault.grant(self.stage.at.admin_client_id, "Key Vault Secrets Officer", self.vault)
        self.edit(self.records[0], "deliver_to", choice.choice(("", *self.lines())))

    def _start(self, line: bytes, **variables: str) -> Process:
        return self.stage.start(line, SCRIPT, **variables)

    def works(self, record: str) -> bool:
        """The published password logs in."""
        return self._logs_in(record, "login", "password")

    def alive(self, record: str) -> bool:
        """Or the pending one does, which the record holds, too."""
        return self.works(record) or self._logs_in(record, "alternate_login", "pending_password")

    def _logs_in(self, record: str, login: str, password: str) -> bool:
        name = self.value(record, login) or self.value(record, "login")
        value = self.value(record, password)
        return bool(value) and self.mongo.server.password_works(name, value, "shop")

    def lines(self) -> list[str]:
        """One key vault secret."""
        return [f"{self.vault.url}/secrets/orders"]

    def held(self) -> dict[str, str | None]:
        """The newest version."""
        return {self.lines()[0]: self.stage.sandbox.keyvault.value(self.vault, "orders")}

    def accepted(self, value: str) -> bool:
        """One of two users logs in with it. What a single user's destination holds dies with each rotation."""
        if any(not self.value(record, "alternate_login") for record in self.records):
            return False
        return any(self.mongo.server.password_works(name, value, "shop") for name in ("orders", "orders-b"))

    def leftovers(self) -> set[str]:
        """Nothing is listed."""
        return set()

    def break_destination(self, broken: bool) -> None:
        """The key vault's firewall."""
        self.vault.firewall = broken

    def meddle(self, choice: random.Random) -> str:
        """Somebody changes a password on the server."""
        name = choice.choice(("orders", "orders-b"))
        self.mongo.server.set_password(name, "changed-by-a-person-1", "shop")
        return f"{name} gets another password on the server"

"""An app with client secrets in a simulation, delivered to one destination of each kind."""

from __future__ import annotations

import random
from typing import ClassVar

from sandbox.entra.directory import Password
from tests.simulate.worlds import World, requests_of
from tests.stage.rotation import Stage


class AppWorld(World):
    """An app with client secrets, and one destination of each kind."""

    name = "azure_app_secret"
    requests = requests_of("delivered to everyone")
    outputs = ("client_secret_id", "client_secret")
    policies: ClassVar = {
        "remove_old": ("all", "replaced", "none", ""),
        "overlap_hours": ("", "24", "1"),
        "rotate_before_hours": ("", "24", "720"),
        "secret_lifetime_days": ("", "60", "180"),
    }

    def __init__(self, choice: random.Random) -> None:
        settings = {label: choice.choice(values) for label, values in self.policies.items()}
        settings = {label: value for label, value in settings.items() if value}
        super().__init__(Stage(old_secrets=choice.choice((0, 1, 2)), foreign=choice.choice((0, 1)), settings=settings))
        made = self.stage.deliver()
        self.made = made
        if choice.random() < 0.4:
            self.edit(self.records[0], "deliver_to", "\n".join(choice.sample(self.lines(), 2)))

    def works(self, record: str) -> bool:
        """The secret signs in, under its own key id."""
        entra, client_id = self.stage.sandbox.entra, self.stage.at.target_client_id
        secret = self.value(record, "client_secret")
        key_id = self.value(record, "client_secret_id")
        return entra.secret_works(client_id, secret) and entra.key_of(client_id, secret) == key_id

    def shows_anothers(self, record: str) -> bool:
        """The marker in the secret's name names another record."""
        names = {each.key_id: each.display_name or "" for each in self._passwords()}
        name = names.get(self.value(record, "client_secret_id"), "")
        return name.startswith("keeper:") and name.split(":")[1] != record

    def lines(self) -> list[str]:
        """One of each kind, and a second API connection."""
        return list(self.made.addresses)

    def held(self) -> dict[str, str | None]:
        """The runbook is given an address, and holds nothing."""
        return {address: text for address, text in self.made.held().items() if address != self.made.runbook_address}

    def accepted(self, value: str) -> bool:
        """It signs in."""
        return self.stage.sandbox.entra.secret_works(self.stage.at.target_client_id, value)

    def leftovers(self) -> set[str]:
        """With remove_old=none everything stays."""
        if any(self.value(record, "remove_old") == "none" for record in self.records):
            return set()
        published = {self.value(record, "client_secret_id") for record in self.records}
        return self.stage.marked() - published - self.remembered()

    def break_destination(self, broken: bool) -> None:
        """The key vault's firewall."""
        self.made.vault.firewall = broken

    def _passwords(self) -> list[Password]:
        return self.stage.sandbox.graph.passwords(self.stage.at.target_object_id)

    def meddle(self, choice: random.Random) -> str:
        """In the portal: a secret more, or one less."""
        graph, target, passwords = self.stage.sandbox.graph, self.stage.at.target_object_id, self._passwords()
        if passwords and choice.random() < 0.5:
            gone = choice.choice(passwords)
            self.stage.sandbox.directory.applications[target].passwords.remove(gone)
            return f"{gone.key_id} is removed in the portal"
        key_id, _ = graph.add_password(target, "by hand")
        return f"{key_id} is made in the portal"

"""What is rotated in a simulation: a stage, its records, its hosts, and what an observer can see of it."""

from __future__ import annotations

import json
import random
import shutil
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from sandbox.entra.directory import Password
from sandbox.proxy import faults
from tests.stage.mongodb_user import OLD as MONGO_OLD
from tests.stage.mongodb_user import SCRIPT as MONGO_SCRIPT
from tests.stage.mongodb_user import MongoStage
from tests.stage.rotation import Outcome, Process, Stage
from tests.stage.storage_key import SCRIPT as STORAGE_SCRIPT
from tests.stage.storage_key import StorageStage
from tests.sweep.known_requests import known

YEARS = 10 * 365 * 86400.0
# A run that waits for a fault costs this much of real time.
HASTE = {"ROTATION_PROVE_TIMEOUT_SECONDS": "1", "ROTATION_REQUEST_TIMEOUT_SECONDS": "0.7"}


def requests_of(scene: str) -> list[tuple[str, int]]:
    """Those of a rotation in this scene."""
    return [each for each in known(scene) if not each[0].endswith(".connect")]


class World(ABC):
    """One target with its records.

    ``records``: their uids, the original first. ``hosts``: lock directories. ``broken``: what a destination lacks.
    """

    name: str
    requests: Sequence[tuple[str, int]]
    """what a rotation asks for: an operation, and which one of its kind"""
    outputs: tuple[str, ...]
    """the labels of what the record publishes"""
    may_be_copied = True
    policies: Mapping[str, tuple[str, ...]]
    """what an operator may write into which field"""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.records = [stage.at.record_uid]
        self.hosts = [stage.home / name for name in ("host-a", "host-b")]
        self.history: dict[str, list[dict[str, Any]]] = {}
        self.late: list[faults.Fault] = []
        admin = stage.sandbox.directory.applications[stage.at.admin_object_id]
        for password in admin.passwords:
            password.end += YEARS

    def close(self) -> None:
        """Let go what is held, and clear away."""
        self.stage.sandbox.faults.clear()
        self.stage.__exit__()

    # Runs

    def start(self, record: str, host: Path, **variables: str) -> Process:
        """A run on one of the hosts, as the Gateway starts it."""
        line = self.stage.line(userRecordUid=record)
        return self._start(line, ROTATION_LOCK_DIR=str(host), **{**HASTE, **variables})

    def _start(self, line: bytes, **variables: str) -> Process:
        return self.stage.start(line, **variables)

    def run(self, record: str, host: Path, **variables: str) -> Outcome:
        """The same, to its end."""
        return self.stage.finish(self.start(record, host, **variables))

    # Records

    def value(self, record: str, label: str) -> str:
        """A field as the vault keeps it."""
        return str(self.stage.sandbox.keeper.record(record).value(label) or "")

    def edit(self, record: str, label: str, value: str) -> None:
        """As somebody edits it."""
        self.stage.sandbox.keeper.edit(record, label, value)

    def data(self, record: str) -> dict[str, Any]:
        """Its content, as the vault keeps it."""
        return self.stage.sandbox.keeper.vault.records[record].data

    @property
    def pasted(self) -> str:
        """The label of what somebody pastes a wrong value into."""
        return self.outputs[1]

    def published(self, record: str) -> dict[str, str]:
        """What it publishes, by label."""
        return {label: self.value(record, label) for label in self.outputs}

    def is_revoking(self, record: str) -> bool:
        """Whether all that it ever published is to end."""
        state = self.value(record, "rotation_state")
        return self.value(record, "rotate_now").lower() == "revoke" or "revoking" in state

    def remembered(self) -> set[str]:
        """Key ids that any record has dated."""
        texts = (self.value(record, "rotation_state") for record in self.records)
        return {entry["key_id"] for text in texts if text for entry in json.loads(text).get("retire", [])}

    # What an observer sees

    @abstractmethod
    def works(self, record: str) -> bool:
        """Whether what the record publishes is accepted."""

    def alive(self, record: str) -> bool:
        """Whether the record holds anything that is accepted."""
        return self.works(record)

    def shows_anothers(self, record: str) -> bool:
        """Whether what the record publishes was made for another record."""
        return False

    @abstractmethod
    def lines(self) -> list[str]:
        """All destinations that there are, as lines of deliver_to."""

    @abstractmethod
    def held(self) -> dict[str, str | None]:
        """What each of them holds, by the address without parameters."""

    @abstractmethod
    def accepted(self, value: str) -> bool:
        """Whether a value is accepted now."""

    @abstractmethod
    def leftovers(self) -> set[str]:
        """What was made here and no record publishes, dates or may keep by its policy."""

    @abstractmethod
    def break_destination(self, broken: bool) -> None:
        """The first destination refuses everybody, or no longer does."""

    @abstractmethod
    def meddle(self, choice: random.Random) -> str:
        """Somebody does something to the target by hand; what, in words."""

    def is_of_another(self, outcome: Outcome) -> bool:
        """Whether a run rightly refused to end what a copy of the record publishes."""
        return len(self.records) > 1 and "published by record" in str(outcome.report.get("error"))

    def served(self, record: str) -> dict[str, str | None]:
        """What the record's own required destinations hold."""
        named = [line.split("?")[0] for line in self.value(record, "deliver_to").splitlines() if line.strip()]
        return {address: text for address, text in self.held().items() if address in named}

    def lose_host(self, number: int) -> None:
        """Its lock directory is gone."""
        shutil.rmtree(self.hosts[number], ignore_errors=True)

    def clone_host(self) -> None:
        """The second host is a copy of the first."""
        self.lose_host(1)
        if self.hosts[0].exists():
            shutil.copytree(self.hosts[0], self.hosts[1])
            self.hosts[1].chmod(0o700)


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


class StorageWorld(World):
    """A storage account with two keys, and a key vault."""

    name = "azure_storage_key"
    requests = requests_of("storage key")
    outputs = ("active_key", "storage_key")
    policies: ClassVar = {
        "remove_old": ("all", "replaced", "none", ""),
        "overlap_hours": ("", "0", "24"),
        "rotate_before_hours": ("", "24", "720"),
    }

    def __init__(self, choice: random.Random) -> None:
        self.storage = StorageStage(settings={label: choice.choice(values) for label, values in self.policies.items()})
        super().__init__(self.storage)
        self.address = self.storage.to_key_vault()
        if choice.random() < 0.3:
            self.edit(self.records[0], "deliver_to", "")

    def _start(self, line: bytes, **variables: str) -> Process:
        return self.stage.start(line, STORAGE_SCRIPT, **variables)

    def works(self, record: str) -> bool:
        """The key signs, and is the one that the record names."""
        keys = self.stage.sandbox.storage.keys(self.storage.made.account)
        key = self.value(record, "storage_key")
        return keys.get(self.value(record, "active_key")) == key and self.accepted(key)

    def lines(self) -> list[str]:
        """One key vault secret."""
        return [self.address]

    def held(self) -> dict[str, str | None]:
        """The newest version, where it is enabled."""
        last = self.storage.versions()[-1]
        return {self.address: last.value if last.enabled else ""}

    def accepted(self, value: str) -> bool:
        """It signs."""
        return self.stage.sandbox.storage.key_works(self.storage.made.account_name, value)

    def leftovers(self) -> set[str]:
        """There are always two."""
        return set()

    def break_destination(self, broken: bool) -> None:
        """The key vault's firewall."""
        for vault in self.stage.sandbox.keyvault.vaults.values():
            vault.firewall = broken

    def meddle(self, choice: random.Random) -> str:
        """Somebody regenerates a key."""
        key = choice.choice(("key1", "key2"))
        self.stage.sandbox.storage.regenerate(self.storage.made.account, key)
        return f"{key} is regenerated in the portal"


class MongoWorld(World):
    """A MongoDB user, or two that take turns, and a key vault."""

    name = "mongodb_user"
    may_be_copied = False  # a user has one password
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
        keyvault.set_secret(self.vault, "orders", MONGO_OLD)
        keyvault.grant(self.stage.at.admin_client_id, "Key Vault Secrets Officer", self.vault)
        self.edit(self.records[0], "deliver_to", choice.choice(("", *self.lines())))

    def _start(self, line: bytes, **variables: str) -> Process:
        return self.stage.start(line, MONGO_SCRIPT, **variables)

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

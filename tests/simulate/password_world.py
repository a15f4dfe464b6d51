"""A password in a simulation that Keeper itself rotates: each run of the Gateway sets a new one first."""

from __future__ import annotations

import random
from pathlib import Path
from typing import ClassVar

from tests.simulate.worlds import HASTE, World
from tests.stage.published_password import SCRIPT, PasswordStage
from tests.stage.rotation import Outcome, Process

_LABEL = "its password"


class PasswordWorld(World):
    """A password that a key vault and another record get. What they held before is dead when a run begins."""

    name = "publish_password"
    outputs = ("login", "password")
    may_be_copied = False
    """the Gateway rotates a user's password in one record"""
    policies: ClassVar = {"rotation_enabled": ("True", "")}
    requests: ClassVar = [
        *(("keeper.get_secret", nth) for nth in (1, 2, 3, 4)),
        *(("keeper.update_secret", nth) for nth in (1, 2)),
        *((f"keyvault.{name}", nth) for name in ("get_secret", "set_secret") for nth in (1, 2)),
        ("entra.token", 1),
    ]  # fmt: skip

    def __init__(self, choice: random.Random) -> None:
        self.password, self.choice = PasswordStage(), choice
        super().__init__(self.password)
        self.consumer = self.stage.consumer(_LABEL)
        self.edit(self.records[0], "deliver_to", "\n".join(self.lines()))
        self.set: list[str] = []
        """all passwords that were set so far"""
        self.unsaved: dict[int, tuple[str, str]] = {}
        """by the run's process: the old password and the new one, which the Gateway saves after it"""

    def start(self, record: str, host: Path, **variables: str) -> Process:
        """The Gateway sets a password, and saves it before it runs the script, or after."""
        old, new = self.value(record, "password"), f"set/{len(self.set)}:Pass@word #é"
        self.set.append(new)
        self.stage.sandbox.issued.append(new)
        saves_first = self.choice.random() < 0.5
        if saves_first:
            self.edit(record, "password", new)
        line = self.stage.line(userRecordUid=record, newPassword=new, oldPassword=old)
        process = self.stage.start(line, SCRIPT, ROTATION_LOCK_DIR=str(host), **{**HASTE, **variables})
        if not saves_first:
            self.unsaved[process.pid] = (old, new)
        return process

    def finish(self, process: Process) -> Outcome:
        """The Gateway saves what another run of it has not replaced meanwhile."""
        outcome = super().finish(process)
        old, new = self.unsaved.pop(process.pid, ("", ""))
        if new and self.value(self.records[0], "password") == old:
            self.edit(self.records[0], "password", new)
        return outcome

    def published(self, record: str) -> dict[str, str]:
        """The script publishes no field of the record: Keeper does."""
        return {}

    def works(self, record: str) -> bool:
        """What the record shows is Keeper's to prove."""
        return True

    def lines(self) -> list[str]:
        """A key vault secret and a field of another record."""
        return [self.password.address, f"keeper:{self.consumer}#{_LABEL}"]

    def held(self) -> dict[str, str | None]:
        """The newest version, and the field."""
        return dict(zip(self.lines(), (self.password.held(), self.value(self.consumer, _LABEL)), strict=True))

    def accepted(self, value: str) -> bool:
        """What a destination holds dies with each rotation, before the script begins."""
        return False

    def leftovers(self) -> set[str]:
        """Nothing is listed."""
        return set()

    def break_destination(self, broken: bool) -> None:
        """The key vault's firewall."""
        self.password.vault.firewall = broken

    def refuses_rightly(self, outcome: Outcome) -> bool:
        """There is nobody to deliver to."""
        return "deliver_to is empty" in str(outcome.report.get("error"))

    def meddle(self, choice: random.Random) -> str:
        """Somebody writes something else into the key vault."""
        self.stage.sandbox.keyvault.set_secret(self.password.vault, "mongodb", "by hand")
        return "the key vault secret is changed in the portal"

"""What is rotated in a simulation: a stage, its records, its hosts, and what an observer can see of it."""

from __future__ import annotations

import json
import random
import shutil
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sandbox.proxy import faults
from tests.stage.rotation import Outcome, Process, Stage
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
    forgets = False
    """whether a record that is put back cannot be told from what the service lists: it marks nothing with our name"""
    policies: Mapping[str, tuple[str, ...]]
    """what an operator may write into which field"""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.records = [stage.at.record_uid]
        self.hosts = [stage.home / name for name in ("host-a", "host-b")]
        self.history: dict[str, list[dict[str, Any]]] = {}
        self.late: list[faults.Fault] = []
        self.put_back: set[str] = set()
        """records that were put back, and have had no good run since"""
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

    def finish(self, process: Process) -> Outcome:
        """Wait for it."""
        outcome = self.stage.finish(process)
        if outcome.code == 0:
            self.put_back.discard(outcome.report["record"])
        return outcome

    def run(self, record: str, host: Path, **variables: str) -> Outcome:
        """A run, to its end."""
        return self.finish(self.start(record, host, **variables))

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
    def pasted(self) -> tuple[str, ...]:
        """The labels of what somebody pastes a wrong value into."""
        return self.outputs[1:]

    def published(self, record: str) -> dict[str, str]:
        """What it publishes, by label."""
        return {label: self.value(record, label) for label in self.outputs}

    def is_enabled(self, record: str) -> bool:
        """Whether it is rotated at all."""
        return self.value(record, "rotation_enabled") != "False"

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

    def refuses_rightly(self, outcome: Outcome) -> bool:
        """Whether no run can heal what is there: here, that a copy of the record publishes what is to end."""
        return len(self.records) > 1 and "not regenerated is" in str(outcome.report.get("error"))

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

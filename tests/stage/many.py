"""A stage with several apps to rotate, and the command that runs what is due."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sandbox.furnish.rotation import pam_user
from sandbox.proxy.exchanges import LoggedRequest
from tests.stage import patience
from tests.stage.rotation import ROOT, Outcome, Stage


class ManyStage(Stage):
    """Some apps that were never rotated, each with its record; the one of `Stage` is not due."""

    def __init__(self, apps: int = 3, **furnish: Any) -> None:
        super().__init__(settings={"rotate_before_hours": "1"}, **furnish)
        self.apps: dict[str, str] = {}
        """object id of each app, by the uid of its record"""
        for number in range(apps):
            self.add_app(f"app {number}")

    def add_app(self, name: str, **settings: str) -> str:
        """One more; the uid of its record."""
        app = self.sandbox.graph.new_application(name)
        app.owners.append(self.at.admin_principal_id)
        uid = pam_user(self.sandbox, app, settings={"rotate_before_hours": "24", **settings})
        self.apps[uid] = app.object_id
        return uid

    def begin_due(self, *arguments: str, **variables: str) -> subprocess.Popen[bytes]:
        """Start the command, in a new process."""
        command = [sys.executable, "-m", "gateway", "run-due", "--json", *(arguments or ("--all",))]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, stdout=pipe, stderr=pipe, env=self.variables | variables, cwd=ROOT)

    def due(self, *arguments: str, **variables: str) -> Outcome:
        """The command, to its end; its report has the line of each run by the record's uid."""
        return self.end_of(self.begin_due(*arguments, **variables))

    def end_of(self, process: subprocess.Popen[bytes]) -> Outcome:
        """Wait for it."""
        outcome = self.outcome_of(process, 60)
        runs = [json.loads(line) for line in outcome.stdout.splitlines()]
        outcome.report = {run["record"]: run for run in runs}
        assert len(outcome.report) == len(runs), outcome
        assert not self.leaks([outcome])
        return outcome

    def results(self, outcome: Outcome) -> dict[str, int]:
        """How many runs ended in which way."""
        words = [run["result"] for run in outcome.report.values()]
        return {word: words.count(word) for word in sorted(set(words))}

    def works(self, uid: str) -> bool:
        """Whether a record publishes the secret that lives on its app, and no other lives there."""
        record, app = self.sandbox.keeper.record(uid), self.sandbox.graph.application(self.apps[uid])
        live = [password.key_id for password in self.sandbox.graph.passwords(self.apps[uid])]
        secret = str(record.value("client_secret"))
        return self.sandbox.entra.secret_works(app.client_id, secret) and live == [record.value("client_secret_id")]

    def only(self, uid: str) -> Any:
        """For a fault: requests about this record's app."""
        object_id = self.apps[uid]

        def is_about(request: LoggedRequest) -> bool:
            return object_id in request.path

        return is_about


def children(pid: int) -> list[int]:
    """The processes that a process has begun."""
    with contextlib.suppress(OSError):
        return [int(text) for text in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


class OnlyChild:
    """For kill faults: the one run that a command has begun."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def __call__(self) -> None:
        for pid in self._pids():
            os.kill(pid, signal.SIGKILL)

    def _pids(self) -> Iterator[int]:
        yield from children(self._process.pid)


LONG = patience.seconds(30)

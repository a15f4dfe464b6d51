"""A furnished sandbox, and a way to run a script in it as the Keeper Gateway does: for tests, sweep and bench."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sandbox import Sandbox
from sandbox.furnish.destinations import Destinations, furnish_destinations
from sandbox.keeper.vault import make_field
from sandbox.proxy.service import Service
from tests.stage import patience
from tests.stage.forked import Forked

Process = subprocess.Popen[bytes] | Forked
ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "azure_app_secret.py"
NEW_PASSWORD = "dummy-Password-of-the-Gateway-9!"

# Waits shortened, never removed: every path that waits still does.
QUICK = {
    "ROTATION_PROVE_INTERVAL_SECONDS": "0",
    "ROTATION_PROVE_TIMEOUT_SECONDS": "2",
    "ROTATION_RETRY_BASE_SECONDS": "0.02",
}
LONGEST = 20.0  # seconds after which a run counts as hung


@dataclass
class Outcome:
    """How a run of the script ended; ``code`` is None where it hung and was killed."""

    code: int | None
    stdout: str
    stderr: str
    report: dict[str, Any] = field(default_factory=dict)

    @property
    def result(self) -> str:
        """The word in the JSON line."""
        return str(self.report.get("result", ""))


class Stage:
    """One sandbox, one furnished rotation, and folders that the script may write to."""

    def __init__(
        self,
        *,
        latency: float = 0.0,
        echoes_requests: bool = False,
        attach_admin: bool = True,
        services: Sequence[Service] = (),
        **furnish: Any,
    ) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="rotation-"))
        self.sandbox = Sandbox(latency=latency, echoes_requests=echoes_requests, services=services)
        self.sandbox.start()
        self.at = self.sandbox.furnish(**furnish)
        self.destinations: Destinations | None = None
        self.others: list[str] = []
        """uids of further records that publish a secret of the target"""
        self.attached = [self.at.admin_record_uid] if attach_admin else []
        self.streams = self.folder / "streams"
        self.streams.mkdir()
        self.home = self.folder / "home"
        self.home.mkdir()
        keeper = self.folder / "keeper"
        keeper.mkdir()
        self.variables = {
            **QUICK,
            # A request that hangs costs this long, so it is not stretched as far as what costs nothing.
            "ROTATION_REQUEST_TIMEOUT_SECONDS": f"{patience.seconds(0.7, most=3):g}",
            "ROTATION_DEADLINE_SECONDS": f"{patience.seconds(12):g}",
            **self.sandbox.env(keeper),
            "HOME": str(self.home),
            "PATH": os.environ["PATH"],
            "ROTATION_LOCK_DIR": str(self.home / "locks"),
            "NO_PROXY": "",
        }

    def __enter__(self) -> Stage:
        return self

    def __exit__(self, *_: object) -> None:
        self.sandbox.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    # The script as the Gateway runs it

    def params(self, **changes: Any) -> dict[str, Any]:
        """What the Gateway passes, before the outer base64; ``records`` still a list."""
        uids = [self.at.config_record_uid, *self.attached, self.at.record_uid]
        return {
            "providerRecordUid": self.at.config_record_uid,
            "resourceRecordUid": None,
            "userRecordUid": self.at.record_uid,
            "newPassword": NEW_PASSWORD,
            "oldPassword": None,
            "user": "orders-api",
            "records": [self.flat(uid) for uid in uids],
        } | changes

    def flat(self, uid: str) -> dict[str, Any]:
        """A record as the Gateway hands it over."""
        data = self.sandbox.keeper.record(uid).data
        fields = [entry for entry in (*data.get("custom", []), *data.get("fields", [])) if entry["type"] != "script"]
        values = {entry.get("label") or entry["type"]: (entry["value"] or [""])[0] for entry in fields}
        return {"uid": uid, "title": data["title"], **values}

    def line(self, **changes: Any) -> bytes:
        """The line on stdin."""
        params = self.params(**changes)
        return encoded({**params, "records": encoded(params["records"]).decode()}) + b"\n"

    def start(
        self, line: bytes | None = None, script: Path = SCRIPT, *, new: bool = False, **variables: str
    ) -> Process:
        """Start the script; it is the victim of kill faults.

        Args:
            new: in a new process, for what depends on how one begins and ends; else in a forked one, which takes a
                quarter of the time.
        """
        given, environment = self.line() if line is None else line, self.variables | variables
        if new or "PYTHONPATH" in environment:  # what that names is loaded while a process begins
            self.sandbox.victim = process = start_process(script, given, environment, self.home)
        else:
            self.sandbox.victim = process = Forked((str(script),), environment, given, self.streams, self.home)
        return process

    def finish(self, process: Process, seconds: float = LONGEST) -> Outcome:
        """Wait for it, and read its report."""
        outcome = self.outcome_of(process, seconds)
        lines = outcome.stdout.splitlines()
        return replace(outcome, report=json.loads(lines[-1]) if lines else {})

    def outcome_of(self, process: Process, seconds: float = LONGEST) -> Outcome:
        """Wait for it."""
        try:
            stdout, stderr = process.communicate(timeout=patience.seconds(seconds))
            code = process.returncode
        except subprocess.TimeoutExpired:
            process.kill()
            code, (stdout, stderr) = None, process.communicate()
        return Outcome(code, stdout.decode(), stderr.decode())

    def run(self, line: bytes | None = None, **options: Any) -> Outcome:
        """Start and wait; options as those of `start`."""
        return self.finish(self.start(line, **options))

    # Destinations

    def consumer(self, label: str, value: str = "old", *more: dict[str, Any]) -> str:
        """The uid of another record with a hidden field, which agrees to what the stage's record delivers."""
        fields = [make_field("secret", value, label), make_field("multiline", self.at.record_uid, "receives_from")]
        return self.sandbox.keeper.add_record("consumer", "login", [], [*fields, *more])

    def deliver(self, *only: str, optional: bool = False, **options: Any) -> Destinations:
        """Furnish one destination of each kind, and name them (or only these fields of them) in the record."""
        self.destinations = furnish_destinations(self.sandbox, self.at, **options)
        addresses = [getattr(self.destinations, name) for name in only] if only else self.destinations.addresses
        lines = [("optional " if optional else "") + address for address in addresses]
        self.sandbox.keeper.edit(self.at.record_uid, "deliver_to", "\n".join(lines))
        return self.destinations

    def working(self) -> dict[str, bool]:
        """Whether what each destination holds signs in."""
        return self.destinations.working() if self.destinations else {}

    def undelivered(self) -> list[str]:
        """What is wrong after a complete run: who holds something else than the record, or has lost something."""
        if not self.destinations:
            return []
        held = self.destinations.held()
        held.pop(self.destinations.runbook_address)
        found = [f"not delivered: {address}" for address, text in held.items() if text != self.value("client_secret")]
        found += [
            f"its own test fails: {address}" for address, passed in self.destinations.tested().items() if not passed
        ]
        jobs = self.sandbox.automation.started(self.destinations.runbook)
        given = [job.parameters.get("SecretId", "") for job in jobs]
        if len(given) != len(set(given)):
            found.append("a runbook was started twice for one secret")
        return found

    # The state left behind

    def stored(self) -> dict[str, Any]:
        """The PAM User record as the vault keeps it: what is changed here is changed there, and no revision moves."""
        return self.sandbox.keeper.vault.records[self.at.record_uid].data

    def value(self, label: str) -> str:
        """A field of the PAM User record."""
        return str(self.sandbox.keeper.record(self.at.record_uid).value(label) or "")

    def live(self) -> set[str]:
        """Key ids of the target's secrets."""
        return {password.key_id for password in self.sandbox.graph.passwords(self.at.target_object_id)}

    def marked(self) -> set[str]:
        """Those of them that this tool made."""
        passwords = self.sandbox.graph.passwords(self.at.target_object_id)
        return {password.key_id for password in passwords if (password.display_name or "").startswith("keeper:")}

    def published_works(self) -> bool:
        """Whether the record's secret signs in, and its key id is that secret's."""
        works = self.sandbox.entra.secret_works(self.at.target_client_id, self.value("client_secret"))
        key = self.sandbox.entra.key_of(self.at.target_client_id, self.value("client_secret"))
        return works and key == self.value("client_secret_id")

    def canaries(self) -> set[str]:
        """Every value that must not be seen, in every form."""
        config = self.sandbox.keeper.client_config()
        plain = {*self.sandbox.issued, NEW_PASSWORD, config["privateKey"], config["appKey"]}
        return {form for text in plain for form in forms(text)}

    def leaks(self, outcomes: Iterable[Outcome]) -> list[str]:
        """Where a canary can be seen: the outputs, and every file below the script's home."""
        texts = {f"output of run {number}": each.stdout + each.stderr for number, each in enumerate(outcomes, 1)}
        for path in self.home.rglob("*"):
            if path.is_file():
                texts[str(path.relative_to(self.home))] = path.read_bytes().decode(errors="replace")
        canaries = self.canaries()
        return [where for where, text in texts.items() if any(canary in text for canary in canaries)]


def start_process(
    script: Path, line: bytes, variables: dict[str, str], cwd: Path, python: Path = Path(sys.executable)
) -> subprocess.Popen[bytes]:
    """The script in a process of its own, as the Gateway starts it."""
    pipe = subprocess.PIPE
    command = [str(python), str(script)]
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, env=variables, cwd=cwd)
    assert process.stdin
    with contextlib.suppress(BrokenPipeError):  # it may refuse to read ten megabytes
        process.stdin.write(line)
        process.stdin.close()
    process.stdin = None
    return process


def encoded(value: object) -> bytes:
    """Base64 of JSON."""
    return base64.b64encode(json.dumps(value).encode())


def forms(text: str) -> set[str]:
    """The ways in which a secret may turn up."""
    return {
        text,
        quote(text, safe=""),
        json.dumps(text)[1:-1],
        base64.b64encode(text.encode()).decode().rstrip("="),
        base64.urlsafe_b64encode(text.encode()).decode().rstrip("="),
    }

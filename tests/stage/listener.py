"""A stage for the listener, and the listener as a process."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

from sandbox.event_hub import EventHub, event_grid, subject
from sandbox.furnish.rotation import pam_user
from sandbox.key_vault.vaults import Vault
from tests.stage import patience
from tests.stage.rotation import ROOT, SCRIPT, Outcome, Stage

GROUP = "keeper-rotation"
DAY = 86400.0
# The shortest that a broker admits, so that a dead listener is missed soon.
QUICK = {
    "LISTEN_RETRY_SECONDS": "0.3",
    "LISTEN_KAFKA": "session.timeout.ms=6000;heartbeat.interval.ms=500;socket.timeout.ms=2000;"
    "reconnect.backoff.max.ms=500",
    "LISTEN_SCRIPTS": f"application_object_id={SCRIPT}",
    "REGION_NAME": "westeurope",
    # A rotation that is held must not run into its own timeout.
    "ROTATION_REQUEST_TIMEOUT_SECONDS": "10",
    "ROTATION_DEADLINE_SECONDS": "30",
}


def free_port() -> int:
    """A port that nobody has."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


class Listener:
    """One listener's process."""

    def __init__(self, stage: Stage, hub: EventHub, **variables: str) -> None:
        self._stage = stage
        self._place = f"127.0.0.1:{free_port()}"
        self._log = stage.folder / f"listener-{self._place.rpartition(':')[2]}.log"
        own = {"LISTEN_HEALTH_ADDRESS": self._place}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "gateway", "listen"],
            env=stage.variables | QUICK | hub.variables | own | variables,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=self._log.open("wb"),
            stderr=subprocess.STDOUT,
        )

    def get(self, path: str) -> tuple[int, str]:
        """Status and body; 0 where nobody answers."""
        try:
            with urllib.request.urlopen(f"http://{self._place}{path}", timeout=patience.seconds(5)) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def health(self) -> tuple[int, dict[str, Any]]:
        """``/healthz``."""
        status, body = self.get("/healthz")
        return status, json.loads(body or "{}")

    def figure(self, name: str, **labels: str) -> float:
        """The sum of a metric over the labels that are not given."""
        rows = re.findall(rf"^keeper_rotation_{name}(?:{{(.*)}})? (\S+)$", self.get("/metrics")[1], re.MULTILINE)
        wanted = {f'{label}="{value}"' for label, value in labels.items()}
        return sum(float(value) for given, value in rows if wanted <= set(given.split(",")))

    def outcomes(self) -> dict[str, int]:
        """How many events ended in which way."""
        found = re.findall(r'events_total{outcome="(\w+)",type="\w+"} (\S+)', self.get("/metrics")[1])
        counted: dict[str, int] = {}
        for outcome, number in found:
            counted[outcome] = counted.get(outcome, 0) + int(float(number))
        return counted

    def log(self) -> str:
        """What it has said so far."""
        return self._log.read_text(encoding="utf-8")

    def stop(self) -> str:
        """SIGTERM; what it said. No secret is in it."""
        if self.process.poll() is None:
            self.process.terminate()
        assert self.process.wait(patience.seconds(30)) == 0, self.log()
        assert "Traceback" not in self.log()
        assert not self._stage.leaks([Outcome(0, self.log(), "")])
        return self.log()


def wait(what: Callable[[], Any], seconds: float = 25.0) -> None:
    """Until it is so."""
    until = time.monotonic() + patience.seconds(seconds)
    while not what():
        assert time.monotonic() < until, "it never came to this"
        time.sleep(0.05)


class Many:
    """Further apps, each with a record that delivers its secret to a key vault, where it ends in a month."""

    def __init__(self, stage: Stage, count: int, **settings: str) -> None:
        sandbox = stage.sandbox
        self.stage = stage
        self.vault: Vault = sandbox.keyvault.add_vault("many-vault")
        sandbox.keyvault.grant(stage.at.admin_client_id, "Key Vault Secrets Officer", self.vault)
        self.names = [f"app-{number}-secret" for number in range(count)]
        self.records = {name: self._record(name, settings) for name in self.names}

    def _record(self, name: str, settings: dict[str, str]) -> str:
        sandbox = self.stage.sandbox
        app = sandbox.graph.new_application(name)
        app.owners.append(self.stage.at.admin_principal_id)
        key_id, secret = sandbox.graph.add_password(app, "old")
        sandbox.keyvault.set_secret(self.vault, name, secret, expires=sandbox.clock.now() + 30 * DAY)
        deliver_to = {"deliver_to": f"{self.vault.url}/secrets/{name}"}
        return pam_user(sandbox, app, key_id, secret, settings=deliver_to | settings)

    def versions(self) -> list[int]:
        """How many versions each secret has."""
        return [len(self.stage.sandbox.keyvault.versions(self.vault, name)) for name in self.names]

    def rotations(self) -> list[int]:
        """How many new secrets each has had; that two hosts deliver one new secret twice is no rotation."""
        made = [self.stage.sandbox.keyvault.versions(self.vault, name) for name in self.names]
        return [len({version.tags["keeper-key-id"] for version in each[1:]}) for each in made]

    def event(self, name: str) -> dict[str, Any]:
        """That it is near its end, in its current version."""
        return event_grid(subject(self.vault, name))

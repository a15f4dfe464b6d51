"""The demo's second act: Key Vault says that a secret is near its end, and the listener rotates the storage key."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from sandbox.demo.screen import command, say, verdict
from sandbox.event_hub import EventHub, event_grid, subject
from sandbox.furnish.destinations import furnish_destinations
from sandbox.furnish.storage import FurnishedStorage
from sandbox.sandbox import Sandbox

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "azure_storage_key.py"
MONTH = 30 * 86400.0
NAME = "orders-storage-key"
PATIENCE = 25.0


class Act:
    """One storage account whose published key lies in a key vault, where it ends in a month."""

    def __init__(self, sandbox: Sandbox, folder: Path) -> None:
        self.sandbox = sandbox
        at = sandbox.furnish(old_secrets=0)
        self.vault = furnish_destinations(sandbox, at).vault
        address = f"{self.vault.url}/secrets/{NAME}"
        self.made: FurnishedStorage = sandbox.furnish_storage(at, settings={"deliver_to": address})
        first = sandbox.storage.keys(self.made.account)["key1"]
        sandbox.keyvault.set_secret(self.vault, NAME, first, expires=sandbox.clock.now() + MONTH)
        sandbox.keyvault.grant(at.admin_client_id, "Key Vault Secrets Officer", self.vault, NAME)
        inherited = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        own = {
            "ROTATION_LOCK_DIR": str(folder / "locks"),
            "ROTATION_PROVE_INTERVAL_SECONDS": "0.2",
            "LISTEN_SCRIPTS": f"storage_account_id={SCRIPT}",
            "LISTEN_HEALTH_ADDRESS": "127.0.0.1:0",
            "LISTEN_KAFKA": "session.timeout.ms=6000;heartbeat.interval.ms=500",
        }
        self.environment = inherited | sandbox.env(folder) | own

    def show(self) -> None:
        """The record and the vault, side by side."""
        record = self.sandbox.keeper.record(self.made.record_uid)
        published, held = str(record.value("storage_key")), str(self.sandbox.keyvault.value(self.vault, NAME))
        for where, key in ((f"Keeper record, {record.value('active_key')}", published), ("Key Vault secret", held)):
            works = self.sandbox.storage.key_works(self.made.account_name, key)
            verdict(works, f"{where:36} {key[:3]}…")

    def is_done(self) -> bool:
        """Whether the other key is published, works, and lies in the vault."""
        record = self.sandbox.keeper.record(self.made.record_uid)
        key = str(record.value("storage_key"))
        works = self.sandbox.storage.key_works(self.made.account_name, key)
        return record.value("active_key") == "key2" and works and self.sandbox.keyvault.value(self.vault, NAME) == key


def play(folder: Path) -> bool:
    """Publish an event and let the listener answer it; whether it did."""
    with Sandbox() as sandbox, EventHub() as hub:
        act = Act(sandbox, folder)
        act.show()
        command("keeper-rotation listen")
        listener = subprocess.Popen(
            [sys.executable, "-m", "gateway", "listen"],
            env=act.environment | hub.variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        say(f"    (Key Vault publishes SecretNearExpiry for {NAME})")
        hub.publish(event_grid(subject(act.vault, NAME)))
        until = time.monotonic() + PATIENCE
        while not act.is_done() and time.monotonic() < until and listener.poll() is None:
            time.sleep(0.1)
        listener.terminate()
        said, _ = listener.communicate(timeout=30)
        for line in said.splitlines():
            if f"record {act.made.record_uid}" in line:
                say(
                    "    " + line.replace(act.made.record_uid, "…").replace(act.vault.url.removeprefix("https://"), "…")
                )
        say()
        act.show()
        return act.is_done()

"""``python -m sandbox.demo``: the main job, shown to somebody who has never seen it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from sandbox.demo.events import play
from sandbox.demo.processes import killer
from sandbox.demo.published import compare
from sandbox.demo.screen import act, command, say, verdict
from sandbox.furnish.destinations import furnish_destinations
from sandbox.furnish.rotation import Furnished
from sandbox.proxy import faults
from sandbox.sandbox import Sandbox

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "azure_app_secret.py"
# Of what the command prints: the rest is for those who look for it.
SHOWN = ("result ", "proved ", "delivered ", "removed ", "warning:", "error:", "hint:", "exit ")


class Demo:
    """One sandbox, and what is said about it."""

    def __init__(self, sandbox: Sandbox, folder: Path) -> None:
        self.sandbox = sandbox
        self.at: Furnished = sandbox.furnish(old_secrets=2, foreign=1)
        self.destinations = furnish_destinations(sandbox, self.at)
        sandbox.keeper.edit(self.at.record_uid, "deliver_to", "\n".join(self.destinations.addresses))
        inherited = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        own = {"ROTATION_LOCK_DIR": str(folder / "locks"), "ROTATION_PROVE_INTERVAL_SECONDS": "0.2"}
        self.environment = inherited | sandbox.env(folder) | own

    def show(self, *, each: bool = False) -> None:
        """The record in Keeper, the secrets in Entra, and the destinations; ``each`` by its name."""
        record = self.sandbox.keeper.record(self.at.record_uid)
        value = str(record.value("client_secret"))
        say(f"  Keeper record {record.title!r}, client_secret {value[:3]}… (hidden)")
        verdict(self.sandbox.entra.secret_works(self.at.target_client_id, value), "the secret in the record signs in")
        say("  Client secrets of the app 'orders-api' in Entra:")
        for password in self.sandbox.graph.passwords(self.at.target_object_id):
            mark = "<- the record's" if password.key_id == record.value("client_secret_id") else ""
            name = (password.display_name or "")[:20]
            say(f"      {password.key_id[:8]}…  {password.text[:3]}…  {name:20}  {mark}".rstrip())
        if each:
            self._show_destinations()
        else:
            verdict(self.all_served(), f"all {len(self.destinations.held())} destinations hold a secret that works")

    def all_served(self) -> bool:
        """Whether every destination holds a secret that works."""
        return all(self.destinations.working().values()) and all(self.destinations.tested().values())

    def left_over(self) -> int:
        """Secrets on the app that the record does not publish."""
        return len(self.sandbox.graph.passwords(self.at.target_object_id)) - 1

    def _show_destinations(self) -> None:
        made, working = self.destinations, self.destinations.working()
        names = {
            made.secret_address: "Key Vault secret",
            made.devops_address: "Azure DevOps service connection",
            made.connection_address: "Logic Apps connection (Key Vault)",
            made.set_connection_address: "Logic Apps connection (Tables)",
        }
        say("  Destinations that hold it, too:")
        for address, text in made.held().items():
            if address in names:
                verdict(working[address], f"{names[address]:36} {(text or '')[:3]}…")
        jobs = self.sandbox.automation.started(made.runbook)
        verdict(True, f"{'Automation runbook':36} {'started with it' if jobs else 'not started yet'}")

    def rotate(self) -> int:
        """What the Keeper Gateway does on its schedule."""
        arguments = ["run", str(SCRIPT), f"--record={self.at.record_uid}", f"--attach={self.at.admin_record_uid}"]
        command("keeper-rotation run scripts/azure_app_secret.py --record=…")
        process = subprocess.Popen(
            [sys.executable, "-m", "gateway", *arguments],
            env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        self.sandbox.victim = killer(process)
        output, _ = process.communicate()
        lines = output.splitlines()
        for begins in SHOWN:  # in the order in which it happened
            for line in lines:
                if line.startswith(begins):
                    say("    " + line)
        say()
        return process.returncode


def main() -> int:
    """Rotate, then kill a rotation at its worst moment and let the next one heal it."""
    with tempfile.TemporaryDirectory() as folder, Sandbox() as sandbox:
        demo = Demo(sandbox, Path(folder))
        say("A stand-in Keeper vault and Entra tenant run on this machine. A PAM User record")
        say("publishes the client secret of the app 'orders-api'.")
        act(1, "Before", "Two more secrets are on the app; no consumer is known for them.")
        demo.show(each=True)
        act(2, "A rotation", "Make a new secret, prove it, save it, deliver it: only then end the old ones.")
        ends = [demo.rotate()]
        demo.show()
        act(3, "Killed at the worst moment", "SIGKILL, after the new secret was made and before it was saved.")
        sandbox.fault("keeper", "update_secret", faults.KillBefore())
        ends.append(demo.rotate())
        say("  What worked still works. The app has one more secret: an orphan.")
        say()
        demo.show()
        was_left = demo.left_over() == 1 and demo.all_served()
        act(4, "The next run on the schedule", "It knows the orphan by its name, rotates, and removes it.")
        ends.append(demo.rotate())
        demo.show()
        healed = demo.left_over() == 0 and demo.all_served()
    act(5, "An event", "Key Vault says that a storage key is near its end; the listener rotates it.")
    with tempfile.TemporaryDirectory() as folder:
        answered = play(Path(folder))
    fine = (ends, was_left, healed, answered) == ([0, 3, 0], True, True, True)
    say()
    verdict(fine, "Nothing was lost at any moment." if fine else "SOMETHING WENT WRONG")
    with tempfile.TemporaryDirectory() as folder:
        compare(Path(folder))
    say("\nNext: docs/get-started.md, the way to your first real rotation." if fine else "")
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())

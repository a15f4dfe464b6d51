"""``python -m sandbox.demo``: the main job, shown to somebody who has never seen it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from sandbox.demo.events import play
from sandbox.furnish.destinations import furnish_destinations
from sandbox.furnish.rotation import Furnished
from sandbox.proxy import faults
from sandbox.proxy.clock import iso
from sandbox.sandbox import Sandbox

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "azure_app_secret.py"


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

    def show(self) -> None:
        """The record in Keeper and the secrets in Entra, side by side."""
        record = self.sandbox.keeper.record(self.at.record_uid)
        say(f"  Keeper record  {record.title!r}")
        for label in ("client_secret_id", "client_secret", "expires"):
            value = str(record.value(label))
            say(f"    {label:17} {value[:3] + '…' + ' (hidden)' if label == 'client_secret' else value}")
        works = self.sandbox.entra.secret_works(self.at.target_client_id, str(record.value("client_secret")))
        say(f"    {'':17} {'this secret signs in' if works else 'THIS SECRET IS DEAD'}")
        say("  Entra app      'orders-api', its client secrets")
        for password in self.sandbox.graph.passwords(self.at.target_object_id):
            mark = "<- the record publishes it" if password.key_id == record.value("client_secret_id") else ""
            name, until = (password.display_name or "")[:24], iso(password.end)[:10]
            say(f"    {password.key_id}  {password.text[:3]}…  {name:24}  until {until}  {mark}".rstrip())

        self._show_destinations()

    def all_served(self) -> bool:
        """Whether every destination holds a secret that works."""
        return all(self.destinations.working().values()) and all(self.destinations.tested().values())

    def _show_destinations(self) -> None:
        """Who else holds a secret, and whether it works."""
        made, working = self.destinations, self.destinations.working()
        names = {
            made.secret_address: "Key Vault secret",
            made.devops_address: "Azure DevOps service connection",
            made.connection_address: "Logic Apps connection (Key Vault)",
            made.set_connection_address: "Logic Apps connection (Tables)",
        }
        say("  Who else holds it")
        for address, text in made.held().items():
            if address in names:
                state = "signs in" if working[address] else "DEAD"
                say(f"    {names[address]:36}  {(text or '')[:3]}…  {state}")
        jobs = self.sandbox.automation.started(made.runbook)
        given = jobs[-1].parameters["SecretId"].rsplit("/", 1)[0] if jobs else ""
        say(f"    {'Automation runbook':36}  " + (f"told to read {given}" if jobs else "not started yet"))

    def rotate(self) -> int:
        """What the Keeper Gateway does on its schedule."""
        script = SCRIPT.relative_to(Path.cwd()) if SCRIPT.is_relative_to(Path.cwd()) else SCRIPT
        arguments = ["run", str(script), f"--record={self.at.record_uid}", f"--attach={self.at.admin_record_uid}"]
        say("  $ keeper-rotation " + " ".join(arguments))
        command = [sys.executable, "-m", "gateway", *arguments]
        process = subprocess.Popen(
            command, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            start_new_session=True,
        )  # fmt: skip
        self.sandbox.victim = _killer(process)
        output, _ = process.communicate()
        for line in output.splitlines():
            say("    " + line)
        return process.returncode


def _killer(process: subprocess.Popen[str]) -> Callable[[], None]:
    def kill() -> None:
        os.killpg(process.pid, 9)
        process.wait()

    return kill


def say(text: str = "") -> None:
    """One line, at once."""
    print(text, flush=True)


def main() -> int:
    """Rotate, then kill a rotation at its worst moment and let the next one heal it."""
    with tempfile.TemporaryDirectory() as folder, Sandbox() as sandbox:
        demo = Demo(sandbox, Path(folder))
        say(
            "A stand-in Keeper vault and Entra tenant run on this machine. A PAM User record in the vault publishes the"
        )
        say("client secret of the app 'orders-api'. Two more secrets are on the app; nobody remembers why. Four others")
        say("hold the published secret and have to get each new one: the record's field deliver_to names them.\n")
        say("1. Before")
        demo.show()
        say(
            "\n2. A rotation: make a new secret, prove that it signs in, save it in the record, deliver it to everyone,"
        )
        say("   and only then remove the old ones")
        first = demo.rotate()
        say("\n3. After")
        demo.show()
        say("\n4. Another rotation, killed with SIGKILL after the new secret was made and before it was saved")
        sandbox.fault("keeper", "update_secret", faults.KillBefore())
        demo.rotate()
        say("  The process is dead. The record still publishes the secret that works; one more secret, whose value")
        say("  nobody knows, was left on the app:")
        demo.show()
        say("\n5. The next run on the schedule knows it by its name, removes it, and rotates")
        last = demo.rotate()
        demo.show()
        healed = len(sandbox.graph.passwords(demo.at.target_object_id)) == 1 and demo.all_served()
    say(
        "\n6. Second act. A storage key lies in Key Vault, where it ends in a month. The listener waits at an Event Hub"
    )
    with tempfile.TemporaryDirectory() as folder:
        answered = play(Path(folder))
    fine = (first, last, healed, answered) == (0, 0, True, True)
    say("\nNothing was lost at any moment." if fine else "\nSOMETHING WENT WRONG")
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())

"""The demo's act with Keeper's published script, killed where ours was; its text comes from ``REFERENCE_SCRIPT`` alone.

Source: https://docs.keeper.io/en/keeperpam/privileged-access-manager/password-rotation/post-rotation-scripts
"""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any

from sandbox.demo.screen import act, command, say, verdict
from sandbox.furnish.destinations import Destinations, furnish_destinations
from sandbox.furnish.rotation import Furnished
from sandbox.proxy import faults
from sandbox.sandbox import Sandbox

VARIABLE = "REFERENCE_SCRIPT"
_CONFIGURATION = "/etc/keeper-gateway/gateway-config.json"


def cut_out(folder: Path) -> Path | None:
    """The published script, cut out of the document that holds it; None where no document is named."""
    source = os.environ.get(VARIABLE)
    if not source:
        return None
    text = Path(source).read_text(encoding="utf-8")
    found = re.search(r"^import logging\n.*?(?=^Last updated|\Z)", text, re.MULTILINE | re.DOTALL)
    if not found:
        sys.exit(f"{source}: no script in it")
    path = folder / "reference.py"
    path.write_text(found.group(0), encoding="utf-8")
    return path


def compare(folder: Path) -> None:
    """Kill the published script before it saves, and show what is left; where it is not given, say how to see that."""
    script = cut_out(folder)
    if script is None:
        say()
        say("Keeper's published script beside this one, in numbers: docs/benchmarks.md")
        say(f"See what it loses in such a moment: make demo {VARIABLE}=FILE")
        return
    act(6, "Keeper's published script", "SIGKILL, after the new secret was made and before it was saved, as in act 3.")
    with Sandbox() as sandbox:
        at = sandbox.furnish(old_secrets=2, foreign=1)
        destinations = furnish_destinations(sandbox, at)
        before = [each.key_id for each in sandbox.graph.passwords(at.target_object_id)]
        said = _run(script, sandbox, at, folder)
        _show(sandbox, at, destinations)
        _show_secrets(sandbox, at, before, said + json.dumps(destinations.held()))


def _show(sandbox: Sandbox, at: Furnished, destinations: Destinations) -> None:
    value = str(sandbox.keeper.record(at.record_uid).value("client_secret"))
    verdict(sandbox.entra.secret_works(at.target_client_id, value), "the secret in the record signs in")
    working = destinations.working()
    number = f"{sum(working.values())} of {len(working)}"
    verdict(all(working.values()), f"{number} destinations hold a secret that works")


def _show_secrets(sandbox: Sandbox, at: Furnished, before: Collection[str], elsewhere: str) -> None:
    """Which secrets are on the app; ``elsewhere``: what the script printed, and what destinations hold."""
    now = sandbox.graph.passwords(at.target_object_id)
    left = {each.key_id for each in now} & {*before}
    others = f"{len(at.foreign_key_ids)} of the {len(before)} was made by others"
    verdict(len(left) == len(before), f"{len(left)} of {len(before)} earlier secrets are left ({others})")
    kept = elsewhere + json.dumps(sandbox.keeper.record(at.record_uid).data)
    for each in now:
        if each.key_id not in before:
            verdict(each.text in kept, f"the new secret, {each.key_id[:8]}…, is saved anywhere")


def _run(script: Path, sandbox: Sandbox, at: Furnished, folder: Path) -> str:
    """What it printed until it was killed."""
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    environment |= sandbox.env(folder)
    text = script.read_text(encoding="utf-8")
    script.write_text(text.replace(_CONFIGURATION, environment["KSM_CONFIG_FILE"]), encoding="utf-8")
    command("python published_script.py")
    sandbox.fault("keeper", "update_secret", faults.KillBefore())
    process = subprocess.Popen(
        [sys.executable, script], env=environment, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    sandbox.victim = process.kill
    said, _ = process.communicate(_line(at))
    say(f"    exit {process.returncode}: the script was killed")
    say()
    return said


def _line(at: Furnished) -> str:
    """What the Gateway hands over, with the admin credential attached."""
    credential = {"application_client_id": at.admin_client_id, "tenant_id": at.tenant_id}
    records = [{"uid": at.admin_record_uid, **credential, "client_secret": at.admin_secret}]
    return _encoded({"userRecordUid": at.record_uid, "records": _encoded(records)}) + "\n"


def _encoded(value: Any) -> str:
    return base64.b64encode(json.dumps(value).encode()).decode()

"""Running a record's script as the Keeper Gateway would, in a process of its own: a fork, for doors of ours."""

from __future__ import annotations

import base64
import json
import logging
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from gateway.errors import Failed
from gateway.host.settings import Settings
from gateway.host.shown import shown
from gateway.keeper.parameters import gateway_line
from gateway.keeper.record import VaultRecord
from gateway.keeper.vault import Vault
from gateway.kinds.registry import ROTATED
from gateway.listener.records import new_http
from gateway.listener.warm.handle import CAN_FORK, Ran, WarmProcess

log = logging.getLogger("gateway")

# A script ends by itself at its deadline and a few seconds; one that does not is broken.
_GRACE_SECONDS = 60.0
_MOST_LINES = 20
_MOST_OF_A_DOOR = 20_000


@dataclass(frozen=True)
class ScriptResult:
    """How a script ended. ``code`` is negative where it was killed; ``report`` is its JSON line, or empty."""

    code: int
    seconds: float
    report: Mapping[str, Any] = field(default_factory=dict)

    @property
    def result(self) -> str:
        """The word for it, as in the JSON line."""
        return str(self.report.get("result") or ("killed" if self.code < 0 else "broken"))

    def reason(self) -> Failed:
        """Why it is not done, for people."""
        what = str(self.report.get("error") or f"the script ended with exit {self.code} and without an error")
        return Failed(what, str(self.report.get("hint") or ""))


class Rotator:
    """Runs scripts.

    Args:
        config: the Keeper configuration as JSON text.
        settings: of the host.
        scripts: path of the script, by the field that names a record's target.
        configuration: uid of the PAM configuration, or empty.
    """

    def __init__(self, config: str, settings: Settings, scripts: Mapping[str, str], configuration: str) -> None:
        self._config = config
        self._settings = settings
        self._scripts = scripts
        self._configuration = configuration
        kinds = [facts.name for facts in ROTATED if facts.target in scripts]
        self._warm = WarmProcess(kinds, _environment()) if CAN_FORK else None

    def script_of(self, record: VaultRecord) -> str:
        """The script for the record's kind of target.

        Raises:
            Failed: no script is set up for it.
        """
        for label, script in self._scripts.items():
            if record.value(label).strip():
                return script
        raise Failed(
            f"record {record.uid} has none of the fields {', '.join(self._scripts)}",
            "name the script for its kind of target in the setting scripts",
        )

    def line(self, record: VaultRecord, unless_rotated_since: str) -> bytes:
        """The Gateway's line for the record, read now; due now, unless its `last_rotated` has changed meanwhile.

        Raises:
            Failed, CallError
        """
        http = new_http(self._settings)
        try:
            visible = Vault(self._config, http).read([])
        finally:
            http.session.close()
        line = gateway_line(visible, record.uid, [], self._configuration, due_now=True)
        params = json.loads(base64.b64decode(line)) | {"dueWhileLastRotated": unless_rotated_since}
        return base64.b64encode(json.dumps(params).encode()) + b"\n"

    def start(self) -> None:
        """Get ready, before other threads are begun."""
        if self._warm:
            self._warm.start()

    def stop(self) -> None:
        """What is under way ends by itself."""
        if self._warm:
            self._warm.close()

    def run(self, script: str, uid: str, line: bytes) -> ScriptResult:
        """Run it to its end; what it says on stderr goes to the log. Raises Failed: it could not be begun."""
        began, longest = monotonic(), self._settings.deadline + _GRACE_SECONDS
        try:
            run = self._warm.run if self._warm and _is_door(script) else _in_new_process
            ran = run(script, line, longest)
        except OSError as error:
            what = f"no process for the run: {error.strerror or error}; nothing was changed"
            raise Failed(what, "look at the limits of this host") from None
        for text in ran.said.decode(errors="replace").splitlines()[:_MOST_LINES]:
            log.info("record %s: %s", uid, shown(text)[:500])
        return ScriptResult(ran.code, monotonic() - began, _report(ran.output))


def _is_door(script: str) -> bool:
    """Whether it only starts what this package does; any other script gets a Python of its own."""
    with open(script, "rb") as file:
        return b"\nsys.exit(open_door(" in file.read(_MOST_OF_A_DOOR)


def _in_new_process(script: str, line: bytes, seconds: float) -> Ran:
    # A session of its own: Ctrl-C on a terminal is for the listener, which lets the script finish.
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=_environment(),
        start_new_session=True,
    )
    try:
        output, said = process.communicate(line, seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        output, said = process.communicate()
    return Ran(process.returncode, output, said)


def _environment() -> dict[str, str]:
    # Without our label: msal takes REGION_NAME for an Azure region, and complains.
    return {name: value for name, value in os.environ.items() if name != "REGION_NAME"}


def _report(output: bytes) -> dict[str, Any]:
    try:
        report = json.loads(output)
    except (ValueError, RecursionError):
        return {}
    return report if isinstance(report, dict) else {}

"""Running a script by hand as the Gateway would, and showing its outcome."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import click

from gateway.host.deadline import Deadline
from gateway.host.http import Http
from gateway.host.notify import days_left, in_days
from gateway.host.settings import read_settings
from gateway.keeper.config import find_ksm_config
from gateway.keeper.parameters import gateway_line
from gateway.keeper.vault import Vault

MEANING = {
    0: "done",
    1: "failed; the record, and what it publishes, are as before",
    2: "what the record shows works; something is left over, and the hint says who finishes it",
    3: "unknown; look at what the error and the hint say",
}
# Results that end with exit 0 and are no rotation.
NOT_ROTATED = {
    "not_due": "nothing was rotated: the published credential expires in {days} ({expires}); "
    "add --now to rotate it now",
    "disabled": "nothing was done: rotation_enabled is False in the record",
    "finished": "nothing was rotated: open deliveries were completed with the published credential; "
    "to rotate, run it again with --now",
    "superseded": "another run rotated meanwhile; the record shows its credential",
}


def run_script(
    script: str,
    record_uid: str,
    attached: Iterable[str],
    configuration_uid: str,
    *,
    now: bool,
    as_json: bool,
    revoke: bool = False,
    even_where_not_delivered: bool = False,
) -> int:
    """Run ``script`` for a record and show its outcome, as the script's own JSON line or for people; its exit code.

    Raises:
        Failed: a record cannot be read, or it is not clear which PAM configuration is meant.
        CallError
    """
    settings = read_settings()
    http = Http(settings.request_timeout, Deadline(settings.deadline, settings.retry_base))
    vault = Vault(find_ksm_config(), http)
    line = gateway_line(
        vault.read([]),
        record_uid,
        list(attached),
        configuration_uid,
        due_now=now,
        revoke=revoke,
        even_where_not_delivered=even_where_not_delivered,
        by_hand=True,
    )
    http.session.close()
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        # Ctrl-C reaches the script as well, which ends and says what had happened by then.
        signal.signal(signal.SIGINT, lambda *_: None)
    # On stdin only: a command line and an environment can be read by others.
    process = subprocess.run([sys.executable, script], input=line, stdout=subprocess.PIPE, check=False)  # noqa: S603
    output = process.stdout.decode(errors="replace")
    report = _report(output)
    click.echo(output if as_json or not report else _readable(report), nl=False)
    click.echo(f"exit {process.returncode}: {_meaning(process.returncode, report, http.now())}", err=True)
    return process.returncode


def _report(output: str) -> dict[str, Any]:
    """The JSON line of a script; empty where there is none."""
    try:
        report = json.loads(output)
    except ValueError:
        return {}
    return report if isinstance(report, dict) and "result" in report else {}


def _meaning(code: int, report: dict[str, Any], now: datetime) -> str:
    if code < 0:
        return "the script was killed"
    if not report:
        return "the script ended without an outcome; is it one of this bundle?"
    if code:
        return MEANING.get(code, "not a code of these scripts")
    expires = str(report.get("expires"))
    text = NOT_ROTATED.get(str(report["result"]), MEANING[0])
    return text.format(days=in_days(days_left(expires, now) or 0), expires=expires)


def _readable(report: dict[str, Any]) -> str:
    """The keys of the JSON line that say something, one a line; lists one entry a line."""
    lines = []
    for key, value in report.items():
        for entry in value if isinstance(value, list) else [value]:
            text = "  ".join(map(str, entry.values())) if isinstance(entry, dict) else str(entry)
            if text and key not in ("error", "hint"):  # these two are on stderr already
                lines.append(f"{key:12} {text}\n")
    return "".join(lines)

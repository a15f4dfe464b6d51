"""Running a script by hand as the Gateway would, and showing its outcome."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping
from datetime import datetime
from time import monotonic
from typing import Any

import click

from gateway.commands.shared.interrupt import handle_signals, interrupted
from gateway.commands.shared.progress import progress
from gateway.errors import Failed, Unknown
from gateway.host.deadline import Deadline
from gateway.host.http import Http
from gateway.host.notify.expiry import days_left, in_days
from gateway.host.process import python
from gateway.host.settings import read_settings
from gateway.host.shown import shown
from gateway.keeper.config import find_ksm_config
from gateway.keeper.parameters import gateway_line
from gateway.keeper.record import VaultRecord
from gateway.keeper.vault import Vault
from gateway.kinds import registry

MEANING = {
    0: "done",
    1: "failed: the record and its published secret are as before",
    2: "incomplete: the secret in the record works, something is left over",
    3: "unknown: look at what the hint names",
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


def command_of(script: str) -> list[str]:
    """What starts a script that is named by its path, or by the name that it has in this package. Raises Failed."""
    if os.path.isfile(script):
        return [sys.executable, script]
    names = [kind.name for kind in registry.KINDS if kind.implementation]
    name = os.path.basename(script).removesuffix(".py")
    if name not in names:
        raise Failed(f"there is no script {script!r}", f"give the path of a file, or one of {', '.join(names)}")
    return python(f"from gateway.run import open_door; open_door({name!r}, arguments=[])")


def run_script(
    command: list[str],
    record_uid: str,
    attached: Iterable[str],
    configuration_uid: str,
    *,
    now: bool,
    as_json: bool,
    revoke: bool = False,
    even_where_not_delivered: bool = False,
) -> int:
    """Run a script for a record, and show its outcome: its own JSON line, or what people read; its exit code.

    Raises:
        Failed: a record or the PAM configuration cannot be read, or this was interrupted before the script began.
        CallError
    """
    settings = read_settings()
    http = Http(settings.request_timeout, Deadline(settings.deadline, settings.retry_base))
    vault = Vault(find_ksm_config(), http)
    visible = vault.read([])
    line = gateway_line(
        visible,
        _uid_of(record_uid, visible),
        list(attached),
        configuration_uid,
        due_now=now,
        revoke=revoke,
        even_where_not_delivered=even_where_not_delivered,
        by_hand=True,
    )
    http.session.close()
    output, code = _run(command, line)
    report = _report(output)
    for text in _lines(output, report, as_json=as_json):
        click.echo(text)
    ends = code if code >= 0 else Unknown.exit_code
    again = ", with --revoke: later runs may not know of it" if revoke and code < 0 else ""
    click.echo(f"exit {ends}: {_meaning(code, report, http.now())}{again}", err=True)
    return ends


def _uid_of(name: str, visible: Mapping[str, VaultRecord]) -> str:
    """A record may be named by its whole title, where no other has it."""
    titled = [uid for uid, record in visible.items() if record.title.casefold() == name.casefold()]
    return titled[0] if name not in visible and len(titled) == 1 else name


def _run(command: list[str], line: bytes) -> tuple[str, int]:
    """What it prints, and its exit code. Ctrl-C and SIGTERM tell it to stop, and it says what had happened by then."""
    process: subprocess.Popen[bytes] | None = None
    told: list[int] = []

    def pass_on(number: int) -> None:
        told.append(number)
        if process and os.name == "posix":  # on Windows a terminal's Ctrl-C reaches the script, too
            # The first one lets it take back what it has made; a second one interrupts that.
            process.send_signal(signal.SIGTERM if len(told) == 1 else signal.SIGINT)

    handle_signals(pass_on)
    # A session of its own: what a terminal sends is for us. The line goes to stdin: others can read arguments.
    process = subprocess.Popen(  # noqa: S603
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    )
    if told:
        process.terminate()
    began = monotonic()
    # A rotation may wait for half a minute without a word. Where nobody looks, nobody is told.
    with progress(lambda: f"running for {monotonic() - began:.0f} s" if sys.stderr.isatty() else ""):
        output, _ = process.communicate(line)
    code = process.returncode
    if told and code == -signal.SIGTERM and not output:
        raise interrupted(None)  # it hears of it before it reads its stdin
    return output.decode(errors="replace"), code


def _report(output: str) -> dict[str, Any]:
    """The JSON line of a script; empty where there is none."""
    try:
        report = json.loads(output)
    except (ValueError, RecursionError):
        return {}
    return report if isinstance(report, dict) and "result" in report else {}


def _meaning(code: int, report: dict[str, Any], now: datetime) -> str:
    if code < 0:
        return "the script was killed; look at the record, and run it again"
    if not report:
        return "the script ended without an outcome; is it one of this bundle?"
    if code:
        return MEANING.get(code, "not a code of these scripts")
    expires = str(report.get("expires"))
    text = NOT_ROTATED.get(str(report["result"]), MEANING[0])
    return text.format(days=in_days(days_left(expires, now) or 0), expires=expires)


def _lines(output: str, report: dict[str, Any], *, as_json: bool) -> list[str]:
    """What is printed of a script's output."""
    if not report:  # any script's, with lines of any length
        return [shown(line, len(line)) for line in output.splitlines()]
    return [json.dumps(report)] if as_json else _readable(report)


def _readable(report: dict[str, Any]) -> list[str]:
    """The keys of the JSON line that say something, one a line; lists one entry a line."""
    lines = []
    for key, value in report.items():
        for entry in value if isinstance(value, list) else [value]:
            text = "  ".join(map(str, entry.values())) if isinstance(entry, dict) else str(entry)
            if text and key not in ("error", "hint"):  # these two are on stderr already
                lines.append(shown(f"{key:12} {text}"))
    return lines

"""Doing by hand what the Gateway does: fetch the records, build the line for stdin, run the script, show the outcome.

Source of the line's form:
https://docs.keeper.io/en/keeperpam/privileged-access-manager/password-rotation/post-rotation-scripts/parameters
"""

from __future__ import annotations

import base64
import json
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import click

from gateway.deadline import Deadline
from gateway.errors import Failed
from gateway.http import Http
from gateway.ksm_config import find_ksm_config
from gateway.notifying import days_left
from gateway.settings import read_settings
from gateway.vault import Vault, VaultRecord

MEANING = {
    0: "done",
    1: "failed; the record, and what it publishes, are as before",
    2: "what the record shows works; something is left over, and the hint says who finishes it",
    3: "unknown; look at what the error and the hint say",
}
# Results that end with exit 0 and are no rotation.
NOT_ROTATED = {
    "not_due": "nothing was rotated: the published credential expires in {days:.0f} days ({expires}); "
    "add --now to rotate it now",
    "disabled": "nothing was done: rotation_enabled is False in the record",
    "finished": "nothing was rotated: open deliveries are finished with the published credential; "
    "to rotate, run it again with --now",
    "superseded": "another run rotated meanwhile; the record shows its credential",
}


def run_script(
    script: str, record_uid: str, attached: Iterable[str], configuration_uid: str, *, now: bool, as_json: bool
) -> int:
    """Run ``script`` for a record and show its outcome, as the script's own JSON line or for people; its exit code.

    Raises:
        Failed: a record cannot be read, or it is not clear which PAM configuration is meant.
        CallError
    """
    settings = read_settings()
    http = Http(settings.request_timeout, Deadline(settings.deadline, settings.retry_base))
    vault = Vault(find_ksm_config(), http)
    line = gateway_line(vault, record_uid, list(attached), configuration_uid, due_now=now, by_hand=True)
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
    return text.format(days=days_left(expires, now) or 0, expires=expires)


def _readable(report: dict[str, Any]) -> str:
    """The keys of the JSON line that say something, one a line; lists one entry a line."""
    lines = []
    for key, value in report.items():
        for entry in value if isinstance(value, list) else [value]:
            text = "  ".join(map(str, entry.values())) if isinstance(entry, dict) else str(entry)
            if text and key not in ("error", "hint"):  # these two are on stderr already
                lines.append(f"{key:12} {text}\n")
    return "".join(lines)


def gateway_line(
    vault: Vault,
    record_uid: str,
    attached: list[str],
    configuration_uid: str,
    *,
    due_now: bool = False,
    by_hand: bool = False,
) -> bytes:
    """The line that the Gateway pipes into a script attached to this record; ``due_now`` and ``by_hand`` are ours.

    Raises:
        Failed, CallError
    """
    visible = vault.read([])
    record = readable(visible, record_uid)
    configuration = configuration_of(visible, configuration_uid)
    extra = [readable(visible, uid) for uid in dict.fromkeys((*record.attached_to_scripts(), *attached))]
    records = [*([configuration] if configuration else []), *extra, record]
    params = {
        "providerRecordUid": configuration.uid if configuration else None,
        "resourceRecordUid": None,
        "userRecordUid": record.uid,
        # Nothing is rotated by the Gateway here: what a script is handed as the new password is the current one.
        "newPassword": record.value_of_type("password") or secrets.token_urlsafe(24),
        "oldPassword": None,
        "user": record.value_of_type("login"),
        "records": _encoded([flat(each) for each in records]),
    }
    ours = {"dueNow": due_now, "byHand": by_hand}
    return _encoded(params | {key: True for key, wanted in ours.items() if wanted}).encode() + b"\n"


def readable(visible: dict[str, VaultRecord], uid: str) -> VaultRecord:
    """The record with this uid. Raises Failed."""
    if uid not in visible:
        hint = "check the uid (22 characters), and share its folder with the application of this host"
        raise Failed(f"record {uid!r} cannot be read", hint)
    return visible[uid]


def configuration_of(visible: dict[str, VaultRecord], uid: str) -> VaultRecord | None:
    """The PAM configuration with this uid, or the only one there is. Raises Failed."""
    found = [record for record in visible.values() if record.kind.startswith("pam") and "Configuration" in record.kind]
    if uid:
        if (record := readable(visible, uid)) not in found:
            raise Failed(
                f"record {uid} is of type {record.kind}, not a PAM configuration", "name one with --config=UID"
            )
        return record
    if len(found) > 1:
        names = ", ".join(f"{record.uid} ({record.title})" for record in found)
        raise Failed(f"several PAM configurations can be read: {names}", "name one with --config=UID")
    return found[0] if found else None


def _encoded(value: object) -> str:
    return base64.b64encode(json.dumps(value).encode()).decode()


def flat(record: VaultRecord) -> dict[str, object]:
    """A record as the Gateway hands it over: labels, else types, as keys; a key that is taken gets a number."""
    flat: dict[str, object] = {"uid": record.uid, "title": record.title}
    for label, value in record.fields_in_order():
        key, number = label, 2
        while key in flat:
            key, number = f"{label}{number}", number + 1
        flat[key] = value
    return flat

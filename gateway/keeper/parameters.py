"""What the Gateway passes on stdin: one line of base64 JSON, with the attached records in base64 again.

Both layers are undone here, and made here for runs that the Gateway does not start; nowhere else. Source:
https://docs.keeper.io/en/keeperpam/privileged-access-manager/password-rotation/post-rotation-scripts/parameters
"""

from __future__ import annotations

import base64
import codecs
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, BinaryIO

from gateway.errors import Failed
from gateway.keeper.record import AttachedRecord, VaultRecord
from gateway.model.fields import TYPES, too_long
from gateway.secret import Secret, mask

# A record has at most a few hundred kilobytes; more is not the Gateway's.
MOST_BYTES = 5_000_000

_NAMES = ("uid", "title", "application_client_id", "clientId", "clientSecret", "tenantId")
_LONGEST_LABEL = 1_000
# As difflib counts: of 22 characters three may be wrong.
_NEAR = 0.85

_HOW = (
    "the Keeper Gateway passes this line when the script is attached to a PAM User record; "
    "by hand use: keeper-rotation run SCRIPT --record=UID"
)


@dataclass(frozen=True)
class Params:
    """One call of a script by the Gateway. In NOOP mode ``new_password`` is a dummy, and no rotation looks at it."""

    record_uid: str
    configuration_uid: str
    attached: tuple[AttachedRecord, ...]
    new_password: Secret
    old_password: Secret
    due_now: bool = False
    """Not of Keeper's making: `keeper-rotation run --now` asks for a rotation before its time."""
    revoke: bool = False
    """Not of Keeper's making: with it everything that the record published before is to end at once."""
    even_where_not_delivered: bool = False
    """Not of Keeper's making: what a required destination may still hold as well."""
    by_hand: bool = False
    """Not of Keeper's making: `keeper-rotation run` began this, and someone reads what it says."""
    due_while: str | None = None
    """Only as long as the record's ``last_rotated`` is this, where given: what asked for it may be out of date."""


def read_params(stdin: BinaryIO) -> Params:
    """The parameters on ``stdin``.

    Raises:
        Failed: they are missing or broken; the message says in which way.
    """
    if stdin.isatty():
        raise Failed("stdin: a terminal, where the Gateway's line is expected", _HOW)
    text = _line(stdin)
    if not text:
        raise Failed("stdin: empty", _HOW)
    params = _decoded(text, dict, "stdin")
    records = params.get("records") or ""
    if not isinstance(records, str):
        raise Failed("stdin: 'records' is not a base64 text", _HOW)
    return Params(
        record_uid=_uid(params, "userRecordUid", required=True),
        configuration_uid=_uid(params, "providerRecordUid", required=False),
        attached=tuple(_attached(_decoded(records, list, "stdin: 'records'") if records else [])),
        new_password=Secret(_password(params, "newPassword")),
        old_password=Secret(_password(params, "oldPassword")),
        due_now=params.get("dueNow") is True,
        revoke=params.get("revoke") is True,
        even_where_not_delivered=params.get("evenWhereNotDelivered") is True,
        by_hand=params.get("byHand") is True,
        due_while=_plain(params["dueWhileLastRotated"]) if "dueWhileLastRotated" in params else None,
    )


def _line(stdin: BinaryIO) -> str:
    """The first line that is not blank; all of them where one alone is not whole, as in wrapped base64.

    A later Gateway may write more, or leave the pipe open: after a whole line neither is waited for.
    """
    read = _add_line(b"", stdin)
    while not (text := _text(read)) and (longer := _add_line(read, stdin)) != read:
        read = longer
    if text and not _is_whole(text):
        read += stdin.read(MOST_BYTES + 1 - len(read))
    if len(read) > MOST_BYTES:
        raise Failed(f"stdin: more than {MOST_BYTES} bytes", _HOW)
    return _text(read)


def _add_line(read: bytes, stdin: BinaryIO) -> bytes:
    read += stdin.readline(MOST_BYTES + 1 - len(read))
    if read.startswith(codecs.BOM_UTF16_LE) and len(read) % 2:
        read += stdin.read(1)  # the other half of the newline
    return read


def _is_whole(text: str) -> bool:
    try:
        _decoded(text, dict, "stdin")
    except Failed:
        return False
    return True


def _text(line: bytes) -> str:
    # PowerShell pipes text re-encoded: with a byte order mark, with CRLF, or as UTF-16.
    encoding = "utf-16" if line.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    return line.decode(encoding, errors="replace").strip()


def _decoded(text: str, shape: type, where: str) -> Any:
    try:
        raw = base64.b64decode("".join(text.split()), validate=True)
    except ValueError:
        raise Failed(f"{where}: not base64, or cut short", _HOW) from None
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        raise Failed(f"{where}: not JSON inside the base64, or cut short", _HOW) from None
    if not isinstance(value, shape):
        raise Failed(f"{where}: a JSON {'object' if shape is dict else 'array'} is expected", _HOW)
    return value


def _uid(params: Mapping[str, Any], name: str, *, required: bool) -> str:
    uid = params.get(name) or ""
    if not isinstance(uid, str) or (required and not uid):
        raise Failed(f"stdin: {name!r} {'is not a text' if uid else 'is missing'}", _HOW)
    if not re.fullmatch(r"[A-Za-z0-9_-]*", uid):
        raise Failed(f"stdin: {name!r} is not a record uid", _HOW)
    return uid


def _attached(records: list[Any]) -> list[AttachedRecord]:
    attached = []
    for number, record in enumerate(records, 1):
        if not isinstance(record, dict):
            raise Failed(f"stdin: record {number} of 'records' is not a JSON object", _HOW)
        values = {str(label): _plain(value) for label, value in record.items()}
        _check_lengths(number, values)
        for label, value in values.items():
            if re.search(r"(secret|password|key)[ _]?\d*$", label, re.IGNORECASE):
                mask(value)
        attached.append(AttachedRecord(values.get("uid", ""), values.get("title", ""), values))
    return attached


def _check_lengths(number: int, values: Mapping[str, str]) -> None:
    """What is read of a record is no longer than any that works; the rest is passed over. Raises Failed."""
    wrong = [problem for label in (*TYPES, *_NAMES) if (problem := too_long(label, values.get(label, "")))]
    wrong += ["a label of more than 1,000 characters"] * any(len(label) > _LONGEST_LABEL for label in values)
    if wrong:
        raise Failed(f"stdin: record {number} of 'records': {'; '.join(wrong)}", "shorten these fields in the vault")


def _password(params: Mapping[str, Any], name: str) -> str:
    # A password is taken as it is: blanks at its ends belong to it.
    value = params.get(name)
    return value if isinstance(value, str) else ""


def _plain(value: Any) -> str:
    """A field's value as text; of several the first. Shapes other than text are not documented by Keeper."""
    if isinstance(value, list):
        value = value[0] if value else ""
    if value is None or isinstance(value, dict):
        return ""
    return str(value).strip()


def gateway_line(
    visible: Mapping[str, VaultRecord],
    record_uid: str,
    attached: list[str],
    configuration_uid: str,
    *,
    due_now: bool = False,
    revoke: bool = False,
    even_where_not_delivered: bool = False,
    by_hand: bool = False,
) -> bytes:
    """The line that the Gateway pipes into a script attached to this record; the last four are ours.

    Args:
        visible: all records that the host's Keeper application can read, by uid.

    Raises:
        Failed
    """
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
    ours = {"dueNow": due_now, "revoke": revoke, "byHand": by_hand, "evenWhereNotDelivered": even_where_not_delivered}
    return _encoded(params | {key: True for key, wanted in ours.items() if wanted}).encode() + b"\n"


def readable(visible: Mapping[str, VaultRecord], uid: str) -> VaultRecord:
    """The record with this uid. Raises Failed."""
    if uid not in visible:
        if not re.fullmatch(r"[\w-]{22}", uid, re.ASCII):
            hint = "copy the uid from the record's details in the web vault: 22 letters, digits, dashes and underscores"
            raise Failed(f"{uid!r} is no uid of a record", hint)
        near = get_close_matches(uid, visible, 1, _NEAR)
        hint = f"meant is perhaps {near[0]} ({visible[near[0]].title}); else " if near else ""
        hint += "check the uid, and share its folder with the application of this host"
        raise Failed(f"record {uid!r} cannot be read", hint)
    return visible[uid]


def configuration_of(visible: Mapping[str, VaultRecord], uid: str) -> VaultRecord | None:
    """The PAM configuration with this uid, or the only one there is. Raises Failed."""
    found = [record for record in visible.values() if record.type.startswith("pam") and "Configuration" in record.type]
    if uid:
        if (record := readable(visible, uid)) not in found:
            raise Failed(
                f"record {uid} is of type {record.type}, not a PAM configuration", "name one with --config=UID"
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

"""``python -m sandbox show`` and ``set``: what a person would do with a record in the web vault.

Both sign in by Keeper's own SDK, as ``KSM_CONFIG_FILE`` says.
"""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Iterable
from typing import Any

from keeper_secrets_manager_core import SecretsManager
from keeper_secrets_manager_core.dto.dtos import Record
from keeper_secrets_manager_core.storage import FileKeyValueStorage

MASK = "***"
SECRET_TYPES = ("secret", "password")
NOT_LED = "error: this shell does not lead to a sandbox\nhint: source the file that `python -m sandbox up` wrote"


def show(options: Namespace) -> int:
    """Print the fields of a record, without its secrets."""
    record = _read(_vault(), options.record)
    print(record.title)
    for field in _fields(record):
        values = [MASK if field["type"] in SECRET_TYPES else str(value) for value in field["value"]]
        print(f"  {_name(field)}: {'; '.join(values)}".replace("\n", "\n    "))
    return 0


def set_fields(options: Namespace) -> int:
    """Give fields of a record new values; one that is missing is added."""
    vault = _vault()
    record = _read(vault, options.record)
    for label, lines in _assigned(options.assignments).items():
        _set(record, label, "\n".join(lines), options.hidden)
    vault.save(record)
    return 0


def _vault() -> SecretsManager:
    if not os.environ.get("SANDBOX_PID"):
        sys.exit(NOT_LED)
    return SecretsManager(config=FileKeyValueStorage(os.environ["KSM_CONFIG_FILE"]), log_level="ERROR")


def _read(vault: SecretsManager, uid: str) -> Record:
    try:
        found = vault.get_secrets([uid])
    except OSError:
        sys.exit("error: the sandbox does not answer\nhint: start it again, and source its file")
    if not found:
        sys.exit(f"error: there is no record {uid}\nhint: `env | grep UID` shows those that `up` made")
    return found[0]


def _assigned(assignments: Iterable[str]) -> dict[str, list[str]]:
    """The lines of each field; a label that comes again has a further line."""
    lines: dict[str, list[str]] = {}
    for assignment in assignments:
        label, equals, value = assignment.partition("=")
        if not (label and equals):
            sys.exit(f"error: {assignment!r} is not LABEL=VALUE")
        lines.setdefault(label, []).append(value)
    return lines


def _set(record: Record, label: str, value: str, hidden: bool) -> None:
    values = [value] if value else []
    found = next((field for field in _fields(record) if _name(field) == label), None)
    if found is None:
        kind = "secret" if hidden else "multiline" if "\n" in value else "text"
        record.add_custom_field(field_type=kind, label=label, value=values)
    else:
        found["value"] = values
        record._update()


def _fields(record: Record) -> list[dict[str, Any]]:
    return [*record.dict.get("fields", []), *(record.dict.get("custom") or [])]


def _name(field: dict[str, Any]) -> str:
    return str(field.get("label") or field["type"])

"""A record of the vault with its files, as it was read. Labels are matched exactly here; the SDK falls back to a type.

Source: https://docs.keeper.io/en/keeperpam/secrets-manager/developer-sdk-library/python-sdk
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from gateway.model.fields import TYPES, too_long
from gateway.secret import Secret, mask

# Standard fields of a PAM User, which are known by their type.
_UNLABELLED = ("login", "password")
_HIDDEN = ("secret", "password", "pinCode")

# As difflib counts: of nine letters one may be wrong, or two swapped (remove_odl); two missing (deliver) are too many.
_NEAR = 0.88


class VaultRecord:
    """One record of the vault: read, changed in memory, and given to `Vault.save`."""

    def __init__(self, sdk_record: Any) -> None:
        self.sdk_record = sdk_record
        self.uid: str = sdk_record.uid
        self.title: str = sdk_record.title or ""
        self.type: str = sdk_record.type or ""
        self.editable: bool = bool(sdk_record.is_editable)
        self.revision: int | None = sdk_record.revision
        self.folder_uid: str = sdk_record.folder_uid or ""
        """of the shared folder that it is in"""
        inner = sdk_record.inner_folder_uid or ""
        self.inner_folder_uid: str = inner if inner != self.folder_uid else ""
        """of the folder inside that one"""

    def _fields(self) -> list[dict[str, Any]]:
        data = self.sdk_record.dict
        return [field for part in ("custom", "fields") for field in data.get(part) or [] if isinstance(field, dict)]

    def _field(self, label: str) -> dict[str, Any] | None:
        found = next((field for field in self._fields() if field.get("label") == label), None)
        if found is None and label in _UNLABELLED:
            return next((field for field in self._fields() if field.get("type") == label), None)
        return found

    def value(self, label: str) -> str:
        """The first value of the field with exactly this label; empty where there is none."""
        return _first((self._field(label) or {}).get("value"))

    def secret(self, label: str) -> Secret:
        """As `value`, for a value that must not be seen."""
        return Secret(self.value(label))

    def value_of_type(self, type_: str) -> str:
        """The first value of the first field of this type, such as ``login``; empty where there is none."""
        return next((_first(field.get("value")) for field in self._fields() if field.get("type") == type_), "")

    def fields_in_order(self) -> list[tuple[str, str]]:
        """Label (the field's type where it has none) and first value of every field but the scripts."""
        fields = [field for field in self._fields() if field.get("type") != "script"]
        for each in fields:
            if each.get("type") in _HIDDEN:
                mask(_first(each.get("value")))
        return [(field.get("label") or field.get("type") or "", _first(field.get("value"))) for field in fields]

    def too_long(self) -> list[str]:
        """What is wrong with fields that are read, and are longer than any that works."""
        found = (too_long(label, self.value(label)) for label in (*TYPES, *_UNLABELLED))
        return [problem for problem in found if problem]

    def repeated_labels(self) -> list[str]:
        """Those of our labels that stand on more than one field; the first field is the one that counts."""
        labels = [field.get("label") for field in self._fields()]
        return [label for label in TYPES if labels.count(label) > 1]

    def misspelt_labels(self, inputs: Iterable[str]) -> dict[str, str]:
        """Labels that differ only in case, spaces and dashes from one of these; with the right one."""
        ours = {_letters(label): label for label in inputs}
        labels = [str(field.get("label") or "") for field in self._fields()]
        meant = {label: ours[_letters(label)] for label in labels if _letters(label) in ours}
        return {label: right for label, right in meant.items() if label != right}

    def doubtful_labels(self, inputs: Iterable[str]) -> dict[str, str]:
        """Labels of custom fields that are nearly one of these that is not there; with that one."""
        lacking = {_letters(label): label for label in inputs if not self.has(label)}
        labels = [label for label in self.custom_labels() if label not in TYPES]
        if not labels:
            return {}
        from difflib import get_close_matches  # 3 ms that few records need

        near = {label: get_close_matches(_letters(label), lacking, 1, _NEAR) for label in labels}
        meant = {label: lacking[found[0]] for label, found in near.items() if found and found[0] != _letters(label)}
        return {label: right for label, right in meant.items() if not _has_more_words(label, right)}

    def custom_labels(self) -> list[str]:
        """Of the fields that people have added; without those that have none."""
        custom = [field for field in self.sdk_record.dict.get("custom") or [] if isinstance(field, dict)]
        return [label for field in custom if (label := str(field.get("label") or ""))]

    def labelled(self) -> dict[str, str]:
        """The values of `fields_in_order` by label; the first wins."""
        return dict(reversed(self.fields_in_order()))

    def attached_to_scripts(self) -> set[str]:
        """Uids of the records that are attached to this record's scripts."""
        return {uid for value in self.scripts() for uid in value.get("recordRef") or []}

    def scripts(self) -> list[dict[str, Any]]:
        """What is attached to be run: ``fileRef``, ``command`` and ``recordRef`` of each, as Keeper stores them."""
        fields = [field for field in self._fields() if field.get("type") == "script"]
        return [value for field in fields for value in field.get("value") or [] if isinstance(value, dict)]

    def has(self, label: str) -> bool:
        """Whether there is a field with exactly this label."""
        return self._field(label) is not None

    def hides(self, label: str) -> bool:
        """Whether Keeper hides what the field with this label holds."""
        return (self._field(label) or {}).get("type") in _HIDDEN

    def replace(self, label: str, value: str) -> None:
        """Put ``value`` into the field with this label, whatever its type. Raises KeyError where there is none."""
        field = self._field(label)
        if field is None:
            raise KeyError(label)
        field["value"] = [value]

    def set(self, label: str, value: str, type_: str = "") -> None:
        """Put ``value`` under ``label``, adding the field where it is missing; ``type_`` where it is not in our table.

        A field that holds a secret by our table but is plain text (as the web vault's CSV import makes it) is hidden.
        """
        type_ = type_ or TYPES.get(label, label)
        field = self._field(label)
        if field is None:
            self.sdk_record.add_custom_field(field_type=type_, label=label, value=value)
            return
        if type_ == "secret" and field.get("type") in ("text", "multiline"):
            field["type"] = type_
        field["value"] = [value]

    def attachments(self) -> list[Attachment]:
        """The files of the record, as it was read."""
        return attachments_of(self.sdk_record)

    def content(self) -> str:
        """The whole record as JSON, as it is saved."""
        return json.dumps(self.sdk_record.dict)


def _first(value: Any) -> str:
    """The first of a field's values as text."""
    first = value[0] if isinstance(value, list) and value else value
    return first if isinstance(first, str) else "" if first is None or isinstance(first, (list, dict)) else str(first)


def _has_more_words(label: str, ours: str) -> bool:
    """Whether it is ours with a word or a number besides, as ``subject 2``: a field of its own."""
    return {*_words(ours)} < {*_words(label)}


def _words(label: str) -> list[str]:
    return re.findall(r"[^\W\d_]+|\d+", label.lower())


def _letters(label: str) -> str:
    return re.sub(r"[\s_-]", "", label).lower()


@dataclass(frozen=True)
class AttachedRecord:
    """A record as the Gateway hands it over: flat, read-only, keys are labels (or field types, where unlabelled)."""

    uid: str
    title: str
    values: Mapping[str, str] = field(repr=False)

    def get(self, label: str) -> str:
        """The value under ``label``, or under its first numbered duplicate (``label2``, ``label_2``); else empty."""
        if found := self.values.get(label):
            return found
        numbered = re.compile(re.escape(label) + r"[ _]?\d+")
        return next((value for key, value in self.values.items() if value and numbered.fullmatch(key)), "")


@dataclass(frozen=True)
class Attachment:
    """A file of a record; ``size`` in bytes. That it is listed does not say that it has content."""

    uid: str
    name: str
    title: str
    mime: str
    size: int
    changed: datetime
    """when it was attached, by the clock of whoever did, UTC"""


def attachments_of(sdk_record: Any) -> list[Attachment]:
    """The files of a record of the SDK, in Keeper's order."""
    return [
        Attachment(
            str(file.f["fileUid"]),
            file.name or "",
            file.title or "",
            file.type or "",
            int(file.size or 0),
            datetime.fromtimestamp((file.last_modified or 0) / 1000, UTC),
        )
        for file in sdk_record.files
    ]


class ReadsRecords(Protocol):
    """Where records are read: the vault, or a copy of it."""

    def read(self, uids: Iterable[str]) -> dict[str, VaultRecord]:
        """The records with these uids that can be read, by uid. No uids: every record. Raises Failed, CallError."""


class KeepsRecords(ReadsRecords, Protocol):
    """Where records are read and saved: `gateway.keeper.vault.Vault`."""

    def save(self, record: VaultRecord) -> None:
        """Save ``record`` over the revision that it was read at. Raises NotSent, Refused, Unclear."""

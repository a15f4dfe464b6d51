"""Records in the Keeper vault: what the rest of the package knows of it.

Keeper's own SDK is behind it: `keeper.py` calls it, `attachments.py` and `folders.py` do what concerns files and new
records; no other file imports it. Labels are matched exactly here (the SDK falls back to a field's type), and records
may come twice.
Source: https://docs.keeper.io/en/keeperpam/secrets-manager/developer-sdk-library/python-sdk
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any

from gateway.attachments import Attachment, Files, attachments_of
from gateway.errors import Refused, Unclear
from gateway.fields import KINDS
from gateway.folders import Folders, NewField, SharedFolder
from gateway.http import Http
from gateway.keeper import Keeper
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
        self.kind: str = sdk_record.type or ""
        self.editable: bool = bool(sdk_record.is_editable)
        self.revision: int | None = sdk_record.revision

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

    def value_of_type(self, kind: str) -> str:
        """The first value of the first field of this type, such as ``login``; empty where there is none."""
        return next((_first(field.get("value")) for field in self._fields() if field.get("type") == kind), "")

    def fields_in_order(self) -> list[tuple[str, str]]:
        """Label (the field's type where it has none) and first value of every field but the scripts."""
        fields = [field for field in self._fields() if field.get("type") != "script"]
        for field in fields:
            if field.get("type") in _HIDDEN:
                mask(_first(field.get("value")))
        return [(field.get("label") or field.get("type") or "", _first(field.get("value"))) for field in fields]

    def repeated_labels(self) -> list[str]:
        """Those of our labels that stand on more than one field; the first field is the one that counts."""
        labels = [field.get("label") for field in self._fields()]
        return [label for label in KINDS if labels.count(label) > 1]

    def misspelt_labels(self, inputs: Iterable[str]) -> dict[str, str]:
        """Labels that differ only in case, spaces and dashes from one of these; with the right one."""
        ours = {_letters(label): label for label in inputs}
        labels = [str(field.get("label") or "") for field in self._fields()]
        meant = {label: ours[_letters(label)] for label in labels if _letters(label) in ours}
        return {label: right for label, right in meant.items() if label != right}

    def doubtful_labels(self, inputs: Iterable[str]) -> dict[str, str]:
        """Labels of custom fields that are nearly one of these that is not there; with that one."""
        lacking = {_letters(label): label for label in inputs if not self.has(label)}
        custom = [field for field in self.sdk_record.dict.get("custom") or [] if isinstance(field, dict)]
        labels = [label for field in custom if (label := str(field.get("label") or "")) not in KINDS]
        near = {label: get_close_matches(_letters(label), lacking, 1, _NEAR) for label in labels}
        return {label: lacking[found[0]] for label, found in near.items() if found and found[0] != _letters(label)}

    def labelled(self) -> dict[str, str]:
        """The values of `fields_in_order` by label; the first wins."""
        return dict(reversed(self.fields_in_order()))

    def attached_to_scripts(self) -> set[str]:
        """Uids of the records that are attached to this record's scripts."""
        values = [
            value for field in self._fields() if field.get("type") == "script" for value in field.get("value") or []
        ]
        return {uid for value in values if isinstance(value, dict) for uid in value.get("recordRef") or []}

    def has(self, label: str) -> bool:
        """Whether there is a field with exactly this label."""
        return self._field(label) is not None

    def replace(self, label: str, value: str) -> None:
        """Put ``value`` into the field with this label, whatever its type. Raises KeyError where there is none."""
        field = self._field(label)
        if field is None:
            raise KeyError(label)
        field["value"] = [value]

    def set(self, label: str, value: str, kind: str = "") -> None:
        """Put ``value`` under ``label``, adding the field where it is missing; ``kind`` where it is not in our table.

        A field that holds a secret by our table but is plain text (as the web vault's CSV import makes it) is hidden.
        """
        kind = kind or KINDS.get(label, label)
        field = self._field(label)
        if field is None:
            self.sdk_record.add_custom_field(field_type=kind, label=label, value=value)
            return
        if kind == "secret" and field.get("type") in ("text", "multiline"):
            field["type"] = kind
        field["value"] = [value]

    def attachments(self) -> list[Attachment]:
        """The files of the record, as it was read."""
        return attachments_of(self.sdk_record)

    def content(self) -> str:
        """The whole record as JSON, as it is saved."""
        return json.dumps(self.sdk_record.dict)


class Vault:
    """The records that the host's Keeper application can see.

    Args:
        config: the Keeper configuration as JSON text (`gateway.ksm_config`).
        http: the session of the run.
    """

    def __init__(self, config: str, http: Http) -> None:
        self._keeper = Keeper(config, http)
        self._files = Files(self._keeper, self.read)
        self._folders = Folders(self._keeper, self.read)

    def read(self, uids: Iterable[str]) -> dict[str, VaultRecord]:
        """The records with these uids that can be read, by uid. No uids: every record.

        Raises:
            CallError
        """
        wanted = list(uids)
        found = self._keeper.call("get_secret", lambda: self._keeper.sdk.get_secrets(wanted))
        records: dict[str, VaultRecord] = {}
        for record in map(VaultRecord, found):
            # A record that is shared both directly and by its folder comes twice, perhaps with different rights.
            if record.uid not in records or record.editable:
                records[record.uid] = record
        return records

    def save(self, record: VaultRecord) -> None:
        """Save ``record`` over the revision that it was read at; a save that may have happened is not repeated here.

        Raises:
            NotSent, Refused, Unclear
        """
        record.sdk_record.raw_json = record.content()
        self._keeper.call("update_secret", lambda: self._keeper.sdk.save(record.sdk_record), repeat_unclear=False)

    def attach(
        self, record: VaultRecord, name: str, content: bytes, mime: str = "application/octet-stream"
    ) -> VaultRecord:
        """Attach ``content`` to ``record`` as a new file, and save the record as it stands with it, in one revision.

        Returns the record as it reads now; the one given is not changed. A file of the same name stays beside it.

        Raises:
            Failed: this configuration cannot attach files; nothing was sent.
            NotSent, Refused: the record is as before, also where somebody changed it since it was read.
            HalfAttached: the record may list the file, perhaps without content.
            Unclear: the file is attached, but the record could not be read back.
        """
        return self._files.attach(record, name, content, mime)

    def download(self, record: VaultRecord, attachment: Attachment) -> bytes:
        """The content of a file of ``record``, which must be freshly read: the address in it expires.

        Raises:
            CallError: `Refused` with status 403 or 404 where the file has no content.
            KeyError: the record did not list the file when it was read.
        """
        return self._files.download(record, attachment.uid)

    def detach(self, record: VaultRecord, uids: Iterable[str]) -> VaultRecord:
        """Remove these files from ``record``, and save it as it stands; returns it as it reads now.

        Raises:
            NotSent, Refused, Unclear: as `save`; the record given is not changed.
        """
        return self._files.detach(record, uids)

    def delete(self, uid: str) -> None:
        """Delete a record with its files. One that is gone already is deleted.

        Raises:
            NotSent, Refused: it is as before.
            Unclear: it may be deleted.
        """
        place = "Keeper delete_secret"
        said = self._keeper.call("delete_secret", lambda: self._keeper.sdk.delete_secret([uid]))
        codes = [str(each.get("responseCode") or "") for each in said or [] if each.get("recordUid") == uid]
        if codes == ["ok"] or not self.read([uid]):
            return
        if not codes:
            raise Unclear(place, f"an answer that does not name record {uid}")
        raise Refused(place, 403, codes[0], hint="give the application the right to edit in the shared folder")

    def folders(self) -> list[SharedFolder]:
        """The shared folders that the application sees, and the folders inside them.

        Raises:
            CallError
        """
        return self._folders.all()

    def create(self, folder_uid: str, title: str, record_type: str, fields: Sequence[NewField], notes: str = "") -> str:
        """Create a record in a folder, and return its uid. After a lost answer it is looked for; one is made at most.

        Args:
            fields: label, Keeper's type and value of each. Those without a label of their own (empty, or the type
                itself, such as ``login``) become standard fields, the others custom fields.

        Raises:
            Failed: this configuration cannot create records, the folder cannot be seen, or not be edited.
            NotSent, Refused: no record was made.
            Unclear: a record with the uid in the message may have been made.
        """
        return self._folders.create(folder_uid, title, record_type, fields, notes)

    def check_folder(self, folder_uid: str) -> None:
        """A record can be created there, as far as can be told before it is tried.

        Raises:
            Failed: this configuration cannot create records, or the folder cannot be seen.
            CallError
        """
        self._folders.check(folder_uid)


def _first(value: Any) -> str:
    """The first of a field's values as text."""
    first = value[0] if isinstance(value, list) and value else value
    return first if isinstance(first, str) else "" if first is None or isinstance(first, (list, dict)) else str(first)


def _letters(label: str) -> str:
    return re.sub(r"[\s_-]", "", label).lower()

"""Records in the Keeper vault, through Keeper's own SDK. The only file that imports it.

What the SDK leaves open is closed here: a timeout on every call, throttling by 403 and by 429, labels matched exactly
(the SDK falls back to a field's type), records that come twice, and errors sorted by what may have happened.
Source: https://docs.keeper.io/en/keeperpam/secrets-manager/developer-sdk-library/python-sdk
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable
from typing import Any

from keeper_secrets_manager_core import SecretsManager
from keeper_secrets_manager_core.dto.payload import KSMHttpResponse
from keeper_secrets_manager_core.storage import InMemoryKeyValueStorage

from gateway.errors import CallError, Refused, Unclear
from gateway.fields import FIELDS, KINDS
from gateway.http import Http, json_object, retry_after
from gateway.secret import Secret, mask

# Standard fields of a PAM User, which are known by their type.
_UNLABELLED = ("login", "password")
_HIDDEN = ("secret", "password", "pinCode")


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

    def misspelt_labels(self) -> dict[str, str]:
        """Labels that are one of those we read but for case, spaces, dashes and underscores, with the right one."""
        ours = {_letters(field.label): field.label for field in FIELDS if not field.written and field.label != "NOOP"}
        labels = [str(field.get("label") or "") for field in self._fields()]
        meant = {label: ours[_letters(label)] for label in labels if _letters(label) in ours}
        return {label: right for label, right in meant.items() if label != right}

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

    def set(self, label: str, value: str) -> None:
        """Put ``value`` under ``label``, adding the field where it is missing.

        A field that holds a secret by our table but is plain text (as the web vault's CSV import makes it) is hidden.
        """
        kind = KINDS.get(label, label)
        field = self._field(label)
        if field is None:
            self.sdk_record.add_custom_field(field_type=kind, label=label, value=value)
            return
        if kind == "secret" and field.get("type") in ("text", "multiline"):
            field["type"] = kind
        field["value"] = [value]

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
        self._http = http
        self._sdk = SecretsManager(config=InMemoryKeyValueStorage(config))
        # The SDK posts without a timeout and on a new connection each time; this is the seam its own tests use too.
        self._sdk.post_function = self._post
        self._key_changes = 0

    def read(self, uids: Iterable[str]) -> dict[str, VaultRecord]:
        """The records with these uids that can be read, by uid. No uids: every record.

        Raises:
            CallError
        """
        wanted = list(uids)
        place = "Keeper get_secret"
        found = self._http.patiently(lambda: self._call(place, lambda: self._sdk.get_secrets(wanted)))
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
        self._http.patiently(
            lambda: self._call("Keeper update_secret", lambda: self._sdk.save(record.sdk_record)), repeat_unclear=False
        )

    def _call(self, place: str, call: Any) -> Any:
        self._key_changes = 0
        try:
            return call()
        except CallError:
            raise
        except Exception as error:  # the SDK raises whatever its JSON and AES libraries do on a broken answer
            raise Unclear(place, f"an answer that cannot be read ({type(error).__name__})") from None

    def _post(self, url: str, transmission_key: Any, message: Any, verify: bool, _proxy: str | None) -> KSMHttpResponse:
        place = "Keeper " + url.rsplit("/", 1)[-1]
        headers = {
            "Content-Type": "application/octet-stream",
            "PublicKeyId": str(transmission_key.publicKeyId),
            "TransmissionKey": base64.b64encode(transmission_key.encryptedKey).decode(),
            "Authorization": "Signature " + base64.b64encode(message.signature).decode(),
        }
        response = self._http.raw(place, "POST", url, headers=headers, data=message.encrypted_payload, verify=verify)
        if response.status_code != 200:
            self._raise_unless_key_change(place, response)
        return KSMHttpResponse(response.status_code, response.content, response)

    def _raise_unless_key_change(self, place: str, response: Any) -> None:
        body = json_object(response) or {}
        code = str(body.get("result_code") or body.get("error") or "")
        if code == "key" and self._key_changes < 3:
            self._key_changes += 1  # the SDK changes to the key that Keeper names, and posts again, without a bound
            return
        status = response.status_code
        if status >= 500:
            raise Unclear(place, f"HTTP {status}")
        throttled = status == 429 or code == "throttled"
        wait = retry_after(response) or _number(body.get("retry_after"))
        raise Refused(place, status, code, str(body.get("message", "")), throttled=throttled, retry_after=wait)


def _first(value: Any) -> str:
    """The first of a field's values as text."""
    first = value[0] if isinstance(value, list) and value else value
    return first if isinstance(first, str) else "" if first is None or isinstance(first, (list, dict)) else str(first)


def _letters(label: str) -> str:
    return re.sub(r"[\s_-]", "", label).lower()


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and value > 0 else None

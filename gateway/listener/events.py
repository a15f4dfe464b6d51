"""What a message of the Event Hub says, without I/O: Event Grid's own schema or CloudEvents, one event or many.

Azure's documentation shows keys with a blank at the end, versions with one in front, and numbers as texts; all of that
is read. Source: https://learn.microsoft.com/azure/event-grid/event-schema-key-vault
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

PREFIX = "Microsoft.KeyVault."
# What an event is about, by the last part of its type: the part of Key Vault's address that names such an object.
TYPES = {
    "SecretNearExpiry": "secrets",
    "SecretExpired": "secrets",
    "CertificateNearExpiry": "certificates",
    "CertificateExpired": "certificates",
}

# Several hundred events. An Event Hub takes twice as much, but nothing of Key Vault's is so long.
MOST_BYTES = 500_000
# Each is a question to a key vault; Event Grid sends one in a message, unless it was told to gather a few.
MOST_EVENTS = 100

_VAULT = re.compile(r"[a-z0-9-]{1,63}")
_HOST = re.compile(r"[a-z0-9.-]{1,253}")
_NAME = re.compile(r"[a-z0-9-]{1,127}")
_VERSION = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Event:
    """A version of a secret or certificate is near its end, or past it. All names in lower case.

    ``kind``: ``secrets`` or ``certificates``; ``host`` is empty where the event does not name it; ``expires`` is in
    seconds since 1970, or None.
    """

    type: str
    kind: str
    vault: str
    host: str
    name: str
    version: str
    expires: int | None

    @property
    def object(self) -> str:
        """The object without its version, for people."""
        return f"{self.host or self.vault}/{self.kind}/{self.name}"


@dataclass(frozen=True)
class Unusable:
    """An event that nothing is done for. ``ignored``: it is a proper one of another type; else it is garbage."""

    why: str
    ignored: bool = False


def read_events(body: bytes | None) -> list[Event | Unusable]:
    """The events in a message; never raises, whatever the body is, and never quotes it."""
    if not body:
        return [Unusable("empty")]
    if len(body) > MOST_BYTES:
        return [Unusable(f"longer than {MOST_BYTES} bytes")]
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):  # a thousand brackets are deeper than Python goes
        return [Unusable("not JSON")]
    entries = content if isinstance(content, list) else [content]
    found = [_read(entry) for entry in entries[:MOST_EVENTS]] or [Unusable("an empty array")]
    if len(entries) > MOST_EVENTS:
        found.append(Unusable(f"{len(entries)} events, of which {MOST_EVENTS} are read"))
    return found


def _read(entry: Any) -> Event | Unusable:
    if not isinstance(entry, dict):
        return Unusable("not a JSON object")
    outer = _stripped(entry)
    # CloudEvents 1.0 has type and source where Event Grid's schema has eventType and topic.
    kind_of_event = _text(outer, "eventtype") or _text(outer, "type")
    if not kind_of_event:
        return Unusable("no event: it has no type")
    short = kind_of_event.removeprefix(PREFIX)
    if short == kind_of_event or short not in TYPES:
        return Unusable("another type of event", ignored=True)
    data = outer.get("data")
    return _about(short, outer, _stripped(data)) if isinstance(data, dict) else Unusable("no data in the event")


def _about(short: str, outer: Mapping[str, Any], data: Mapping[str, Any]) -> Event | Unusable:
    host, id_name, id_version = _identifier(_text(data, "id"))
    resource = _text(outer, "topic") or _text(outer, "source")
    vault = _text(data, "vaultname") or host.partition(".")[0] or resource.rstrip("/").rpartition("/")[2]
    event = Event(
        type=short,
        kind=TYPES[short],
        vault=vault.lower(),
        host=host,
        # The subject comes last: what others sent as a sample has the type of the event there.
        name=(_text(data, "objectname") or id_name or _text(outer, "subject")).lower(),
        version=(_text(data, "version") or id_version).lower(),
        expires=_seconds(data.get("exp")),
    )
    return _checked(event)


def _checked(event: Event) -> Event | Unusable:
    """The event, if its names can be names: they are logged and compared, and come from outside."""
    if not (_VAULT.fullmatch(event.vault) and _NAME.fullmatch(event.name)):
        return Unusable("no name of a vault and a secret")
    if event.host and not (_HOST.fullmatch(event.host) and event.host.partition(".")[0] == event.vault):
        return Unusable("it names two vaults")
    return event if _VERSION.fullmatch(event.version) else Unusable("no version of a secret")


def _identifier(text: str) -> tuple[str, str, str]:
    """Host, name and version in ``https://<host>/secrets/<name>/<version>``; empty where it has another form."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return "", "", ""
    path = parts.path.strip("/").split("/")
    if parts.scheme != "https" or len(path) not in (2, 3):
        return "", "", ""
    return parts.netloc.lower(), path[1], path[2] if len(path) == 3 else ""


def _stripped(entry: Mapping[str, Any]) -> dict[str, Any]:
    stripped = {str(key).strip().lower(): value for key, value in entry.items()}
    return {key: value.strip() if isinstance(value, str) else value for key, value in stripped.items()}


def _text(entry: Mapping[str, Any], key: str) -> str:
    value = entry.get(key)
    return value if isinstance(value, str) else ""


def _seconds(value: Any) -> int | None:
    try:
        return int(float(value)) if isinstance(value, (str, int, float)) else None
    except (ValueError, OverflowError):
        return None

"""What may be in a message, and which record answers for it: pure functions, as a table."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from gateway.keeper.record import VaultRecord
from gateway.listener.events import MOST_BYTES, TYPES, Event, Unusable, read_events
from gateway.listener.records import address_in
from gateway.listener.versions import near_end
from tests.stage.rotation import ROOT

VERSION = "5" * 32
ID = f"https://orders-vault.vault.azure.net/secrets/Api-Key/{VERSION}"
DATA = {
    "Id": ID,
    "VaultName": "orders-vault",
    "ObjectType": "Secret",
    "ObjectName": "Api-Key",
    "Version": VERSION,
    "NBF": None,
    "EXP": 1559081980,
}
GRID = {
    "id": "1",
    "topic": "/subscriptions/s/resourceGroups/g/providers/Microsoft.KeyVault/vaults/orders-vault",
    "subject": "Api-Key",
    "eventType": "Microsoft.KeyVault.SecretNearExpiry",
    "eventTime": "2026-01-25T01:08:33.1036736Z",
    "data": DATA,
    "dataVersion": "1",
}
CLOUD = {
    "id": "1",
    "source": GRID["topic"],
    "subject": "Api-Key",
    "type": "Microsoft.KeyVault.SecretNearExpiry",
    "time": "2026-01-25T01:08:33Z",
    "specversion": "1.0",
    "data": DATA,
}
EVENT = Event(
    "SecretNearExpiry", "secrets", "orders-vault", "orders-vault.vault.azure.net", "api-key", VERSION, 1559081980
)


def with_data(**changes: Any) -> dict[str, Any]:
    """The event with other data; None leaves a key out."""
    changed = DATA | changes
    return GRID | {"data": {key: value for key, value in changed.items() if value is not None}}


def spaced(entry: dict[str, Any]) -> dict[str, Any]:
    """Blanks around every key and text."""
    return {
        f" {key} ": spaced(value) if isinstance(value, dict) else f" {value} " if isinstance(value, str) else value
        for key, value in entry.items()
    }


SAME: dict[str, Any] = {
    "Event Grid's schema": GRID,
    "CloudEvents": CLOUD,
    "an array of one": [GRID],
    "the sample of Azure's documentation": GRID
    | {
        "data": {key: value for key, value in DATA.items() if key != "ObjectName"}
        | {"ObjectName ": "Api-Key", "Version": f" {VERSION}", "NBF": "1559081980", "EXP": "1559081980"}
    },
    "blanks everywhere": spaced(GRID),
    "a number with a fraction": with_data(EXP=1559081980.0),
    "the name from the id": with_data(ObjectName=None) | {"subject": "SecretNearExpiry"},
    "the name, not the subject": GRID | {"subject": "SecretNearExpiry"},
    "the version from the id": with_data(Version=None),
    "the vault from the id": with_data(VaultName=None),
    "a byte order mark": "\ufeff" + json.dumps(GRID),
}


@pytest.mark.parametrize("what", SAME)
def test_the_same_event(what: str) -> None:
    given = SAME[what]
    assert read_events((given if isinstance(given, str) else json.dumps(given)).encode("utf-8")) == [EVENT]


VARIANTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "no id: the host is not known": (with_data(Id=None), {"host": ""}),
    "no id, no name of the vault: its resource": (with_data(Id=None, VaultName=None), {"host": ""}),
    "only a subject": (with_data(Id=None, ObjectName=None), {"host": ""}),
    "no end": (with_data(EXP=None), {"expires": None}),
    "an end that is no number": (with_data(EXP="soon"), {"expires": None}),
    "an end beyond all numbers": (with_data(EXP="1e999"), {"expires": None}),
    "expired": (GRID | {"eventType": "Microsoft.KeyVault.SecretExpired"}, {"type": "SecretExpired"}),
    "an expired certificate": (
        GRID | {"eventType": "Microsoft.KeyVault.CertificateExpired"},
        {"type": "CertificateExpired", "kind": "certificates"},
    ),
    "a certificate": (
        GRID | {"eventType": "Microsoft.KeyVault.CertificateNearExpiry"},
        {"type": "CertificateNearExpiry", "kind": "certificates"},
    ),
}


@pytest.mark.parametrize("what", VARIANTS)
def test_a_variant(what: str) -> None:
    given, changes = VARIANTS[what]
    assert read_events(json.dumps(given).encode()) == [Event(**(EVENT.__dict__ | changes))]


def test_many_in_one_message() -> None:
    body = json.dumps([GRID, CLOUD, 7, GRID | {"eventType": "Microsoft.KeyVault.KeyNearExpiry"}]).encode()
    assert read_events(body) == [
        EVENT,
        EVENT,
        Unusable("not a JSON object"),
        Unusable("another type of event", ignored=True),
    ]


@pytest.mark.parametrize("template", ["near_expiry_events.json", "near_expiry_events.sh"])
def test_the_templates_subscribe_what_is_acted_on(template: str) -> None:
    text = (ROOT / "templates" / "azure" / template).read_text(encoding="utf-8")
    assert set(re.findall(r"Microsoft\.KeyVault\.(\w+(?:NearExpiry|Expired))\b", text)) == set(TYPES)


GARBAGE: dict[str, tuple[bytes | None, str]] = {
    "nothing": (None, "empty"),
    "no bytes": (b"", "empty"),
    "not JSON": (b"{", "not JSON"),
    "not text": (b"\xff\xfe\x00\xd8", "not JSON"),
    "too deep": (b"[" * 100_000, "not JSON"),
    "too long": (b" " * (MOST_BYTES + 1), f"longer than {MOST_BYTES} bytes"),
    "a number with too many digits": (b"1" * 5000, "not JSON"),
    "an empty array": (b"[]", "an empty array"),
    "a text": (b'"SecretNearExpiry"', "not a JSON object"),
    "no type": (b"{}", "no event: it has no type"),
    "a type that is no text": (json.dumps(GRID | {"eventType": 5}).encode(), "no event: it has no type"),
    "no data": (json.dumps(GRID | {"data": None}).encode(), "no data in the event"),
    "data that is a text": (json.dumps(GRID | {"data": "x"}).encode(), "no data in the event"),
    "a name that cannot be": (json.dumps(with_data(ObjectName="../x\n")).encode(), "no name of a vault and a secret"),
    "no version": (json.dumps(with_data(Version=None, Id=None)).encode(), "no version of a secret"),
    "two vaults": (json.dumps(with_data(VaultName="another")).encode(), "it names two vaults"),
    "an id that is no address": (
        json.dumps(with_data(Id="https://[", VaultName=None) | {"topic": ""}).encode(),
        "no name of a vault and a secret",
    ),
}


@pytest.mark.parametrize("what", GARBAGE)
def test_garbage(what: str) -> None:
    body, why = GARBAGE[what]
    assert read_events(body) == [Unusable(why)]


class SdkRecord:
    """As much of the SDK's record as is looked at."""

    is_editable, revision, title, uid = True, 1, "", "u" * 22
    folder_uid, inner_folder_uid = "f" * 22, None

    def __init__(self, kind: str, **values: str) -> None:
        self.type = kind
        self.dict = {"custom": [{"type": "text", "label": key, "value": [value]} for key, value in values.items()]}


PORTAL = (
    "https://portal.azure.com/#view/Microsoft_Azure_KeyVault/Secret/https%3A%2F%2Forders-vault.vault.azure.net"
    "%2Fsecrets%2Fapi-key"
)
NAMED = "https://orders-vault.vault.azure.net/secrets/api-key"
ANSWERS: dict[str, tuple[str, Event, bool]] = {
    "its address": (NAMED, EVENT, True),
    "another case": ("https://Orders-Vault.vault.azure.net/secrets/API-key", EVENT, True),
    "a version of it": (f"{NAMED}/{VERSION}", EVENT, True),
    "best-effort": (f"optional {NAMED}", EVENT, True),
    "among others": (f"keeper:{'u' * 22}#clientSecret\n  {NAMED}\nnonsense", EVENT, True),
    "without a host in the event": (NAMED, Event(**(EVENT.__dict__ | {"host": ""})), True),
    "another secret": (NAMED + "-2", EVENT, False),
    "another vault": (NAMED.replace("orders", "other"), EVENT, False),
    "the same name in another cloud": (
        NAMED,
        Event(**(EVENT.__dict__ | {"host": "orders-vault.vault.azure.cn"})),
        False,
    ),
    "a certificate": (NAMED, Event(**(EVENT.__dict__ | {"kind": "certificates"})), False),
    "its certificate": (
        NAMED.replace("secrets", "certificates"),
        Event(**(EVENT.__dict__ | {"kind": "certificates"})),
        True,
    ),
    "nothing": ("", EVENT, False),
}


@pytest.mark.parametrize("what", ANSWERS)
def test_a_record_that_names(what: str) -> None:
    deliver_to, event, answers = ANSWERS[what]
    record = VaultRecord(SdkRecord("pamUser", deliver_to=deliver_to))
    assert bool(address_in(record, event)) is answers
    assert not address_in(VaultRecord(SdkRecord("login", deliver_to=deliver_to)), event), "not a PAM User"


def test_a_record_whose_target_is_the_certificate() -> None:
    record = VaultRecord(SdkRecord("pamUser", certificate_id=NAMED.replace("secrets", "certificates")))
    assert address_in(record, Event(**(EVENT.__dict__ | {"kind": "certificates"})))
    assert not address_in(record, EVENT)


def test_a_message_of_thousands_of_events() -> None:
    found = read_events(json.dumps([event_grid_of(number) for number in range(1_500)]).encode())
    assert len(found) == 101 and found[-1] == Unusable("1500 events, of which 100 are read")
    assert all(isinstance(each, Event) for each in found[:100])


def event_grid_of(number: int) -> dict[str, object]:
    """A short event of another version each time."""
    data = {"VaultName": "orders-vault", "ObjectName": "api-key", "Version": f"{number:032x}"}
    return {"eventType": "Microsoft.KeyVault.SecretNearExpiry", "data": data}


NOW = 1_800_000_000.0
ENDS: dict[str, tuple[dict[str, object], bool]] = {
    "in a year": ({"attributes": {"exp": NOW + 365 * 86400}}, False),
    "in 61 days": ({"attributes": {"exp": NOW + 61 * 86400}}, False),
    "in 59 days": ({"attributes": {"exp": NOW + 59 * 86400}}, True),
    "yesterday": ({"attributes": {"exp": NOW - 86400}}, True),
    "never": ({"attributes": {}}, False),
    "nobody knows": ({}, False),
    "something that is no moment": ({"attributes": {"exp": "soon"}}, False),
    "a number without a measure": ({"attributes": {"exp": -1e300}}, False),
    "in 80 days, and its policy renews at 90": (
        {
            "attributes": {"exp": NOW + 80 * 86400},
            "policy": {"lifetime_actions": [{"trigger": {"days_before_expiry": 90}}]},
        },
        True,
    ),
    "in 80 days, and its policy renews at 30": (
        {
            "attributes": {"exp": NOW + 80 * 86400},
            "policy": {"lifetime_actions": [{"trigger": {"days_before_expiry": 30}}]},
        },
        False,
    ),
    "past the share of its life": (
        {
            "attributes": {"nbf": NOW - 285 * 86400, "exp": NOW + 80 * 86400},
            "policy": {"lifetime_actions": [{"trigger": {"lifetime_percentage": 70}}]},
        },
        True,
    ),
    "before the share of its life": (
        {
            "attributes": {"nbf": NOW - 285 * 86400, "exp": NOW + 80 * 86400},
            "policy": {"lifetime_actions": [{"trigger": {"lifetime_percentage": 80}}]},
        },
        False,
    ),
    "a policy that is none": (
        {"attributes": {"exp": NOW + 80 * 86400}, "policy": {"lifetime_actions": [7, {}, None]}},
        False,
    ),
}


@pytest.mark.parametrize("when", ENDS)
def test_what_the_vault_says_of_the_end(when: str) -> None:
    body, near = ENDS[when]
    assert near_end(body, 60, NOW) is near

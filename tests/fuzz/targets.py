"""Everything that reads what comes from outside: how an input is made up, and what is done with it."""

from __future__ import annotations

import base64
import contextlib
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

from gateway.azure.key_vault.calls import key_vault_url
from gateway.azure.key_vault.ids import CertificateId, SecretId
from gateway.deliveries.addresses import read_destinations
from gateway.errors import Failed
from gateway.host import http
from gateway.host.notify.services import Allowed, parsed, read_allowed
from gateway.host.shown import LONGEST, cell, shown
from gateway.keeper.parameters import read_params
from gateway.keeper.record import VaultRecord
from gateway.keeper.value_template import rendered
from gateway.kinds.mongodb_user import choose_password
from gateway.listener.events import MOST_EVENTS, read_events
from gateway.listener.versions import near_end
from gateway.model import x509
from gateway.model.certificate_policy import read_policy_change, read_subject, same_subject, subject_parts
from gateway.model.clouds import CLOUDS
from gateway.model.credential import read_marker, read_stamp, stamp
from gateway.model.ledger import Ledger, read_ledger
from gateway.model.policy import read_notify_policy, read_policy
from gateway.secret import Secret, masked
from tests.fuzz.mutate import Mutator

AZURE, UID = CLOUDS["AzureCloud"], "A" * 22
NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Target:
    """``make`` invents an input, ``run`` reads it; what it raises beside `Failed` is a fault."""

    make: Callable[[Mutator], Any]
    run: Callable[[Any], object]


# The line on stdin

LINE = {
    "providerRecordUid": "B" * 22, "resourceRecordUid": None, "userRecordUid": UID, "newPassword": "xyz-password",
    "oldPassword": None, "user": "u", "dueNow": True, "dueWhileLastRotated": "x",
}  # fmt: skip
RECORDS = [
    {"uid": UID, "title": "t", "client_secret": "s3cr3t-value", "application_object_id": "x", "notes": ["a"]},
    {"uid": "C" * 22, "title": "adm", "application_client_id": "x", "client_secret2": "y", "tenant_id": "z"},
]


def a_line(mutator: Mutator) -> bytes:
    """Base64 of JSON with base64 of JSON in it, broken in one of its layers."""
    records = mutator.json(RECORDS).encode("utf-8", "surrogatepass")
    params = {**LINE, "records": base64.b64encode(records).decode()}
    if mutator.chance.random() < 0.6:
        return base64.b64encode(json.dumps(params).encode())
    whole = base64.b64encode(mutator.json(params).encode("utf-8", "surrogatepass"))
    return whole if mutator.chance.random() < 0.7 else mutator.data(whole)


def read_line(line: bytes) -> None:
    """As a script does."""
    for attached in read_params(io.BytesIO(line)).attached:
        attached.get("client_secret")
        masked(attached.title)


# Fields of a record

FIELDS = {
    "rotation_enabled": "True", "secret_lifetime_days": "365", "rotate_before_hours": "720", "remove_old": "replaced",
    "overlap_hours": "24", "azure_cloud": "AzureCloud", "application_owners": "a@b.c, d", "notify_on": "all",
    "notify": "mailto://x json://y", "notify_before_days": "7", "password_length": "32", "password_specials": "-._~",
    "value_template": "mongodb://{login}:{password}@h/?a={password}", "rotate_now": "revoke", "validity_months": "12",
    "key_type": "RSA", "key_size": "2048", "dns_names": "a.example\nb.example", "subject": 'CN=a, O="b, c"',
}  # fmt: skip


class SdkRecord:
    """As much of the SDK's record as is looked at."""

    is_editable, revision, title, uid, type = True, 1, "", UID, "pamUser"
    folder_uid = inner_folder_uid = ""

    def __init__(self, values: dict[str, str]) -> None:
        self.dict = {"custom": [{"type": "text", "label": key, "value": [value]} for key, value in values.items()]}


def read_fields(values: dict[str, str]) -> None:
    """Each of those who read fields, once those are refused that are too long."""
    record = VaultRecord(SdkRecord(values))
    if record.too_long():
        return
    for read in (
        lambda: read_policy(record.value),
        lambda: read_notify_policy(record.value),
        lambda: rendered(record, "us/er", Secret('p@ss"w{}ord')),
        lambda: choose_password(record),
        lambda: read_policy_change(record.value, lambda: "CN=shown"),
    ):
        with contextlib.suppress(Failed):
            read()
    record.doubtful_labels(FIELDS)
    for url in read_notify_policy(record.value).urls[:3]:
        with contextlib.suppress(ValueError):
            parsed(url, Allowed())


# Addresses

ADDRESSES = [
    f"https://orders-vault.vault.azure.net/secrets/orders-api-secret/{'0' * 32}",
    "https://dev.azure.com/contoso/Orders%20team/_settings/adminservices?resourceId=62fd372b-af8b-4e99-85ff-e819cc3e9c0b",
    "https://contoso.visualstudio.com/Orders/_settings/adminservices?resourceId=62fd372b-af8b-4e99-85ff-e819cc3e9c0b",
    "optional /subscriptions/f/resourceGroups/r/providers/Microsoft.Automation/automationAccounts/a/runbooks/b?E=prod",
    "/subscriptions/f/resourceGroups/r/providers/Microsoft.Web/connections/orders",
    f"keeper:{UID}#client secret",
    "https://v.vault.azure.net/certificates/x",
    "https://portal.azure.com/#view/Microsoft_Azure_KeyVault/Secret/https%3A%2F%2Fv.vault.azure.net%2Fsecrets%2Fn",
]


def read_addresses(text: str) -> None:
    """An address that is accepted stays in its cloud, and reads back as itself."""
    with contextlib.suppress(Failed):
        for found in read_destinations(text, AZURE):
            if url := getattr(found, "vault_url", ""):
                _check_host(url)
            (again,) = read_destinations(found.address, AZURE)
            assert again.address == found.address
    for read in (
        lambda: CertificateId.read(text, AZURE, "x").vault_url,
        lambda: SecretId.read(text, AZURE, "x").vault_url,
        lambda: key_vault_url(text, AZURE),
    ):
        with contextlib.suppress(Failed):
            _check_host(read())


def _check_host(url: str) -> None:
    host = urlsplit(url).netloc
    assert host.isascii() and host.endswith(".vault.azure.net") and host.count(".") == 3 and "@" not in url, url


# Ledgers

LEDGER = {
    "version": 1, "record": UID, "named": "n", "target": "t", "key_id": "k1",
    "retire": [
        {"key_id": "k0", "after": "2026-11-22T10:00:00Z", "published": True},
        {"key_id": "k2", "after": None, "published": False},
    ],
    "holds": {"keeper:x#y": "k1", "https://v.vault.azure.net/secrets/n": "k0"}, "drift": ["x"], "revoking": True,
    "regenerating": {"key_id": "k1", "before": "2026-11-22T10:00:00Z", "until": "2026-11-22T10:00:00Z", "lock": "l"},
}  # fmt: skip


def read_a_ledger(text: str) -> None:
    """What is accepted is compared, and written so that it is read again."""
    ledger = read_ledger(text, UID)
    ledger.still_expected(NOW)
    if intent := ledger.intent:
        assert isinstance(intent.until < NOW, bool) and isinstance(intent.before < NOW, bool)
    assert isinstance(read_ledger(ledger.text(UID), UID), Ledger)


# Events

TOPIC = "/subscriptions/s/resourceGroups/r/providers/Microsoft.KeyVault/vaults/v"
EVENT = {
    "id": "x", "topic": TOPIC, "subject": "n", "eventType": "Microsoft.KeyVault.SecretNearExpiry",
    "data": {
        "Id": f"https://v.vault.azure.net/secrets/n/{'0' * 32}", "VaultName": "v", "ObjectType": "Secret",
        "ObjectName": "n", "Version": "0" * 32, "NBF": None, "EXP": 1795802740,
    },
}  # fmt: skip


def a_message(mutator: Mutator) -> bytes:
    """One event, or many."""
    event = mutator.chance.choice((EVENT, [EVENT, EVENT], [EVENT] * 150))
    text = mutator.json(event).encode("utf-8", "surrogatepass")
    return text if mutator.chance.random() < 0.8 else mutator.data(text)


def read_message(body: bytes) -> None:
    """It never raises."""
    try:
        found = read_events(body)
    except Failed:
        raise AssertionError("read_events never raises") from None
    assert 0 < len(found) <= MOST_EVENTS + 1


# Certificates


def seeds() -> list[bytes]:
    """Certificates, keys and requests in every form."""
    from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

    from sandbox.key_vault.certificates.authority import certificate_authority
    from tests.stage.discover import make_bundle

    authority, bundle = certificate_authority("Fuzz"), make_bundle("fuzz", 90)
    chain = [authority.intermediate, authority.root]
    pfx = x509.to_pfx(bundle, "n", "")
    found = [*(each.public_bytes(Encoding.DER) for each in chain), x509.to_pem(bundle), pfx, base64.b64encode(pfx)]
    return found + [pkcs7.serialize_certificates(chain, form) for form in (Encoding.DER, Encoding.PEM)]


SEEDS: list[bytes] = []


def a_certificate(mutator: Mutator) -> bytes:
    """One of them, broken."""
    if not SEEDS:
        SEEDS.extend(seeds())
    return mutator.data(mutator.chance.choice(SEEDS))


def read_certificates(content: bytes) -> None:
    """Everyone who reads one."""
    text = content.decode("latin-1")

    def chain() -> None:
        found = x509.read_chain(content)
        x509.in_order(found)
        for each in found:
            with contextlib.suppress(Failed):
                x509.facts(each)
            with contextlib.suppress(Failed):
                x509.check_dates(each, NOW)

    for read in (
        chain,
        lambda: x509.facts(x509.read_certificate(content)),
        lambda: x509.request_text(content),
        lambda: repr(x509.read_pem(content)),
        lambda: x509.read_pfx(content, ""),
        lambda: x509.read_secret(text, ""),
        lambda: x509.has_private_key(text, ""),
        lambda: x509.read_public(text, x509.PEM),
    ):
        with contextlib.suppress(Failed):
            read()


# What services answer, and what they call things

TEXTS = [
    f"keeper:{UID}:abc:def:1795802740", "2026-11-22T10:00:00+00:00", "Sun, 22 Nov 2026 10:00:00 GMT", "120",
    'CN=orders.example.com, O="Contoso, Ltd.", OU=a\\,b', '{"a":[1,2]}', "relay.example.com 10.0.0.0/8 syslog://",
]  # fmt: skip
SHOWN = {
    "attributes": {"nbf": 1.7e9, "exp": 1.8e9},
    "policy": {"lifetime_actions": [{"trigger": {"days_before_expiry": 90, "lifetime_percentage": 80}}]},
}


def read_text(text: str) -> None:
    """Markers, moments, subjects, headers, bodies."""
    if marker := read_marker(text):
        marker.is_past(NOW)
    if moment := read_stamp(text):
        assert isinstance(moment < NOW, bool) and stamp(moment)
    for read in (read_subject, subject_parts, lambda text: same_subject(text, "CN=x")):
        with contextlib.suppress(ValueError):
            read(text[:2_000])
    with contextlib.suppress(Failed):
        read_allowed(text)
    header = text.encode("latin-1", "replace").decode("latin-1").replace("\n", "").replace("\r", "")
    content = text.encode("utf-8", "surrogatepass")
    answer: Any = SimpleNamespace(headers={"Date": header, "Retry-After": header}, content=content, request=None)
    http.json_object(answer)
    assert (wait := http.retry_after(answer)) is None or wait >= 0
    http.Http(1, SimpleNamespace(remaining=lambda: 1.0)).note_time(answer)  # type: ignore[arg-type]
    assert shown(text).isprintable() and len(shown(text)) <= LONGEST
    assert not cell(text).startswith(tuple("=+-@"))


def read_shown(body: Any) -> None:
    """What Key Vault shows of a version."""
    if isinstance(body, dict):
        near_end(body, 60, NOW.timestamp())


TARGETS: dict[str, Target] = {
    "the line on stdin": Target(a_line, read_line),
    "fields": Target(
        lambda mutator: {k: mutator.text(v) if mutator.chance.random() < 0.3 else v for k, v in FIELDS.items()},
        read_fields,
    ),
    "addresses": Target(lambda mutator: mutator.text(mutator.chance.choice(ADDRESSES)), read_addresses),
    "ledgers": Target(lambda mutator: mutator.json(LEDGER), read_a_ledger),
    "events": Target(a_message, read_message),
    "certificates": Target(a_certificate, read_certificates),
    "texts": Target(lambda mutator: mutator.text(mutator.chance.choice(TEXTS)), read_text),
    "versions": Target(lambda mutator: mutator.shape(SHOWN), read_shown),
}

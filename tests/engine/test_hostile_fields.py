"""Somebody who may edit one record writes whatever they like into each of its fields, and gets nothing beyond it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from gateway.kinds.registry import APP_SECRET
from gateway.model.fields import ADMIN_FIELDS, FIELDS, MONGODB_ADMIN_FIELDS
from sandbox.graph.base import WRITE_ALL
from sandbox.keeper.vault import make_field
from tests.stage.rotation import Stage
from tests.sweep.deep import deep_unless

LABELS = sorted({each.label for each in (*FIELDS, *ADMIN_FIELDS, *MONGODB_ADMIN_FIELDS)} | {"login", "password"})
QUICK = {"deliver_to"}
AZURE = {"login.microsoftonline.com", "graph.microsoft.com", "management.azure.com"}
VAULT = "https://theirs.vault.azure.net"


def hostile(stage: Stage, other_app: Any, other_record: str) -> list[str]:
    """Names of all that is not this record's own, in the forms that fields and addresses have."""
    at = stage.at
    return [
        other_app.object_id, other_app.client_id, at.admin_object_id, at.admin_client_id,
        f"{VAULT}/secrets/theirs", f"optional {VAULT}/secrets/theirs", f"{VAULT}/certificates/theirs",
        *(f"keeper:{uid}#{label}" for uid in (at.admin_record_uid, at.config_record_uid, other_record)
          for label in ("client_secret", "clientSecret", "its secret", "deliver_to", "notify")),
        at.admin_record_uid, other_record, "AzureChinaCloud", "AzureUSGovernment", "True", "revoke", "all", "*", "0",
        "mongodb://127.0.0.1:1/", "/etc/passwd", "https://evil.example/secrets/x", "json://127.0.0.1:1/",
        json.dumps({"version": 1, "named": at.target_object_id, "target": other_app.object_id}),
        base64.b64encode(b"[]").decode(), "\ud800", "\x1b[31m\n", "9" * 5000,
    ]  # fmt: skip


def others(stage: Stage, *apps: str) -> dict[str, Any]:
    """All that is not this record's own: every other record, other apps, and the vault."""
    keeper, keyvault = stage.sandbox.keeper, stage.sandbox.keyvault
    found: dict[str, Any] = {
        uid: keeper.record(uid).values() for uid in keeper.vault.records if uid != stage.at.record_uid
    }
    found |= {app: [each.key_id for each in stage.sandbox.graph.passwords(app)] for app in apps}
    found["vault"] = [(each.version, each.value) for each in keyvault.versions("theirs", "theirs")]
    return found


@pytest.mark.parametrize("label", deep_unless(QUICK.__contains__, LABELS))
def test_a_field_gets_nothing_beyond_its_record(label: str, make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(admin_roles=[WRITE_ALL])
    keeper, keyvault, at = stage.sandbox.keeper, stage.sandbox.keyvault, stage.at
    other_app = stage.sandbox.graph.new_application("other")
    stage.sandbox.graph.add_password(other_app, "theirs")
    other_record = keeper.add_record("other", "pamUser", [make_field("login", "other")], [
        make_field("secret", "theirs", "its secret"), make_field("secret", "theirs", "client_secret"),
    ])  # fmt: skip
    keyvault.grant(at.admin_client_id, "Key Vault Secrets Officer", vault := keyvault.add_vault("theirs"))
    keyvault.set_secret(vault, "theirs", "theirs", tags={"keeper-record": other_record})
    keeper.edit(at.admin_record_uid, "allowed_targets", f"{at.target_object_id}\n{at.target_client_id}")
    keeper.edit(at.admin_record_uid, "allowed_destinations", f"keeper:{other_record}#none")
    before, present = others(stage, other_app.object_id, at.admin_object_id), stage.value(label)
    for value in hostile(stage, other_app, other_record):
        keeper.edit(at.record_uid, label, value)
        outcome = stage.run()
        assert outcome.code in (0, 1, 2, 3), (label, value, outcome)
        assert others(stage, other_app.object_id, at.admin_object_id) == before, (label, value)
        keeper.edit(at.record_uid, label, present)
    hosts = {each.host for each in stage.sandbox.connects if "keepersecurity" not in each.host}
    assert hosts <= AZURE, label


def test_the_walk_is_of_every_field() -> None:
    assert {each.label for each in APP_SECRET.fields} <= set(LABELS)

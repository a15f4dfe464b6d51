"""Labels that are nearly one of ours: what is taken for misspelt, and what a run does about it."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from gateway.keeper.record import VaultRecord
from gateway.kinds.registry import APP_SECRET, CERTIFICATE, MONGODB_USER, PUBLISHED_PASSWORD, STORAGE_KEY
from gateway.model.fields import FIELDS
from gateway.model.kind_facts import KindFacts
from tests.stage.command import command
from tests.stage.published_password import NEW, OLD, PasswordStage
from tests.stage.rotation import ROOT, SCRIPT, Stage

ALL = (APP_SECRET, STORAGE_KEY, MONGODB_USER, CERTIFICATE, PUBLISHED_PASSWORD)

# What people write into records besides, and must not have to rename.
INNOCENT = (
    "owner", "owners", "owner email", "data_owner", "notes", "note", "comment", "description", "old_secret",
    "old secret", "old_password", "remove", "removed", "removed_on", "remove_after", "removal date", "expires_on",
    "expires_at", "expiry", "expiry_date", "valid_until", "client", "client_id", "clientId", "client_name",
    "client_secret_old", "client_secret_2", "client secret 2", "secret", "secret_id", "secret_name", "secret_url",
    "secret owner", "lifetime", "secret_lifetime", "subscription", "subscription_id", "tenant", "tenant_id",
    "environment", "env", "stage", "deliver", "delivery", "delivery_date", "notification", "notification email",
    "notifications", "notify_email", "notify_to", "notify_me", "email", "contact", "url", "uri", "link", "website",
    "ticket", "ticket_id", "change_number", "cost_center", "department", "team", "project", "application",
    "application_id", "application_name", "application_client_id", "app", "app_id", "object", "object_id",
    "resource_group", "region", "cloud", "azure", "azure_client", "azure_subscription", "key", "key_name", "key_id",
    "key_usage", "account", "account_name", "storage_account_name", "database", "host", "port", "server", "login_url",
    "admin_login", "password_policy", "password_hint", "password_strength", "password_age", "issued_by", "validity",
    "validity_days", "report", "expert", "exported", "dns_server", "dns_zone", "rotation", "rotation_owner",
    "rotation_interval", "rotated_by", "rotate_before", "overlap", "created_by", "state", "status", "value",
    "template", "title", "type", "vault", "private key", "approved_by", "phone", "runbook", "keep_old",
    "Private Key PEM", "Key Type 2", "Subject 2", "rotation enabled by", "Alternate Login 2", "",
)  # fmt: skip

# What must not be passed over, and which field was meant.
MISSPELT = {
    "remove_odl": (APP_SECRET, "remove_old"),
    "remove_olds": (APP_SECRET, "remove_old"),
    "removed_old": (APP_SECRET, "remove_old"),
    "rmove_old": (APP_SECRET, "remove_old"),
    "Remove olds": (APP_SECRET, "remove_old"),
    "overlap_hour": (APP_SECRET, "overlap_hours"),
    "Overlap Hour": (APP_SECRET, "overlap_hours"),
    "overlap_huors": (APP_SECRET, "overlap_hours"),
    "rotation_enable": (STORAGE_KEY, "rotation_enabled"),
    "rotation_enabeld": (MONGODB_USER, "rotation_enabled"),
    "secret_livetime_days": (APP_SECRET, "secret_lifetime_days"),
    "secret_lifetime_day": (STORAGE_KEY, "secret_lifetime_days"),
    "rotate_befor_hours": (CERTIFICATE, "rotate_before_hours"),
    "deliver_too": (PUBLISHED_PASSWORD, "deliver_to"),
    "delivre_to": (APP_SECRET, "deliver_to"),
    "delivery_to": (APP_SECRET, "deliver_to"),
    "application_owner": (APP_SECRET, "application_owners"),
    "notify_before_day": (APP_SECRET, "notify_before_days"),
    "notifiy": (APP_SECRET, "notify"),
    "azur_cloud": (APP_SECRET, "azure_cloud"),
    "value_templates": (PUBLISHED_PASSWORD, "value_template"),
    "password_lenght": (MONGODB_USER, "password_length"),
    "alternative_login": (MONGODB_USER, "alternate_login"),
    "auth_databse": (MONGODB_USER, "auth_database"),
    "validity_month": (CERTIFICATE, "validity_months"),
    "dns_name": (CERTIFICATE, "dns_names"),
    "storage_acount_id": (STORAGE_KEY, "storage_account_id"),
}


def record(*labels: str) -> VaultRecord:
    """A PAM User record with custom fields of these labels."""
    custom = [{"type": "text", "label": label, "value": ["x"]} for label in labels]
    read = {"uid": "u", "title": "", "type": "pamUser", "is_editable": True, "revision": 1}
    read |= {"folder_uid": "f", "inner_folder_uid": None}
    return VaultRecord(SimpleNamespace(**read, dict={"fields": [{"type": "login", "value": []}], "custom": custom}))


@pytest.mark.parametrize("facts", ALL, ids=lambda facts: facts.name)
def test_what_people_write_besides_is_let_through(facts: KindFacts) -> None:
    assert record(*INNOCENT).doubtful_labels(facts.inputs()) == {}
    assert record(*INNOCENT).misspelt_labels(facts.inputs()) == {}


@pytest.mark.parametrize("label", MISSPELT)
def test_what_is_misspelt_is_found(label: str) -> None:
    facts, meant = MISSPELT[label]
    assert record(label).doubtful_labels(facts.inputs()) == {label: meant}
    assert record(label, meant).doubtful_labels(facts.inputs()) == {}, "the field that it could be is there"


def test_none_of_our_own_labels_is_taken_for_another() -> None:
    for field in FIELDS:
        for facts in ALL:
            assert record(field.label).doubtful_labels(facts.inputs()) == {}


# A misspelt field, and what a run does about it.


def misspelt(stage: Stage, label: str = "remove_odl") -> Stage:
    """A record without remove_old, and with this field."""
    stage.stored()["custom"] = [field for field in stage.stored()["custom"] if field["label"] != "remove_old"]
    stage.sandbox.keeper.edit(stage.at.record_uid, label, "replaced")
    return stage


def refused(stage: Stage, code: int | None, report: dict[str, object], live: set[str]) -> None:
    """Exit 1, both labels are named, and nothing was changed."""
    assert (code, report["result"]) == (1, "failed"), report
    assert report["error"] == "field labels: 'remove_odl' is not 'remove_old'"
    assert "rename these fields" in str(report["hint"]) and "an empty field named remove_old" in str(report["hint"])
    assert stage.live() == live and not {"graph.add_password", "keeper.update_secret"} & set(stage.sandbox.operations())


def test_the_first_run_ends_before_anything_is_changed(stage: Stage) -> None:
    live = misspelt(stage).live()
    outcome = stage.run()
    refused(stage, outcome.code, outcome.report, live)


def test_a_copy_of_a_record_has_its_first_run_too(stage: Stage) -> None:
    state = {"version": 1, "record": "A" * 22, "named": "", "target": "", "key_id": "", "retire": [], "holds": {}}
    stage.sandbox.keeper.edit(stage.at.record_uid, "rotation_state", json.dumps(state))
    live = misspelt(stage).live()
    outcome = stage.run()
    refused(stage, outcome.code, outcome.report, live)


def test_later_runs_of_the_gateway_warn(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(settings={"rotate_before_hours": ""})
    assert stage.run().code == 0
    misspelt(stage)
    outcome = stage.run()
    assert (outcome.code, outcome.result) == (0, "rotated"), outcome
    warning = "field label 'remove_odl' looks like 'remove_old' and is ignored"
    assert outcome.report["warnings"] == [warning] and f"warning: {warning}" in outcome.stderr


def test_by_hand_it_is_refused_at_every_run(stage: Stage) -> None:
    assert stage.run().code == 0
    live = misspelt(stage).live()
    stage.sandbox.requests.clear()
    process = command(stage, "run", str(SCRIPT), f"--record={stage.at.record_uid}", "--json")
    refused(stage, process.returncode, json.loads(process.stdout), live)


def test_a_password_that_keeper_rotated() -> None:
    with PasswordStage(deliver_too="https://passwords-vault.vault.azure.net/secrets/other") as stage:
        assert stage.publish().code == 0, "deliver_to is there as well"
    with PasswordStage(notify_before_day="7") as stage:
        outcome = stage.publish()
        assert outcome.code == 1 and "'notify_before_day' is not 'notify_before_days'" in outcome.report["error"]
        assert stage.held() == OLD
        stage.stored()["custom"].pop()
        assert stage.publish().code == 0
        stage.save(NEW)
        stage.sandbox.keeper.edit(stage.at.record_uid, "notify_before_day", "7")
        outcome = stage.publish()
        assert (outcome.code, stage.held()) == (0, NEW), outcome
        assert "'notify_before_day' looks like 'notify_before_days'" in outcome.report["warnings"][0]


def test_a_field_that_is_meant_so_is_let_through_beside_ours(stage: Stage) -> None:
    stage.sandbox.keeper.edit(stage.at.record_uid, "remove_old", "")
    stage.sandbox.keeper.edit(stage.at.record_uid, "remove_odl", "replaced")
    assert stage.run().code == 0
    assert command(stage, "run", str(SCRIPT), f"--record={stage.at.record_uid}").returncode == 0


def test_a_record_that_is_switched_off_is_not_looked_at(make_stage: Callable[..., Stage]) -> None:
    stage = misspelt(make_stage(settings={"rotation_enabled": "False"}))
    assert stage.run().result == "disabled"


@pytest.mark.parametrize("page", ["README.md", "docs/fields.md"])
def test_the_pages_say_what_is_refused_and_when(page: str) -> None:
    text = " ".join((ROOT / page).read_text(encoding="utf-8").split())
    assert "`remove_odl`" in text and "first run" in text and "by hand" in text

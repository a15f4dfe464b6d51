"""Keeper's Universal Secrets Sync beside a rotation: a secret that it keeps, and the two folders that go together."""

from __future__ import annotations

import json

import pytest

from tests.stage.command import command
from tests.stage.rotation import Outcome, Stage
from tests.stage.universal_sync import published_record, sync

KEEPS = "Universal Secrets Sync keeps it"


def titled_like_its_secret(stage: Stage) -> str:
    """The stage's record, whose title with a dash for each blank is the secret that it delivers to; the vault."""
    made = stage.deliver("secret_address")
    title = stage.sandbox.keeper.record(stage.at.record_uid).data["title"]
    stage.sandbox.keyvault.grant(stage.at.admin_client_id, "Key Vault Secrets Officer", made.vault)
    stage.sandbox.keeper.edit(stage.at.record_uid, "deliver_to", f"{made.vault.url}/secrets/{title.replace(' ', '-')}")
    return made.vault.name


def test_a_secret_that_the_sync_keeps_is_refused_before_anything_is_made(stage: Stage) -> None:
    vault = titled_like_its_secret(stage)
    name, live = sync(stage.sandbox, vault, stage.at.record_uid), stage.live()
    outcome = stage.run()
    assert (outcome.code, stage.live()) == (1, live), outcome
    assert KEEPS in outcome.report["error"] and "out of the folder" in outcome.report["hint"]
    assert len(stage.sandbox.keyvault.versions(vault, name)) == 1 and not stage.leaks([outcome])


def test_check_says_so(stage: Stage) -> None:
    vault = titled_like_its_secret(stage)
    sync(stage.sandbox, vault, stage.at.record_uid)
    options = (f"--config={stage.at.config_record_uid}", f"--attach={stage.at.admin_record_uid}")
    said = command(stage, "check", *options, "--", stage.at.record_uid)
    assert said.returncode == 1 and f"x {stage.value('deliver_to')}: it holds all the fields" in said.stdout, said


@pytest.mark.parametrize(("before_hours", "code"), [("", 1), ("24", 2)], ids=["due", "not due"])
def test_a_folder_that_is_linked_later(before_hours: str, code: int, stage: Stage) -> None:
    """The sync sets its JSON after our save; the next run names it, and does not write over it in turn."""
    vault = titled_like_its_secret(stage)
    stage.sandbox.keeper.edit(stage.at.record_uid, "rotate_before_hours", before_hours)
    stage.sandbox.keeper.edit(stage.at.record_uid, "rotate_now", "True")
    assert stage.run().code == 0
    name = sync(stage.sandbox, vault, stage.at.record_uid)
    count, live = len(stage.sandbox.keyvault.versions(vault, name)), stage.live()
    outcome = stage.run()
    assert outcome.code == code and KEEPS in outcome.report["error"], outcome
    assert len(stage.sandbox.keyvault.versions(vault, name)) == count and stage.live() == live
    assert stage.published_works()


@pytest.mark.parametrize(("content_type", "warned"), [("application/json; charset=utf-8", True), ("", False)])
def test_somebody_elses_document_is_a_warning_once(content_type: str, warned: bool, stage: Stage) -> None:
    made = stage.deliver("secret_address")
    document = json.dumps({"login": "orders", "password": "old"})
    stage.sandbox.keyvault.set_secret(made.vault, made.secret_name, document, content_type=content_type)

    def warns(outcome: Outcome) -> bool:
        assert outcome.code == 0, outcome
        return any("Universal Secrets Sync" in text for text in outcome.report.get("warnings", []))

    assert (warns(stage.run()), warns(stage.run())) == (warned, False)


def test_two_folders_go_together(stage: Stage) -> None:
    """What is rotated stays out of the linked folder; the record in it gets the value, and the key vault from it."""
    made = stage.deliver("secret_address")
    uid = published_record(stage.sandbox, "orders api", stage.at.record_uid)
    stage.sandbox.keeper.edit(stage.at.record_uid, "deliver_to", f"keeper:{uid}#client_secret")
    assert stage.run().code == 0
    name = sync(stage.sandbox, made.vault.name, uid)
    held = json.loads(stage.sandbox.keyvault.value(made.vault, name) or "")
    assert (name, held["client_secret"]) == ("orders-api", stage.value("client_secret"))
    assert "rotation_state" not in held

"""Key Vault secrets that are not like others: of a certificate, or with the value already."""

from __future__ import annotations

import pytest

from sandbox.proxy import faults
from tests.stage.rotation import Stage

DAY = 86400.0


def test_the_secret_of_a_certificate_is_refused_before_anything_is_made(stage: Stage) -> None:
    made = stage.deliver("secret_address")
    stage.sandbox.keyvault.add_certificate(made.vault, "www")
    stage.sandbox.keyvault.grant(stage.at.admin_client_id, "Key Vault Secrets Officer", made.vault)
    stage.sandbox.keeper.edit(stage.at.record_uid, "deliver_to", f"{made.vault.url}/secrets/www")
    live = stage.live()
    outcome = stage.run()
    assert (outcome.code, outcome.result) == (1, "failed"), outcome
    assert "belongs to the certificate www" in outcome.report["error"]
    assert f"{made.vault.url}/certificates/www" in outcome.report["hint"]
    assert stage.live() == live


def holding_it_already(stage: Stage) -> None:
    """Not due, and the vault's current version holds what the record publishes, without an end and our tags."""
    made = stage.deliver("secret_address")
    stage.sandbox.keeper.edit(stage.at.record_uid, "deliver_to", "")
    assert stage.run().code == 0
    stage.sandbox.keyvault.set_secret(made.vault, made.secret_name, stage.value("client_secret"), tags={"team": "a"})
    stage.sandbox.keeper.edit(stage.at.record_uid, "deliver_to", made.secret_address)
    stage.sandbox.keeper.edit(stage.at.record_uid, "rotate_before_hours", "24")


def test_a_secret_that_has_the_value_gets_its_end_and_our_tags(stage: Stage) -> None:
    holding_it_already(stage)
    made = stage.destinations
    assert made
    count = len(stage.sandbox.keyvault.versions(made.vault, made.secret_name))
    outcome = stage.run()
    assert (outcome.code, outcome.result) == (0, "finished"), outcome
    versions = stage.sandbox.keyvault.versions(made.vault, made.secret_name)
    assert len(versions) == count, "no new version"
    assert versions[-1].tags["team"] == "a" and versions[-1].tags["keeper-record"] == stage.at.record_uid
    assert versions[-1].exp and abs(versions[-1].exp - stage.sandbox.clock.now() - 365 * DAY) < 360
    assert versions[-1].enabled and versions[-1].value == stage.value("client_secret")


@pytest.mark.parametrize("kind", [faults.Status(403), faults.Status(500)], ids=repr)
def test_an_end_that_cannot_be_set_is_a_warning(kind: faults.Kind, stage: Stage) -> None:
    holding_it_already(stage)
    stage.sandbox.fault("keyvault", "update_secret", kind, times=None)
    outcome = stage.run()
    assert (outcome.code, outcome.result) == (0, "finished"), outcome
    assert any("holds the value already" in text for text in outcome.report["warnings"])


def test_one_that_has_all_already_is_left_alone(stage: Stage) -> None:
    stage.deliver("secret_address")
    assert stage.run().code == 0
    stage.sandbox.keeper.edit(stage.at.record_uid, "rotate_before_hours", "24")
    address = stage.value("deliver_to")
    stage.sandbox.keeper.edit(stage.at.record_uid, "deliver_to", "")
    assert stage.run().result == "not_due"
    stage.sandbox.keeper.edit(stage.at.record_uid, "deliver_to", address)
    stage.sandbox.forget()
    assert stage.run().code == 0
    assert not {"keyvault.update_secret", "keyvault.set_secret"} & set(stage.sandbox.operations())

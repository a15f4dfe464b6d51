"""What the admin record does not allow is not begun: nobody is asked, and the hint says who can allow it where."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.stage.certificate import CertificateStage
from tests.stage.mongodb_user import MongoStage
from tests.stage.published_password import NEW, PasswordStage
from tests.stage.rotation import Outcome, Stage
from tests.stage.storage_key import StorageStage


def admin_says(stage: Stage, label: str, *lines: str) -> None:
    stage.sandbox.keeper.edit(stage.at.admin_record_uid, label, "\n".join(lines))


def refused(stage: Stage, outcome: Outcome, error: str, line: str) -> None:
    """Only Keeper was asked."""
    assert outcome.code == 1 and error in outcome.report["error"], outcome
    assert f"let who may edit record {stage.at.admin_record_uid} add to its field {line}" in outcome.report["hint"]
    assert {request.service for request in stage.sandbox.requests} == {"keeper"}


@pytest.mark.parametrize("given", ["target_object_id", "target_client_id"])
def test_an_app_that_is_allowed(given: str, stage: Stage) -> None:
    named = getattr(stage.at, given)
    stage.sandbox.keeper.edit(stage.at.record_uid, "application_object_id", named)
    admin_says(stage, "allowed_targets", named.upper())
    for _ in range(2):
        assert stage.run().code == 0


def test_an_app_that_is_not_allowed(stage: Stage) -> None:
    admin_says(stage, "allowed_targets", "00000000-0000-0000-0000-000000000000")
    error = f"application_object_id: the admin credential is not allowed to rotate {stage.at.target_object_id}"
    refused(stage, stage.run(), error, f"allowed_targets: {stage.at.target_object_id}")


def test_what_a_record_has_noted_of_its_target_allows_nothing(stage: Stage) -> None:
    """Whoever edits the record edits ``rotation_state``, too, where the id of a target is noted that was looked up."""
    assert stage.run().code == 0
    state = json.loads(stage.value("rotation_state"))
    other = stage.sandbox.graph.new_application("other")
    other.owners.append(stage.at.admin_principal_id)
    forged = json.dumps(state).replace(stage.at.target_object_id, other.object_id)
    forged = forged.replace(f'"named": "{other.object_id}"', f'"named": "{stage.at.target_object_id}"')
    assert other.object_id in forged and stage.at.target_object_id in forged
    stage.sandbox.keeper.edit(stage.at.record_uid, "rotation_state", forged)
    admin_says(stage, "allowed_targets", stage.at.target_object_id)
    stage.run()
    assert not stage.sandbox.graph.passwords(other.object_id)


@pytest.mark.parametrize("form", ["{id}", "https://portal.azure.com/#@contoso.onmicrosoft.com/resource{id}/keys"])
def test_a_storage_account_by_its_resource_id(form: str) -> None:
    with StorageStage() as stage:
        assert isinstance(stage, StorageStage)
        account = stage.made.account_id
        stage.sandbox.keeper.edit(stage.at.record_uid, "storage_account_id", form.format(id=account))
        admin_says(stage, "allowed_targets", f"{account.rpartition('/')[0]}/other")
        refused(stage, stage.run(), f"storage_account_id: the admin credential is not allowed to rotate {account}",
                f"allowed_targets: {account}")  # fmt: skip
        admin_says(stage, "allowed_targets", f"{account.rpartition('/')[0]}/*")
        assert stage.run().code == 0


def test_a_certificate_by_its_identifier() -> None:
    with CertificateStage() as stage:
        assert isinstance(stage, CertificateStage)
        identifier = stage.made.certificate_id
        admin_says(stage, "allowed_targets", identifier + "-x")
        refused(stage, stage.run(), "certificate_id: the admin credential is not allowed to rotate",
                f"allowed_targets: {identifier}")  # fmt: skip
        admin_says(stage, "allowed_targets", identifier)
        assert stage.run().code == 0


@pytest.mark.parametrize("allowed, code", [("shop.orders", 1), ("shop.orders\nshop.orders-b", 0), ("shop.*", 0)])
def test_a_mongodb_user_behind_its_database(allowed: str, code: int) -> None:
    with MongoStage(alternate_login="orders-b") as stage:
        assert isinstance(stage, MongoStage)
        stage.sandbox.keeper.edit(stage.admin_uid, "allowed_targets", allowed)
        outcome = stage.rotate()
        assert outcome.code == code, outcome
        if code:
            line = f"let who may edit record {stage.admin_uid} add to its field allowed_targets: shop.orders-b"
            assert outcome.report["hint"] == line and not stage.server.operations()


DESTINATIONS: dict[str, Callable[[Stage], str]] = {
    "a Key Vault secret": lambda stage: stage.deliver("secret_address").secret_address,
    "a runbook": lambda stage: stage.deliver("runbook_address").runbook_address + "?Environment=prod",
    "a Keeper record": lambda stage: f"keeper:{stage.consumer('its secret')}#its secret",
}


@pytest.mark.parametrize("optional", ["", "optional "])
@pytest.mark.parametrize("what", DESTINATIONS)
def test_a_destination(what: str, optional: str, stage: Stage) -> None:
    address = DESTINATIONS[what](stage)
    stage.sandbox.keeper.edit(stage.at.record_uid, "deliver_to", optional + address)
    admin_says(stage, "allowed_destinations", f"{address}-x")
    refused(stage, stage.run(), "deliver_to: the admin credential is not allowed to deliver to", "allowed_destinations")
    admin_says(stage, "allowed_destinations", "other", f"{address.partition('?')[0]}")
    assert stage.run().code == 0


def test_the_configuration_limits_its_credential(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(attach_admin=False)
    stage.sandbox.keeper.edit(stage.at.config_record_uid, "Allowed Targets", "none")
    outcome = stage.run()
    assert outcome.code == 1 and "is not allowed to rotate" in outcome.report["error"], outcome
    assert f"record {stage.at.config_record_uid}" in outcome.report["hint"]


def test_the_rotated_record_allows_itself_nothing(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(settings={"allowed_targets": "*", "allowed_destinations": "*"})
    admin_says(stage, "allowed_targets", "none")
    assert "is not allowed to rotate" in stage.run().report["error"]


def test_a_published_password_where_it_is_allowed_only() -> None:
    with PasswordStage() as stage:
        assert isinstance(stage, PasswordStage)
        admin_says(stage, "allowed_destinations", "https://other.vault.azure.net/*")
        refused(stage, stage.publish(), "is not allowed to deliver to", f"allowed_destinations: {stage.address}")
        admin_says(stage, "allowed_destinations", stage.address)
        assert stage.publish().code == 0 and stage.held() == NEW

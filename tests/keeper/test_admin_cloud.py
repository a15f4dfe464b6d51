"""The Azure cloud is the admin credential's: whoever edits the record does not choose where its secret is sent."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from gateway.model.clouds import CLOUDS, PUBLIC
from sandbox.proxy import faults
from tests.stage.command import command
from tests.stage.published_password import SCRIPT as PUBLISH
from tests.stage.rotation import Outcome, Stage, encoded

CHINA, GOVERNMENT = "AzureChinaCloud", "AzureUSGovernment"


def places(cloud: str) -> set[str]:
    """Where a rotation of an app asks."""
    return {CLOUDS[cloud].login.removeprefix("https://"), CLOUDS[cloud].graph.removeprefix("https://")}


def asked(stage: Stage) -> set[str]:
    """Who was asked besides Keeper, or would have been."""
    hosts = {connect.host for connect in stage.sandbox.connects}
    return {host for host in hosts if "keepersecurity" not in host}


def admin_says(stage: Stage, cloud: str) -> None:
    stage.sandbox.keeper.edit(stage.at.admin_record_uid, "azure_cloud", cloud)


# Where it is said


@pytest.mark.parametrize("cloud", CLOUDS)
def test_the_cloud_that_the_admin_record_names(cloud: str, stage: Stage) -> None:
    admin_says(stage, cloud.lower())
    assert stage.run().code == 0
    assert asked(stage) == places(cloud)


@pytest.mark.parametrize("label", ["azure_cloud", "Azure Cloud", "azureCloud"])
def test_the_cloud_that_the_configuration_names(label: str, make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(attach_admin=False)
    stage.sandbox.keeper.edit(stage.at.config_record_uid, label, CHINA)
    assert stage.run().code == 0
    assert asked(stage) == places(CHINA)


def test_the_cloud_that_the_host_names_where_the_admin_record_names_none(stage: Stage) -> None:
    assert stage.run(ROTATION_AZURE_CLOUD=GOVERNMENT).code == 0
    assert asked(stage) == places(GOVERNMENT)


def test_the_admin_record_comes_before_the_host(stage: Stage) -> None:
    admin_says(stage, CHINA)
    assert stage.run(ROTATION_AZURE_CLOUD=GOVERNMENT).code == 0
    assert asked(stage) == places(CHINA)


def test_the_public_cloud_where_none_is_named(stage: Stage) -> None:
    assert stage.run().code == 0
    assert asked(stage) == places(PUBLIC)


def test_an_app_that_rotates_itself_names_its_own_cloud(make_stage: Callable[..., Stage]) -> None:
    settings = {"azure_cloud": GOVERNMENT, "deliver_to": ""}
    stage = make_stage(self_rotation=True, config_has_secret=False, settings=settings)
    outcome = stage.run()
    assert outcome.code == 0, outcome
    assert asked(stage) == places(GOVERNMENT)


# Where it is wrong


def refused(stage: Stage, outcome: Outcome, *words: str) -> None:
    """Nothing was sent to any sign-in."""
    assert outcome.code == 1, outcome
    assert not asked(stage)
    for word in words:
        assert word in outcome.report["error"] + outcome.report["hint"], outcome


def test_the_record_may_not_name_another_cloud(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(settings={"azure_cloud": CHINA})
    before = stage.live()
    refused(
        stage, stage.run(), f"azure_cloud: the record says {CHINA}, and the admin credential is for {PUBLIC}",
        f"empty azure_cloud of record {stage.at.record_uid}", f"record {stage.at.admin_record_uid}",
        "ROTATION_AZURE_CLOUD",
    )  # fmt: skip
    assert stage.live() == before


def test_the_record_may_not_name_another_cloud_than_the_host(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(settings={"azure_cloud": PUBLIC})
    refused(stage, stage.run(ROTATION_AZURE_CLOUD=GOVERNMENT), f"the admin credential is for {GOVERNMENT}")


def test_the_record_may_agree(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(settings={"azure_cloud": "azurechinacloud"})
    admin_says(stage, CHINA)
    assert stage.run().code == 0
    assert asked(stage) == places(CHINA)


def test_what_the_gateway_handed_over_of_the_record_counts_for_nothing(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage()
    before = stage.flat(stage.at.record_uid) | {"azure_cloud": CHINA}
    params = stage.params(records=encoded([stage.flat(stage.at.admin_record_uid), before]).decode())
    assert stage.run(encoded(params)).code == 0
    assert asked(stage) == places(PUBLIC)


def test_an_admin_record_that_names_no_cloud_that_there_is(stage: Stage) -> None:
    admin_says(stage, "Cumulus")
    refused(stage, stage.run(), f"attached record {stage.at.admin_record_uid}: azure_cloud: 'Cumulus' is none of")


def test_a_host_that_names_no_cloud_that_there_is(stage: Stage) -> None:
    refused(stage, stage.run(ROTATION_AZURE_CLOUD="Cumulus"), "ROTATION_AZURE_CLOUD='Cumulus' is none of")


def test_nobody_signs_in_before_the_record_has_been_read(stage: Stage) -> None:
    stage.sandbox.fault("keeper", "get_secret", faults.Status(403), times=None)
    refused(stage, stage.run())


def test_a_password_goes_to_keeper_alone_where_the_record_names_another_cloud(stage: Stage) -> None:
    keeper, uid = stage.sandbox.keeper, stage.at.record_uid
    other = stage.consumer("password")
    for label, value in {
        "application_object_id": "",
        "azure_cloud": CHINA,
        "NOOP": "",
        "password": "rotated-by-Keeper-7",
    }.items():
        keeper.edit(uid, label, value)
    lines = f"keeper:{other}#password\nhttps://shop.vault.azure.net/secrets/orders"
    keeper.edit(uid, "deliver_to", lines)
    outcome = stage.run(stage.line(newPassword="rotated-by-Keeper-7"), script=PUBLISH)
    assert outcome.code == 2, outcome
    assert f"the record says {CHINA}" in outcome.report["error"]
    assert keeper.record(other).value("password") == "rotated-by-Keeper-7"
    assert not asked(stage)


# What an operator starts


def targets(stage: Stage) -> tuple[str, ...]:
    return "targets", f"--record={stage.at.record_uid}", f"--attach={stage.at.admin_record_uid}", "--json"


def test_targets_asks_in_the_cloud_of_the_admin_credential(stage: Stage) -> None:
    admin_says(stage, GOVERNMENT)
    assert command(stage, *targets(stage)).returncode == 0
    assert CLOUDS[PUBLIC].login.removeprefix("https://") not in asked(stage)
    assert places(GOVERNMENT) <= asked(stage)


def test_targets_refuses_a_record_that_names_another_cloud(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(settings={"azure_cloud": CHINA})
    process = command(stage, *targets(stage))
    assert process.returncode == 1 and f"the record says {CHINA}" in process.stderr
    assert not asked(stage)


# What it lists is the public cloud's, and is refused; where it was asked for is what counts here.


@pytest.mark.parametrize("given", ["", f"--cloud={PUBLIC}"])
def test_a_command_does_not_sign_in_to_another_cloud_than_the_credentials(given: str, stage: Stage) -> None:
    admin_says(stage, CHINA)
    options = [f"--credential={stage.at.admin_record_uid}", *filter(None, [given])]
    process = command(stage, "certificate", "vaults", *options)
    assert process.returncode == 1, process
    assert f"the admin credential is for {CHINA}" in process.stderr and f"--cloud={CHINA}" in process.stderr
    assert not asked(stage)


def managing(cloud: str) -> set[str]:
    """Where a command asks that lists resources."""
    return {CLOUDS[cloud].login.removeprefix("https://"), CLOUDS[cloud].arm.removeprefix("https://")}


def test_a_command_may_name_the_cloud_of_the_credential(stage: Stage) -> None:
    admin_says(stage, CHINA)
    command(stage, "certificate", "vaults", f"--credential={stage.at.admin_record_uid}", f"--cloud={CHINA}")
    assert asked(stage) == managing(CHINA)


def test_a_command_without_a_cloud_takes_that_of_the_host(stage: Stage) -> None:
    stage.variables["ROTATION_AZURE_CLOUD"] = GOVERNMENT
    command(stage, "certificate", "vaults", f"--credential={stage.at.admin_record_uid}")
    assert asked(stage) == managing(GOVERNMENT)


# Whoever answers for the sign-in could say where the secret is to be sent, if it were asked


def test_nobody_is_asked_where_the_secret_goes(stage: Stage) -> None:
    content = {"authorization_endpoint": "https://evil.example/a", "token_endpoint": "https://evil.example/token"}
    stage.sandbox.fault("entra", "openid", faults.Status(200, body=json.dumps(content).encode()), times=None)
    outcome = stage.run()
    assert outcome.code == 0 and "evil.example" not in {request.host for request in stage.sandbox.requests}, outcome
    assert "entra.openid" not in stage.sandbox.operations()

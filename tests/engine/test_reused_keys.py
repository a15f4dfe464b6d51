"""Keys whose names are used again: what is known of a key's value must not be taken for the next value of that name."""

from __future__ import annotations

import pytest

from sandbox.proxy import faults
from tests.kinds.test_storage_key import storage  # noqa: F401 (a fixture)
from tests.stage import patience
from tests.stage.storage_key import SCRIPT

PATIENT = {"ROTATION_REQUEST_TIMEOUT_SECONDS": "10", "ROTATION_DEADLINE_SECONDS": "30"}


def test_each_rotation_starts_the_runbook(storage):
    stage = storage()
    stage.deliver("runbook_address")
    address = stage.value("deliver_to")
    mandatory = f"{address}{'&' if '?' in address else '?'}Environment=x"
    stage.sandbox.keeper.edit(stage.at.record_uid, "deliver_to", mandatory)
    started = []
    for _ in range(4):
        assert stage.run().code == 0
        started.append(len(stage.sandbox.automation.started(stage.destinations.runbook)))
    assert started == [1, 2, 3, 4]


def test_what_holds_an_older_value_of_a_name_is_served(storage):
    stage = storage()
    address = stage.to_key_vault()
    stage.sandbox.keeper.edit(stage.at.record_uid, "deliver_to", f"optional {address}")
    assert stage.run().code == 0
    stage.sandbox.fault("keyvault", "set_secret", faults.Status(403), times=None)
    assert stage.run().code == 0
    stage.sandbox.faults.clear()
    assert stage.run().code == 0
    assert stage.vault_works()


def test_another_spelling_of_the_account_is_the_same_account(storage):
    stage = storage()
    stage.to_key_vault()
    assert stage.run().code == 0
    stage.sandbox.fault("keyvault", "set_secret", faults.Status(403), times=None)
    assert stage.run().code == 2
    given = stage.value("storage_account_id").replace("resourceGroups", "resourcegroups")
    stage.sandbox.keeper.edit(stage.at.record_uid, "storage_account_id", given)
    stage.run()
    assert stage.vault_works()


@pytest.mark.parametrize("named", ["", "key1"])
def test_the_value_tells_which_key_is_published(storage, named):
    stage = storage()
    assert stage.run().code == 0
    assert stage.value("active_key") == "key2"
    stage.sandbox.keeper.edit(stage.at.record_uid, "active_key", named)
    stage.sandbox.fault("arm", "regenerate_storage_key", faults.KillAfter())
    stage.run()
    assert stage.sandbox.storage.key_works(stage.made.account_name, stage.value("storage_key"))


def test_an_unclear_retirement_is_not_repeated(storage):
    stage = storage(settings={"remove_old": "all"})
    stage.sandbox.fault("arm", "regenerate_storage_key", faults.ResetAfter(), nth=2)
    assert stage.run().code == 2
    assert stage.regenerated() == ["key2", "key1"]


def test_what_is_put_back_is_put_back_whole(storage):
    stage = storage()
    assert stage.run().code == 0
    held = stage.sandbox.fault("keeper", "update_secret", faults.PauseAfter(), nth=2)
    run = stage.start(script=SCRIPT, ROTATION_REQUEST_TIMEOUT_SECONDS="10")
    assert held.reached.wait(patience.seconds(10))
    stage.sandbox.storage.regenerate(stage.made.account, "key1")
    held.release.set()
    assert stage.finish(run).code == 1
    assert stage.value("storage_key") in stage.value("connection_string")


@pytest.mark.parametrize("dies", [False, True])
def test_of_two_runs_that_begin_at_once_one_regenerates(storage, dies):
    stage = storage()
    stage.to_key_vault()
    first = stage.sandbox.fault("keeper", "update_secret", faults.Pause())
    one = stage.start(script=SCRIPT, **PATIENT)
    assert first.reached.wait(patience.seconds(10))
    second = stage.sandbox.fault("arm", "regenerate_storage_key", faults.Pause())
    other = stage.start(script=SCRIPT, ROTATION_LOCK_DIR=str(stage.home / "other"), **PATIENT)
    assert second.reached.wait(patience.seconds(10))
    first.release.set()
    outcome = stage.finish(one)
    assert outcome.code == 1
    assert "another run has begun to regenerate a key" in outcome.stderr
    if dies:
        stage.sandbox.victim = other
        stage.sandbox.fault("arm", "list_storage_keys", faults.KillBefore())
    second.release.set()
    stage.finish(other)
    assert stage.works()
    assert stage.regenerated() == ["key2"]

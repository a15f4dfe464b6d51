"""What somebody overwrites at a destination is noticed by a run that has nothing else to do, and served again, once."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sandbox.proxy import faults
from tests.stage.rotation import Stage

HOUR = 3600.0


@pytest.fixture
def served(make_stage: Callable[..., Stage]) -> Stage:
    """A record that is not due, whose destinations all hold its secret."""
    stage = make_stage(old_secrets=1, settings={"rotate_before_hours": "24"})
    stage.deliver()
    stage.sandbox.keeper.edit(stage.at.record_uid, "client_secret_id", "")
    assert stage.run().result == "rotated"
    assert stage.run().result == "not_due"
    return stage


def overwrite(stage: Stage) -> str:
    """Somebody sets the Key Vault secret by hand; its address."""
    made = stage.destinations
    assert made
    stage.sandbox.keyvault.set_secret(made.vault, made.secret_name, "set by hand")
    return made.secret_address


def test_what_was_overwritten_is_served_again(served: Stage) -> None:
    address = overwrite(served)
    outcome = served.run()
    assert (outcome.code, outcome.result, outcome.report["drift"]) == (0, "finished", [address]), outcome
    assert not served.undelivered()
    assert not served.leaks([outcome])
    assert served.destinations
    jobs = len(served.sandbox.automation.started(served.destinations.runbook))
    quiet = served.run()
    assert (quiet.code, quiet.result, quiet.report["drift"]) == (0, "not_due", [])
    assert len(served.sandbox.automation.started(served.destinations.runbook)) == jobs, "no runbook is started for it"


def test_what_is_overwritten_again_and_again_is_named_and_not_fought(served: Stage) -> None:
    address = overwrite(served)
    assert served.run().result == "finished"
    overwrite(served)
    outcome = served.run()
    assert (outcome.code, outcome.report["drift"]) == (2, [address]), outcome
    assert address in outcome.report["error"]
    made = served.destinations
    assert made and served.sandbox.keyvault.versions(made.vault, made.secret_name)[-1].value == "set by hand"


def test_once_it_was_quiet_a_run_serves_it_again(served: Stage) -> None:
    for _ in range(2):
        overwrite(served)
        assert served.run().result == "finished"
        assert served.run().result == "not_due"
    assert not served.undelivered()


def test_a_vault_that_does_not_answer_shows_nothing(served: Stage) -> None:
    served.sandbox.fault("keyvault", "get_secret", faults.Status(503), times=None)
    outcome = served.run()
    assert (outcome.code, outcome.result, outcome.report["drift"]) == (0, "not_due", []), outcome


def test_a_dead_secret_of_the_record_is_not_served_for_drift(served: Stage) -> None:
    served.sandbox.clock.advance(HOUR)
    overwrite(served)
    value = served.value("client_secret")
    served.sandbox.keeper.edit(served.at.record_uid, "client_secret", value[:-1])
    assert served.run().result == "rotated"
    assert not served.undelivered() and all(served.working().values())


def test_a_former_secret_that_is_put_back_after_a_drift_is_no_other_rotation(served: Stage) -> None:
    before = {label: served.value(label) for label in ("client_secret_id", "client_secret")}
    served.sandbox.keeper.edit(served.at.record_uid, "overlap_hours", "24")
    assert served.run(served.line(dueNow=True)).result == "rotated"
    overwrite(served)
    assert served.run().result == "finished"
    for label, value in before.items():
        served.sandbox.keeper.edit(served.at.record_uid, label, value)
    outcome = served.run()
    assert (outcome.code, outcome.result) == (0, "finished"), outcome
    assert served.value("client_secret_id") == before["client_secret_id"] and not served.undelivered()

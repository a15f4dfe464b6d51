"""The Gateway may write the record that a script is attached to: before, during and after a run, even an older copy.

Keeper does not say whether and when it does so for a record whose scripts alone are run; a run is right in all cases.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from sandbox.proxy import faults
from tests.stage import patience
from tests.stage.rotation import NEW_PASSWORD, Stage

PATIENT = {"ROTATION_REQUEST_TIMEOUT_SECONDS": "10", "ROTATION_DEADLINE_SECONDS": "30"}
MOMENTS: dict[str, tuple[str, str, faults.Kind]] = {
    "while the new secret is made": ("graph", "add_password", faults.Pause()),
    "while it is proved": ("entra", "token", faults.Pause()),
    "while it is saved": ("keeper", "update_secret", faults.Pause()),
    "right after it was saved": ("keeper", "update_secret", faults.PauseAfter()),
    "while the target is read": ("graph", "get_application", faults.Pause()),
    "while it is delivered": ("keyvault", "set_secret", faults.Pause()),
}
NTH = {"token": 2, "get_application": 2}


def password(stage: Stage, _: dict[str, Any]) -> None:
    """The password that Keeper makes for each run, and that nobody uses here."""
    (field,) = [entry for entry in stage.stored()["fields"] if entry["type"] == "password"]
    field["value"] = [NEW_PASSWORD]
    stage.sandbox.keeper.vault.records[stage.at.record_uid].revision += 1


def older_copy(stage: Stage, before: dict[str, Any]) -> None:
    """The whole record as it was before the run, with that password."""
    for part in ("fields", "custom"):
        stage.stored()[part] = copy.deepcopy(before[part])
    password(stage, before)


Write = Callable[[Stage, dict[str, Any]], None]
WRITES = pytest.mark.parametrize("write", [password, older_copy], ids=["the password", "an older copy"])


@pytest.fixture
def served(make_stage: Callable[..., Stage]) -> Stage:
    """A record that was rotated before, with all destinations."""
    stage = make_stage(old_secrets=1)
    stage.deliver()
    assert stage.run().code == 0
    return stage


@WRITES
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_record_that_is_written_during_a_run(moment: str, write: Write, served: Stage) -> None:
    service, operation, kind = MOMENTS[moment]
    before, key_id = copy.deepcopy(served.stored()), served.value("client_secret_id")
    fault = served.sandbox.fault(service, operation, kind, nth=NTH.get(operation, 1))
    process = served.start(**PATIENT)
    assert fault.reached.wait(patience.seconds(10))
    write(served, before)
    fault.release.set()
    outcome = served.finish(process)
    assert outcome.code in (0, 2), outcome
    assert served.published_works() and all(served.working().values())
    assert served.value("client_secret_id") != key_id
    assert served.run().code == 0
    assert served.live() == {served.value("client_secret_id")} and not served.undelivered()


@WRITES
def test_a_record_that_is_written_after_a_run(write: Write, served: Stage) -> None:
    before = copy.deepcopy(served.stored())
    assert served.run().code == 0
    write(served, before)
    assert all(served.working().values())
    healed = served.run()
    assert healed.code == 0, healed
    assert served.published_works() and all(served.working().values()) and not served.undelivered()
    served.sandbox.clock.advance(25 * 3600.0)
    assert served.run().code == 0
    assert served.live() == {served.value("client_secret_id")}

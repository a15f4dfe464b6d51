"""Keeper's side, through the unmodified SDK: throttling, conflicts, lost replies, odd records."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable

import pytest

from sandbox.proxy import faults
from tests.stage import patience
from tests.stage.rotation import SCRIPT, Stage

THROTTLED = {
    "403 throttled": faults.throttled(403),
    "403 throttled, with a wait": faults.throttled(403, retry_after=1),
    "429 throttled": faults.throttled(429),
    "429 with Retry-After": faults.Status(429, {"Retry-After": "1"}),
}


@pytest.mark.parametrize("operation", ["get_secret", "update_secret"])
@pytest.mark.parametrize("name", THROTTLED)
def test_throttling_is_waited_for(name: str, operation: str, stage: Stage) -> None:
    stage.sandbox.fault("keeper", operation, THROTTLED[name], times=2)
    assert stage.run().code == 0
    assert stage.published_works()


@pytest.mark.parametrize("operation", ["get_secret", "update_secret"])
def test_throttling_that_does_not_end(operation: str, stage: Stage) -> None:
    live = stage.live()
    stage.sandbox.fault("keeper", operation, faults.throttled(403), times=None)
    outcome = stage.run()
    assert outcome.code == 1, outcome
    assert "later" in outcome.report["hint"]
    assert stage.live() == live
    assert stage.published_works()


def test_a_wait_longer_than_the_run_is_not_begun(stage: Stage) -> None:
    stage.sandbox.fault("keeper", "get_secret", faults.throttled(403, retry_after=315), times=None)
    outcome = stage.run()
    assert outcome.code == 1
    assert outcome.report["seconds"] < patience.seconds(5)


def test_a_changed_server_key(stage: Stage) -> None:
    stage.sandbox.fault("keeper", "get_secret", faults.rotated_key("7"))
    assert stage.run().code == 0


def test_a_server_that_changes_its_key_for_ever(stage: Stage) -> None:
    stage.sandbox.fault("keeper", "get_secret", faults.rotated_key("7"), times=None)
    outcome = stage.run()
    assert outcome.code == 1
    assert len(stage.sandbox.requests) < 30


EDITS = {
    "another label": ("Notes of the team", "call Ada"),
    "one of the outputs": ("expires", "never"),
    "the policy": ("remove_old", "none"),
}


@pytest.mark.parametrize("moment", [faults.Pause(), faults.PauseAfter()], ids=["before", "after"])
@pytest.mark.parametrize("what", EDITS)
def test_an_edit_while_we_save_survives(what: str, moment: faults.Kind, stage: Stage) -> None:
    label, text = EDITS[what]
    fault = stage.sandbox.fault("keeper", "update_secret", moment)
    process = stage.start(ROTATION_REQUEST_TIMEOUT_SECONDS="10", ROTATION_DEADLINE_SECONDS="30")
    assert fault.reached.wait(patience.seconds(10))
    stage.sandbox.keeper.edit(stage.at.record_uid, label, text)
    fault.release.set()
    assert stage.finish(process).code == 0
    assert stage.published_works()
    assert stage.live() == {stage.value("client_secret_id")}
    if label != "expires":
        assert stage.value(label) == text


def test_a_record_that_names_another_app_meanwhile_is_not_given_this_apps_secret(stage: Stage) -> None:
    live = stage.live()
    fault = stage.sandbox.fault("keeper", "update_secret", faults.Pause())
    process = stage.start(ROTATION_REQUEST_TIMEOUT_SECONDS="10", ROTATION_DEADLINE_SECONDS="30")
    assert fault.reached.wait(patience.seconds(10))
    stage.sandbox.keeper.edit(stage.at.record_uid, "application_object_id", stage.at.admin_object_id)
    fault.release.set()
    outcome = stage.finish(process)
    assert outcome.code == 1, outcome
    assert "application_object_id of the record was changed meanwhile" in outcome.report["error"]
    assert stage.live() == live
    assert stage.value("client_secret_id") == stage.at.old_key_ids[-1]


def test_a_record_that_becomes_read_only_meanwhile(stage: Stage) -> None:
    live = stage.live()
    fault = stage.sandbox.fault("keeper", "update_secret", faults.Pause())
    process = stage.start(ROTATION_REQUEST_TIMEOUT_SECONDS="10", ROTATION_DEADLINE_SECONDS="30")
    assert fault.reached.wait(patience.seconds(10))
    stage.sandbox.keeper.set_editable(stage.at.record_uid, False)
    fault.release.set()
    outcome = stage.finish(process)
    assert (outcome.code, stage.live()) == (1, live), outcome
    assert "right to edit" in outcome.report["hint"]
    assert stage.published_works()


@pytest.mark.parametrize("kind", [faults.HangAfter(), faults.ResetAfter(), faults.ErrorAfter(503)], ids=repr)
def test_a_save_whose_reply_is_lost_has_happened(kind: faults.Kind, stage: Stage) -> None:
    stage.sandbox.fault("keeper", "update_secret", kind)
    assert stage.run().code == 0
    assert stage.live() == {stage.value("client_secret_id")}
    assert stage.published_works()


def test_saves_that_never_arrive(stage: Stage) -> None:
    live = stage.live()
    stage.sandbox.fault("keeper", "update_secret", faults.ResetBefore(), times=4)
    outcome = stage.run()
    assert (outcome.code, stage.live()) == (1, live), outcome
    assert stage.published_works()
    revision = stage.sandbox.keeper.record(stage.at.record_uid).revision
    assert revision == 2, "the present content was saved over itself, as a fence"


def test_keeper_gone_for_good_while_we_save(stage: Stage) -> None:
    stage.sandbox.fault("keeper", "update_secret", faults.ResetBefore(), times=None)
    stage.sandbox.fault("keeper", "get_secret", faults.Status(503), nth=3, times=None)
    outcome = stage.run()
    assert (outcome.code, outcome.result) == (3, "unknown"), outcome
    (new,) = stage.marked()
    assert new in outcome.report["error"]
    assert stage.published_works()
    stage.sandbox.faults.clear()
    assert stage.run().code == 0
    assert stage.live() == {stage.value("client_secret_id")}


def test_a_record_that_is_shared_twice(stage: Stage) -> None:
    stage.sandbox.keeper.duplicates = True
    assert stage.run().code == 0
    assert stage.published_works()


def test_a_label_that_stands_twice(stage: Stage) -> None:
    stage.stored()["custom"].append({"type": "text", "label": "client_secret_id", "value": ["another"]})
    outcome = stage.run()
    assert outcome.code == 0
    assert "several fields client_secret_id" in outcome.report["warnings"][0]
    assert stage.published_works()


def test_a_uid_that_begins_with_a_dash(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(uid="-AAAAAAAAAAAAAAAAAAAAA")
    assert stage.run().code == 0
    assert stage.published_works()


WAYS: dict[str, Callable[[str], dict[str, str]]] = {
    "KSM_CONFIG as JSON": lambda text: {"KSM_CONFIG": text},
    "KSM_CONFIG in base64": lambda text: {"KSM_CONFIG": base64.b64encode(text.encode()).decode()},
    "GATEWAY_CONFIG in base64": lambda text: {"GATEWAY_CONFIG": base64.b64encode(text.encode()).decode()},
}


@pytest.mark.parametrize("way", WAYS)
def test_the_keeper_configuration_in(way: str, stage: Stage) -> None:
    del stage.variables["KSM_CONFIG_FILE"]
    assert stage.run(**WAYS[way](json.dumps(stage.sandbox.keeper.client_config()))).code == 0


# A machine with a Gateway has a configuration in /etc, which comes first and is none of ours.
AT_HOME = """
import runpy
import gateway.keeper.config
gateway.keeper.config.PATHS = tuple(path for path in gateway.keeper.config.PATHS if path.startswith("~"))
runpy.run_path({!r}, run_name="__main__")
"""


def test_the_keeper_configuration_in_the_users_home_is_left_as_it_is(stage: Stage) -> None:
    del stage.variables["KSM_CONFIG_FILE"]
    path = stage.home / ".keeper" / "gateway-config.json"
    path.parent.mkdir()
    path.write_text(json.dumps(stage.sandbox.keeper.client_config()))
    path.chmod(0o644)
    before = (path.read_bytes(), path.stat().st_mtime_ns)
    script = stage.folder / "at_home.py"
    script.write_text(AT_HOME.format(str(SCRIPT)))
    outcome = stage.finish(stage.start(script=script))
    assert outcome.code == 0, outcome
    assert "too open" not in outcome.stderr
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
    path.unlink()
    assert not stage.leaks([outcome])

"""Secret Notification: who is told of what, through Apprise itself; never a value, never able to fail a rotation."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest

from gateway.host.notify.expiry import in_days
from sandbox.proxy import faults
from tests.stage.hooks import URL, Hooks
from tests.stage.rotation import SCRIPT, Outcome, Stage

DAY = 86400.0


@pytest.fixture
def told(make_stage: Callable[..., Stage]) -> Callable[..., tuple[Stage, Hooks]]:
    """A stage whose record names the web hook, with these further fields."""

    def make(**settings: str) -> tuple[Stage, Hooks]:
        hooks = Hooks()
        return make_stage(services=[hooks], settings={"notify": URL} | settings), hooks

    return make


@pytest.mark.parametrize("left, words", [(-0.1, "0 days"), (0.6, "1 day"), (1.4, "1 day"), (1.6, "2 days")])
def test_days_are_counted_as_people_do(left: float, words: str) -> None:
    assert in_days(left) == words


def check(stage: Stage, hooks: Hooks, outcome: Outcome) -> None:
    """No value in what was sent, and the password of the web hook in no output."""
    sent = json.dumps(hooks.received)
    assert not [canary for canary in stage.canaries() if canary in sent]
    assert "hook-password-77" not in outcome.stdout + outcome.stderr
    assert not stage.leaks([outcome])


def test_a_failure_is_told(told: Callable[..., tuple[Stage, Hooks]]) -> None:
    stage, hooks = told()
    stage.sandbox.directory.policy.max_lifetime_days = 90
    outcome = stage.run()
    assert outcome.code == 1
    (message,) = hooks.received
    assert message["title"] == "Rotation failed: orders-api"
    assert outcome.report["error"] in message["message"] and outcome.report["hint"] in message["message"]
    check(stage, hooks, outcome)


def test_something_left_over_is_told(told: Callable[..., tuple[Stage, Hooks]]) -> None:
    stage, hooks = told()
    stage.sandbox.fault("graph", "remove_password", faults.Status(403), times=None)
    outcome = stage.run()
    assert outcome.code == 2
    assert hooks.received[0]["title"] == "Rotation incomplete: orders-api"
    check(stage, hooks, outcome)


def test_a_vault_that_is_out_of_reach_is_told_all_the_same(told: Callable[..., tuple[Stage, Hooks]]) -> None:
    stage, hooks = told()
    line = stage.line()
    stage.sandbox.fault("keeper", "get_secret", faults.Status(503), times=None)
    outcome = stage.run(line)
    assert outcome.code == 1
    assert stage.at.record_uid in hooks.received[0]["title"]
    check(stage, hooks, outcome)


SILENT: dict[str, dict[str, str]] = {
    "success, by default": {},
    "success, expiry only": {"notify_on": "expiry"},
    "not due, far from the end": {"rotate_before_hours": "1", "notify_before_days": "7"},
}


@pytest.mark.parametrize("what", SILENT)
def test_nothing_is_told_of(what: str, told: Callable[..., tuple[Stage, Hooks]]) -> None:
    stage, hooks = told(**SILENT[what])
    assert stage.run().code == 0
    assert not hooks.received


def test_a_failure_is_not_told_where_only_expiry_is_asked_for(told: Callable[..., tuple[Stage, Hooks]]) -> None:
    stage, hooks = told(notify_on="expiry")
    stage.sandbox.directory.policy.passwords_forbidden = True
    assert stage.run().code == 1
    assert not hooks.received


def test_success_is_told_where_all_is_asked_for(told: Callable[..., tuple[Stage, Hooks]]) -> None:
    stage, hooks = told(notify_on="all")
    outcome = stage.run()
    assert outcome.code == 0
    assert hooks.received[0]["title"] == "Rotation rotated: orders-api"
    assert stage.value("client_secret_id") in hooks.received[0]["message"]
    check(stage, hooks, outcome)


@pytest.mark.parametrize(
    "settings", [{"rotation_enabled": "False"}, {"rotate_before_hours": "1"}], ids=["disabled", "not due"]
)
def test_a_secret_near_its_end_that_is_not_rotated_is_told(
    settings: dict[str, str], told: Callable[..., tuple[Stage, Hooks]]
) -> None:
    stage, hooks = told(notify_before_days="60", **settings)
    outcome = stage.run()
    assert outcome.code == 0
    assert re.match(r"Secret expires in \d+ days: ", hooks.received[0]["title"])
    assert outcome.result in hooks.received[0]["message"]
    check(stage, hooks, outcome)


def test_an_end_is_told_once_for_each_number_of_days(told: Callable[..., tuple[Stage, Hooks]]) -> None:
    stage, hooks = told(notify_before_days="400,60", rotation_enabled="False")
    first, second = stage.run(), stage.run()
    assert len(hooks.received) == 1
    assert re.fullmatch(r"60 days before 20\S+", first.report["told"]) and second.report["told"] == ""
    stage.sandbox.keeper.edit(stage.at.record_uid, "notify_before_days", "400,60,50")
    assert stage.run().report["told"].startswith("50 days before") and len(hooks.received) == 2
    assert stage.run(ROTATION_HISTORY="").report["warnings"] == [] and len(hooks.received) == 3
    check(stage, hooks, first)


def test_an_end_that_could_not_be_told_is_told_by_the_next_run(told: Callable[..., tuple[Stage, Hooks]]) -> None:
    stage, hooks = told(notify_before_days="60", rotation_enabled="False")
    stage.sandbox.fault("hooks", "notify", faults.Status(500), times=1)
    assert stage.run().report["told"] == "" and not hooks.received
    assert stage.run().report["told"] and len(hooks.received) == 1


def test_the_host_names_who_is_told_of_records_that_name_nobody(make_stage: Callable[..., Stage]) -> None:
    hooks = Hooks()
    stage = make_stage(services=[hooks])
    stage.sandbox.directory.policy.max_lifetime_days = 90
    outcome = stage.run(ROTATION_NOTIFY=URL)
    assert [each["title"] for each in hooks.received] == ["Rotation failed: orders-api"]
    check(stage, hooks, outcome)
    stage.sandbox.keeper.edit(stage.at.record_uid, "notify", "jsons://hooks.example.com/nobody")
    assert stage.run(ROTATION_NOTIFY=URL).code == 1 and len(hooks.received) == 1


@pytest.mark.parametrize("named_by", ["the host", "the record"])
def test_only_the_host_may_name_an_inner_address(named_by: str, make_stage: Callable[..., Stage]) -> None:
    inner = "jsons://127.0.0.1:9/x"
    stage = make_stage(settings={"notify": inner} if named_by == "the record" else {})
    stage.sandbox.directory.policy.max_lifetime_days = 90
    (warning,) = stage.run(ROTATION_NOTIFY=inner).report["warnings"]
    assert ("inside of a network" in warning) == (named_by == "the record"), warning


BROKEN: dict[str, tuple[faults.Kind, str]] = {
    "refuses": (faults.Status(500), "error=500"),
    "refuses the login": (faults.Status(401), "error=401"),
    "hangs": (faults.Hang(), ""),
    "resets": (faults.ResetBefore(), "onnection error"),
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_web_hook_that(how: str, told: Callable[..., tuple[Stage, Hooks]]) -> None:
    stage, hooks = told(notify_on="all")
    stage.sandbox.fault("hooks", "notify", BROKEN[how][0], times=None)
    outcome = stage.run()
    assert (outcome.code, outcome.result) == (0, "rotated")
    (warning,) = outcome.report["warnings"]
    assert warning.startswith("notify: address 1, jsons: ") and BROKEN[how][1] in warning
    check(stage, hooks, outcome)


# What goes wrong before anything is sent: (fields of the record, how the run ends all the same).
UNSENT: dict[str, tuple[dict[str, str], str]] = {
    "a lone surrogate in an address": ({"notify_on": "all"}, "rotated"),
    "a lone surrogate, and a secret near its end": (
        {"rotation_enabled": "False", "notify_before_days": "3000"},
        "disabled",
    ),
    "a lone surrogate, and nothing to tell": ({}, "rotated"),
}
NOT_SENT = "notify: at least one notification could not be sent"


@pytest.mark.parametrize("what", UNSENT)
def test_an_address_that_cannot_be_written_down(what: str, make_stage: Callable[..., Stage]) -> None:
    settings, result = UNSENT[what]
    stage = make_stage(settings={"notify": "json://127.0.0.1:1/\ud800abc"} | settings)
    outcome = stage.run(NO_PROXY="127.0.0.1")
    assert (outcome.code, outcome.result) == (0, result), outcome
    assert [each[:24] for each in outcome.report["warnings"]] == (["notify: address 1, json:"] if settings else [])
    assert stage.published_works() and "Traceback" not in outcome.stderr and "abc" not in outcome.stderr
    assert not stage.leaks([outcome])


BOOM = """
import os, runpy, signal, sys
import gateway.host.notify.message
def boom(*arguments):
    {}
gateway.host.notify.message.{} = boom
runpy.run_path({script!r}, run_name="__main__")
"""
RAISED = {
    "what nobody foresaw, while the message is written": ("raise RuntimeError('quoted-secret')", "_message"),
    "Ctrl-C, while the message is written": ("os.kill(os.getpid(), signal.SIGINT)", "_message"),
    "what nobody foresaw, while it is sent": ("raise RuntimeError('quoted-secret')", "_send"),
    "a client that ends the process": ("sys.exit(7)", "_send"),
}


@pytest.mark.parametrize("what", RAISED)
def test_whatever_a_notification_raises_is_a_warning(what: str, told: Callable[..., tuple[Stage, Hooks]]) -> None:
    stage, _ = told(notify_on="all")
    statement, function = RAISED[what]
    (stage.folder / "boom.py").write_text(BOOM.format(statement, function, script=str(SCRIPT)))
    outcome = stage.finish(stage.start(script=stage.folder / "boom.py"))
    assert (outcome.code, outcome.result) == (0, "rotated"), outcome
    (warning,) = outcome.report["warnings"]
    assert warning == NOT_SENT or warning.startswith("notify: address 1, jsons: unforeseen ")
    assert stage.published_works()
    assert "Traceback" not in outcome.stderr and "quoted-secret" not in outcome.stdout + outcome.stderr


def test_a_url_that_no_service_understands_is_a_warning(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(settings={"notify": "carrier-pigeon://loft", "notify_on": "all"})
    outcome = stage.run()
    assert outcome.code == 0
    assert outcome.report["warnings"] == ["notify: address 1: not an address of a service that is known"]


def test_several_urls_between_blanks_commas_or_lines(told: Callable[..., tuple[Stage, Hooks]]) -> None:
    stage, hooks = told(notify_on="all")
    stage.sandbox.keeper.edit(stage.at.record_uid, "notify", f"{URL}, {URL}\n{URL}")
    assert stage.run().code == 0
    assert len(hooks.received) in (1, 3), "Apprise sends equal addresses once"


LOADED = """
import os, runpy, sys
def end(code, really=os._exit):
    heavy = {{"apprise", "azure", "click", "gateway.deliveries.addresses"}}
    print("loaded:", *sorted(heavy & set(sys.modules)), file=sys.stderr, flush=True)
    really(code)
os._exit = end
runpy.run_path({script!r}, run_name="__main__")
"""


def test_what_is_not_asked_for_is_not_loaded(stage: Stage) -> None:
    (stage.folder / "wrapper.py").write_text(LOADED.format(script=str(SCRIPT)))
    outcome = stage.finish(stage.start(script=stage.folder / "wrapper.py", new=True))
    assert outcome.code == 0
    assert "loaded:" in outcome.stderr.splitlines()

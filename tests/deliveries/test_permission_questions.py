"""What a service says of our permissions is advice: it may not be asked, or say something else than it then does."""

from __future__ import annotations

import json

import pytest

from sandbox.proxy import faults
from tests.stage.rotation import Stage

JSON = {"Content-Type": "application/json"}
QUESTIONS: dict[str, tuple[str, str, str, object]] = {
    "Azure DevOps": ("devops_address", "devops", "check_permission", {"count": 1, "value": [False]}),
    "an automation account": ("runbook_address", "arm", "permissions", {"value": []}),
    "an API connection": ("connection_address", "arm", "permissions", {"value": []}),
}


def deliver(stage: Stage, which: str) -> str:
    """Only there; the address."""
    made = stage.deliver(which)
    address = str(getattr(made, which)) + ("?Environment=prod" if which == "runbook_address" else "")
    stage.sandbox.keeper.edit(stage.at.record_uid, "deliver_to", address)
    return address


def denied(answer: object) -> faults.Status:
    """The answer to the question."""
    return faults.Status(200, JSON, json.dumps(answer).encode())


@pytest.mark.parametrize("who", QUESTIONS)
def test_denied_at_a_line_that_was_never_served_stops_the_run(who: str, stage: Stage) -> None:
    which, service, operation, answer = QUESTIONS[who]
    deliver(stage, which)
    stage.sandbox.fault(service, operation, denied(answer), times=None)
    live = stage.live()
    outcome = stage.run()
    assert (outcome.code, outcome.result) == (1, "failed"), outcome
    assert stage.live() == live and "service principal" in outcome.report["hint"]


@pytest.mark.parametrize("who", QUESTIONS)
def test_denied_at_a_line_that_was_served_before_is_a_warning(who: str, stage: Stage) -> None:
    which, service, operation, answer = QUESTIONS[who]
    address = deliver(stage, which)
    assert stage.run().code == 0
    first = stage.value("client_secret_id")
    stage.sandbox.fault(service, operation, denied(answer), times=None)
    outcome = stage.run()
    assert (outcome.code, outcome.result) == (0, "rotated"), outcome
    assert outcome.report["delivered"] == [address] and stage.live() == {stage.value("client_secret_id")} != {first}
    (warning,) = [text for text in outcome.report["warnings"] if "was delivered to before" in text]
    assert address.split("/runbooks/")[0] in warning


@pytest.mark.parametrize("status", [403, 404, 500])
@pytest.mark.parametrize("who", QUESTIONS)
def test_a_question_that_cannot_be_asked_is_a_warning(who: str, status: int, stage: Stage) -> None:
    which, service, operation, _ = QUESTIONS[who]
    address = deliver(stage, which)
    stage.sandbox.fault(service, operation, faults.Status(status), times=None)
    outcome = stage.run()
    assert (outcome.code, outcome.result) == (0, "rotated"), outcome
    assert outcome.report["delivered"] == [address]
    (warning,) = [text for text in outcome.report["warnings"] if "could not be asked" in text]
    assert f"HTTP {status}" in warning


def test_devops_is_asked_for_the_project_of_the_address(stage: Stage) -> None:
    made = stage.deliver("devops_address")
    first, _ = made.projects
    made.endpoint.denied_in.add(first.id)
    address = made.devops_address.replace("Orders%20team", "Shared%20tools")
    assert address != made.devops_address
    stage.sandbox.keeper.edit(stage.at.record_uid, "deliver_to", address)
    outcome = stage.run()
    assert (outcome.code, outcome.report["delivered"]) == (0, [address]), outcome

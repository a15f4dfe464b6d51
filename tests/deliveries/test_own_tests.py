"""The test that a destination has of its own: asked before the mint and after the delivery, and both compared."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sandbox.proxy import faults
from tests.stage.rotation import Outcome, Stage

JSON = {"Content-Type": "application/json"}
DEVOPS, API = "devops_address", "connection_address"
TESTS = {DEVOPS: ("devops", "test_endpoint"), API: ("arm", "test_connection")}

Prepare = Callable[[Stage], None]


def no_subscription(stage: Stage) -> None:
    """The app has a role on a resource group only, which its pipelines find enough."""
    stage.sandbox.roles.revoke(stage.at.target_client_id)


def powerless(stage: Stage) -> None:
    """The app signs in, and may not do what the connector's test does."""
    assert stage.destinations
    stage.sandbox.connections.powerless.add(stage.destinations.connection.name)


def old_one_is_dead(stage: Stage) -> None:
    """What the connections hold when the run begins signs in nowhere."""
    stage.sandbox.graph.remove(stage.at.target_object_id, stage.at.old_key_ids[-1])


def answers(which: str, answer: faults.Kind, *, nth: int = 1) -> Prepare:
    """The test's answer from the ``nth`` request on."""

    def prepare(stage: Stage) -> None:
        stage.sandbox.fault(*TESTS[which], answer, nth=nth, times=None)

    return prepare


def all_of(*steps: Prepare) -> Prepare:
    """One after the other."""

    def prepare(stage: Stage) -> None:
        for step in steps:
            step(stage)

    return prepare


def status(code: int, body: bytes = b"{}") -> faults.Status:
    """An answer of the service."""
    return faults.Status(code, JSON, body)


def says(code: str, why: str) -> faults.Status:
    """An answer of Azure DevOps about a test that failed."""
    return status(200, f'{{"statusCode": "{code}", "errorMessage": "{why}"}}'.encode())


UNTESTED: dict[str, tuple[str, Prepare, str]] = {
    "it reads the subscription, where the app has no role": (DEVOPS, no_subscription, "Status Code: 'Forbidden'"),
    "it reads the subscription, and what was held before is dead": (
        DEVOPS,
        all_of(no_subscription, old_one_is_dead),
        "Status Code: 'Forbidden'",
    ),
    "Azure DevOps has none for this connection": (DEVOPS, answers(DEVOPS, status(404)), "HTTP 404"),
    "Azure DevOps refuses to be asked for it": (DEVOPS, answers(DEVOPS, status(403)), "HTTP 403"),
    "the app may not do what the connector's test does": (API, powerless, "does not have permission"),
    "the connector has none": (API, answers(API, status(404, b"no such operation")), "HTTP 404"),
}


@pytest.mark.parametrize("what", UNTESTED)
def test_one_that_tells_nothing_of_the_secret_is_a_warning(what: str, stage: Stage) -> None:
    which, prepare, why = UNTESTED[what]
    made = stage.deliver(which)
    prepare(stage)
    outcome = stage.run()
    assert (outcome.code, outcome.result) == (0, "rotated"), outcome
    assert outcome.report["delivered"] == [getattr(made, which)] and not outcome.report["pending"]
    (warning,) = [text for text in outcome.report["warnings"] if "untested" in text]
    assert why in warning and len(warning) < len(getattr(made, which)) + 260
    assert stage.live() == {stage.value("client_secret_id")}
    assert not stage.leaks([outcome])


def incomplete(stage: Stage, which: str) -> Outcome:
    """Run; it is not delivered, and nothing is removed."""
    outcome = stage.run()
    assert (outcome.code, outcome.result) == (2, "incomplete"), outcome
    assert outcome.report["pending"] == [getattr(stage.destinations, which)]
    assert set(stage.at.old_key_ids) & stage.live() and stage.published_works()
    assert not stage.leaks([outcome])
    return outcome


OPEN: dict[str, tuple[str, Prepare, str]] = {
    "the sign-in is refused": (DEVOPS, answers(DEVOPS, says("forbidden", "AADSTS7000222: expired")), "AADSTS7000222"),
    "it passed before": (DEVOPS, answers(DEVOPS, says("forbidden", "no role"), nth=2), "no role"),
    "it failed for another reason before": (
        DEVOPS,
        all_of(
            answers(DEVOPS, says("notFound", "no subscription"), nth=2),
            answers(DEVOPS, says("forbidden", "no role")),
        ),
        "no subscription",
    ),
    "it gives no answer": (DEVOPS, answers(DEVOPS, status(503)), "HTTP 503"),
    "a connector's sign-in is refused": (API, answers(API, status(401)), "HTTP 401"),
    "a connector's sign-in is refused in its own words": (
        API,
        answers(API, status(400, b'{"status": 400, "message": "AADSTS7000215: Invalid client secret"}')),
        "AADSTS7000215",
    ),
    "a storage account does not know the key": (
        API,
        answers(API, status(403, b'{"message": "Server failed to authenticate the request."}')),
        "failed to authenticate",
    ),
    "a connector's passed before": (API, answers(API, status(403, b'{"message": "no right"}'), nth=2), "no right"),
    "a connector gives no answer": (API, answers(API, status(502)), "HTTP 502"),
}


@pytest.mark.parametrize("what", OPEN)
def test_one_that_speaks_against_the_secret_keeps_the_old_ones(what: str, stage: Stage) -> None:
    which, prepare, why = OPEN[what]
    stage.deliver(which)
    prepare(stage)
    assert why in incomplete(stage, which).report["error"]


def test_the_next_run_compares_too(stage: Stage) -> None:
    """The first run could not deliver, so the second one is the first to change what is tested."""
    stage.deliver(DEVOPS)
    no_subscription(stage)
    stage.sandbox.fault("devops", "put_endpoint", faults.Status(403), times=None)
    incomplete(stage, DEVOPS)
    stage.sandbox.faults.clear()
    outcome = stage.run()
    assert (outcome.code, outcome.result) == (0, "finished"), outcome
    assert any("untested" in text for text in outcome.report["warnings"])


@pytest.mark.parametrize("which", [DEVOPS, API])
def test_it_costs_one_request_more(which: str, stage: Stage) -> None:
    stage.deliver(which)
    assert stage.run().code == 0
    assert stage.sandbox.operations().count(".".join(TESTS[which])) == 2


def test_a_reason_is_masked_cut_and_on_one_line(stage: Stage) -> None:
    stage.deliver(DEVOPS)
    secret = stage.value("client_secret")
    why = f"first\\r\\n\\u001b[31m{secret} " + "x" * 500
    answers(DEVOPS, says("forbidden", why))(stage)
    outcome = stage.run()
    (warning,) = [text for text in outcome.report["warnings"] if "untested" in text]
    assert "***" in warning and secret not in warning and warning.isprintable()
    assert len(warning) < len(stage.destinations.devops_address) + 260  # type: ignore[union-attr]


def test_listing_targets_asks_no_test(stage: Stage) -> None:
    from tests.commands.test_targets import ORGANISATION, furnished, listed

    furnished(stage)
    listed(stage, ORGANISATION)
    assert not {"devops.test_endpoint", "arm.test_connection"} & set(stage.sandbox.operations())

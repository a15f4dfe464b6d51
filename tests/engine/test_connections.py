"""Connections that are opened before they are needed: how many, to whom, and what becomes of a run where one fails."""

from __future__ import annotations

import time
from collections import Counter

import pytest

from sandbox.proxy import faults
from tests.stage import patience
from tests.stage.rotation import Stage

KEEPER, LOGIN, GRAPH = "keepersecurity.com", "login.microsoftonline.com", "graph.microsoft.com"


def opened(stage: Stage) -> Counter[str]:
    return Counter(each.host for each in stage.sandbox.connects)


def test_each_connection_is_opened_once_and_each_proof_has_its_own(stage: Stage) -> None:
    """The server's tickets have come on each by the time that it is used."""
    assert stage.run().code == 0
    assert opened(stage) == {KEEPER: 1, GRAPH: 1, LOGIN: 1 + 4}
    tokens = [request.connection for request in stage.sandbox.requests if request.operation == "token"]
    assert len(tokens) == len(set(tokens)) == 5


def test_a_run_with_nothing_to_do_opens_one_to_each(stage: Stage) -> None:
    stage.sandbox.keeper.edit(stage.at.record_uid, "rotate_before_hours", "24")
    assert stage.run().code == 0
    stage.sandbox.forget()
    assert stage.run().result == "not_due"
    assert opened(stage) == {KEEPER: 1, GRAPH: 1, LOGIN: 2}


@pytest.mark.parametrize("service", ["keeper", "entra", "graph"])
def test_one_that_is_refused_before_it_is_needed_is_opened_again(service: str, stage: Stage) -> None:
    stage.sandbox.fault(service, "connect", faults.Refuse(), times=1)
    assert stage.run().code == 0 and stage.published_works()


@pytest.mark.parametrize("service", ["keeper", "entra", "graph"])
def test_one_that_never_opens_ends_the_run_after_some_tries(service: str, stage: Stage) -> None:
    before, began = stage.live(), time.monotonic()
    stage.sandbox.fault(service, "connect", faults.Hang(), times=None)
    outcome = stage.run(ROTATION_REQUEST_TIMEOUT_SECONDS="0.5", ROTATION_DEADLINE_SECONDS="10")
    assert outcome.code == 1 and outcome.report["error"].endswith("no answer in time"), outcome
    assert stage.live() == before and stage.published_works()
    assert time.monotonic() - began < patience.seconds(10)


def test_proofs_whose_connections_do_not_open_take_the_new_secret_back(stage: Stage) -> None:
    before = stage.live()
    stage.sandbox.fault("entra", "connect", faults.Hang(), nth=2, times=None)
    outcome = stage.run(ROTATION_REQUEST_TIMEOUT_SECONDS="0.5", ROTATION_DEADLINE_SECONDS="20")
    assert outcome.code == 1 and stage.live() == before and stage.published_works(), outcome

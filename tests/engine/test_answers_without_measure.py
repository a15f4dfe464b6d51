"""Answers that no service should give: endless, of any size, packed a thousandfold, with another host's address."""

from __future__ import annotations

import gzip
import time

import pytest

from sandbox.proxy import faults
from tests.stage import patience
from tests.stage.rotation import Stage

JSON = {"Content-Type": "application/json"}
WHERE = {
    "the vault": ("keeper", "get_secret"),
    "the token endpoint": ("entra", "token"),
    "Graph": ("graph", "get_application"),
    "Key Vault, asked by Microsoft's client": ("keyvault", "get_secret"),
}


def spoilt(kind: faults.Kind, where: str, stage: Stage, **variables: str) -> tuple[str, str]:
    """The error and hint of a run that gets such answers and has changed nothing."""
    stage.deliver("secret_address")
    before = stage.live()
    stage.sandbox.fault(*WHERE[where], kind, times=None)
    outcome = stage.run(**variables)
    assert outcome.code == 1 and stage.live() == before and stage.published_works(), outcome
    assert not stage.leaks([outcome]) and "unforeseen" not in outcome.report["error"]
    return outcome.report["error"], outcome.report["hint"]


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize("form", ["plain", "packed"])
def test_an_answer_of_many_megabytes(form: str, where: str, stage: Stage) -> None:
    body = b'{"value": "' + b" " * 60_000_000
    packed = {"Content-Encoding": "gzip"} if form == "packed" else {}
    kind = faults.ErrorAfter(200, JSON | packed, gzip.compress(body) if packed else body)
    error, _ = spoilt(kind, where, stage, ROTATION_REQUEST_TIMEOUT_SECONDS="10")
    assert "10 MB" in error or where.startswith("Key Vault"), error


@pytest.mark.parametrize("where", WHERE)
def test_an_answer_that_drips_ends_with_the_time_of_its_request(where: str, stage: Stage) -> None:
    """Each byte comes within the time that one read may take."""
    began = time.monotonic()
    spoilt(faults.Slow(500), where, stage, ROTATION_REQUEST_TIMEOUT_SECONDS="1", ROTATION_DEADLINE_SECONDS="120")
    assert time.monotonic() - began < patience.seconds(30)

"""Thousands of inputs that nobody would send: a fixed seed; seconds for every change, minutes in ``make test-all``."""

from __future__ import annotations

import contextlib
import logging
import socket
import time
import traceback
import zlib
from collections.abc import Iterator
from typing import Any

import pytest

from gateway import secret
from gateway.errors import Failed
from tests.fuzz.mutate import Mutator
from tests.fuzz.targets import TARGETS

# CPU seconds in which one input must be read, on a host that has other things to do.
LONGEST = 3.0
SECONDS = [pytest.param(0.5, id="half a second"), pytest.param(30.0, id="half a minute", marks=pytest.mark.deep)]


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No name server is asked. What is logged of such inputs cannot be sent from a worker of pytest to the next."""
    logging.disable(logging.CRITICAL)
    monkeypatch.setattr(secret, "_forms", set())
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: [(0, 0, 0, "", ("93.184.216.34", 0))])
    yield
    logging.disable(logging.NOTSET)


def broken_by(name: str, given: Any) -> str:
    """What a target raises beside clean errors, in ASCII for the same reason."""
    began = time.process_time()
    try:
        with contextlib.suppress(Failed):
            TARGETS[name].run(given)
    except Exception:
        return ascii(traceback.format_exc())[-2000:]
    seconds = time.process_time() - began
    return "" if seconds < LONGEST else f"it took {seconds:.1f} s"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seconds", SECONDS)
@pytest.mark.parametrize("name", TARGETS)
def test_only_clean_errors_and_an_end(name: str, seconds: float) -> None:
    mutator = Mutator(zlib.crc32(name.encode()) + int(seconds))
    until, inputs = time.process_time() + seconds, 0
    while time.process_time() < until or inputs < 20:
        given = TARGETS[name].make(mutator)
        secret._forms.clear()  # a run has those of one input
        if broken := broken_by(name, given):
            pytest.fail(f"{broken}\nfor {ascii(given)[:3000]}", pytrace=False)
        inputs += 1

"""No secret can be seen while a run lasts, and a run ends: by SIGTERM, by its deadline, whatever a server does."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import pytest

from sandbox.proxy import faults
from tests.stage import patience
from tests.stage.rotation import SCRIPT, Stage

PATIENT = {"ROTATION_REQUEST_TIMEOUT_SECONDS": "10", "ROTATION_DEADLINE_SECONDS": "30"}


def held(stage: Stage, service: str, operation: str, kind: faults.Kind, nth: int = 1, **variables: str) -> tuple[
    subprocess.Popen[bytes], faults.Fault
]:  # fmt: skip
    """A run that is held at one of its requests."""
    fault = stage.sandbox.fault(service, operation, kind, nth=nth)
    process = stage.start(new=True, **PATIENT | variables)
    assert fault.reached.wait(patience.seconds(10))
    return process, fault


@pytest.mark.parametrize("operation", ["token", "add_password", "update_secret", "remove_password"])
def test_no_secret_in_arguments_environment_or_children(operation: str, stage: Stage) -> None:
    service = {"token": "entra", "update_secret": "keeper"}.get(operation, "graph")
    process, fault = held(stage, service, operation, faults.PauseAfter())
    folder = Path("/proc") / str(process.pid)
    seen = (folder / "cmdline").read_bytes().decode() + (folder / "environ").read_bytes().decode()
    children = [(task / "children").read_text() for task in (folder / "task").iterdir()]
    canaries = stage.canaries()
    fault.release.set()
    outcome = stage.finish(process)
    assert outcome.code == 0
    assert not any(canary in seen for canary in canaries)
    assert not any(children)


BOOM = """
import runpy, sys
import gateway.model.decisions
def boom(published, known, policy, *, asked):
    raise RuntimeError(known.value.reveal())
gateway.model.decisions.reasons = boom
runpy.run_path(sys.path[0] + "/azure_app_secret.py", run_name="__main__")
"""


def test_a_traceback_shows_no_secret(stage: Stage) -> None:
    """Something that nobody foresaw, whose message is a secret, with tracebacks asked for."""
    (stage.folder / "azure_app_secret.py").write_text(SCRIPT.read_text())
    (stage.folder / "boom.py").write_text(BOOM)
    outcome = stage.finish(stage.start(script=stage.folder / "boom.py", new=True, ROTATION_TRACEBACK="1"))
    assert outcome.code == 1, outcome
    assert "RuntimeError" in outcome.stderr and "***" in outcome.stderr
    assert not stage.leaks([outcome])


# SIGTERM at each step: (service, operation, nth) -> exit code, and whether the new secret is published.
TERM = {
    "before anything is made": (("graph", "get_application", 1), 1, False),
    "while the secret is made": (("graph", "add_password", 1), 1, False),
    "while it is proved": (("entra", "token", 3), 1, False),
    "while it is saved": (("keeper", "update_secret", 1), 2, True),
    "while the first old one goes": (("graph", "remove_password", 1), 2, True),
    "while the last old one goes": (("graph", "remove_password", 2), 0, True),
}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=str)
@pytest.mark.parametrize("when", TERM)
def test_sigterm(when: str, number: signal.Signals, stage: Stage) -> None:
    (service, operation, nth), code, published = TERM[when]
    live = stage.live()
    process, fault = held(stage, service, operation, faults.Pause(), nth)
    process.send_signal(number)
    fault.release.set()
    outcome = stage.finish(process)
    assert outcome.code == code, outcome
    assert stage.published_works()
    assert (stage.value("client_secret_id") not in live) is published
    if not published:
        assert stage.live() == live, "what was made was taken back"
    assert stage.run().code == 0
    assert stage.live() == {stage.value("client_secret_id")}


def test_a_mint_older_than_the_deadline_is_taken_back_not_saved(stage: Stage) -> None:
    live = stage.live()
    process, fault = held(stage, "graph", "add_password", faults.PauseAfter(), ROTATION_DEADLINE_SECONDS="5")
    process.send_signal(signal.SIGSTOP)
    time.sleep(5.2)  # the deadline itself, which no setting can make shorter than five seconds
    process.send_signal(signal.SIGCONT)
    fault.release.set()
    outcome = stage.finish(process)
    assert outcome.code in (1, 3), outcome
    assert "update_secret" not in {request.operation for request in stage.sandbox.requests}
    assert stage.published_works()
    if outcome.code == 1:
        assert stage.live() == live


@pytest.mark.parametrize("operation", ["get_application", "add_password", "remove_password"])
def test_an_answer_that_never_stops_dripping_ends_with_the_deadline(operation: str, stage: Stage) -> None:
    stage.sandbox.fault("graph", operation, faults.Slow(600), times=None)
    process = stage.start(new=True, ROTATION_DEADLINE_SECONDS="5", ROTATION_REQUEST_TIMEOUT_SECONDS="30")
    outcome = stage.finish(process)
    assert outcome.code in (1, 2, 3), outcome
    assert stage.published_works()
    assert not stage.leaks([outcome])


def test_a_wait_tells_that_it_waits(stage: Stage) -> None:
    stage.sandbox.entra.propagation_seconds = 2.5
    outcome = stage.run(ROTATION_PROVE_TIMEOUT_SECONDS="8")
    assert outcome.code == 0, outcome
    assert "waiting" in outcome.stderr


STUCK = """
import re, runpy, sys
import gateway.model.decisions
def stuck(published, known, policy, *, asked):
    re.match(r"(a+)+$", "a" * 64 + "b")  # years, in C, and no other thread runs meanwhile
gateway.model.decisions.reasons = stuck
runpy.run_path(sys.path[0] + "/azure_app_secret.py", run_name="__main__")
"""


@pytest.mark.deep
def test_an_interpreter_that_is_stuck_is_ended(stage: Stage) -> None:
    (stage.folder / "azure_app_secret.py").write_text(SCRIPT.read_text())
    (stage.folder / "stuck.py").write_text(STUCK)
    live = stage.live()
    process = stage.start(script=stage.folder / "stuck.py", new=True, ROTATION_DEADLINE_SECONDS="5")
    outcome = stage.outcome_of(process, 40)
    assert outcome.code == -signal.SIGALRM, outcome
    assert stage.live() == live and stage.published_works()

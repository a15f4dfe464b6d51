"""Two runs at once: one is held at each of its requests in turn, while the other runs to its end."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest

from sandbox.proxy import faults
from tests.stage import patience
from tests.stage.rotation import Outcome, Stage
from tests.sweep.deep import deep_unless
from tests.sweep.known_requests import known
from tests.sweep.rotation import changes

# The one that is held must not run into its own timeout.
PATIENT = {"ROTATION_REQUEST_TIMEOUT_SECONDS": "10", "ROTATION_DEADLINE_SECONDS": "30"}
# Nobody waits for the early connection to Graph: a run cannot be held there.
REQUESTS = [(name, nth) for name, nth in known("2 old secrets") if ".connect" not in name]
# Where something changes, the order of two runs decides; elsewhere it says the same again.
HELD = deep_unless(lambda operation, nth: changes(operation) and nth == 1, REQUESTS)


def held(
    stage: Stage, operation: str, nth: int, kind: faults.Kind, **variables: str
) -> tuple[subprocess.Popen[bytes], faults.Fault]:
    """A run that is held at one of its requests."""
    service, name = operation.split(".")
    fault = stage.sandbox.fault(service, name, kind, nth=nth)
    process = stage.start(**PATIENT, **variables)
    assert fault.reached.wait(patience.seconds(10)), f"{operation} {nth} was never asked for"
    return process, fault


def settled(stage: Stage, outcomes: list[Outcome]) -> None:
    """The promises, whoever won: the record works, nothing leaked, and a plain run leaves nothing over."""
    assert stage.published_works(), outcomes
    assert not stage.leaks(outcomes)
    last = stage.run()
    assert last.code == 0, (outcomes, last)
    assert stage.published_works()
    assert stage.live() == {stage.value("client_secret_id")}


@pytest.mark.parametrize("kind", [faults.Pause(), faults.PauseAfter()], ids=["before", "after"])
@pytest.mark.parametrize(("operation", "nth"), HELD)
def test_two_hosts(operation: str, nth: int, kind: faults.Kind, stage: Stage) -> None:
    process, fault = held(stage, operation, nth, kind)
    other = stage.run(ROTATION_LOCK_DIR=str(stage.home / "other-host"))
    works = stage.published_works()
    published = stage.value("client_secret_id")
    if other.code == 0:
        left = stage.live() - {published}
        assert not left, "P3, P4: exit 0 with something left over"
    fault.release.set()
    first = stage.finish(process)
    assert works, "P1, while the first run was held"
    assert other.code in (0, 2), other
    assert first.code in (0, 1, 2), first
    if first.code == 0:
        assert first.result in ("rotated", "superseded")
    if 0 in (first.code, other.code) and first.result == "superseded":
        assert stage.value("client_secret_id") == published
    settled(stage, [first, other])


@pytest.mark.parametrize(("operation", "nth"), HELD)
def test_one_host(operation: str, nth: int, stage: Stage) -> None:
    process, fault = held(stage, operation, nth, faults.Pause())
    before = (stage.sandbox.keeper.record(stage.at.record_uid).data, stage.live())
    other = stage.run()
    assert (other.code, other.result) == (1, "failed")
    assert "another run is at work" in other.report["error"]
    assert (stage.sandbox.keeper.record(stage.at.record_uid).data, stage.live()) == before
    fault.release.set()
    first = stage.finish(process)
    assert (first.code, first.result) == (0, "rotated")
    settled(stage, [first, other])


@pytest.fixture
def two_records(make_stage: Callable[..., Stage]) -> tuple[Stage, str]:
    """One app that two records rotate; the second record publishes a secret of its own."""
    from sandbox.furnish.rotation import pam_user

    stage = make_stage(old_secrets=1)
    second = pam_user(stage.sandbox, stage.at.target_object_id)
    return stage, second


@pytest.mark.parametrize(("operation", "nth"), HELD)
def test_two_records_on_one_app(operation: str, nth: int, two_records: tuple[Stage, str]) -> None:
    stage, second = two_records
    keeper = stage.sandbox.keeper
    # With an earlier secret beside it, a rotation of the first record has two to remove, as in REQUESTS.
    stage.sandbox.graph.add_password(stage.at.target_object_id, "by hand")
    process, fault = held(stage, operation, nth, faults.Pause())
    other = stage.run(stage.line(userRecordUid=second))
    fault.release.set()
    first = stage.finish(process)
    assert other.code in (0, 2), other
    assert first.code in (0, 2), first

    def works(uid: str) -> bool:
        secret = keeper.record(uid).value("client_secret")
        return stage.sandbox.entra.key_of(stage.at.target_client_id, secret) == keeper.record(uid).value(
            "client_secret_id"
        )

    assert works(stage.at.record_uid), "P1 of the first record"
    assert works(second), "P1 of the second record"
    for uid in (stage.at.record_uid, second):
        last = stage.run(stage.line(userRecordUid=uid))
        assert last.code in (0, 2), last
    assert works(stage.at.record_uid) and works(second)
    stage.sandbox.clock.advance(float(stage.variables["ROTATION_DEADLINE_SECONDS"]) + 600)
    last = stage.run()
    assert last.code == 0, last
    published = {keeper.record(uid).value("client_secret_id") for uid in (stage.at.record_uid, second)}
    assert stage.live() == published
    assert {kept["key_id"] for kept in last.report["kept"]} == {keeper.record(second).value("client_secret_id")}


# With destinations: whoever delivers last, nobody is left with a dead secret.

DELIVERED = [
    (name, nth)
    for name, nth in known("delivered to everyone")
    if ".connect" not in name
    and name.split(".")[0] in ("keyvault", "devops", "arm")
    and not name.startswith("arm.get_job")
]


@pytest.mark.parametrize(("operation", "nth"), deep_unless(lambda operation, nth: changes(operation), DELIVERED))
def test_two_hosts_deliver(operation: str, nth: int, stage: Stage) -> None:
    stage.deliver()
    process, fault = held(stage, operation, nth, faults.Pause())
    other = stage.run(ROTATION_LOCK_DIR=str(stage.home / "other-host"))
    assert stage.published_works() and all(stage.working().values()), (other, "while the first run was held")
    fault.release.set()
    first = stage.finish(process)
    assert other.code in (0, 2), other
    assert first.code in (0, 1, 2), first
    assert all(stage.working().values()), (first, other)
    settled(stage, [first, other])
    assert not stage.undelivered()

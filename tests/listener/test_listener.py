"""``keeper-rotation listen`` as a process, against librdkafka's own cluster and the sandbox's vault and tenant."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sandbox.event_hub import EXPIRED, EventHub, certificate_subject, cloud_event, event_grid, subject
from sandbox.event_hub.broker import BrokerHub
from sandbox.proxy import faults
from tests.stage import patience
from tests.stage.certificate import SCRIPT as CERTIFICATES
from tests.stage.certificate import CertificateStage
from tests.stage.hooks import URL, Hooks
from tests.stage.listener import DAY, GROUP, QUICK, Listener, Many, wait
from tests.stage.parts import broker
from tests.stage.rotation import ROOT, Stage


@pytest.fixture
def hub(request: pytest.FixtureRequest) -> Iterator[EventHub]:
    """An empty Event Hub: librdkafka's own, unless the test names another."""
    kind = getattr(request, "param", EventHub)
    if kind is BrokerHub:
        broker()
    with kind() as made:
        yield made


# What a broker decides, and so is tried on a real one too. One that looks at the lag while nothing is fetched is not
# among these: this one says of a partition that is not fetched from that it ends one message earlier than it does.
ON_A_REAL_BROKER_TOO = pytest.mark.parametrize(
    "hub",
    [pytest.param(EventHub, id="mock"), pytest.param(BrokerHub, id="broker", marks=pytest.mark.deep)],
    indirect=True,
)


def about(stage: Stage) -> Any:
    """The secret that the stage's record delivers, in its current version."""
    made = stage.destinations or stage.deliver("secret_address")
    return subject(made.vault, made.secret_name)


def versions(stage: Stage) -> int:
    """How many versions that secret has."""
    assert stage.destinations
    return len(stage.sandbox.keyvault.versions(stage.destinations.vault, stage.destinations.secret_name))


def all_committed(hub: EventHub) -> bool:
    """Whether nothing in the Event Hub would be read again."""
    return hub.committed(GROUP) == hub.ends()


@ON_A_REAL_BROKER_TOO
def test_what_is_due_is_rotated_once_and_everything_else_is_counted(stage: Stage, hub: EventHub) -> None:
    due = about(stage)
    vault = due.vault
    stage.sandbox.keyvault.set_secret(vault, "nobodys", "x" * 20)
    stale = subject(vault, due.name, "0" * 32)
    foreign = event_grid(due) | {"data": due.data | {"Id": "", "VaultName": "another-vault"}}
    created = event_grid(due, "SecretNewVersionCreated")
    for message in (b"not JSON", b"[" * 100_000, b"", b"\xff\xfe\x00", b"x" * 1_100_000, [], [1], {"data": {}}):
        hub.publish(message)
    hub.publish(event_grid(subject(vault, "nobodys")), cloud_event(subject(vault, "nobodys"), EXPIRED))
    hub.publish([foreign, created])
    hub.publish([event_grid(stale), cloud_event(stale)])
    hub.publish(cloud_event(due), partition=1)
    hub.publish([event_grid(due), event_grid(due, EXPIRED)], partition=1)
    hub.flush()
    listener = Listener(stage, hub)
    wait(lambda: all_committed(hub))
    expected = {"garbage": 8, "ignored": 1, "unknown_secret": 2, "foreign_vault": 1, "rotated": 1, "duplicate": 4}
    assert listener.outcomes() == expected
    status, shown = listener.health()
    assert (status, shown["status"], shown["region"], shown["partitions"]) == (200, "ok", "westeurope", [0, 1, 2, 3])
    assert shown["last_rotation"]["result"] == "rotated" and shown["last_event"]["at"]
    assert stage.at.record_uid not in str(shown)
    assert listener.figure("rotations_total", result="rotated") == listener.figure("seconds_count") == 1
    assert listener.figure("lag_events") == 0 and listener.figure("working") == 1
    assert listener.get("/elsewhere")[0] == 404
    said = listener.stop()
    assert said.count("no record answers for orders-vault.vault.azure.net/secrets/nobodys") == 1
    assert "no record answers for another-vault/secrets/orders-api-secret" in said
    assert "xxxx" not in said and "[[[[" not in said
    assert versions(stage) == 2 and stage.published_works()
    assert len([name for name in stage.sandbox.operations() if name == "keeper.get_secret"]) < 10


def test_a_certificate_near_its_end_is_renewed_once(hub: EventHub) -> None:
    with CertificateStage(issuer="contoso-ca", settings={"export": "pfx"}) as stage:
        assert isinstance(stage, CertificateStage)
        near = certificate_subject(stage.made.vault, stage.made.name)
        hub.publish(event_grid(near), cloud_event(near))
        hub.flush()
        listener = Listener(stage, hub, LISTEN_SCRIPTS=f"certificate_id={CERTIFICATES}")
        wait(lambda: all_committed(hub))
        assert listener.outcomes() == {"rotated": 1, "duplicate": 1}
        listener.stop()
        assert len(stage.versions()) == 2 and not stage.wrong()


@pytest.mark.parametrize(
    "issuer", ["Unknown", "contoso-ca"], ids=["a CA that signs by hand", "an issuer that takes days"]
)
def test_a_certificate_that_waits_is_told_once_and_holds_nothing_up(issuer: str, hub: EventHub) -> None:
    hooks = Hooks()
    with CertificateStage(services=[hooks], issuer=issuer, settings={"notify": URL}) as stage:
        stage.sandbox.keyvault.issue_seconds = 5 * DAY
        near = certificate_subject(stage.made.vault, stage.made.name)
        hub.publish(event_grid(near), cloud_event(near))
        hub.flush()
        scripts = {"LISTEN_SCRIPTS": f"certificate_id={CERTIFICATES}", "ROTATION_DEADLINE_SECONDS": "5"}
        listener = Listener(stage, hub, **scripts)
        wait(lambda: all_committed(hub))
        assert listener.outcomes() == {"waiting": 2} and not listener.figure("retries_total")
        assert listener.figure("rotations_total", result="waiting") == listener.figure("seconds_count") == 1
        assert "given up" not in listener.stop() and len(stage.versions()) == 1
        assert [each["title"].partition(":")[0] for each in hooks.received] == ["Rotation waiting"]


def test_a_rotation_that_fails_is_tried_again_and_one_that_is_switched_off_is_not(stage: Stage, hub: EventHub) -> None:
    off = Many(stage, 1, rotation_enabled="False")
    hub.publish(off.event(off.names[0]), event_grid(about(stage)))
    hub.flush()
    refused = stage.sandbox.fault("graph", "add_password", faults.Status(403), times=1)
    listener = Listener(stage, hub)
    wait(lambda: all_committed(hub))
    assert refused.fired and versions(stage) == 2 and off.versions() == [1]
    assert listener.outcomes() == {"rotated": 1, "disabled": 1} and listener.figure("retries_total") == 1
    assert "try 1 of 5 failed" in listener.stop()


def test_a_forged_event_ends_no_secret_that_has_a_year_to_live(stage: Stage, hub: EventHub) -> None:
    due = about(stage)
    due.vault.secrets[due.name].current.exp = stage.sandbox.clock.now() + 61 * DAY
    hub.publish(event_grid(due), event_grid(due, EXPIRED))
    hub.flush()
    listener = Listener(stage, hub)
    wait(lambda: all_committed(hub))
    assert listener.outcomes() == {"not_near": 2} and versions(stage) == 1
    reads = [each for each in stage.sandbox.requests if each.service == "keyvault" and each.operation == "get_secret"]
    assert len(reads) <= 2
    listener.stop()


def test_events_have_a_record_rotated_once_a_day(stage: Stage, hub: EventHub) -> None:
    hub.publish(event_grid(about(stage)))
    hub.flush()
    listener = Listener(stage, hub)
    wait(lambda: all_committed(hub))
    now = about(stage)
    now.vault.secrets[now.name].current.exp = stage.sandbox.clock.now() + DAY
    time.sleep(5.2)  # what the vault holds is remembered for five seconds
    hub.publish(event_grid(now), event_grid(now, EXPIRED), event_grid(now))
    hub.flush()
    wait(lambda: sum(listener.outcomes().values()) == 4)
    assert listener.outcomes() == {"rotated": 1, "too_soon": 3} and versions(stage) == 2
    listener.stop()


def test_of_several_records_the_one_of_the_tag_is_rotated(stage: Stage, hub: EventHub) -> None:
    """Whoever edits a record may name somebody else's secret in it, and have the lower uid."""
    many = Many(stage, 3)
    name = many.names[0]
    uids = sorted(many.records.values())
    for uid in uids:
        stage.sandbox.keeper.edit(uid, "deliver_to", f"{many.vault.url}/secrets/{name}")
    many.vault.secrets[name].current.tags = {"keeper-record": uids[2]}
    hub.publish(many.event(name))
    hub.flush()
    listener = Listener(stage, hub)
    wait(lambda: all_committed(hub))
    said = listener.stop()
    assert f"record {uids[2]}: rotating" in said and f"record {uids[0]}: rotating" not in said


def test_a_version_that_is_switched_off_is_nobodys(stage: Stage, hub: EventHub) -> None:
    due = about(stage)
    due.vault.secrets[due.name].current.enabled = False
    hub.publish(event_grid(due))
    hub.flush()
    listener = Listener(stage, hub)
    wait(lambda: all_committed(hub))
    assert listener.outcomes() == {"duplicate": 1} and not listener.figure("retries_total")
    listener.stop()


@ON_A_REAL_BROKER_TOO
def test_what_never_works_is_told_and_holds_nothing_up(make_stage: Callable[..., Stage], hub: EventHub) -> None:
    hooks = Hooks()
    stage = make_stage(services=[hooks])
    many = Many(stage, 2)
    broken, fine = many.names
    stage.sandbox.keeper.edit(many.records[broken], "application_object_id", "0" * 8 + "-0000-0000-0000-" + "0" * 12)
    stage.sandbox.keeper.edit(many.records[broken], "notify", URL)
    hub.publish(many.event(broken), partition=2)
    hub.publish(many.event(fine), partition=2)
    hub.flush()
    listener = Listener(stage, hub, LISTEN_TRIES="3", LISTEN_RETRY_SECONDS="1")
    wait(lambda: listener.outcomes().get("rotated"))
    assert hub.committed(GROUP)[2] == 0, "the first event is not dealt with, so nothing behind it is committed"
    wait(lambda: all_committed(hub))
    assert listener.outcomes() == {"failed": 1, "rotated": 1}
    assert listener.figure("retries_total") == 2 and many.versions() == [1, 2]
    said = listener.stop()
    assert "given up after 3 tries" in said and "hook-password-77" not in said
    last = hooks.received[-1]
    assert "given up after 3 tries" in last["message"] and last["title"].startswith("Rotation failed")


@ON_A_REAL_BROKER_TOO
def test_sigterm_lets_a_rotation_finish(stage: Stage, hub: EventHub) -> None:
    many = Many(stage, 2)
    held = stage.sandbox.fault("graph", "add_password", faults.PauseAfter())
    hub.publish(many.event(many.names[0]), partition=0)
    hub.publish(many.event(many.names[1]), partition=0)
    hub.flush()
    listener = Listener(stage, hub, LISTEN_WORKERS="1")
    assert held.reached.wait(patience.seconds(20))
    listener.process.terminate()
    wait(lambda: listener.health()[1]["status"] == "stopping")
    assert listener.process.poll() is None
    held.release.set()
    assert "shutting down: waiting for 1 rotations" in listener.stop()
    assert many.versions() == [2, 1] and hub.committed(GROUP)[0] == 1, "the second one is left to the next listener"


@ON_A_REAL_BROKER_TOO
def test_a_listener_takes_over_from_a_dead_one(stage: Stage, hub: EventHub) -> None:
    many = Many(stage, 8)
    stage.sandbox.latency = 0.02
    for number, name in enumerate(many.names):
        hub.publish([many.event(name), many.event(name)], partition=number % 4)
        hub.publish(many.event(name), partition=(number + 1) % 4)
    listeners = [Listener(stage, hub, LISTEN_WORKERS="1") for _ in range(2)]
    wait(lambda: all(listener.health()[0] == 200 for listener in listeners))
    wait(lambda: [len(each.health()[1]["partitions"]) for each in listeners] == [2, 2])
    hub.flush()
    wait(lambda: sum(many.rotations()) > 1)
    listeners[0].process.kill()
    wait(lambda: all_committed(hub), 40)
    assert many.rotations() == [1] * 8
    assert listeners[1].health()[1]["partitions"] == [0, 1, 2, 3]
    listeners[1].stop()


def test_one_that_fetched_no_more_fetches_again_after_a_rebalance(stage: Stage, hub: EventHub) -> None:
    many = Many(stage, 4)
    stage.sandbox.fault("graph", "add_password", faults.Status(403), times=None)
    for number, name in enumerate(many.names):
        hub.publish(many.event(name), partition=number)
    hub.flush()
    full = {"LISTEN_WAITING": "2", "LISTEN_TRIES": "1000"}
    listener = Listener(stage, hub, **full)
    wait(lambda: listener.figure("retries_total") >= 2)
    guest = Listener(stage, hub, **full)
    wait(lambda: [len(each.health()[1].get("partitions", [])) for each in (listener, guest)] == [2, 2])
    guest.stop()
    wait(lambda: len(listener.health()[1]["partitions"]) == 4)
    for number in range(20):
        hub.publish(b"{}", partition=number % 4)
    hub.flush()
    wait(lambda: listener.figure("lag_events") == 24)  # also what it has not fetched
    stage.sandbox.faults.clear()
    wait(lambda: all_committed(hub))
    assert many.rotations() == [1] * 4
    listener.stop()


@ON_A_REAL_BROKER_TOO
def test_the_lag_is_what_is_not_dealt_with(stage: Stage, hub: EventHub) -> None:
    many = Many(stage, 4)
    stage.sandbox.fault("graph", "add_password", faults.Status(403), times=None)
    listener = Listener(stage, hub, LISTEN_TRIES="1000")
    wait(lambda: listener.health()[0] == 200)
    for number, name in enumerate(many.names):
        hub.publish(many.event(name), partition=number)
    for _ in range(8):
        hub.publish(b"{}", partition=0)
    hub.flush()
    wait(lambda: listener.figure("lag_events") == 12)  # what comes behind an event that waits is dealt with after it
    assert listener.figure("lag_events", partition="0") == 9
    stage.sandbox.faults.clear()
    wait(lambda: listener.figure("lag_events") == 0)
    assert all_committed(hub) and many.rotations() == [1] * 4
    listener.stop()


def test_keeper_is_gone_for_a_while(stage: Stage, hub: EventHub) -> None:
    hub.publish(event_grid(about(stage)))
    hub.flush()
    stage.sandbox.fault("keeper", "get_secret", faults.Status(503), times=None)
    listener = Listener(stage, hub, LISTEN_TRIES="1", ROTATION_REQUEST_TIMEOUT_SECONDS="0.5")
    wait(lambda: listener.health()[1].get("status") == "waiting")
    status, shown = listener.health()
    assert status == 503 and shown["wrong"] == ["keeper"] and listener.figure("working") == 0
    stage.sandbox.faults.clear()
    wait(lambda: listener.health()[0] == 200 and all_committed(hub))
    assert versions(stage) == 2 and listener.outcomes() == {"rotated": 1}
    said = listener.stop()
    assert said.count("warning: waiting for the keeper") == said.count("no longer waiting for the keeper") == 1


@ON_A_REAL_BROKER_TOO
def test_the_event_hub_is_gone_for_a_while(stage: Stage, hub: EventHub) -> None:
    due = about(stage)
    listener = Listener(stage, hub)
    wait(lambda: listener.health()[0] == 200)
    hub.hold()
    wait(lambda: listener.health()[0] == 503, 40)
    assert listener.health()[1]["wrong"] == ["event hub"]
    hub.resume()
    wait(lambda: listener.health()[0] == 200, 40)
    hub.publish(event_grid(due))
    hub.flush()
    wait(lambda: all_committed(hub), 40)
    assert versions(stage) == 2
    listener.stop()


WRONG: dict[str, tuple[dict[str, str], str]] = {
    "nothing is set": ({"LISTEN_EVENT_HUB": ""}, "event_hub (LISTEN_EVENT_HUB) is missing"),
    "a way to sign in": ({"LISTEN_SIGN_IN": "password"}, "sign_in: 'password' is none of identity"),
    "another host without TLS": (
        {"LISTEN_BOOTSTRAP_SERVERS": "127.0.0.1:9,kafka.example.com:9092"},
        "'none' is for a Kafka on this machine",
    ),
    "no record": ({"LISTEN_SIGN_IN": "connection-string"}, "sign_in_record is missing"),
    "a script": ({"LISTEN_SCRIPTS": "x=/nowhere.py"}, "there is no file /nowhere.py"),
    "a secret": ({"LISTEN_KAFKA": "sasl.password=swordfish"}, "sasl.password may hold a secret"),
    "ours": ({"LISTEN_KAFKA": "enable.auto.commit=true"}, "enable.auto.commit is not yours to set"),
    "a number": ({"LISTEN_TRIES": "0"}, "tries: '0' is not a whole number of at least 1"),
    "an address": ({"LISTEN_HEALTH_ADDRESS": "8080x"}, "is not HOST:PORT"),
    "a cloud": ({"LISTEN_AZURE_CLOUD": "Cumulus"}, "azure_cloud: 'Cumulus' is none of"),
    "the file": ({}, "cannot read"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_set_wrongly_is_said(what: str, stage: Stage) -> None:
    variables, message = WRONG[what]
    valid = {"LISTEN_BOOTSTRAP_SERVERS": "127.0.0.1:9", "LISTEN_EVENT_HUB": "x", "LISTEN_SIGN_IN": "none"}
    arguments = ["--config=/nowhere.toml"] if what == "the file" else []
    process = subprocess.run(
        [sys.executable, "-m", "gateway", "listen", *arguments],
        env=stage.variables | QUICK | valid | variables,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=patience.seconds(30),
        check=False,
    )
    assert process.returncode == 1 and message in process.stderr
    assert "hint: " in process.stderr and "swordfish" not in process.stderr

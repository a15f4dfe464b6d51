"""The parts of the listener that can be tried alone: settings, order of offsets, one at a time, signing in."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import Failed, Refused
from gateway.host.settings import read_settings
from gateway.keeper.vault import Vault
from gateway.listener.events import Event
from gateway.listener.health import Health
from gateway.listener.hub import consumer
from gateway.listener.hub.offsets import Partition
from gateway.listener.queue import Job, Work
from gateway.listener.records import Records
from gateway.listener.run_script import Rotator
from gateway.listener.settings import SETTINGS, ListenSettings, read_listen_settings
from gateway.listener.versions import Versions
from sandbox.entra import tokens
from sandbox.proxy import faults
from tests.stage import patience
from tests.stage.rotation import ROOT, SCRIPT, Outcome, Stage

EVENT = Event("SecretNearExpiry", "secrets", "v", "", "n", "0" * 32, None)
TOML = f"""
bootstrap_servers = "contoso.servicebus.windows.net:9093"
event_hub = "events"
tries = 7
records_seconds = 1.5

[scripts]
application_object_id = "{SCRIPT.name}"

[kafka]
"session.timeout.ms" = 45000
"enable.ssl.certificate.verification" = true
"""


def write(folder: Path, text: str) -> str:
    """The settings' file, with a script beside it."""
    (folder / SCRIPT.name).write_text("")
    path = folder / "listen.toml"
    path.write_text(text)
    return str(path)


def test_the_file_and_the_environment_which_wins(tmp_path: Path) -> None:
    path = write(tmp_path, TOML)
    settings = read_listen_settings(path, {"LISTEN_EVENT_HUB": "others", "REGION_NAME": "westeurope"})
    assert (settings.event_hub, settings.tries, settings.records_seconds) == ("others", 7, 1.5)
    assert settings.region == "westeurope" and settings.consumer_group == "keeper-rotation"
    assert settings.scripts == {"application_object_id": str(tmp_path / SCRIPT.name)}, "from the file's own folder"
    assert settings.kafka == {"session.timeout.ms": "45000", "enable.ssl.certificate.verification": "true"}
    assert settings.health_place() == ("127.0.0.1", 8080)


def test_the_environment_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    variables = {"LISTEN_BOOTSTRAP_SERVERS": "b:9093", "LISTEN_EVENT_HUB": "e", "LISTEN_HEALTH_ADDRESS": "[::1]:81"}
    settings = read_listen_settings("", variables | {"LISTEN_KAFKA": "a=b=c; d = e;"})
    assert settings.scripts["application_object_id"] == str(SCRIPT), "the default ones, from the current folder"
    assert settings.kafka == {"a": "b=c", "d": "e"} and settings.health_place() == ("::1", 81)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Failed, match="none of the default ones"):
        read_listen_settings("", variables)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tries = ", "is not TOML"),
        ("tires = 5", "there is no setting 'tires'"),
        ('scripts = { application_object_id = ["a"] }', "scripts: a table of names and texts"),
        ("workers = true\ntries = 'many'", "tries: 'many' is not a whole number"),
        ("tries = 2.5", "tries: 2.5 is not a whole number"),
        ("workers = inf\ntries = 1_000_000", "workers: inf is not a whole number of at least 1; tries: 1000000 is not"),
        ("", r"bootstrap_servers \(LISTEN_BOOTSTRAP_SERVERS\) is missing; event_hub"),
    ],
)
def test_a_file_that_cannot_be_used(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(Failed, match=message):
        read_listen_settings(write(tmp_path, text), {})


def test_every_setting_is_a_field() -> None:
    assert [setting.name for setting in SETTINGS] == [field.name for field in fields(ListenSettings)]


class Idle:
    """A consumer that has nothing to read, and a dispatcher with nothing to do."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return lambda *_, **__: [] if name == "list_topics" else None


def test_a_listener_that_fetches_nothing_for_minutes_is_waiting(tmp_path: Path) -> None:
    path = write(tmp_path, TOML)
    variables = {"LISTEN_SIGN_IN": "none", "LISTEN_BOOTSTRAP_SERVERS": "localhost:9", "LISTEN_WAITING": "2"}
    listen, health = read_listen_settings(path, variables), Health("")
    intake: Any = consumer.Intake(listen, Anonymous(), Idle(), health)  # type: ignore[arg-type]
    intake._consumer, partition = Idle(), Partition(0)
    intake._committed_at, intake._partitions[0] = time.monotonic() + 60, partition
    health.owns([0])
    messages = [partition.take(offset, 1) for offset in range(2)]
    intake._turn(None)
    assert health.shown()[0] == 200
    intake._paused_at -= 301
    intake._turn(None)
    status, shown = health.shown()
    assert (status, shown["status"]) == (503, "waiting")
    assert shown["wrong"] == ["rotations"]
    for message in messages:
        partition.finish_one(message)
    intake._turn(None)
    assert health.shown()[0] == 200


class Anonymous:
    """Nobody signs in."""

    def properties(self) -> dict[str, Any]:
        """Nothing."""
        return {}


def test_offsets_go_on_in_order() -> None:
    partition = Partition(0)
    first, second = partition.take(5, 1), partition.take(6, 2)
    assert partition.next() is None
    partition.take(9, 0)  # nothing to do in it; offsets may have gaps
    partition.finish_one(second)
    partition.finish_one(second)
    assert partition.next() is None and partition.waiting() == 3, "the first one is not dealt with"
    partition.finish_one(first)
    assert partition.next() == 10 and partition.waiting() == 0


def test_two_events_of_one_record_wait_for_one_another_and_others_do_not() -> None:
    partition, seen, most = Partition(0), [], []
    running: set[str] = set()

    def handle(job: Job) -> None:
        uid = "one" if job.message.offset < 4 else "other"
        if not work.claim(uid, job):
            return
        running.add(f"{uid} {job.message.offset}")
        most.append(sorted(running))
        time.sleep(0.02)
        running.discard(f"{uid} {job.message.offset}")
        seen.append(job.message.offset)
        job.finish()
        work.release(uid)

    work = Work(handle, 4)
    for offset in range(8):
        work.put(Job(EVENT, partition.take(offset, 1)))
    work.start()
    until = time.monotonic() + patience.seconds(5)
    while partition.next() != 8 and time.monotonic() < until:
        time.sleep(0.01)
    assert sorted(seen) == list(range(8))
    assert max(map(len, most)) == 2
    assert all(len({entry.split()[0] for entry in entries}) == len(entries) for entries in most)


def test_a_job_of_a_lost_partition_is_not_begun() -> None:
    lost, kept = Partition(0), Partition(1)
    done = threading.Event()
    seen: list[Partition] = []

    def handle(job: Job) -> None:
        seen.append(job.message.partition)
        job.finish()
        done.set()

    work = Work(handle, 1)
    work.put(Job(EVENT, lost.take(0, 1)))
    work.put(Job(EVENT, kept.take(0, 1)))
    lost.lost = True
    work.start()
    assert done.wait(patience.seconds(5)) and seen == [kept] and lost.next() is None
    work.stop()


def test_what_a_handler_did_not_foresee_ends_no_worker() -> None:
    partition, done = Partition(0), threading.Event()

    def handle(job: Job) -> None:
        if job.message.offset == 0:
            raise ZeroDivisionError
        done.set()

    work = Work(handle, 1)
    for offset in (0, 1):
        work.put(Job(EVENT, partition.take(offset, 1)))
    work.start()
    assert done.wait(patience.seconds(5))


def test_the_line_is_due_now_and_says_what_it_knows(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in stage.variables.items():
        monkeypatch.setenv(name, value)
    config = Path(stage.variables["KSM_CONFIG_FILE"]).read_text()
    rotator = Rotator(config, read_settings(stage.variables), {"application_object_id": str(SCRIPT)}, "")
    record = _record(stage, config)
    params = json.loads(base64.b64decode(rotator.line(record, "2026-01-01T00:00:00Z")))
    assert params["dueNow"] is True and params["dueWhileLastRotated"] == "2026-01-01T00:00:00Z"
    assert "byHand" not in params
    assert params["userRecordUid"] == stage.at.record_uid
    assert rotator.script_of(record) == str(SCRIPT)
    with pytest.raises(Failed, match="none of the fields storage_account_id"):
        Rotator(config, read_settings({}), {"storage_account_id": "x"}, "").script_of(record)


@pytest.mark.parametrize(("known", "result"), [("", "rotated"), ("2026-01-01T00:00:00Z", "not_due")])
def test_a_record_that_was_rotated_meanwhile_is_not_rotated_again(known: str, result: str, stage: Stage) -> None:
    outcome = stage.run(stage.line(dueNow=True, dueWhileLastRotated=known))
    assert (outcome.code, outcome.result) == (0, result)


def test_a_token_is_kept_until_it_ends_or_is_refused(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    ask = _asking(stage, monkeypatch)
    keyvault, made = stage.sandbox.keyvault, stage.destinations
    assert made
    newest = keyvault.versions(made.vault, made.secret_name)[-1].version
    assert (ask(), ask(), _sign_ins(stage)) == (newest, newest, 1)
    stage.sandbox.fault("keyvault", "get_secret", faults.Status(401))
    with pytest.raises(Refused, match="401"):
        ask()
    assert (ask(), _sign_ins(stage)) == (newest, 2), "one that was refused is not shown again"
    stage.sandbox.fault("keyvault", "get_secret", faults.Status(401))
    monkeypatch.setattr(tokens, "LIFETIME", 90)
    with pytest.raises(Refused, match="401"):
        ask()
    assert (ask(), ask(), _sign_ins(stage)) == (newest, newest, 4), "one that ends soon is not kept"


def test_a_current_version_that_is_disabled_is_near_no_end(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    ask = _asking(stage, monkeypatch)
    made = stage.destinations
    assert made
    stage.sandbox.keyvault.versions(made.vault, made.secret_name)[-1].enabled = False
    assert ask() is None


def test_a_record_that_names_another_cloud_sends_no_secret_there(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.sandbox.keeper.edit(stage.at.record_uid, "azure_cloud", "AzureChinaCloud")
    ask = _asking(stage, monkeypatch)
    with pytest.raises(Failed, match="the record says AzureChinaCloud, and the admin credential is for AzureCloud"):
        ask()
    assert not _sign_ins(stage)


def test_an_address_in_another_cloud_than_the_credentials_is_not_asked(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.sandbox.keeper.edit(stage.at.config_record_uid, "azure_cloud", "AzureChinaCloud")
    with pytest.raises(Failed, match="is not in AzureChinaCloud, the cloud of the admin credential"):
        _asking(stage, monkeypatch)()
    assert not _sign_ins(stage)


def _asking(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Callable[[], str | None]:
    """Which version the secret of the stage's record has, as the listener asks for it."""
    made = stage.deliver("secret_address")
    for name, value in stage.variables.items():
        monkeypatch.setenv(name, value)
    config, settings = Path(stage.variables["KSM_CONFIG_FILE"]).read_text(), read_settings(stage.variables)
    records = Records(config, settings, 60, 1)
    versions = Versions(records, settings, "", 60)
    record = records.read([stage.at.record_uid])[stage.at.record_uid]

    def ask() -> str | None:
        versions.forget()
        current = versions.current(record, made.secret_address)
        return current and current.version

    return ask


def _sign_ins(stage: Stage) -> int:
    return sum(each.operation == "token" for each in stage.sandbox.requests)


def _record(stage: Stage, config: str) -> Any:
    from gateway.listener.records import new_http

    vault = Vault(config, new_http(read_settings(stage.variables)))
    return vault.read([stage.at.record_uid])[stage.at.record_uid]


# Signing in. The mock cluster knows no TLS, so what librdkafka gets is looked at.

SIGN_IN = """
import sys, time
from confluent_kafka import Consumer
from gateway.errors import CallError, Failed
from gateway.keeper.config import find_ksm_config
from gateway.listener.health import Health
from gateway.listener.settings import read_listen_settings
from gateway.listener.hub.sign_in import SignIn
from gateway.host.report import Stderr
from gateway.host.settings import read_settings
import logging
logging.getLogger("gateway").addHandler(Stderr())
logging.getLogger("gateway").propagate = False
health = Health("")
sign_in = SignIn(read_listen_settings(""), read_settings(), find_ksm_config(), health)
try:
    properties = sign_in.properties()
    names = {name: value for name, value in properties.items() if name != "sasl.password" and name != "oauth_cb"}
    print(sorted(names.items()))
    if "oauth_cb" in properties:
        token, ends = properties["oauth_cb"]("")
        import base64, json
        claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
        print(claims["aud"], 0 < ends - time.time() < 100000)
        # librdkafka asks for a token by itself before it connects anywhere.
        Consumer({"bootstrap.servers": "127.0.0.1:9", "group.id": "g", "log_level": 0, **properties}).close()
        print("a consumer")
    else:
        print(len(properties["sasl.password"]))
except (Failed, CallError) as error:
    print("refused:", error)
print(health.shown()[1]["wrong"])
"""
HOST = "contoso.servicebus.windows.net"
AUDIENCE = f"https://{HOST} True\na consumer\n[]\n"


def signed_in(stage: Stage, **variables: str) -> str:
    """What is printed; no secret, no token is."""
    settings = {
        "LISTEN_BOOTSTRAP_SERVERS": f"{HOST}:9093",
        "LISTEN_EVENT_HUB": "events",
        "PYTHONPATH": str(ROOT),
    }
    process = subprocess.run(
        [sys.executable, "-c", SIGN_IN],
        env=stage.variables | settings | variables,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=patience.seconds(40),
        check=False,
    )
    assert process.returncode == 0, process.stderr
    assert not stage.leaks([Outcome(0, process.stdout, process.stderr)])
    return process.stdout


def test_a_client_secret_in_a_record(stage: Stage) -> None:
    way = {"LISTEN_SIGN_IN": "client-secret", "LISTEN_SIGN_IN_RECORD": stage.at.admin_record_uid}
    printed = signed_in(stage, **way)
    assert "('sasl.mechanism', 'OAUTHBEARER'), ('security.protocol', 'SASL_SSL')" in printed
    assert printed.endswith(AUDIENCE)


def test_a_managed_identity(stage: Stage) -> None:
    stage.sandbox.identity.client_id = stage.at.admin_client_id
    identity = stage.sandbox.identity_env()
    printed = signed_in(stage, **identity, NO_PROXY="127.0.0.1")
    assert printed.endswith(AUDIENCE)


def test_a_client_secret_that_is_refused(stage: Stage) -> None:
    stage.sandbox.keeper.edit(stage.at.admin_record_uid, "client_secret", "wrong-secret-of-the-admin")
    way = {"LISTEN_SIGN_IN": "client-secret", "LISTEN_SIGN_IN_RECORD": stage.at.admin_record_uid}
    printed = signed_in(stage, **way)
    assert "refused: Entra sign-in: HTTP 401 AADSTS7000215" in printed
    assert printed.endswith("['event hub']\n")


STRINGS: dict[str, tuple[str, str]] = {
    "right": (f"Endpoint=sb://{HOST}/;SharedAccessKeyName=listen;SharedAccessKey=c2hhcmVk+a2V5/Zm9y==", "\n103\n"),
    "another namespace": ("Endpoint=sb://other.servicebus.windows.net/;SharedAccessKey=c2hhcmVka2V5", "is for other."),
    "something else": ("hunter2-is-no-connection-string", "is not a connection string"),
    "nothing": ("", "is not a connection string"),
}


@pytest.mark.parametrize("what", STRINGS)
def test_a_connection_string_in_a_record(what: str, make_stage: Callable[..., Stage]) -> None:
    text, printed = STRINGS[what]
    stage = make_stage()
    stage.sandbox.keeper.edit(stage.at.admin_record_uid, "connection_string", text)
    way = {"LISTEN_SIGN_IN": "connection-string", "LISTEN_SIGN_IN_RECORD": stage.at.admin_record_uid}
    shown = signed_in(stage, **way)
    assert printed.replace("103", str(len(text))) in shown, shown
    if text:
        assert text not in shown and "c2hhcmVk" not in shown and "hunter2" not in shown
    if what == "right":
        assert "('sasl.mechanism', 'PLAIN'), ('sasl.username', '$ConnectionString')" in shown


def test_a_record_that_is_not_there(stage: Stage) -> None:
    way = {"LISTEN_SIGN_IN": "connection-string", "LISTEN_SIGN_IN_RECORD": "A" * 22}
    assert f"refused: sign_in_record {'A' * 22} cannot be read" in signed_in(stage, **way)


def test_the_command_says_when_the_extra_is_missing(stage: Stage) -> None:
    blocked = stage.folder / "blocked"
    (blocked / "confluent_kafka").mkdir(parents=True)
    (blocked / "confluent_kafka" / "__init__.py").write_text("raise ImportError(name='confluent_kafka')")
    process = subprocess.run(
        [sys.executable, "-m", "gateway", "listen"],
        env=stage.variables | {"PYTHONPATH": os.pathsep.join([str(blocked), str(ROOT)])},
        cwd=stage.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 1
    assert (
        "the package confluent_kafka is not installed" in process.stderr and "requirements-listen.txt" in process.stderr
    )

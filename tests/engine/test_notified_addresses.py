"""Whom a record may have told: listed services outside, with none of their options that reach further."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from gateway.errors import Failed
from gateway.host.notify.services import SERVICES, Allowed, parsed, read_allowed
from sandbox.proxy import faults
from tests.stage.command import command
from tests.stage.hooks import URL, Hooks
from tests.stage.rotation import Stage

INSIDE, OPTION, SERVICE = "inside of a network", "none that may be used", "not a service"
SLACK = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"
REFUSED: dict[str, tuple[str, str]] = {
    "a file as template": (f"{SLACK}?template=file:///etc/passwd", OPTION),
    "this host's metadata as template": (f"{SLACK}?template=http://169.254.169.254/metadata", OPTION),
    "a method": ("jsons://hooks.example.com/?method=PUT", OPTION),
    "a method behind a semicolon": ("jsons://hooks.example.com/?format=text;method=PUT", OPTION),
    "a header": ("jsons://hooks.example.com/?+Metadata=true", OPTION),
    "an escaped header": ("jsons://hooks.example.com/?%2BMetadata=true", OPTION),
    "a parameter": ("jsons://hooks.example.com/?-api=1", OPTION),
    "a key of the message": ("jsons://hooks.example.com/?:image=evil", OPTION),
    "no check of TLS": ("jsons://hooks.example.com/?verify=no", OPTION),
    "redirects": ("jsons://hooks.example.com/?redirect=yes", OPTION),
    "a key file": ("mailtos://u:p@example.com?pgpkey=/etc/ssl/private/key.pem", OPTION),
    "syslog": ("syslog://", SERVICE),
    "syslog of another host": ("rsyslog://127.0.0.1", SERVICE),
    "irc": ("irc://irc.example.com/#x", SERVICE),
    "plain http": ("json://hooks.example.com/", SERVICE),
    "what reads a key file": ("fcm://project/device?keyfile=/root/key.json", SERVICE),
    "a mail relay of its own choice": ("mailtos://u:p@example.com?smtp=10.0.0.9", INSIDE),
    "a name of this machine": ("jsons://localhost/x", INSIDE),
    "a name below it": ("jsons://x.localhost./x", INSIDE),
    "blanks that a pattern of Apprise takes hours for": ("mailtos://u:p@example.com?to=" + "%20" * 200, "too long, or"),
    "the same, written twice": ("mailtos://u:p@example.com?to=" + "%2520" * 100, "too long, or"),
    "a long one": ("jsons://hooks.example.com/" + "x" * 1000, "too long, or"),
    "something that is none": ("words", "not an address"),
    "a word with a secret in it": ("sk-very-secret-word", "not an address"),
    "a page": ("https://orders-vault.vault.azure.net/secrets/x", "not an address"),
}
HOSTS = [
    "127.0.0.1", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "224.0.0.1",
    "2130706433", "0x7f000001", "[::1]", "[::ffff:127.0.0.1]", "[fe80::1]", "[fd00::1]", "[64:ff9b::7f00:1]", "[::]",
    "[2002:7f00:1::]",
]  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_refused(what: str) -> None:
    url, why = REFUSED[what]
    with pytest.raises(ValueError, match=why):
        parsed(url, Allowed())


@pytest.mark.parametrize("host", HOSTS)
def test_an_address_inside_of_a_network(host: str) -> None:
    with pytest.raises(ValueError, match=f"{INSIDE}|not an address"):
        parsed(f"jsons://{host}/latest", Allowed())


@pytest.mark.parametrize("answers", [["10.0.0.5"], ["93.184.216.34", "127.0.0.1"], ["fe80::1%eth0"]])
def test_a_name_that_leads_inside(answers: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(0, 0, 0, "", (answer, 0)) for answer in answers]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: found)
    with pytest.raises(ValueError, match=INSIDE):
        parsed("jsons://rebound.example.com/x", Allowed())
    assert parsed("jsons://rebound.example.com/x", read_allowed("rebound.example.com"))


def test_no_name_server_is_told_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: pytest.fail("asked"))
    assert parsed(SLACK, Allowed())
    assert parsed("pagerduty://INTEGRATION_KEY@API_KEY/keeper-gateway?region=eu", Allowed())


ALLOWED = {
    "syslog://": "syslog://",
    "json://": "json://hooks.example.com/",
    "relay.corp.example": "mailto://relay.corp.example?from=a%40b.example&to=c%40d.example",
    "x 10.1.0.0/16, y": "jsons://10.1.2.3/x",
    "127.0.0.1": "jsons://127.0.0.1:9/x",
    "::1": "jsons://[::1]/x",
}


@pytest.mark.parametrize("setting", ALLOWED)
def test_the_owner_of_a_host_can_allow_more(setting: str) -> None:
    assert parsed(ALLOWED[setting], read_allowed(setting))
    if "corp" not in setting:
        with pytest.raises(ValueError, match=f"{SERVICE}|{INSIDE}"):
            parsed(ALLOWED[setting], Allowed())


@pytest.mark.parametrize("setting", ["https://x/y", "10.0.0.0/8/8", "/etc"])
def test_a_setting_that_says_nothing(setting: str, make_stage: Callable[..., Stage]) -> None:
    with pytest.raises(Failed, match="ROTATION_NOTIFY_ALLOW"):
        read_allowed(setting)
    stage = make_stage(settings={"notify": URL, "notify_on": "all"})
    outcome = stage.run(ROTATION_NOTIFY_ALLOW=setting)
    assert outcome.code == 0 and "ROTATION_NOTIFY_ALLOW" in outcome.report["warnings"][0]


@pytest.fixture
def inner() -> Iterator[tuple[int, list[str]]]:
    """A port of this machine, and what was asked for there."""
    asked: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                asked.append(client.recv(1000).decode(errors="replace"))
                client.close()

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1], asked


def test_nothing_inside_is_reached(inner: tuple[int, list[str]], make_stage: Callable[..., Stage]) -> None:
    port, asked = inner
    urls = [
        f"json://127.0.0.1:{port}/latest/meta-data?method=PUT&+Metadata=true",
        f"jsons://127.0.0.1:{port}/x",
        f"{SLACK}?template=http://127.0.0.1:{port}/token",
        f"mailto://u:p@127.0.0.1:{port}?to=a%40b.example",
    ]
    stage = make_stage(settings={"notify": " ".join(urls), "notify_on": "all"})
    outcome = stage.run(NO_PROXY="127.0.0.1")
    assert outcome.code == 0 and len(outcome.report["warnings"]) == 4, outcome
    assert not asked


def test_more_addresses_than_ten(make_stage: Callable[..., Stage]) -> None:
    urls = " ".join(f"{URL}/{number}" for number in range(12))
    stage = make_stage(services=[hooks := Hooks()], settings={"notify": urls, "notify_on": "all"})
    outcome = stage.run()
    assert outcome.code == 0
    left_out = "notify: further addresses: left out: 12 are named, and at most 10 are notified"
    assert outcome.report["warnings"][-1] == left_out
    assert len(outcome.report["warnings"]) == 11 and not hooks.received  # its path is another one


def test_a_name_forges_no_line_of_a_message(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(services=[hooks := Hooks()], settings={"notify": URL, "notify_on": "all"})
    application = stage.sandbox.directory.applications[stage.at.target_object_id]
    application.properties["displayName"] = "x\n\x1b[31mforged <b>"
    assert stage.run().code == 0
    (message,) = hooks.received
    assert "\x1b" not in message["message"] + message["title"] and "forged" in message["title"]
    assert not [line for line in message["message"].splitlines() if line.startswith(("forged", "?[31m"))]


def test_an_address_blanks_nothing_out_of_the_report(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage()
    address = stage.deliver("secret_address").secret_address
    stage.sandbox.keeper.edit(stage.at.record_uid, "notify", f"{address} {address.rpartition('/')[2]}")
    stage.sandbox.keeper.edit(stage.at.record_uid, "notify_on", "all")
    assert address in stage.run().report["delivered"]


def test_no_login_of_this_hosts_netrc_is_sent(make_stage: Callable[..., Stage]) -> None:
    url = URL.replace("operator:hook-password-77@", "")
    stage = make_stage(services=[hooks := Hooks()], settings={"notify": url, "notify_on": "all"})
    (stage.home / ".netrc").write_text("default login root password netrc-password-1\n")
    (stage.home / ".netrc").chmod(0o600)
    assert stage.run().code == 0
    assert hooks.received and not hooks.logins[-1]


def test_a_web_hook_that_leads_elsewhere_is_not_followed(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(services=[hooks := Hooks()], settings={"notify": URL, "notify_on": "all"})
    elsewhere = {"Location": "https://hooks.example.com/rotation/"}
    stage.sandbox.fault("hooks", "notify", faults.Status(307, elsewhere), times=1)
    outcome = stage.run()
    assert outcome.code == 0 and "error=307" in outcome.report["warnings"][0]
    assert not hooks.received


def test_every_service_of_the_list_is_one_that_is_known() -> None:
    from apprise.manager_plugins import NotificationManager

    assert not [service for service in SERVICES if service not in NotificationManager()]


# keeper-rotation notify test


def test_the_command_says_of_each_address_whether_it_took_the_message(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(services=[hooks := Hooks()], settings={"notify": f"{URL} syslog://"})
    before = stage.sandbox.keeper.record(stage.at.record_uid).data
    process = command(stage, "notify", "test", f"--record={stage.at.record_uid}")
    assert process.returncode == 1, process
    assert "address 1, jsons   accepted" in process.stdout and "syslog" in process.stdout
    assert "hook-password-77" not in process.stdout + process.stderr
    assert len(hooks.received) == 1 and stage.at.record_uid in hooks.received[0]["message"]
    assert stage.sandbox.keeper.record(stage.at.record_uid).data == before
    assert {request.service for request in stage.sandbox.requests} == {"keeper", "hooks"}


def test_the_command_ends_with_0_where_all_took_it(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(services=[Hooks()], settings={"notify": URL})
    process = command(stage, "notify", "test", f"--record={stage.at.record_uid}", "--json")
    assert process.returncode == 0, process
    assert json.loads(process.stdout) == [{"address": "address 1, jsons", "result": "accepted"}]


def test_the_command_and_a_record_that_names_nobody(stage: Stage) -> None:
    process = command(stage, "notify", "test", f"--record={stage.at.record_uid}")
    assert process.returncode == 1 and "notify is empty" in process.stderr

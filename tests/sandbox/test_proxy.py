"""The proxy itself: what it listens on, whom it answers for, and what it costs."""

from __future__ import annotations

import importlib.util
import re
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest
import requests
import trustme

from sandbox import Furnished, Sandbox, Status
from sandbox.proxy.messages import Request, Response
from sandbox.proxy.service import Service, route
from tests.stage import patience

DISCOVERY = "https://login.microsoftonline.com/common/discovery/instance"


def test_only_loopback_is_listened_on(sandbox: Sandbox) -> None:
    assert sandbox.server._listener.getsockname()[0] == "127.0.0.1"


def test_an_unknown_host_is_refused_at_once(sandbox: Sandbox) -> None:
    started = time.monotonic()
    with pytest.raises(requests.exceptions.ProxyError, match="502"):
        requests.get("https://example.com/", timeout=5)
    answer = requests.get("http://example.com/", proxies={"http": sandbox.url}, timeout=5)
    assert answer.status_code == 502
    assert time.monotonic() - started < patience.seconds(1)
    assert [(connect.host, connect.accepted) for connect in sandbox.connects] == [("example.com", False)]


def test_the_date_is_the_sandboxes(sandbox: Sandbox) -> None:
    sandbox.clock.advance(3 * 86400)
    date = parsedate_to_datetime(requests.get(DISCOVERY, timeout=5).headers["Date"]).timestamp()
    assert abs(date - time.time() - 3 * 86400) < 5


def test_a_session_keeps_its_connection(sandbox: Sandbox) -> None:
    with requests.Session() as session:
        for _ in range(5):
            session.get(DISCOVERY, timeout=5)
    assert (len(sandbox.requests), len(sandbox.connects)) == (5, 1)
    assert sandbox.operations() == ["entra.discovery"] * 5


def test_latency_is_paid_per_round_trip(sandbox: Sandbox) -> None:
    requests.get(DISCOVERY, timeout=5)
    sandbox.latency = 0.05
    with requests.Session() as session:
        started = time.monotonic()
        session.get(DISCOVERY, timeout=5)  # connect, handshake, request
        session.get(DISCOVERY, timeout=5)
        assert 0.2 <= time.monotonic() - started < patience.seconds(0.6)


def test_a_body_after_its_head_is_not_held_back(sandbox: Sandbox) -> None:
    url = f"https://login.microsoftonline.com/{sandbox.directory.tenant_id}/oauth2/v2.0/token"
    with requests.Session() as session:
        took = []
        for _ in range(20):
            started = time.monotonic()
            session.post(url, data={"client_id": "x"}, timeout=5)
            took.append(time.monotonic() - started)
    assert min(took[1:]) < 0.035  # with delayed acknowledgements each would take 0.04


def test_head_has_no_body(sandbox: Sandbox) -> None:
    with requests.Session() as session:
        for status in (401, 503, 401):
            if status == 503:
                sandbox.fault("graph", None, Status(503))
            answer = session.head("https://graph.microsoft.com/v1.0", timeout=5)
            assert (answer.status_code, answer.content) == (status, b"")
        assert session.get("https://graph.microsoft.com/v1.0/x", timeout=5).json()["error"]
    assert len(sandbox.connects) == 1


def test_chunks_and_expect_are_understood(sandbox: Sandbox) -> None:
    url = f"https://login.microsoftonline.com/{sandbox.directory.tenant_id}/oauth2/v2.0/token"
    chunked = requests.post(url, data=iter([b"grant_type=x&", b"client_id=y"]), timeout=5)
    assert chunked.json()["error_codes"] == [900144] and "scope" in chunked.json()["error_description"]
    expected = requests.post(url, data={"client_id": "y"}, headers={"Expect": "100-continue"}, timeout=5)
    assert expected.json()["error_codes"] == [900144]


def test_noise_does_no_harm(sandbox: Sandbox) -> None:
    for noise in (b"", b"\r\n", b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\nbad\r\n\r\n", b"\x16\x03\x01\x00\xff"):
        with socket.create_connection(("127.0.0.1", sandbox.server.port), timeout=5) as client:
            client.sendall(noise)
    assert requests.get(DISCOVERY, timeout=5).status_code == 200


def test_a_service_may_have_a_clock_of_its_own(sandbox: Sandbox) -> None:
    sandbox.entra.clock.advance(3600)
    sandbox.clock.advance(86400)
    dates = [requests.get(url, timeout=5).headers["Date"] for url in (DISCOVERY, "https://graph.microsoft.com/v1.0/x")]
    entra, graph = (parsedate_to_datetime(date).timestamp() - time.time() for date in dates)
    assert (round(entra / 60), round(graph / 60)) == (25 * 60, 24 * 60)


def test_another_service_is_one_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Clock(Service):
        name = "clock"
        hosts = (".example.org",)

        @route("GET", r"/time/(?P<zone>\w+)", "tell")
        def tell(self, request: Request, match: re.Match[str]) -> Response:
            return Response.of(200, {"zone": match["zone"]})

    with Sandbox(services=[Clock()]) as sandbox:
        for name, value in sandbox.env(tmp_path).items():
            monkeypatch.setenv(name, value)
        assert requests.get("https://a.example.org/time/utc", timeout=5).json() == {"zone": "utc"}
        assert requests.get("https://b.example.org/else", timeout=5).status_code == 404
        assert sandbox.operations() == ["clock.tell", "clock.unknown"]


def test_threads_that_begin_at_once_share_the_authority(monkeypatch: pytest.MonkeyPatch) -> None:
    made = trustme.CA
    monkeypatch.setattr(trustme, "CA", lambda: (time.sleep(0.05), made())[1])
    spec = importlib.util.find_spec("sandbox.proxy.authority")
    assert spec and spec.loader
    fresh = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fresh)
    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(lambda _: fresh.authority().pem, range(4)))) == 1


def test_starting_and_stopping_is_quick() -> None:
    Sandbox().start().close()
    started = time.monotonic()
    for _ in range(10):
        with Sandbox() as sandbox:
            sandbox.furnish(old_secrets=5)
    assert time.monotonic() - started < patience.seconds(1)


def test_the_configuration_is_private(sandbox: Sandbox, names: Furnished, tmp_path: Path) -> None:
    sandbox.env(tmp_path)
    assert (tmp_path / "ksm-config.json").stat().st_mode & 0o777 == 0o600


def test_furnishing_variants(sandbox: Sandbox) -> None:
    first = sandbox.furnish(old_secrets=0, uid="-abcdefghijklmnopqrstu", without=["expires"], settings={"NOTE": "x"})
    record = sandbox.keeper.record(first.record_uid)
    assert (record.uid, record.value("client_secret")) == ("-abcdefghijklmnopqrstu", "pending-first-rotation")
    assert (record.field("expires"), record.value("NOTE")) == (None, "x")
    own = sandbox.furnish(self_rotation=True, old_secrets=0)
    record = sandbox.keeper.record(own.record_uid)
    assert (own.target_object_id, own.admin_record_uid) == (own.admin_object_id, own.record_uid)
    assert record.value("client_secret") == own.admin_secret
    foreign = sandbox.furnish(old_secrets=1, foreign=2, config_has_secret=False)
    assert len(sandbox.graph.passwords(foreign.target_object_id)) == 3
    assert sandbox.keeper.record(foreign.config_record_uid).value("clientSecret") is None

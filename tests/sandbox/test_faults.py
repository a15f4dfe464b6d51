"""Each kind of fault, as a plain client sees it, and whether the request took effect."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import pytest
import requests

from sandbox import (
    Empty,
    ErrorAfter,
    Furnished,
    Hang,
    HangAfter,
    KillAfter,
    KillBefore,
    Kind,
    Malformed,
    Pause,
    PauseAfter,
    Refuse,
    ResetAfter,
    ResetBefore,
    Sandbox,
    Slow,
    Status,
    Truncated,
)
from tests.sandbox.conftest import GRAPH
from tests.stage import patience

ERRORS = requests.exceptions


def add(graph: requests.Session, names: Furnished) -> requests.Response:
    return graph.post(
        f"{GRAPH}/applications/{names.target_object_id}/addPassword", json={}, timeout=patience.seconds(0.5)
    )


def took_effect(sandbox: Sandbox, names: Furnished) -> bool:
    return len(sandbox.graph.passwords(names.target_object_id)) > len(names.old_key_ids)


@pytest.mark.parametrize(
    ("kind", "seen", "performed"),
    [
        (Status(503), 503, False),
        (Status(429, {"Retry-After": "1"}), 429, False),
        (ErrorAfter(500), 500, True),
        (ErrorAfter(409), 409, True),
        (Refuse(), ERRORS.ProxyError, False),
        (ResetBefore(), ERRORS.ConnectionError, False),
        (ResetAfter(), ERRORS.ConnectionError, True),
        (Hang(), ERRORS.ReadTimeout, False),
        (HangAfter(), ERRORS.ReadTimeout, True),
        (Truncated(), (ERRORS.ChunkedEncodingError, ERRORS.ConnectionError), True),
        (Malformed(), 200, True),
        (Empty(), 200, True),
        (Slow(0.2), 200, True),
    ],
    ids=repr,
)
def test_a_fault(
    sandbox: Sandbox, names: Furnished, graph: requests.Session, kind: Kind, seen: object, performed: bool
) -> None:
    fault = sandbox.fault("graph", "connect" if isinstance(kind, Refuse) else "add_password", kind)
    if isinstance(seen, int):
        assert add(graph, names).status_code == seen
    else:
        with pytest.raises(seen):
            add(graph, names)
    assert (fault.fired, took_effect(sandbox, names)) == (True, performed)
    assert add(graph, names).json()["secretText"]  # it happens once


def test_bodies(sandbox: Sandbox, names: Furnished, graph: requests.Session) -> None:
    sandbox.fault("graph", "add_password", Malformed())
    with pytest.raises(ValueError):
        add(graph, names).json()
    sandbox.fault("graph", "add_password", Empty())
    assert add(graph, names).content == b""
    sandbox.fault("graph", "add_password", Status(429, {"Retry-After": "7"}))
    answer = add(graph, names)
    assert (answer.headers["Retry-After"], answer.json()["error"]["code"]) == ("7", "TooManyRequests")
    sandbox.fault("graph", "add_password", Status(502, body=b"Bad Gateway"))
    assert add(graph, names).text == "Bad Gateway"
    started = time.monotonic()
    sandbox.fault("graph", "add_password", Slow(0.3))
    add(graph, names)
    assert time.monotonic() - started > 0.3


@pytest.mark.parametrize("kind", [Truncated(), Malformed(), Empty(), Slow(0.1)], ids=repr)
def test_an_answer_without_a_body_can_be_spoilt_too(
    sandbox: Sandbox, names: Furnished, graph: requests.Session, kind: Kind
) -> None:
    fault = sandbox.fault("graph", "remove_password", kind)
    url = f"{GRAPH}/applications/{names.target_object_id}/removePassword"
    if isinstance(kind, Truncated):
        with pytest.raises(ERRORS.RequestException):
            graph.post(url, json={"keyId": names.old_key_ids[0]}, timeout=patience.seconds(1))
    else:
        status = graph.post(url, json={"keyId": names.old_key_ids[0]}, timeout=patience.seconds(1)).status_code
        assert status == (204 if isinstance(kind, Slow) else 200)
    assert fault.fired and len(sandbox.graph.passwords(names.target_object_id)) == 1


def test_the_nth_one_and_for_how_long(sandbox: Sandbox, names: Furnished, graph: requests.Session) -> None:
    sandbox.fault("graph", "add_password", Status(500), nth=2, times=2)
    assert [add(graph, names).status_code for _ in range(4)] == [200, 500, 500, 200]
    sandbox.fault("graph", None, Status(503), times=None, when=lambda request: request.method == "POST")
    assert [add(graph, names).status_code for _ in range(3)] == [503] * 3
    assert graph.get(f"{GRAPH}/applications/{names.target_object_id}").status_code == 200
    sandbox.faults.clear()
    assert add(graph, names).status_code == 200


@pytest.mark.parametrize(("kind", "performed_meanwhile"), [(Pause(), False), (PauseAfter(), True)], ids=repr)
def test_a_request_is_held(
    sandbox: Sandbox, names: Furnished, graph: requests.Session, kind: Kind, performed_meanwhile: bool
) -> None:
    fault = sandbox.fault("graph", "add_password", kind)
    answers: list[requests.Response] = []
    thread = threading.Thread(target=lambda: answers.append(add(graph, names)))
    thread.start()
    assert fault.reached.wait(patience.seconds(5))
    time.sleep(0.05)
    assert took_effect(sandbox, names) is performed_meanwhile and not answers
    fault.release.set()
    thread.join(patience.seconds(5))
    assert answers[0].status_code == 200 and took_effect(sandbox, names)


CLIENT = """
import sys, requests
for _ in range(2):
    requests.post(sys.argv[1], json={}, headers={"Authorization": sys.stdin.readline().strip()})
"""


@pytest.mark.parametrize(("kind", "made"), [(KillBefore(), 0), (KillAfter(), 1)], ids=repr)
def test_the_client_is_killed(
    sandbox: Sandbox, names: Furnished, graph: requests.Session, kind: Kind, made: int
) -> None:
    fault = sandbox.fault("graph", "add_password", kind)
    url = f"{GRAPH}/applications/{names.target_object_id}/addPassword"
    process = subprocess.Popen([sys.executable, "-c", CLIENT, url], stdin=subprocess.PIPE)
    sandbox.victim = process
    process.communicate(f"{graph.headers['Authorization']}\n".encode() * 2, timeout=patience.seconds(10))
    assert (process.returncode, fault.fired) == (-9, True)
    assert len(sandbox.graph.passwords(names.target_object_id)) - len(names.old_key_ids) == made
    assert len(sandbox.requests) == 1


def test_the_log_tells_what_happened(sandbox: Sandbox, names: Furnished, graph: requests.Session) -> None:
    sandbox.fault("graph", "add_password", HangAfter())
    with pytest.raises(ERRORS.ReadTimeout):
        add(graph, names)
    add(graph, names)
    first, second = sandbox.requests
    assert (first.fault, first.performed, first.status) == ("HangAfter", True, None)
    assert (second.fault, second.performed, second.status) == (None, True, 200)
    assert [connect.host for connect in sandbox.connects] == ["graph.microsoft.com"] * 2
    assert (first.connection, second.connection) == tuple(connect.connection for connect in sandbox.connects)


def test_closing_lets_go_of_whoever_waits(sandbox: Sandbox, names: Furnished, graph: requests.Session) -> None:
    for kind in (Hang(), Pause()):
        sandbox.fault("graph", "add_password", kind)
    outcomes: list[type] = []

    def wait() -> None:
        try:
            requests.post(
                f"{GRAPH}/applications/{names.target_object_id}/addPassword", headers=graph.headers, json={}, timeout=9
            )
        except ERRORS.ConnectionError as error:
            outcomes.append(type(error))

    threads = [threading.Thread(target=wait) for _ in range(2)]
    for thread in threads:
        thread.start()
    while len(sandbox.requests) < 2:
        time.sleep(0.01)
    started = time.monotonic()
    sandbox.close()
    for thread in threads:
        thread.join(patience.seconds(5))
    assert time.monotonic() - started < patience.seconds(1) and len(outcomes) == 2 and not took_effect(sandbox, names)

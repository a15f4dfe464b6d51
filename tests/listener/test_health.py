"""The health endpoint: whoever asks it holds nothing up, whatever he sends and how many he is."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from gateway.listener import health as module
from gateway.listener.health import Health, serve


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, int]]:
    """Where one answers that gives its clients a second."""
    monkeypatch.setattr(module._Handler, "timeout", 1.0)
    server = serve(Health(""), ("127.0.0.1", 0))
    yield ("127.0.0.1", int(server.server_address[1]))
    server.shutdown()
    server.server_close()


def answer(place: tuple[str, int]) -> bytes:
    """What is answered to a proper request."""
    with socket.create_connection(place, 5) as client:
        client.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
        return b"".join(iter(lambda: client.recv(4096), b""))


def answered(place: tuple[str, int]) -> bytes:
    """The same, once there is room again."""
    until = time.monotonic() + 20
    while True:
        with contextlib.suppress(OSError):
            if text := answer(place):
                return text
        assert time.monotonic() < until
        time.sleep(0.2)


def test_a_client_that_sends_a_byte_now_and_then_is_cut_off(place: tuple[str, int]) -> None:
    began = time.monotonic()
    with socket.create_connection(place, 10) as client, pytest.raises(OSError):
        while time.monotonic() - began < 15:
            client.sendall(b"G")
            time.sleep(0.3)
    assert time.monotonic() - began < 10


def test_many_clients_make_few_threads_and_others_are_answered_afterwards(place: tuple[str, int]) -> None:
    before = threading.active_count()
    clients = [socket.create_connection(place, 5) for _ in range(60)]
    time.sleep(0.3)
    # Each of those that are answered has a thread and a clock.
    assert threading.active_count() - before <= 2 * module._CLIENTS
    assert b"starting" in answered(place)
    for client in clients:
        client.close()

"""TLS and sign-in (SASL PLAIN and OAUTHBEARER) before a Kafka broker that knows neither.

Source: https://kafka.apache.org/protocol
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from sandbox.proxy.server import LOOPBACK

API_VERSIONS, HANDSHAKE, AUTHENTICATE = 18, 17, 36
FLEXIBLE_SINCE = 2  # version of SaslAuthenticate
REFUSED = 58  # SASL_AUTHENTICATION_FAILED

Accepts = Callable[[str, bytes], float | None]
"""By a mechanism and what was sent with it: for how many seconds the connection may stay; None: not at all."""


@dataclass(frozen=True)
class Asked:
    """A request of Kafka's protocol."""

    key: int
    version: int
    correlation: bytes
    body: bytes

    @classmethod
    def read(cls, frame: bytes) -> Asked:
        """Take a frame apart."""
        key, version, length = struct.unpack(">hh4xh", frame[:10])
        return cls(key, version, frame[4:8], frame[10 + max(length, 0) :])


class Front:
    """Listens at ``port`` until it is closed; a client that signed in talks to the broker at ``upstream``."""

    def __init__(self, upstream: int, context: ssl.SSLContext, accepts: Accepts) -> None:
        self._upstream = upstream
        self._context = context
        self._accepts = accepts
        self._open: set[socket.socket] = set()
        self._server = socket.create_server((LOOPBACK, 0))
        self.port = int(self._server.getsockname()[1])
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        """Stop answering."""
        self._server.close()
        self.cut()

    def cut(self) -> None:
        """End every connection, as the service does from time to time; who signs in again is let in."""
        for each in list(self._open):
            _end(each)

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._server.accept()
                threading.Thread(target=self._admit, args=(client,), daemon=True).start()

    def _admit(self, raw: socket.socket) -> None:
        with contextlib.suppress(OSError, EOFError, struct.error), contextlib.ExitStack() as stack:
            client = stack.enter_context(self._context.wrap_socket(raw, server_side=True))
            broker = stack.enter_context(socket.create_connection((LOOPBACK, self._upstream)))
            seconds = self._sign_in(client, broker)
            if seconds is None:
                return
            self._open.add(client)
            watch = threading.Timer(min(seconds, threading.TIMEOUT_MAX), _end, [client])
            watch.daemon = True
            watch.start()
            try:
                threading.Thread(target=_pass_on, args=(broker, client), daemon=True).start()
                _pass_on(client, broker)
            finally:
                watch.cancel()
                self._open.discard(client)

    def _sign_in(self, client: socket.socket, broker: socket.socket) -> float | None:
        """Whatever comes before is refused, but for the question which versions there are."""
        mechanism = ""
        while True:
            frame = _read(client)
            asked = Asked.read(frame)
            if asked.key == API_VERSIONS:
                _write(broker, frame)
                _write(client, _read(broker))
            elif asked.key == HANDSHAKE:
                mechanism = asked.body[2:].decode()
                name = struct.pack(">h", len(mechanism)) + mechanism.encode()
                _write(client, asked.correlation + struct.pack(">hi", 0, 1) + name)
            elif asked.key == AUTHENTICATE:
                seconds = self._accepts(mechanism, _sent(asked))
                _write(client, _answer(asked, seconds is not None))
                return seconds
            else:
                return None


def _sent(asked: Asked) -> bytes:
    """What a client signs in with."""
    if asked.version < FLEXIBLE_SINCE:
        return asked.body[4:]
    at, length, shift = 1, 0, 0  # behind the header's tags: a length of seven bits a byte, one too large
    while True:
        byte = asked.body[at]
        length, shift, at = length | (byte & 127) << shift, shift + 7, at + 1
        if byte < 128:
            return asked.body[at : at + length - 1]


def _answer(asked: Asked, fine: bool) -> bytes:
    code = struct.pack(">h", 0 if fine else REFUSED)
    message = b"" if fine else b"invalid credentials"
    if asked.version >= FLEXIBLE_SINCE:
        return asked.correlation + b"\0" + code + bytes([len(message) + 1]) + message + b"\1" + bytes(8) + b"\0"
    lifetime = bytes(8) if asked.version else b""
    return asked.correlation + code + struct.pack(">h", len(message)) + message + bytes(4) + lifetime


def _read(source: socket.socket) -> bytes:
    (length,) = struct.unpack(">i", _exactly(source, 4))
    return _exactly(source, cast(int, length))


def _exactly(source: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        if not (more := source.recv(count - len(data))):
            raise EOFError
        data += more
    return data


def _write(sink: socket.socket, frame: bytes) -> None:
    sink.sendall(struct.pack(">i", len(frame)) + frame)


def _pass_on(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    _end(source)
    _end(sink)


def _end(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)

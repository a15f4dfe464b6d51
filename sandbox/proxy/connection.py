"""One client connection: reading requests, writing answers, and ending in every way a connection can end."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import time
from typing import BinaryIO

from sandbox.proxy.clock import Clock
from sandbox.proxy.messages import Request

LONGEST_LINE = 65536
LONGEST_BODY = 64 * 1024 * 1024
RESET_ON_CLOSE = struct.pack("ii", 1, 0)
QUICK_ACK: int | None = getattr(socket, "TCP_QUICKACK", None)
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Garbled(Exception):
    """What the client sent is not HTTP."""


class Connection:
    """A socket that speaks HTTP/1.1, first in the clear and after ``start_tls`` encrypted."""

    def __init__(self, sock: socket.socket, number: int) -> None:
        self.number = number
        self.clock: Clock | None = None  # of the service that answers, where that has one of its own
        # Without this the kernel holds back small answers and each request waits for 40 ms.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = sock
        self._reader: BinaryIO = sock.makefile("rb")

    def start_tls(self, context: ssl.SSLContext) -> None:
        """Do the server's side of the handshake."""
        self._reader.close()
        self._socket = context.wrap_socket(self._socket, server_side=True)
        self._reader = self._socket.makefile("rb")

    def read(self, host: str = "") -> Request | None:
        """The next request, or None if the client is gone. Raises Garbled."""
        start = self._reader.readline(LONGEST_LINE)
        if not start.strip():
            return None
        try:
            method, target, _ = start.decode("latin-1").split(" ", 2)
        except ValueError:
            raise Garbled(start[:40]) from None
        headers = self._headers()
        if headers.get("expect", "").lower() == "100-continue":
            self.send(CONTINUE)
        return Request(method.upper(), host, target, headers, self._body(headers))

    def _headers(self) -> dict[str, str]:
        headers: dict[str, str] = {}
        while line := self._reader.readline(LONGEST_LINE).strip():
            name, colon, value = line.decode("latin-1").partition(":")
            if not colon:
                raise Garbled(line[:40])
            headers[name.strip().lower()] = value.strip()
        return headers

    def _body(self, headers: dict[str, str]) -> bytes:
        try:
            if headers.get("transfer-encoding", "").lower() == "chunked":
                return self._chunks()
            length = int(headers.get("content-length") or 0)
        except ValueError:
            raise Garbled("a length that is no number") from None
        if not 0 <= length <= LONGEST_BODY:
            raise Garbled("a body that is too long")
        self._acknowledge()
        return self._reader.read(length) if length else b""

    def _acknowledge(self) -> None:
        # Behind a proxy urllib3 leaves Nagle's algorithm on: it sends the body only when the head is acknowledged,
        # which Linux would put off for 40 ms.
        if QUICK_ACK is not None:
            self._socket.setsockopt(socket.IPPROTO_TCP, QUICK_ACK, 1)

    def _chunks(self) -> bytes:
        parts = []
        while size := int(self._reader.readline(LONGEST_LINE).split(b";")[0], 16):
            parts.append(self._reader.read(size))
            self._reader.readline(LONGEST_LINE)
        while self._reader.readline(LONGEST_LINE).strip():
            pass
        return b"".join(parts)

    def send(self, data: bytes) -> None:
        """Write in one go."""
        self._socket.sendall(data)

    def drip(self, data: bytes, seconds: float) -> None:
        """Write in up to twenty pieces, spread over so many seconds."""
        step = max(1, -(-len(data) // 20))
        pieces = [data[start : start + step] for start in range(0, len(data), step)]
        for piece in pieces:
            time.sleep(seconds / len(pieces))
            self.send(piece)

    def wait_until_gone(self) -> None:
        """Return when the client has closed, was killed, or ``wake`` was called. It sends nothing else meanwhile."""
        # The plain socket's recv: a byte that arrives is the TLS alert that says goodbye.
        socket.socket.recv(self._socket, 1, socket.MSG_PEEK)

    def reset(self) -> None:
        """End the connection with a TCP reset."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        self.close()

    def wake(self) -> None:
        """From another thread: end whatever read or write is going on."""
        # The plain socket's method: the one of SSLSocket would pull the TLS state from under the other thread.
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def close(self) -> None:
        """Give the socket back."""
        self._reader.close()
        self._socket.close()

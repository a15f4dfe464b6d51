"""MongoDB's wire protocol: reading commands from a socket, and putting answers and errors into messages.

Only OP_MSG, and OP_QUERY for the hello of old clients. Source:
https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import bson
from bson.errors import BSONError

from sandbox.proxy.connection import Connection, Garbled
from sandbox.proxy.messages import Request, Response

OP_REPLY, OP_QUERY, OP_MSG = 1, 2004, 2013
NAMES = {OP_QUERY: "OP_QUERY", OP_MSG: "OP_MSG"}
HEADER = struct.Struct("<iiii")
QUERY_REPLY = struct.Struct("<iqii").pack(8, 0, 0, 1)
MESSAGE_REPLY = struct.pack("<IB", 0, 0)
CHECKSUM, MORE_TO_COME = 1, 2
LONGEST_MESSAGE = 48_000_000
SMALLEST_DOCUMENT = 5
HANDSHAKE = b"\x16"
NOTHING = bson.encode({})
OK = 200

CODES = {
    1: "InternalError", 2: "BadValue", 6: "HostUnreachable", 11: "UserNotFound", 13: "Unauthorized",
    17: "ProtocolError", 18: "AuthenticationFailed", 31: "RoleNotFound", 50: "MaxTimeMSExpired", 59: "CommandNotFound",
    64: "WriteConcernFailed", 89: "NetworkTimeout", 91: "ShutdownInProgress", 189: "PrimarySteppedDown",
    334: "MechanismUnavailable", 352: "UnsupportedOpQueryCommand", 10107: "NotWritablePrimary",
    40415: "Location40415",
    11600: "InterruptedAtShutdown", 11602: "InterruptedDueToReplStateChange",
}  # fmt: skip


class CommandError(Exception):
    """A command that is refused: MongoDB's code and what it says."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code

    def response(self) -> Response:
        """The answer that says so; its status is the code."""
        name = CODES.get(self.code, f"Location{self.code}")
        return Response(self.code, bson.encode({"ok": 0.0, "errmsg": str(self), "code": self.code, "codeName": name}))


def done(content: Mapping[str, Any]) -> Response:
    """The answer to a command that was performed; its status is 200."""
    return Response(OK, bson.encode({**content, "ok": 1.0}))


@dataclass(frozen=True)
class Command(Request):
    """A command; as a request it is ``OP_MSG /database/command/argument``, the argument only where it is a text."""

    document: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, opcode: int, document: dict[str, Any], host: str) -> Command:
        """The command that a document holds. Raises Garbled if it is empty."""
        if not document:
            raise Garbled("a command without a name")
        name, argument = next(iter(document.items()))
        parts = [str(document.get("$db", "admin")), name, *([argument] if isinstance(argument, str) else [])]
        return cls(NAMES[opcode], host, "/" + "/".join(quote(part, safe="") for part in parts), {}, b"", document)

    @property
    def name(self) -> str:
        """What is asked for."""
        return next(iter(self.document))

    @property
    def argument(self) -> Any:
        """The value beside the command's name."""
        return self.document[self.name]

    @property
    def database(self) -> str:
        """The database that it is sent to."""
        return str(self.document.get("$db", "admin"))


class WireConnection(Connection):
    """A socket that speaks MongoDB's protocol, one message after the other."""

    _asked = 0
    _opcode = OP_MSG

    def wants_tls(self) -> bool:
        """Whether the client begins with a TLS handshake; waits for its first byte."""
        return self._socket.recv(1, socket.MSG_PEEK) == HANDSHAKE

    def read(self, host: str = "") -> Command | None:
        """The next command, or None if the client is gone. Raises Garbled."""
        header = self._reader.read(HEADER.size)
        if len(header) < HEADER.size:
            return None
        length, self._asked, _, self._opcode = HEADER.unpack(header)
        if self._opcode not in NAMES or not HEADER.size < length <= LONGEST_MESSAGE:
            raise Garbled(header)
        body = self._reader.read(length - HEADER.size)
        try:
            document = _queried(body) if self._opcode == OP_QUERY else _sections(body)
        except (struct.error, BSONError, ValueError) as error:
            raise Garbled(body[:40]) from error
        return Command.of(self._opcode, document, host)

    def message(self, body: bytes, missing: int = 0) -> bytes:
        """The message that answers what was read last; it promises so many bytes more than it has."""
        legacy = self._opcode == OP_QUERY
        content = (QUERY_REPLY if legacy else MESSAGE_REPLY) + (body or NOTHING)
        length = HEADER.size + len(content) + missing
        return HEADER.pack(length, 0, self._asked, OP_REPLY if legacy else OP_MSG) + content


def _queried(body: bytes) -> dict[str, Any]:
    namespace, _, rest = body[4:].partition(b"\0")
    document = bson.decode(rest[8:])
    return {**document.get("$query", document), "$db": namespace.decode().split(".")[0]}


def _sections(body: bytes) -> dict[str, Any]:
    (flags,) = struct.unpack_from("<I", body)
    if flags & MORE_TO_COME:
        raise Garbled("a command that wants no answer")
    at, end = 4, len(body) - (4 if flags & CHECKSUM else 0)
    document: dict[str, Any] = {}
    while at < end:
        kind, size = struct.unpack_from("<Bi", body, at)
        if size < SMALLEST_DOCUMENT:
            raise Garbled("a section without a document")
        document |= _section(kind, body[at + 1 : at + 1 + size])
        at += 1 + size
    return document


def _section(kind: int, content: bytes) -> dict[str, Any]:
    if kind == 0:
        return bson.decode(content)
    name, _, documents = content[4:].partition(b"\0")
    return {name.decode(): bson.decode_all(documents)}

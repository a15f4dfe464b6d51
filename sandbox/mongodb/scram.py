"""SCRAM, the server's side of it: what is kept of a password, and one conversation about it.

Sources: RFC 5802, RFC 7677 and MongoDB's own on what the password is prepared into,
https://github.com/mongodb/specifications/blob/master/source/auth/auth.md
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from dataclasses import dataclass, field

from pymongo.saslprep import saslprep

SHA_256, SHA_1 = "SCRAM-SHA-256", "SCRAM-SHA-1"
MECHANISMS = (SHA_256, SHA_1)
HASHES = {SHA_256: "sha256", SHA_1: "sha1"}
ITERATIONS = {SHA_256: 15_000, SHA_1: 10_000}  # MongoDB's own
SALT_BYTES = {SHA_256: 28, SHA_1: 16}


class Denied(Exception):
    """The proof is not one of the password, or the message is none of SCRAM's."""


@dataclass(frozen=True)
class Credentials:
    """What the server keeps of a password for one mechanism; the password cannot be had from it."""

    mechanism: str
    salt: bytes = field(repr=False)
    stored_key: bytes = field(repr=False)
    server_key: bytes = field(repr=False)

    @classmethod
    def of(cls, mechanism: str, login: str, password: str, salt: bytes | None = None) -> Credentials:
        """Derive them. Raises ValueError if the password holds characters that SASLprep prohibits."""
        salt = os.urandom(SALT_BYTES[mechanism]) if salt is None else salt
        prepared = _prepared(mechanism, login, password)
        salted = hashlib.pbkdf2_hmac(HASHES[mechanism], prepared, salt, ITERATIONS[mechanism])
        client_key = _sign(mechanism, salted, b"Client Key")
        return cls(mechanism, salt, _hash(mechanism, client_key), _sign(mechanism, salted, b"Server Key"))

    def belong_to(self, login: str, password: str) -> bool:
        """Whether they are of this password."""
        try:
            return Credentials.of(self.mechanism, login, password, self.salt) == self
        except ValueError:
            return False


def _prepared(mechanism: str, login: str, password: str) -> bytes:
    if mechanism == SHA_256:
        return str(saslprep(password)).encode()
    return hashlib.md5(f"{login}:mongo:{password}".encode(), usedforsecurity=False).hexdigest().encode()


def _sign(mechanism: str, key: bytes, text: bytes) -> bytes:
    return hmac.digest(key, text, HASHES[mechanism])


def _hash(mechanism: str, text: bytes) -> bytes:
    return hashlib.new(HASHES[mechanism], text).digest()


def login_in(first: bytes) -> str:
    """The login name in a client's first message. Raises Denied."""
    try:
        name = _fields(first.split(b",", 2)[2])[b"n"].decode()
    except (IndexError, KeyError, ValueError):
        raise Denied("no login name") from None
    return name.replace("=2C", ",").replace("=3D", "=")


def _fields(message: bytes) -> dict[bytes, bytes]:
    return {name: value for name, _, value in (part.partition(b"=") for part in message.split(b","))}


class Conversation:
    """One login: ``challenge`` answers the client's first message, ``finish`` its second.

    What the user's credentials were at its beginning counts until its end. Raises Denied.
    """

    def __init__(self, credentials: Credentials, first: bytes) -> None:
        self._credentials = credentials
        flag, _, self._first = [*first.split(b",", 2), b"", b""][:3]
        if flag not in (b"n", b"y") or b"r" not in _fields(self._first):
            raise Denied("no first message")
        self._header = first[: -len(self._first)]
        self._nonce = _fields(self._first)[b"r"] + base64.b64encode(os.urandom(24))
        salt, rounds = base64.b64encode(credentials.salt), str(ITERATIONS[credentials.mechanism]).encode()
        self.challenge = b"r=" + self._nonce + b",s=" + salt + b",i=" + rounds

    def finish(self, final: bytes) -> bytes:
        """Check the client's proof; returns the server's own. Raises Denied."""
        unproven, _, proof = final.rpartition(b",p=")
        said, mechanism = _fields(unproven), self._credentials.mechanism
        if said.get(b"r") != self._nonce or said.get(b"c") != base64.b64encode(self._header):
            raise Denied("another conversation's message")
        text = b",".join((self._first, self.challenge, unproven))
        client_key = _xor(_decoded(proof), _sign(mechanism, self._credentials.stored_key, text))
        if not hmac.compare_digest(_hash(mechanism, client_key), self._credentials.stored_key):
            raise Denied("a wrong proof")
        return b"v=" + base64.b64encode(_sign(mechanism, self._credentials.server_key, text))


def _decoded(proof: bytes) -> bytes:
    try:
        return base64.b64decode(proof, validate=True)
    except ValueError:
        raise Denied("no proof") from None


def _xor(one: bytes, other: bytes) -> bytes:
    if len(one) != len(other):
        raise Denied("a proof of another length")
    return bytes(left ^ right for left, right in zip(one, other, strict=True))

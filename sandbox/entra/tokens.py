"""Access tokens: real in shape (header, claims, signature), signed with a key of the sandbox."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
from dataclasses import dataclass
from typing import Any

from sandbox.entra.directory import Directory, new_id
from sandbox.proxy.clock import Clock

LIFETIME = 3599


class TokenRefused(Exception):
    """The token is missing, forged, expired or meant for someone else."""


class TokenExpired(TokenRefused):
    """The token was good once."""


class WrongAudience(TokenRefused):
    """The token is good, elsewhere."""


@dataclass(frozen=True)
class Caller:
    """Whom a token stands for."""

    client_id: str
    object_id: str
    roles: frozenset[str]


class Tokens:
    """Issues tokens at the token endpoint, and checks them wherever they are presented."""

    def __init__(self, directory: Directory, clock: Clock) -> None:
        self._directory = directory
        self._clock = clock
        self._key = os.urandom(32)

    def issue(self, client_id: str, audience: str) -> str:
        """A token of the application's service principal for one resource."""
        principal = self._directory.principal_of(client_id)
        now = int(self._clock.now())
        claims: dict[str, Any] = {
            "aud": audience,
            "iss": f"https://sts.windows.net/{self._directory.tenant_id}/",
            "iat": now,
            "nbf": now,
            "exp": now + LIFETIME,
            "appid": client_id,
            "idtyp": "app",
            "oid": principal.object_id if principal else new_id(),
            "roles": list(principal.roles) if principal else [],
            "tid": self._directory.tenant_id,
            "uti": new_id(),
            "ver": "1.0",
        }
        signed = _part({"typ": "JWT", "alg": "HS256"}) + "." + _part(claims)
        token = signed + "." + self._signature(signed)
        self._directory.issued.append(token)
        return token

    def check(self, authorization: str, *audiences: str) -> Caller:
        """The caller behind an ``Authorization`` header, for a service of these names. Raises TokenRefused."""
        scheme, _, token = authorization.partition(" ")
        signed, _, signature = token.rpartition(".")
        if scheme.lower() != "bearer" or not hmac.compare_digest(signature.encode(), self._signature(signed).encode()):
            raise TokenRefused("Access token is empty or cannot be read.")
        claims = json.loads(_unpart(signed.split(".")[1]))
        if claims["aud"].rstrip("/") not in [audience.rstrip("/") for audience in audiences]:
            raise WrongAudience("Access token validation failure. Invalid audience.")
        if claims["exp"] <= self._clock.now():
            raise TokenExpired("Lifetime validation failed, the token is expired.")
        return Caller(claims["appid"], claims["oid"], frozenset(claims["roles"]))

    def _signature(self, signed: str) -> str:
        return _encode(hmac.new(self._key, signed.encode(), hashlib.sha256).digest())


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _part(content: dict[str, Any]) -> str:
    return _encode(json.dumps(content, separators=(",", ":")).encode())


def _unpart(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))

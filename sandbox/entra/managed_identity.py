"""The managed identity endpoint of an Azure host, in App Service's form: plain HTTP on loopback."""

from __future__ import annotations

import re

from sandbox.entra.tokens import LIFETIME, Tokens
from sandbox.proxy.clock import Clock
from sandbox.proxy.messages import Request, Response
from sandbox.proxy.service import Service, route

API_VERSION = "2019-08-01"


class ManagedIdentity(Service):
    """Hands out tokens of the application ``client_id`` to whoever knows the header; without one, of nobody."""

    name = "identity"
    hosts = ("127.0.0.1",)

    def __init__(self, tokens: Tokens, clock: Clock) -> None:
        self.tokens = tokens
        self.clock = clock
        self.client_id: str | None = None
        self.header = "sandbox-identity-header"

    @route("GET", r"/msi/token", "managed_identity_token")
    def token(self, request: Request, match: re.Match[str]) -> Response:
        """A token for ``resource``."""
        query = request.query
        if request.headers.get("x-identity-header") != self.header:
            return self.failure(request, 401)
        asked = query.get("client_id") or self.client_id
        if self.client_id is None or asked != self.client_id or query.get("api-version") != API_VERSION:
            return Response.of(400, {"statusCode": 400, "message": "No managed identity is assigned to this app."})
        resource = query.get("resource", "")
        return Response.of(200, {
            "access_token": self.tokens.issue(self.client_id, resource),
            "client_id": self.client_id,
            "expires_on": str(int(self.clock.now()) + LIFETIME),
            "not_before": str(int(self.clock.now())),
            "resource": resource,
            "token_type": "Bearer",
        })  # fmt: skip

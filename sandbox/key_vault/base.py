"""What every operation of a key vault shares: the sign-in challenge, the firewall, roles, errors and headers."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from sandbox.arm.base import Resources
from sandbox.arm.roles import Roles
from sandbox.entra.directory import Directory, new_id
from sandbox.entra.tokens import Caller, TokenRefused, Tokens, WrongAudience
from sandbox.key_vault.vaults import Vault
from sandbox.proxy.clock import Clock
from sandbox.proxy.echo import quotation
from sandbox.proxy.messages import Request, Response
from sandbox.proxy.service import Service

T = TypeVar("T")

AUTHORITIES = {
    ".vault.azure.net": "login.microsoftonline.com",
    ".vault.usgovcloudapi.net": "login.microsoftonline.us",
    ".vault.azure.cn": "login.chinacloudapi.cn",
}
API_VERSIONS = ("7.0", "7.1", "7.2", "7.3", "7.4", "7.5", "7.6", "2025-07-01", "2026-04-01")

PAGE = 25
GENERIC = {
    400: ("BadParameter", "The request is not valid."),
    401: ("Unauthorized", "The access token is not accepted."),
    403: ("Forbidden", "The caller may not do this."),
    404: ("NotFound", "There is nothing here."),
    409: ("Conflict", "The object is in a state that does not allow this."),
    429: ("Throttled", "The vault was asked too often; try again later."),
    503: ("ServiceUnavailable", "The vault cannot answer now."),
}


class KeyVaultError(Exception):
    """A refusal with its HTTP status, Key Vault's code, and the inner code that says more."""

    def __init__(
        self, status: int, message: str | None = None, code: str | None = None, inner: str | None = None
    ) -> None:
        generic = GENERIC.get(status, ("InternalServerError", "The vault met an error of its own."))
        super().__init__(message or generic[1])
        self.status = status
        self.code = code or generic[0]
        self.inner = inner


def bad_parameter(message: str) -> KeyVaultError:
    """The error for a request that makes no sense."""
    return KeyVaultError(400, message)


class KeyVaultBase(Service):
    """Every vault has a host of its own; a host without a vault is not known, as DNS would have it.

    A deleted or recovered secret or certificate is in between for ``transition_seconds``. ``null_removes_dates``:
    whether a secret's date that is set to null goes, or stays as if it were not named. Who signs certificates answers
    after ``issue_seconds`` of the sandbox's clock: the vault itself and issuers alike.
    """

    name = "keyvault"
    transition_seconds = 0.0
    null_removes_dates = True
    issue_seconds = 0.0

    def __init__(
        self,
        directory: Directory,
        tokens: Tokens,
        roles: Roles,
        clock: Clock,
        resources: Resources,
        echoes_requests: bool = False,
    ) -> None:
        self.directory = directory
        self.tokens = tokens
        self.roles = roles
        self.clock = clock
        self.echoes_requests = echoes_requests
        self.resources = resources
        self.vaults: dict[str, Vault] = {}

    def operation(self, request: Request) -> str:
        """The operation's name; ``challenge`` while no token is sent, for that is all that such a request gets."""
        return super().operation(request) if request.headers.get("authorization") else "challenge"

    def handle(self, request: Request) -> Response:
        """Perform the request; a KeyVaultError becomes its answer."""
        try:
            self.caller(request)
            if request.query.get("api-version") not in API_VERSIONS:
                raise bad_parameter("The query names no api-version that is known here.")
            response = super().handle(request)
        except KeyVaultError as error:
            response = self._error(request, error)
        response.headers = self._common_headers() | response.headers
        return response

    def failure(self, request: Request, status: int) -> Response:
        """Key Vault's form of an error."""
        return self._error(request, KeyVaultError(status))

    def get(self, vault: Vault | str) -> Vault:
        """A vault by its name, host or address. Raises KeyError."""
        if isinstance(vault, Vault):
            return vault
        host = vault.removeprefix("https://").strip("/").lower()
        return next(entry for entry in self.vaults.values() if host in (entry.host, entry.name.lower()))

    def vault(self, request: Request) -> Vault:
        """The vault that the request is for."""
        return self.vaults[request.host]

    def caller(self, request: Request) -> Caller:
        """Whom the request's token stands for. Raises KeyVaultError."""
        vault = self.vault(request)
        header = request.headers.get("authorization", "")
        if not header:
            raise KeyVaultError(401, "AKV10000: The request carries no Bearer or PoP token.")
        try:
            caller = self.tokens.check(header, vault.audience)
        except WrongAudience:
            raise KeyVaultError(401, f"AKV10022: The token's audience is not {vault.audience}.") from None
        except TokenRefused as refusal:
            raise KeyVaultError(401, str(refusal)) from None
        if vault.tenant_id != self.directory.tenant_id:
            raise KeyVaultError(401, "AKV10032: The token's issuer is not the tenant of this vault.")
        return caller

    def authorize(self, request: Request, action: str, name: str | None = None, kind: str = "secrets") -> Vault:
        """The vault, if its firewall and the caller's roles allow ``action``. Raises KeyVaultError.

        ``kind``: of what the action is, as data actions name it; ``name``: which one of them.
        """
        vault, caller = self.vault(request), self.caller(request)
        if vault.firewall:
            raise KeyVaultError(
                403, "The client's address is not among those that the vault admits.", inner="ForbiddenByFirewall"
            )
        scope = f"{vault.id}/{kind}/{name}" if name else vault.id
        wanted = f"Microsoft.KeyVault/vaults/{kind}/{action}"
        if not self.roles.allowed(caller.client_id, wanted, scope, data=True):
            message = (
                f"The caller has no role that allows this. Caller: appid={caller.client_id};oid={caller.object_id} "
                f"Action: '{wanted}' Resource: '{scope}' Assignment: (not found)"
            )
            raise KeyVaultError(403, message, inner="ForbiddenByRbac")
        return vault

    def authorize_certificate(self, request: Request, action: str, name: str | None = None) -> Vault:
        """The same for an action on certificates."""
        return self.authorize(request, action, name, "certificates")

    def _error(self, request: Request, error: KeyVaultError) -> Response:
        inner = {"innererror": {"code": error.inner}} if error.inner else {}
        headers = {}
        if error.status == 401:
            vault = self.vault(request)
            authority = f"https://{AUTHORITIES[vault.suffix]}/{vault.tenant_id}"
            headers["WWW-Authenticate"] = f'Bearer authorization="{authority}", resource="{vault.audience}"'
        message = f"{error}{quotation(request) if self.echoes_requests else ''}"
        content = {"error": {"code": error.code, "message": message} | inner}
        return Response.of(error.status, content, headers)

    def _common_headers(self) -> dict[str, str]:
        return {
            "Cache-Control": "no-cache",
            "Pragma": "no-cache",
            "Expires": "-1",
            "Strict-Transport-Security": "max-age=31536000;includeSubDomains",
            "X-Content-Type-Options": "nosniff",
            "x-ms-keyvault-region": "westeurope",
            "x-ms-keyvault-service-version": "1.9.908.1",
            "x-ms-request-id": new_id(),
        }


def json_object(request: Request) -> dict[str, Any]:
    """The request's JSON object. Raises KeyVaultError."""
    try:
        content = request.json()
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise bad_parameter("The body is not a JSON object.")
    return content


def page(request: Request, entries: Sequence[T], shown: Callable[[T], dict[str, Any]]) -> Response:
    """A part of a list, with a link to the next part where there is one. Raises KeyVaultError."""
    query = request.query
    size, start = query.get("maxresults", str(PAGE)), _offset(query.get("$skiptoken", ""))
    if not size.isdecimal() or not 1 <= int(size) <= PAGE:
        raise bad_parameter(f"maxresults is a number from 1 to {PAGE}.")
    end = start + int(size)
    token = base64.urlsafe_b64encode(str(end).encode()).decode().rstrip("=")
    following = (
        f"https://{request.host}:443{request.path}?api-version={query['api-version']}&$skiptoken={token}"
        f"&maxresults={size}"
    ) + "".join(f"&{name}={query[name]}" for name in ("includePending",) if name in query)
    value = [shown(entry) for entry in entries[start:end]]
    return Response.of(200, {"value": value, "nextLink": following if end < len(entries) else None})


def _offset(token: str) -> int:
    try:
        return int(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)) or 0)
    except ValueError:
        raise bad_parameter("The $skiptoken is not one of this vault.") from None

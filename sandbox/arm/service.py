"""Azure Resource Manager: one host for all resource providers, which knows who calls and what they may do."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from sandbox.arm.base import SUBSCRIPTION, ArmError, R, Resource, Resources
from sandbox.arm.roles import Roles, within
from sandbox.entra.directory import Directory, new_id
from sandbox.entra.tokens import Caller, TokenExpired, TokenRefused, Tokens, WrongAudience
from sandbox.proxy.clock import Clock
from sandbox.proxy.echo import quotation
from sandbox.proxy.messages import Request, Response
from sandbox.proxy.service import STATE, Service

AUDIENCES = {
    "management.azure.com": ("https://management.azure.com", "https://management.core.windows.net"),
    "management.usgovcloudapi.net": ("https://management.usgovcloudapi.net", "https://management.core.usgovcloudapi.net"),
    "management.chinacloudapi.cn": ("https://management.chinacloudapi.cn", "https://management.core.chinacloudapi.cn"),
}  # fmt: skip
VERSION = re.compile(r"20\d\d-\d\d-\d\d(-preview)?")
# Of a provider: the oldest version that is left, and when those before it ended.
# https://learn.microsoft.com/azure/key-vault/general/migrate-api-version
OLDEST = {"microsoft.keyvault": ("2026-02-01", datetime(2027, 2, 27, tzinfo=UTC).timestamp())}


class Arm(Service):
    """Checks who calls and what they may do. Its parts, which are given to it, are the resource providers."""

    name = "arm"
    hosts = tuple(AUDIENCES)

    def __init__(
        self,
        directory: Directory,
        tokens: Tokens,
        roles: Roles,
        clock: Clock,
        subscription_id: str,
        echoes_requests: bool = False,
    ) -> None:
        self.directory = directory
        self.tokens = tokens
        self.roles = roles
        self.clock = clock
        self.echoes_requests = echoes_requests
        self.resources = Resources(subscription_id)
        self.page_size = 1000
        """The most entries in one answer of a list."""
        self.newest: dict[str, str] = {}
        """Of a provider, in small letters: the newest version that this cloud knows, where it is behind."""
        self.locks: list[str] = []
        """Scopes with a ReadOnly lock: nothing there can be written, nor asked for its keys."""

    # -- for tests and the demo ---------------------------------------------------------------------------------

    def grant(self, client_id: str, role: str, scope: str | None = None) -> None:
        """Assign a role to an application at a scope; without one, on the whole subscription."""
        with STATE:
            self.roles.grant(client_id, role, scope or self.resources.subscription)

    # -- the wire -----------------------------------------------------------------------------------------------

    def handle(self, request: Request) -> Response:
        """Perform the request; an ArmError becomes its answer."""
        try:
            self._admit(request)
            response = super().handle(request)
        except ArmError as error:
            response = self._error(request, error)
        response.headers = self._common_headers(request) | response.headers
        return response

    def failure(self, request: Request, status: int) -> Response:
        """ARM's form of an error."""
        response = self._error(request, ArmError(status))
        response.headers = self._common_headers(request) | response.headers
        return response

    def caller(self, request: Request) -> Caller:
        """Whom the request's token stands for. Raises ArmError."""
        header = request.headers.get("authorization", "")
        if not header:
            raise ArmError(401, "AuthenticationFailed", "The request has no Authorization header.")
        try:
            return self.tokens.check(header, *AUDIENCES[request.host])
        except WrongAudience:
            message = f"The access token is for another audience than '{AUDIENCES[request.host][0]}'."
            raise ArmError(401, "InvalidAuthenticationTokenAudience", message) from None
        except TokenExpired:
            raise ArmError(401, "ExpiredAuthenticationToken") from None
        except TokenRefused:
            raise ArmError(401, "InvalidAuthenticationToken", "The access token is not valid.") from None

    def authorize(self, request: Request, action: str, scope: str) -> None:
        """Let the request go on only if its caller may do ``action`` on ``scope``. Raises ArmError."""
        caller = self.caller(request)
        if not self.roles.allowed(caller.client_id, action, scope):
            raise ArmError(403, None, (
                f"The client '{caller.client_id}' with object id '{caller.object_id}' may not perform action "
                f"'{action}' over scope '{scope}', or the scope is not valid."
            ))  # fmt: skip
        if request.method != "GET" and any(within(scope, lock) for lock in self.locks):
            raise ArmError(409, "ScopeLocked", f"The scope '{scope}' has a ReadOnly lock.")

    def resource(self, request: Request, resource_id: str, kind: type[R], action: str, resource_type: str) -> R:
        """A resource that the caller may do ``action`` on. Raises ArmError."""
        self.authorize(request, action, resource_id)
        return self.existing(resource_id, kind, resource_type)

    def existing(self, resource_id: str, kind: type[R], resource_type: str) -> R:
        """A resource, whoever asks. Raises ArmError."""
        self.group(resource_id)
        found = self.resources.find(resource_id, kind)
        if found is None:
            group, name = resource_id.split("/")[4], resource_id.rsplit("/", 1)[-1]
            message = f"There is no resource '{resource_type}/{name}' in the resource group '{group}'."
            raise ArmError(404, "ResourceNotFound", message)
        return found

    def group(self, resource_id: str) -> Resource:
        """The resource group of an id. Raises ArmError."""
        name = resource_id.split("/")[4]
        found = self.resources.groups.get(name.lower())
        if found is None:
            raise ArmError(404, "ResourceGroupNotFound", f"There is no resource group '{name}'.")
        return found

    def visible(self, request: Request, match: re.Match[str], kind: type[R], action: str) -> list[R]:
        """The resources of a kind in the path's group or subscription that the caller may read. Raises ArmError."""
        scope = f"/subscriptions/{match['subscription']}"
        if group := match.groupdict().get("group"):
            scope = f"{scope}/resourceGroups/{group}"
        caller = self.caller(request)
        if not self.roles.anything_in(caller.client_id, scope):
            self.authorize(request, action, scope)
        if group:
            self.group(scope)
        found = self.resources.below(scope, kind)
        return [entry for entry in found if self.roles.allowed(caller.client_id, action, entry.id)]

    def _admit(self, request: Request) -> None:
        self.caller(request)
        version = request.query.get("api-version", "")
        if not version:
            raise ArmError(400, "MissingApiVersionParameter", "The query has no api-version.")
        if not VERSION.fullmatch(version):
            raise ArmError(400, "InvalidApiVersionParameter", f"The api-version '{version}' is not one.")
        self._refuse_unknown(request.path, version)
        asked = re.match(SUBSCRIPTION, request.path, re.IGNORECASE)
        if asked and asked["subscription"].lower() != self.resources.subscription_id:
            raise ArmError(404, "SubscriptionNotFound", f"There is no subscription '{asked['subscription']}'.")

    def _refuse_unknown(self, path: str, version: str) -> None:
        """Of extensions, such as permissions, the last provider in the path is the one that answers."""
        provider = path.lower().rpartition("/providers/")[2].partition("/")[0]
        oldest, ended = OLDEST.get(provider, ("", 0.0))
        newest = self.newest.get(provider, version)
        if version > newest or (version < oldest and self.clock.now() >= ended):
            raise ArmError(400, "NoRegisteredProviderFound", (
                f"No registered resource provider is found for API version '{version}'; "
                f"supported are '{oldest or newest}' and others."
            ))  # fmt: skip

    def _error(self, request: Request, error: ArmError) -> Response:
        headers = {"x-ms-failure-cause": "gateway"}
        if error.status == 401:
            authority = f"https://login.microsoftonline.com/{self.directory.tenant_id}"
            headers["WWW-Authenticate"] = f'Bearer authorization_uri="{authority}", error="invalid_token"'
        message = f"{error}{quotation(request) if self.echoes_requests else ''}"
        return Response.of(error.status, {"error": {"code": error.code, "message": message}}, headers)

    def _common_headers(self, request: Request) -> dict[str, str]:
        request_id = new_id()
        counted = "reads" if request.method == "GET" else "writes"
        return {
            "Cache-Control": "no-cache",
            "Pragma": "no-cache",
            "Expires": "-1",
            "x-ms-request-id": request_id,
            "x-ms-correlation-request-id": request.headers.get("x-ms-correlation-request-id", request_id),
            "x-ms-client-request-id": request.headers.get("x-ms-client-request-id", request_id),
            "x-ms-routing-request-id": f"WESTEUROPE:{request_id}",
            f"x-ms-ratelimit-remaining-subscription-{counted}": "199",
            "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
            "X-Content-Type-Options": "nosniff",
        }

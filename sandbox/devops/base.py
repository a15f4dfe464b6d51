"""What every operation of Azure DevOps shares: sign-in by token or PAT, errors, headers and slow-downs."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Any

from sandbox.arm.roles import Roles
from sandbox.devops.model import ADMINISTRATOR, Endpoint, Identity, Organization, Project
from sandbox.entra.directory import Directory, new_id
from sandbox.entra.tokens import TokenRefused, Tokens
from sandbox.proxy.clock import Clock
from sandbox.proxy.echo import quotation
from sandbox.proxy.messages import Request, Response
from sandbox.proxy.service import Service

AUDIENCE = "499b84ac-1321-427f-aa17-267ca6975798"
ORGANIZATION = r"/(?P<organization>[^/]+)"
PROJECT = ORGANIZATION + r"/(?P<project>[^/_][^/]*)"
SIGN_IN_PAGE = b"<!DOCTYPE html><html><head><title>Azure DevOps Services | Sign In</title></head><body></body></html>"


# What the portal offers for a personal access token that may change service connections.
MANAGE = "vso.serviceendpoint_manage"


@dataclass(frozen=True)
class Visitor:
    """Who calls, and where. ``scope``: that of the personal access token, if it was one."""

    organization: Organization
    identity: Identity
    scope: str | None = None

    def may(self, endpoint: Endpoint, role: str) -> bool:
        """Whether the visitor has a role on an endpoint, and a token that does not stand in the way."""
        fits = role != ADMINISTRATOR or self.scope in (None, MANAGE)
        return fits and endpoint.allows(self.identity, role)


class DevOpsError(Exception):
    """A refusal with its HTTP status and the key of its type; ``empty``: told by the status alone."""

    def __init__(self, status: int, key: str, message: str, empty: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.key = key
        self.empty = empty


def bad_request(message: str, key: str = "VssPropertyValidationException") -> DevOpsError:
    """The error for a request that makes no sense."""
    return DevOpsError(400, key, message)


class DevOpsBase(Service):
    """Signs callers in.

    ``sign_in_page``: who is not signed in gets 203 and a page instead of 401. ``slow_down_seconds``: answers tell the
    caller to wait so long, though they succeed. ``settle_seconds``: a changed endpoint is ready after so long.
    """

    name = "devops"
    hosts = ("dev.azure.com",)
    sign_in_page = False
    slow_down_seconds: int | None = None
    settle_seconds = 0.0

    def __init__(
        self, directory: Directory, tokens: Tokens, roles: Roles, clock: Clock, echoes_requests: bool = False
    ) -> None:
        self.directory = directory
        self.roles = roles
        self.tokens = tokens
        self.clock = clock
        self.echoes_requests = echoes_requests
        self.organizations: dict[str, Organization] = {}

    def handle(self, request: Request) -> Response:
        """Perform the request; a DevOpsError becomes its answer."""
        try:
            self.caller(request)
            if request.method not in ("GET", "OPTIONS") and "api-version" not in self._version(request):
                message = f"A {request.method} request has to name an api-version."
                raise bad_request(message, "VssVersionNotSpecifiedException")
            response = super().handle(request)
        except DevOpsError as error:
            response = self._error(request, error)
        response.headers = self._common_headers() | response.headers
        return response

    def failure(self, request: Request, status: int) -> Response:
        """Azure DevOps' form of an error."""
        response = self._error(request, DevOpsError(status, "VssServiceException", "The service refused this."))
        response.headers = self._common_headers() | response.headers
        return response

    def caller(self, request: Request) -> Visitor:
        """Who asks, and which organisation. Raises DevOpsError."""
        scheme, _, credential = request.headers.get("authorization", "").partition(" ")
        organization = self.organizations.get(request.path.split("/")[1].lower())
        if scheme.lower() == "basic":
            return self._by_token(organization, credential)
        try:
            client_id = self.tokens.check(request.headers.get("authorization", ""), AUDIENCE).client_id
        except TokenRefused:
            raise DevOpsError(401, "UnauthorizedRequestException", "Sign in first.", empty=True) from None
        if organization is None:
            raise DevOpsError(404, "HostDoesNotExistException", "There is no organisation of this name.")
        identity = organization.identity(client_id)
        if identity is None:
            message = f"TF400813: The identity '{client_id}' has no access to this organisation."
            raise DevOpsError(401, "UnauthorizedRequestException", message)
        return Visitor(organization, identity)

    def project(self, organization: Organization, match: re.Match[str]) -> Project:
        """The project in the path. Raises DevOpsError."""
        project = organization.project(match["project"])
        if project is None:
            message = f"TF200016: There is no project {match['project']} in this organisation."
            raise DevOpsError(404, "ProjectDoesNotExistWithNameException", message)
        return project

    def body(self, request: Request) -> Any:
        """The request's JSON. Raises DevOpsError."""
        try:
            return request.json()
        except ValueError:
            raise bad_request("The body is not JSON.") from None

    def _by_token(self, organization: Organization | None, credential: str) -> Visitor:
        try:
            _, _, token = base64.b64decode(credential, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            token = ""
        identity = organization.by_token(token) if organization and token else None
        if organization is None or identity is None:
            raise DevOpsError(401, "UnauthorizedRequestException", "Sign in first.", empty=True)
        return Visitor(organization, identity, identity.scopes[token])

    def answer(self, request: Request, content: Any) -> Response:
        """A success."""
        version = request.query.get("api-version", "7.1")
        return Response.of(200, content, {"Content-Type": f"application/json; charset=utf-8; api-version={version}"})

    def answer_list(self, request: Request, entries: list[Any]) -> Response:
        """A success that is a list."""
        return self.answer(request, {"count": len(entries), "value": entries})

    def _version(self, request: Request) -> str:
        return f"{'api-version' if 'api-version' in request.query else ''} {request.headers.get('accept', '')}"

    def _error(self, request: Request, error: DevOpsError) -> Response:
        signed_out = error.status == 401
        if signed_out and self.sign_in_page and request.headers.get("x-tfs-fedauthredirect") != "Suppress":
            return Response(203, SIGN_IN_PAGE, {"Content-Type": "text/html; charset=utf-8"})
        headers = {"WWW-Authenticate": f'Basic realm="https://{request.host}/"'} if signed_out else {}
        if error.empty:
            return Response(error.status, b"", headers)
        message = f"{error}{quotation(request) if self.echoes_requests else ''}"
        return Response.of(error.status, {
            "$id": "1", "innerException": None, "message": message,
            "typeName": f"Microsoft.VisualStudio.Services.{error.key}, Microsoft.VisualStudio.Services",
            "typeKey": error.key, "errorCode": 0, "eventId": 3000,
        }, headers)  # fmt: skip

    def _common_headers(self) -> dict[str, str]:
        activity = new_id()
        headers = {
            "ActivityId": activity,
            "Cache-Control": "no-cache",
            "Pragma": "no-cache",
            "Expires": "-1",
            "X-Content-Type-Options": "nosniff",
            "X-TFS-ProcessId": new_id(),
            "X-TFS-Session": activity,
            "X-VSS-E2EID": activity,
        }
        if self.slow_down_seconds is not None:
            reset = str(int(self.clock.now()) + self.slow_down_seconds)
            headers |= {
                "Retry-After": str(self.slow_down_seconds), "X-RateLimit-Resource": "CustomResource/Rest",
                "X-RateLimit-Delay": str(float(self.slow_down_seconds)), "X-RateLimit-Limit": "200",
                "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": reset,
            }  # fmt: skip
        return headers

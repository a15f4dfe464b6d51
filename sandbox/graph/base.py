"""What every operation of Microsoft Graph shares: who calls, with which permission, headers, errors, batches."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from sandbox.entra.directory import Directory, new_id
from sandbox.entra.tokens import Caller, TokenRefused, Tokens
from sandbox.graph.odata import Entity, select
from sandbox.proxy.clock import Clock, iso
from sandbox.proxy.echo import quotation
from sandbox.proxy.messages import Request, Response
from sandbox.proxy.service import Service, route

HOSTS = ("graph.microsoft.com", "graph.microsoft.us", "microsoftgraph.chinacloudapi.cn")
API = r"/(?:v1\.0|beta)"
CONTENT_TYPE = "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8"
MOST_IN_BATCH = 20
GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)

WRITE_OWNED = "Application.ReadWrite.OwnedBy"
WRITE_ALL = "Application.ReadWrite.All"
READ_ALL = "Application.Read.All"
READ_POLICIES = "Policy.Read.ApplicationConfiguration"
ROLE_IDS = {
    WRITE_OWNED: "18a4783c-866b-4cc7-a460-3d5e5662c884",
    WRITE_ALL: "1bfefb4e-e0b5-418b-a88f-73c46d2cc8e9",
    READ_ALL: "9a5d68dd-52b0-4cc2-bd40-abcf44ac3a30",
}
READ_USERS = frozenset({"User.ReadBasic.All", "User.Read.All", "Directory.Read.All", "Directory.ReadWrite.All"})

GENERIC = {
    400: ("Request_BadRequest", "The request is not valid."),
    401: ("InvalidAuthenticationToken", "Access token has expired or is not yet valid."),
    403: ("Authorization_RequestDenied", "Insufficient privileges to complete the operation."),
    404: ("Request_ResourceNotFound", "The resource does not exist."),
    409: (
        "Directory_ConcurrencyViolation",
        "Error due to concurrent requests being made to the tenant. Please wait briefly and retry.",
    ),
    429: ("TooManyRequests", "Too many requests."),
    503: ("ServiceUnavailable", "The service is unavailable."),
    504: ("GatewayTimeout", "The gateway timed out."),
}


class GraphError(Exception):
    """A refusal with its HTTP status and Graph's own code."""

    def __init__(self, status: int, code: str | None = None, message: str | None = None) -> None:
        generic = GENERIC.get(status, ("InternalServerError", "An internal error occurred."))
        super().__init__(message or generic[1])
        self.status = status
        self.code = code or generic[0]


def not_found(key: str) -> GraphError:
    """The error for an object that is not there."""
    message = f"Resource '{key}' does not exist or one of its queried reference-property objects are not present."
    return GraphError(404, None, message)


def bad_request(message: str) -> GraphError:
    """The error for a request that makes no sense."""
    return GraphError(400, "Request_BadRequest", message)


class GraphBase(Service):
    """Authentication, the form of answers, and ``$batch``.

    ``replica_lag_seconds``: reads show the state of so long ago. ``stale_reads``: after each write, the next so many
    reads of that application show the state before it. ``replica_lags``: reads go to one replica after the other, each
    so many seconds behind, so that what one read shows the next may not show.
    """

    name = "graph"
    hosts = HOSTS

    def __init__(self, directory: Directory, tokens: Tokens, clock: Clock, echoes_requests: bool = False) -> None:
        self.directory = directory
        self.tokens = tokens
        self.clock = clock
        self.echoes_requests = echoes_requests
        self.replica_lag_seconds = 0.0
        self.stale_reads = 0
        self.replica_lags: Sequence[float] = (0.0,)
        self._reads = 0

    def lag(self) -> float:
        """Of the replica that answers the next read, in seconds."""
        self._reads += 1
        return self.replica_lag_seconds + self.replica_lags[self._reads % len(self.replica_lags)]

    def handle(self, request: Request) -> Response:
        """Perform the request; a GraphError becomes its answer."""
        try:
            self.caller(request)
            response = super().handle(request)
        except GraphError as error:
            response = self._error(request, error)
        except ValueError as error:
            response = self._error(request, bad_request(f"Invalid request: {error}"))
        response.headers = self._common_headers(request) | response.headers | {"Content-Type": CONTENT_TYPE}
        return response

    def failure(self, request: Request, status: int) -> Response:
        """Graph's form of an error."""
        response = self._error(request, GraphError(status))
        response.headers = self._common_headers(request) | response.headers
        return response

    def caller(self, request: Request) -> Caller:
        """Whom the request's token stands for. Raises GraphError."""
        try:
            return self.tokens.check(request.headers.get("authorization", ""), f"https://{request.host}")
        except TokenRefused as refusal:
            raise GraphError(401, None, str(refusal)) from None

    def entity(self, request: Request, context: str, entity: Entity, status: int = 200) -> Response:
        """One object as the answer, cut down to what ``$select`` names."""
        wanted = request.query.get("$select")
        kind = f"{context}({wanted})" if wanted else context
        head = {"@odata.context": f"https://{request.host}/v1.0/$metadata#{kind}/$entity"}
        return Response.of(status, head | select(entity, wanted))

    def body(self, request: Request) -> dict[str, Any]:
        """The request's JSON object. Raises GraphError."""
        try:
            content = request.json()
        except ValueError:
            raise bad_request("Unable to read JSON request payload.") from None
        if not isinstance(content, dict):
            raise bad_request("The request payload is no object.")
        return content

    @route("POST", API + r"/\$batch", "batch")
    def batch(self, request: Request, match: re.Match[str]) -> Response:
        """Several requests in one."""
        parts = self.body(request).get("requests", [])
        if len(parts) > MOST_IN_BATCH:
            raise bad_request(f"Number of batch request steps exceeds the maximum value of {MOST_IN_BATCH}.")
        return Response.of(200, {"responses": [self._part(request, part) for part in parts]})

    def _part(self, request: Request, part: dict[str, Any]) -> dict[str, Any]:
        version = request.path.split("/")[1]
        headers = {name.lower(): str(value) for name, value in (part.get("headers") or {}).items()}
        headers.setdefault("authorization", request.headers.get("authorization", ""))
        content = json.dumps(part["body"]).encode() if "body" in part else b""
        target = f"/{version}/{str(part['url']).lstrip('/')}"
        response = self.handle(Request(part["method"].upper(), request.host, target, headers, content))
        answer = {"id": part.get("id"), "status": response.status, "headers": response.headers}
        return answer | ({"body": json.loads(response.body)} if response.body else {})

    def _error(self, request: Request, error: GraphError) -> Response:
        request_id = new_id()
        inner = {
            "date": iso(self.clock.now()).rstrip("Z"),
            "request-id": request_id,
            "client-request-id": request.headers.get("client-request-id", request_id),
        }
        quoted = quotation(request) if self.echoes_requests else ""
        content = {"code": error.code, "message": f"{error}{quoted}", "innerError": inner}
        return Response.of(error.status, {"error": content}, {"request-id": request_id})

    def _common_headers(self, request: Request) -> dict[str, str]:
        request_id = new_id()
        return {
            "Cache-Control": "no-cache",
            "request-id": request_id,
            "client-request-id": request.headers.get("client-request-id", request_id),
            "odata-version": "4.0",
            "x-ms-resource-unit": "2" if "$filter" in request.query else "1",
        }

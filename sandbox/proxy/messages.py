"""An HTTP request and its answer, and the line that the log keeps of the two."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

REASONS = {
    200: "OK", 201: "Created", 202: "Accepted", 204: "No Content", 302: "Found", 400: "Bad Request",
    401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
    407: "Proxy Authentication Required", 408: "Request Timeout", 409: "Conflict", 412: "Precondition Failed",
    413: "Content Too Large", 429: "Too Many Requests", 500: "Internal Server Error", 502: "Bad Gateway",
    503: "Service Unavailable", 504: "Gateway Timeout",
}  # fmt: skip


@dataclass(frozen=True)
class Request:
    """One HTTP request, its path unquoted and doubled slashes folded (one of Microsoft's SDKs sends them)."""

    method: str
    host: str
    target: str
    headers: dict[str, str]
    body: bytes = b""
    connection: int = field(default=0, kw_only=True)
    """its number, by which a service may tell one replica's clients from another's"""

    @property
    def path(self) -> str:
        """The path without the query."""
        return re.sub(r"/{2,}", "/", unquote(urlsplit("//host" + self.target).path))

    @property
    def query(self) -> dict[str, str]:
        """The query's parameters, decoded; the last one of a name counts."""
        return dict(parse_qsl(urlsplit("//host" + self.target).query, keep_blank_values=True))

    def json(self) -> Any:
        """The body as JSON; an empty body is an empty object. Raises ValueError if it is not JSON."""
        return json.loads(self.body) if self.body.strip() else {}

    def form(self) -> dict[str, str]:
        """The body as a submitted form."""
        return dict(parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))


@dataclass
class Response:
    """One HTTP answer."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, status: int, content: Any, headers: dict[str, str] | None = None) -> Response:
        """An answer whose body is JSON."""
        body = json.dumps(content, separators=(",", ":")).encode()
        return cls(status, body, {"Content-Type": "application/json; charset=utf-8"} | (headers or {}))

    def head(self, date: str, length: int | None = None, close: bool = False) -> bytes:
        """The status line and headers, with ``length`` instead of the body's own length where it is given."""
        lines = [f"HTTP/1.1 {self.status} {REASONS.get(self.status, 'Status')}", f"Date: {date}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        if self.status != 204:
            lines.append(f"Content-Length: {len(self.body) if length is None else length}")
        if close:
            lines.append("Connection: close")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


@dataclass
class LoggedRequest:
    """What the log keeps of a request; ``status`` stays None while no answer was sent.

    ``client_id`` and ``by_secret`` are filled in for the token endpoint only.
    """

    service: str
    operation: str
    method: str
    host: str
    path: str
    connection: int
    at: float
    status: int | None = None
    performed: bool = False
    fault: str | None = None
    client_id: str = ""
    by_secret: bool = False


@dataclass(frozen=True)
class Connect:
    """A CONNECT that reached the proxy: one new connection of a client."""

    host: str
    connection: int
    at: float
    accepted: bool

"""What every operation of Azure Resource Manager shares: ids, sign-in, roles, errors, headers, and resources."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import quote

from sandbox.proxy.messages import Request, Response

SUBSCRIPTION = r"/subscriptions/(?P<subscription>[^/]+)"
GROUP = SUBSCRIPTION + r"/resourceGroups/(?P<group>[^/]+)"

GENERIC = {
    400: ("BadRequest", "The request is not valid."),
    401: ("ExpiredAuthenticationToken", "The access token is no longer valid."),
    403: ("AuthorizationFailed", "The client may not perform this action."),
    404: ("ResourceNotFound", "The resource is not there."),
    409: ("Conflict", "The resource is in a state that does not allow this."),
    429: ("TooManyRequests", "Too many requests were made; try again later."),
    503: ("ServerBusy", "The resource provider is busy."),
    504: ("GatewayTimeout", "The resource provider gave no answer in time."),
}


class ArmError(Exception):
    """A refusal with its HTTP status and ARM's own code."""

    def __init__(self, status: int, code: str | None = None, message: str | None = None) -> None:
        generic = GENERIC.get(status, ("InternalServerError", "The server met an error of its own."))
        super().__init__(message or generic[1])
        self.status = status
        self.code = code or generic[0]


@dataclass
class Resource:
    """Anything that has an ARM id."""

    id: str
    type: str
    location: str = "westeurope"
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The last part of the id."""
        return self.id.rsplit("/", 1)[-1]

    def summary(self) -> dict[str, Any]:
        """As a list of resources of every type shows it."""
        return {
            "id": self.id, "name": self.name, "type": self.type, "location": self.location, "tags": dict(self.tags)
        }  # fmt: skip


R = TypeVar("R", bound=Resource)


class Resources:
    """All resource groups and resources of the one subscription."""

    def __init__(self, subscription_id: str) -> None:
        self.subscription_id = subscription_id
        self.groups: dict[str, Resource] = {}
        self._all: dict[str, Resource] = {}

    @property
    def subscription(self) -> str:
        """The subscription's ARM id."""
        return f"/subscriptions/{self.subscription_id}"

    def group_id(self, name: str) -> str:
        """The ARM id of a resource group."""
        return f"{self.subscription}/resourceGroups/{name}"

    def add_group(self, name: str, location: str = "westeurope", tags: dict[str, str] | None = None) -> Resource:
        """Make a resource group, or change the one that is there."""
        group = Resource(self.group_id(name), "Microsoft.Resources/resourceGroups", location, tags or {})
        self.groups[name.lower()] = group
        return group

    def add(self, resource: R) -> R:
        """Keep a resource; one of the same id is replaced."""
        self._all[resource.id.lower()] = resource
        return resource

    def find(self, resource_id: str, kind: type[R]) -> R | None:
        """The resource with this id, if it is of this kind."""
        found = self._all.get(resource_id.lower().rstrip("/"))
        return found if isinstance(found, kind) else None

    def remove(self, resource_id: str) -> None:
        """Drop a resource, if it is there."""
        self._all.pop(resource_id.lower(), None)

    def below(self, scope: str, kind: type[R]) -> list[R]:
        """All resources of a kind in a subscription or resource group, by id."""
        start = f"{scope}/".lower()
        return [entry for key, entry in sorted(self._all.items()) if key.startswith(start) and isinstance(entry, kind)]


def collection(entries: Iterable[dict[str, Any]]) -> Response:
    """An ARM list that fits on one page."""
    return Response.of(200, {"value": list(entries), "nextLink": None})


def page(request: Request, entries: Sequence[dict[str, Any]], size: int) -> dict[str, Any]:
    """A part of an ARM list, of ``$top`` or ``size`` entries, with a link to the next part where there is one."""
    query = request.query
    asked, start = query.get("$top", str(size)), query.get("$skiptoken", "0")
    if not asked.isdecimal() or not start.isdecimal() or not int(asked):
        raise ArmError(400, "InvalidTopParameter", "$top is a number above nothing, $skiptoken what was given.")
    end = int(start) + min(int(asked), size)
    pairs = query | {"$skiptoken": str(end)}
    following = "&".join(f"{name}={quote(value, safe='')}" for name, value in pairs.items())
    more = {"nextLink": f"https://{request.host}:443{quote(request.path)}?{following}"} if end < len(entries) else {}
    return {"value": list(entries[int(start) : end])} | more


def json_object(request: Request) -> dict[str, Any]:
    """The request's JSON object. Raises ArmError."""
    try:
        content = request.json()
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise ArmError(400, "InvalidRequestContent", "The body is not a JSON object.")
    return content


def filter_terms(text: str) -> dict[str, str]:
    """The comparisons of a ``$filter`` of the form ``a eq 'x' and b eq 'y'``, names in lower case."""
    return {name.lower(): value for name, value in re.findall(r"([\w./]+)\s+eq\s+'([^']*)'", text)}

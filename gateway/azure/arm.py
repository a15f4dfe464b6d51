"""Azure Resource Manager: resources by their id, and what we may do there.

Source: https://learn.microsoft.com/rest/api/resources
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeVar
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit

from gateway.azure.decode import decoding, texts
from gateway.azure.versions import PERMISSIONS, ApiVersion
from gateway.errors import Refused, Unclear, next_page_elsewhere
from gateway.host.http import Answer, Http, retry_after
from gateway.model.clouds import Cloud
from gateway.secret import Secret

T = TypeVar("T")
_MOST_READ = 4000
# https://learn.microsoft.com/azure/azure-resource-manager/templates/error-resource-not-found
_UNKNOWN_VERSION = ("NoRegisteredProviderFound", "InvalidResourceType", "InvalidApiVersionParameter")


@dataclass(frozen=True)
class Permission:
    """What one assignment allows at a scope: patterns of actions, and of those that are taken out."""

    actions: tuple[str, ...]
    not_actions: tuple[str, ...]
    data_actions: tuple[str, ...]
    not_data_actions: tuple[str, ...]

    def allows(self, action: str) -> bool:
        """Whether it allows an action of Resource Manager."""
        return _named(action, self.actions) and not _named(action, self.not_actions)

    def allows_data(self, action: str) -> bool:
        """Whether it allows an action on what a resource holds."""
        return _named(action, self.data_actions) and not _named(action, self.not_data_actions)


class Arm:
    """Resource Manager in one cloud.

    Args:
        http: the session of the run.
        root: ``https://management.azure.com`` or that of another cloud.
        token: gives an access token for it.
    """

    def __init__(self, http: Http, root: str, token: Callable[[], Secret]) -> None:
        self.http = http
        self._root = root
        self._token = token

    def retrying(self, call: Callable[[], T]) -> T:
        """A call that may be repeated, until it goes through. Raises CallError."""
        return self.http.retrying(call)

    def get(self, path: str, api_version: ApiVersion | None) -> dict[str, Any]:
        """A resource; without a version, by a link that names one. Raises CallError."""
        return self.http.retrying(lambda: self.send("GET", path, api_version)).body

    def pages(self, path: str, api_version: ApiVersion) -> Iterator[dict[str, Any]]:
        """The entries of a list, page after page. Raises CallError."""
        where, body = _where(path), self.get(path, api_version)
        while True:
            yield from body.get("value") or []
            if not (link := body.get("nextLink")):
                return
            if not (path := self.path_of(str(link))):
                raise next_page_elsewhere(where)
            body = self.get(path, None)

    def path_of(self, link: str) -> str:
        """Path and query of a link of Resource Manager's own; empty where it leads elsewhere.

        Our token goes nowhere else. Azure writes host and port out, or not.
        """
        try:
            parts = urlsplit(urljoin(self._root, link) if link.startswith("/") else link)
        except ValueError:
            return ""
        if f"{parts.scheme}://{parts.netloc.removesuffix(':443')}".lower() != self._root:
            return ""
        return urlunsplit(("", "", parts.path, parts.query, ""))

    def send(
        self,
        method: str,
        path: str,
        api_version: ApiVersion | None,
        payload: dict[str, Any] | None = None,
        *,
        any_body: bool = False,
    ) -> Answer:
        """One request, once; with ``any_body`` nobody reads the body of a success. Raises CallError.

        A cloud that does not know the version has done nothing, and is asked in the older one.
        """
        try:
            return self._send(method, path, api_version, payload, any_body)
        except Refused as error:
            if not api_version or not api_version.older or error.code not in _UNKNOWN_VERSION:
                raise
            older = replace(api_version, version=api_version.older, older="")
            return self._send(method, path, older, payload, any_body)

    def _send(
        self, method: str, path: str, api_version: ApiVersion | None, payload: dict[str, Any] | None, any_body: bool
    ) -> Answer:
        version = f"{'&' if '?' in path else '?'}api-version={api_version.version}" if api_version else ""
        if not path.startswith("/"):
            raise Unclear("Azure", "an answer with an id that is no path")
        url, token = self._root + path + version, self._token().reveal()
        return self.http.send(_where(path), method, url, token=token, payload=payload, any_body=any_body)

    def answer(self, method: str, path: str) -> tuple[int, str]:
        """Status and beginning of what a service behind Resource Manager answers, in whatever form.

        Raises:
            CallError: there is no answer of that service.
        """
        where, token = _where(path), self._token().reveal()
        response = self.http.raw(where, method, self._root + path, headers={"Authorization": f"Bearer {token}"})
        self.http.note_time(response)
        status = response.status_code
        if status >= 500 or 300 <= status < 400:
            raise Unclear(where, f"HTTP {status}")
        if status == 429:
            raise Refused(where, status, throttled=True, retry_after=retry_after(response))
        return status, response.content[:_MOST_READ].decode(errors="replace")

    def permissions(self, scope: str) -> list[Permission]:
        """What we may do on ``scope``, by what Resource Manager says. Raises CallError."""
        listed = self.pages(f"{scope}/providers/Microsoft.Authorization/permissions", PERMISSIONS)
        return [read_permission(each) for each in listed]

    def denied(self, scope: str, actions: list[str]) -> list[str]:
        """Those of ``actions`` that we may not do on ``scope``, by what Resource Manager says. Raises CallError."""
        granted = self.permissions(scope)
        return [action for action in actions if not any(each.allows(action) for each in granted)]


def _where(path: str) -> str:
    kind = path.split("?")[0].rstrip("/").split("/")
    return f"Azure {kind[-2]} {kind[-1]}" if len(kind) > 2 else "Azure"


def read_permission(entry: dict[str, Any]) -> Permission:
    """An entry of a list of permissions. Raises Unclear: it is none."""
    with decoding("Azure permissions"):
        kinds = ("actions", "notActions", "dataActions", "notDataActions")
        return Permission(*(texts(entry.get(kind)) for kind in kinds))


def _named(action: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch.fnmatchcase(action.lower(), pattern.lower()) for pattern in patterns)


def portal_resource(text: str, cloud: Cloud) -> str:
    """An ARM id out of what the portal's address bar or a resource's JSON view shows; ``text`` itself otherwise.

    The portal writes ``https://portal.azure.com/#@<tenant>/resource/subscriptions/…/<blade>``.
    """
    parts = urlsplit(text)
    if parts.scheme == "https" and parts.netloc == cloud.portal:
        _, marker, resource = f"{parts.fragment}".partition("/resource/")
        return unquote(f"/{resource}") if marker else text
    return text


def arm_id(text: str, cloud: Cloud, provider: str, *kinds: str) -> tuple[str, str] | None:
    """The ARM id of a resource of ``provider`` (such as ``Microsoft.Web``) and the query behind it.

    ``kinds`` are its types from the outside in; blades that the portal appends are cut off. None where it is another.
    """
    path, _, query = portal_resource(text, cloud).partition("?")
    parts = path.strip("/").split("/")
    lower = [part.lower() for part in parts]
    wanted = ["subscriptions", None, "resourcegroups", None, "providers", provider.lower()]
    for kind in kinds:
        wanted += [kind.lower(), None]
    if len(parts) < len(wanted) or any(want not in (None, have) for want, have in zip(wanted, lower, strict=False)):
        return None
    return "/" + "/".join(parts[: len(wanted)]), query

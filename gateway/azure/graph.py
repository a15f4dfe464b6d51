"""Applications and their client secrets in Microsoft Graph.

Permission: ``Application.ReadWrite.OwnedBy``, and the admin credential's service principal is an owner of the app.
Source: https://learn.microsoft.com/graph/api/resources/application
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gateway.azure.decode import entries
from gateway.azure.versions import GRAPH
from gateway.errors import CallError, Failed, Refused, Unclear, next_page_elsewhere
from gateway.host.http import Answer, Http
from gateway.model.credential import NEVER, LiveCredential, Minted, read_stamp, stamp, utc
from gateway.secret import Secret

_SELECT = "$select=id,appId,displayName,createdDateTime,signInAudience,passwordCredentials"
_PAGE = 999  # the most that Graph gives at once
# With owners it gives fewer, and 20 owners of each:
# https://learn.microsoft.com/graph/known-issues#some-limitations-apply-to-query-parameters
_WITH_OWNERS = "$expand=owners($select=id,displayName,userPrincipalName)&$top=100"
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
OWNER_HINT = (
    "give the admin credential Application.ReadWrite.OwnedBy with admin consent, and make its service principal "
    "an owner of the app; a new permission takes some minutes"
)
_HINTS = {
    "Authorization_RequestDenied": OWNER_HINT,
    "InvalidAuthenticationToken": "the token was not accepted: check azure_cloud of the admin record",
    "CredentialInvalidLifetimeAsPerAppPolicy": "the tenant's app management policy allows only shorter lifetimes: "
    "lower secret_lifetime_days",
    "CredentialTypeNotAllowedAsPerAppPolicy": "the tenant's app management policy forbids client secrets on this app: "
    "use a certificate or workload identity federation, or ask for an exemption",
}


@dataclass(frozen=True)
class Application:
    """An app registration, as it was when it was read. ``owners``: by name, in a list of all applications."""

    object_id: str
    client_id: str
    name: str
    created: str
    audience: str
    passwords: tuple[LiveCredential, ...]
    owners: tuple[str, ...] = ()


class Graph:
    """Microsoft Graph v1.0 in one cloud.

    Args:
        http: the session of the run.
        root: ``https://graph.microsoft.com`` or that of another cloud.
        token: gives an access token of the admin credential.
    """

    def __init__(self, http: Http, root: str, token: Callable[[], Secret]) -> None:
        self._http = http
        self._root = f"{root}/{GRAPH.version}"
        self._token = token

    def find_application(self, given: str) -> Application:
        """The application that ``given`` names: by object id, client id, or its service principal's object id.

        Raises:
            Failed: no application, or not ours to read; the message says what was looked for.
            CallError
        """
        if not _GUID.fullmatch(given) or not given.strip("0-"):
            what = "is still the template's placeholder" if _GUID.fullmatch(given) else "is not an id"
            hint = "copy the Object ID or the Application (client) ID from the app registration's overview"
            raise Failed(f"application_object_id: {given!r} {what}", hint)
        denied: Refused | None = None
        for lookup in (self.application, self._by_client_id, self._by_principal):
            try:
                return lookup(given)
            except Refused as error:
                if error.status not in (403, 404):
                    raise
                denied = denied or (error if error.status == 403 and lookup != self._by_principal else None)
        raise denied or Failed(
            f"application_object_id: no application {given} in this tenant, by object id or by client id",
            "check the id, the tenant of the admin credential, and that the app was not deleted",
        )

    def application(self, object_id: str) -> Application:
        """The application with this object id.

        Raises:
            CallError
        """
        return self._application(f"/applications/{object_id}")

    def applications(self) -> Iterator[Application]:
        """All app registrations with their owners, page after page. Permission: ``Application.Read.All``.

        Raises:
            CallError
        """
        for entry in self._pages("applications", f"/applications?{_SELECT}&{_WITH_OWNERS}"):
            yield _application(entry)

    def owned_applications(self, client_id: str) -> Iterator[Application]:
        """Those that the service principal of ``client_id`` owns; ``Application.ReadWrite.OwnedBy`` is enough.

        Raises:
            CallError
        """
        for entry in self._pages("owned objects", f"/servicePrincipals(appId='{client_id}')/ownedObjects?$top={_PAGE}"):
            if str(entry.get("@odata.type")) == "#microsoft.graph.application":
                yield _application(entry)

    def client_id_of(self, principal: str) -> str:
        """The client id of the service principal with this object id; empty where there is none to be seen.

        Raises:
            CallError
        """
        path = f"/servicePrincipals/{principal}?$select=appId"
        try:
            answer = self._http.retrying(lambda: self._send("service principal", "GET", path))
        except Refused as error:
            if error.status in (400, 403, 404):
                return ""
            raise
        return str(answer.body.get("appId") or "")

    def _pages(self, what: str, path: str) -> Iterator[dict[str, Any]]:
        while path:
            body = self._page(what, path)
            entries = body.get("value")
            if not isinstance(entries, list):
                raise Unclear(f"Graph {what}", "an answer without a list")
            yield from entries
            following = str(body.get("@odata.nextLink") or "")
            if following and not following.startswith(f"{self._root}/"):
                raise next_page_elsewhere(f"Graph {what}")
            path = following.removeprefix(self._root)

    def _page(self, what: str, path: str) -> dict[str, Any]:
        return self._http.retrying(lambda: self._send(what, "GET", path)).body

    def add_password(self, object_id: str, name: str, ends: datetime) -> Minted:
        """A new client secret. Asked for once: after an `Unclear` there may be one, and nobody knows its value.

        Raises:
            CallError
        """
        wish = {"displayName": name, "endDateTime": stamp(ends)}
        path = f"/applications/{object_id}/addPassword"
        body = self._send("addPassword", "POST", path, {"passwordCredential": wish}).body
        try:
            return Minted(str(body["keyId"]).lower(), Secret(body["secretText"]), utc(body["endDateTime"]))
        except (KeyError, TypeError, ValueError, AttributeError):
            raise Unclear("Graph addPassword", "an answer without the secret") from None

    def remove_password(self, object_id: str, key_id: str) -> bool:
        """Remove a client secret; False where Graph does not know (or not yet) a secret with this key id.

        Raises:
            CallError
        """
        path = f"/applications/{object_id}/removePassword"
        try:
            answer = self._send("removePassword", "POST", path, {"keyId": key_id})
        except Refused as error:
            if error.status == 400 and error.code == "Request_BadRequest":
                return False
            raise
        if answer.status != 204:
            raise Unclear("Graph removePassword", f"HTTP {answer.status}, which Graph does not answer")
        return True

    def can_sign_in(self, client_id: str) -> bool | None:
        """Whether the application has an enabled service principal here; None where we may not know.

        Raises:
            CallError
        """
        path = f"/servicePrincipals(appId='{client_id}')?$select=id,accountEnabled"
        try:
            answer = self._http.retrying(lambda: self._send("service principal", "GET", path))
        except Refused as error:
            return False if error.status == 404 else None
        return answer.body.get("accountEnabled") is not False

    def owners(self, object_id: str) -> set[str]:
        """Object ids and user principal names of the application's owners, in lower case.

        Raises:
            CallError
        """
        path = f"/applications/{object_id}/owners?$select=id,userPrincipalName"
        answer = self._http.retrying(lambda: self._send("owners", "GET", path))
        entries = answer.body.get("value") or []
        names = (str(entry.get(key) or "").lower() for entry in entries for key in ("id", "userPrincipalName"))
        return set(names) - {""}

    def user_id(self, name: str) -> str:
        """The object id of a user, by user principal name (URL-escaped).

        Raises:
            CallError
        """
        answer = self._http.retrying(lambda: self._send("user", "GET", f"/users/{name}?$select=id"))
        return str(answer.body.get("id") or "")

    def add_owner(self, object_id: str, owner: str) -> None:
        """Make a directory object an owner of the application; one that is an owner already is done.

        Raises:
            CallError
        """
        reference = {"@odata.id": f"{self._root}/directoryObjects/{owner}"}
        path = f"/applications/{object_id}/owners/$ref"
        try:
            self._http.retrying(lambda: self._send("owners", "POST", path, reference))
        except Refused as error:
            if "already exist" not in str(error):
                raise

    def advice(self, what: str, path: str) -> dict[str, Any] | None:
        """What is good to know and not needed; None where we may not know, or there is none. Raises CallError."""
        try:
            return self._page(what, path)
        except Refused as error:
            if error.status in (400, 403, 404):
                return None
            raise

    def _by_client_id(self, client_id: str) -> Application:
        return self._application(f"/applications(appId='{client_id}')")

    def _by_principal(self, object_id: str) -> Application:
        path = f"/servicePrincipals/{object_id}?$select=appId"
        answer = self._http.retrying(lambda: self._send("service principal", "GET", path))
        try:
            return self._by_client_id(str(answer.body.get("appId", "")))
        except Refused as error:
            if error.status != 404:
                raise
        raise Failed(
            f"application_object_id: {object_id} is an enterprise application whose registration is elsewhere",
            "its secrets can be rotated only in the tenant where the app is registered",
        )

    def _application(self, path: str) -> Application:
        return self._http.retrying(lambda: _application(self._send("application", "GET", f"{path}?{_SELECT}").body))

    def _send(self, what: str, method: str, path: str, payload: dict[str, Any] | None = None) -> Answer:
        token = self._token().reveal()
        try:
            return self._http.send(f"Graph {what}", method, self._root + path, token=token, payload=payload)
        except CallError as error:
            if isinstance(error, Refused):
                error.hint = _HINTS.get(error.code, error.hint)
            raise


def is_guid(text: str) -> bool:
    """Whether this is the id of a directory object."""
    return bool(_GUID.fullmatch(text))


def _application(body: dict[str, Any]) -> Application:
    try:
        return Application(
            object_id=str(body["id"]),
            client_id=str(body["appId"]),
            name=str(body.get("displayName") or ""),
            created=str(body.get("createdDateTime") or ""),
            audience=str(body.get("signInAudience") or ""),
            passwords=read_passwords(body["passwordCredentials"]),
            owners=tuple(_owner(each) for each in entries(body.get("owners"))),
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        raise Unclear("Graph application", "an answer that lacks what was asked for") from None


def _owner(entry: dict[str, Any]) -> str:
    """A user's name, an application's, or the id of what we may not read."""
    return str(entry.get("userPrincipalName") or entry.get("displayName") or entry["id"])


def read_passwords(listed: object) -> tuple[LiveCredential, ...]:
    """Those that can be named: one without a key id is somebody else's. Raises TypeError."""
    return tuple(_live(each) for each in entries(listed) if each.get("keyId"))


def _live(password: dict[str, Any]) -> LiveCredential:
    return LiveCredential(
        key_id=str(password["keyId"]).lower(),
        name=str(password.get("displayName") or ""),
        hint=str(password.get("hint") or ""),
        ends=_end(password.get("endDateTime")),
    )


def _end(shown: object) -> datetime:
    """Never, where there is none or it is absurd: what others made must not stop a run."""
    moment = read_stamp(str(shown))
    return moment if moment and moment.year > 1 else NEVER

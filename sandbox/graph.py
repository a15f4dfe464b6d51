"""Microsoft Graph's applications: reading and changing them, their secrets and their owners."""

from __future__ import annotations

import copy
import re
from typing import Any

from sandbox import odata
from sandbox.clock import Clock, from_iso
from sandbox.directory import (
    DAY,
    PERSONAL_AUDIENCES,
    TWO_YEARS,
    Application,
    Directory,
    Password,
    new_id,
)
from sandbox.entra import Entra
from sandbox.graph_base import (
    API,
    GUID,
    READ_ALL,
    WRITE_ALL,
    WRITE_OWNED,
    GraphError,
    bad_request,
    not_found,
)
from sandbox.graph_principals import GraphPrincipals
from sandbox.messages import Request, Response
from sandbox.odata import Entity
from sandbox.service import STATE, route
from sandbox.tokens import Tokens

APPLICATIONS = API + r"/applications"
APPLICATION = APPLICATIONS + r"(?:/(?P<id>[^/()]+)|\(appId='(?P<client>[^']*)'\))"
MOST_PERSONAL_PASSWORDS = 2
LONG_SETTLED = 0.0


class Graph(GraphPrincipals):
    """Applications.

    ``replica_lag_seconds``: reads show the state of so long ago. ``stale_reads``: after each write, the next so many
    reads of that application show the state before it.
    """

    def __init__(
        self, directory: Directory, tokens: Tokens, entra: Entra, clock: Clock, careless: bool = False
    ) -> None:
        super().__init__(directory, tokens, clock, careless)
        self.entra = entra
        self.replica_lag_seconds = 0.0
        self.stale_reads = 0

    @route("HEAD", API + r"/?", "connection")
    def greet(self, request: Request, match: re.Match[str]) -> Response:
        """Clients that open a connection early ask for the root, without a token."""
        return Response(200, b"", {})

    # -- for tests and the demo ---------------------------------------------------------------------------------

    def new_application(
        self, display_name: str, audience: str = "AzureADMyOrg", roles: list[str] | None = None,
        service_principal: bool = True,
    ) -> Application:  # fmt: skip
        """An application that has been there for long, with its service principal and permissions."""
        with STATE:
            application = self.directory.add_application({"displayName": display_name, "signInAudience": audience})
            if service_principal:
                self.directory.add_service_principal(application, roles)
            self._settle(application)
        return application

    def add_password(
        self, application: Application | str, display_name: str | None = "by hand",
        expires_in_days: float = 365.0, age_days: float = 1.0,
    ) -> tuple[str, str]:  # fmt: skip
        """Give an application a secret that works at once; returns its key id and its text."""
        now = self.clock.now()
        password = Password(
            new_id(), self.directory.new_secret(), display_name, now - age_days * DAY, now + expires_in_days * DAY
        )
        with STATE:
            application = self.application(application)
            application.passwords.append(password)
            self._settle(application)
        return password.key_id, password.text

    def application(self, application: Application | str) -> Application:
        """An application by its object id. Raises KeyError."""
        return self.directory.applications[application] if isinstance(application, str) else application

    def passwords(self, application: Application | str) -> list[Password]:
        """The application's secrets as they truly are, oldest first, before any replica lag."""
        with STATE:
            return copy.deepcopy(self.application(application).passwords)

    def remove(self, application: Application | str, key_id: str) -> None:
        """Remove a secret behind everyone's back."""
        with STATE:
            application = self.application(application)
            application.passwords = [entry for entry in application.passwords if entry.key_id != key_id]
            self._settle(application)

    def _settle(self, application: Application) -> None:
        application.history = [(LONG_SETTLED, application.shown())]

    # -- reading ------------------------------------------------------------------------------------------------

    @route("GET", APPLICATIONS, "list_applications")
    def list_applications(self, request: Request, match: re.Match[str]) -> Response:
        """List or find applications. A caller with OwnedBy alone may not: it lists its service principal's objects."""
        if not self.caller(request).roles & {READ_ALL, WRITE_ALL}:
            raise GraphError(403)
        seen = [self._seen(application) for application in self.directory.applications.values()]
        return Response.of(200, odata.page(request, "applications", [entity for entity in seen if entity]))

    @route("GET", APPLICATION, "get_application")
    def get_application(self, request: Request, match: re.Match[str]) -> Response:
        """Read one, by object id or by client id."""
        application = self._permitted(request, match, write=False)
        seen = self._seen(application)
        if seen is None:
            raise not_found(match["id"] or match["client"])
        return self.entity(request, "applications", seen)

    def _seen(self, application: Application) -> Entity | None:
        """The application as a replica shows it: maybe older than it is, maybe not there yet."""
        if application.stale_reads > 0:
            application.stale_reads -= 1
            return application.history[-2][1] if len(application.history) > 1 else None
        if not self.replica_lag_seconds:
            return application.shown()
        known = self.clock.now() - self.replica_lag_seconds
        return next((entity for at, entity in reversed(application.history) if at <= known), None)

    def _permitted(
        self, request: Request, match: re.Match[str], write: bool, owned_suffices: bool = True
    ) -> Application:
        """The application that is named, if the caller's permissions reach it. Raises GraphError."""
        caller = self.caller(request)
        everything = {WRITE_ALL} if write else {WRITE_ALL, READ_ALL}
        if not caller.roles & (everything | ({WRITE_OWNED} if owned_suffices else set())):
            raise GraphError(403)
        application = self._named(match)
        if not caller.roles & everything and caller.object_id not in application.owners:
            raise GraphError(403)
        return application

    def _named(self, match: re.Match[str]) -> Application:
        key = match["id"] or match["client"]
        if not GUID.fullmatch(key):
            raise bad_request(f"Invalid object identifier '{key}'.")
        applications = self.directory.applications
        found = applications.get(key.lower()) if match["id"] else self.directory.by_client_id(key)
        if found is None:
            raise not_found(key)
        return found

    # -- writing ------------------------------------------------------------------------------------------------

    @route("POST", APPLICATIONS, "create_application")
    def create_application(self, request: Request, match: re.Match[str]) -> Response:
        """Register an application; its service principal is another request."""
        caller = self.caller(request)
        if not caller.roles & {WRITE_ALL, WRITE_OWNED}:
            raise GraphError(403)
        body = self.body(request)
        if not body.get("displayName"):
            raise bad_request("Invalid value specified for property 'displayName' of resource 'Application'.")
        body.pop("passwordCredentials", None)
        application = self.directory.add_application(body)
        if WRITE_ALL not in caller.roles:
            application.owners.append(caller.object_id)
        application.stale_reads = self.stale_reads
        return self.entity(request, "applications", application.shown(), 201)

    @route("PATCH", APPLICATION, "update_application")
    def update_application(self, request: Request, match: re.Match[str]) -> Response:
        """Change properties; a collection is replaced as a whole."""
        application = self._permitted(request, match, write=True)
        body = self.body(request)
        unknown = [name for name in body if name not in application.properties]
        if unknown or "passwordCredentials" in body:
            raise bad_request(f"Property '{(unknown or ['passwordCredentials'])[0]}' cannot be updated.")
        application.properties.update(body)
        return self._written(application)

    @route("DELETE", APPLICATION, "delete_application")
    def delete_application(self, request: Request, match: re.Match[str]) -> Response:
        """Move it to the deleted items; its secrets stop working."""
        application = self._permitted(request, match, write=True)
        del self.directory.applications[application.object_id]
        self.directory.deleted[application.object_id] = application
        return Response(204)

    @route("DELETE", API + r"/directory/deletedItems/(?P<id>[^/]+)", "purge_deleted_item")
    def purge_deleted_item(self, request: Request, match: re.Match[str]) -> Response:
        """Delete it for good."""
        if not self.caller(request).roles & {WRITE_ALL, WRITE_OWNED}:
            raise GraphError(403)
        if self.directory.deleted.pop(match["id"], None) is None:
            raise not_found(match["id"])
        return Response(204)

    def _written(self, application: Application) -> Response:
        self.directory.changed(application)
        application.stale_reads = self.stale_reads
        return Response(204)

    # -- secrets ------------------------------------------------------------------------------------------------

    @route("POST", APPLICATION + r"/addPassword", "add_password")
    def add_password_operation(self, request: Request, match: re.Match[str]) -> Response:
        """Mint a secret; this answer is the only one that ever shows its text."""
        application = self._permitted(request, match, write=True)
        wanted = self.body(request).get("passwordCredential") or {}
        now = self.clock.now()
        start = self._moment(wanted, "startDateTime", now)
        end = self._moment(wanted, "endDateTime", start + TWO_YEARS)
        self._check_policy(application, start, end)
        password = Password(new_id(), self.directory.new_secret(), wanted.get("displayName"), start, end)
        password.usable_from = now + self.entra.propagation_seconds
        password.flaps = list(self.entra.propagation_flaps)
        application.passwords.append(password)
        self._written(application)
        head = {"@odata.context": f"https://{request.host}/v1.0/$metadata#microsoft.graph.passwordCredential"}
        return Response.of(200, head | password.shown() | {"secretText": password.text})

    @route("POST", APPLICATION + r"/removePassword", "remove_password")
    def remove_password_operation(self, request: Request, match: re.Match[str]) -> Response:
        """Remove a secret, which stops working at once."""
        application = self._permitted(request, match, write=True)
        key_id = str(self.body(request).get("keyId") or "")
        password = application.password(key_id.lower())
        if password is None:
            raise bad_request(f"No password credential found with keyId: '{key_id}'.")
        application.passwords.remove(password)
        return self._written(application)

    def _moment(self, wanted: dict[str, Any], name: str, otherwise: float) -> float:
        try:
            return from_iso(wanted[name]) if wanted.get(name) else otherwise
        except (TypeError, ValueError):
            raise bad_request(f"Cannot convert the value of '{name}' to the type 'Edm.DateTimeOffset'.") from None

    def _check_policy(self, application: Application, start: float, end: float) -> None:
        if end <= max(start, self.clock.now()):
            raise bad_request("Key credential end date is invalid.")
        personal = application.audience in PERSONAL_AUDIENCES
        if personal and len(application.passwords) >= MOST_PERSONAL_PASSWORDS:
            count = len(application.passwords) + 1
            raise bad_request(f"Not allowed to add {count} passwords. You can only add a maximum of 2 passwords.")
        policy = application.policy or self.directory.policy
        if policy.passwords_forbidden:
            message = f"Credential type not allowed as per assigned policy '{policy.id}'."
            raise GraphError(400, "CredentialTypeNotAllowedAsPerAppPolicy", message)
        if policy.max_lifetime_days is not None and end - start > policy.max_lifetime_days * DAY:
            message = f"Credential lifetime exceeds the max value allowed as per assigned policy '{policy.id}'."
            raise GraphError(400, "CredentialInvalidLifetimeAsPerAppPolicy", message)

    # -- owners -------------------------------------------------------------------------------------------------

    @route("GET", APPLICATION + r"/owners", "list_owners")
    def list_owners(self, request: Request, match: re.Match[str]) -> Response:
        """Who owns it."""
        application = self._permitted(request, match, write=False)
        owners = [self.directory_object(owner) for owner in application.owners]
        return Response.of(200, odata.page(request, "directoryObjects", owners))

    @route("POST", APPLICATION + r"/owners/\$ref", "add_owner")
    def add_owner(self, request: Request, match: re.Match[str]) -> Response:
        """Add an owner. OwnedBy is not enough for that."""
        application = self._permitted(request, match, write=True, owned_suffices=False)
        owner = str(self.body(request).get("@odata.id", "")).rstrip("/").rsplit("/", 1)[-1]
        self.directory_object(owner)
        if owner in application.owners:
            raise bad_request("One or more added object references already exist for the property 'owners'.")
        application.owners.append(owner)
        return Response(204)

    @route("DELETE", APPLICATION + r"/owners/(?P<owner>[^/]+)/\$ref", "remove_owner")
    def remove_owner(self, request: Request, match: re.Match[str]) -> Response:
        """Drop an owner."""
        application = self._permitted(request, match, write=True, owned_suffices=False)
        if match["owner"] not in application.owners:
            raise not_found(match["owner"])
        application.owners.remove(match["owner"])
        return Response(204)

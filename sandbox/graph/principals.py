"""Graph's service principals, users and directory objects: as much as a rotation and its set-up read."""

from __future__ import annotations

import re

from sandbox.entra.directory import ServicePrincipal
from sandbox.entra.tokens import Caller
from sandbox.graph import odata
from sandbox.graph.base import (
    API,
    READ_ALL,
    READ_USERS,
    ROLE_IDS,
    WRITE_ALL,
    WRITE_OWNED,
    GraphBase,
    GraphError,
    bad_request,
    not_found,
)
from sandbox.graph.odata import Entity
from sandbox.proxy.messages import Request, Response
from sandbox.proxy.service import Part, route

PRINCIPALS = API + r"/servicePrincipals"
PRINCIPAL = PRINCIPALS + r"(?:/(?P<id>[^/()]+)|\(appId='(?P<client>[^']*)'\))"


class GraphPrincipals(Part):
    """Who is in the tenant besides applications."""

    def __init__(self, graph: GraphBase) -> None:
        self.graph = graph

    @route("GET", PRINCIPALS, "list_service_principals")
    def list_service_principals(self, request: Request, match: re.Match[str]) -> Response:
        """List or find service principals."""
        if not self.graph.caller(request).roles & {READ_ALL, WRITE_ALL}:
            raise GraphError(403)
        shown = [self._principal_entity(principal) for principal in self.graph.directory.service_principals.values()]
        return Response.of(200, odata.page(request, "servicePrincipals", shown))

    @route("POST", PRINCIPALS, "create_service_principal")
    def create_service_principal(self, request: Request, match: re.Match[str]) -> Response:
        """Make an application known in the tenant."""
        if not self.graph.caller(request).roles & {WRITE_OWNED, WRITE_ALL}:
            raise GraphError(403)
        client_id = str(self.graph.body(request).get("appId", ""))
        application = self.graph.directory.by_client_id(client_id)
        if application is None:
            raise bad_request(f"The appId '{client_id}' does not reference a valid application object.")
        if self.graph.directory.principal_of(client_id):
            raise GraphError(409, "Request_MultipleObjectsWithSameKeyValue", "The service principal name is in use.")
        principal = self.graph.directory.add_service_principal(application)
        return self.graph.entity(request, "servicePrincipals", self._principal_entity(principal), 201)

    @route("GET", PRINCIPAL, "get_service_principal")
    def get_service_principal(self, request: Request, match: re.Match[str]) -> Response:
        """Read one, by object id or by client id."""
        principal = self._readable_principal(request, match)
        return self.graph.entity(request, "servicePrincipals", self._principal_entity(principal))

    @route("GET", PRINCIPAL + r"/ownedObjects", "list_owned_objects")
    def list_owned_objects(self, request: Request, match: re.Match[str]) -> Response:
        """The applications that it owns: the one way to list for a caller that may touch only what it owns."""
        principal = self._readable_principal(request, match)
        owned = [
            {"@odata.type": "#microsoft.graph.application"} | application.shown()
            for application in self.graph.directory.applications.values()
            if principal.object_id in application.owners
        ]
        return Response.of(200, odata.page(request, "directoryObjects", owned))

    @route("GET", PRINCIPAL + r"/appRoleAssignments", "list_app_roles")
    def list_app_roles(self, request: Request, match: re.Match[str]) -> Response:
        """Which permissions of applications it was given: to be read with a permission to read all applications."""
        principal = self._of_all(request, match)
        given = [{"appRoleId": ROLE_IDS.get(role, "00000000-0000-0000-0000-000000000000")} for role in principal.roles]
        return Response.of(200, odata.page(request, "appRoleAssignments", given))

    @route("GET", PRINCIPAL + r"/transitiveMemberOf", "list_memberships")
    def list_memberships(self, request: Request, match: re.Match[str]) -> Response:
        """Its groups and directory roles, by their types alone where it may not read more."""
        principal = self._of_all(request, match)
        given = [{"@odata.type": "#microsoft.graph.directoryRole", "id": None}] if principal.administers else []
        return Response.of(200, odata.page(request, "directoryObjects", given))

    def _of_all(self, request: Request, match: re.Match[str]) -> ServicePrincipal:
        if not self.graph.caller(request).roles & {READ_ALL, WRITE_ALL}:
            raise GraphError(403)
        return self._readable_principal(request, match)

    @route("GET", API + r"/users/(?P<id>[^/]+)", "get_user")
    def get_user(self, request: Request, match: re.Match[str]) -> Response:
        """Read a user, by object id or by user principal name."""
        if not self.graph.caller(request).roles & READ_USERS:
            raise GraphError(403)
        for user in self.graph.directory.users.values():
            if match["id"].lower() in (user.object_id, user.principal_name.lower()):
                return self.graph.entity(request, "users", user.shown())
        raise not_found(match["id"])

    @route("GET", API + r"/directoryObjects/(?P<id>[^/]+)", "get_directory_object")
    def get_directory_object(self, request: Request, match: re.Match[str]) -> Response:
        """Read any object by its id."""
        if not self.graph.caller(request).roles & (READ_USERS | {READ_ALL, WRITE_ALL}):
            raise GraphError(403)
        return self.graph.entity(request, "directoryObjects", self.directory_object(match["id"]))

    def directory_object(self, object_id: str) -> Entity:
        """A user, service principal or application with its type. Raises GraphError."""
        if user := self.graph.directory.users.get(object_id):
            return {"@odata.type": "#microsoft.graph.user"} | user.shown()
        if principal := self.graph.directory.service_principals.get(object_id):
            return {"@odata.type": "#microsoft.graph.servicePrincipal"} | self._principal_entity(principal)
        if application := self.graph.directory.applications.get(object_id):
            return {"@odata.type": "#microsoft.graph.application"} | application.shown()
        raise not_found(object_id)

    def _principal_entity(self, principal: ServicePrincipal) -> Entity:
        return principal.shown(self.graph.directory.tenant_id)

    def _readable_principal(self, request: Request, match: re.Match[str]) -> ServicePrincipal:
        caller = self.graph.caller(request)
        key = match["id"] or match["client"]
        principals = self.graph.directory.service_principals
        principal = principals.get(key) if match["id"] else self.graph.directory.principal_of(key)
        if principal is None:
            raise not_found(key)
        if not caller.roles & {READ_ALL, WRITE_ALL} and not self._owns(caller, principal):
            raise GraphError(403)
        return principal

    def _owns(self, caller: Caller, principal: ServicePrincipal) -> bool:
        """Its own service principal any caller may read; others' only with OwnedBy and the application's ownership."""
        application = self.graph.directory.by_client_id(principal.client_id)
        owned = application is not None and caller.object_id in application.owners
        return caller.object_id == principal.object_id or (WRITE_OWNED in caller.roles and owned)

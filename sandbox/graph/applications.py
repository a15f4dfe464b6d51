"""Graph's applications and their owners: reading and changing them. Their secrets are in passwords.py."""

from __future__ import annotations

import re

from sandbox.entra.directory import Application
from sandbox.graph import odata
from sandbox.graph.base import (
    API,
    GUID,
    READ_ALL,
    WRITE_ALL,
    WRITE_OWNED,
    GraphBase,
    GraphError,
    bad_request,
    not_found,
)
from sandbox.graph.odata import Entity
from sandbox.graph.principals import GraphPrincipals
from sandbox.proxy.messages import Request, Response
from sandbox.proxy.service import Part, route

APPLICATIONS = API + r"/applications"
APPLICATION = APPLICATIONS + r"(?:/(?P<id>[^/()]+)|\(appId='(?P<client>[^']*)'\))"
# What a list takes that expands a relationship, and what it then shows of it:
# https://learn.microsoft.com/graph/known-issues#some-limitations-apply-to-query-parameters
EXPANDED, MOST_EXPANDED = 100, 20


class GraphApplications(Part):
    """Applications; ``principals`` knows who can own one."""

    def __init__(self, graph: GraphBase, principals: GraphPrincipals) -> None:
        self.graph = graph
        self.clock = graph.clock
        self.principals = principals

    @route("GET", APPLICATIONS, "list_applications")
    def list_applications(self, request: Request, match: re.Match[str]) -> Response:
        """List or find applications. A caller with OwnedBy alone may not: it lists its service principal's objects."""
        if not self.graph.caller(request).roles & {READ_ALL, WRITE_ALL}:
            raise GraphError(403)
        expands = request.query.get("$expand")
        if expands and int(request.query.get("$top") or 0) > EXPANDED:
            raise bad_request(f"Invalid page size specified: it must be between 1 and {EXPANDED} inclusive.")
        seen = [self._seen(application) for application in self.graph.directory.applications.values()]
        page = odata.page(request, "applications", [entity for entity in seen if entity])
        if expands:
            page["value"] = [entity | {"owners": self._expanded(entity["id"], expands)} for entity in page["value"]]
        return Response.of(200, page)

    def _expanded(self, object_id: str, expands: str) -> list[Entity]:
        """The owners of an application; of those that the caller may not read, only what they are."""
        wanted = re.fullmatch(r"owners(?:\(\$select=([\w,]+)\))?", expands)
        if wanted is None:
            raise bad_request(f"Parsing OData Select and Expand failed: '{expands}'.")
        owners = self.graph.directory.applications[object_id].owners[:MOST_EXPANDED]
        shown = [self.principals.directory_object(owner) for owner in owners]
        kinds = [{"@odata.type": each["@odata.type"]} for each in shown]
        return [kind | odata.select(each, wanted[1]) for kind, each in zip(kinds, shown, strict=True)]

    @route("GET", APPLICATION, "get_application")
    def get_application(self, request: Request, match: re.Match[str]) -> Response:
        """Read one, by object id or by client id."""
        application = self.permitted(request, match, write=False)
        seen = self._seen(application)
        if seen is None:
            raise not_found(match["id"] or match["client"])
        return self.graph.entity(request, "applications", seen)

    def _seen(self, application: Application) -> Entity | None:
        """The application as a replica shows it: maybe older than it is, maybe not there yet."""
        if application.stale_reads > 0:
            application.stale_reads -= 1
            return application.history[-2][1] if len(application.history) > 1 else None
        lag = self.graph.lag()
        if not lag:
            return application.shown()
        known = self.clock.now() - lag
        return next((entity for at, entity in reversed(application.history) if at <= known), None)

    def permitted(
        self, request: Request, match: re.Match[str], write: bool, owned_suffices: bool = True
    ) -> Application:
        """The application that is named, if the caller's permissions reach it. Raises GraphError."""
        caller = self.graph.caller(request)
        everything = {WRITE_ALL} if write else {WRITE_ALL, READ_ALL}
        principal = self.graph.directory.service_principals.get(caller.object_id)
        if principal and principal.administers:
            return self.named(match)
        if not caller.roles & (everything | ({WRITE_OWNED} if owned_suffices else set())):
            raise GraphError(403)
        application = self.named(match)
        if not caller.roles & everything and caller.object_id not in application.owners:
            raise GraphError(403)
        return application

    def named(self, match: re.Match[str]) -> Application:
        """The application that a path names, whoever asks. Raises GraphError."""
        key = match["id"] or match["client"]
        if not GUID.fullmatch(key):
            raise bad_request(f"Invalid object identifier '{key}'.")
        applications = self.graph.directory.applications
        found = applications.get(key.lower()) if match["id"] else self.graph.directory.by_client_id(key)
        if found is None:
            raise not_found(key)
        return found

    @route("POST", APPLICATIONS, "create_application")
    def create_application(self, request: Request, match: re.Match[str]) -> Response:
        """Register an application; its service principal is another request."""
        caller = self.graph.caller(request)
        if not caller.roles & {WRITE_ALL, WRITE_OWNED}:
            raise GraphError(403)
        body = self.graph.body(request)
        if not body.get("displayName"):
            raise bad_request("Invalid value specified for property 'displayName' of resource 'Application'.")
        body.pop("passwordCredentials", None)
        application = self.graph.directory.add_application(body)
        if WRITE_ALL not in caller.roles:
            application.owners.append(caller.object_id)
        application.stale_reads = self.graph.stale_reads
        return self.graph.entity(request, "applications", application.shown(), 201)

    @route("PATCH", APPLICATION, "update_application")
    def update_application(self, request: Request, match: re.Match[str]) -> Response:
        """Change properties; a collection is replaced as a whole."""
        application = self.permitted(request, match, write=True)
        body = self.graph.body(request)
        unknown = [name for name in body if name not in application.properties]
        if unknown or "passwordCredentials" in body:
            raise bad_request(f"Property '{(unknown or ['passwordCredentials'])[0]}' cannot be updated.")
        application.properties.update(body)
        return self.written(application)

    @route("DELETE", APPLICATION, "delete_application")
    def delete_application(self, request: Request, match: re.Match[str]) -> Response:
        """Move it to the deleted items; its secrets stop working."""
        application = self.permitted(request, match, write=True)
        del self.graph.directory.applications[application.object_id]
        self.graph.directory.deleted[application.object_id] = application
        return Response(204)

    @route("DELETE", API + r"/directory/deletedItems/(?P<id>[^/]+)", "purge_deleted_item")
    def purge_deleted_item(self, request: Request, match: re.Match[str]) -> Response:
        """Delete it for good."""
        if not self.graph.caller(request).roles & {WRITE_ALL, WRITE_OWNED}:
            raise GraphError(403)
        if self.graph.directory.deleted.pop(match["id"], None) is None:
            raise not_found(match["id"])
        return Response(204)

    def written(self, application: Application) -> Response:
        """The answer to a write, after which replicas may lag."""
        self.graph.directory.changed(application)
        application.stale_reads = self.graph.stale_reads
        return Response(204)

    @route("GET", APPLICATION + r"/owners", "list_owners")
    def list_owners(self, request: Request, match: re.Match[str]) -> Response:
        """Who owns it."""
        application = self.permitted(request, match, write=False)
        owners = [self.principals.directory_object(owner) for owner in application.owners]
        return Response.of(200, odata.page(request, "directoryObjects", owners))

    @route("POST", APPLICATION + r"/owners/\$ref", "add_owner")
    def add_owner(self, request: Request, match: re.Match[str]) -> Response:
        """Add an owner. OwnedBy is not enough for that."""
        application = self.permitted(request, match, write=True, owned_suffices=False)
        owner = str(self.graph.body(request).get("@odata.id", "")).rstrip("/").rsplit("/", 1)[-1]
        self.principals.directory_object(owner)
        if owner in application.owners:
            raise bad_request("One or more added object references already exist for the property 'owners'.")
        application.owners.append(owner)
        return Response(204)

    @route("DELETE", APPLICATION + r"/owners/(?P<owner>[^/]+)/\$ref", "remove_owner")
    def remove_owner(self, request: Request, match: re.Match[str]) -> Response:
        """Drop an owner."""
        application = self.permitted(request, match, write=True, owned_suffices=False)
        if match["owner"] not in application.owners:
            raise not_found(match["owner"])
        application.owners.remove(match["owner"])
        return Response(204)

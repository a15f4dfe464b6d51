"""Azure DevOps, and what tests and the demo do to it directly."""

from __future__ import annotations

import copy
from typing import Any

from sandbox.arm.roles import Roles
from sandbox.devops.base import MANAGE, DevOpsBase
from sandbox.devops.endpoints import DevOpsEndpoints
from sandbox.devops.locations import DevOpsLocations
from sandbox.devops.model import ADMINISTRATOR, ROLES, Endpoint, Identity, Organization, Project, new_token
from sandbox.entra.directory import Directory, new_id
from sandbox.entra.service import Entra
from sandbox.entra.tokens import Tokens
from sandbox.proxy.clock import Clock
from sandbox.proxy.service import STATE


class DevOps(DevOpsBase):
    """All organisations."""

    def __init__(
        self, directory: Directory, tokens: Tokens, roles: Roles, entra: Entra, clock: Clock,
        echoes_requests: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(directory, tokens, roles, clock, echoes_requests)
        self._endpoints = DevOpsEndpoints(self, entra)
        self.parts = (DevOpsLocations(self), self._endpoints)

    def add_organization(self, name: str) -> Organization:
        """The organisation of this name, made if it is not there."""
        with STATE:
            return self.organizations.setdefault(name.lower(), Organization(name))

    def add_project(self, organization: Organization, name: str) -> Project:
        """The project of this name, made if it is not there."""
        with STATE:
            project = organization.project(name) or Project(name)
            organization.projects[project.id] = project
        return project

    def add_member(self, organization: Organization, client_id: str) -> Identity:
        """Add an application's service principal as a user."""
        identity = organization.identity(client_id)
        if identity is None:
            application = self.directory.by_client_id(client_id)
            identity = Identity(application.display_name if application else client_id, client_id)
            organization.identities.append(identity)
        return identity

    def add_pat(self, organization: Organization, owner: str, scope: str = MANAGE) -> str:
        """A new personal access token of a person, who is added if not there."""
        identity = organization.identity(owner)
        if identity is None:
            identity = Identity(owner)
            organization.identities.append(identity)
        token = new_token()
        identity.scopes[token] = scope
        self.directory.issued.append(token)
        return token

    def add_endpoint(
        self, organization: Organization, projects: list[Project], name: str, parameters: dict[str, Any], *,
        scheme: str = "ServicePrincipal", creation_mode: str = "Manual", kind: str = "azurerm",
        more: dict[str, Any] | None = None,
    ) -> Endpoint:  # fmt: skip
        """Make a service endpoint in these projects. ``more``: further fields, known to Azure DevOps or not."""
        data = {
            "environment": "AzureCloud", "scopeLevel": "Subscription", "subscriptionId": new_id(),
            "subscriptionName": "Production", "creationMode": creation_mode,
        }  # fmt: skip
        creator = Identity("Dana Swope").shown(organization.name)
        endpoint = Endpoint({
            "data": data, "id": new_id(), "name": name, "type": kind, "url": "https://management.azure.com/",
            "createdBy": creator, "description": "", "authorization": {"parameters": parameters, "scheme": scheme},
            "isShared": len(projects) > 1, "isOutdated": False, "isReady": True, "owner": "library",
            "serviceEndpointProjectReferences": [
                {"projectReference": {"id": project.id, "name": project.name}, "name": name, "description": ""}
                for project in projects
            ],
        } | (more or {}))  # fmt: skip
        with STATE:
            organization.endpoints[endpoint.id] = endpoint
        return endpoint

    def grant(self, organization: Organization, who: str, endpoint: Endpoint | str, role: str = ADMINISTRATOR) -> None:
        """Give an identity (client id or name) a role on an endpoint. Raises KeyError."""
        identity = organization.identity(who)
        if identity is None or role not in ROLES:
            raise KeyError(who if identity is None else role)
        self.find(endpoint).roles[identity.id] = role

    def find(self, endpoint: Endpoint | str) -> Endpoint:
        """An endpoint by its id. Raises KeyError."""
        if isinstance(endpoint, Endpoint):
            return endpoint
        found = [entry.endpoints[endpoint] for entry in self.organizations.values() if endpoint in entry.endpoints]
        if not found:
            raise KeyError(endpoint)
        return found[0]

    def stored(self, endpoint: Endpoint | str) -> dict[str, Any]:
        """All that is kept of an endpoint, its secrets included. Raises KeyError."""
        with STATE:
            return copy.deepcopy(self.find(endpoint).content)

    def works(self, endpoint: Endpoint | str) -> bool:
        """Whether the endpoint can sign in now."""
        with STATE:
            found = self.find(endpoint)
            return self._endpoints.sign_in_refusal(found.content, found.parameters) is None

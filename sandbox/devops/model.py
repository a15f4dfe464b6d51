"""Azure DevOps organisations: projects, identities with their roles, and service endpoints as they are stored."""

from __future__ import annotations

import copy
import secrets
from dataclasses import dataclass, field
from typing import Any

from sandbox.entra.directory import new_id

SECRET_PARAMETERS = frozenset({"serviceprincipalkey", "password", "apitoken", "accesstoken", "certificate", "key"})
READER, USER, ADMINISTRATOR = "Reader", "User", "Administrator"
ROLES = (READER, USER, ADMINISTRATOR)
# The bits of the security namespace ServiceEndpoints, and the least role that has each of them:
# https://learn.microsoft.com/azure/devops/organizations/security/namespace-reference
BITS = {1: USER, 2: ADMINISTRATOR, 4: ADMINISTRATOR, 8: USER, 16: READER}


@dataclass
class Identity:
    """Someone in an organisation: a service principal (``client_id``) or a person with personal access tokens."""

    name: str
    client_id: str | None = None
    id: str = field(default_factory=new_id)
    scopes: dict[str, str] = field(default_factory=dict, repr=False)
    """Each token and its scope."""

    @property
    def descriptor(self) -> str:
        """The name by which security lists know it."""
        return f"{'aadsp' if self.client_id else 'aad'}.{self.id.replace('-', '')}"

    def shown(self, organization: str) -> dict[str, Any]:
        """As a reference to an identity."""
        avatar = f"https://dev.azure.com/{organization}/_apis/GraphProfile/MemberAvatars/{self.descriptor}"
        return {
            "displayName": self.name,
            "url": f"https://spsprodweu1.vssps.visualstudio.com/_apis/Identities/{self.id}",
            "_links": {"avatar": {"href": avatar}},
            "id": self.id,
            "uniqueName": self.client_id or f"{self.name}@contoso.onmicrosoft.com",
            "imageUrl": avatar,
            "descriptor": self.descriptor,
        }


@dataclass
class Project:
    """A team project."""

    name: str
    id: str = field(default_factory=new_id)

    def shown(self, organization: str) -> dict[str, Any]:
        """As lists of projects show it."""
        return {
            "id": self.id,
            "name": self.name,
            "url": f"https://dev.azure.com/{organization}/_apis/projects/{self.id}",
            "state": "wellFormed",
            "revision": 11,
            "visibility": "private",
            "lastUpdateTime": "2024-05-07T06:52:43.217Z",
        }


@dataclass
class Endpoint:
    """A service endpoint. ``content``: all that is stored, its secrets too; ``ready``: when the last change is done.

    ``denied_in``: ids of projects in whose list of permissions nobody has any here.
    """

    content: dict[str, Any] = field(repr=False)
    roles: dict[str, str] = field(default_factory=dict)
    ready: float = 0.0
    denied_in: set[str] = field(default_factory=set)

    @property
    def id(self) -> str:
        """The endpoint's id."""
        return str(self.content["id"])

    @property
    def parameters(self) -> dict[str, Any]:
        """What it authenticates with."""
        found: dict[str, Any] = self.content.get("authorization", {}).get("parameters") or {}
        return found

    @property
    def projects(self) -> list[str]:
        """The ids of the projects that it is in."""
        references = self.content.get("serviceEndpointProjectReferences") or []
        return [str(reference["projectReference"]["id"]) for reference in references]

    def shown(self, now: float, listed: bool = False) -> dict[str, Any]:
        """As answers show it: secrets are null, and left out of lists."""
        content = copy.deepcopy(self.content)
        parameters = content.get("authorization", {}).get("parameters") or {}
        for name in [name for name in parameters if name.lower() in SECRET_PARAMETERS]:
            parameters[name] = None
            if listed:
                del parameters[name]
        content["isReady"] = now >= self.ready
        state = "Ready" if content["isReady"] else "InProgress"
        return content | {"operationStatus": {"state": state, "statusMessage": "", "severity": None}}

    def allows(self, identity: Identity, role: str) -> bool:
        """Whether the identity has this role here, or a better one."""
        own = self.roles.get(identity.id)
        return own is not None and ROLES.index(own) >= ROLES.index(role)

    def merge_references(self, wanted: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The project references after a change: named ones are as sent, and none ever goes."""
        named = {str(reference["projectReference"]["id"]): reference for reference in wanted}
        kept = [
            reference for reference in self.content.get("serviceEndpointProjectReferences") or []
            if str(reference["projectReference"]["id"]) not in named
        ]  # fmt: skip
        return [*wanted, *kept]


@dataclass
class Organization:
    """An organisation with everything in it."""

    name: str
    id: str = field(default_factory=new_id)
    projects: dict[str, Project] = field(default_factory=dict)
    identities: list[Identity] = field(default_factory=list)
    endpoints: dict[str, Endpoint] = field(default_factory=dict)

    def project(self, text: str) -> Project | None:
        """A project by its name or id."""
        wanted = text.lower()
        return next((entry for entry in self.projects.values() if wanted in (entry.id, entry.name.lower())), None)

    def identity(self, who: str) -> Identity | None:
        """An identity by its client id or name."""
        return next((entry for entry in self.identities if who in (entry.client_id, entry.name)), None)

    def by_token(self, token: str) -> Identity | None:
        """The owner of a personal access token."""
        return next((entry for entry in self.identities if token in entry.scopes), None)


def new_token() -> str:
    """A personal access token as Azure DevOps makes them: 84 letters and digits."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
    return "".join(secrets.choice(alphabet) for _ in range(84))

"""Graph's app management policies: what the tenant lets client secrets be, for who may read it."""

from __future__ import annotations

import re
from typing import Any

from sandbox.graph.applications import APPLICATION, GraphApplications
from sandbox.graph.base import API, READ_POLICIES, GraphBase, GraphError
from sandbox.proxy.messages import Request, Response
from sandbox.proxy.service import Part, route


class GraphPolicies(Part):
    """The tenant's own policy, and those that are assigned to an application."""

    def __init__(self, graph: GraphBase, applications: GraphApplications) -> None:
        self.graph = graph
        self.clock = graph.clock
        self.applications = applications

    @route("GET", API + r"/policies/defaultAppManagementPolicy", "get_default_app_management_policy")
    def get_default(self, request: Request, match: re.Match[str]) -> Response:
        """What holds where an application has no policy of its own."""
        self._admit(request)
        policy = self.graph.directory.policy
        nothing: dict[str, Any] = {"passwordCredentials": [], "keyCredentials": []}
        return self.graph.entity(request, "policies/defaultAppManagementPolicy", {
            "id": "00000000-0000-0000-0000-000000000000",
            "displayName": "Default app management tenant policy",
            "description": "Default tenant policy that enforces app management restrictions.",
            "isEnabled": policy.is_enabled,
            "applicationRestrictions": nothing | {"passwordCredentials": policy.restrictions()},
            "servicePrincipalRestrictions": nothing,
        })  # fmt: skip

    @route("GET", APPLICATION + r"/appManagementPolicies", "list_app_management_policies")
    def list_assigned(self, request: Request, match: re.Match[str]) -> Response:
        """The one that an application has instead; none is usual."""
        self._admit(request)
        policy = self.applications.named(match).policy
        shown = [] if policy is None else [{
            "id": policy.id, "displayName": "an exemption", "description": None, "isEnabled": True,
            "restrictions": {"passwordCredentials": policy.restrictions(), "keyCredentials": []},
        }]  # fmt: skip
        return Response.of(200, {"value": shown})

    def _admit(self, request: Request) -> None:
        if READ_POLICIES not in self.graph.caller(request).roles:
            raise GraphError(403)

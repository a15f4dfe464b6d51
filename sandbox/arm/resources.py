"""Azure Resource Manager's own operations: subscriptions, resource groups, lists of everything, permissions."""

from __future__ import annotations

import re
from typing import Any

from sandbox.arm.base import GROUP, SUBSCRIPTION, ArmError, Resource, collection, filter_terms, json_object, page
from sandbox.arm.service import Arm
from sandbox.proxy.messages import Request, Response
from sandbox.proxy.service import STATE, Part, route

READ_GROUPS = "Microsoft.Resources/subscriptions/resourceGroups/read"


class ResourceManager(Part):
    """What belongs to no resource provider."""

    def __init__(self, arm: Arm) -> None:
        self.arm = arm
        self.resources = arm.resources

    # -- for tests and the demo ---------------------------------------------------------------------------------

    def add_group(self, name: str, location: str = "westeurope") -> str:
        """Make a resource group; returns its ARM id."""
        with STATE:
            return self.resources.add_group(name, location).id

    # -- the wire -----------------------------------------------------------------------------------------------

    @route("GET", r"/subscriptions/?", "list_subscriptions")
    def list_subscriptions(self, request: Request, match: re.Match[str]) -> Response:
        """The subscription, for those who have any role in it."""
        caller = self.arm.caller(request)
        there = self.arm.roles.anything_in(caller.client_id, self.resources.subscription)
        return Response.of(200, {
            "value": [self._subscription()] if there else [], "count": {"type": "Total", "value": int(there)},
        })  # fmt: skip

    @route("GET", SUBSCRIPTION, "get_subscription")
    def get_subscription(self, request: Request, match: re.Match[str]) -> Response:
        """The subscription itself."""
        if not self.arm.roles.anything_in(self.arm.caller(request).client_id, self.resources.subscription):
            self.arm.authorize(request, "Microsoft.Resources/subscriptions/read", self.resources.subscription)
        return Response.of(200, self._subscription())

    @route("GET", SUBSCRIPTION + r"/resourceGroups", "list_groups")
    def list_groups(self, request: Request, match: re.Match[str]) -> Response:
        """The resource groups that the caller may read."""
        caller = self.arm.caller(request)
        groups = self.resources.groups.values()
        return collection(
            _group(entry) for entry in groups if self.arm.roles.allowed(caller.client_id, READ_GROUPS, entry.id)
        )

    @route("GET", GROUP, "get_group")
    def get_group(self, request: Request, match: re.Match[str]) -> Response:
        """One resource group."""
        self.arm.authorize(request, READ_GROUPS, match[0])
        return Response.of(200, _group(self.arm.group(match[0])))

    @route("PUT", GROUP, "put_group")
    def put_group(self, request: Request, match: re.Match[str]) -> Response:
        """Make a resource group."""
        self.arm.authorize(request, "Microsoft.Resources/subscriptions/resourceGroups/write", match[0])
        content = json_object(request)
        if not content.get("location"):
            raise ArmError(400, "LocationRequired", "A resource group needs a location.")
        known = match["group"].lower() in self.resources.groups
        group = self.resources.add_group(match["group"], content["location"], content.get("tags"))
        return Response.of(200 if known else 201, _group(group))

    @route("GET", f"(?:{GROUP}|{SUBSCRIPTION.replace('<subscription>', '<only>')})/resources", "list_resources")
    def list_resources(self, request: Request, match: re.Match[str]) -> Response:
        """Resources of every type, as far as ``$filter`` allows."""
        scope = match[0].rsplit("/", 1)[0]
        caller = self.arm.caller(request)
        terms = filter_terms(request.query.get("$filter", ""))
        found = [
            entry.summary() for entry in self.resources.below(scope, Resource)
            if self.arm.roles.allowed(caller.client_id, f"{entry.type}/read", entry.id)
            and terms.get("resourcetype", entry.type).lower() == entry.type.lower()
            and terms.get("name", entry.name).lower() == entry.name.lower()
        ]  # fmt: skip
        return Response.of(200, page(request, found, self.arm.page_size))

    @route("GET", r"(?P<scope>/subscriptions/.+)/providers/Microsoft\.Authorization/permissions", "permissions")
    def permissions(self, request: Request, match: re.Match[str]) -> Response:
        """What the caller itself may do at a scope: the way to check a permission without using it."""
        self.arm.authorize(request, "Microsoft.Authorization/permissions/read", match["scope"])
        roles = self.arm.roles.at(self.arm.caller(request).client_id, match["scope"])
        return collection(role.shown() for role in roles)

    def _subscription(self) -> dict[str, Any]:
        return {
            "id": self.resources.subscription,
            "authorizationSource": "RoleBased",
            "managedByTenants": [],
            "subscriptionId": self.resources.subscription_id,
            "tenantId": self.arm.directory.tenant_id,
            "displayName": "sandbox",
            "state": "Enabled",
            "subscriptionPolicies": {
                "locationPlacementId": "Internal_2014-09-01", "quotaId": "Internal_2014-09-01", "spendingLimit": "Off",
            },
        }  # fmt: skip


def _group(group: Resource) -> dict[str, Any]:
    return group.summary() | {"properties": {"provisioningState": "Succeeded"}}

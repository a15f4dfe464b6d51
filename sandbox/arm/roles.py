"""Who may do what in Azure: role definitions, and their assignment to a principal at a scope.

A scope is a resource's ARM id; a role holds there and on everything below it. ``actions`` are for the management
plane, ``data_actions`` for what a resource keeps (the secrets of a key vault).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from sandbox.proxy.clock import Clock

AUTOMATION = "Microsoft.Automation/automationAccounts"
VAULTS = "Microsoft.KeyVault/vaults"
SECRETS = f"{VAULTS}/secrets"
EVERYONES = (
    "Microsoft.Authorization/*/read",
    "Microsoft.Resources/deployments/*",
    "Microsoft.Resources/subscriptions/resourceGroups/read",
)
JOBS = tuple(
    f"{AUTOMATION}/{name}"
    for name in (
        "hybridRunbookWorkerGroups/read", "jobs/read", "jobs/resume/action", "jobs/stop/action", "jobs/streams/read",
        "jobs/suspend/action", "jobs/write", "jobs/output/read",
    )
)  # fmt: skip


@dataclass(frozen=True)
class Role:
    """A role definition: patterns in which ``*`` stands for anything."""

    actions: tuple[str, ...] = ()
    not_actions: tuple[str, ...] = ()
    data_actions: tuple[str, ...] = ()

    def allows(self, action: str, data: bool) -> bool:
        """Whether the role contains the action."""
        if data:
            return _listed(action, self.data_actions)
        return _listed(action, self.actions) and not _listed(action, self.not_actions)

    def shown(self) -> dict[str, Any]:
        """As the permissions of a scope are listed."""
        return {
            "actions": list(self.actions), "notActions": list(self.not_actions),
            "dataActions": list(self.data_actions), "notDataActions": [],
        }  # fmt: skip


# The parts of the built-in roles that the sandbox can tell apart:
# https://learn.microsoft.com/azure/role-based-access-control/built-in-roles
BUILT_IN = {
    "Owner": Role(("*",)),
    "Contributor": Role(
        ("*",),
        ("Microsoft.Authorization/*/Delete", "Microsoft.Authorization/*/Write",
         "Microsoft.Authorization/elevateAccess/Action"),
    ),
    "Reader": Role(("*/read",)),
    "Automation Job Operator": Role((*EVERYONES, *JOBS)),
    "Automation Runbook Operator": Role((*EVERYONES, f"{AUTOMATION}/runbooks/read")),
    "Automation Operator": Role(
        (*EVERYONES, *JOBS, f"{AUTOMATION}/read", f"{AUTOMATION}/runbooks/read", f"{AUTOMATION}/schedules/read")
    ),
    "Logic App Contributor": Role(
        (*EVERYONES, "Microsoft.Logic/*", "Microsoft.Storage/storageAccounts/listkeys/action",
         "Microsoft.Storage/storageAccounts/read", "Microsoft.Web/connectionGateways/*", "Microsoft.Web/connections/*",
         "Microsoft.Web/customApis/*"),
    ),
    "Storage Account Key Operator Service Role": Role(
        ("Microsoft.Storage/storageAccounts/listkeys/action", "Microsoft.Storage/storageAccounts/regeneratekey/action")
    ),
    "Key Vault Secrets Officer": Role((*EVERYONES, "Microsoft.KeyVault/vaults/read"), (), (f"{SECRETS}/*",)),
    "Key Vault Secrets User": Role((), (), (f"{SECRETS}/getSecret/action", f"{SECRETS}/readMetadata/action")),
    "Key Vault Certificates Officer": Role(
        (*EVERYONES, f"{VAULTS}/*/read"), (),
        (f"{VAULTS}/certificatecas/*", f"{VAULTS}/certificates/*", f"{VAULTS}/certificatecontacts/write"),
    ),
    "Key Vault Certificate User": Role(
        (), (),
        (f"{VAULTS}/certificates/read", f"{VAULTS}/keys/read", f"{SECRETS}/getSecret/action",
         f"{SECRETS}/readMetadata/action"),
    ),
    "Key Vault Reader": Role(
        (*EVERYONES, "Microsoft.KeyVault/vaults/read"), (),
        ("Microsoft.KeyVault/vaults/*/read", f"{SECRETS}/readMetadata/action"),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Assignment:
    """One principal's role at one scope, from one moment on."""

    client_id: str
    role: str
    scope: str
    since: float


@dataclass
class Roles:
    """All assignments of the tenant. A new one acts after ``propagation_seconds``."""

    clock: Clock
    definitions: dict[str, Role] = field(default_factory=lambda: dict(BUILT_IN))
    propagation_seconds: float = 0.0
    assignments: list[Assignment] = field(default_factory=list)

    def grant(self, client_id: str, role: str, scope: str) -> None:
        """Assign a role. Raises KeyError if nobody defined it."""
        _ = self.definitions[role]
        since = self.clock.now() + self.propagation_seconds
        self.assignments.append(Assignment(client_id, role, scope, since))

    def revoke(self, client_id: str, scope: str | None = None) -> None:
        """Take away all roles of a principal, or those at one scope."""
        self.assignments = [
            entry for entry in self.assignments
            if entry.client_id != client_id or (scope is not None and entry.scope.lower() != scope.lower())
        ]  # fmt: skip

    def at(self, client_id: str, scope: str) -> list[Role]:
        """The roles that act at a scope."""
        return [self.definitions[entry.role] for entry in self._of(client_id) if within(scope, entry.scope)]

    def allowed(self, client_id: str, action: str, scope: str, data: bool = False) -> bool:
        """Whether any of the principal's roles contains the action there."""
        return any(role.allows(action, data) for role in self.at(client_id, scope))

    def anything_in(self, client_id: str, scope: str) -> bool:
        """Whether the principal has any role at the scope, above or below it."""
        return any(within(entry.scope, scope) or within(scope, entry.scope) for entry in self._of(client_id))

    def _of(self, client_id: str) -> list[Assignment]:
        now = self.clock.now()
        return [entry for entry in self.assignments if entry.client_id == client_id and entry.since <= now]


def within(scope: str, above: str) -> bool:
    """Whether a scope is another one or lies below it; case does not count in ARM ids."""
    return f"{scope}/".lower().startswith(f"{above.rstrip('/')}/".lower())


def _listed(action: str, patterns: tuple[str, ...]) -> bool:
    return any(
        re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), action, re.IGNORECASE) is not None for pattern in patterns
    )

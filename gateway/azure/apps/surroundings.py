"""What the tenant lets an app's client secrets be, the passwords of its service principal, and who may change it.

Permissions: ``Policy.Read.ApplicationConfiguration`` for the first; for the second ``Application.ReadWrite.OwnedBy``
and ownership of the app; for the third ``Application.Read.All``: who sees the app without it is an owner. Who may not
read it is told nothing: it is advice, and a rotation does without.
Sources: https://learn.microsoft.com/graph/api/resources/applicationauthenticationmethodpolicy,
https://learn.microsoft.com/graph/api/resources/serviceprincipal and
https://learn.microsoft.com/graph/api/serviceprincipal-list-approleassignments
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from typing import Any

from gateway.azure.decode import decoding, entries, mapping, text
from gateway.azure.graph import Graph, read_passwords
from gateway.model.credential import LiveCredential, read_stamp

# https://learn.microsoft.com/graph/permissions-reference
_OWNED_BY = "18a4783c-866b-4cc7-a460-3d5e5662c884"
_OF_ALL = {"1bfefb4e-e0b5-418b-a88f-73c46d2cc8e9", "19dbc75e-c2e2-444c-a770-ec69d8559fc7"}
_DEFAULT = "/policies/defaultAppManagementPolicy"
_DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:\.\d+)?S)?)?")


@dataclass(frozen=True)
class Limits:
    """Of an app's client secrets. ``longest`` None: as long as anyone likes, or not known."""

    forbidden: bool = False
    longest: timedelta | None = None


def limits_of(graph: Graph, object_id: str, created: str) -> Limits:
    """What holds for this app: a policy of its own, where it has one, in place of the tenant's.

    Raises:
        CallError
    """
    tenants = graph.advice("app management policy", _DEFAULT)
    own = graph.advice("app management policies", f"/applications/{object_id}/appManagementPolicies")
    if tenants is None or own is None:
        return Limits()  # one without the other may say the opposite
    with decoding("Graph app management policy"):
        assigned = [policy for policy in entries(own.get("value")) if policy.get("isEnabled")]
        rules = [_rules(policy, "restrictions") for policy in assigned] or [_rules(tenants, "applicationRestrictions")]
        made = read_stamp(created)
        return _limits([each for each in chain.from_iterable(rules) if _holds(each, made)])


def _rules(policy: dict[str, Any], where: str) -> list[dict[str, Any]]:
    return entries(mapping(policy.get(where)).get("passwordCredentials")) if policy.get("isEnabled") else []


def _holds(rule: dict[str, Any], made: datetime | None) -> bool:
    """Whether it is in force for an app that was made then."""
    since = read_stamp(text(rule.get("restrictForAppsCreatedAfterDateTime")))
    return text(rule.get("state")).lower() != "disabled" and not (since and made and made < since)


def _limits(rules: list[dict[str, Any]]) -> Limits:
    kinds = {text(each.get("restrictionType")): each for each in rules}
    lifetime = kinds.get("passwordLifetime")
    longest = _duration(text(lifetime.get("maxLifetime"))) if lifetime else None
    return Limits("passwordAddition" in kinds, longest)


def _duration(shown: str) -> timedelta:
    """Such as ``P180D`` or ``P4DT12H30M5S``. Raises ValueError."""
    if not shown.strip("PT") or not (found := _DURATION.fullmatch(shown)):
        raise ValueError(shown)
    days, hours, minutes, seconds = (int(each or 0) for each in found.groups())
    return timedelta(days=min(days, 36500), hours=min(hours, 24000), minutes=min(minutes, 99999), seconds=seconds % 1e9)


def principal_passwords(graph: Graph, client_id: str, now: datetime) -> list[LiveCredential]:
    """The living passwords of the app's service principal. Raises CallError."""
    path = f"/servicePrincipals(appId='{client_id}')?$select=id,passwordCredentials"
    found = graph.advice("service principal", path) or {}
    with decoding("Graph service principal"):
        return [each for each in read_passwords(found.get("passwordCredentials")) if each.ends > now]


def why_unchangeable(graph: Graph, object_id: str, client_id: str) -> str:
    """Why the application ``client_id`` may not change this one; empty where it may, or where that is not shown.

    Raises:
        CallError
    """
    own = f"/servicePrincipals(appId='{client_id}')"
    assigned, memberships = (
        graph.advice("service principal", f"{own}/{each}") for each in ("appRoleAssignments", "transitiveMemberOf")
    )
    if assigned is None or memberships is None or memberships.get("value"):
        return ""  # a directory role may allow it, too, and which one is not always shown
    with decoding("Graph service principal"):
        roles = {text(each.get("appRoleId")).lower() for each in entries(assigned.get("value"))}
    if roles & _OF_ALL:
        return ""
    if _OWNED_BY not in roles:
        return "it has no Application.ReadWrite.OwnedBy"
    is_owner = text((graph.advice("service principal", own) or {}).get("id")).lower() in graph.owners(object_id)
    return "" if is_owner else "it is no owner of the app"

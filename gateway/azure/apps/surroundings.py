"""What the tenant lets an app's client secrets be, and the passwords that its service principal has besides.

Permissions: ``Policy.Read.ApplicationConfiguration`` for the first; for the second ``Application.ReadWrite.OwnedBy``
and ownership of the app. Who may not read it is told nothing: it is advice, and a rotation does without.
Sources: https://learn.microsoft.com/graph/api/resources/applicationauthenticationmethodpolicy and
https://learn.microsoft.com/graph/api/resources/serviceprincipal
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

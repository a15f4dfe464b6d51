"""What Graph says of an app's restrictions, decoded: null, missing and odd values."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from gateway.azure.apps.surroundings import Limits, limits_of
from gateway.errors import Unclear

NONE: dict[str, Any] = {"value": []}
MADE = "2026-01-01T00:00:00Z"


class Answers:
    """Graph, with these two answers."""

    def __init__(self, tenants: Any, own: Any) -> None:
        self.answers = {"/policies/defaultAppManagementPolicy": tenants, "/applications/a/appManagementPolicies": own}

    def advice(self, what: str, path: str) -> Any:
        """As `Graph.advice`."""
        return self.answers[path]


def tenants(**rule: Any) -> dict[str, Any]:
    """A policy that is on, with one rule."""
    rules = [{"restrictionType": "passwordLifetime", "maxLifetime": "P180D"} | rule]
    return {"isEnabled": True, "applicationRestrictions": {"passwordCredentials": rules}}


def days(number: float) -> Limits:
    """So many at most."""
    return Limits(longest=timedelta(days=number))


LIMITS: dict[str, tuple[Any, Any, Limits]] = {
    "not ours to read": (None, NONE, Limits()),
    "whether it is exempt cannot be read": (tenants(), None, Limits()),
    "without a state, as it was once": (tenants(), NONE, days(180)),
    "with times": (tenants(maxLifetime="P4DT12H"), NONE, days(4.5)),
    "off as a whole": (tenants() | {"isEnabled": False}, NONE, Limits()),
    "null": ({"isEnabled": True, "applicationRestrictions": None}, {"value": None}, Limits()),
    "of another kind": (tenants(restrictionType="symmetricKeyLifetime"), NONE, Limits()),
    "for apps made since": (tenants(restrictForAppsCreatedAfterDateTime="2026-01-02T00:00:00Z"), NONE, Limits()),
    "for older apps too": (tenants(restrictForAppsCreatedAfterDateTime="2019-01-02T00:00:00Z"), NONE, days(180)),
    "with one of its own that is off": (tenants(), {"value": [{"isEnabled": False, "restrictions": None}]}, days(180)),
    "with one of its own that allows all": (tenants(), {"value": [{"isEnabled": True}]}, Limits()),
}


@pytest.mark.parametrize("case", LIMITS)
def test_limits(case: str) -> None:
    tenants_own, own, limits = LIMITS[case]
    assert limits_of(Answers(tenants_own, own), "a", MADE) == limits  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", ["", "P", "PT", "180", "P1Y", "P" + "9" * 400 + "D", None])
def test_a_duration_that_is_none(wrong: str | None) -> None:
    try:
        found = limits_of(Answers(tenants(maxLifetime=wrong), NONE), "a", MADE)  # type: ignore[arg-type]
    except Unclear:
        return
    assert found.longest == timedelta(days=36500)


@pytest.mark.parametrize(
    "wrong", [{"applicationRestrictions": []}, {"applicationRestrictions": {"passwordCredentials": {}}}]
)
def test_an_answer_of_another_shape(wrong: dict[str, Any]) -> None:
    with pytest.raises(Unclear):
        limits_of(Answers({"isEnabled": True, **wrong}, NONE), "a", MADE)  # type: ignore[arg-type]

"""`check` of an app's secret: what the tenant's policies would refuse, and passwords that are not the app's own."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.entra.directory import DAY, Password, Policy, new_id
from sandbox.graph.base import READ_ALL, READ_POLICIES, WRITE_ALL, WRITE_OWNED
from sandbox.proxy import faults
from tests.commands.test_check import check
from tests.commands.test_plan import plan
from tests.stage.rotation import Stage

FAR_AHEAD = 4_000_000_000.0


def allowed(stage: Stage) -> None:
    """The admin credential may read the tenant's policies."""
    principal = stage.sandbox.directory.principal_of(stage.at.admin_client_id)
    assert principal
    principal.roles.append(READ_POLICIES)


def target(stage: Stage) -> Any:
    """The app that is rotated."""
    return stage.sandbox.graph.application(stage.at.target_object_id)


ENDS: dict[str, tuple[Policy, Policy | None, str, int]] = {
    "no policy": (Policy(), None, "", 0),
    "shorter": (Policy(max_lifetime_days=180), None, "secret_lifetime_days: 365 days, and the tenant's app", 1),
    "just as long": (Policy(max_lifetime_days=365), None, "", 0),
    "half a day": (Policy(max_lifetime_days=0.5), None, "allows 0", 1),
    "forbidden": (Policy(passwords_forbidden=True), None, "forbids client secrets on this app", 1),
    "for younger apps": (Policy(max_lifetime_days=30, created_after=FAR_AHEAD), None, "", 0),
    "for older apps too": (Policy(max_lifetime_days=30, created_after=DAY), None, "allows 30", 1),
    "switched off": (Policy(max_lifetime_days=30, disabled=("passwordLifetime",)), None, "", 0),
    "an exemption": (Policy(max_lifetime_days=30), Policy(max_lifetime_days=700), "", 0),
    "a stricter one of its own": (Policy(), Policy(max_lifetime_days=7), "allows 7", 1),
}


@pytest.mark.parametrize("case", ENDS)
def test_what_the_tenant_allows_is_said_beforehand_and_is_true(case: str, stage: Stage) -> None:
    allowed(stage)
    stage.sandbox.directory.policy, target(stage).policy, words, wrong = ENDS[case]
    found, code = check(stage)
    errors = [what for level, what in found if level == "error"]
    assert (code, len(errors)) == (wrong, wrong) and all(words in what for what in errors), found
    assert stage.run().code == wrong, "and the run says the same"


def test_who_may_not_read_policies_is_told_nothing(stage: Stage) -> None:
    stage.sandbox.directory.policy = Policy(max_lifetime_days=30)
    found, code = check(stage)
    assert code == 0 and not [what for level, what in found if level != "warning"]


@pytest.mark.parametrize("fault", [faults.Status(503), faults.Malformed(), faults.Empty()], ids=repr)
@pytest.mark.parametrize("name", ["get_default_app_management_policy", "list_app_management_policies"])
def test_policies_that_could_not_be_asked(name: str, fault: faults.Kind, stage: Stage) -> None:
    allowed(stage)
    stage.sandbox.fault("graph", name, fault, times=None)
    found, code = check(stage)
    assert code == 2 and any(level == "unasked" and "app management polic" in what for level, what in found), found


def test_passwords_of_the_service_principal_are_named(stage: Stage) -> None:
    principal = stage.sandbox.directory.principal_of(stage.at.target_client_id)
    assert principal
    now = stage.sandbox.clock.now()
    living, dead = (Password(new_id(), f"secret of {end}", None, now - 2 * DAY, now + end) for end in (DAY, -DAY))
    principal.passwords += [living, dead]
    found, code = check(stage)
    (named,) = [what for level, what in found if "passwords of its own" in what and level == "warning"]
    assert code == 0 and living.key_id in named and dead.key_id not in named
    assert stage.run().code == 0
    assert principal.passwords == [living, dead], "a rotation leaves them alone"


def test_a_rotation_asks_none_of_this(stage: Stage) -> None:
    allowed(stage)
    assert stage.run().code == 0
    assert not [name for name in stage.sandbox.operations() if "polic" in name or name == "graph.get_service_principal"]


MAY: dict[str, tuple[list[str], bool, str, str]] = {
    "an owner with OwnedBy": ([READ_ALL, WRITE_OWNED], True, "", ""),
    "an owner, who may not read all": ([WRITE_OWNED], True, "", ""),
    "all applications": ([READ_ALL, WRITE_ALL], False, "", ""),
    "a directory role": ([READ_ALL], False, "Application Administrator", ""),
    "no owner": ([READ_ALL, WRITE_OWNED], False, "", "it is no owner of the app"),
    "an owner without the permission": ([READ_ALL], True, "", "it has no Application.ReadWrite.OwnedBy"),
    "neither": ([READ_ALL], False, "", "it has no Application.ReadWrite.OwnedBy"),
}


@pytest.mark.parametrize("who", MAY)
def test_who_may_not_change_the_app_is_told_beforehand(who: str) -> None:
    roles, is_owner, administers, words = MAY[who]
    with Stage(admin_roles=roles) as stage:
        principal = stage.sandbox.directory.principal_of(stage.at.admin_client_id)
        assert principal
        principal.administers = administers
        if not is_owner:
            target(stage).owners.clear()
        found, code = check(stage)
        errors = [what for level, what in found if level == "error"]
        row, planned = plan(stage)
        outcome = stage.run()
        assert code == planned == outcome.code == (1 if words else 0), (found, row, outcome)
        assert len(errors) == bool(words) and all(words in what for what in [*errors, row["error"]]), found
        if words:
            assert not (row["makes"] or row["removes"] or row["delivers"]) and row["result"] == "failed", row
            assert row["hint"] in outcome.stderr and row["error"].startswith("no new secret: "), "as the run says it"

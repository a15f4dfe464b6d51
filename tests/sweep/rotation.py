"""Every request of a rotation, with every fault and both kills put on it, each followed by one plain run.

``python -m tests.sweep.rotation`` runs the whole grid and prints its totals; ``engine/test_sweep.py`` runs the part
that CI can afford. A case is judged by the state that it leaves in the vault and in the tenant, not by what the script
says.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import json
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from sandbox.proxy import faults
from tests.stage.rotation import Outcome, Stage
from tests.sweep.known_requests import counted, known

JSON = {"Content-Type": "application/json"}

FAULTS: dict[str, faults.Kind] = {
    "HTTP 500": faults.Status(500),
    "HTTP 503": faults.Status(503),
    "HTTP 502 text": faults.Status(502, {"Content-Type": "text/html"}, b"<html>Bad Gateway</html>"),
    "HTTP 429": faults.Status(429, {"Retry-After": "0"}),
    "HTTP 409": faults.Status(409),
    "HTTP 404": faults.Status(404),
    "HTTP 403": faults.Status(403),
    "HTTP 401": faults.Status(401),
    "HTTP 400": faults.Status(400),
    "500 after it took effect": faults.ErrorAfter(500),
    "503 after it took effect": faults.ErrorAfter(503),
    "429 after it took effect": faults.ErrorAfter(429, {"Retry-After": "0"}),
    "reset before": faults.ResetBefore(),
    "reset after": faults.ResetAfter(),
    "hang": faults.Hang(),
    "hang after it took effect": faults.HangAfter(),
    "truncated body": faults.Truncated(),
    "malformed body": faults.Malformed(),
    "empty body": faults.Empty(),
    "slow": faults.Slow(0.4),
    "slower than the timeout": faults.Slow(4.0),
    "kill before": faults.KillBefore(),
    "kill after": faults.KillAfter(),
}
KILLS = {"kill before", "kill after"}

# How often a new secret is tried while it propagates depends on the moment; beyond this no request is a case.
MOST_OF_ONE = 6


CHANGES = re.compile(r"\.(add|create|import|merge|put|regenerate|remove|set|update|upload)(_|$)")


def changes(operation: str) -> bool:
    """Whether a request changes something: only then does it matter to others whether a lost one arrived."""
    return CHANGES.search(operation) is not None


@dataclass(frozen=True)
class Scene:
    """What the rotation finds. ``prepare`` changes the furnished sandbox; ``policy`` holds the record's fields."""

    name: str
    furnish: dict[str, Any] = field(default_factory=dict)
    prepare: Callable[[Stage], None] = lambda stage: None

    @property
    def revokes(self) -> bool:
        """Whether all that was published before is to end."""
        return self.prepare is _leaked

    @property
    def policy(self) -> dict[str, str]:
        """The optional fields of the record."""
        return dict(self.furnish.get("settings", {}))


def _delay(stage: Stage) -> None:
    stage.sandbox.entra.propagation_seconds = 0.3
    stage.sandbox.entra.propagation_flaps = [True, False, True]


def _lag(stage: Stage) -> None:
    stage.sandbox.graph.stale_reads = 2


def _echoing(stage: Stage) -> None:
    stage.sandbox.entra.echoes_requests = stage.sandbox.graph.echoes_requests = True


def _destinations(stage: Stage) -> None:
    stage.deliver()


def _another_record(stage: Stage) -> None:
    """A second record of the app publishes a secret, and a destination of it holds the one before."""
    from sandbox.furnish.rotation import pam_user

    at, made = stage.at, stage.deliver()
    lines, own = stage.value("deliver_to"), pam_user(stage.sandbox, at.target_object_id)
    stage.sandbox.keeper.edit(at.record_uid, "deliver_to", "")
    for label, value in {"deliver_to": lines, "remove_old": "replaced"}.items():
        stage.sandbox.keeper.edit(own, label, value)
    assert stage.run(stage.line(userRecordUid=own)).code == 0
    stage.sandbox.fault("keyvault", "set_secret", faults.Status(403), times=None)
    assert stage.run(stage.line(userRecordUid=own)).code == 2
    stage.sandbox.faults.clear()
    stage.sandbox.clock.advance(3600.0)
    stage.sandbox.forget()
    stage.others = [own]
    assert made and all(stage.working().values())


def _leaked(stage: Stage) -> None:
    """Two secrets that the record has published live on, everyone holds the second one, and both are to be revoked."""
    stage.deliver()
    assert stage.run(stage.line(dueNow=True)).code == 0
    stage.sandbox.keeper.edit(stage.at.record_uid, "rotate_now", "revoke")
    stage.sandbox.clock.advance(3600.0)
    stage.sandbox.forget()


KEPT = {"rotate_before_hours": "1", "remove_old": "none", "overlap_hours": "24"}
SCENES = {
    scene.name: scene
    for scene in (
        Scene("2 old secrets", {"old_secrets": 2}),
        Scene("1 old secret", {"old_secrets": 1}),
        Scene("5 old secrets, 2 of them foreign", {"old_secrets": 3, "foreign": 2}),
        Scene("first run", {"old_secrets": 0}),
        Scene("first run, with foreign secrets", {"old_secrets": 0, "foreign": 2}),
        Scene("first run, output fields missing", {"old_secrets": 0, "without": ["client_secret", "expires"]}),
        Scene("replaced only", {"old_secrets": 2, "foreign": 1, "settings": {"remove_old": "replaced"}}),
        Scene("overlap of a day", {"old_secrets": 2, "settings": {"overlap_hours": "24"}}),
        Scene("nothing removed", {"old_secrets": 2, "settings": {"remove_old": "none"}}),
        Scene("the app rotates itself", {"old_secrets": 1, "self_rotation": True, "config_has_secret": False}),
        Scene("propagation delay", {"old_secrets": 2}, _delay),
        Scene("replica lag", {"old_secrets": 2}, _lag),
        Scene("the app cannot sign in", {"old_secrets": 2, "service_principal": False}),
        Scene("full, something removable", {"old_secrets": 2, "audience": "AzureADandPersonalMicrosoftAccount"}),
        Scene("errors that quote the request", {"old_secrets": 2}, _echoing),
        Scene("delivered to everyone", {"old_secrets": 2}, _destinations),
        Scene("revoked", {"old_secrets": 1, "settings": KEPT}, _leaked),
        Scene("another record of the app", {"old_secrets": 2}, _another_record),
        Scene("delivered to everyone, foreign secrets", {"old_secrets": 1, "foreign": 1}, _destinations),
    )
}


@dataclass(frozen=True)
class Case:
    """One fault on one request: the ``nth`` of an operation."""

    scene: str
    operation: str
    nth: int
    fault: str

    def __str__(self) -> str:
        return f"{self.scene}: {self.fault} at {self.operation} {self.nth}"


@dataclass
class Verdict:
    """What a case did wrong; empty lists mean nothing. ``code`` and ``healed`` are the exit codes of the two runs."""

    case: Case
    code: int | None = None
    healed: int | None = None
    wrong: list[str] = field(default_factory=list)


def stage_for(scene: Scene) -> Stage:
    """The scene, furnished."""
    stage = Stage(attach_admin=not scene.furnish.get("self_rotation"), **scene.furnish)
    if scene.furnish.get("self_rotation"):
        stage.attached = [stage.at.record_uid]
    scene.prepare(stage)
    return stage


def requests(scene: Scene) -> dict[str, int]:
    """The requests of an undisturbed rotation, and how often each was made."""
    with stage_for(scene) as stage:
        outcome = stage.run()
        assert outcome.code == 0, outcome
        made = counted(stage.sandbox.operations(), MOST_OF_ONE)
        return made | {operation.split(".")[0] + ".connect": 1 for operation in made}


def cases(scenes: list[str], chosen: tuple[str, ...] = tuple(FAULTS)) -> Iterator[Case]:
    """The grid: every request of these scenes with every fault, or with those chosen."""
    for name in scenes:
        for operation, nth in known(name):
            kinds = ("refused connection",) if operation.endswith(".connect") else chosen
            for fault in kinds:
                yield Case(name, operation, nth, fault)


def judge(case: Case) -> Verdict:
    """Run the case and the plain run after it."""
    scene = SCENES[case.scene]
    verdict = Verdict(case)
    with stage_for(scene) as stage:
        service, operation = case.operation.split(".")
        kind = FAULTS.get(case.fault) or faults.Refuse()
        before = Before(stage)
        fault = stage.sandbox.fault(service, operation, kind, nth=case.nth)
        first = stage.run()
        verdict.code = first.code
        if not fault.fired:
            verdict.wrong.append("the fault did not happen")
        _after_fault(stage, scene, before, case, first, verdict)
        stage.sandbox.faults.clear()
        second = stage.run()
        verdict.healed = second.code
        _after_heal(stage, scene, before, second, verdict)
        verdict.wrong += [f"leak: {where}" for where in stage.leaks([first, second])]
        verdict.wrong += [f"sandbox: {error}" for error in stage.sandbox.errors]
    return verdict


class Before:
    """The state before a case."""

    def __init__(self, stage: Stage) -> None:
        self.worked = stage.published_works() or not stage.sandbox.directory.principal_of(stage.at.target_client_id)
        self.key_id = stage.value("client_secret_id")
        self.secret = stage.value("client_secret")
        self.live = stage.live()


def works(stage: Stage) -> bool:
    """Whether the record publishes a live secret, under its own key id."""
    if stage.sandbox.directory.principal_of(stage.at.target_client_id):
        return stage.published_works()
    key = stage.sandbox.entra.key_of(stage.at.target_client_id, stage.value("client_secret"))
    return key is not None and key == stage.value("client_secret_id")


def _after_fault(stage: Stage, scene: Scene, before: Before, case: Case, outcome: Outcome, verdict: Verdict) -> None:
    wrong = verdict.wrong
    first_run = before.key_id not in before.live
    if outcome.code is None:
        wrong.append("hung")
    if not works(stage) and not (first_run and stage.value("client_secret_id") == before.key_id):
        wrong.append("P1: the record's secret is dead")
    killed = case.fault in KILLS
    if killed and outcome.code != -9:
        wrong.append(f"not killed, but exit {outcome.code}")
    if not killed and outcome.code not in (0, 1, 2, 3, None):
        wrong.append(f"exit {outcome.code}")
    wrong += _others(stage)
    if not first_run and not stage.live():
        wrong.append("P1: the app has no secret")
    if dead := [address for address, working in stage.working().items() if not working]:
        wrong.append(f"P2: holds a dead secret: {dead}")
    orphans = stage.marked() - {stage.value("client_secret_id")} - before.live
    if orphans and not killed and outcome.code != 3:
        wrong.append("P3: an orphan, and nobody was killed")
    if outcome.code == 0:
        wrong += incomplete(stage, scene, before)
    if outcome.code == 1 and (stage.value("client_secret"), stage.value("client_secret_id")) != (
        before.secret,
        before.key_id,
    ):
        wrong.append("exit 1, but the record has changed")
    if outcome.code == 1 and scene.revokes and stage.value("rotate_now") != "revoke":
        wrong.append("exit 1, and the wish to revoke is lost")
    if outcome.code in (1, 2, 3) and not (outcome.report.get("error") and outcome.report.get("hint")):
        wrong.append("no error or no hint")


def _others(stage: Stage) -> list[str]:
    """Other records whose secret is dead, or is another one than they name."""
    keeper, entra, client_id = stage.sandbox.keeper, stage.sandbox.entra, stage.at.target_client_id
    shown = {uid: keeper.record(uid) for uid in stage.others}
    return [
        f"P1: record {uid} publishes a dead secret"
        for uid, record in shown.items()
        if entra.key_of(client_id, str(record.value("client_secret"))) != record.value("client_secret_id")
    ]


def incomplete(stage: Stage, scene: Scene, before: Before) -> list[str]:
    """What is missing from a complete rotation."""
    found = []
    published = stage.value("client_secret_id")
    if published in before.live or published == before.key_id:
        found.append("P4: exit 0, not rotated")
    if not works(stage):
        found.append("P4: exit 0, and the record's secret is dead")
    policy = scene.policy
    keep = not scene.revokes and (
        policy.get("remove_old", "all") == "none" or float(policy.get("overlap_hours", "0")) > 0
    )
    rest = stage.live() - {published}
    allowed = before.live if keep or stage.others or policy.get("remove_old") == "replaced" else set()
    if policy.get("remove_old") == "replaced" and before.key_id in rest:
        found.append("P4: exit 0, the replaced secret lives")
    if rest - allowed:
        found.append("P4: exit 0, something is left over")
    found += [] if stage.others else stage.undelivered()
    if keep and before.live - rest - {published}:
        found.append("removed what should stay")
    if scene.revokes and (stage.value("rotate_now") or "revoking" in stage.value("rotation_state")):
        found.append("P4: exit 0, and it is still to be revoked")
    return found


def _after_heal(stage: Stage, scene: Scene, before: Before, outcome: Outcome, verdict: Verdict) -> None:
    if outcome.code != 0:
        verdict.wrong.append(f"not healed: exit {outcome.code}: {outcome.report.get('error')}")
        return
    published = stage.value("client_secret_id")
    if not works(stage):
        verdict.wrong.append("healed, and the record's secret is dead")
    policy = scene.policy
    verdict.wrong += _others(stage)
    verdict.wrong += [f"P2: {address} holds a dead secret" for address, works in stage.working().items() if not works]
    everything = policy.get("remove_old", "all") == "all" and "overlap_hours" not in policy and not stage.others
    if scene.revokes and (stage.value("rotate_now") or "revoking" in stage.value("rotation_state")):
        verdict.wrong.append("healed, and it is still to be revoked")
    if (everything or scene.revokes) and stage.live() != {published}:
        verdict.wrong.append("healed, and something is left over")
    verdict.wrong += [] if stage.others else stage.undelivered()
    ever = {published, before.key_id, *_remembered(stage)}
    if stage.marked() - ever and not stage.others:
        verdict.wrong.append("healed, and an orphan is left")


def _remembered(stage: Stage) -> set[str]:
    state = json.loads(stage.value("rotation_state") or "{}")
    return {entry["key_id"] for entry in state.get("retire", [])}


def main() -> int:
    """Run the grid, or the scenes named."""
    parser = argparse.ArgumentParser(prog="python -m tests.sweep.rotation", description=__doc__)
    parser.add_argument("scene", nargs="*", choices=[[], *SCENES], help="a scene; all when none is named")
    parser.add_argument("--fault", action="append", choices=list(FAULTS), help="a fault; all when none is named")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 2)
    options = parser.parse_args()
    grid = list(cases(options.scene or list(SCENES), tuple(options.fault or FAULTS)))
    began, bad, codes, last = time.monotonic(), 0, Counter[str](), 0.0
    with concurrent.futures.ProcessPoolExecutor(options.jobs) as pool:
        for number, verdict in enumerate(pool.map(judge, grid), 1):
            codes[str(verdict.code)] += 1
            bad += bool(verdict.wrong)
            for what in verdict.wrong:
                print(f"\r{verdict.case}: {what} (exit {verdict.code}, then {verdict.healed})", flush=True)
            if time.monotonic() - last > 1:
                last = time.monotonic()
                print(f"\r{number} of {len(grid)} cases, {bad} bad", end="", file=sys.stderr, flush=True)
    print(
        f"\r{len(grid)} cases in {time.monotonic() - began:.0f} s: {bad} bad; exit codes {dict(sorted(codes.items()))}"
    )
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())

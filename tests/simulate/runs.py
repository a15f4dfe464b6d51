"""Runs in a simulation: plain ones, with a fault at one request, two hosts at once, and one that is told to stop."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sandbox.proxy import faults
from tests.simulate.promises import Seen, complete, kept, told, unseen
from tests.simulate.worlds import World
from tests.stage.rotation import Outcome, Process
from tests.sweep.rotation import FAULTS

PATIENT = {"ROTATION_REQUEST_TIMEOUT_SECONDS": "10", "ROTATION_DEADLINE_SECONDS": "30"}
LATE = re.compile(r"keeper\.update|graph\.(add|remove)|arm\.regenerate|mongodb\.updateUser")
SLOW = ("hang", "hang after it took effect", "slow", "slower than the timeout")


@dataclass
class Happened:
    """What was done, in words, what it broke, the runs that it made, and the fault that they may have met."""

    what: str
    wrong: list[str]
    outcomes: list[Outcome]
    fault: faults.Fault | None = None


def plain(world: World, choice: random.Random) -> Happened:
    return _one(world, choice, "a run", lambda: None)


def broken(world: World, choice: random.Random) -> Happened:
    name = choice.choice([name for name in FAULTS if name not in SLOW or choice.random() < 0.2])
    at, what = _anywhere(world, choice)
    return _one(
        world, choice, f"a run with {name} at {what}", lambda: world.stage.sandbox.fault(kind=FAULTS[name], **at)
    )


def outage(world: World, choice: random.Random) -> Happened:
    operation, nth = choice.choice(world.requests)
    service, _, name = operation.partition(".")
    kind = choice.choice((faults.Status(503), faults.Status(403), faults.ResetBefore(), faults.ResetAfter()))
    return _one(
        world, choice, f"a run with {kind.name} at {service} from {name} {nth} on",
        lambda: world.stage.sandbox.fault(service, None, kind, nth=nth, times=None),
    )  # fmt: skip


def _one(world: World, choice: random.Random, what: str, prepare: Callable[[], faults.Fault | None]) -> Happened:
    record, host = choice.choice(world.records), choice.choice(world.hosts)
    pressed, before, fault = _press(world, choice, record), Seen.of(world), prepare()
    outcome = world.run(record, host)
    world.stage.sandbox.faults.clear()
    wrong = kept(world, before) + told(world, before, record, outcome) + unseen(world, [outcome])
    what = f"{what}, record {world.records.index(record)}{pressed}, {host.name}"
    return Happened(what, wrong, [outcome], fault)


def _press(world: World, choice: random.Random, record: str) -> str:
    """Somebody wants it now, often: a fault of a run that has nothing to do shows little."""
    if choice.random() < 0.5 or not world.is_enabled(record) or world.value(record, "rotate_now"):
        return ""
    world.edit(record, "rotate_now", "True")
    return ", wanted now"


def _anywhere(world: World, choice: random.Random) -> tuple[dict[str, Any], str]:
    """A request by its name, or the nth of all: which one is met depends on what the run has to do."""
    if choice.random() < 0.5:
        nth = choice.randint(1, len(world.requests))
        return {"service": None, "operation": None, "nth": nth}, f"request {nth}"
    operation, nth = choice.choice(world.requests)
    service, _, name = operation.partition(".")
    return {"service": service, "operation": name, "nth": nth}, f"{operation} {nth}"


def late(world: World, choice: random.Random) -> Happened:
    """A change arrives after its run gave it up, and after another run.

    Not one of a destination: most have no revision by which they could tell an old value from a new one.
    """
    operation, nth = choice.choice([each for each in world.requests if LATE.match(each[0])])
    service, _, name = operation.partition(".")
    record = choice.choice(world.records)
    pressed, before = _press(world, choice, record), Seen.of(world)
    fault = world.stage.sandbox.fault(service, name, faults.Pause(), nth=nth)
    outcomes = [world.run(record, world.hosts[0])]
    if choice.random() < 0.5:
        outcomes.append(world.run(record, choice.choice(world.hosts)))
    fault.release.set()
    time.sleep(0.05)
    what = f"{operation} {nth} arrives after {len(outcomes)} runs, record {world.records.index(record)}{pressed}"
    return Happened(what, kept(world, before) + unseen(world, outcomes), outcomes, fault)


def two_hosts(world: World, choice: random.Random) -> Happened:
    """One run is held at a request while another one runs to its end."""
    at, what = _anywhere(world, choice)
    held, other = choice.choice(world.records), choice.choice(world.records)
    pressed, before = _press(world, choice, held), Seen.of(world)
    kind = choice.choice((faults.Pause(), faults.PauseAfter()))
    fault = world.stage.sandbox.fault(kind=kind, **at)
    process = _until(world, held, fault)
    ended = world.run(other, world.hosts[1])
    fault.release.set()
    outcomes = [ended, world.finish(process)]
    world.stage.sandbox.faults.clear()
    wrong = kept(world, before) + unseen(world, outcomes)
    for record, outcome in zip((other, held), outcomes, strict=True):
        wrong += told(world, before, record, outcome, alone=False)
    if not before.revoking and all(each.code == 0 and each.result != "disabled" for each in outcomes):
        wrong += [each for record in {other, held} for each in complete(world, record)]
    return Happened(f"two hosts, one held at {what} ({kind.name}){pressed}", wrong, outcomes, fault)


def _until(world: World, record: str, fault: faults.Fault) -> Process:
    """A run of the first host, as far as the fault, or to its end."""
    process = world.start(record, world.hosts[0], **PATIENT)
    while not fault.reached.wait(0.02) and process.poll() is None:
        pass
    return process


def stopped(world: World, choice: random.Random) -> Happened:
    """SIGTERM while a request is under way."""
    at, what = _anywhere(world, choice)
    record = choice.choice(world.records)
    pressed, before = _press(world, choice, record), Seen.of(world)
    fault = world.stage.sandbox.fault(kind=faults.PauseAfter(), **at)
    process = _until(world, record, fault)
    process.terminate()
    fault.release.set()
    outcome = world.finish(process)
    world.stage.sandbox.faults.clear()
    wrong = kept(world, before) + told(world, before, record, outcome) + unseen(world, [outcome])
    return Happened(f"SIGTERM at {what}{pressed}", wrong, [outcome], fault)

"""What happens in a simulation: runs with and without faults, two hosts at once, people, and time."""

from __future__ import annotations

import copy
import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass

from sandbox.keeper.vault import new_uid
from sandbox.proxy import faults
from tests.simulate.promises import Seen, kept, told, unseen
from tests.simulate.worlds import World
from tests.stage.rotation import Outcome
from tests.sweep.rotation import FAULTS

HOUR = 3600.0
WAITS = (0.02, 0.3, 1.5, 25, 25, 8 * 24, 32 * 24)  # hours
PATIENT = {"ROTATION_REQUEST_TIMEOUT_SECONDS": "10", "ROTATION_DEADLINE_SECONDS": "30"}
# A password that is told to a MongoDB server late is not among them: the next run but one would have to wait for it.
LATE = re.compile(r"keeper\.update|graph\.(add|remove)|arm\.regenerate")
SLOW = ("hang", "hang after it took effect", "slow", "slower than the timeout")


@dataclass(frozen=True)
class Step:
    """One thing that happens; ``number`` decides everything about it that is left to chance."""

    name: str
    number: int

    def __str__(self) -> str:
        return f"{self.name}:{self.number}"


@dataclass
class Happened:
    """What was done, in words, what it broke, and the runs that it made."""

    what: str
    wrong: list[str]
    outcomes: list[Outcome]


def _plain(world: World, choice: random.Random) -> Happened:
    return _one(world, choice, "a run", lambda: None)


def _broken(world: World, choice: random.Random) -> Happened:
    (service, operation), nth = _request(world, choice)
    name = choice.choice([name for name in FAULTS if name not in SLOW or choice.random() < 0.2])
    return _one(
        world, choice, f"a run with {name} at {service}.{operation} {nth}",
        lambda: world.stage.sandbox.fault(service, operation, FAULTS[name], nth=nth),
    )  # fmt: skip


def _outage(world: World, choice: random.Random) -> Happened:
    (service, operation), nth = _request(world, choice)
    kind = choice.choice((faults.Status(503), faults.Status(403), faults.ResetBefore(), faults.ResetAfter()))
    return _one(
        world, choice, f"a run with {kind.name} at {service} from {operation} {nth} on",
        lambda: world.stage.sandbox.fault(service, None, kind, nth=nth, times=None),
    )  # fmt: skip


def _one(world: World, choice: random.Random, what: str, prepare: Callable[[], object]) -> Happened:
    record, host, before = choice.choice(world.records), choice.choice(world.hosts), Seen.of(world)
    prepare()
    outcome = world.run(record, host)
    world.stage.sandbox.faults.clear()
    wrong = kept(world, before) + told(world, before, record, outcome) + unseen(world, [outcome])
    return Happened(f"{what}, record {world.records.index(record)}, {host.name}", wrong, [outcome])


def _request(world: World, choice: random.Random) -> tuple[tuple[str, str], int]:
    operation, nth = choice.choice(world.requests)
    service, _, name = operation.partition(".")
    return (service, name), nth


def _late(world: World, choice: random.Random) -> Happened:
    """A change arrives after its run gave it up, and after another run.

    Not one of a destination: most have no revision by which they could tell an old value from a new one.
    """
    operation, nth = choice.choice([each for each in world.requests if LATE.match(each[0])])
    service, _, name = operation.partition(".")
    record, before = choice.choice(world.records), Seen.of(world)
    fault = world.stage.sandbox.fault(service, name, faults.Pause(), nth=nth)
    outcomes = [world.run(record, world.hosts[0])]
    if choice.random() < 0.5:
        outcomes.append(world.run(record, choice.choice(world.hosts)))
    fault.release.set()
    time.sleep(0.05)
    what = f"{operation} {nth} arrives after {len(outcomes)} runs, record {world.records.index(record)}"
    return Happened(what, kept(world, before) + unseen(world, outcomes), outcomes)


def _two_hosts(world: World, choice: random.Random) -> Happened:
    """One run is held at a request while another one runs to its end."""
    (service, operation), nth = _request(world, choice)
    records, before = (choice.choice(world.records), choice.choice(world.records)), Seen.of(world)
    kind = choice.choice((faults.Pause(), faults.PauseAfter()))
    fault = world.stage.sandbox.fault(service, operation, kind, nth=nth)
    process = world.start(records[0], world.hosts[0], **PATIENT)
    while not fault.reached.wait(0.02) and process.poll() is None:
        pass
    outcomes = [world.run(records[1], world.hosts[1])]
    fault.release.set()
    outcomes.append(world.stage.finish(process))
    world.stage.sandbox.faults.clear()
    wrong = kept(world, before) + unseen(world, outcomes)
    for record, outcome in zip(records, outcomes, strict=True):
        wrong += told(world, before, record, outcome, alone=False)
    return Happened(f"two hosts, one held at {service}.{operation} {nth} ({kind.name})", wrong, outcomes)


def _stopped(world: World, choice: random.Random) -> Happened:
    """SIGTERM while a request is under way."""
    (service, operation), nth = _request(world, choice)
    record, before = choice.choice(world.records), Seen.of(world)
    fault = world.stage.sandbox.fault(service, operation, faults.PauseAfter(), nth=nth)
    process = world.start(record, world.hosts[0], **PATIENT)
    while not fault.reached.wait(0.02) and process.poll() is None:
        pass
    process.terminate()
    fault.release.set()
    outcome = world.stage.finish(process)
    world.stage.sandbox.faults.clear()
    wrong = kept(world, before) + told(world, before, record, outcome) + unseen(world, [outcome])
    return Happened(f"SIGTERM at {service}.{operation} {nth}", wrong, [outcome])


def _wait(world: World, choice: random.Random) -> Happened:
    hours = choice.choice(WAITS)
    world.stage.sandbox.clock.advance(hours * HOUR)
    return Happened(f"{hours} h pass", [], [])


def _policy(world: World, choice: random.Random) -> Happened:
    record, label = choice.choice(world.records), choice.choice(list(world.policies))
    value = choice.choice(world.policies[label])
    world.edit(record, label, value)
    return Happened(f"{label} is {value!r}, record {world.records.index(record)}", [], [])


def _wish(world: World, choice: random.Random) -> Happened:
    record, label, value = choice.choice(world.records), *choice.choice((
        ("rotate_now", "True"), ("rotate_now", "revoke"), ("rotation_enabled", "False"), ("rotation_enabled", "True")
    ))  # fmt: skip
    world.edit(record, label, value)
    return Happened(f"{label} is {value}, record {world.records.index(record)}", [], [])


def _restore(world: World, choice: random.Random) -> Happened:
    """A record is put back from its history."""
    record = choice.choice(world.records)
    versions = world.history.setdefault(record, [])
    if versions and choice.random() < 0.5:
        stored = world.stage.sandbox.keeper.vault.records[record]
        for part in ("fields", "custom"):
            stored.data[part] = copy.deepcopy(choice.choice(versions)[part])
        stored.revision += 1
        return Happened(f"record {world.records.index(record)} is put back", [], [])
    versions.append(copy.deepcopy(world.data(record)))
    return Happened("somebody remembers how the record is", [], [])


def _copy(world: World, choice: random.Random) -> Happened:
    """A record is copied; nobody gets the copy's secret from it."""
    if len(world.records) > 1 or not world.may_be_copied:
        return Happened("nothing", [], [])
    data = copy.deepcopy(world.data(world.records[0]))
    fields = [each for each in data["custom"] if each.get("label") != "deliver_to"]
    keeper = world.stage.sandbox.keeper
    world.records.append(keeper.add_record("a copy", "pamUser", data["fields"], fields, uid=new_uid()))
    return Happened("the record is copied", [], [])


def _paste(world: World, choice: random.Random) -> Happened:
    record, label = choice.choice(world.records), world.pasted
    world.edit(record, label, world.value(record, label) + "x")
    return Happened(f"a wrong value is pasted, record {world.records.index(record)}", [], [])


def _meddle(world: World, choice: random.Random) -> Happened:
    return Happened(world.meddle(choice), [], [])


def _line(world: World, choice: random.Random) -> Happened:
    chosen = choice.sample(world.lines(), choice.randint(0, len(world.lines())))
    world.edit(world.records[0], "deliver_to", "\n".join(chosen))
    return Happened(f"deliver_to has {len(chosen)} lines", [], [])


def _destination(world: World, choice: random.Random) -> Happened:
    broken = choice.random() < 0.6
    world.break_destination(broken)
    return Happened(f"a destination {'breaks' if broken else 'works'}", [], [])


def _host(world: World, choice: random.Random) -> Happened:
    if choice.random() < 0.5:
        world.clone_host()
        return Happened("the second host is a clone of the first", [], [])
    number = choice.randrange(2)
    world.lose_host(number)
    return Happened(f"{world.hosts[number].name} loses its lock directory", [], [])


# How often each happens, beside the others.
KINDS: dict[str, tuple[int, Callable[[World, random.Random], Happened]]] = {
    "run": (20, _plain),
    "broken": (24, _broken),
    "outage": (6, _outage),
    "late": (4, _late),
    "two_hosts": (8, _two_hosts),
    "stopped": (4, _stopped),
    "wait": (18, _wait),
    "policy": (5, _policy),
    "wish": (6, _wish),
    "restore": (5, _restore),
    "copy": (2, _copy),
    "paste": (2, _paste),
    "meddle": (3, _meddle),
    "line": (3, _line),
    "destination": (4, _destination),
    "host": (3, _host),
}


def schedule(seed: int, length: int) -> list[Step]:
    """The steps of this seed."""
    choice = random.Random(seed)
    names, weights = list(KINDS), [weight for weight, _ in KINDS.values()]
    return [Step(name, choice.randrange(10**6)) for name in choice.choices(names, weights, k=length)]


def take(world: World, step: Step) -> Happened:
    """Let it happen."""
    return KINDS[step.name][1](world, random.Random(step.number))

"""What happens in a simulation: runs, people, and time."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from dataclasses import dataclass

from sandbox.keeper.vault import new_uid
from tests.simulate import runs
from tests.simulate.runs import Happened
from tests.simulate.worlds import World

HOUR = 3600.0
WAITS = (0.02, 0.3, 1.5, 25, 25, 8 * 24, 32 * 24)  # hours


@dataclass(frozen=True)
class Step:
    """One thing that happens; ``number`` decides everything about it that is left to chance."""

    name: str
    number: int

    def __str__(self) -> str:
        return f"{self.name}:{self.number}"


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
    record = choice.choice(world.records)
    wishes = ("rotate_now", "True"), ("rotate_now", "revoke"), ("rotation_enabled", "False")
    label, value = choice.choice(wishes) if world.is_enabled(record) else ("rotation_enabled", "True")
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
        world.put_back.add(record)
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
    record, label = choice.choice(world.records), choice.choice(world.pasted)
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
    "run": (20, runs.plain),
    "broken": (24, runs.broken),
    "outage": (6, runs.outage),
    "late": (4, runs.late),
    "two_hosts": (8, runs.two_hosts),
    "stopped": (4, runs.stopped),
    "wait": (18, _wait),
    "policy": (5, _policy),
    "wish": (7, _wish),
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

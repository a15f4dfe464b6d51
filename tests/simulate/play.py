"""Plays a schedule to its end, and finds the shortest part of one that still breaks a promise."""

from __future__ import annotations

import concurrent.futures
import itertools
import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from tests.simulate.promises import Seen, complete, kept, unseen
from tests.simulate.rotated import WORLDS
from tests.simulate.runs import Happened
from tests.simulate.steps import HOUR, Step, schedule, take
from tests.simulate.worlds import World

# After so many quiet days everything is tidy: an overlap, and a day for what may have been published.
QUIET_DAYS = 4


@dataclass
class Played:
    """How it went. ``wrong``: what broke a promise, empty where nothing did; ``trace``: each step, in words.

    ``steps``: how many there were, by their name; ``faults``: how many were put in force, and ``met``, how many of
    them a request ran into; ``seconds``: what passed on the clock of the services.
    """

    kind: str
    seed: int
    wrong: list[str] = field(default_factory=list)
    trace: list[str] = field(default_factory=list)
    runs: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    steps: Counter[str] = field(default_factory=Counter)
    faults: int = 0
    met: int = 0
    seconds: float = 0.0

    def note(self, step: object, happened: Happened) -> None:
        """What a step did."""
        codes = [str(each.code) + (f" {each.result}" if each.result else "") for each in happened.outcomes]
        self.trace.append(f"{step}  {happened.what}" + (f" -> {', '.join(codes)}" if codes else ""))
        self.trace += [f"    {error}" for each in happened.outcomes if (error := each.report.get("error"))]
        self.wrong += happened.wrong
        self.trace += [f"    !! {each}" for each in happened.wrong]
        self.runs += len(happened.outcomes)
        self.faults += happened.fault is not None
        self.met += happened.fault is not None and happened.fault.fired
        self.codes.update(str(each.code) for each in happened.outcomes)


def play(kind: str, seed: int, steps: Sequence[Step]) -> Played:
    """Until the first step that breaks a promise, else to the end, where some quiet days heal everything."""
    world, played = WORLDS[kind](random.Random(seed)), Played(kind, seed)  # type: ignore[abstract]
    began = world.stage.sandbox.clock.now()
    try:
        for step in steps:
            played.steps[step.name] += 1
            played.note(step, take(world, step))
            if played.wrong:
                return played
        _heal(world, played)
        played.wrong += [f"sandbox: {error}" for error in world.stage.sandbox.errors]
    finally:
        played.seconds = world.stage.sandbox.clock.now() - began
        world.close()
    return played


def _heal(world: World, played: Played) -> None:
    world.break_destination(False)
    for record in world.records:
        world.edit(record, "rotation_enabled", "True")
    outcomes = []
    for day in range(1, QUIET_DAYS + 1):
        world.stage.sandbox.clock.advance(26 * HOUR)
        before = Seen.of(world)
        outcomes = [world.run(record, world.hosts[0]) for record in world.records]
        wrong = kept(world, before) + unseen(world, outcomes)
        played.note(f"quiet day {day}", Happened("all records run", wrong, outcomes))
    for record, outcome in zip(world.records, outcomes, strict=True):
        if outcome.code == 0:
            played.wrong += complete(world, record)
        elif not world.refuses_rightly(outcome):
            played.wrong.append(f"not healed: exit {outcome.code}")
    played.wrong += [f"P3: left over: {key_id}" for key_id in sorted(world.leftovers())]


def shorter(kind: str, seed: int, steps: Sequence[Step], wrong: Sequence[str]) -> list[Step]:
    """The same without whatever can be left out: a step, or half of them, with the first promise still broken."""
    promise, kept_steps, size = wrong[0].split(":")[0], list(steps), max(1, len(steps) // 2)
    while True:
        for begin in range(0, len(kept_steps), size):
            tried = kept_steps[:begin] + kept_steps[begin + size :]
            again = play(kind, seed, tried).wrong
            if again and again[0].split(":")[0] == promise:
                kept_steps = tried
                break
        else:
            if size == 1:
                return kept_steps
            size = max(1, size // 2)


def play_seed(kind: str, seed: int, length: int) -> Played:
    """The schedule of a seed."""
    return play(kind, seed, schedule(seed, length))


def play_for(seconds: float, kinds: Sequence[str], seed: int, length: int, jobs: int) -> Iterator[Played]:
    """Schedules of these kinds and of one seed after the other, as they end; none is begun when the time is over."""
    began = time.monotonic()
    numbers = ((kind, number) for number in itertools.count(seed) for kind in kinds)
    with concurrent.futures.ProcessPoolExecutor(jobs) as pool:
        waiting = {pool.submit(play_seed, *next(numbers), length) for _ in range(2 * jobs)}
        while waiting:
            done, waiting = concurrent.futures.wait(waiting, return_when=concurrent.futures.FIRST_COMPLETED)
            for future in done:
                if time.monotonic() - began < seconds:
                    waiting.add(pool.submit(play_seed, *next(numbers), length))
                yield future.result()

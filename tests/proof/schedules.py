"""Some time of the simulation, counted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tests.proof.verdicts import broken
from tests.simulate.play import Played, play_for
from tests.simulate.rotated import WORLDS

LENGTH = 30
_A_DAY = 86400.0

# What a step is, for people; its name is that of `tests.simulate.steps.KINDS`.
STEPS = {
    "run": "plain runs",
    "broken": "runs with one broken request, killed ones among them",
    "outage": "runs during an outage of a service",
    "late": "changes that arrive after their run has ended",
    "two_hosts": "two hosts at once, one held at a request",
    "stopped": "runs that are told to stop",
    "wait": "waits, of a minute to a month",
    "policy": "changes of a record's policy",
    "wish": "rotations asked for, revoked, switched off and on",
    "restore": "records noted or put back",
    "copy": "records copied",
    "paste": "wrong values pasted",
    "meddle": "changes of the target by hand",
    "line": "changes of deliver_to",
    "destination": "destinations that break or are repaired",
    "host": "hosts that are cloned or lose their lock directory",
}


@dataclass
class Simulated:
    """What was played; ``bad``: the schedules that broke a promise, each as it is played again."""

    seed: int
    schedules: int = 0
    runs: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    steps: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    days: float = 0.0
    broken: Counter[str] = field(default_factory=Counter)
    bad: list[str] = field(default_factory=list)

    def add(self, played: Played) -> None:
        """One schedule more."""
        self.schedules += 1
        self.runs += played.runs
        self.codes.update(played.codes)
        self.steps.update(played.steps)
        self.kinds[played.kind] += played.runs
        self.days += played.seconds / _A_DAY
        self.broken.update(broken([played.wrong]))
        if played.wrong:
            self.bad.append(f"--kind {played.kind} --seed {played.seed} --length {LENGTH}: {'; '.join(played.wrong)}")

    def figures(self) -> dict[str, Any]:
        """As numbers and texts."""
        return {
            "seed": self.seed, "length": LENGTH, "schedules": self.schedules, "runs": self.runs,
            "killed": self.codes["-9"], "codes": dict(sorted(self.codes.items())), "days": round(self.days),
            "runs by kind": dict(self.kinds), "steps": {name: self.steps[name] for name in STEPS},
            "broken": dict(self.broken), "bad": self.bad,
        }  # fmt: skip


def simulate(seconds: float, seed: int, jobs: int) -> Simulated:
    """Play for so long, from this seed on."""
    found = Simulated(seed)
    for played in play_for(seconds, list(WORLDS), seed, LENGTH, jobs):
        found.add(played)
    return found

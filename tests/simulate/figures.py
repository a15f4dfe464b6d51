"""What was played, counted; files of it from other machines and other hours are added up."""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.proof.verdicts import broken
from tests.simulate.play import Played
from tests.stage.rotation import ROOT

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


def commit() -> str:
    """What is played on; "dirty" where files were changed since."""
    command = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()
    return found or "unknown"


@dataclass
class Simulated:
    """What was played; ``bad``: the schedules that broke a promise, each as it is played again."""

    seed: int
    length: int
    schedules: int = 0
    runs: int = 0
    faults: int = 0
    met: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    steps: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    days: float = 0.0
    broken: Counter[str] = field(default_factory=Counter)
    bad: list[str] = field(default_factory=list)

    def add(self, played: Played) -> str:
        """One schedule more; what it broke, and how it is played again."""
        self.schedules += 1
        self.runs += played.runs
        self.faults += played.faults
        self.met += played.met
        self.codes.update(played.codes)
        self.steps.update(played.steps)
        self.kinds[played.kind] += played.runs
        self.days += played.seconds / _A_DAY
        self.broken.update(broken([played.wrong]))
        if not played.wrong:
            return ""
        options = f"--kind {played.kind} --seed {played.seed} --length {self.length}"
        self.bad.append(f"{options}: {'; '.join(played.wrong)}")
        return self.bad[-1]

    def figures(self) -> dict[str, Any]:
        """As numbers and texts."""
        return {
            "commits": [commit()], "seeds": [self.seed], "length": self.length,
            "schedules": self.schedules, "runs": self.runs, "faults": self.faults, "met": self.met,
            "killed": self.codes["-9"], "codes": dict(sorted(self.codes.items())), "days": round(self.days),
            "runs by kind": dict(self.kinds), "steps": {name: self.steps[name] for name in STEPS},
            "broken": dict(self.broken), "bad": self.bad,
        }  # fmt: skip


def total(figures: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The sum of several, which played schedules of one length. Raises ValueError where they did not."""
    (length,) = {each["length"] for each in figures}
    summed: dict[str, Any] = {}
    for each in figures:
        summed = {name: _sum(summed.get(name), value) for name, value in each.items()}
    return summed | {"length": length, "commits": sorted(set(summed["commits"])), "seeds": sorted(summed["seeds"])}


def _sum(before: Any, now: Any) -> Any:
    """Numbers and lists are added, and tables by their rows."""
    if before is None or not isinstance(now, dict):
        return now if before is None else before + now
    return {name: before.get(name, 0) + now.get(name, 0) for name in sorted({*before, *now})}

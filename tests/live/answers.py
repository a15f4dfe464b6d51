"""What was seen, item by item of the page, as people and as programs read it."""

from __future__ import annotations

import json
import re
import textwrap
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from gateway.errors import CallError, RotationError
from gateway.host.shown import shown
from tests.live.scripts import Run

PAGE = Path(__file__).parents[2] / "docs" / "not-tried-live.md"
SETTLED, FAILED, NOT_TRIED = "settled", "failed", "not tried"
_WIDTH = 80
_PERMISSION = re.compile(r"HTTP 40[13]|\b(roles?|permissions?|read-only|denied)\b")

# Why the trial leaves an item to a person; where a letter stands alone, to all others of its table.
BY_HAND = {
    "K1": "only a Gateway hands this over: attach the probe",
    "K2": "only a Gateway ends a script: attach the probe",
    "K3": "only a Gateway writes records beside the script",
    "K5": "it is seen in the vault and in the Gateway's log",
    "K6": "these are clicks",
    "K7": "Commander signs in as a person",
    "K8": "Commander signs in as a person",
    "K9": "only a Gateway rolls back",
    "K10": "only a Gateway runs a SaaS plugin",
    "K11": "the sync is set up by an administrator",
    "K13": "it takes a pool of Gateways",
    "K14": "it would slow down everyone who uses this application",
    "E2": "the policy is set in the portal",
    "E3": "the admin credential may not add passwords to a service principal",
    "E4": "ownership is taken away by a person",
    "E5": "the app's audience is changed in the portal",
    "A2": "the setting is changed by a person",
    "A5": "a public CA charges for it",
    "D2": "it takes a token from before December 2026",
    "D5": "look whether the consumer signed in",
    "V": "see docs/listen.md: a deployment, and a day",
    "M": "it takes a MongoDB server: MONGODB_TEST_URI",
    "H": "it is another host, or another week",
}


@dataclass
class Answer:
    """What became of an item."""

    id: str
    state: str
    text: str


@dataclass
class Answers:
    """The report.

    ``facts``: measurements; ``kept``: what a key vault keeps though it was deleted; ``left``: what is not removed;
    ``interrupted``: by which signal.
    """

    run: str = ""
    cloud: str = ""
    found: dict[str, Answer] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    kept: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    interrupted: str = ""

    def settle(self, item: str, text: str, *, ok: bool = True) -> None:
        """Something was seen; what was seen before of the same item is kept."""
        before = self.found.get(item)
        text = f"{before.text}; {text}" if before and before.state != NOT_TRIED else text
        failed = not ok or (before is not None and before.state == FAILED)
        self.found[item] = Answer(item, FAILED if failed else SETTLED, shown(text))

    def skip(self, item: str, why: str) -> None:
        """It was not tried, unless something of it was seen before."""
        self.found.setdefault(item, Answer(item, NOT_TRIED, shown(why)))

    def refuse(self, item: str, error: RotationError | CallError) -> None:
        """What was tried was refused, or got no answer."""
        self.skip(item, f"{error} ({error.hint})")

    def judge(self, item: str, run: Run, more: str = "", *, ok: bool = True) -> bool:
        """What a script said; True where it did what it is for. One that lacks a permission was not tried."""
        error, hint = str(run.report.get("error") or ""), str(run.report.get("hint") or "")
        good = run.code == 0 and ok
        if run.code in (1, 2) and _PERMISSION.search(f"{error} {hint}"):
            self.skip(item, f"{error} ({hint})")
        else:
            self.settle(item, f"{run}{more}", ok=good)
        return good

    def in_order(self) -> list[Answer]:
        """One for each item of the page, in its order."""
        rest = "interrupted before it" if self.interrupted else "not given what it takes"
        for item in items():
            self.skip(item, BY_HAND.get(item) or BY_HAND.get(item[0]) or rest)
        return [self.found[item] for item in items()]

    @property
    def code(self) -> int:
        """0: all that could be tried is settled; 2: something failed, it was interrupted, or not even S1 was tried; 3:
        something is left."""
        states = {item: each.state for item, each in self.found.items()}
        failed = self.interrupted or FAILED in states.values() or states.get("S1") != SETTLED
        return 3 if self.left else 2 if failed else 0

    def as_text(self) -> str:
        """For people, in lines of 80 columns."""
        lines = [line for each in self.in_order() for line in _lines(f"{each.id:<4}{each.state}: {each.text}", 4)]
        lines += [line for name in self.kept for line in _lines(f"kept for the vault's retention: {name}", 2)]
        lines += [line for left in self.left for line in _lines(f"left behind: {shown(left)}", 2)]
        return "\n".join([f"run {self.run} in {self.cloud}", *lines])

    def as_json(self) -> str:
        """For programs."""
        answers = [asdict(each) for each in self.in_order()]
        head = {"run": self.run, "cloud": self.cloud, "interrupted": self.interrupted, "exit_code": self.code}
        return json.dumps(
            head | {"kept": self.kept, "left": [*map(shown, self.left)], "facts": self.facts, "answers": answers},
            indent=1,
        )


def items() -> list[str]:
    """The ids of the page."""
    return re.findall(r"^\| ([A-Z]\d+) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)


def _lines(text: str, indent: int) -> list[str]:
    return textwrap.wrap(text, _WIDTH, subsequent_indent=" " * indent, break_on_hyphens=False)

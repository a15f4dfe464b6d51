"""What a record asks for, read from its optional fields."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from gateway.clouds import CLOUDS, Cloud
from gateway.errors import Failed
from gateway.fields import DEFAULTS

REMOVE_OLD = ("all", "replaced", "none")
LONGEST = timedelta(days=3650)
_SWITCH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclass(frozen=True)
class Policy:
    """A record's wishes. ``rotate_before`` is None where every run rotates."""

    enabled: bool
    lifetime: timedelta
    rotate_before: timedelta | None
    remove_old: str
    overlap: timedelta
    cloud: Cloud


def read_policy(value: Callable[[str], str]) -> Policy:
    """The policy in the fields that ``value`` looks up by label; an empty field means its default.

    Raises:
        Failed: one or more fields cannot be used; all of them are named.
    """
    problems: list[str] = []

    def text(label: str) -> str:
        return value(label).strip() or DEFAULTS[label]

    def choice(label: str, choices: dict[str, object]) -> str:
        chosen = text(label)
        for name in choices:
            if name.lower() == chosen.lower():
                return name
        problems.append(f"{label}: {chosen!r} is none of {', '.join(choices)}")
        return DEFAULTS[label]

    def duration(label: str, unit: timedelta, least: float) -> timedelta:
        try:
            number = float(text(label))
        except ValueError:
            number = math.nan
        if not least <= number <= LONGEST / unit:
            problems.append(f"{label}: {text(label)!r} is not a number from {least:g} to {LONGEST / unit:g}")
            return unit * least
        return unit * number

    enabled = _SWITCH.get(text("rotation_enabled").lower())
    if enabled is None:
        problems.append(f"rotation_enabled: {text('rotation_enabled')!r} is neither True nor False")
    hour = timedelta(hours=1)
    policy = Policy(
        enabled=bool(enabled),
        lifetime=duration("secret_lifetime_days", timedelta(days=1), 1),
        rotate_before=duration("rotate_before_hours", hour, 0) if text("rotate_before_hours") else None,
        remove_old=choice("remove_old", dict.fromkeys(REMOVE_OLD)),
        overlap=duration("overlap_hours", hour, 0),
        cloud=CLOUDS[choice("azure_cloud", dict.fromkeys(CLOUDS))],
    )
    if not problems:
        problems = _contradictions(policy)
    if problems:
        raise Failed("; ".join(problems), "correct these fields of the PAM User record in the vault")
    return policy


def _contradictions(policy: Policy) -> list[str]:
    too_long = "must be shorter than secret_lifetime_days, else the secret dies first"
    spans = {"overlap_hours": policy.overlap, "rotate_before_hours": policy.rotate_before or timedelta()}
    return [f"{label}: {too_long}" for label, span in spans.items() if span >= policy.lifetime]

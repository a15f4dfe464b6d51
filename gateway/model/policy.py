"""What a record asks for, read from its optional fields."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

from gateway.errors import Failed
from gateway.model.clouds import CLOUDS, Cloud, find_cloud
from gateway.model.fields import DEFAULTS

REMOVE_OLD = ("all", "replaced", "none")
LONGEST = timedelta(days=3650)
OF_VALIDITY = timedelta(microseconds=1)
"""stands for a share of a validity that is not known yet: nothing is nearer to its end than that"""
_DAY, _HOUR = timedelta(days=1), timedelta(hours=1)
_SWITCH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
REVOKE = "revoke"


NOTIFY_ON = ("failure", "expiry", "all")


@dataclass(frozen=True)
class Policy:
    """A record's wishes. ``rotate_before`` is None where every run rotates; ``threshold``: what the record says of it.

    ``share``: of the lifetime, where the record says it so. Where it does not choose the lifetime itself, both are
    `OF_VALIDITY` until `for_validity` says what that comes to.

    ``rotate_now``: a rotation is asked for, ``revoke``: and with it the end of all that was published before.
    ``cloud``: what the record says of the admin credential's; None where it says nothing.
    """

    enabled: bool
    lifetime: timedelta
    rotate_before: timedelta | None
    remove_old: str
    overlap: timedelta
    cloud: Cloud | None
    owners: tuple[str, ...]
    rotate_now: bool = False
    revoke: bool = False
    threshold: timedelta | None = field(default=None, compare=False)
    share: float = field(default=0.0, compare=False)

    def for_validity(self, validity: timedelta | None) -> Policy:
        """With what a share comes to, of a credential that is valid for so long."""
        if not self.share or validity is None or self.threshold != OF_VALIDITY:
            return self
        threshold = max(validity, timedelta()) * self.share
        before = threshold if self.rotate_before == OF_VALIDITY else self.rotate_before
        return replace(self, rotate_before=before, threshold=threshold)


@dataclass(frozen=True)
class NotifyPolicy:
    """Who is told, and of what. ``before``: how long before the end, longest first."""

    urls: tuple[str, ...]
    on: str
    before: tuple[timedelta, ...]


def read_policy(
    value: Callable[[str], str], defaults: Mapping[str, str] | None = None, *, chooses_lifetime: bool = True
) -> Policy:
    """The policy in the fields that ``value`` looks up by label; an empty field means its default.

    Args:
        defaults: of the kind that is rotated, where they are not those of the table of fields.
        chooses_lifetime: whether the record says how long a new one lives; else it is not read, and `LONGEST`.

    Raises:
        Failed: one or more fields cannot be used; all of them are named.
    """
    read = _Reader(value, DEFAULTS | dict(defaults or {}))
    share = read.share("rotate_before_hours")
    policy = Policy(
        enabled=read.switch("rotation_enabled"),
        lifetime=(chooses_lifetime and read.duration("secret_lifetime_days", _DAY, 1)) or LONGEST,
        rotate_before=(share and OF_VALIDITY) or read.duration("rotate_before_hours", _HOUR, 0),
        share=share,
        remove_old=read.choice("remove_old", REMOVE_OLD),
        overlap=read.duration("overlap_hours", _HOUR, 0) or timedelta(),
        cloud=read.cloud("azure_cloud"),
        owners=read.words("application_owners"),
        rotate_now=(asked := read.asked("rotate_now")) != "",
        revoke=asked == REVOKE,
    )
    policy = replace(policy, threshold=policy.rotate_before)
    if chooses_lifetime:
        policy = policy.for_validity(policy.lifetime)
    if not value("overlap_hours").strip():  # a default must not contradict what the record does say
        policy = replace(policy, overlap=min(policy.overlap, policy.lifetime / 2))
    read_notify_policy(value, read)
    read.problems += _contradictions(policy) if chooses_lifetime else []
    if policy.enabled or any(problem.startswith("rotation_enabled") for problem in read.problems):
        read.check()
    return policy


def read_notify_policy(value: Callable[[str], str], read: _Reader | None = None) -> NotifyPolicy:
    """Who is told. A wish that cannot be used falls back to its default here; `read_policy` complains about it."""
    read = read or _Reader(value, DEFAULTS)
    return NotifyPolicy(
        urls=read.words("notify"),
        on=read.choice("notify_on", NOTIFY_ON),
        before=read.durations("notify_before_days", _DAY, 0),
    )


class _Reader:
    """Reads fields, and gathers what is wrong with them."""

    def __init__(self, value: Callable[[str], str], defaults: Mapping[str, str]) -> None:
        self._value = value
        self._defaults = defaults
        self.problems: list[str] = []

    def text(self, label: str) -> str:
        return self._value(label).strip() or self._defaults[label]

    def words(self, label: str) -> tuple[str, ...]:
        return tuple(filter(None, re.split(r"[\s,]+", self.text(label))))

    def switch(self, label: str) -> bool:
        switched = _SWITCH.get(self.text(label).lower())
        if switched is None:
            self.problems.append(f"{label}: {self.text(label)!r} is neither True nor False")
        return bool(switched)

    def asked(self, label: str) -> str:
        """Empty, ``True`` or ``revoke``."""
        text = self.text(label)
        if text.lower() == REVOKE:
            return REVOKE
        if text and text.lower() not in _SWITCH:
            self.problems.append(f"{label}: {text!r} is neither True nor revoke, nor empty")
        return "True" if _SWITCH.get(text.lower()) else ""

    def choice(self, label: str, choices: tuple[str, ...]) -> str:
        chosen = self.text(label)
        for name in choices:
            if name.lower() == chosen.lower():
                return name
        self.problems.append(f"{label}: {chosen!r} is none of {', '.join(choices)}")
        return self._defaults[label]

    def cloud(self, label: str) -> Cloud | None:
        """None where nothing is said."""
        return find_cloud(self.choice(label, tuple(CLOUDS))) if self.text(label) else None

    def share(self, label: str) -> float:
        """Such as ``33%``, as a part of 1; 0 where it is none."""
        found = re.fullmatch(r"([0-9]{1,2}(?:\.[0-9]{1,3})?) ?%", self.text(label))
        return float(found[1]) / 100 if found else 0.0

    def duration(self, label: str, unit: timedelta, least: float) -> timedelta | None:
        text = self.text(label)
        return self._one_duration(label, text, unit, least) if text else None

    def _one_duration(self, label: str, text: str, unit: timedelta, least: float) -> timedelta | None:
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if least <= number <= LONGEST / unit:
            return unit * number
        also = ", nor a share such as 33%" if label == "rotate_before_hours" else ""
        self.problems.append(f"{label}: {text!r} is not a number from {least:g} to {LONGEST / unit:g}{also}")
        return None

    def durations(self, label: str, unit: timedelta, least: float) -> tuple[timedelta, ...]:
        """Several, longest first."""
        given = (self._one_duration(label, text, unit, least) for text in self.words(label))
        return tuple(sorted({each for each in given if each is not None}, reverse=True))

    def check(self) -> None:
        if self.problems:
            raise Failed.each(self.problems, "correct these fields of the PAM User record in the vault")


def _contradictions(policy: Policy) -> list[str]:
    too_long = "must be shorter than secret_lifetime_days, else the secret dies first"
    spans = {"overlap_hours": policy.overlap, "rotate_before_hours": policy.rotate_before or timedelta()}
    return [f"{label}: {too_long}" for label, span in spans.items() if span >= policy.lifetime]

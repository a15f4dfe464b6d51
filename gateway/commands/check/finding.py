"""One thing that is found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Level(Enum):
    """What a finding means for the next run. The value is the exit code that it stands for."""

    ERROR = 1
    """it would fail"""
    UNASKED = 2
    """whether it would work could not be asked"""
    WARNING = 0
    """it would work"""


@dataclass(frozen=True)
class Finding:
    """One thing to know, and what to do."""

    level: Level
    what: str
    hint: str = ""

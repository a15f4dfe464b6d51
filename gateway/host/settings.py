"""Settings: what one is, how it is read, and those of the host, which are optional environment variables.

docs/settings.md is checked against `SETTINGS`; the listener has more of them in ``listener/settings.py``.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from gateway.errors import Failed
from gateway.model.clouds import CLOUDS, PUBLIC, Cloud, find_cloud

CERTIFI, SYSTEM = "certifi", "system"
Default = str | int | float | dict[str, str] | None


@dataclass(frozen=True)
class Setting:
    """One setting: ``name`` is what a file calls it, ``variable`` its environment variable where that is another one.

    Its kind is its default's; without a default it must be given. A number is from ``least`` to less than ``below``.
    """

    name: str
    default: Default
    meaning: str
    least: float = 0.0
    below: float = math.inf
    variable: str = ""

    def read(self, environment: Mapping[str, str], file: Mapping[str, Any]) -> Any:
        """Its value; the environment wins. Raises ValueError, which says what is wrong."""
        given = environment.get(self.variable or self.name, "").strip() or file.get(self.name)
        if given is None:
            if self.default is None:
                raise ValueError(f"{self.name} ({self.variable}) is missing")
            return self.default
        if isinstance(self.default, dict):
            return self._table(given)
        if isinstance(self.default, (int, float)):
            return self._number(given)
        return str(given).strip()

    def _number(self, given: Any) -> float:
        whole = isinstance(self.default, int)
        try:
            number = float(given)
        except (ValueError, TypeError, OverflowError):
            number = math.nan
        if not self.least <= number < self.below or (whole and not number.is_integer()):
            place = f"{self.name}: " if self.variable else f"{self.name}="
            kind = "whole number" if whole else "number"
            raise ValueError(f"{place}{given!r} is not a {kind} of at least {self.least:g}")
        return int(number) if whole else number

    def _table(self, given: Any) -> dict[str, str]:
        if isinstance(given, str):
            pairs = [entry.partition("=") for entry in given.split(";") if entry.strip()]
            given = {key.strip(): value.strip() for key, _, value in pairs}
        if not isinstance(given, dict) or any(isinstance(value, (dict, list)) for value in given.values()):
            raise ValueError(f"{self.name}: a table of names and texts is expected")
        return {str(key): str(value).lower() if isinstance(value, bool) else str(value) for key, value in given.items()}


def read_each(
    settings: Iterable[Setting], environment: Mapping[str, str], file: Mapping[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    """The values by name, and everything that is wrong with what was given."""
    known = {setting.name: setting for setting in settings}
    values: dict[str, Any] = {}
    problems = [f"there is no setting {name!r}" for name in sorted(file.keys() - known.keys())]
    for setting in known.values():
        try:
            values[setting.name] = setting.read(environment, file)
        except ValueError as error:
            problems.append(str(error))
    return values, problems


SETTINGS = (
    Setting(
        "ROTATION_PROVE_SUCCESSES",
        3,
        "how many sign-ins side by side, or in a row once one was refused, prove a new secret",
        1,
    ),
    Setting("ROTATION_PROVE_INTERVAL_SECONDS", 1.0, "pause between these sign-ins"),
    Setting("ROTATION_PROVE_TIMEOUT_SECONDS", 120.0, "how long a new secret may take to be accepted everywhere"),
    Setting("ROTATION_REQUEST_TIMEOUT_SECONDS", 30.0, "timeout of one request", 0.1),
    Setting("ROTATION_DEADLINE_SECONDS", 600.0, "timeout of the whole run", 5),
    Setting("ROTATION_RETRY_BASE_SECONDS", 1.0, "first pause before a call is repeated; doubles, jittered"),
    Setting(
        "ROTATION_CA",
        CERTIFI,
        "whose certificate authorities are trusted: `certifi` (that package's) or `system` (the operating system's)",
    ),
    Setting("ROTATION_AZURE_CLOUD", PUBLIC, "the Azure cloud of admin credentials whose own record names none"),
)


def _about_authorities(given: str) -> list[str]:
    if given.lower() not in (CERTIFI, SYSTEM):
        return [f"ROTATION_CA={given!r} is neither {CERTIFI} nor {SYSTEM}"]
    missing = given.lower() == SYSTEM and find_spec("truststore") is None
    return ["ROTATION_CA=system needs the package truststore on this host"] if missing else []


@dataclass(frozen=True)
class Settings:
    """The host's settings; times in seconds."""

    prove_successes: int
    prove_interval: float
    prove_timeout: float
    request_timeout: float
    deadline: float
    retry_base: float
    lock_dir: str
    cloud: Cloud


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings of this host.

    Raises:
        Failed: one or more variables are not numbers in their range, or no cloud; all of them are named.
    """
    values, problems = read_each(SETTINGS, environment, {})
    cloud = find_cloud(named := values.pop("ROTATION_AZURE_CLOUD"))
    problems += _about_authorities(values.pop("ROTATION_CA"))
    problems += [] if cloud else [f"ROTATION_AZURE_CLOUD={named!r} is none of {', '.join(CLOUDS)}"]
    if problems or not cloud:
        raise Failed.each(problems, "correct or remove these environment variables of the Gateway's service")
    successes, interval, prove_timeout, request_timeout, deadline, retry_base = values.values()
    if prove_timeout <= (successes - 1) * interval:
        raise Failed(
            "ROTATION_PROVE_TIMEOUT_SECONDS is too short for ROTATION_PROVE_SUCCESSES sign-ins "
            "ROTATION_PROVE_INTERVAL_SECONDS apart",
            "make it longer, or the interval shorter",
        )
    lock_dir = environment.get("ROTATION_LOCK_DIR", "").strip()
    return Settings(successes, interval, prove_timeout, request_timeout, deadline, retry_base, lock_dir, cloud)

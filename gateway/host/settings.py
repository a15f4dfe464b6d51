"""Settings of the host: environment variables, all optional. README's table is checked against `SETTINGS`."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass

from gateway.errors import Failed


@dataclass(frozen=True)
class Variable:
    """One environment variable that holds a number."""

    name: str
    default: float
    least: float
    meaning: str


SETTINGS = (
    Variable("ROTATION_PROVE_SUCCESSES", 3, 1, "how many sign-ins in a row prove a new secret"),
    Variable("ROTATION_PROVE_INTERVAL_SECONDS", 2, 0, "pause between these sign-ins"),
    Variable("ROTATION_PROVE_TIMEOUT_SECONDS", 120, 0, "how long a new secret may take to be accepted everywhere"),
    Variable("ROTATION_REQUEST_TIMEOUT_SECONDS", 30, 0.1, "timeout of one request"),
    Variable("ROTATION_DEADLINE_SECONDS", 600, 5, "timeout of the whole run"),
    Variable("ROTATION_RETRY_BASE_SECONDS", 1, 0, "first pause before a call is repeated; doubles, jittered"),
)


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


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings of this host.

    Raises:
        Failed: one or more variables are not numbers in their range; all of them are named.
    """
    problems: list[str] = []
    numbers = [_number(variable, environment, problems) for variable in SETTINGS]
    if problems:
        raise Failed("; ".join(problems), "correct or remove these environment variables of the Gateway's service")
    successes, interval, prove_timeout, request_timeout, deadline, retry_base = numbers
    if prove_timeout <= (successes - 1) * interval:
        raise Failed(
            "ROTATION_PROVE_TIMEOUT_SECONDS is too short for ROTATION_PROVE_SUCCESSES sign-ins "
            "ROTATION_PROVE_INTERVAL_SECONDS apart",
            "make it longer, or the interval shorter",
        )
    lock_dir = environment.get("ROTATION_LOCK_DIR", "").strip()
    return Settings(int(successes), interval, prove_timeout, request_timeout, deadline, retry_base, lock_dir)


def _number(variable: Variable, environment: Mapping[str, str], problems: list[str]) -> float:
    text = environment.get(variable.name, "").strip()
    if not text:
        return variable.default
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number >= variable.least):
        problems.append(f"{variable.name}={text!r} is not a number of at least {variable.least:g}")
    return number

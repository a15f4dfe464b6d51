"""What a rotation costs: ``make bench``. Whole processes in the sandbox, in turn, medians.

With ``REFERENCE_SCRIPT`` (a document that holds Keeper's published script, or the script) that one runs in turn with
ours, and each figure of ours is also given as its ratio to that of the run beside it.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import certifi

from sandbox.demo.published import cut_out
from tests.stage.rotation import SCRIPT, Stage

RUNS = int(os.environ.get("BENCH_RUNS", "11"))
AS_INSTALLED: dict[str, str] = {}
WITHOUT_PAUSE = {"ROTATION_PROVE_INTERVAL_SECONDS": "0"}
COLUMNS = ("what", "wall s", "ratio", "CPU s", "ratio", "MB", "ratio", "requests", "round trips")


@dataclass
class Cost:
    """Of one run: seconds of wall clock and of CPU, peak memory in MB, requests, and round trips with connections."""

    wall: float
    cpu: float
    memory: float
    requests: int
    round_trips: int


Measure = Callable[[Path, dict[str, str]], Cost]


def rotation(latency: float, old: int) -> Measure:
    """One rotation of a fresh app with ``old`` secrets; ``latency`` in seconds per round trip."""

    def measure(script: Path, settings: dict[str, str]) -> Cost:
        with Stage(latency=latency, old_secrets=old) as stage:
            cost = run(stage, script, settings)
            assert stage.live() == {stage.value("client_secret_id")} and stage.published_works()
            return cost

    return measure


def nothing_due(latency: float) -> Measure:
    """The run of the day after."""

    def measure(script: Path, settings: dict[str, str]) -> Cost:
        with Stage(latency=latency) as stage:
            stage.sandbox.keeper.edit(stage.at.record_uid, "rotate_before_hours", "720")
            stage.sandbox.keeper.edit(stage.at.record_uid, "secret_lifetime_days", "180")
            assert stage.run().code == 0
            stage.sandbox.forget()
            return run(stage, script, settings)

    return measure


def run(stage: Stage, script: Path, settings: dict[str, str]) -> Cost:
    """One process, with the settings of a new installation but for these."""
    variables = {
        name: text
        for name, text in stage.variables.items()
        if not name.startswith("ROTATION_") or name == "ROTATION_LOCK_DIR"
    }
    _trust_as_hosts_do(Path(variables["REQUESTS_CA_BUNDLE"]))
    line = stage.line()
    text = script.read_text(encoding="utf-8")
    copy = stage.folder / script.name
    copy.write_text(text.replace("/etc/keeper-gateway/gateway-config.json", variables["KSM_CONFIG_FILE"]))
    pipe, none = subprocess.PIPE, subprocess.DEVNULL
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, copy], stdin=pipe, stdout=none, stderr=none, env=variables | settings)
    assert process.stdin
    process.stdin.write(line)
    process.stdin.close()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, f"exit {process.returncode}"
    requests, connects = len(stage.sandbox.requests), len(stage.sandbox.connects)
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, requests, requests + 2 * connects)


def _trust_as_hosts_do(bundle: Path) -> None:
    """Beside the sandbox's own authority all that certifi has: reading it is a good part of each connection."""
    bundle.write_bytes(bundle.read_bytes() + Path(certifi.where()).read_bytes())


def compared(name: str, measure: Measure, other: Path | None) -> Iterator[tuple[str, ...]]:
    """A row of ours as installed, one without the pause between proofs, and one of the other script."""
    ours: dict[str, list[Cost]] = {"": [], ", without the pause": []}
    theirs: list[Cost] = []
    for number in range(RUNS + 1):
        costs = [measure(SCRIPT, settings) for settings in (AS_INSTALLED, WITHOUT_PAUSE)]
        beside = measure(other, {}) if other else None
        if number:  # the first one warms up
            for kept, cost in zip(ours.values(), costs, strict=True):
                kept.append(cost)
            theirs += [beside] if beside else []
        print(f"\r{name}: {number} of {RUNS}  ", end="", file=sys.stderr, flush=True)
    for which, rows in ours.items():
        yield _row(name + which, rows, theirs)
    if theirs:
        yield _row(f"{name}, the published script", theirs, [])


def _row(name: str, costs: list[Cost], beside: list[Cost]) -> tuple[str, ...]:
    cells = [name]
    for what, digits in (("wall", 2), ("cpu", 3), ("memory", 1)):
        cells.append(f"{statistics.median(getattr(cost, what) for cost in costs):.{digits}f}")
        ratios = [getattr(a, what) / getattr(b, what) for a, b in zip(costs, beside, strict=False)]
        cells.append(f"{statistics.median(ratios):.2f}" if ratios else "")
    return (*cells, str(costs[-1].requests), str(costs[-1].round_trips))


def rows() -> Iterator[tuple[str, ...]]:
    """All rows of the table."""
    with Stage() as stage:
        other = cut_out(stage.folder)
        for old, milliseconds in ((5, 50), (1, 50), (20, 50), (5, 0), (5, 200)):
            name = f"{old} old secret{'s' * (old > 1)}, {milliseconds} ms"
            yield from compared(name, rotation(milliseconds / 1000, old), other)
        yield from compared("nothing due, 50 ms", nothing_due(0.05), None)


def main() -> None:
    """Print the table."""
    width = 48
    print(f"one rotation of an app's secret, medians of {RUNS}; ratios to the published script, run by run")
    for cells in (COLUMNS, *rows()):
        print(f"  {cells[0]:{width}}" + "".join(f"{cell:>12}" for cell in cells[1:]))


if __name__ == "__main__":
    main()

"""What a rotation costs: ``make bench``. Whole processes in the sandbox, medians.

With ``REFERENCE_SCRIPT`` (a document that holds Keeper's published script, or the script) the two run in turn.
"""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tests.stage.rotation import SCRIPT, Stage

RUNS = int(os.environ.get("BENCH_RUNS", "11"))
OLD = 5


@dataclass
class Cost:
    """Of one run: seconds of wall clock and of CPU, peak memory in MB, requests and round trips."""

    wall: float
    cpu: float
    memory: float
    requests: int
    round_trips: int


def measure(script: Path, latency: float, old: int = OLD) -> Cost:
    """One rotation of a fresh app with ``old`` secrets."""
    with Stage(latency=latency, old_secrets=old) as stage:
        for name in [name for name in stage.variables if name.startswith("ROTATION_") and name != "ROTATION_LOCK_DIR"]:
            del stage.variables[name]
        line = stage.line()
        config = Path(stage.variables["KSM_CONFIG_FILE"])
        text = script.read_text(encoding="utf-8").replace("/etc/keeper-gateway/gateway-config.json", str(config))
        copy = stage.folder / script.name
        copy.write_text(text, encoding="utf-8")
        began = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, copy],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=stage.variables | {"ROTATION_PROVE_INTERVAL_SECONDS": "0"},
        )
        assert process.stdin
        process.stdin.write(line)
        process.stdin.close()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0, f"exit {process.returncode}"
        assert stage.live() == {stage.value("client_secret_id")} and stage.published_works()
        requests, connects = len(stage.sandbox.requests), len(stage.sandbox.connects)
        return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, requests, requests + 2 * connects)


def reference(folder: Path) -> Path | None:
    """The published script, cut out of the document that holds it; None where there is no such document."""
    source = os.environ.get("REFERENCE_SCRIPT")
    if not source:
        return None
    text = Path(source).read_text(encoding="utf-8")
    found = re.search(r"^import logging\n.*?(?=^Last updated|\Z)", text, re.MULTILINE | re.DOTALL)
    if not found:
        sys.exit(f"{source}: no script in it")
    path = folder / "reference.py"
    path.write_text(found.group(0), encoding="utf-8")
    return path


def table(latency: float, scripts: dict[str, Path]) -> None:
    """Run the scripts in turn, and print a row for each."""
    costs: dict[str, list[Cost]] = {name: [] for name in scripts}
    for number in range(RUNS + 1):
        for name, script in scripts.items():
            cost = measure(script, latency)
            if number:  # the first one warms up
                costs[name].append(cost)
        print(f"\r{number} of {RUNS}", end="", file=sys.stderr, flush=True)
    print(f"\r{OLD} old secrets, {latency * 1000:.0f} ms per round trip, medians of {RUNS}")
    print(f"  {'':10} {'wall s':>8} {'cpu s':>8} {'MB':>6} {'requests':>9} {'round trips':>12}")
    for name, rows in costs.items():
        wall, cpu, memory = (
            statistics.median(getattr(row, what) for row in rows) for what in ("wall", "cpu", "memory")
        )
        last = rows[-1]
        print(f"  {name:10} {wall:8.3f} {cpu:8.3f} {memory:6.1f} {last.requests:9} {last.round_trips:12}")
    if "reference" in costs:
        for what in ("wall", "cpu", "memory"):
            pairs = zip(costs["ours"], costs["reference"], strict=True)
            ratio = statistics.median(getattr(a, what) / getattr(b, what) for a, b in pairs)
            print(f"  {what}: {ratio:.2f} of the reference, run by run")


def main() -> None:
    """Print the tables."""
    with Stage() as stage:
        found = reference(stage.folder)
        scripts = {"ours": SCRIPT} | ({"reference": found} if found else {})
        for latency in (0.0, 0.05):
            table(latency, scripts)
    fewer, more = measure(SCRIPT, 0.0, 1), measure(SCRIPT, 0.0, 6)
    print(f"each further old secret: {(more.round_trips - fewer.round_trips) / 5:g} round trips")


if __name__ == "__main__":
    main()

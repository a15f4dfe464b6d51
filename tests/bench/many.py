"""What many records cost: a look at all of them, and the run of all that are due. ``make bench``.

The sandbox is on the same cores: its share is in the wall clock, not in the CPU.
"""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import time
from pathlib import Path

from tests.stage.many import ManyStage
from tests.stage.rotation import ROOT

RECORDS = int(os.environ.get("BENCH_RECORDS", "2000"))
DUE = int(os.environ.get("BENCH_DUE", "200"))
ALONE = 10
PATIENT = {"ROTATION_REQUEST_TIMEOUT_SECONDS": "60", "ROTATION_DEADLINE_SECONDS": "600"}


def measure(stage: ManyStage, *arguments: str) -> tuple[float, float, float]:
    """The operator's command, which has to succeed: seconds of wall clock and CPU, children included; MB at most."""
    script = (
        "import resource, subprocess, sys; code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode; "
        "used = resource.getrusage(resource.RUSAGE_CHILDREN); "
        "print(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024); sys.exit(code)"
    )
    command = [sys.executable, "-c", script, sys.executable, "-m", "gateway", *arguments]
    began = time.perf_counter()
    process = subprocess.run(
        command, env=stage.variables | PATIENT, cwd=ROOT, capture_output=True, text=True, check=True
    )
    cpu, memory = map(float, process.stdout.split())
    return time.perf_counter() - began, cpu, memory


def look() -> None:
    """Status of records that were rotated, with three destinations each."""
    with ManyStage(0, latency=0.05) as stage:
        for number in range(RECORDS):
            lines = "\n".join(f"keeper:{'A' * 22}#field{each}" for each in range(3))
            stage.add_app(f"app {number}", deliver_to=lines, last_rotated="2026-01-01T00:00:00Z")
        for name, arguments in {"table": (), "page": (f"--html={Path(stage.home) / 'status.html'}",)}.items():
            wall, cpu, memory = measure(stage, "status", *arguments)
            print(f"  status of {RECORDS:,} records, 50 ms, {name:6} {wall:8.2f} s {cpu:8.2f} s CPU {memory:6.0f} MB")


def run() -> None:
    """All that is due, eight at once; and some of them again, each by a process of its own."""
    with ManyStage(DUE) as stage:
        wall, cpu, memory = measure(stage, "run-due", "--all")
        print(
            f"  run-due of {DUE:,} due records, 0 ms       {DUE / wall * 60:8,.0f} a minute "
            f"{cpu / DUE:.3f} s CPU each, {memory:.0f} MB each"
        )
        before = _cpu()
        for uid in list(stage.apps)[:ALONE]:
            stage.sandbox.keeper.edit(uid, "rotate_now", "True")
            stage.at = dataclasses.replace(stage.at, record_uid=uid)
            assert stage.run(new=True).code == 0
        print(f"  the same, a process for each              {(_cpu() - before) / ALONE:.3f} s CPU each")


def _cpu() -> float:
    used = os.times()
    return used.children_user + used.children_system


if __name__ == "__main__":
    look()
    run()

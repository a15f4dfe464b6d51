"""What certificates cost: a renewal, the run that finds nothing due, and lists of 5,000. ``make bench``.

Whole processes in the sandbox, medians.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any

from tests.stage.certificate import SCRIPT, CertificateStage
from tests.stage.rotation import ROOT

RUNS = int(os.environ.get("BENCH_RUNS", "11"))
MANY = int(os.environ.get("BENCH_CERTIFICATES", "5000"))
READER = "Key Vault Reader"


@dataclass
class Cost:
    """Of one run: seconds of wall clock and of CPU, peak memory in MB, requests."""

    wall: float
    cpu: float
    memory: float
    requests: int


def measure(stage: CertificateStage, command: list[Any], line: bytes = b"") -> Cost:
    """One process, which has to succeed."""
    variables = {name: text for name, text in stage.variables.items() if name not in QUICK}
    before, began = len(stage.sandbox.requests), time.perf_counter()
    pipe, none = subprocess.PIPE, subprocess.DEVNULL
    process = subprocess.Popen(command, stdin=pipe, stdout=none, stderr=none, env=variables, cwd=ROOT)
    stdin: IO[bytes] | None = process.stdin
    assert stdin
    stdin.write(line)
    stdin.close()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, process.returncode
    cpu, memory = usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024
    return Cost(time.perf_counter() - began, cpu, memory, len(stage.sandbox.requests) - before)


# The stage's short timeouts, which are not the host's.
QUICK = ("ROTATION_REQUEST_TIMEOUT_SECONDS", "ROTATION_DEADLINE_SECONDS", "ROTATION_RETRY_BASE_SECONDS")


def row(name: str, costs: list[Cost]) -> None:
    """Print the medians."""
    figures = (statistics.median(getattr(each, what) for each in costs) for what in ("wall", "cpu", "memory"))
    wall, cpu, memory = figures
    print(f"  {name:52} {wall:8.3f} {cpu:8.3f} {memory:6.1f} {costs[-1].requests:9}", flush=True)


def repeated(make: Callable[[], CertificateStage], prepare: Callable[[CertificateStage], Any]) -> list[Cost]:
    """The script's run on a fresh stage each time."""
    costs = []
    for _ in range(RUNS):
        with make() as stage:
            assert isinstance(stage, CertificateStage)
            prepare(stage)
            costs.append(measure(stage, [sys.executable, SCRIPT], stage.line()))
    return costs


def renewals() -> None:
    """A record that exports to an attachment, and delivers to another vault."""

    def made() -> CertificateStage:
        stage = CertificateStage(settings={"export": "pfx"})
        stage.to_vault()
        return stage

    row("renewal", repeated(CertificateStage, lambda stage: None))
    row("renewal, attachment, one further vault", repeated(made, lambda stage: stage.publish_first()))
    row("nothing due", repeated(made, lambda stage: stage.run()))


def lists() -> None:
    """What an operator asks of a vault with many certificates."""
    with CertificateStage() as stage:
        stage.sandbox.keyvault.add_many_certificates(stage.made.vault, MANY)
        stage.sandbox.keyvault.grant(stage.at.admin_client_id, READER, stage.made.vault)
        for arguments in (
            ("certificate", "list", "--vault=certificates"),
            ("certificate", "list", "--vault=certificates", "--versions=all"),
            ("discover", "certificates", "--vault=certificates"),
        ):
            command = [sys.executable, "-m", "gateway", *arguments]
            shown = " ".join(each for each in arguments if not each.startswith("--vault"))
            row(f"{shown}, of {MANY:,}", [measure(stage, command)])


def main() -> None:
    """Print the table."""
    print(f"certificates, medians of {RUNS}; lists once")
    print(f"  {'':52} {'wall s':>8} {'cpu s':>8} {'MB':>6} {'requests':>9}")
    renewals()
    lists()


if __name__ == "__main__":
    main()

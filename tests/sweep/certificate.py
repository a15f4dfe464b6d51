"""Every request of a certificate's renewal, with an attachment and a further vault, with every fault and both kills.

``python -m tests.sweep.certificate`` runs the whole grid; ``kinds/test_certificate.py`` runs the part that CI can
afford.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.stage.certificate import CertificateStage
from tests.stage.rotation import Outcome
from tests.sweep.known_requests import counted, known
from tests.sweep.rotation import FAULTS, KILLS


@dataclass
class Verdict:
    """What a case did wrong; nothing where ``wrong`` is empty."""

    operation: str
    nth: int
    fault: str
    codes: tuple[int | None, int | None] = (None, None)
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.fault} at {self.operation} {self.nth}: {self.wrong} {self.codes}"


def stage() -> CertificateStage:
    """A record that publishes and exports a certificate near its end, which another vault holds too."""
    made = CertificateStage(issuer="contoso-ca", settings={"export": "pfx"})
    made.publish_first()
    made.to_vault()
    return made


def requests() -> dict[str, int]:
    """The requests of an undisturbed renewal, and how often each was made."""
    with stage() as made:
        outcome = made.run()
        assert outcome.code == 0, outcome
        return counted((each for each in made.sandbox.operations() if not each.endswith(".connect")), 8)


def cases(chosen: tuple[str, ...] = tuple(FAULTS)) -> Iterator[tuple[str, int, str]]:
    """The grid."""
    return ((operation, nth, fault) for operation, nth in known("certificate") for fault in chosen)


def judge(case: tuple[str, int, str]) -> Verdict:
    """Run the case, and the plain run after it."""
    verdict = Verdict(*case)
    operation, nth, fault = case
    with stage() as made:
        assert isinstance(made, CertificateStage)
        service, name = operation.split(".")
        put = made.sandbox.fault(service, name, FAULTS[fault], nth=nth)
        first = made.run()
        verdict.wrong += [] if put.fired else ["the fault did not happen"]
        verdict.wrong += _after_fault(made, fault, first)
        made.sandbox.faults.clear()
        second = made.run()
        verdict.codes = (first.code, second.code)
        verdict.wrong += [f"after the plain run: {what}" for what in _complete(made, second)]
        verdict.wrong += [f"leak: {where}" for where in made.leaks([first, second])]
        verdict.wrong += [f"sandbox: {error}" for error in made.sandbox.errors]
    return verdict


def _after_fault(made: CertificateStage, fault: str, outcome: Outcome) -> list[str]:
    found = made.wrong(complete=False)
    if outcome.code != -9 if fault in KILLS else outcome.code not in (0, 1, 2, 3):
        found.append(f"exit {outcome.code}")
    if outcome.code == 0:
        found += _complete(made, outcome)
    if outcome.code == 1 and made.value("certificate_version") != made.made.first:
        found.append("exit 1, but the record has changed")
    if outcome.code in (1, 2, 3) and not (outcome.report.get("error") and outcome.report.get("hint")):
        found.append("no error or no hint")
    return found


def _complete(made: CertificateStage, outcome: Outcome) -> list[str]:
    """What is missing from a complete renewal."""
    found = [] if outcome.code == 0 else [f"exit {outcome.code}: {outcome.report.get('error')}"]
    found += made.wrong()
    versions, there = made.versions(), made.in_vault()
    if len(versions) != 2:
        found.append(f"{len(versions)} versions")
    if made.value("certificate_version") != versions[-1].version:
        found.append("the record names an older version")
    if not there or there[-1].certificate != versions[-1].certificate:
        found.append("the other vault holds another certificate")
    return found


def main() -> int:
    """Run the grid, or the faults named."""
    parser = argparse.ArgumentParser(prog="python -m tests.sweep.certificate", description=__doc__)
    parser.add_argument("--fault", action="append", choices=list(FAULTS), help="a fault; all when none is named")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 2)
    options = parser.parse_args()
    grid = list(cases(tuple(options.fault or FAULTS)))
    began, bad = time.monotonic(), 0
    with concurrent.futures.ProcessPoolExecutor(options.jobs) as pool:
        for number, verdict in enumerate(pool.map(judge, grid), 1):
            if verdict.wrong:
                bad += 1
                print(f"\r{verdict}", flush=True)
            print(f"\r{number} of {len(grid)} cases, {bad} bad", end="", file=sys.stderr, flush=True)
    print(f"\r{len(grid)} cases in {time.monotonic() - began:.0f} s: {bad} bad")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())

"""Every request to Keeper of ``tls-secret rediscover``, with every fault and both kills, each followed by a plain run.

``python -m tests.sweep.tls_secret`` runs the whole grid; ``commands/test_tls_secret.py`` runs the part that CI can
afford.
"""

from __future__ import annotations

import concurrent.futures
import sys
from collections.abc import Iterable

from tests.stage.discover import DiscoverStage
from tests.sweep.known_requests import counted, known
from tests.sweep.rotation import FAULTS, KILLS

WORST = ("reset after", "HTTP 403", "kill after")
Case = tuple[str, int, str]


def followed(stage: DiscoverStage, form: str = "pfx") -> str:
    """A record that shows the first of two versions, with an attachment in ``form``; its uid."""
    uid = stage.follows("api", stage.tls("api", days=9), form)
    stage.tls("api", days=90)
    return uid


def requests() -> dict[str, int]:
    """The requests to Keeper of an undisturbed run, and how often each was made."""
    with DiscoverStage() as stage:
        assert isinstance(stage, DiscoverStage)
        outcome = stage.command("tls-secret", "rediscover", f"--record={followed(stage)}")
        assert outcome.code == 0, outcome
        return counted(each for each in stage.sandbox.operations() if each.startswith("keeper"))


def cases(chosen: Iterable[str] = FAULTS) -> list[Case]:
    """The grid: an operation, how many of it came before, and a fault."""
    faults = list(chosen)
    return [(operation, nth, fault) for operation, nth in known("tls-secret rediscover") for fault in faults]


def judge(case: Case) -> list[str]:
    """What is wrong after the fault, and after the plain run."""
    operation, nth, fault = case
    with DiscoverStage() as stage:
        assert isinstance(stage, DiscoverStage)
        uid = followed(stage)
        put = stage.sandbox.fault(*operation.split("."), FAULTS[fault], nth=nth)
        first = stage.command("tls-secret", "rediscover", f"--record={uid}")
        found = [] if put.fired else ["the fault did not happen"]
        found += stage.wrong(uid, "api", complete=first.code == 0)
        found += [] if first.code in ({-9} if fault in KILLS else {0, 1, 2, 3}) else [f"exit {first.code}"]
        changed = stage.shown(uid) != stage.versions("api")[0].version
        found += ["exit 1, but the record has changed"] if first.code == 1 and changed else []
        stage.sandbox.faults.clear()
        second = stage.command("tls-secret", "rediscover", f"--record={uid}")
        found += [f"afterwards: {each}" for each in stage.wrong(uid, "api")]
        found += [] if second.code == 0 else [f"afterwards: exit {second.code}: {second.stderr}"]
    return [f"{fault} at {operation} {nth}: {each}" for each in found]


def verdicts(grid: list[Case]) -> list[list[str]]:
    """What is wrong in each case."""
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        return list(pool.map(judge, grid))


def main() -> int:
    """Run the grid."""
    grid = cases()
    bad = [each for found in verdicts(grid) for each in found]
    print("\n".join([*bad, f"{len(grid)} cases: {len(bad)} complaints"]))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())

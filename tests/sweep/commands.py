"""Every request of each command that changes something, with every fault and signals, each followed by a plain run.

``python -m tests.sweep.commands`` runs the whole grid; ``commands/test_outcomes.py`` runs the part that CI can afford.
A case is judged by the state that it leaves, its exit code and what it says.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

from sandbox.proxy import faults
from sandbox.proxy.faults import Fault
from tests.stage import patience
from tests.stage.forked import Forked
from tests.stage.rotation import ROOT, Outcome
from tests.sweep.command_scenes import SCENES, AnyStage, Scene, state
from tests.sweep.known_requests import counted, known
from tests.sweep.rotation import FAULTS

# What is put on a request, and the signals that come meanwhile.
SIGNALS: dict[str, tuple[faults.Kind, tuple[int, ...]]] = {
    "SIGINT before": (faults.Pause(), (signal.SIGINT,)),
    "SIGTERM before": (faults.Pause(), (signal.SIGTERM,)),
    "SIGINT after": (faults.PauseAfter(), (signal.SIGINT,)),
    "SIGTERM after": (faults.PauseAfter(), (signal.SIGTERM,)),
    "SIGINT twice": (faults.PauseAfter(), (signal.SIGINT, signal.SIGINT)),
    "SIGTERM and SIGHUP": (faults.PauseAfter(), (signal.SIGTERM, signal.SIGHUP)),
}
GONE = "gone from here on"
BROKEN = (
    "HTTP 403", "HTTP 429", "HTTP 503", "500 after it took effect", "reset after", "hang", "hang after it took effect",
    "malformed body", "empty body", GONE,
)  # fmt: skip
KINDS = (*BROKEN, *SIGNALS)
WRITES = re.compile(r"\.(add|create|delete|import|merge|set|update|upload)(_|$)")
Case = tuple[str, str, int, str]
"""a scene, an operation, which one of its kind, and a fault"""


def requests(name: str) -> dict[str, int]:
    """The requests of an undisturbed run, and how often each was made."""
    with SCENES[name].stage() as stage:
        words = SCENES[name].prepare(stage)
        stage.sandbox.forget()
        outcome = _run(stage, words)
        assert outcome.code == 0 and not SCENES[name].left(stage), (outcome, SCENES[name].left(stage))
        return counted((each for each in stage.sandbox.operations() if not each.endswith(".connect")), 8)


def cases(chosen: tuple[str, ...] = KINDS, scenes: tuple[str, ...] = tuple(SCENES)) -> Iterator[Case]:
    """The grid."""
    for name in scenes:
        yield from ((name, operation, nth, kind) for operation, nth in known(name) for kind in chosen)


def judge(case: Case) -> list[str]:
    """What is wrong after the fault, and after the plain run."""
    name, operation, nth, kind = case
    scene = SCENES[name]
    with scene.stage() as stage:
        words = scene.prepare(stage)
        before = state(stage)
        put = _put(stage, operation, nth, kind)
        outcome = _signalled(stage, words, put, kind) if kind in SIGNALS else _run(stage, words)
        found = [] if put.fired else ["the fault did not happen"]
        found += _untrue(scene, stage, before, outcome)
        stage.sandbox.faults.clear()
        found += [f"afterwards: {each}" for each in _healed(scene, stage, words, outcome)]
        found += [f"leak: {where}" for where in stage.leaks([outcome])]
        found += [f"sandbox: {error}" for error in stage.sandbox.errors]
    return [f"{name}, {kind} at {operation} {nth}, exit {outcome.code}: {each}" for each in found]


def _put(stage: AnyStage, operation: str, nth: int, kind: str) -> Fault:
    service, name = operation.split(".")
    if kind == GONE:
        put = stage.sandbox.fault(service, name, faults.Status(503), nth=nth, times=None)
        stage.sandbox.fault(service, None, faults.Status(503), times=None, when=lambda _: put.fired)
        return put
    return stage.sandbox.fault(service, name, SIGNALS[kind][0] if kind in SIGNALS else FAULTS[kind], nth=nth)


def _start(stage: AnyStage, words: list[str], **variables: str) -> Forked:
    process = Forked(("-m", "gateway", *words), stage.variables | variables, None, stage.streams, ROOT)
    stage.sandbox.victim = process
    return process


def _run(stage: AnyStage, words: list[str]) -> Outcome:
    return stage.outcome_of(_start(stage, words), 60)


def _signalled(stage: AnyStage, words: list[str], put: Fault, kind: str) -> Outcome:
    process = _start(stage, words, ROTATION_REQUEST_TIMEOUT_SECONDS="10", ROTATION_DEADLINE_SECONDS="60")
    numbers = SIGNALS[kind][1]

    def send() -> None:
        put.reached.wait(patience.seconds(20))
        for number in numbers:
            process.send_signal(number)
            time.sleep(0.2)  # two that come at once are one
        if len(numbers) > 1:
            process.wait(patience.seconds(20))
        put.release.set()

    threading.Thread(target=send, daemon=True).start()
    return stage.outcome_of(process, 60)


def _untrue(scene: Scene, stage: AnyStage, before: dict[Any, Any], outcome: Outcome) -> list[str]:
    after = state(stage)
    changed = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
    found = [f"somebody else's: {key}" for key in changed if key in before and not scene.touches(key)]
    if outcome.code not in (0, 1, 2, 3):
        found.append(f"exit {outcome.code}: {outcome.stderr}")
    if outcome.code == 0:
        found += [f"exit 0, and {each}" for each in scene.left(stage)]
    if outcome.code == 1 and changed:
        found.append(f"exit 1, and it changed {sorted(map(str, changed))}: {outcome.stderr}")
    if outcome.code == 2 and not changed and "may be there" not in outcome.stderr:
        found.append(f"exit 2, and nothing was changed: {outcome.stderr}")
    if outcome.code and not ("error: " in outcome.stderr and "hint: " in outcome.stderr):
        found.append(f"no error or no hint: {outcome.stderr}")
    if outcome.code == 3 and "look" not in outcome.stderr.rpartition("hint: ")[2]:
        found.append(f"no hint where to look: {outcome.stderr}")
    if "Traceback" in outcome.stderr or "unforeseen" in outcome.stderr:
        found.append(outcome.stderr)
    return found


def _healed(scene: Scene, stage: AnyStage, words: list[str], outcome: Outcome) -> list[str]:
    """What is wrong once the command that the hint names was run."""
    if outcome.code == 0:
        return []
    again = [words] if outcome.code == 1 else scene.again(stage, words)
    said = [_run(stage, each) for each in again]
    found = scene.left(stage)
    if outcome.code == 1 and said[0].code != 0:
        found.append(f"exit {said[0].code}: {said[0].stderr}")
    return [f"{each} ({[each.stderr for each in said]})" for each in found]


def main() -> int:
    """Run the grid, or the scenes named."""
    parser = argparse.ArgumentParser(prog="python -m tests.sweep.commands", description=__doc__)
    parser.add_argument("scene", nargs="*", help="a scene; all when none is named")
    parser.add_argument("--fault", action="append", choices=KINDS, help="a fault; all when none is named")
    parser.add_argument("--writes", action="store_true", help="only at requests that change something")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 2)
    options = parser.parse_args()
    grid = list(cases(tuple(options.fault or KINDS), tuple(options.scene or SCENES)))
    grid = [case for case in grid if WRITES.search(case[1]) or not options.writes]
    bad = 0
    with concurrent.futures.ProcessPoolExecutor(options.jobs) as pool:
        for number, found in enumerate(pool.map(judge, grid), 1):
            bad += bool(found)
            for each in found:
                print(f"\r{each}", flush=True)
            print(f"\r{number} of {len(grid)} cases, {bad} bad", end="", file=sys.stderr, flush=True)
    print(f"\r{len(grid)} cases: {bad} bad")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())

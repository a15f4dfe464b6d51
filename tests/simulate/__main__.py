"""``python -m tests.simulate``: play random schedules for some time; a failure is a seed that plays it again."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

from tests.simulate.figures import Simulated
from tests.simulate.play import play, play_for, shorter
from tests.simulate.rotated import WORLDS
from tests.simulate.steps import Step, schedule

LENGTH = 30


def main() -> int:
    """Exit code 1 where a promise was broken."""
    options = _parser().parse_args()
    if options.steps or options.replay:
        return _again(options)
    began, simulated = time.monotonic(), Simulated(options.seed, options.length)
    kinds = options.kind or list(WORLDS)
    for played in play_for(options.seconds, kinds, options.seed, options.length, options.jobs):
        if broken := simulated.add(played):
            print(f"\r{broken}", flush=True)
        if sys.stderr.isatty():
            so_far = f"{simulated.schedules} schedules, {simulated.runs} runs, {len(simulated.bad)} bad"
            print(f"\r{so_far} ", end="", file=sys.stderr)
        if options.figures:
            options.figures.write_text(json.dumps(simulated.figures(), indent=1) + "\n", encoding="utf-8")
        if len(simulated.bad) >= options.most:
            break
    print(_summary(simulated, time.monotonic() - began))
    return 1 if simulated.bad else 0


def _summary(simulated: Simulated, seconds: float) -> str:
    return (
        f"{simulated.schedules} schedules, {simulated.runs} runs in {seconds:.0f} s "
        f"({simulated.runs / seconds:.1f} a second): {len(simulated.bad)} bad; "
        f"{simulated.met} of {simulated.faults} faults met; exit codes {dict(sorted(simulated.codes.items()))}"
    )


def _again(options: argparse.Namespace) -> int:
    """Play one schedule, step by step; make it shorter where that is asked for."""
    kind = (options.kind or list(WORLDS))[0]
    steps = [Step(name, int(number)) for name, number in (each.split(":") for each in options.steps.split())]
    steps = steps or schedule(options.seed, options.length)
    played = play(kind, options.seed, steps)
    if played.wrong and options.shrink:
        steps = shorter(kind, options.seed, steps, played.wrong)
        played = play(kind, options.seed, steps)
        print(f"--kind {kind} --seed {options.seed} --steps '{' '.join(map(str, steps))}'")
    print("\n".join(played.trace))
    print("; ".join(played.wrong) or "all promises were kept")
    return 1 if played.wrong else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.simulate", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="for so long schedules are begun (default: 60)")
    parser.add_argument(
        "--kind", action="append", choices=list(WORLDS), help="what is rotated; all where none is named"
    )
    parser.add_argument("--seed", type=int, default=1, help="the first one (default: 1)")
    parser.add_argument("--length", type=int, default=LENGTH, help=f"steps of a schedule (default: {LENGTH})")
    parser.add_argument("--jobs", type=int, default=2 * (os.cpu_count() or 2), help="schedules at once")
    parser.add_argument("--most", type=int, default=20, help="stop after so many bad ones (default: 20)")
    parser.add_argument("--figures", type=Path, help="write what was counted into this file, for the page of the proof")
    parser.add_argument("--replay", action="store_true", help="play the schedule of --seed, and tell each step")
    parser.add_argument(
        "--shrink", action="store_true", help="with --replay or --steps: leave out what does not matter"
    )
    parser.add_argument("--steps", default="", help="play these instead, as --shrink prints them")
    return parser


if __name__ == "__main__":
    sys.exit(main())

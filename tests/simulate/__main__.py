"""``python -m tests.simulate``: play random schedules for some time; a failure is a seed that plays it again."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter

from tests.simulate.play import play, play_for, shorter
from tests.simulate.rotated import WORLDS
from tests.simulate.steps import Step, schedule

LENGTH = 30


def main() -> int:
    """Exit code 1 where a promise was broken."""
    options = _parser().parse_args()
    if options.steps or options.replay:
        return _again(options)
    began, total, bad = time.monotonic(), Counter[str](), 0
    kinds = options.kind or list(WORLDS)
    for played in play_for(options.seconds, kinds, options.seed, options.length, options.jobs):
        total.update(played.codes)
        total["schedules"] += 1
        if played.wrong:
            bad += 1
            print(
                f"\rKIND={played.kind} SEED={played.seed} LENGTH={options.length}: {'; '.join(played.wrong)}",
                flush=True,
            )
            if bad >= options.most:
                break
        if sys.stderr.isatty():
            print(f"\r{total['schedules']} schedules, {total.total()} runs, {bad} bad ", end="", file=sys.stderr)
    schedules, seconds = total.pop("schedules"), time.monotonic() - began
    runs = total.total()
    print(
        f"{schedules} schedules, {runs} runs in {seconds:.0f} s ({runs / seconds:.1f} a second): {bad} bad; "
        f"exit codes {dict(sorted(total.items()))}"
    )
    return 1 if bad else 0


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
    parser.add_argument("--replay", action="store_true", help="play the schedule of --seed, and tell each step")
    parser.add_argument(
        "--shrink", action="store_true", help="with --replay or --steps: leave out what does not matter"
    )
    parser.add_argument("--steps", default="", help="play these instead, as --shrink prints them")
    return parser


if __name__ == "__main__":
    sys.exit(main())

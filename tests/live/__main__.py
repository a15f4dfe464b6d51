"""``python -m tests.live``: says what it will make, asks, tries it, clears it away, and reports.

Exit code 0: all that could be tried is settled; 1: nothing was begun; 2: something failed, it was interrupted, or
not even S1 could be tried; 3: something is left behind.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from types import FrameType

from gateway.errors import CallError, Failed, RotationError
from gateway.host.deadline import SIGNALS, ignore_signals
from gateway.host.shown import shown
from tests.live.answers import Answers
from tests.live.given import Given, read_given
from tests.live.ground import PREFIX, Ground
from tests.live.plan import plan
from tests.live.steps import take
from tests.live.sweep import remove_records, sweep


class Interrupted(BaseException):
    """By a signal of this name."""


def main() -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(prog="make live", description=__doc__)
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--clean-up", action="store_true", help="only delete what an earlier trial left")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report there, too")
    options = parser.parse_args()
    logging.lastResort = None  # what libraries warn about may quote a request
    _listen()
    try:
        given = read_given(os.environ)
        if not options.clean_up and not _agreed(given, asks=not options.yes):
            return 1
        if options.json:
            options.json.open("a", encoding="utf-8").close()
        ground = Ground(given)
    except OSError as error:
        return _refused(Failed(f"--json: {error.strerror}: {options.json}", "name a file that can be written"))
    except (RotationError, CallError) as error:
        return _refused(error)
    except Interrupted:
        print("stopped; nothing was begun", file=sys.stderr)
        return 1
    answers = Answers(run=ground.run)
    return _clean(ground, answers) if options.clean_up else _try(ground, answers, options.json)


def _agreed(given: Given, *, asks: bool) -> bool:
    print(plan(given))
    if not asks:
        return True
    if not sys.stdin.isatty():
        print("error: nobody can be asked here\nhint: make live YES=1", file=sys.stderr)
        return False
    return input("Begin? [y/N] ").strip().lower() == "y"


def _refused(error: RotationError | CallError) -> int:
    print(f"error: {shown(str(error))}\nhint: {shown(error.hint)}", file=sys.stderr)
    return 1


def _try(ground: Ground, answers: Answers, file: Path | None) -> int:
    if not _signs_in(ground, answers):
        return 1
    try:
        take(ground, answers, lambda text: print(text, flush=True))
    except Interrupted as stopped:
        answers.interrupted = str(stopped)
    except Exception as error:  # such as that of a print, where a terminal or a pipe is gone
        answers.interrupted = type(error).__name__
    ignore_signals()
    _say("clearing up; signals are not heeded")
    _sweep(ground, answers)
    _say(answers.as_text())
    if file:
        file.write_text(answers.as_json() + "\n", encoding="utf-8")
    return answers.code


def _signs_in(ground: Ground, answers: Answers) -> bool:
    """Whether the admin credential does; where it does not, the record that holds it is removed again."""
    try:
        answers.cloud = ground.azure().cloud.name
        return True
    except Interrupted:
        print("stopped; nothing was begun", file=sys.stderr)
    except (RotationError, CallError) as error:
        _refused(error)
    ignore_signals()
    try:
        ground.connect()
        remove_records(ground, of_apps=False)
    except (RotationError, CallError) as error:
        _refused(error)
    return False


def _clean(ground: Ground, answers: Answers) -> int:
    ignore_signals()
    _sweep(ground, answers)
    print("\n".join(f"left behind: {shown(each)}" for each in answers.left) or "nothing is left")
    return 3 if answers.left else 0


def _say(text: str) -> None:
    with suppress(OSError):
        print(text, flush=True)


def _sweep(ground: Ground, answers: Answers) -> None:
    try:
        ground.connect()
        answers.left, answers.kept = sweep(ground)
    except (RotationError, CallError) as error:
        answers.left = [f"everything whose name begins with {PREFIX}: {error}"]


def _listen() -> None:
    def stop(number: int, _frame: FrameType | None) -> None:
        ignore_signals()  # the first one counts
        raise Interrupted(signal.Signals(number).name)

    for name in SIGNALS:
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), stop)


if __name__ == "__main__":
    sys.exit(main())

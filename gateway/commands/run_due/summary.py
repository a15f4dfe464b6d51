"""What many runs came to: a line for each, one for all, and the worst exit code."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Callable
from time import monotonic

import click

from gateway.commands.fit import cut
from gateway.commands.history import about
from gateway.commands.run_due.job import Job
from gateway.commands.run_due.one_run import GRACE_SECONDS, Ended
from gateway.commands.shared.output import counted, note, terminal_width
from gateway.errors import WORST_FIRST, Failed, RotationError, Unknown
from gateway.host.settings import Settings
from gateway.host.shown import clean

_EVERY_SECONDS = 5.0
HISTORY = "keeper-rotation history shows the line of each run"


class Summary:
    """How far the runs have come.

    Args:
        tell: called with each that ends.
    """

    def __init__(self, settings: Settings, jobs: list[Job], idle: int, tell: Callable[[Ended], None]) -> None:
        self._settings = settings
        self._jobs = jobs
        self._idle = idle
        self._tell = tell
        self._told_at = monotonic()
        self.results: Counter[str] = Counter()
        self.bad: list[Ended] = []
        self.not_begun = 0

    def run(self, at_once: int) -> RotationError | None:
        """Run them all; what is wrong, None where nothing is."""
        runs = _kind_of_runs()(self._settings, at_once, self._settings.deadline + GRACE_SECONDS, self._progress)
        for each in runs.run(self._jobs):
            self.results[str(each.report["result"])] += 1
            self.bad += [each] if each.code else []
            self._tell(each)
        self.not_begun = len(runs.not_begun)
        return self._outcome()

    def _progress(self, running: int, waiting: int) -> None:
        if sys.stderr.isatty() and monotonic() - self._told_at > _EVERY_SECONDS:
            self._told_at = monotonic()
            note(f"{self.results.total():,} of {len(self._jobs):,} runs have ended; {running} at work")

    def text(self) -> str:
        """All of it in a line."""
        results = ", ".join(f"{number:,} {result}" for result, number in self.results.most_common()) or "none"
        idle = counted(self._idle, "record")
        told = f"; stopped: {counted(self.not_begun, 'run')} not started" if self.not_begun else ""
        return f"{counted(self.results.total(), 'run')}: {results}; {idle} with nothing to do{told}"

    def _outcome(self) -> RotationError | None:
        what = [f"{_name(each)}: {each.report.get('error') or each.report['result']}" for each in self.bad]
        what += [f"stopped: {counted(self.not_begun, 'run')} not started"] if self.not_begun else []
        codes = {each.code for each in self.bad} | ({Failed.exit_code} if self.not_begun else set())
        worst = next((kind for kind in WORST_FIRST if kind.exit_code in codes), Unknown if codes else None)
        return worst("; ".join(what), HISTORY) if worst else None


def _name(each: Ended) -> str:
    return f"{each.job.title} ({each.job.uid})"


def _kind_of_runs() -> type:
    if hasattr(os, "fork"):
        from gateway.commands.run_due.forked import Forks

        return Forks
    from gateway.commands.run_due.processes import Processes

    return Processes


def tell_as_json(each: Ended) -> None:
    """The run's own line."""
    click.echo(json.dumps(each.report))


def tell_people(each: Ended) -> None:
    """A line on stdout; what went wrong on stderr."""
    text = clean(f"{each.code}  {each.report['result']:10}  {each.job.title}  {about(each.report)}")
    click.echo(cut(text, terminal_width() or len(text)))
    if each.code:
        note(clean(f"error: {_name(each)}: {each.report.get('error')}"))
        note(clean(f"hint: {each.report.get('hint')}"))

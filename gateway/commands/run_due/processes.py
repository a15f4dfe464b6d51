"""Runs side by side where a system cannot fork: each is a new process."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from itertools import groupby

from gateway.commands.run_due.job import Job
from gateway.commands.run_due.one_run import Ended, ended
from gateway.host.process import python
from gateway.host.settings import Settings

_RUN = "from gateway.commands.run_due.processes import begin; sys.exit(begin(*sys.argv[1:]))"


class Processes:
    """As `gateway.commands.run_due.forked.Forks`; on Ctrl-C the system itself tells the runs."""

    def __init__(self, settings: Settings, at_once: int, longest: float, state: Callable[[int, int], None]) -> None:
        self._at_once = at_once
        self._longest = longest
        self.not_begun: list[Job] = []

    def run(self, jobs: Sequence[Job]) -> Iterator[Ended]:
        """Begin them in their order, and tell of each when it ends. One that goes last waits for those before it."""
        for goes_last, some in groupby(jobs, lambda job: job.goes_last):
            with ThreadPoolExecutor(1 if goes_last else self._at_once) as pool:
                for future in as_completed([pool.submit(self._one, job) for job in some]):
                    yield future.result()

    def _one(self, job: Job) -> Ended:
        arguments = [job.facts.name, job.uid, job.title, job.configuration, *job.attached]
        process = subprocess.Popen(  # noqa: S603
            python(_RUN, *arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        try:
            output, said = process.communicate(timeout=self._longest)
        except subprocess.TimeoutExpired:
            process.kill()
            output, said = process.communicate()
        return ended(job, process.returncode, output, said, told=False)


def begin(kind: str, uid: str, title: str, configuration: str, *attached: str) -> int:
    """In the new process: the run."""
    from gateway.commands.run_due.one_run import work
    from gateway.host.settings import read_settings
    from gateway.kinds.registry import find

    facts = find(kind)
    assert facts  # noqa: S101 (our parent has it from the registry)
    return work(Job(uid, title, facts, attached, configuration), read_settings())

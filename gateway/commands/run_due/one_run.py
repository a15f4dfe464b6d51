"""One run, in a process of its own, and how it ended."""

from __future__ import annotations

import io
import json
import logging
import signal
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from gateway.commands.run_due.job import Job
from gateway.errors import CallError, Failed, RotationError, Unknown
from gateway.host.deadline import Deadline
from gateway.host.http import Http
from gateway.host.report import Report
from gateway.host.settings import Settings
from gateway.keeper.config import find_ksm_config
from gateway.keeper.parameters import gateway_line
from gateway.keeper.vault import Vault
from gateway.kinds import registry

# A run ends by itself at its deadline and some seconds; one that does not is stuck.
GRACE_SECONDS = 60.0


@dataclass(frozen=True)
class Ended:
    """How a run ended: its exit code, its JSON line, and what it said on stderr."""

    job: Job
    code: int
    report: Mapping[str, Any]
    said: str = field(default="", repr=False)


def work(job: Job, settings: Settings) -> int:
    """Do the run in this process; its exit code."""
    logging.getLogger("gateway").handlers.clear()  # the command's own
    try:
        line = _line(job, settings)
    except RotationError as error:
        return _report(job).close(error)
    except CallError as error:
        return _report(job).close(Failed(str(error), error.hint))
    sys.stdin = io.TextIOWrapper(io.BytesIO(line))
    code: int = _door().run(job.facts.name, arguments=[])
    return code


def _door() -> Any:
    """What a script opens: a run of it knows nothing of this command, and this command nothing of what a run is."""
    return import_module("gateway.run")


def warm_up(kinds: Iterable[str]) -> None:
    """Import what runs of these kinds will need, before they are forked."""
    _door()
    for name in dict.fromkeys(kinds):
        if facts := registry.find(name):
            registry.load(facts)
    import_module("msal")


def _line(job: Job, settings: Settings) -> bytes:
    """The Gateway's line, with what the vault holds now: another run may have rotated the admin credential."""
    http = Http(settings.request_timeout, Deadline(3 * settings.request_timeout, settings.retry_base))
    wanted = [uid for uid in dict.fromkeys((job.uid, *job.attached, job.configuration)) if uid]
    try:
        visible = Vault(find_ksm_config(), http).read(wanted)
    finally:
        http.session.close()
    return gateway_line(visible, job.uid, list(job.attached), job.configuration)


def ended(job: Job, code: int, output: bytes, said: bytes, *, told: bool) -> Ended:
    """What became of it. One that could not write its line gets one in the history.

    Args:
        code: negative: the signal that ended it.
        told: whether it was told to stop.
    """
    text = said.decode(errors="replace")
    if report := _read(output):
        return Ended(job, code if code >= 0 else Unknown.exit_code, report, text)
    # Before it answers to SIGTERM itself it has done nothing.
    if told and code == -signal.SIGTERM and not text:
        error: RotationError = Failed("interrupted before it began; nothing was changed", "run it again")
    else:
        how = f"by signal {-code}" if code < 0 else f"with exit {code}"
        error = Unknown(
            f"the run ended {how} and without an outcome", "look at the record and its target; run it again"
        )
    return Ended(job, error.exit_code, json.loads(_report(job).note(error)), text)


def not_begun(job: Job, error: OSError) -> Ended:
    """What became of one for which this host had no process."""
    failed = Failed(f"no process for the run: {error.strerror}; nothing was changed", "run fewer at once (--at-once)")
    return Ended(job, failed.exit_code, json.loads(_report(job).note(failed)))


def _report(job: Job) -> Report:
    return Report(record=job.uid, title=job.title)


def _read(output: bytes) -> dict[str, Any]:
    try:
        report = json.loads(output)
    except ValueError:
        return {}
    return report if isinstance(report, dict) and "result" in report else {}

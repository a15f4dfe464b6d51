"""Run all records of a folder that are due, as the script of one PAM User record, whose schedule drives them all.

Each record that is due gets a run of its own, as if its own script had been started: with its own lock, deadline,
outcome and exit code, side by side with others. What has nothing to do is left alone. The record that this script is
attached to stands for nothing itself. Those of its own folder are run; of a shared folder also those in the folders
inside it. The exit code is the worst of all runs, and the host's history has the line of each.

Field of that record: rotation_enabled, and no other. Admin credential: what is attached to a record's own
script, else what is attached to this one, else the PAM configuration: docs/run-due.md.
"""

from __future__ import annotations

import io
import logging
import sys

from gateway import DOOR
from gateway.commands.reading import Reading, read_all
from gateway.commands.run_due.choose import Options, choose
from gateway.commands.run_due.summary import Summary
from gateway.errors import CallError, Failed, RotationError, Unknown
from gateway.host.process import forgiving_streams
from gateway.host.report import Report, Stderr
from gateway.keeper.admin import attached_credentials
from gateway.keeper.parameters import Params, read_params, readable
from gateway.model.policy import read_policy

_AT_ONCE = 8
log = logging.getLogger("gateway")


def open_door(name: str, *, door: int = DOOR) -> int:
    """Do what the Gateway's line on stdin asks for; the exit code for `sys.exit`."""
    forgiving_streams()
    log.addHandler(Stderr())
    log.setLevel(logging.INFO)
    log.propagate = False
    logging.lastResort = None  # what libraries warn about may quote a request
    report = Report()
    return report.close(_outcome(report, door))


def _outcome(report: Report, door: int) -> RotationError | None:
    try:
        if door > DOOR:
            raise Failed(f"keeper-azure-rotation is older than this script (door {door})", "upgrade the package")
        return _run(report)
    except RotationError as error:
        return error
    except CallError as error:
        return Failed(str(error), error.hint)
    except KeyboardInterrupt:
        return Failed("interrupted: nothing was begun", "run it again")
    except Exception as error:
        return Unknown(f"unforeseen {type(error).__name__}", "look at the history of this host, and run it again")


def _run(report: Report) -> RotationError | None:
    params = read_params(sys.stdin.buffer if sys.stdin else io.BytesIO())
    report.record = params.record_uid
    reading = read_all()
    record = readable(reading.records, params.record_uid)
    report.title, report.result = record.title, "disabled"
    if not read_policy(record.value).enabled:
        return None
    chosen = reading.beside(record)
    jobs, idle = choose(chosen, _options(params, reading))
    runs = Summary(reading.settings, jobs, idle, lambda each: log.info("%s: %s", each.report["result"], each.job.title))
    outcome = runs.run(_AT_ONCE)
    log.info("%s", runs.text())
    report.result = "rotated" if runs.results["rotated"] else "finished" if runs.results["finished"] else "not_due"
    return outcome


def _options(params: Params, reading: Reading) -> Options:
    attached = tuple(record.uid for record in attached_credentials(params) if record.uid in reading.records)
    configuration = params.configuration_uid if params.configuration_uid in reading.records else ""
    return Options(attached, configuration)

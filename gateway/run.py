"""The entry point of every script, and the one place that turns errors into an exit code."""

from __future__ import annotations

import logging
import os
import sys
import threading
import traceback

from gateway.deadline import Deadline
from gateway.errors import CallError, Failed, RotationError, Unknown
from gateway.http import Http
from gateway.kind import Rotation
from gateway.ksm_config import find_ksm_config
from gateway.params import read_params
from gateway.preparation import Host, Preparation
from gateway.report import Report, Stderr
from gateway.rotation import Engine
from gateway.settings import read_settings
from gateway.vault import Vault

# A service that sends its answer byte by byte can outlast every timeout of a socket; this is what ends the run then.
_GRACE_SECONDS = 5


def run(kind: type[Rotation], arguments: list[str] | None = None) -> int:
    """Rotate what the Gateway's line on stdin names; the exit code for `sys.exit`.

    0: done. 1: failed, everything is as before. 2: saved, but something is left for the next run. 3: look at it.
    """
    _quiet_libraries()
    report = Report()
    run_ = _Run(kind, report)
    try:
        if arguments := sys.argv[1:] if arguments is None else arguments:
            what = f"usage: the script takes no arguments, {len(arguments)} given"
            hint = (
                "remove them from the script command in the vault; by hand use: keeper-rotation run SCRIPT --record=UID"
            )
            raise Failed(what, hint)
        run_.rotate()
    except RotationError as error:
        return report.close(error)
    except CallError as error:
        return report.close(run_.told(str(error), error.hint))
    except KeyboardInterrupt:
        return report.close(run_.told("interrupted", "run it again"))
    except Exception as error:
        if os.environ.get("ROTATION_TRACEBACK"):
            logging.getLogger("gateway").error("%s", traceback.format_exc())
        what = f"unforeseen {type(error).__name__}"
        return report.close(run_.told(what, "set ROTATION_TRACEBACK=1, run again, and report what it shows"))
    return report.close(None)


class _Run:
    def __init__(self, kind: type[Rotation], report: Report) -> None:
        self._kind = kind
        self._report = report
        self._engine: Engine | None = None

    def rotate(self) -> None:
        settings = read_settings()
        deadline = Deadline(settings.deadline, settings.retry_base)
        deadline.stop_on_sigterm()
        self._watch(settings.deadline + _GRACE_SECONDS)
        params = read_params(sys.stdin.buffer)
        http = Http(settings.request_timeout, deadline)
        host = Host(settings, http, Vault(find_ksm_config(), http))
        self._report.record = params.record_uid
        preparation = Preparation(self._kind, params, host)
        self._report.warnings += preparation.warnings()
        if not preparation.policy.enabled:
            self._report.result = "disabled"
            return
        self._engine = Engine(preparation.finish(), host, self._report)
        self._report.result = self._engine.rotate()

    def told(self, what: str, hint: str) -> RotationError:
        """An error that nobody handled: before the first write nothing has happened, after it nobody knows."""
        written = self._engine is not None and self._engine.has_written
        return Unknown(what, hint) if written else Failed(what, hint)

    def _watch(self, seconds: float) -> None:
        watch = threading.Timer(seconds, self._give_up)
        watch.daemon = True
        watch.start()

    def _give_up(self) -> None:
        os._exit(self._report.close(self.told("the run's time is over and a request did not end", "run it again")))


def _quiet_libraries() -> None:
    package = logging.getLogger("gateway")
    package.addHandler(Stderr())
    package.setLevel(logging.INFO)
    package.propagate = False
    # What the libraries warn about goes nowhere: it may quote a request.
    logging.lastResort = None

"""The entry point of every script, and the one place that turns errors into an exit code.

What it imports here is what begins a run; the engine and the kind follow while connections are being opened.
"""
# ruff: noqa: E402

from __future__ import annotations

import gc

# All that is imported stays: looking through it for garbage would take a tenth of a short run.
gc.disable()

import io
import logging
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NoReturn, Protocol

from gateway import DOOR, __version__
from gateway.errors import CallError, Failed, RotationError, Unknown, missing_package
from gateway.host.deadline import Deadline, ignore_signals
from gateway.host.http import Http
from gateway.host.process import hold_streams, keep_to_ourselves, leave
from gateway.host.report import Report, Stderr
from gateway.host.settings import Settings, read_settings
from gateway.keeper.config import find_ksm_config, server_of
from gateway.keeper.parameters import Params, read_params
from gateway.kinds import registry
from gateway.model.kind_facts import KindFacts
from gateway.model.policy import REVOKE

if TYPE_CHECKING:
    from gateway.engine.gathered import RunContext
    from gateway.engine.kind import Kind
    from gateway.engine.state import State
    from gateway.keeper.record import VaultRecord

gc.enable()
log = logging.getLogger("gateway")

# A service that sends its answer byte by byte can outlast every timeout of a socket; this is what ends the run then.
_GRACE_SECONDS = 5
_STUCK_SECONDS = 10


class Task(Protocol):
    """One run of one script. The constructor reads the record."""

    record: VaultRecord

    @property
    def has_written(self) -> bool:
        """Whether it came to changing something that a failure could leave half-done."""

    @property
    def forgets_revoke(self) -> bool:
        """Whether a revoke was asked for by hand that no later run would know of."""

    def run(self) -> str:
        """Do it all; the report's ``result``. Raises RotationError, CallError."""


def open_door(kind: str, *, door: int = DOOR, arguments: list[str] | None = None) -> NoReturn:
    """Do what the Gateway's line on stdin asks for, and end the process with the exit code.

    0: done. 1: failed, everything is as before. 2: saved, but something is left for the next run. 3: look at it.

    Args:
        kind: its name in the registry.
        door: the `gateway.DOOR` that the script was made for.
    """
    gc.disable()
    leave(run(kind, door=door, arguments=arguments))


def run(kind: str, *, door: int = DOOR, arguments: list[str] | None = None) -> int:
    """As `open_door`, in a process that goes on; the exit code."""
    hold_streams()
    keep_to_ourselves()
    _quiet_libraries()
    facts = registry.find(kind)
    if facts is None or door > DOOR:
        older = f"keeper-azure-rotation {__version__} is older than this script"
        return Report().close(Failed(f"{older} ({kind}, door {door})", "upgrade the package on this host"))
    return _Run(facts).finish(sys.argv[1:] if arguments is None else arguments)


class RotationTask:
    """A rotation of one kind. The constructor reads the record. Raises RotationError, CallError."""

    def __init__(self, kind: type[Kind], params: Params, context: RunContext, report: Report) -> None:
        from gateway.engine.prepare import Preparation

        self._by_hand = params.revoke
        self._preparation = Preparation(kind, params, context)
        self._context = context
        self._report = report
        self._state: State | None = None
        self.record = self._preparation.record

    @property
    def has_written(self) -> bool:
        """Whether it came to making something."""
        return self._state is not None and self._state.has_written

    @property
    def forgets_revoke(self) -> bool:
        """Asked for by hand, and neither complete nor noted in the record."""
        if not self._by_hand or self.record.value("rotate_now").strip().lower() == REVOKE:
            return False
        return self._state is None or not self._state.revoke_is_noted

    def run(self) -> str:
        """Rotate. Raises RotationError, CallError."""
        from gateway.engine.order import rotate
        from gateway.engine.state import State

        self._report.warnings += self._preparation.warnings()
        if not self._preparation.policy.enabled:
            self._preparation.refuse_asked()
            return "disabled"
        self._state = State(self._preparation.finish(), self._context, self._report)
        return rotate(self._state)


class _Run:
    def __init__(self, facts: KindFacts) -> None:
        self._facts = facts
        self._report = Report()
        self._task: Task | None = None
        self._by_hand = False
        """whether a revoke is asked for by hand"""
        self._watch: threading.Timer | None = None
        self._http: Http | None = None
        self._value: Callable[[str], str] = lambda label: ""

    def finish(self, arguments: list[str]) -> int:
        """Run, tell whoever wants to be told, and report; the exit code."""
        outcome = self._outcome(arguments)
        if self._watch:
            self._watch.cancel()
        self._notify(outcome)
        ignore_signals()
        return self._close(outcome)

    def _close(self, outcome: RotationError | None) -> int:
        if outcome and (self._task.forgets_revoke if self._task else self._by_hand):
            may = "may not" if isinstance(outcome, Unknown) else "do not"
            again = f"later runs {may} know of this revoke: ask again with --revoke, or write revoke into rotate_now"
            outcome.hint = f"{outcome.hint}; {again}" if outcome.hint else again
        return self._report.close(outcome)

    def _outcome(self, arguments: list[str]) -> RotationError | None:
        """None where all is done."""
        try:
            if arguments:  # a later Gateway may append some; they may hold a secret, so they are not shown
                by_hand = "by hand use: keeper-rotation run SCRIPT --record=UID"
                log.info("ignored arguments: %d (a script takes none; %s)", len(arguments), by_hand)
            self._run()
        except RotationError as error:
            return error
        except CallError as error:
            return self._told(str(error), error.hint)
        except KeyboardInterrupt:
            return self._told("interrupted", "run it again")
        except ImportError as error:
            missing = missing_package(error)
            return self._told(missing.message, missing.hint)
        except Exception as error:
            if os.environ.get("ROTATION_TRACEBACK"):
                for line in traceback.format_exc().splitlines():
                    log.error("%s", line)
            hint = "set ROTATION_TRACEBACK=1, run again, and report what it shows"
            return self._told(f"unforeseen {type(error).__name__}", hint)
        return None

    def _run(self) -> None:
        settings = read_settings()
        deadline = Deadline(settings.deadline, settings.retry_base)
        deadline.stop_on_signals()
        self._begin_watch(settings.deadline + _GRACE_SECONDS)
        params = read_params(sys.stdin.buffer if sys.stdin else io.BytesIO())  # None where it is closed
        self._by_hand = params.revoke
        self._report.record = params.record_uid
        self._report.title = next((each.title for each in params.attached if each.uid == params.record_uid), "")
        # What the Gateway handed over says whom to tell when the vault itself cannot be reached.
        self._value = next((each.get for each in params.attached if each.uid == params.record_uid), self._value)
        self._http = Http(settings.request_timeout, deadline)
        config = find_ksm_config()
        self._http.open(server_of(config))  # while the rest is imported
        self._task = self._begin(params, settings, self._http, deadline, config)
        self._value, self._report.title = self._task.record.value, self._task.record.title
        self._report.result = self._task.run()

    def _begin(self, params: Params, settings: Settings, http: Http, deadline: Deadline, config: str) -> Task:
        from gateway.engine.gathered import RunContext
        from gateway.engine.kind import Kind
        from gateway.keeper.vault import Vault

        context = RunContext(settings, http, deadline, Vault(config, http))
        found = registry.load(self._facts)
        if issubclass(found, Kind):
            return RotationTask(found, params, context, self._report)
        task: Task = found(params, context, self._report)
        return task

    def _notify(self, outcome: RotationError | None) -> None:
        if not (self._value("notify") or os.environ.get("ROTATION_NOTIFY")):
            return
        try:
            from gateway.host.notify.message import notify
        except (Exception, KeyboardInterrupt) as error:  # an upgrade is replacing the package; the outcome is settled
            said = f"notify: unforeseen {type(error).__name__}; the package may have been replaced meanwhile"
            self._report.warnings.append(said)
            return
        notify(self._value, self._report, outcome, self._http.now() if self._http else datetime.now(UTC))

    def _told(self, what: str, hint: str) -> RotationError:
        """An error that nobody handled: before the first write nothing has happened, after it nobody knows."""
        written = self._task is not None and self._task.has_written
        return Unknown(what, hint) if written else Failed(what, hint)

    def _begin_watch(self, seconds: float) -> None:
        if hasattr(signal, "setitimer"):
            # Where the interpreter itself is stuck, no thread can end it; the signal's default action does.
            signal.setitimer(signal.ITIMER_REAL, seconds + _STUCK_SECONDS)
        self._watch = threading.Timer(seconds, self._give_up)
        self._watch.daemon = True
        self._watch.start()

    def _give_up(self) -> None:
        os._exit(self._close(self._told("the run's time is over and a request did not end", "run it again")))


def _quiet_libraries() -> None:
    package = logging.getLogger("gateway")
    package.addHandler(Stderr())
    package.setLevel(logging.INFO)
    package.propagate = False
    # What the libraries warn about goes nowhere: it may quote a request.
    logging.lastResort = None

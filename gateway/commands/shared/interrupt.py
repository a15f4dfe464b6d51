"""What Ctrl-C, SIGTERM and a closed terminal do to a command.

Before anything was changed they end it at once: exit 1. Later the first one lets it finish the step under way and begin
no other, and the outcome is told as ever. A second one ends it there: exit 3, with where to look.
"""

from __future__ import annotations

import functools
import logging
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from gateway.errors import CallError, Failed, RotationError, Unknown
from gateway.host.deadline import SIGNALS

if TYPE_CHECKING:
    from gateway.host.deadline import Deadline
    from gateway.host.http import Http

log = logging.getLogger("gateway")
Command = Callable[..., Any]
LOOK = "look at what this command was to change before you run it again"


_files: list[str] = []
"""those that were written, or are being written now"""


class Unfinished(KeyboardInterrupt):
    """Interrupted after something was changed: a second time, or where nothing is left to be finished first."""


def note_file(path: str) -> None:
    """From now on the command has changed something: this file."""
    _files.append(path)


def interrupted(cause: BaseException | None) -> RotationError:
    """The outcome of a command that was interrupted."""
    if isinstance(cause, Unfinished):
        return Unknown("interrupted: whether all of it was done cannot be told", LOOK)
    return Failed("interrupted: nothing was changed", "run it again")


def end_on_signals() -> None:
    """Until a session is open: Ctrl-C and SIGTERM end the command."""

    def told(_: int) -> None:
        raise Unfinished if _files else KeyboardInterrupt

    handle_signals(told, "SIGINT", "SIGTERM")


def finish_on_signals(http: Http, deadline: Deadline) -> None:
    """From now on they end it only where nothing was changed, by ``http`` or in files, and else stop ``deadline``."""

    def told(number: int) -> None:
        if not (http.may_have_changed or _files):
            raise KeyboardInterrupt
        if deadline.is_stopped:
            raise Unfinished
        deadline.stop(number)
        log.warning("stopping after the step in progress; a second signal ends it at once")

    handle_signals(told)


def handle_signals(told: Callable[[int], None], *names: str) -> None:
    """``told`` is called with each of these signals, by default all three, but for those that our parent ignores."""
    for name in names or SIGNALS:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda number, _: told(number))


def changing(look: str) -> Callable[[Command], Command]:
    """For each command that changes something.

    Args:
        look: the hint where it ends before all was answered, with the command's parameters in braces.
    """

    def add(command: Command) -> Command:
        @functools.wraps(command)
        def run(**given: Any) -> Any:
            try:
                return command(**given)
            except Unfinished as error:
                what = str(interrupted(error))
            except CallError as error:
                if not error.may_have_changed:
                    raise
                what = str(error)
            raise Unknown(what, look.format_map(given))

        run.look = look  # type: ignore[attr-defined]
        return run

    return add

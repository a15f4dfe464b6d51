"""Errors, split by the state in which they leave the world.

::

    RotationError
    ├── Failed        exit 1   the record and its published secret are as before
    ├── Incomplete    exit 2   the new secret is saved and works; the next run does the rest
    │   └── Waiting            nothing but an answer from outside is missing: no further try helps before it
    └── Unknown       exit 3   somebody has to look; the message says where

    CallError                  one call to the outside broke; the engine decides what it means
    ├── NotSent                the request never left this host: nothing happened there
    ├── Refused                the service said no: nothing happened there
    └── Unclear                no answer, or a broken one: it may have happened

A `CallError` that nobody handles becomes `Failed` before the first write and `Unknown` after it (``run.py``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

KEEPER = "Keeper"
PERMISSION_HINT = "check the permissions that docs/permissions.md names for this script"


class RotationError(Exception):
    """A run that did not do all it should; ``exit_code`` and ``result`` are what the Gateway and the JSON line get."""

    exit_code = 1
    result = "failed"

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.parts: Sequence[RotationError] = [self]
        """of several errors in one, each with its own hint; else itself"""


class Failed(RotationError):
    """Nothing that anyone relies on has changed; run again once the cause is fixed."""

    @classmethod
    def together(cls, problems: Iterable[RotationError]) -> Failed:
        """Several in one: as one text for a run's line, and in parts for people."""
        parts = [part for problem in problems for part in problem.parts]
        hints = dict.fromkeys(part.hint for part in parts if part.hint)
        error = cls("; ".join(part.message for part in parts), "; ".join(hints))
        error.parts = parts
        return error

    @classmethod
    def each(cls, problems: Iterable[str], hint: str) -> Failed:
        """Several in one that have the same hint."""
        return cls.together(cls(problem, hint) for problem in problems)


def missing_package(error: ImportError) -> Failed:
    """This Python lacks a package that is imported only where it is needed."""
    return Failed(f"a package is missing: {error}", "install it for the Python of the script command")


class Incomplete(RotationError):
    """The new secret is saved and works, but something is left over for the next run."""

    exit_code = 2
    result = "incomplete"


class Waiting(Incomplete):
    """Nothing is wrong: an issuer or a CA takes its time, and a run after its answer does the rest."""

    result = "waiting"


class Unknown(RotationError):
    """What happened cannot be told from here."""

    exit_code = 3
    result = "unknown"


WORST_FIRST: tuple[type[RotationError], ...] = (Unknown, Failed, Incomplete)


def worst(codes: Iterable[int]) -> int:
    """The exit code of several runs together: unknown before failed before incomplete before done."""
    found = set(codes)
    return next((kind.exit_code for kind in WORST_FIRST if kind.exit_code in found), 0)


class CallError(Exception):
    """One call to a service failed. ``where`` names the service and the call, never a value."""

    service = ""
    """who was asked, where a caller has to know; so far `KEEPER`"""
    may_have_changed = False
    """whether what was asked for changes something there, and may have happened"""
    default_hint = "run it again later; where it stays so, check the network between this host and the service"

    def __init__(self, where: str, what: str, hint: str = "") -> None:
        super().__init__(f"{where}: {what}")
        self.where = where
        self.hint = hint or self.default_hint

    def worth_another_try(self) -> bool:
        """Whether the same call may go through a little later."""
        return True


class NotSent(CallError):
    """The request never left this host."""

    default_hint = "check network, DNS, firewall and HTTPS_PROXY of this host"


class Unclear(CallError):
    """The request left, and no usable answer came: it may have taken effect."""

    def __init__(self, where: str, what: str, hint: str = "", *, may_have_changed: bool = False) -> None:
        super().__init__(where, what, hint)
        self.may_have_changed = may_have_changed


def leaves_doubt(error: Exception) -> bool:
    """Whether it leaves open if something was changed."""
    return isinstance(error, Unknown) or (isinstance(error, CallError) and error.may_have_changed)


def next_page_elsewhere(where: str) -> Unclear:
    """A list that goes on where our token does not go."""
    what = "the link to the next page points to another host; the list is not complete"
    return Unclear(where, what, "report this message: it is not known that Azure does so")


class Refused(CallError):
    """The service answered with an error.

    ``status`` is the HTTP status, ``code`` the service's own error code, ``retry_after`` seconds or None.
    """

    kind_of_status = "HTTP"
    inner_code = ""
    """the more precise code inside of it, where the service has one"""

    def __init__(
        self,
        where: str,
        status: int,
        code: str = "",
        message: str = "",
        *,
        throttled: bool = False,
        retry_after: float | None = None,
        hint: str = "",
    ) -> None:
        said = " ".join(part for part in (code, message) if part)
        super().__init__(where, f"{self.kind_of_status} {status} {said}".rstrip(), hint or _hint(status, throttled))
        self.status = status
        self.code = code
        self.throttled = throttled
        self.retry_after = retry_after

    def worth_another_try(self) -> bool:
        """Only throttling goes away by itself."""
        return self.throttled


def _hint(status: int, throttled: bool) -> str:
    if throttled:
        return "the service limits our requests: run it again later"
    if status in (401, 403):
        return PERMISSION_HINT
    return "look up the code of this error in the service's documentation"

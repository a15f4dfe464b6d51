"""The test that a destination has of its own: asked before the mint and after the delivery, and both compared.

It may fail for a reason that has nothing to do with the secret, such as a role that the app has no need for: Azure
DevOps reads the subscription that a connection names (https://github.com/MicrosoftDocs/azure-devops-docs/issues/12582).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from gateway.errors import CallError, Failed, Unclear
from gateway.host.shown import shown

_MOST_TOLD = 200
_SIGN_IN = re.compile(
    r"AADSTS\d|invalid_client|unauthenticated|AuthenticationFailed|failed to authenticate", re.IGNORECASE
)
_HINT = (
    "it has the new secret already; do what the test says, or mark the line as optional; the next run delivers and "
    "tests again"
)


class Verdict(Enum):
    """What a test says."""

    PASSED = auto()
    REFUSED = auto()
    """its sign-in"""
    FAILED = auto()
    """for another reason"""
    NOT_OFFERED = auto()
    NO_ANSWER = auto()


@dataclass(frozen=True)
class Tested:
    """A test's verdict, and what it said."""

    verdict: Verdict
    said: str = ""

    @classmethod
    def by_status(cls, status: int, said: str) -> Tested:
        """What an answer means, by its HTTP status."""
        if 200 <= status < 300:
            return cls(Verdict.PASSED)
        if status == 401 or _SIGN_IN.search(said):
            return cls(Verdict.REFUSED, said)
        return cls(Verdict.NOT_OFFERED if status in (400, 404) else Verdict.FAILED, said)

    def is_like(self, other: Tested) -> bool:
        """Whether both say the same; ids and times differ from one time to the next."""
        return self.verdict is other.verdict and _words(self.said) == _words(other.said)

    @property
    def told(self) -> str:
        """What it said, as it may be shown."""
        # Masked before it is cut: half of a secret would not be known.
        line = " ".join(shown(self.said).split())
        return line if len(line) <= _MOST_TOLD else f"{line[:_MOST_TOLD]}…"


class OwnTest:
    """The test of one destination, which never shows what it holds.

    Args:
        address: the destination's.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._before: Tested | None = None

    def observe(self, ask: Callable[[], Tested]) -> None:
        """Let it be tested with what it holds before it is served, unless that was done."""
        if self._before is None:
            try:
                self._before = ask()
            except (Failed, CallError):
                self._before = Tested(Verdict.NO_ANSWER)

    def judge(self, tested: Tested) -> tuple[str, ...]:
        """What it says of the new secret, as warnings. Raises Unclear: it speaks against it."""
        if tested.verdict is Verdict.PASSED:
            return ()
        if self._is_no_matter_of_the_secret(tested):
            return (f"{self._address}: delivered, untested: {tested.told}",)
        raise Unclear(self._address, f"its own test with the new secret failed: {tested.told}", _HINT)

    def _is_no_matter_of_the_secret(self, tested: Tested) -> bool:
        before = self._before or Tested(Verdict.NO_ANSWER)
        if tested.verdict is Verdict.REFUSED or before.verdict is Verdict.PASSED:
            return False
        # Where the sign-in was refused before, it came further now.
        came_further = before.verdict is Verdict.REFUSED
        return tested.verdict is Verdict.NOT_OFFERED or came_further or tested.is_like(before)


def _words(text: str) -> list[str]:
    return [word for word in text.split() if not re.search(r"\d", word)]

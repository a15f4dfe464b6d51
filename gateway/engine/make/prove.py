"""Proving by sign-in: many, on fresh connections, so that they may meet several replicas. Refused means 'not yet'."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Callable
from typing import ClassVar

from gateway.engine.gathered import Gathered, RunContext
from gateway.engine.kind import Kind
from gateway.engine.maker import READS
from gateway.errors import CallError, Failed, Unclear
from gateway.host.background import side_by_side
from gateway.model.credential import LiveCredential, Minted
from gateway.secret import Secret

log = logging.getLogger("gateway")


class ProvedKind(Kind):
    """A kind of which a new one signs in."""

    proof: ClassVar[str] = "sign-in"

    @abstractmethod
    def prove(self, minted: Minted) -> None:
        """Ask once whether the new one is accepted now. Raises CallError where it is not."""

    def expect_proofs(self, times: int) -> None:
        """So many calls of `prove` come soon: what they wait for can begin."""

    def cannot_sign_in(self, error: CallError) -> bool:
        """Whether ``error``, from `prove`, means that no secret would ever be accepted. Raises CallError."""
        return False

    def is_refusal(self, error: CallError) -> bool:
        """Whether ``error``, from `prove`, says that this value is not, or not yet, one of the target's."""
        return True


class Proof:
    """Signs in with a secret until it is accepted, or the time for that is over."""

    def __init__(self, kind: ProvedKind, gathered: Gathered, run: RunContext) -> None:
        self._kind = kind
        self._target = gathered.target
        self._http = run.http
        self._deadline = run.deadline
        self._settings = run.settings

    def prove(self, minted: Minted) -> str:
        """Prove that the new credential works: ``sign-in``, or ``listed`` where the application cannot sign in at all.

        Several sign-ins side by side, each on a connection of its own, so that they may meet several replicas, and one
        more a moment later. Once one was refused, as many in a row, with growing pauses.

        Raises:
            Failed: it was not accepted in time.
        """
        successes = self._settings.prove_successes
        if not self._target.can_sign_in:
            return self._prove_by_listing(minted)
        errors = side_by_side(lambda _: self._refusal(minted), range(successes))
        if not any(errors):
            self._deadline.pause(self._settings.prove_interval)
            self._deadline.check()
            errors = [self._refusal(minted)]
        if any(errors):
            return self._prove_patiently(minted, [error for error in errors if error], successes)
        return self._kind.proof

    def _refusal(self, minted: Minted) -> CallError | None:
        try:
            self._kind.prove(minted)
        except CallError as error:
            return error
        return None

    def _prove_patiently(self, minted: Minted, errors: list[CallError], successes: int) -> str:
        """``successes`` sign-ins in a row, after these errors."""
        barred = sum(self._kind.cannot_sign_in(error) for error in errors)
        in_a_row, last, refused = 0, str(errors[-1]), 0
        began, until = self._deadline.remaining(), min(self._settings.prove_timeout, self._deadline.for_work())
        log.info("waiting up to %.0f s for the new secret to be accepted everywhere", until)
        while in_a_row < successes:
            if barred >= successes:
                return self._prove_by_listing(minted)
            if began - self._deadline.remaining() >= until:
                raise Failed(f"the new secret was not accepted within {until:.0f} s: {last}", "run again later")
            self._deadline.pause(self._settings.prove_interval if in_a_row else self._pause_after(refused))
            self._deadline.check()
            error = self._refusal(minted)
            in_a_row, refused = (0, refused + 1) if error else (in_a_row + 1, refused)
            last = str(error) if error else last
            barred = barred + 1 if error and self._kind.cannot_sign_in(error) else 0
        return self._kind.proof

    def _pause_after(self, refused: int) -> float:
        """Seconds; growing, for many refused sign-ins are throttled, and fill the tenant's log."""
        return min(10.0, max(self._settings.prove_interval, self._settings.retry_base) * 1.5**refused)

    def _prove_by_listing(self, minted: Minted) -> str:
        listing = self.shown(minted, self._settings.prove_successes)
        if all(key.key_id != minted.key_id for key in listing):
            raise Failed(f"the app does not show the new secret {minted.key_id}", "run again in a few minutes")
        return "listed"

    def refuses(self, published: LiveCredential, value: Secret) -> str:
        """Why the published one is not accepted: the last of many refusals. One accepted sign-in is enough."""
        if not value:
            return "the record holds no value"
        minted = Minted(published.key_id, value, published.ends, published.made)
        if not self._target.can_sign_in:
            return ""
        try:
            refusal = self._last_refusal(lambda: self._http.retrying(lambda: self._kind.prove(minted)))
        except CallError as error:
            if self._kind.cannot_sign_in(error):
                return ""
            raise
        return str(refusal or "")

    def sign_in_again(self, value: Secret) -> None:
        """As `Maker.sign_in_again`. Refused means "not yet" for as long as proving may take."""
        try:
            refusal = self._last_refusal(lambda: self._kind.sign_in_again(value))
        except Failed as stopped:
            raise Unclear("signing in with the new secret", str(stopped), stopped.hint) from None
        if refusal:
            raise refusal

    def _last_refusal(self, sign_in: Callable[[], None]) -> CallError | None:
        """None where it is accepted in time. Raises Failed: stopped. Raises CallError: anything but a refusal."""
        began, until = self._deadline.remaining(), min(self._settings.prove_timeout, self._deadline.for_work())
        refused = 0
        while True:
            try:
                sign_in()
                return None
            except CallError as error:
                if not self._kind.is_refusal(error):
                    raise
                if began - self._deadline.remaining() >= until:
                    return error
            self._deadline.pause(self._pause_after(refused))
            self._deadline.check()
            refused += 1

    def shown(self, minted: Minted, times: int = 1) -> tuple[LiveCredential, ...]:
        """The last listing, once it shows the new credential ``times`` times in a row, or when proving has to end.

        Raises:
            CallError: there was no time to find out, too.
        """
        began, until = self._deadline.remaining(), min(self._settings.prove_timeout, self._deadline.for_work())
        in_a_row, attempt = 0, 0
        while True:
            listing = self._kind.live()
            in_a_row = in_a_row + 1 if any(key.key_id == minted.key_id for key in listing) else 0
            if in_a_row == times or (attempt >= READS and began - self._deadline.remaining() >= until):
                return listing
            if not in_a_row:
                self._deadline.pause(min(10.0, self._settings.retry_base * 2**attempt))
                attempt += 1
            if reason := self._deadline.over():
                raise Unclear("Graph application", f"the new secret is not shown yet, and {reason}")

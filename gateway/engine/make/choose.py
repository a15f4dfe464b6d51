"""Values that we choose ourselves: a password that a server is told.

The server takes the new value and forgets the old one in the same moment, so the record must hold both before that:
the new value is saved as pending first, then the server is told, then it is proved by a real login, then it is
published. At every moment either the published or the pending value logs in, and the next run finds out which.
"""

from __future__ import annotations

import logging
import secrets
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import ClassVar

from gateway.engine.gathered import Gathered, RunContext
from gateway.engine.kind import Kind
from gateway.engine.maker import NEW, READS, Maker, SaveIntent, refuse_while_at_work
from gateway.errors import CallError, Failed, Incomplete, NotSent, RotationError, Unclear, Unknown
from gateway.keeper.record import VaultRecord
from gateway.model import decisions
from gateway.model.credential import GRACE, LiveCredential, Minted
from gateway.model.ledger import Intent
from gateway.secret import Secret

log = logging.getLogger("gateway")

_BOTH = "the record holds both values; the next run finds out which one logs in"


class ChosenKind(Kind):
    """A kind whose value we choose; the old one is dead at the moment at which the server has the new one."""

    proof: ClassVar[str] = "login"

    @abstractmethod
    def choose(self) -> Secret:
        """A new value by the record's rules. Raises Failed."""

    @property
    def takes_turns(self) -> bool:
        """Whether the published value goes on working when the server has the new one."""
        return False

    def stay(self) -> None:
        """Where two take turns: the one that is published gets the next value, too."""

    @abstractmethod
    def tell(self, value: Secret, published_by: VaultRecord | None = None) -> None:
        """Make the server take this value: a new one, or what a record publishes; twice is the same as once.

        Raises:
            CallError
            Unknown: it has taken it, and may forget it.
        """

    @abstractmethod
    def logs_in(self, value: Secret, published_by: VaultRecord | None = None) -> bool:
        """Whether this value, a new one or what a record publishes, logs in everywhere now. Raises CallError."""

    def lock_out(self, *, found_published: bool) -> None:
        """Where two take turns, give a user a value that nobody knows: the one that was found published, or the other.

        Raises CallError.
        """

    def maker(self, gathered: Gathered, run: RunContext, save_intent: SaveIntent) -> Maker:
        """What chooses a value and tells it to the server."""
        return Choice(self, gathered, run, save_intent)


class Choice(Maker):
    """Chooses values, and makes the server take them."""

    ids_are_runs_own: bool = True
    ends_by_id: bool = False

    def __init__(self, kind: ChosenKind, gathered: Gathered, run: RunContext, save_intent: SaveIntent) -> None:
        self._gathered = gathered
        self._kind = kind
        self.unlisted = "the former user has a password that nobody knows" if kind.takes_turns else ""
        if self._is_turn_in_use():
            kind.stay()
        # With two users the next value ends what a destination still holds; with one that is dead already.
        self.finishes_first = self.keeps_old = kind.takes_turns
        self._run = run
        self._http = run.http
        self._deadline = run.deadline
        self._settings = run.settings
        self._save_intent = save_intent
        self._of_before: Intent | None = None
        """that of the earlier run whose pending value is the new one; that run may have told it to the server"""
        self._key_id = gathered.known.key_id
        self._has_it = False
        """whether the server has that one already"""
        self._is_made = False
        """whether this run has changed who the former user is"""
        self._may_arrive = False
        """whether the server was told something without an answer, and may still do it"""
        self.marked_until = run.http.now() + timedelta(seconds=self._deadline.remaining())

    def _is_turn_in_use(self) -> bool:
        """Whether a destination holds what the next user has, and what is published is dead and held by none."""
        gathered = self._gathered
        is_dead = gathered.inventory.published is None
        return is_dead and bool(gathered.held) and gathered.known.key_id not in gathered.held

    def make(self, lifetime: timedelta) -> Minted:
        """A value that the server has: the pending one of an earlier run, or a new one.

        Raises:
            Failed: the published value is what the server has.
            Incomplete: another host's run is at it.
            Unknown: that cannot be told.
        """
        self._refuse_while_late()
        value, key_id = self._pending()
        self._is_made, self._key_id = True, key_id
        minted = Minted(key_id, value, self._http.now() + lifetime)
        # Told once more where the server has it already: it may not have lasted.
        self._has_it = self._has_already(value)
        if not self._has_it:
            self._deadline.check()
        self._tell(value)
        return minted

    def preview(self, lifetime: timedelta) -> tuple[Minted, str]:
        """A new password, or the pending one."""
        intent, ends = self._gathered.known.ledger.intent, self._http.now() + lifetime
        self._refuse_while_late()
        turn = " for the other of the two users" if self._kind.takes_turns else ""
        if self._gathered.record.secret("pending_password") and intent:
            refuse_while_at_work(intent, self._gathered.known, "change this password")
            return Minted(intent.key_id, Secret(""), ends), f"the pending password of an earlier run{turn}"
        self._kind.choose()  # by rules that may be wrong
        return Minted(NEW, Secret(""), ends), f"a new password{turn}"

    def may_make_from(self) -> datetime | None:
        """The end of what an earlier run has sent without an answer: a newer password would end by it."""
        known, intent = self._gathered.known, self._gathered.known.ledger.intent
        over = intent.over(known.lock_id) if intent and intent.late else None
        return over if over and known.now <= over else None

    def _refuse_while_late(self) -> None:
        if until := self.may_make_from():
            problem = Failed if decisions.ASKED in self._gathered.why else Incomplete
            hint = f"nothing was changed; run it again after {until + timedelta(minutes=1):%Y-%m-%d %H:%M} UTC"
            raise problem(
                "a password that an earlier run told the server may still arrive, and would end a newer one", hint
            )

    def late_intent(self) -> Intent | None:
        """Where this run, or the one whose password it has published, told the server something without an answer."""
        known, intent, now = self._gathered.known, self._of_before, self._http.now()
        if self._may_arrive:
            return Intent(self._key_id, now, known.lock_id, self.marked_until, late=True)
        return replace(intent, late=True) if intent and now <= intent.until else None

    def _has_already(self, value: Secret) -> bool:
        """Whether an earlier run has told the server this value."""
        try:
            if self._logs_in(value):
                log.info("the server has the pending value of an earlier run already")
                return True
            if self._gathered.known.value and not self._logs_in(self._gathered.known.value, self._gathered.record):
                log.warning("neither the published nor the pending value logs in; the server is told the pending one")
        except CallError as error:
            if self._of_before:
                raise Unknown(f"whether the server has the pending value cannot be told: {error}", _BOTH) from None
            raise Failed(f"the server was not told the new value: {error}", error.hint) from None
        return False

    def _pending(self) -> tuple[Secret, str]:
        pending, intent = self._gathered.record.secret("pending_password"), self._gathered.known.ledger.intent
        if pending and intent:
            refuse_while_at_work(intent, self._gathered.known, "change this password")
            self._of_before = intent
            return pending, intent.key_id
        value, key_id = self._kind.choose(), secrets.token_hex(8)
        intent = Intent(key_id, self._http.now(), self._gathered.known.lock_id, self.marked_until)
        taken = "another run has begun to change this password; nothing was changed"
        self._save_intent(intent, taken, {"pending_password": value.reveal()})
        return value, key_id

    def _logs_in(self, value: Secret, published_by: VaultRecord | None = None) -> bool:
        return bool(value) and self._http.retrying(lambda: self._kind.logs_in(value, published_by))

    def _tell(self, value: Secret) -> None:
        try:
            self._http.retrying(lambda: self._once(lambda: self._kind.tell(value)))
        except CallError as error:
            never_left = isinstance(error, NotSent) and not self._may_arrive
            if not never_left and self._has_taken(value, error):
                return
            if self._may_arrive or self._has_it:
                raise Unknown(f"whether the server has the new value cannot be told: {error}", _BOTH) from None
            raise Failed(f"the server did not take the new value: {error}", error.hint) from None

    def _once(self, change: Callable[[], None]) -> None:
        try:
            change()
        except Unclear:
            self._may_arrive = True
            raise

    def _has_taken(self, value: Secret, error: CallError) -> bool:
        """After a try that broke: whether the value logs in; what may still arrive is given a moment."""
        try:
            with self._deadline.taking_back():
                for attempt in range(READS if self._may_arrive else 1):
                    if attempt:
                        self._deadline.pause(self._settings.retry_base)
                    if self._logs_in(value):
                        return True
        except CallError as second:
            what = f"whether the server has the new value cannot be told ({error}): {second}"
            raise Unknown(what, _BOTH) from None
        return False

    def prove(self, minted: Minted) -> str:
        """A real login, several times in a row. Raises Failed, CallError."""
        if not self._is_accepted(minted.value, None, self._deadline.for_work()):
            raise Failed("the server took the new value, and refuses it", "run it again")
        return self._kind.proof

    def _is_accepted(self, value: Secret, published_by: VaultRecord | None, left: float, *, times: int = 0) -> bool:
        """Whether a value that the server was told logs in so often in a row; refused means 'not yet' at first."""
        end = self._deadline.remaining() - min(self._settings.prove_timeout, left)
        in_a_row = 0
        while True:
            self._deadline.check()
            in_a_row = in_a_row + 1 if self._logs_in(value, published_by) else 0
            if in_a_row >= (times or self._settings.prove_successes):
                return True
            if not in_a_row and self._deadline.remaining() <= end:
                return False
            self._deadline.pause(max(self._settings.prove_interval, 0 if in_a_row else self._settings.retry_base))

    def refuses(self, published: LiveCredential, value: Secret) -> str:
        """Whether it logs in: once is enough. What logged in for this run's listing is not asked again."""
        if published is self._gathered.inventory.published:
            return ""
        accepted = self._is_accepted(value, self._gathered.record, self._deadline.for_work(), times=1)
        return "" if accepted else "the server refuses it"

    def shown(self, minted: Minted) -> tuple[LiveCredential, ...]:
        """The new value, if it logs in. Raises CallError."""
        if self._logs_in(minted.value):
            return (LiveCredential(minted.key_id, "", minted.value.hint, minted.ends),)
        return ()

    def remove(self, key_id: str) -> bool:
        """Nothing: an old value is dead since the server took the new one."""
        return False

    def end_unlisted(self) -> str:
        """Of two users the former one goes on working: it gets a password that nobody knows. Raises CallError."""
        known, intent = self._gathered.known, self._gathered.known.ledger.intent
        if not self.unlisted:
            return ""
        if not self._is_made and intent and not intent.late and known.now <= intent.until + GRACE:
            raise Unclear("the server", "another run may be about to change the former user's password")
        lock_out = partial(self._kind.lock_out, found_published=self._is_made)
        self._http.retrying(lambda: self._once(lock_out))
        return self.unlisted

    def _never_worked(self, published: Secret) -> bool:
        """Of two users: what the record publishes was refused before anything was told, so it is nobody's to keep.

        What its user really has may be what a destination holds.
        """
        at_first = self._gathered
        return self._kind.takes_turns and at_first.inventory.published is None and published == at_first.known.value

    def take_back(self, minted: Minted) -> None:
        """Make the server agree with the record again, and see that it does. Raises Unknown."""
        try:
            with self._deadline.taking_back():
                uid = self._gathered.record.uid
                record = self._run.vault.read([uid])[uid]
                published = record.secret(self._kind.outputs.value)
                if published and not self._never_worked(published):
                    self._tell_again(published, record)
                    if not self._is_accepted(published, record, self._deadline.remaining()):
                        raise Failed("it refuses that one")
        except (RotationError, CallError, KeyError) as error:
            what = f"the server may have the pending value, and could not be told the published one again: {error}"
            raise Unknown(what, _BOTH) from None
        if self._may_arrive:
            raise Unknown("the server may still take the pending value, though it was told the published one", _BOTH)

    def _tell_again(self, published: Secret, record: VaultRecord) -> None:
        lost = False

        def once() -> None:
            nonlocal lost
            try:
                self._kind.tell(published, record)
            except Unclear:
                lost = True
                raise

        try:
            self._http.retrying(once)
        finally:
            if lost:
                self._note_late(record)

    def _note_late(self, record: VaultRecord) -> None:
        """Until this run's time is over nobody publishes the pending value: the one told again may come and end it."""
        intent = Intent(self._key_id, self._http.now(), self._gathered.known.lock_id, self.marked_until, late=True)
        try:
            self._save_intent(intent, "another run has begun to change this password", over=record)
        except (RotationError, CallError) as error:
            log.warning("it is not noted that the former password may still arrive: %s", error)

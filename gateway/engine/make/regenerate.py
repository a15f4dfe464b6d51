"""Keys that come in pairs, of which one is regenerated while the other is published.

First the key that stays must be accepted, so that this host is known to reach what proves a key. What is about to be
regenerated, and when that key was made, is noted in the record. A run that finds the note, and a key that is younger,
publishes the key as it is listed: nothing is regenerated twice. Where the key is not younger, the request may still
arrive until the time of the run that sent it is over; until then that key is left alone. The published key, and one
that a required destination still holds or an overlap protects, is never regenerated.
"""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from gateway.engine.gathered import Gathered, RunContext
from gateway.engine.kind import Kind, Needed
from gateway.engine.make.idle import Idle, run_after
from gateway.engine.make.others import needed_by, others_of
from gateway.engine.maker import READS, Maker, SaveIntent
from gateway.errors import CallError, Failed, RotationError, Unclear, Unknown
from gateway.keeper.record import ReadsRecords, VaultRecord
from gateway.model.credential import GRACE, NEVER, LiveCredential, Minted, read_stamp
from gateway.model.ledger import Entry, Intent
from gateway.model.policy import Policy, read_policy
from gateway.secret import Secret

log = logging.getLogger("gateway")

_TAKEN = "another run has begun to regenerate a key; nothing was regenerated"


class RegeneratedKind(Kind):
    """A kind of which there are always two: one is published, the other one is regenerated and takes its place."""

    @abstractmethod
    def regenerate(self, key_id: str) -> None:
        """Give this one a new value, asked for once; its former value ends. Raises CallError."""

    @abstractmethod
    def read(self, key_id: str, ends: datetime) -> Minted:
        """This one as it is now. Raises CallError."""

    @abstractmethod
    def prove(self, minted: Minted) -> None:
        """Ask once whether the new value is accepted now. Raises CallError where it is not."""

    def cannot_sign_in(self, error: CallError) -> bool:
        """Whether ``error``, from `prove`, means that no value would ever be accepted. Raises CallError."""
        return False

    @abstractmethod
    def is_target_of(self, record: VaultRecord) -> bool:
        """Whether another record names the same target, however it is spelled."""

    def needed_by_others(
        self, listing: Sequence[LiveCredential], record: VaultRecord, vault: ReadsRecords, policy: Policy, now: datetime
    ) -> Needed:
        """Of other records of the target; asked where one is to be ended for good. Raises CallError."""
        return Needed() if policy.remove_old == "none" else self.needed(listing, record, vault, now)

    def needed(
        self, listing: Sequence[LiveCredential], record: VaultRecord, vault: ReadsRecords, now: datetime
    ) -> Needed:
        """As `needed_by_others`, asked now. Raises CallError."""
        return needed_by(self, others_of(self.is_target_of, record, vault), listing, now)

    def kept_until(self, other: VaultRecord, entry: Entry) -> datetime:
        """Without a date: until the overlap of its last rotation is over, as in that record's own runs."""
        last = read_stamp(other.value("last_rotated"))
        if entry.after or last is None:
            return entry.after or NEVER
        try:
            return last + read_policy(other.value, self.facts.defaults).overlap
        except Failed:  # its own run says so
            return NEVER

    @abstractmethod
    def published_by(self, other: VaultRecord) -> str:
        """The key that another record publishes, by its value alone; empty where that is none of today's."""

    def maker(self, gathered: Gathered, run: RunContext, save_intent: SaveIntent) -> Maker:
        """What regenerates the idle one."""
        return Regeneration(self, gathered, run, save_intent)


class Regeneration(Maker):
    """Regenerates the key that is not published."""

    finishes_first: bool = True  # a key that a destination still holds cannot be regenerated

    def __init__(self, kind: RegeneratedKind, gathered: Gathered, run: RunContext, save_intent: SaveIntent) -> None:
        self._gathered = gathered
        self._kind = kind
        self._http = run.http
        self._deadline = run.deadline
        self._settings = run.settings
        self._save_intent = save_intent
        self._run = run
        self._idle = Idle(gathered, self._needed)
        self._may_still_end: set[str] = set()
        self.marked_until = run.http.now() + timedelta(seconds=self._deadline.remaining())

    def make(self, lifetime: timedelta) -> Minted:
        """The idle key, regenerated now or by a run before that could not publish it.

        Raises:
            Failed: nothing was regenerated.
            Incomplete: no key may be regenerated now.
            Unknown: whether it was regenerated cannot be told.
        """
        key, ready = self._chosen()
        if ready:
            log.warning("%s %s", key.key_id, ready)
        else:
            self._regenerate(key)
        return self._kind.read(key.key_id, self._http.now() + lifetime)

    def preview(self, lifetime: timedelta) -> tuple[Minted, str]:
        """The idle key, and whether it would be regenerated."""
        key, ready = self._chosen()
        what = f"{key.key_id}, which {ready}" if ready else f"{key.key_id}, regenerated"
        return Minted(key.key_id, Secret(""), self._http.now() + lifetime, key.made if ready else None), what

    def _chosen(self) -> tuple[LiveCredential, str]:
        """The key to be published, and why as it is; empty where it is to be regenerated, and can be."""
        key, ready = self._idle.chosen()
        if not ready:
            self._check_reach(key)
        return key, ready

    def _needed(self) -> Needed:
        gathered = self._gathered
        if gathered.policy.remove_old != "none":
            return Needed(gathered.known.needed_by_others, gathered.known.unread)
        return self._kind.needed(gathered.inventory.all(), gathered.record, self._run.vault, gathered.known.now)

    def may_make_from(self) -> datetime | None:
        """As `Idle.may_be_from`."""
        return self._idle.may_be_from()

    def intent_to_end(self, key_ids: Sequence[str]) -> Intent | None:
        """Ending one is regenerating it: until that has surely happened, nobody may publish it."""
        ending = [key for key in self._gathered.inventory.all() if key.key_id in key_ids]
        if not ending:
            return None
        before = ending[0].made or self._http.now()
        return Intent(ending[0].key_id, before, self._gathered.known.lock_id, self.marked_until, ends=True)

    def _check_reach(self, idle: LiveCredential) -> None:
        """A request that the other key signs is accepted, where any is. Raises Failed."""
        if idle.key_id in self._may_still_end:
            raise Failed(f"{idle.key_id} may still be ended: it is not regenerated", "run it again in an hour")
        staying = [key for key in self._gathered.inventory.all() if key.key_id != idle.key_id]
        for key in staying if self._gathered.target.can_sign_in else ():
            try:
                now = self._kind.read(key.key_id, key.ends)
            except CallError as error:
                raise Failed(f"{idle.key_id} was not regenerated: {error}", error.hint) from None
            self._accepted(now, 1, f"{idle.key_id} was not regenerated: {key.key_id}, which stays,")

    def _regenerate(self, idle: LiveCredential) -> None:
        before = idle.made or self._http.now()
        self.marked_until = self._http.now() + timedelta(seconds=self._deadline.remaining())
        intent = Intent(idle.key_id, before, self._gathered.known.lock_id, self.marked_until)
        self._save_intent(intent, _TAKEN)
        if self._deadline.over():
            self._withdraw(intent)
        self._deadline.check()
        for attempt in range(1, self._deadline.TRIES + 1):
            try:
                self._kind.regenerate(idle.key_id)
                return
            except CallError as error:
                if self._was_done(idle.key_id, before, error):
                    return
                what = f"{idle.key_id} was not regenerated: {error}"
                if isinstance(error, Unclear):
                    # Not asked for again where it may still arrive: it would kill the key that is published by then.
                    raise Failed(f"{what}; it may still be", run_after(intent.until)) from None
                if not self._deadline.wait_before_retry(error, attempt):
                    self._withdraw(intent)
                    raise Failed(what, error.hint) from None

    def _withdraw(self, intent: Intent) -> None:
        """Nothing can arrive any more: the next run need not wait. Where this fails, it waits."""
        try:
            with self._deadline.taking_back():
                self._save_intent(replace(intent, until=self._http.now() - 2 * GRACE), _TAKEN)
        except (RotationError, CallError) as error:
            log.info("the intent is not withdrawn: %s", error)

    def _was_done(self, key_id: str, before: datetime, error: CallError) -> bool:
        """After a regeneration that broke: the key's creation time tells whether it happened."""
        try:
            with self._deadline.taking_back():
                for attempt in range(READS):
                    if attempt:
                        self._deadline.pause(self._settings.retry_base)
                    if any(key.key_id == key_id and key.made and key.made > before for key in self._kind.live()):
                        return True
        except CallError as second:
            what = f"whether {key_id} was regenerated cannot be told ({error}): {second}"
            raise Unknown(what, "that key is not in use; the next run finds out and continues from there") from None
        return False

    def prove(self, minted: Minted) -> str:
        """The service accepts the key, several times in a row. Raises Failed."""
        return self._accepted(minted, self._settings.prove_successes, "the new key")

    def _accepted(self, minted: Minted, times: float, name: str) -> str:
        began, in_a_row = self._deadline.remaining(), 0
        until = min(self._settings.prove_timeout, self._deadline.for_work())
        while in_a_row < times:
            last: CallError | None = None
            self._deadline.check()
            try:
                self._kind.prove(minted)
                in_a_row += 1
            except CallError as error:
                if self._kind.cannot_sign_in(error):
                    return "listed"
                in_a_row, last = 0, error
            if in_a_row < times:
                if last and began - self._deadline.remaining() >= until:
                    raise Failed(f"{name} was not accepted within {until:.0f} s: {last}", last.hint)
                pause = self._settings.prove_interval if in_a_row else self._settings.retry_base
                self._deadline.pause(max(pause, 0.0))
        return self._kind.proof

    def refuses(self, published: LiveCredential, value: Secret) -> str:
        """Whether Azure still lists it; what was listed for this run is not asked for again."""
        if published is self._gathered.inventory.published:
            return ""
        listed = any(key.generation == published.generation for key in self._kind.live())
        return "" if listed else f"Azure does not list this value of {published.key_id}"

    def shown(self, minted: Minted) -> tuple[LiveCredential, ...]:
        """The keys as they are listed now; without the new one, if it is another by now. Raises CallError."""
        listing = self._kind.live()
        return tuple(key for key in listing if key.key_id != minted.key_id or key.generation == minted.generation)

    def remove(self, key_id: str) -> bool:
        """End a former key by regenerating it; nobody is given its new value. Raises CallError."""
        # Not repeated where it may still arrive: the key may be published by then.
        try:
            self._http.retrying(lambda: self._kind.regenerate(key_id), repeat_unclear=False)
        except Unclear:
            self._may_still_end.add(key_id)
            raise
        return True

    def take_back(self, minted: Minted) -> None:
        """Nothing: the regenerated key is not published, and the note says that it is ready to be."""

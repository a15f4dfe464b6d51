"""Making a new credential and taking it back: what to do when one of these calls breaks half-way."""

from __future__ import annotations

import logging
import secrets
from abc import abstractmethod
from collections.abc import Sequence
from datetime import datetime, timedelta

from gateway.engine.gathered import Gathered, RunContext
from gateway.engine.kind import Needed
from gateway.engine.make.others import needed_by, others_by_markers
from gateway.engine.make.prove import Proof, ProvedKind
from gateway.engine.maker import NEW, READS, Maker, SaveIntent
from gateway.errors import CallError, Failed, Unclear, Unknown
from gateway.keeper.record import ReadsRecords, VaultRecord
from gateway.model import decisions
from gateway.model.credential import LiveCredential, Marker, Minted
from gateway.model.policy import Policy
from gateway.secret import Secret

log = logging.getLogger("gateway")


class MintedKind(ProvedKind):
    """A kind of which a new one is made beside the old ones; its name is a marker of the record and the run."""

    @abstractmethod
    def mint(self, name: str, ends: datetime) -> Minted:
        """Make a new one, asked for once. Raises CallError."""

    @abstractmethod
    def retire(self, key_id: str) -> bool:
        """Remove one; False where it is not there. Raises CallError."""

    def needed_by_others(
        self, listing: Sequence[LiveCredential], record: VaultRecord, vault: ReadsRecords, policy: Policy, now: datetime
    ) -> Needed:
        """Of those that markers name, and where it matters of whoever publishes one. Raises CallError."""
        return needed_by(self, others_by_markers(self, listing, record, vault, policy), listing, now)

    def maker(self, gathered: Gathered, run: RunContext, save_intent: SaveIntent) -> Maker:
        """What mints one."""
        return Mint(self, gathered, run)


class Mint(Maker):
    """Makes credentials beside the old ones, and marks them."""

    def __init__(self, kind: MintedKind, gathered: Gathered, run: RunContext) -> None:
        self._kind = kind
        self._gathered = gathered
        self._target = gathered.target
        self._http = run.http
        self._deadline = run.deadline
        self._settings = run.settings
        self._record_uid = gathered.known.record_uid
        self._lock_id = gathered.known.lock_id
        self._proof = Proof(kind, gathered, run)
        self._run_id = ""
        self.marked_until = run.http.now()

    def make(self, lifetime: timedelta) -> Minted:
        """A new credential. What is throttled is asked for again; what may have been made, only once more.

        Raises:
            Failed: there is none.
            Unknown: there may be one that nobody knows the value of, and it could not be removed.
        """
        unclear = 0
        if self._target.can_sign_in:
            self._kind.expect_proofs(self._settings.prove_successes + 1)
        for attempt in range(1, self._deadline.TRIES + 1):
            name = self._marker()
            try:
                return self._kind.mint(name, self._http.now() + lifetime)
            except CallError as error:
                self._clean_up(name, error)
                last = Failed(f"no new secret: {error}", error.hint)
                unclear += isinstance(error, Unclear)
                if unclear > 1 or not self._deadline.wait_before_retry(error, attempt):
                    raise last from None
                log.warning("%s; it was not made, asking again", error)
            self._deadline.check()
            self._check_room(last)
        raise last

    def preview(self, lifetime: timedelta) -> tuple[Minted, str]:
        """One more, beside those that are there."""
        return Minted(NEW, Secret(""), self._http.now() + lifetime), "a new secret"

    def _check_room(self, last: Failed) -> None:
        limit = self._target.most_live
        try:
            if limit and len(self._kind.live()) >= limit:
                raise Failed(f"{last}; and now the app is full", "run it again in a few minutes")
        except CallError as error:
            raise Failed(f"{last}; and then: {error}", error.hint) from None

    def _marker(self) -> str:
        self.marked_until = self._http.now() + timedelta(seconds=self._deadline.remaining())
        self._run_id = secrets.token_hex(4)
        self._gathered.lock.begin(self._run_id)
        return str(Marker(self._record_uid, self._lock_id, self._run_id, self.marked_until))

    def may_make_from(self) -> datetime | None:
        """Where the target is full: when the first of those that wait for a date ends; None where one may go now."""
        inventory, known = self._gathered.inventory, self._gathered.known
        if not self._target.most_live or len(inventory.all()) < self._target.most_live or inventory.orphans:
            return None
        waiting = decisions.dated(inventory, self._gathered.policy, known)
        dates = [entry.after for entry in waiting.values() if entry.after]
        first = None if decisions.expired_to_free(inventory, known) else min(dates, default=None)
        return first if first and first > known.now else None

    def saving(self, revision: int | None) -> None:
        """Noted on this host, which tells a later run that nobody ever published it, or that somebody may have."""
        self._gathered.lock.sent(self._run_id, revision)

    def _clean_up(self, name: str, error: CallError) -> None:
        """After a mint that broke: remove what it may have made, whose value nobody will ever know."""
        try:
            with self._deadline.taking_back():
                made = self._find(name)
                if made:
                    self.remove(made.key_id, now_made=True)
        except CallError as second:
            raise Unknown(
                f"the new secret may have been made or not ({error}), and that could not be looked up: {second}",
                f"the next run removes it; by hand: the secret named {name}",
            ) from None

    def _find(self, name: str) -> LiveCredential | None:
        for attempt in range(READS):
            if attempt:
                self._deadline.pause(self._settings.retry_base)
            for credential in self._kind.live():
                if credential.name == name:
                    return credential
        return None

    def prove(self, minted: Minted) -> str:
        """As `Proof.prove`."""
        return self._proof.prove(minted)

    def refuses(self, published: LiveCredential, value: Secret) -> str:
        """As `Proof.refuses`."""
        return self._proof.refuses(published, value)

    def sign_in_again(self, value: Secret) -> None:
        """As `Proof.sign_in_again`."""
        self._proof.sign_in_again(value)

    def shown(self, minted: Minted) -> tuple[LiveCredential, ...]:
        """As `Proof.shown`."""
        return self._proof.shown(minted)

    def remove(self, key_id: str, *, now_made: bool = False) -> bool:
        """Remove a credential; False where it was gone already.

        "Not there" is believed when the listing says so too: ``READS`` times of one just made, else once.

        Raises:
            CallError: it may still be there.
        """
        for attempt in range(self._deadline.TRIES):
            if attempt:
                self._deadline.pause(self._settings.retry_base)
            if self._http.retrying(lambda: self._kind.retire(key_id)):
                return True
            if self._is_absent(key_id, READS if now_made else 1):
                return False
        raise Unclear("Graph removePassword", f"secret {key_id} is listed, but cannot be removed")

    def _is_absent(self, key_id: str, reads: int) -> bool:
        for attempt in range(reads):
            if attempt:
                self._deadline.pause(self._settings.retry_base)
            if any(credential.key_id == key_id for credential in self._kind.live()):
                return False
        return True

    def take_back(self, minted: Minted) -> None:
        """Remove a new credential that will not be published.

        Raises:
            Unknown: it may still be there; nobody knows its value any more.
        """
        try:
            with self._deadline.taking_back():
                self.remove(minted.key_id, now_made=True)
        except CallError as error:
            raise Unknown(
                f"the new secret {minted.key_id} was not published and could not be removed again: {error}",
                "the next run removes it; the record still holds the previous one",
            ) from None

"""Making a new credential, proving it, and taking it back: what to do when one of these calls breaks half-way."""

from __future__ import annotations

import logging
import secrets
from abc import abstractmethod
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import ClassVar

from gateway.engine.gathered import Gathered, RunContext
from gateway.engine.kind import Kind, Needed
from gateway.engine.make.others import needed_by
from gateway.engine.maker import NEW, READS, Maker, SaveIntent
from gateway.errors import CallError, Failed, Unclear, Unknown
from gateway.host.background import side_by_side
from gateway.keeper.record import ReadsRecords, VaultRecord
from gateway.model import decisions
from gateway.model.credential import LiveCredential, Marker, Minted, read_marker
from gateway.model.ledger import read_ledger
from gateway.model.policy import Policy
from gateway.secret import Secret

log = logging.getLogger("gateway")


class MintedKind(Kind):
    """A kind of which a new one is made beside the old ones; its name is a marker of the record and the run."""

    proof: ClassVar[str] = "sign-in"

    @abstractmethod
    def mint(self, name: str, ends: datetime) -> Minted:
        """Make a new one, asked for once. Raises CallError."""

    @abstractmethod
    def prove(self, minted: Minted) -> None:
        """Ask once whether the new one is accepted now. Raises CallError where it is not."""

    def expect_proofs(self, times: int) -> None:
        """So many calls of `prove` come soon: what they wait for can begin."""

    @abstractmethod
    def retire(self, key_id: str) -> bool:
        """Remove one; False where it is not there. Raises CallError."""

    def cannot_sign_in(self, error: CallError) -> bool:
        """Whether ``error``, from `prove`, means that no secret would ever be accepted. Raises CallError."""
        return False

    def is_refusal(self, error: CallError) -> bool:
        """Whether ``error``, from `prove`, says that this value is not, or not yet, one of the target's."""
        return True

    def needed_by_others(
        self, listing: Sequence[LiveCredential], record: VaultRecord, vault: ReadsRecords, policy: Policy, now: datetime
    ) -> Needed:
        """Those that other records publish, keep until a date, or have delivered. Raises CallError.

        Markers name these records. Who needs one that was made by hand is asked only where it might be removed.
        """
        markers = {key.key_id: read_marker(key.name) for key in listing}
        theirs = {marker.record_uid for marker in markers.values() if marker} - {record.uid}
        by_hand = {key_id for key_id, marker in markers.items() if marker is None}
        ours = {self.published_id(record), *read_ledger(record.value("rotation_state"), record.uid).ever_published()}
        everybody = bool({"all": by_hand, "replaced": by_hand & ours}.get(policy.remove_old))
        asked = vault.read([] if everybody else theirs).values() if theirs or everybody else ()
        others = [
            other
            for other in asked
            if other.uid in theirs or (other.uid != record.uid and self.published_by(other) in markers)
        ]
        return needed_by(self, others, listing, now)

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
            self._kind.expect_proofs(self._settings.prove_successes)
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
            self._kind.expect_proofs(1)
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

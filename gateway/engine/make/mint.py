"""Making a new credential, proving it, and taking it back: what to do when one of these calls breaks half-way."""

from __future__ import annotations

import logging
import secrets
from abc import abstractmethod
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import ClassVar

from gateway.engine.gathered import Gathered, RunContext
from gateway.engine.kind import Kind
from gateway.engine.maker import READS, Maker, SaveIntent
from gateway.errors import CallError, Failed, Unclear, Unknown
from gateway.keeper.record import ReadsRecords, VaultRecord
from gateway.model.credential import LiveCredential, Marker, Minted, read_marker
from gateway.model.policy import Policy

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

    @abstractmethod
    def retire(self, key_id: str) -> bool:
        """Remove one; False where it is not there. Raises CallError."""

    def cannot_sign_in(self, error: CallError) -> bool:
        """Whether ``error``, from `prove`, means that no secret would ever be accepted. Raises CallError."""
        return False

    def published_by_others(
        self, listing: Sequence[LiveCredential], record: VaultRecord, vault: ReadsRecords, policy: Policy
    ) -> dict[str, str]:
        """Those whose markers name other records, which publish them. Raises CallError."""
        markers = ((key.key_id, read_marker(key.name)) for key in listing)
        owners = {key_id: marker.record_uid for key_id, marker in markers if marker}
        theirs = {key_id: uid for key_id, uid in owners.items() if uid != record.uid}
        records = vault.read(set(theirs.values())) if theirs else {}
        published = {uid: other.value(self.outputs.key_id) for uid, other in records.items()}
        return {key_id: uid for key_id, uid in theirs.items() if published.get(uid) == key_id}

    def maker(self, gathered: Gathered, run: RunContext, save_intent: SaveIntent) -> Maker:
        """What mints one."""
        return Mint(self, gathered, run)


class Mint(Maker):
    """Makes credentials beside the old ones, and marks them."""

    def __init__(self, kind: MintedKind, gathered: Gathered, run: RunContext) -> None:
        self._kind = kind
        self._target = gathered.target
        self._http = run.http
        self._deadline = run.deadline
        self._settings = run.settings
        self._record_uid = gathered.known.record_uid
        self._lock_id = gathered.known.lock_id
        self.marked_until = run.http.now()

    def make(self, lifetime: timedelta) -> Minted:
        """A new credential. What is throttled is asked for again; what may have been made, only once more.

        Raises:
            Failed: there is none.
            Unknown: there may be one that nobody knows the value of, and it could not be removed.
        """
        unclear = 0
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

    def _check_room(self, last: Failed) -> None:
        limit = self._target.most_live
        try:
            if limit and len(self._kind.live()) >= limit:
                raise Failed(f"{last}; and now the app is full", "run it again in a few minutes")
        except CallError as error:
            raise Failed(f"{last}; and then: {error}", error.hint) from None

    def _marker(self) -> str:
        self.marked_until = self._http.now() + timedelta(seconds=self._deadline.remaining())
        return str(Marker(self._record_uid, self._lock_id, secrets.token_hex(4), self.marked_until))

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

        Raises:
            Failed: it was not accepted in time.
        """
        until = min(self._settings.prove_timeout, self._deadline.for_work())
        began, told, last, in_a_row, barred = self._deadline.remaining(), False, "", 0, 0
        while self._target.can_sign_in and barred < self._settings.prove_successes:
            self._deadline.check()
            try:
                self._kind.prove(minted)
                in_a_row += 1
            except CallError as error:
                in_a_row, last = 0, str(error)
                barred = barred + 1 if self._kind.cannot_sign_in(error) else 0
            if in_a_row >= self._settings.prove_successes:
                return self._kind.proof
            waited = began - self._deadline.remaining()
            if waited >= until:
                raise Failed(f"the new secret was not accepted within {until:.0f} s: {last}", "run again later")
            if waited > 2 and not told:
                log.info("waiting up to %.0f s for the new secret to be accepted everywhere", until)
                told = True
            self._deadline.pause(self._settings.prove_interval if in_a_row else self._pause_after_refusal())
        listing = self.shown(minted, self._settings.prove_successes)
        if all(key.key_id != minted.key_id for key in listing):
            raise Failed(f"the app does not show the new secret {minted.key_id}", "run again in a few minutes")
        return "listed"

    def _pause_after_refusal(self) -> float:
        return max(self._settings.prove_interval, self._settings.retry_base)

    def shown(self, minted: Minted, times: int = 1) -> tuple[LiveCredential, ...]:
        """The last listing, once it shows the new credential ``times`` times in a row, or after four reads more.

        Raises:
            CallError: there was no time to find out, too.
        """
        in_a_row = 0
        for attempt in range(times + 4):
            if attempt and not in_a_row:
                self._deadline.pause(self._settings.retry_base * 2 ** (attempt - 1))
                if reason := self._deadline.over():
                    raise Unclear("Graph application", f"the new secret is not shown yet, and {reason}")
            listing = self._kind.live()
            in_a_row = in_a_row + 1 if any(key.key_id == minted.key_id for key in listing) else 0
            if in_a_row == times:
                break
        return listing

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

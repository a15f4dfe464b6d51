"""Making a new credential, proving it, and taking it back: what to do when one of these calls breaks half-way."""

from __future__ import annotations

import logging
import secrets
from abc import ABC, abstractmethod
from datetime import datetime, timedelta

from gateway.credential import LiveCredential, Marker, Minted, Target
from gateway.deadline import Deadline
from gateway.errors import CallError, Failed, Unclear, Unknown
from gateway.http import Http
from gateway.kind import Rotation
from gateway.settings import Settings
from gateway.vault import VaultRecord

log = logging.getLogger("gateway")

# Graph's replicas disagree for a while: "not there" is believed when it was said this many times in a row.
READS = 3


class Maker(ABC):
    """What the order of a rotation needs of whatever makes new credentials.

    `Mint` makes one beside the old ones; the others are in ``regenerating.py``, ``choosing.py`` and ``renewing.py``.
    """

    marked_until: datetime
    """until when no other host takes the last credential for an orphan"""

    @abstractmethod
    def make(self, lifetime: timedelta) -> Minted:
        """A new credential. Raises RotationError."""

    @abstractmethod
    def prove(self, minted: Minted) -> str:
        """Prove that it works; how, for the report. Raises RotationError, CallError."""

    @abstractmethod
    def shown(self, minted: Minted) -> tuple[LiveCredential, ...]:
        """The listing that shows it, or the last one that did not. Raises CallError."""

    @abstractmethod
    def remove(self, key_id: str) -> bool:
        """End a credential; False where it was gone already. Raises CallError."""

    @abstractmethod
    def take_back(self, minted: Minted) -> None:
        """Undo `make`, before anybody was given the new one. Raises Unknown."""

    def before_save(self, minted: Minted, record: VaultRecord) -> VaultRecord:
        """What the record must hold before it names the new one; the record as it is then. Raises Failed, CallError."""
        return record

    def tidy(self, record: VaultRecord) -> VaultRecord:
        """Remove from the record what it does not name; the record as it is then. Raises CallError."""
        return record


class Mint(Maker):
    """Makes credentials of one kind for one record.

    Args:
        kind: the kind, opened.
        target: what is rotated.
        record_uid, lock_id: what the marker in the display name says.
    """

    def __init__(
        self, kind: Rotation, target: Target, http: Http, settings: Settings, record_uid: str, lock_id: str
    ) -> None:
        self._kind = kind
        self._target = target
        self._http = http
        self._deadline: Deadline = http.deadline
        self._settings = settings
        self._record_uid = record_uid
        self._lock_id = lock_id
        self.marked_until = http.now()

    def make(self, lifetime: timedelta) -> Minted:
        """A new credential. What is throttled is asked for again; what may have been made, only once more.

        Raises:
            Failed: there is none.
            Unknown: there may be one that nobody knows the value of, and it could not be removed.
        """
        unclear = 0
        for attempt in range(1, Deadline.TRIES + 1):
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
        for attempt in range(Deadline.TRIES):
            if attempt:
                self._deadline.pause(self._settings.retry_base)
            if self._http.patiently(lambda: self._kind.retire(key_id)):
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

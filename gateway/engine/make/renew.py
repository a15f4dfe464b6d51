"""Certificates, of which Key Vault makes the next version itself, in its own time.

A version cannot be taken back and need not be: it harms nobody, and the next run publishes it. So a run that finds a
version newer than what it or a run before it started from publishes that one, and makes no other.
"""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import ClassVar

from gateway.azure.key_vault.certificate_answers import UNKNOWN, Operation
from gateway.engine.gathered import Gathered, RunContext
from gateway.engine.kind import Kind, Needed
from gateway.engine.make.others import needed_by, others_of
from gateway.engine.maker import NEW, READS, Maker, SaveIntent, refuse_while_at_work
from gateway.errors import CallError, Failed, Incomplete, Unclear, Waiting
from gateway.keeper.certificate_attachment import Export
from gateway.keeper.record import ReadsRecords, VaultRecord
from gateway.model.credential import GRACE, NEVER, LiveCredential, Minted
from gateway.model.decisions import newest
from gateway.model.ledger import Intent
from gateway.model.policy import Policy
from gateway.secret import Secret

log = logging.getLogger("gateway")

_POLL_SECONDS = 5.0


class RenewedKind(Kind):
    """A kind of which the service makes the next version itself, and keeps it. ``export``: what `find` read of that."""

    proof: ClassVar[str] = "certificate"
    export: Export

    @abstractmethod
    def operation(self) -> Operation | None:
        """The last making of a version. Raises CallError."""

    @abstractmethod
    def checked_issuer(self) -> str:
        """Who issues a new version. Raises Failed where nobody could; CallError."""

    @abstractmethod
    def begin(self, last: str) -> Operation:
        """Begin a new version, asked for once; ``last`` is the request id of the one before. Raises CallError."""

    @abstractmethod
    def read(self, version: str) -> Minted:
        """A version that is there. Raises CallError."""

    @abstractmethod
    def check_valid(self, minted: Minted) -> None:
        """The version that was read last is what it should be. Raises Failed, CallError."""

    @abstractmethod
    def switch_off(self, version: str) -> None:
        """Nobody is given this version any more. Raises CallError."""

    @abstractmethod
    def is_target_of(self, record: VaultRecord) -> bool:
        """Whether another record names the same target, however it is spelled."""

    def needed_by_others(
        self, listing: Sequence[LiveCredential], record: VaultRecord, vault: ReadsRecords, policy: Policy, now: datetime
    ) -> Needed:
        """Of any other record of the target, as a version has no marker. Raises CallError."""
        if policy.remove_old == "none":
            return Needed()
        return needed_by(self, others_of(self.is_target_of, record, vault), listing, now)

    def maker(self, gathered: Gathered, run: RunContext, save_intent: SaveIntent) -> Maker:
        """What renews it."""
        return Renewal(self, gathered, run, save_intent)


class Renewal(Maker):
    """Renews a certificate."""

    end_of_old: ClassVar[str] = "disabled version"

    def __init__(self, kind: RenewedKind, gathered: Gathered, run: RunContext, save_intent: SaveIntent) -> None:
        self._gathered = gathered
        self._kind = kind
        self._run = run
        self._http = run.http
        self._deadline = run.deadline
        self._save_intent = save_intent
        self._newest = newest(gathered.inventory.all())
        self.marked_until = run.http.now() + timedelta(seconds=self._deadline.remaining())

    def make(self, lifetime: timedelta) -> Minted:
        """The next version: one that is there already, or a new one.

        Raises:
            Failed: there is none.
            Waiting: it is not issued yet, by a CA or by a run of another host.
        """
        if there := self._unpublished():
            self._note()
            return self._published_as_it_is(there)
        operation = self._kind.operation()
        if operation is not None and operation.is_open:
            log.info("a new version is being made already")
        else:
            self._kind.checked_issuer()
            self._note()
            if made := self._made_since():  # by Key Vault itself, or a person
                return self._published_as_it_is(made)
            operation = self._begun(operation.request_id if operation else "")
        self._await(operation)
        made = self._made()
        return self._kind.read(made.key_id)

    def preview(self, lifetime: timedelta) -> tuple[Minted, str]:
        """A version that is there already, or a new one."""
        if there := self._unpublished():
            minted = Minted(there.key_id, Secret(""), there.ends, there.made)
            return minted, f"version {there.key_id}, which is there already"
        operation = self._kind.operation()
        if operation is not None and operation.is_open:
            if operation.issuer == UNKNOWN:
                raise Waiting(*waiting_for_a_ca(self._gathered.target.object_id))
            return Minted(NEW, Secret(""), NEVER), "the version that is being made already, once it is issued"
        if self._kind.checked_issuer() == UNKNOWN:
            raise Waiting("a signing request would be made, for a CA to sign", "the run puts it into the field csr")
        return Minted(NEW, Secret(""), NEVER), "a new version"

    def _published_as_it_is(self, there: LiveCredential) -> Minted:
        log.info("version %s is there already; it is published as it is", there.key_id)
        return self._kind.read(there.key_id)

    def _unpublished(self) -> LiveCredential | None:
        """A version that is there and that this run publishes; None where a new one is to be made."""
        gathered, newest_ = self._gathered, self._newest
        intent, published, now = gathered.known.ledger.intent, gathered.inventory.published, gathered.known.now
        if intent and (made := _since(gathered.inventory.all(), {intent.key_id}, intent.before)):
            return made
        if intent:
            refuse_while_at_work(intent, gathered.known, "renew this certificate")
        if gathered.policy.rotate_before is None:
            return None
        if newest_.ends - now >= gathered.policy.rotate_before:
            return newest_
        # What was issued a short while ago for a short while, and is published nowhere yet.
        if not gathered.known.key_id and newest_.made and newest_.ends - now > now - newest_.made:
            return newest_
        # Better than the one that is published, though near its end: the next run renews.
        if published and published.made and _since([newest_], {published.key_id}, published.made):
            return newest_ if newest_.ends > now else None
        return None

    def _note(self, **values: str) -> None:
        before = self._newest.made or self._http.now()
        intent = Intent(self._newest.key_id, before, self._gathered.known.lock_id, self.marked_until)
        self._save_intent(intent, "another run has begun to renew this certificate; nothing was changed", values)

    def _begun(self, last: str) -> Operation:
        """A new version, asked for once: a CA may charge for each. ``last``: the operation before it."""
        self._deadline.check()
        try:
            return self._kind.begin(last)
        except CallError as error:
            if isinstance(error, Unclear) and (operation := self._operation_since(last)):
                return operation
            raise Failed(f"no new version was begun: {error}", error.hint) from None

    def _operation_since(self, last: str) -> Operation | None:
        """After a request that broke: the operation that it began, if it did."""
        for attempt in range(READS):
            if attempt:
                self._deadline.pause(self._run.settings.retry_base)
            operation = self._kind.operation()
            if operation and operation.request_id != last:
                return operation
        return None

    def _made(self) -> LiveCredential:
        """The version that is new since the listing: an operation that is completed names none."""
        for attempt in range(READS):
            if attempt:
                self._deadline.pause(self._run.settings.retry_base)
            if made := self._made_since():
                return made
        raise Failed("Key Vault does not show the new version yet", "run it again: it publishes it then")

    def _made_since(self) -> LiveCredential | None:
        before = self._gathered.inventory.all()
        return _since(self._kind.live(), {each.key_id for each in before}, self._newest.made)

    def _await(self, operation: Operation) -> None:
        """Wait for its end."""
        began, pause = self._deadline.remaining(), self._run.settings.retry_base / 2
        while operation.is_open:
            if operation.issuer == UNKNOWN:
                raise self._for_a_ca(operation)
            if reason := self._deadline.over():
                ended = Incomplete if self._deadline.for_work() else Waiting  # told to stop, or out of time
                raise ended(f"the new version is not issued yet, and {reason}", "the next run publishes it")
            if began - self._deadline.remaining() > 2:
                log.info("waiting for %s to issue the new version", operation.issuer)
            self._deadline.pause(max(0.1, pause))
            pause = min(_POLL_SECONDS, 2 * pause)
            operation = self._still(self._kind.operation())
        if operation.status != "completed":
            said = f"{operation.status}: {operation.said}".rstrip(": ")
            raise Failed(f"Key Vault did not make the new version, {said}", "correct the cause, and run it again")

    def _still(self, operation: Operation | None) -> Operation:
        if operation is None:
            raise Failed("the pending operation of the certificate was removed", "run it again")
        return operation

    def _for_a_ca(self, operation: Operation) -> Waiting:
        from gateway.model.x509.certificate import request_text

        csr = request_text(operation.csr)
        if self._gathered.record.value("csr").strip() != csr.strip():
            self._note(csr=csr)
        return Waiting(*waiting_for_a_ca(self._gathered.target.object_id))

    def prove(self, minted: Minted) -> str:
        """The new version is what it should be. Raises Failed, CallError."""
        self._http.retrying(lambda: self._kind.check_valid(minted))
        return self._kind.proof

    def shown(self, minted: Minted) -> tuple[LiveCredential, ...]:
        """The versions as they are listed now. Raises CallError."""
        return self._kind.live()

    def remove(self, key_id: str) -> bool:
        """Switch an old version off: one alone cannot be deleted. Raises CallError."""
        self._http.retrying(lambda: self._kind.switch_off(key_id))
        return True

    def before_save(self, minted: Minted, record: VaultRecord) -> VaultRecord:
        """The new version is attached to the record, where that is wanted. Raises Failed, CallError."""
        return self._kind.export.attach(self._run.vault, record, minted.key_id)

    def tidy(self, record: VaultRecord) -> VaultRecord:
        """Attachments that the record does not name go. Raises CallError."""
        intent = self._gathered.known.ledger.intent
        if intent and intent.lock_id != self._gathered.known.lock_id and not self._is_past(intent):
            return record  # a run of another host may be about to name one of them
        return self._kind.export.tidy(self._run.vault, record)

    def _is_past(self, intent: Intent) -> bool:
        return self._gathered.known.now > intent.until + GRACE

    def take_back(self, minted: Minted) -> None:
        """Leave the new version in the vault, and the record as it was."""
        log.warning("version %s stays in the vault, and is not published", minted.key_id)
        with self._deadline.taking_back():
            self._kind.export.take_back(self._run.vault)


def waiting_for_a_ca(certificate_id: str) -> tuple[str, str]:
    """What a run says while a CA is to sign, and what to do."""
    return (
        "the certificate waits for a CA: its signing request is in the record's field csr",
        f"have it signed, and then: keeper-rotation certificate merge {certificate_id} --chain FILE; the next run "
        "publishes it",
    )


def _since(listed: Iterable[LiveCredential], known: set[str], moment: datetime | None) -> LiveCredential | None:
    """The newest that is none of these, and not older than ``moment``; of one second, the one listed last."""
    found = [each for each in listed if each.key_id not in known and each.made and (not moment or each.made >= moment)]
    return newest(reversed(found)) if found else None

"""The order of a rotation, once, for every kind of credential.

::

    0 read      everything is read and checked; nothing is written (``preparation.py``)
    1 recover   orphans of dead runs go, open deliveries are finished, and what is dated and due goes
    2 due?      not yet: done
    3 mint      a new credential, whose name says which run made it (``minting.py``)
    4 prove     it is accepted, several times in a row
    5 save      into the record, and read back (``saving.py``)
    6 deliver   to everyone else who needs it, side by side (``delivering.py``)
    7 retire    the old ones, as they were listed before the new one was made
    8 report    one JSON line and the exit code (``run.py``)

Until the save nothing that anyone relies on has changed, and what was made is taken back when a step fails.
After it the new credential stays, unless the app turns out not to know it (``confirming.py``), and what is left over is
left to the next run.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from gateway import rules
from gateway.confirming import Confirmation, Confirmed
from gateway.credential import LiveCredential, Minted, generation, read_marker, read_stamp, stamp
from gateway.deliveries.base import Delivery
from gateway.errors import CallError, Failed, Incomplete, RotationError, Unknown
from gateway.gathered import Host
from gateway.ledger import Entry, Intent, Ledger, read_ledger
from gateway.preparation import Prepared
from gateway.report import Report
from gateway.saving import Labels, Save, Saved
from gateway.secret import Secret
from gateway.vault import VaultRecord

log = logging.getLogger("gateway")


class Engine:
    """One rotation, prepared. ``has_written`` tells whether it came to making something."""

    def __init__(self, prepared: Prepared, host: Host, report: Report) -> None:
        self._at = prepared
        self._host = host
        self._deadline = host.http.deadline
        self._mint = prepared.kind.maker(prepared, host, self._save_intent)
        self._before = {label: prepared.record.value(label) for label in self._written_labels()}
        self._entries: dict[str, Entry] = {}
        self._listing: tuple[LiveCredential, ...] = ()
        self._is_superseded = False
        self._record = prepared.record
        self._left_over: list[tuple[str, str]] = []
        self.report = report
        self.has_written = False

    def _save_intent(self, intent: Intent, taken: str, values: Mapping[str, str] | None = None) -> None:
        noted = replace(self._at.known.ledger, intent=intent).text(self._record.uid)
        # Whoever noted something meanwhile was first: theirs must not be overwritten.
        labels = Labels(self._at.kind.target, "rotation_state", "pending_password")
        saving = {"rotation_state": noted, **(values or {})}
        save = Save(self._host.vault, self._deadline, self._record, saving, labels, lambda state: True)
        if save.run() is not Saved.OURS:
            raise Failed(taken, "run it again")
        self._record = save.record

    def rotate(self) -> str:
        """Do it all; how it ended, for the report.

        Raises:
            RotationError, CallError
        """
        at = self._at
        self._note()
        self._remove_orphans()
        if result := self._without_a_new_one():
            return self._ended(result)
        self._check_destinations()
        self._make_room()
        minted = self._make()
        self._entries = rules.retirements(at.sorted, at.policy, at.known, {*self.report.removed, minted.key_id})
        ledger = Ledger(at.known.ledger.named, at.target.object_id, minted.key_id, self._entries, at.deliveries.holds)
        if self._save(minted, ledger) is Saved.SUPERSEDED:
            self._mint.take_back(minted)
            return self._ended("superseded")
        if not self._confirm(minted):
            return self._ended("rotated")
        self._tidy()
        delivery = self._delivery(minted.key_id, minted.value, minted.ends, minted.made, new=True)
        if delivery and self._deliver(delivery, ledger):
            self._retire(delivery)
        return self._ended("rotated")

    def _without_a_new_one(self) -> str:
        """Finish what an earlier run left open, where the published credential is good enough; else an empty result."""
        at, published = self._at, self._at.sorted.published
        is_behind = at.kind.is_behind(at.record, at.sorted.all())
        due = is_behind or rules.is_due(published, at.known, at.policy)
        unfinished = at.deliveries.open(published.generation if published else at.known.key_id, required=True)
        # Only a rotation of ours can have left something open; where there was none, the first one serves all.
        can_finish = at.known.ledger.key_id == at.known.key_id and rules.can_finish(
            published, at.known, at.policy, at_any_time=self._mint.finishes_first
        )
        if due and unfinished and can_finish:
            log.info("what an earlier run left open is finished first; the next run makes a new one")
        if published is None or is_behind or (due and not (unfinished and can_finish)):
            # Without a published one, what is overdue may be all that works.
            if published is not None and not unfinished:
                self._remove_overdue()
            return ""
        self._tidy()
        delivery = self._delivery(published.key_id, at.known.value, published.ends, published.made, new=False)
        if delivery and self._deliver(delivery, at.known.ledger.publishing(published.key_id)):
            at.deliveries.after_retirement(delivery, self._remove_overdue())
        return "finished" if unfinished else "not_due"

    def _note(self) -> None:
        report, at = self.report, self._at
        report.target, report.application, report.client_id = at.target.object_id, at.target.name, at.target.client_id
        if at.sorted.published:
            report.key_id, report.expires = at.sorted.published.key_id, stamp(at.sorted.published.ends)
        for key_id, uid in at.known.published_by_others.items():
            report.keep(key_id, f"published by record {uid}")

    def _ended(self, result: str) -> str:
        at = self._at
        self.report.warnings += at.deliveries.warnings
        self.report.warnings += at.kind.make_owners(at.policy.owners)
        # One of another run that is still young, unless that run has published it meanwhile.
        young = [key.key_id for key in at.sorted.young if key.key_id != self.report.key_id]
        if waited_for := at.kind.waits_for(self._record):
            self._left_over.append(waited_for)
        for key_id in young:
            self.report.keep(key_id, "another run may be about to publish it")
            self._left_over.append((f"secret {key_id} belongs to another run that may still be at work", ""))
        if self._left_over:
            hints = dict.fromkeys(hint for _, hint in self._left_over if hint)
            what = "; ".join(what for what, _ in self._left_over)
            raise Incomplete(what, "; ".join(hints) or "the next run finishes it")
        return "superseded" if self._is_superseded else result

    def _remove_orphans(self) -> None:
        for key in self._at.sorted.orphans:
            self._deadline.check()
            self._remove(key.key_id, "orphan of an earlier run")

    def _remove_overdue(self) -> list[str]:
        at = self._at
        overdue = rules.overdue(at.sorted, at.policy, at.known)
        for key_id in overdue:
            self._deadline.check()
            self._remove(key_id, "its time is over")
        return [key_id for key_id in overdue if key_id in self.report.removed]

    def _remove(self, key_id: str, why: str) -> None:
        at = self._at
        try:
            was_there = self._mint.remove(key_id)
        except CallError as error:
            self.report.keep(key_id, f"{why}, but could not be removed")
            self._left_over.append((f"secret {key_id} could not be removed: {error}", error.hint))
            return
        if was_there:
            names = [key.name for key in at.sorted.all() if key.key_id == key_id and not read_marker(key.name)]
            log.info("%s %s%s: %s", self._mint.end_of_old, key_id, f" {names[0]!r}" if any(names) else "", why)
            self.report.removed.append(key_id)

    def _check_destinations(self) -> None:
        problems = self._at.deliveries.check()
        if problems and not rules.is_pressing(self._at.sorted, self._at.known):
            hints = dict.fromkeys(problem.hint for problem in problems if problem.hint)
            raise Failed("; ".join(map(str, problems)), "; ".join(hints))
        why = "rotated all the same, because the published secret is at its end"
        self.report.warnings += [f"{problem}; {why}" for problem in problems]

    def _make_room(self) -> None:
        at = self._at
        left = [key for key in at.sorted.all() if key.key_id not in self.report.removed]
        if at.target.most_live and len(left) >= at.target.most_live:
            self._remove(rules.to_free(at.sorted, at.policy, at.known, at.deliveries.held()), "the app is full")

    def _make(self) -> Minted:
        """A new credential that is proved; none where that fails."""
        self._deadline.check()
        self.has_written = True
        minted = self._mint.make(self._at.policy.lifetime)
        try:
            self.report.proved = self._mint.prove(minted)
            if self.report.proved == "listed":
                self.report.warnings.append(
                    "the app cannot sign in at all (no enterprise application, disabled, or for personal accounts "
                    "only): the new secret was proved by Graph's listing"
                )
            self._deadline.check()
        except (RotationError, CallError) as error:
            self._mint.take_back(minted)
            raise Failed(str(error), error.hint) from None
        except BaseException:
            self._mint.take_back(minted)
            raise
        return minted

    def _written_labels(self) -> tuple[str, ...]:
        outputs = self._at.kind.outputs
        return (outputs.key_id, outputs.value, outputs.expires, "created", "last_rotated", "rotation_state")

    def _save(self, minted: Minted, ledger: Ledger) -> Saved:
        """Publish the new credential."""
        values = (
            minted.key_id,
            minted.value.reveal(),
            stamp(minted.ends),
            self._at.target.created,
            stamp(self._host.http.now()),
            ledger.text(self._at.record.uid),
        )
        try:
            self._record = self._mint.before_save(minted, self._record)
        except (RotationError, CallError) as error:
            self._mint.take_back(minted)
            raise Failed(str(error), error.hint) from None
        more = self._at.kind.more_outputs(minted, self._record)
        self._before |= {label: self._at.record.value(label) for label in more}
        try:
            saved = self._save_values(self._record, dict(zip(self._written_labels(), values, strict=True)) | more)
        except Failed:
            self._mint.take_back(minted)
            raise
        except Unknown as error:
            raise Unknown(f"{error}; the new secret {minted.key_id} was left alive", error.hint) from None
        if saved is Saved.OURS:
            self.report.key_id, self.report.expires = minted.key_id, stamp(minted.ends)
        return saved

    def _save_values(self, record: VaultRecord, values: dict[str, str]) -> Saved:
        def is_live(key_id: str) -> bool:
            shown = key_id.strip().lower()
            return self._mint.ids_are_runs_own or any(key.key_id == shown for key in self._at.kind.live())

        outputs = self._at.kind.outputs
        labels = Labels(self._at.kind.target, outputs.key_id, outputs.value)
        save = Save(self._host.vault, self._deadline, record, values, labels, is_live)
        saved = save.run()
        self._record = save.record
        if saved is Saved.SUPERSEDED:
            self._supersede(save.record)
        return saved

    def _supersede(self, record: VaultRecord) -> None:
        outputs = self._at.kind.outputs
        self._is_superseded = True
        self.report.key_id, self.report.expires = record.value(outputs.key_id), record.value(outputs.expires)

    def _confirm(self, minted: Minted) -> bool:
        """The app shows the new credential, and an app that rotates itself can go on with it."""
        at = self._at
        confirmation = Confirmation(at, self._host, self._mint, self._before)
        try:
            self._is_superseded = confirmation.run(minted) is Confirmed.SUPERSEDED
            self._listing = confirmation.listing
            if at.kind.rotates_itself(at.admin) and not self._is_superseded:
                at.kind.sign_in_again(minted.value)
        except Failed:
            self._note()
            raise
        except CallError as error:
            self._left_over.append((f"the old secrets are not removed yet: {error}", error.hint))
            self.report.pending += [each.address for each in at.deliveries.open(minted.generation)]
            return False
        return not self._is_superseded

    def _deliver(self, delivery: Delivery, ledger: Ledger) -> bool:
        """Serve every destination that is not known to hold the secret; whether all required ones do now."""
        deliveries, before = self._at.deliveries, dict(self._at.deliveries.holds)
        failures = deliveries.serve(delivery, deliveries.open(delivery.generation))
        self.report.delivered = deliveries.holding(delivery.generation)
        for destination, error in failures:
            self.report.pending.append(destination.address)
            if destination.optional:
                self.report.warnings.append(f"{error}; {error.hint}" if error.hint else str(error))
            else:
                self._left_over.append((f"not delivered: {error}", error.hint))
        if deliveries.holds != before:
            self._save_ledger(replace(ledger, holds=deliveries.holds))
        if self._is_superseded:
            return False
        missing = deliveries.open(delivery.generation, required=True)
        for key in (each for each in self._at.sorted.all() if missing and each.key_id != delivery.key_id):
            self.report.keep(key.key_id, "a destination that was not served may hold it")
        return not missing

    def _save_ledger(self, ledger: Ledger) -> None:
        """What is delivered is noted once, after all; where that fails, the next run serves all again."""
        try:
            record = self._host.vault.read([self._at.record.uid])[self._at.record.uid]
            if record.value(self._at.kind.outputs.key_id) == ledger.key_id:
                self._save_values(record, {"rotation_state": ledger.text(record.uid)})
            else:
                self._supersede(record)
                self._give_newer(record)
        except (RotationError, CallError, KeyError) as error:
            self._left_over.append((f"what was delivered could not be noted in the record: {error}", ""))

    def _delivery(
        self, key_id: str, value: Secret, ends: datetime, made: datetime | None, *, new: bool
    ) -> Delivery | None:
        """What destinations get of the ``new`` value or the published one; None where that cannot be had now."""
        kind = self._at.kind
        try:
            value = kind.deliverable(value, self._record) if self._at.deliveries.take_values() else value
        except (RotationError, CallError) as error:
            self._left_over.append((f"nothing was delivered: {error}", error.hint))
            self.report.pending += [each.address for each in self._at.deliveries.open(generation(key_id, made))]
            return None
        where = kind.address(key_id)
        delivery = Delivery(key_id, value, ends, made=made, versions={where: where} if where else {})
        known = self._at.known
        return replace(delivery, replaces=known.key_id, replaced=known.value) if new else delivery

    def _tidy(self) -> None:
        try:
            self._record = self._mint.tidy(self._record)
            stale = {label: "" for label in self._at.kind.stale(self._record) if self._record.value(label)}
            if stale:
                self._save_values(self._record, stale)
        except (RotationError, CallError) as error:
            self._left_over.append((f"the record is not tidied up: {error}", error.hint))

    def _give_newer(self, record: VaultRecord) -> None:
        """Another rotation has finished while we delivered: what we gave out may have come last, so give its secret."""
        kind, deliveries = self._at.kind, self._at.deliveries
        # The other run noted its own as delivered; what we gave out since makes that untrue, until it is given again.
        ledger = read_ledger(record.value("rotation_state"), record.uid)
        self._save_values(record, {"rotation_state": replace(ledger, holds={}).text(record.uid)})
        made = next((key.made for key in kind.live() if key.key_id == self.report.key_id), None)
        value, ends = self._record.secret(kind.outputs.value), self._ends(self.report.expires)
        newer = self._delivery(self.report.key_id, value, ends, made, new=False)
        if newer is None:
            return
        for destination, error in deliveries.serve(newer, deliveries.open(newer.generation)):
            self._left_over.append((f"{destination.address} may hold an older secret: {error}", error.hint))

    def _ends(self, expires: str) -> datetime:
        # Where somebody edits the record: how long it lives is not worth a consumer.
        return read_stamp(expires) or self._host.http.now() + self._at.policy.lifetime

    def _retire(self, delivery: Delivery) -> None:
        at = self._at
        now, later = rules.split_by_time(self._entries, at.known.now)
        for key_id in later:
            self.report.keep(key_id, "its overlap_hours are not over")
        orphans = rules.late_orphans(self._listing, at.sorted, at.known, delivery.key_id)
        for key_id in (*now, *orphans):
            if reason := self._deadline.over():
                self._left_over.append((f"secret {key_id} is not removed yet: {reason}", ""))
            else:
                self._remove(key_id, self._why(key_id))
        at.deliveries.after_retirement(delivery, self.report.removed)

    def _why(self, key_id: str) -> str:
        entry = self._entries.get(key_id)
        if entry is None:
            return "orphan of an earlier run"
        return (
            "this record published it before"
            if entry.published
            else "this record never published it (remove_old is all)"
        )

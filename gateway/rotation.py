"""The order of a rotation, once, for every kind of credential.

::

    0 read      everything is read and checked; nothing is written (``preparation.py``)
    1 recover   orphans of dead runs go, and what is dated and due
    2 due?      not yet: done
    3 mint      a new credential, whose name says which run made it (``minting.py``)
    4 prove     it is accepted, several times in a row
    5 save      into the record, and read back (``saving.py``)
    6 deliver   (no destinations yet)
    7 retire    the old ones, as they were listed before the new one was made
    8 report    one JSON line and the exit code (``run.py``)

Until the save nothing that anyone relies on has changed, and what was made is taken back when a step fails.
After it the new credential is never touched: what is left over is left to the next run.
"""

from __future__ import annotations

import logging

from gateway import rules
from gateway.credential import Minted, read_marker, stamp
from gateway.errors import CallError, Failed, Incomplete, RotationError, Unknown
from gateway.ledger import Entry, Ledger
from gateway.minting import Mint
from gateway.preparation import Host, Prepared
from gateway.report import Report
from gateway.saving import Save, Saved
from gateway.vault import VaultRecord

log = logging.getLogger("gateway")


class Engine:
    """One rotation, prepared. ``has_written`` tells whether it came to making something."""

    def __init__(self, prepared: Prepared, host: Host, report: Report) -> None:
        self._at = prepared
        self._host = host
        self._deadline = host.http.deadline
        self._mint = Mint(
            prepared.kind, prepared.target, host.http, host.settings, prepared.known.record_uid, prepared.known.lock_id
        )
        self._before = {label: prepared.record.value(label) for label in self._written_labels()}
        self._entries: dict[str, Entry] = {}
        self._left_over: list[tuple[str, str]] = []
        self.report = report
        self.has_written = False

    def rotate(self) -> str:
        """Do it all; how it ended, for the report.

        Raises:
            RotationError, CallError
        """
        at = self._at
        self._note()
        self._recover()
        if not rules.is_due(at.sorted.published, at.known, at.policy):
            return self._ended("not_due")
        self._make_room()
        minted = self._make()
        self._entries = entries = rules.retirements(at.sorted, at.policy, at.known, self.report.removed)
        if self._save(minted, Ledger(at.known.ledger.named, at.target.object_id, minted.key_id, entries)):
            return self._ended(self._retire(minted, *rules.split_by_time(entries, at.known.now)))
        self._mint.take_back(minted)
        return "superseded"

    def _note(self) -> None:
        report, at = self.report, self._at
        report.target, report.application, report.client_id = at.target.object_id, at.target.name, at.target.client_id
        if at.sorted.published:
            report.key_id, report.expires = at.sorted.published.key_id, stamp(at.sorted.published.ends)
        for key_id, uid in at.known.published_by_others.items():
            report.keep(key_id, f"published by record {uid}")

    def _ended(self, result: str) -> str:
        if self._left_over:
            hints = [hint for _, hint in self._left_over if hint]
            raise Incomplete(
                "; ".join(what for what, _ in self._left_over), hints[0] if hints else "the next run finishes it"
            )
        return result

    def _recover(self) -> None:
        at = self._at
        due = {key.key_id: "orphan of an earlier run" for key in at.sorted.orphans}
        due |= dict.fromkeys(rules.overdue(at.sorted, at.policy, at.known), "its time is over")
        for key_id, why in due.items():
            self._deadline.check()
            self._remove(key_id, why)
        for key in at.sorted.young:
            self.report.keep(key.key_id, "another run may be about to publish it")
            self._left_over.append((f"secret {key.key_id} belongs to another run that may still be at work", ""))

    def _remove(self, key_id: str, why: str) -> None:
        try:
            was_there = self._mint.remove(key_id)
        except CallError as error:
            self.report.keep(key_id, f"{why}, but could not be removed")
            self._left_over.append((f"secret {key_id} could not be removed: {error}", error.hint))
            return
        if was_there:
            names = [key.name for key in self._at.sorted.all() if key.key_id == key_id and not read_marker(key.name)]
            log.info("removed secret %s%s: %s", key_id, f" {names[0]!r}" if names else "", why)
            self.report.removed.append(key_id)

    def _make_room(self) -> None:
        at = self._at
        left = [key for key in at.sorted.all() if key.key_id not in self.report.removed]
        if at.target.most_live and len(left) >= at.target.most_live:
            self._remove(rules.to_free(at.sorted, at.policy, at.known), "the app is full")

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

    def _save(self, minted: Minted, ledger: Ledger) -> bool:
        """Publish the new credential; False where another rotation finished meanwhile."""
        values = (
            minted.key_id,
            minted.value.reveal(),
            stamp(minted.ends),
            self._at.target.created,
            stamp(self._host.http.now()),
            ledger.text(self._at.record.uid),
        )
        try:
            saved = self._save_values(self._at.record, dict(zip(self._written_labels(), values, strict=True)))
        except Failed:
            self._mint.take_back(minted)
            raise
        except Unknown as error:
            raise Unknown(f"{error}; the new secret {minted.key_id} was left alive", error.hint) from None
        if saved is Saved.OURS:
            self.report.key_id, self.report.expires = minted.key_id, stamp(minted.ends)
        return saved is Saved.OURS

    def _save_values(self, record: VaultRecord, values: dict[str, str]) -> Saved:
        def is_live(key_id: str) -> bool:
            return any(key.key_id == key_id for key in self._at.kind.live())

        kind = self._at.kind
        return Save(self._host.vault, self._deadline, record, values, kind.outputs.key_id, kind.target, is_live).run()

    def _retire(self, minted: Minted, now: list[str], later: list[str]) -> str:
        at = self._at
        for key_id in later:
            self.report.keep(key_id, "its overlap_hours are not over")
        try:
            listing = self._mint.shown(minted)
            if not listing:
                return self._put_back(minted)
            if now and at.kind.rotates_itself(at.admin):
                at.kind.sign_in_again(minted.value)
        except CallError as error:
            self._left_over.append((f"the old secrets are not removed yet: {error}", error.hint))
            return "rotated"
        orphans = rules.late_orphans(listing, at.sorted, at.known, minted.key_id)
        for key_id in (*now, *orphans):
            if reason := self._deadline.over():
                self._left_over.append((f"secret {key_id} is not removed yet: {reason}", ""))
            else:
                self._remove(key_id, self._why(key_id))
        return "rotated"

    def _why(self, key_id: str) -> str:
        entry = self._entries.get(key_id)
        if entry is None:
            return "orphan of an earlier run"
        return (
            "this record published it before"
            if entry.published
            else "this record never published it (remove_old is all)"
        )

    def _put_back(self, minted: Minted) -> str:
        """The app does not show the new credential: publish the previous one again, if it lives."""
        at, label = self._at, self._at.kind.outputs.key_id
        fresh = self._host.vault.read([at.record.uid]).get(at.record.uid)
        if fresh is None or fresh.value(label) != minted.key_id:
            return "superseded"  # another rotation has replaced it, and removed it
        gone = f"the record publishes {minted.key_id}, which the app does not show"
        if at.sorted.published is None:
            raise Unknown(gone, "run again soon: it makes a new one")
        try:
            self._save_values(fresh, self._before)
        except RotationError as error:
            raise Unknown(f"{gone}, and the previous one could not be put back: {error}", error.hint) from None
        self._note()
        raise Failed(f"the app does not show the new secret {minted.key_id}: the previous one is published again")

"""What all steps of a rotation share: what was prepared, the record as it was read last, what is left over, the report.

Only this saves the record of a rotation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from gateway.deliveries.distribution import Deliveries
from gateway.engine.gathered import Gathered, RunContext
from gateway.engine.kind import Kind
from gateway.errors import Failed, Incomplete
from gateway.host.lock import RecordLock
from gateway.host.report import Report
from gateway.keeper.record import VaultRecord
from gateway.keeper.save import Labels, Save, Saved
from gateway.model.credential import AdminCredential, Minted, stamp
from gateway.model.ledger import Intent, Ledger


@dataclass(frozen=True)
class Prepared(Gathered):
    """All that a rotation decides upon."""

    deliveries: Deliveries
    kind: Kind
    admin: AdminCredential
    lock: RecordLock


class State:
    """One rotation, as far as it has come.

    Attributes:
        prepared: what was prepared, as it was before anything was made.
        record: the PAM User record, as it was read last.
        before: the fields that a rotation writes, as they were, by label.
        has_written: whether it came to making something.
        is_superseded: whether another rotation has finished meanwhile, and the record publishes its credential.
    """

    def __init__(self, prepared: Prepared, run: RunContext, report: Report) -> None:
        self.prepared = prepared
        self.run = run
        self.report = report
        self.deadline = run.deadline
        self.maker = prepared.kind.maker(prepared, run, self.save_intent)
        self.record = prepared.record
        self.before = {label: prepared.record.value(label) for label in self._written_labels()}
        self.has_written = False
        self.is_superseded = False
        self._left_over: list[tuple[str, str]] = []

    def leave(self, what: str, hint: str = "") -> None:
        """Something is left over: the run ends as incomplete, and says so."""
        self._left_over.append((what, hint))

    def note_published(self) -> None:
        """The report names what the record publishes, as it was prepared."""
        if published := self.prepared.inventory.published:
            self.report.key_id, self.report.expires = published.key_id, stamp(published.ends)

    def supersede(self, record: VaultRecord) -> None:
        """Another rotation has finished: the report names what the record publishes by then."""
        outputs = self.prepared.kind.outputs
        self.is_superseded = True
        self.report.key_id, self.report.expires = record.value(outputs.key_id), record.value(outputs.expires)

    def raise_left_over(self) -> None:
        """Raises:
        Incomplete: something is left over; the message names all of it.
        """
        if self._left_over:
            hints = dict.fromkeys(hint for _, hint in self._left_over if hint)
            what = "; ".join(what for what, _ in self._left_over)
            raise Incomplete(what, "; ".join(hints) or "the next run finishes it")

    # Saving

    def save_intent(self, intent: Intent, taken: str, values: Mapping[str, str] | None = None) -> None:
        """Note in the record what is about to be made: see `SaveIntent` in maker.py. Raises Failed, Unknown."""
        noted = replace(self.prepared.known.ledger, intent=intent).text(self.record.uid)
        # Whoever noted something meanwhile was first: theirs must not be overwritten.
        labels = Labels(self.prepared.kind.target, "rotation_state", "pending_password")
        save = self._save(self.record, {"rotation_state": noted, **(values or {})}, labels, lambda state: True)
        if save.run() is not Saved.OURS:
            raise Failed(taken, "run it again")
        self.record = save.record

    def save_new(self, minted: Minted, ledger: Ledger) -> Saved:
        """Publish the new credential and its ledger. Raises Failed, Unknown, CallError."""
        values = (
            minted.key_id,
            minted.value.reveal(),
            stamp(minted.ends),
            self.prepared.target.created,
            stamp(self.run.http.now()),
            ledger.text(self.prepared.record.uid),
        )
        more = self.prepared.kind.more_outputs(minted, self.record)
        self.before |= {label: self.prepared.record.value(label) for label in more}
        return self.save_values(self.record, dict(zip(self._written_labels(), values, strict=True)) | more)

    def save_values(self, record: VaultRecord, values: Mapping[str, str]) -> Saved:
        """Save these fields over ``record``. Raises Failed, Unknown, CallError."""
        save = self._save(record, values, self._labels(), self._is_live)
        saved = save.run()
        self.record = save.record
        if saved is Saved.SUPERSEDED:
            self.supersede(save.record)
        return saved

    def save_before(self, record: VaultRecord) -> str | None:
        """Save the fields as they were before this rotation, over ``record``.

        Returns:
            The key id that the record publishes instead, where another rotation has finished meanwhile.

        Raises:
            Failed, Unknown, CallError
        """
        # Whatever other key id the record names by now, it is not ours to overwrite.
        save = self._save(record, self.before, self._labels(), lambda key_id: True)
        return save.record.value(self.prepared.kind.outputs.key_id) if save.run() is Saved.SUPERSEDED else None

    def _save(
        self, record: VaultRecord, values: Mapping[str, str], labels: Labels, is_live: Callable[[str], bool]
    ) -> Save:
        return Save(self.run.vault, self.deadline, record, values, labels, is_live)

    def _is_live(self, key_id: str) -> bool:
        # The id of what a run alone can name is known to nobody but that run.
        return self.maker.ids_are_runs_own or any(
            key.key_id == key_id.strip().lower() for key in self.prepared.kind.live()
        )

    def _labels(self) -> Labels:
        outputs = self.prepared.kind.outputs
        return Labels(self.prepared.kind.target, outputs.key_id, outputs.value)

    def _written_labels(self) -> tuple[str, ...]:
        outputs = self.prepared.kind.outputs
        return (outputs.key_id, outputs.value, outputs.expires, "created", "last_rotated", "rotation_state")

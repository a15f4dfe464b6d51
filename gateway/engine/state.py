"""What all steps of a rotation share: what was prepared, the record as it was read last, what is left over, the report.

Only this saves the record of a rotation.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from gateway.deliveries.distribution import Deliveries
from gateway.engine.gathered import Gathered, RunContext
from gateway.engine.kind import Kind
from gateway.errors import CallError, Failed, Incomplete, Waiting
from gateway.host.report import Report
from gateway.keeper.record import VaultRecord
from gateway.keeper.save import Labels, Save, Saved
from gateway.model.credential import AdminCredential, Minted, read_marker, stamp
from gateway.model.ledger import Intent, Ledger, read_ledger

log = logging.getLogger("gateway")


@dataclass(frozen=True)
class Prepared(Gathered):
    """All that a rotation decides upon."""

    deliveries: Deliveries
    kind: Kind
    admin: AdminCredential


class State:
    """One rotation, as far as it has come.

    Attributes:
        prepared: what was prepared, as it was before anything was made.
        record: the PAM User record, as it was read last.
        before: the fields that a rotation writes, as they were, by label.
        published: what was saved to publish the new one, by label.
        has_written: whether it came to making something.
        ledger: what the record remembers, as it was saved last.
        why: why a new one is made; none where none is.
        revoke_is_noted: whether this run's new one was saved together with what is to be revoked.
        is_revoked: whether all that was to be revoked has ended.
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
        self.published: dict[str, str] = {}
        self.has_written = False
        self.ledger = prepared.known.ledger
        self.why = list(prepared.why)
        self.revoke_is_noted = False
        self.is_revoked = False
        self.is_superseded = False
        self._left_over: list[tuple[str, str]] = []

    def leave(self, what: str, hint: str = "") -> None:
        """Something is left over: the run ends as incomplete, and says so."""
        self._left_over.append((what, hint))

    def note_published(self) -> None:
        """The report names what the record publishes, as it was prepared."""
        if published := self.prepared.inventory.published:
            self.report.key_id, self.report.expires = published.key_id, stamp(published.ends)

    def name(self, key_id: str) -> str:
        """What people call a credential; empty where it has no name but our marker."""
        names = (key.name for key in self.prepared.inventory.all() if key.key_id == key_id)
        return next((name for name in names if not read_marker(name)), "")

    def ended(self, key_id: str, why: str) -> None:
        """An old one has ended."""
        name = self.name(key_id)
        log.info("%s %s%s: %s", self.maker.end_of_old, key_id, f" {name!r}" if name else "", why)
        self.report.remove(key_id)

    def never_saved(self, run_id: str) -> None:
        """Note on this host that no save of what this run made has come or will come. Raises Failed."""
        self.prepared.lock.sent(run_id, None)

    def make_owners(self) -> list[str]:
        """The owners that the record asks for; what could not be done, as warnings."""
        return self.prepared.kind.make_owners(self.prepared.policy.owners)

    def supersede(self, record: VaultRecord) -> None:
        """Another rotation has finished: the report names what the record publishes by then."""
        kind = self.prepared.kind
        self.is_superseded, self.record, self.revoke_is_noted = True, record, False
        self.report.key_id, self.report.expires = kind.published_id(record), record.value(kind.outputs.expires)

    def raise_left_over(self, waited_for: tuple[str, str] | None = None) -> None:
        """``waited_for``: what the kind waits for, and what to do.

        Raises:
            Waiting: that is all that is left over.
            Incomplete: something is left over; the message names all of it.
        """
        if waited_for and not self._left_over:
            raise Waiting(*waited_for)
        if left := [*self._left_over, *([waited_for] if waited_for else [])]:
            hints = dict.fromkeys(hint for _, hint in left if hint)
            what = "; ".join(what for what, _ in left)
            raise Incomplete(what, "; ".join(hints) or "the next run finishes it")

    # Saving

    def save_intent(
        self, intent: Intent, taken: str, values: Mapping[str, str] | None = None, *, over: VaultRecord | None = None
    ) -> None:
        """Note in the record what is about to be made: see `SaveIntent` in maker.py. Raises Failed, Unknown."""
        record = over or self.record
        # Whoever noted something meanwhile was first: theirs must not be overwritten.
        before = record.value("rotation_state")
        self.ledger = replace(read_ledger(before, record.uid) if over else self.ledger, intent=intent)
        noted = self.ledger.text(record.uid)
        save = self._save(
            record,
            {"rotation_state": noted, **(values or {})},
            Labels(self.prepared.kind.target, "rotation_state", "pending_password"),
            lambda record: record.value("rotation_state") not in (before, noted, ""),
        )
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
        self.ledger = ledger
        more = self.prepared.kind.more_outputs(minted, self.record)
        # Emptied only where this run knew of it: what was asked for meanwhile is for the next one.
        more |= {"rotate_now": ""} if self.prepared.record.value("rotate_now") else {}
        self.before |= {label: self.prepared.record.value(label) for label in more}
        self.published = dict(zip(self._written_labels(), values, strict=True)) | more
        saved = self.save_values(self.record, self.published, self.maker.saving)
        self.revoke_is_noted = saved is Saved.OURS and ledger.revoking
        return saved

    def save_values(
        self,
        record: VaultRecord,
        values: Mapping[str, str],
        sending: Callable[[int | None], None] = lambda revision: None,
    ) -> Saved:
        """Save these fields over ``record``. Raises Failed, Unknown, CallError.

        ``sending``: told the revision before each try, and None once none of them has come or will come.
        """
        save = self._save(record, values, self._labels(), self.is_of_another(values), sending)
        saved = save.run()
        self.record = save.record
        if saved is Saved.SUPERSEDED:
            self.supersede(save.record)
        return saved

    def save_revoked(self) -> None:
        """All that a revoke was to end has ended: the record no longer says so. Raises Failed, Unknown, CallError."""
        uid, kind = self.prepared.record.uid, self.prepared.kind
        record = self.run.vault.read([uid])[uid]
        ledger = read_ledger(record.value("rotation_state"), uid)
        if ledger.revoking and kind.published_id(record) == ledger.key_id:
            ledger = replace(ledger, revoking=False, intent=self.maker.late_intent() or ledger.intent)
            self.save_values(record, {"rotation_state": ledger.text(uid)})

    def fence(self, key_id: str) -> str:
        """Why the record may not publish this any more; empty where it does, and no save sent before can come.

        It is saved over itself: for a run that removes something without a save of its own.
        """
        uid = self.record.uid
        try:
            self.run.vault.save(self.record)
            self.record = self.run.vault.read([uid])[uid]
        except (CallError, KeyError) as error:
            return f"the record may have been edited meanwhile: {error}"
        is_ours = self.prepared.kind.published_id(self.record) == key_id
        return "" if is_ours else "the record was edited meanwhile"

    def save_before(self, record: VaultRecord) -> Saved:
        """Save the fields as they were before this rotation, over ``record``. Raises Failed, Unknown, CallError."""
        save = self._save(record, self.before, self._labels(), self.is_of_another(self.before))
        saved = save.run()
        self.record, self.revoke_is_noted = save.record, False
        if saved is Saved.SUPERSEDED:
            self.supersede(save.record)
        return saved

    def is_of_another(self, values: Mapping[str, str]) -> Callable[[VaultRecord], bool]:
        """Whether a record shows that another rotation finished meanwhile: what it publishes is alive, and neither what
        it published before, nor in ``values``, nor anything that a person could have put there."""
        ours = {self._identity(self.prepared.record), self._identity(self.record)}
        if self.prepared.kind.outputs.key_id in values:
            ours.add(tuple(values.get(label, "").strip() for label in self._telling()))
        return lambda record: self._identity(record) not in ours and self._is_new(record)

    def _identity(self, record: VaultRecord) -> tuple[str, ...]:
        # A key id alone does not tell: a storage key keeps its name when its value changes.
        return tuple(record.value(label).strip() for label in self._telling())

    def _is_new(self, record: VaultRecord) -> bool:
        prepared, key_id = self.prepared, self.prepared.kind.published_id(record)
        if self.maker.ids_are_runs_own:  # nobody can list them: whoever knows another id is another run
            return key_id not in prepared.known.ledger.ever_published() | {"", prepared.known.key_id}
        seen = {key.generation for key in prepared.inventory.all()} - {
            key.generation for key in prepared.inventory.young
        }
        listing = prepared.kind.live()
        # Asked for once more: of a storage key the listing tells which value is whose.
        key_id = prepared.kind.published_id(record)
        return any(key.key_id == key_id and key.generation not in seen for key in listing)

    def _save(
        self,
        record: VaultRecord,
        values: Mapping[str, str],
        labels: Labels,
        is_of_another: Callable[[VaultRecord], bool],
        sending: Callable[[int | None], None] = lambda revision: None,
    ) -> Save:
        return Save(self.run.vault, self.deadline, record, values, labels, is_of_another, sending)

    def _labels(self) -> Labels:
        return Labels(self.prepared.kind.target, *self._telling())

    def _telling(self) -> tuple[str, str]:
        outputs = self.prepared.kind.outputs
        return (outputs.key_id, outputs.value)

    def _written_labels(self) -> tuple[str, ...]:
        outputs = self.prepared.kind.outputs
        return (outputs.key_id, outputs.value, outputs.expires, "created", "last_rotated", "rotation_state")

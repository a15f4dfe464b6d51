"""Saving the record so that afterwards we know what it says, whatever breaks on the way.

A save replaces the whole record and is guarded only by the revision that it was read at. A try whose outcome is unclear
may still arrive later, as long as that revision stands; saving again over it is the fence, because only one of the two
can be accepted. So nothing is given up before the revision has moved.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto

from gateway.errors import CallError, Failed, NotSent, Refused, Unknown
from gateway.host.deadline import Deadline
from gateway.keeper.record import KeepsRecords, VaultRecord

log = logging.getLogger("gateway")

TRIES = 4


class Saved(Enum):
    """How a save ended: the record shows our values, or those of another rotation that finished meanwhile."""

    OURS = auto()
    SUPERSEDED = auto()


@dataclass(frozen=True)
class Labels:
    """The fields that tell whose rotation a record shows: the target's, the key id's and the value's."""

    target: str
    key_id: str
    value: str


class Save:
    """One set of values on its way into one record.

    Args:
        record: as it was read last.
        values: by label.
        is_of_another: whether a record shows that another run was first.
        sending: told the revision before each try, and None once none of the tries has come or will come.
    """

    def __init__(
        self,
        vault: KeepsRecords,
        deadline: Deadline,
        record: VaultRecord,
        values: Mapping[str, str],
        labels: Labels,
        is_of_another: Callable[[VaultRecord], bool],
        sending: Callable[[int | None], None] = lambda revision: None,
    ) -> None:
        self._vault = vault
        self._deadline = deadline
        self._values = values
        self._target = labels.target
        self._target_before = record.value(labels.target)
        self._is_of_another = is_of_another
        self._sending = sending
        pair = {label: values[label] for label in (labels.key_id, labels.value) if label in values}
        # Key id and value tell that it was saved; all values do, where the record shows these two already.
        self._telling = pair if any(record.value(label) != value for label, value in pair.items()) else dict(values)
        self._may_arrive = False
        """whether a try over the revision of ``record`` was sent and may still be accepted"""
        self.record = record

    def run(self) -> Saved:
        """Save, and read back; ``record`` is then what was read last.

        Raises:
            Failed: the record is as it was, and no lost save can change that any more.
            Unknown: that cannot be told.
        """
        for attempt in range(TRIES):
            if attempt:
                self._deadline.pause(self._deadline.retry_base)
            error = self._try()
            if isinstance(error, NotSent) and not self._may_arrive:
                self._sending(None)
                raise _not_saved(error)
            revision = self.record.revision
            self._read_back(error)
            if self._shows(self._telling) and (self._shows(self._values) or isinstance(error, Refused)):
                return Saved.OURS
            if self._is_of_another(self.record):
                return Saved.SUPERSEDED
            if problem := self._hopeless(error, revision):
                return self._give_up(problem)
            log.warning("%s; saving again", error or "the record does not show what was saved, it is being edited")
        return self._give_up(Failed(f"the record could not be saved in {TRIES} tries", "run it again later"))

    def _try(self) -> CallError | None:
        for label, value in self._values.items():
            self.record.set(label, value)
        self._sending(self.record.revision)
        try:
            self._vault.save(self.record)
        except CallError as error:
            self._may_arrive |= not isinstance(error, (NotSent, Refused))
            return error
        self._may_arrive = True
        return None

    def _read_back(self, error: CallError | None) -> None:
        uid, revision = self.record.uid, self.record.revision
        try:
            fresh = self._vault.read([uid]).get(uid)
        except CallError as second:
            raise Unknown(
                f"whether the record was saved cannot be told: {error or 'saved'}; reading it back: {second}",
                "look at the record's history in the vault; the next run finds out and continues from there",
            ) from None
        if fresh is None:
            raise Unknown("the record disappeared while it was saved", "look for it in the vault's deleted items")
        self._may_arrive &= fresh.revision == revision
        self.record = fresh

    def _shows(self, values: Mapping[str, str]) -> bool:
        return all(self.record.value(label) == value for label, value in values.items())

    def _hopeless(self, error: CallError | None, revision: int | None) -> Failed | None:
        """Why another try makes no sense, if it makes none."""
        if self.record.value(self._target) != self._target_before:
            what = f"{self._target} of the record was changed meanwhile"
            return Failed(what, "run it again: it rotates what the record names now")
        if isinstance(error, Refused) and self.record.revision == revision:
            return _not_saved(error)
        return None

    def _give_up(self, problem: Failed) -> Saved:
        """Raise ``problem``, once no earlier try can arrive any more: save what is there over itself, as a fence."""
        if self._may_arrive:
            error = self._fence()
            if error is not None:
                self._read_back(error)
        if self._shows(self._telling):
            return Saved.OURS
        if self._may_arrive:
            raise Unknown(
                f"whether the record will be saved cannot be told: {problem}",
                "look at the record's history in the vault; the next run finds out and continues from there",
            )
        self._sending(None)
        raise problem

    def _fence(self) -> CallError | None:
        try:
            self._vault.save(self.record)
        except CallError as error:
            return error
        self._may_arrive = False
        return None


def _not_saved(error: CallError) -> Failed:
    hint = error.hint
    if isinstance(error, Refused):
        hint = "give the Gateway's application the right to edit in the shared folder"
        if error.throttled:
            hint = "Keeper limits this application's requests: run it again later, or give the scripts their own device"
    return Failed(f"the record could not be saved: {error}", hint)

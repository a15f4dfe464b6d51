"""Saving the record so that afterwards we know what it says, whatever breaks on the way.

A save replaces the whole record and is guarded only by the revision that it was read at. So each try starts from a
fresh read, changes only our own fields, and is followed by a read. A try whose outcome is unclear may still arrive
later; saving again over the same revision is the fence: only one of the two can be accepted.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from enum import Enum, auto

from gateway.deadline import Deadline
from gateway.errors import CallError, Failed, NotSent, Refused, Unclear, Unknown
from gateway.vault import Vault, VaultRecord

log = logging.getLogger("gateway")

TRIES = 4


class Saved(Enum):
    """How a save ended: the record shows our values, or those of another rotation that finished meanwhile."""

    OURS = auto()
    SUPERSEDED = auto()


class Save:
    """One set of values on its way into one record.

    Args:
        record: as it was read at the start.
        values: by label; ``key_label`` names the one that tells whose rotation the record shows.
        target_label: the field that names what was rotated.
        is_live: whether a key id that appears in the record is alive, that is, another rotation's.
    """

    def __init__(
        self,
        vault: Vault,
        deadline: Deadline,
        record: VaultRecord,
        values: Mapping[str, str],
        key_label: str,
        target_label: str,
        is_live: Callable[[str], bool],
    ) -> None:
        self._vault = vault
        self._deadline = deadline
        self._record = record
        self._values = values
        self._key_label = key_label
        self._target_label = target_label
        self._key_before = record.value(key_label)
        self._target_before = record.value(target_label)
        self._is_live = is_live

    def run(self) -> Saved:
        """Save, and read back.

        Raises:
            Failed: the record is as it was, and no lost save can change that any more.
            Unknown: the record could not be read back.
        """
        for attempt in range(TRIES):
            if attempt:
                self._deadline.pause(self._deadline.retry_base)
            error = self._try()
            fresh = self._read_back(error)
            if self._shows_ours(fresh):
                return Saved.OURS
            if self._is_superseded(fresh):
                return Saved.SUPERSEDED
            if isinstance(error, Refused) and fresh.revision == self._record.revision:
                raise Failed(f"the record could not be saved: {error}", _refused_hint(error))
            if fresh.value(self._target_label) != self._target_before:
                what = f"somebody changed {self._target_label} of the record meanwhile"
                raise Failed(what, "run it again: it rotates what the record names now")
            log.warning("%s; saving again", error or "the record does not show what was saved, somebody edits it")
            self._record = fresh
        return self._fence()

    def _try(self) -> CallError | None:
        for label, value in self._values.items():
            self._record.set(label, value)
        try:
            self._vault.save(self._record)
        except NotSent as error:
            raise Failed(f"the record could not be saved: {error}", error.hint) from None
        except CallError as error:
            return error
        return None

    def _read_back(self, error: CallError | None) -> VaultRecord:
        try:
            fresh = self._vault.read([self._record.uid]).get(self._record.uid)
        except CallError as second:
            raise Unknown(
                f"whether the record was saved cannot be told: {error or 'saved'}; reading it back: {second}",
                "look at the record's history in the vault; the next run finds out and goes on from there",
            ) from None
        if fresh is None:
            raise Unknown("the record disappeared while it was saved", "look for it in the vault's deleted items")
        return fresh

    def _shows_ours(self, fresh: VaultRecord) -> bool:
        return all(fresh.value(label) == value for label, value in self._values.items())

    def _is_superseded(self, fresh: VaultRecord) -> bool:
        shown = fresh.value(self._key_label)
        foreign = shown not in (self._key_before, self._values[self._key_label], "")
        return foreign and self._is_live(shown)

    def _fence(self) -> Saved:
        """After the last try: save what is there over itself, so that no earlier save can arrive any more."""
        try:
            self._vault.save(self._record)
        except CallError as error:
            fresh = self._read_back(error)
            if self._shows_ours(fresh):
                return Saved.OURS
            if isinstance(error, Unclear) or fresh.revision == self._record.revision:
                raise Unknown(f"whether the record will be saved cannot be told: {error}", "") from None
        raise Failed(f"the record could not be saved in {TRIES} tries", "see the warnings above; run again later")


def _refused_hint(error: Refused) -> str:
    if error.throttled:
        return "Keeper limits this application's requests: run again later, or give the scripts a device of their own"
    return "give the Gateway's application the right to edit in the shared folder"

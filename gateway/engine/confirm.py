"""After the save: the app shows the new credential, or what the record published before is put back.

It matters when replicas lag for long, when another host took a run for dead that was only frozen, or when somebody
edits the record at that moment. What cannot be told is said to be unknown; nothing is removed then.
"""

from __future__ import annotations

from enum import Enum, auto
from time import monotonic

from gateway.engine.state import State
from gateway.errors import CallError, Failed, RotationError, Unclear, Unknown
from gateway.keeper.record import VaultRecord
from gateway.model.credential import LiveCredential, Minted

# A look at the record that is older than this, in seconds, is no longer the last look.
_FRESH = 2.0


class Confirmed(Enum):
    """What the record publishes: our new credential, or that of another rotation which finished meanwhile."""

    OURS = auto()
    SUPERSEDED = auto()


def confirm(state: State, minted: Minted) -> tuple[LiveCredential, ...] | None:
    """The target shows what was saved, and an app that rotates itself can go on with it.

    Returns:
        What the target shows; None where nothing more is to be done, because that is not certain yet, or because
        another rotation has finished meanwhile.

    Raises:
        Failed: the record publishes what it published before.
        Unknown: what the record publishes may be dead.
    """
    prepared, confirmation = state.prepared, Confirmation(state)
    try:
        state.is_superseded = confirmation.run(minted) is Confirmed.SUPERSEDED
        if prepared.kind.rotates_itself(prepared.admin) and not state.is_superseded:
            prepared.kind.sign_in_again(minted.value)
    except Failed:
        state.note_published()
        raise
    except CallError as error:
        state.leave(f"the old secrets are not removed yet: {error}", error.hint)
        state.report.pending += [each.address for each in prepared.deliveries.open(minted.generation)]
        return None
    return None if state.is_superseded else confirmation.listing


class Confirmation:
    """Makes sure of what was saved."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._prepared = state.prepared
        self._run = state.run
        self._mint = state.maker
        self._saved_at = monotonic()
        self.listing: tuple[LiveCredential, ...] = ()
        """what the app showed last"""

    def run(self, minted: Minted) -> Confirmed:
        """Read the app, and where that took its time the record once more.

        Raises:
            Failed: the record publishes what it published before.
            Unclear: the new credential works, but the app could not be read.
            Unknown: what the record publishes may be dead.
        """
        try:
            self.listing = self._mint.shown(minted)
        except CallError as error:
            if self._run.http.latest > self._mint.marked_until:
                what = f"the save took so long that another run may have removed {minted.key_id}; and then: {error}"
                raise Unknown(what, "run it again soon: it finds out, and makes a new one if need be") from None
            raise Unclear(error.where, str(error).removeprefix(f"{error.where}: "), error.hint) from None
        if self._lists(minted.key_id) and monotonic() - self._saved_at < _FRESH:
            return Confirmed.OURS
        return self._look_again(minted)

    def _lists(self, key_id: str) -> bool:
        return any(key.key_id == key_id for key in self.listing)

    def _look_again(self, minted: Minted) -> Confirmed:
        uid, label = self._prepared.record.uid, self._prepared.kind.outputs.key_id
        try:
            fresh = self._run.vault.read([uid]).get(uid)
        except CallError as error:
            if self._lists(minted.key_id):
                raise Unclear("the record", f"cannot be looked at again: {error}") from None
            raise Unknown(self._gone(minted), f"the record cannot be read: {error}") from None
        if fresh is None:
            raise Unknown("the record disappeared after it was saved", "look for it in the vault's deleted items")
        shown = fresh.value(label).strip().lower()
        if shown == minted.key_id:
            return Confirmed.OURS if self._lists(minted.key_id) else self._put_back(minted, fresh)
        return self._superseded(shown)

    def _superseded(self, shown: str) -> Confirmed:
        self.listing = self._prepared.kind.live()
        # The id of a chosen value is nobody's but a run's.
        if self._lists(shown.strip().lower()) or (shown and self._mint.ids_are_runs_own):
            return Confirmed.SUPERSEDED
        raise Unknown(
            f"somebody edited the record: it names {shown or 'no key id'}, which the app does not show",
            "put the record right from its history, or run again: it makes a new one",
        )

    def _gone(self, minted: Minted) -> str:
        return f"the record publishes {minted.key_id}, which the app does not show"

    def _put_back(self, minted: Minted, fresh: VaultRecord) -> Confirmed:
        before = self._prepared.inventory.published
        if before is None or before.ends <= self._run.http.now() or not self._lists(before.key_id):
            raise Unknown(self._gone(minted), "run it again soon: it makes a new one")
        try:
            if (instead := self._state.save_before(fresh)) is not None:
                return self._superseded(instead)
        except (RotationError, CallError) as error:
            what = f"{self._gone(minted)}, and the previous one could not be put back: {error}"
            raise Unknown(what, error.hint) from None
        self._mint.take_back(minted)
        raise Failed(
            f"the app does not show the new secret {minted.key_id}: the previous one is published again",
            "run it again in a few minutes",
        )

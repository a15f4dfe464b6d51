"""What the order of a rotation needs of whatever makes a new credential, and what the ways of making one share.

There are four of them: ``make/mint.py``, ``make/regenerate.py``, ``make/choose.py`` and ``make/renew.py``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import ClassVar, Protocol

from gateway.errors import Incomplete
from gateway.keeper.record import VaultRecord
from gateway.model.credential import GRACE, LiveCredential, Minted
from gateway.model.decisions.inventory import Knowledge
from gateway.model.ledger import Intent
from gateway.secret import Secret

# Graph's replicas disagree for a while: "not there" is believed when it was said this many times in a row.
READS = 3


# The key id of what a rehearsal makes, where the real one is not known before.
NEW = "(new)"


class SaveIntent(Protocol):
    """Saves what is about to be made in the record; only then it is made."""

    def __call__(
        self, intent: Intent, taken: str, values: Mapping[str, str] | None = None, *, over: VaultRecord | None = None
    ) -> None:
        """Save it, together with ``values`` by label.

        ``taken``: the error where another run was first; ``over``: the record as it was read since a save of it failed.

        Raises:
            Failed: that is so, or nothing was saved.
            Unknown: whether it was saved cannot be told.
        """


class Maker(ABC):
    """Makes, proves and ends credentials of one kind for one record, and takes back what cannot be published."""

    finishes_first: bool = False
    """whether what an earlier run left open is completed with the published one, however near its end that is"""
    ids_are_runs_own: bool = False
    """whether a run alone knows the id of what it makes: another id in the record is then another run's"""
    keeps_old: bool = True
    """whether what was published goes on working beside a new one"""
    ends_by_id: bool = True
    """whether `remove` can end an old one"""
    unlisted: str = ""
    """what `end_unlisted` would have done; empty for nothing"""
    end_of_old: ClassVar[str] = "removed secret"
    """what `remove` has done to an old one, for the log"""

    marked_until: datetime
    """until when no other host takes the last credential for an orphan"""

    @abstractmethod
    def make(self, lifetime: timedelta) -> Minted:
        """A new credential. Raises RotationError."""

    @abstractmethod
    def preview(self, lifetime: timedelta) -> tuple[Minted, str]:
        """What `make` would return now, without a value, and in words; nothing is changed. Raises as `make` does."""

    @abstractmethod
    def prove(self, minted: Minted) -> str:
        """Prove that it works; how, for the report. Raises RotationError, CallError."""

    @abstractmethod
    def shown(self, minted: Minted) -> tuple[LiveCredential, ...]:
        """The listing that shows it, or the last one that did not. Raises CallError."""

    @abstractmethod
    def remove(self, key_id: str) -> bool:
        """End a credential; False where it was gone already. Raises CallError."""

    def end_unlisted(self) -> str:
        """For a revoke: end what was published before and `remove` cannot end; what was done. Raises CallError."""
        return ""

    @abstractmethod
    def take_back(self, minted: Minted) -> None:
        """Undo `make`, before anybody was given the new one. Raises Unknown."""

    def refuses(self, published: LiveCredential, value: Secret) -> str:
        """Why what the record publishes is not accepted; empty where it is, or where its listing says all.

        Raises CallError: that cannot be told now.
        """
        return ""

    def sign_in_again(self, value: Secret) -> None:  # noqa: B027
        """Go on with the target's own new secret, where the admin credential is the target's. Raises CallError."""

    def saving(self, revision: int | None) -> None:  # noqa: B027
        """The new one is about to be saved over this revision of the record; None: no save of it has come or will come.

        Raises Failed: that cannot be noted.
        """

    def intent_to_end(self, key_ids: Sequence[str]) -> Intent | None:
        """What is to be saved, together with the new one, before these are ended; None where nothing is."""
        return None

    def late_intent(self) -> Intent | None:
        """What the record is to remember beside the new one, while a request may still arrive; None for nothing."""
        return None

    def may_make_from(self) -> datetime | None:
        """Before this moment a new one would end one that may still be in use, or may be ended itself; None for now."""
        return None

    def before_save(self, minted: Minted, record: VaultRecord) -> VaultRecord:
        """What the record must hold before it names the new one; the record as it is then. Raises Failed, CallError."""
        return record

    def tidy(self, record: VaultRecord) -> VaultRecord:
        """Remove from the record what it does not name; the record as it is then. Raises CallError."""
        return record


def refuse_while_at_work(intent: Intent, known: Knowledge, what: str) -> None:
    """Raise Incomplete while the run of another host that has this intent may still be alive."""
    if intent.lock_id != known.lock_id and known.now <= intent.until + GRACE:
        hint = f"nothing was changed; run again after {intent.until + GRACE:%Y-%m-%d %H:%M} UTC"
        raise Incomplete(f"another run may be about to {what}", hint)

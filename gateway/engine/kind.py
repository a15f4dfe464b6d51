"""The shape of a kind of credential: what it is, as a few calls. When each is made is not its affair.

How a new one comes about is said by its base: `MintedKind` in ``make/mint.py``, `RegeneratedKind` in
``make/regenerate.py``, `ChosenKind` in ``make/choose.py``, `RenewedKind` in ``make/renew.py``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import ClassVar

from gateway.azure.sign_in import Azure
from gateway.engine.gathered import Gathered, RunContext
from gateway.engine.maker import Maker, SaveIntent
from gateway.errors import Failed
from gateway.host.http import Http
from gateway.keeper.admin import AdminSearch, choose_admin
from gateway.keeper.record import ReadsRecords, VaultRecord
from gateway.model.credential import NEVER, AdminCredential, DeliveryForm, LiveCredential, Minted, Target
from gateway.model.kind_facts import KindFacts, Outputs
from gateway.model.ledger import Entry
from gateway.model.policy import Policy
from gateway.secret import Secret


@dataclass(frozen=True)
class Wanted:
    """What a rotation is to come to, by the record.

    ``lifetime``: how long a new one lives; ``rotate_before``: how long before its end it is replaced, None for every
    run; ``delivers``: whether a destination is to be handed the value itself.
    """

    record: VaultRecord
    lifetime: timedelta
    rotate_before: timedelta | None
    delivers: bool


@dataclass(frozen=True)
class Needed:
    """What other records need of a target: the reason by key id.

    ``unread``: what else they may need cannot be told, and why; empty where all of them could be read.
    """

    reasons: dict[str, str] = field(default_factory=dict)
    unread: str = ""


class Kind(ABC):
    """One kind of credential, of one target.

    Args:
        http: the session of the run.
        admin: who signs in; the constructor does.

    Raises:
        Failed, CallError: no sign-in.
    """

    facts: ClassVar[KindFacts]
    proof: ClassVar[str]
    """how a new one is proved, for the report"""
    listed: ClassVar[str] = "the service lists the new secret; no sign-in proved it"
    """what it means where a new one was proved by the listing alone, as a warning"""
    azure: Azure | None = None

    @abstractmethod
    def __init__(self, http: Http, admin: AdminCredential) -> None: ...

    @classmethod
    def choose_admin(cls, search: AdminSearch) -> AdminCredential:
        """The admin credential. Raises Failed, CallError."""
        return choose_admin(search)

    @property
    def target(self) -> str:
        """The label of the field that names what is rotated."""
        return self.facts.target

    @property
    def outputs(self) -> Outputs:
        """The labels of the fields that are written."""
        return self.facts.outputs

    @classmethod
    def named(cls, given: str, record: VaultRecord, admin: AdminCredential) -> tuple[str, ...]:
        """What ``given`` names, as ``allowed_targets`` of the admin record spells it; asks nobody. Raises Failed."""
        return (given,)

    def identify(self, given: str) -> None:  # noqa: B027
        """Look up what ``given`` names, as far as `delivery_form` says it, without any value. Raises CallError."""

    @abstractmethod
    def find(self, given: str, wanted: Wanted) -> tuple[Target, tuple[LiveCredential, ...]]:
        """What ``given`` names, and what is live there; all else is asked afterwards. Raises Failed, CallError."""

    @abstractmethod
    def live(self) -> tuple[LiveCredential, ...]:
        """What is live now. Raises CallError."""

    @abstractmethod
    def delivery_form(self) -> DeliveryForm:
        """How a secret of this kind is called where it is delivered to; before `identify`, as far as is known."""

    @abstractmethod
    def maker(self, gathered: Gathered, run: RunContext, save_intent: SaveIntent) -> Maker:
        """What makes a new one; the base of each way has it."""

    def published_id(self, record: VaultRecord) -> str:
        """The key id that the record publishes."""
        return record.value(self.outputs.key_id).strip().lower()

    def published_by(self, other: VaultRecord) -> str:
        """The key id that another record publishes; empty for none."""
        return self.published_id(other)

    def kept_until(self, other: VaultRecord, entry: Entry) -> datetime:
        """Until when another record keeps one that its ledger remembers so."""
        return entry.after or NEVER

    def needed_by_others(
        self, listing: Sequence[LiveCredential], record: VaultRecord, vault: ReadsRecords, policy: Policy, now: datetime
    ) -> Needed:
        """What other records than this one need; asked only where it matters. Raises CallError."""
        return Needed()

    def is_behind(self, record: VaultRecord, listed: Sequence[LiveCredential]) -> bool:
        """Whether the record lacks something that the service has already."""
        return False

    def validity(self) -> timedelta | None:
        """How long what was found last is valid, where that is not the record's choice; None where it is."""
        return None

    def waits_for(self, record: VaultRecord) -> tuple[str, str] | None:
        """What somebody else has yet to do for a new one, and a hint; None where nothing is open. Raises CallError."""
        return None

    def more_outputs(self, minted: Minted, record: VaultRecord) -> dict[str, str]:
        """What else is written into the record, by label. Raises CallError."""
        return {}

    def stale(self, record: VaultRecord) -> tuple[str, ...]:
        """Labels of fields that are to be emptied, because what they say is over. Raises CallError."""
        return ()

    def deliverable(self, value: Secret, record: VaultRecord) -> Secret:
        """What destinations are given of this value, which the record publishes. Raises Failed, CallError."""
        return value

    def address(self, key_id: str) -> str:
        """Where the service itself shows this one to whoever may read it; empty where it does not."""
        return ""

    def remarks(self, gathered: Gathered) -> list[Failed | str]:
        """What a rotation does not ask before it makes a new one: what would stop it, and what is good to know.

        Raises:
            CallError
        """
        return []

    def make_owners(self, owners: tuple[str, ...]) -> list[str]:
        """Make these the target's owners, where the kind has owners; what could not be done, as warnings."""
        return [f"application_owners: nothing of this kind has owners ({', '.join(owners)})"] if owners else []

    def rotates_itself(self, admin: AdminCredential) -> bool:
        """Whether the admin credential is a secret of the target, and `sign_in_again` is asked for."""
        return False

    def sign_in_again(self, value: Secret) -> None:  # noqa: B027
        """Sign in with the target's own new secret. Raises CallError."""

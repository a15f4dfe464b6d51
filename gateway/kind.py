"""The shape of a script: one kind of credential, as a few calls. When each is made is not its affair."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar

from gateway.admin import AdminCredential, Places, choose_admin, early_admin
from gateway.azure import Azure
from gateway.clouds import Cloud
from gateway.credential import HandOver, LiveCredential, Minted, Target
from gateway.errors import CallError
from gateway.http import Http
from gateway.secret import Secret
from gateway.vault import VaultRecord


@dataclass(frozen=True)
class Outputs:
    """The labels of the fields that a rotation writes."""

    key_id: str
    value: str
    expires: str


class Rotation(ABC):
    """One kind of credential. ``target`` is the label of the field that names what is rotated.

    Args:
        http: the session of the run.
        cloud: the record's Azure cloud.
        admin: who signs in; the constructor does.

    Raises:
        Failed, CallError: no sign-in.
    """

    target: ClassVar[str]
    outputs: ClassVar[Outputs]
    proof: ClassVar[str] = "sign-in"
    """how a new one is proved, for the report"""
    chooses: ClassVar[bool] = False
    """the value is chosen by us (``choosing.py``), and the old one is dead at the moment at which the server has it"""
    regenerates: ClassVar[bool] = False
    """a new one takes the place of one of two keys (``regenerating.py``), instead of being made beside the old ones"""
    retired: ClassVar[str] = "removed secret"
    """what is done to an old one, for the log"""
    renews: ClassVar[bool] = False
    """the service makes the next one itself, and it stays (``renewing.py``)"""
    defaults: ClassVar[Mapping[str, str]] = {}
    """fields whose default is another one for this kind"""
    azure: Azure | None = None
    lifetime = timedelta()
    """how long a new one lives, by the record; set before `find`"""
    rotate_before: timedelta | None = None
    """how long before its end a new one is made, by the record; set before `find`"""
    record: VaultRecord
    """set before `find`"""
    delivers = False
    """whether a destination is to be handed the value itself; set after `find`"""

    @abstractmethod
    def __init__(self, http: Http, cloud: Cloud, admin: AdminCredential) -> None: ...

    @classmethod
    def early_admin(cls, places: Places) -> AdminCredential | None:
        """The admin credential where stdin alone decides it."""
        return early_admin(places)

    @classmethod
    def choose_admin(cls, places: Places) -> AdminCredential:
        """The admin credential. Raises Failed, CallError."""
        return choose_admin(places)

    def deliverable(self, value: Secret, *, new: bool) -> Secret:
        """What destinations are given of this value, the ``new`` one or the published one."""
        return value

    def is_behind(self, listed: list[LiveCredential]) -> bool:
        """Whether the record lacks something that the service has already."""
        return False

    def waits_for(self) -> tuple[str, str] | None:
        """What somebody else has yet to do for a new one, and a hint; None where nothing is open. Raises CallError."""
        return None

    def stale(self) -> tuple[str, ...]:
        """Labels of fields that are to be emptied, because what they say is over. Raises CallError."""
        return ()

    def address(self, key_id: str) -> str:
        """Where the service itself shows this one to whoever may read it; empty where it does not."""
        return ""

    @abstractmethod
    def find(self, given: str) -> tuple[Target, tuple[LiveCredential, ...]]:
        """What ``given`` names, and what is live there. Raises Failed, CallError."""

    @abstractmethod
    def live(self) -> tuple[LiveCredential, ...]:
        """What is live now. Raises CallError."""

    def published_id(self, record: VaultRecord) -> str:
        """The key id that the record publishes; asked after `find`."""
        return record.value(self.outputs.key_id).strip().lower()

    @abstractmethod
    def mint(self, name: str, ends: datetime) -> Minted:
        """Make a new one, asked for once. Raises CallError."""

    @abstractmethod
    def prove(self, minted: Minted) -> None:
        """Ask once whether the new one is accepted now. Raises CallError where it is not."""

    @abstractmethod
    def cannot_sign_in(self, error: CallError) -> bool:
        """Whether ``error``, from `prove`, means that no secret would ever be accepted. Raises CallError."""

    @abstractmethod
    def retire(self, key_id: str) -> bool:
        """Remove one; False where it is not there. Raises CallError."""

    @abstractmethod
    def hand_over(self) -> HandOver:
        """How a secret of this kind is called where it is delivered to."""

    def more_outputs(self, minted: Minted) -> dict[str, str]:
        """What else is written into the record, by label."""
        return {}

    @abstractmethod
    def rotates_itself(self, admin: AdminCredential) -> bool:
        """Whether the admin credential belongs to the target."""

    def make_owners(self, owners: tuple[str, ...]) -> list[str]:
        """Make these the target's owners, where the kind has owners; what could not be done, as warnings."""
        return [f"application_owners: nothing of this kind has owners ({', '.join(owners)})"] if owners else []

    @abstractmethod
    def sign_in_again(self, value: Secret) -> None:
        """Sign in with the target's own new secret. Raises CallError."""

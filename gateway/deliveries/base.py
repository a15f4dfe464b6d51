"""The shape of a destination: somebody besides the record who needs the new secret."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar, Protocol

from gateway.azure.arm import Arm
from gateway.errors import CallError, Failed
from gateway.host.deadline import Deadline
from gateway.host.http import Http
from gateway.keeper.record import AttachedRecord, KeepsRecords
from gateway.model.clouds import Cloud
from gateway.model.credential import DeliveryForm, generation
from gateway.secret import Secret

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential


SEEN = "keeper-rotation targets --record=UID shows what is there, as far as the admin credential can see it"
CANNOT_BE_ASKED = "our permissions could not be asked for"


class SignedIn(Protocol):
    """What a destination asks of the signed-in admin credential (`gateway.azure.sign_in.Azure`)."""

    @property
    def cloud(self) -> Cloud:
        """Where it is signed in."""

    @property
    def arm(self) -> Arm:
        """Resource Manager."""

    def token(self, scope: str) -> Secret:
        """An access token for a service. Raises Failed, CallError."""

    def credential(self) -> TokenCredential:
        """This sign-in in the shape that Microsoft's clients ask for."""


@dataclass(frozen=True)
class DeliveryContext:
    """What a destination may use: session, deadline, the signed-in admin credential, the vault, attached records."""

    http: Http
    deadline: Deadline
    signed_in: SignedIn | None
    vault: KeepsRecords
    attached: tuple[AttachedRecord, ...]
    record_uid: str
    delivery_form: DeliveryForm
    versions_follow: bool
    """whether a Key Vault secret is among the destinations"""
    admin_records: frozenset[str] = frozenset()
    """uids of records that are never delivered to, because the admin credential comes from them"""
    agreed: frozenset[str] = frozenset()
    """addresses in other records that need not agree: copies of the secret of an app that rotates itself"""

    @property
    def azure(self) -> SignedIn:
        """The signed-in admin credential; None only where every destination is in Keeper, and asks for none."""
        if self.signed_in is None:
            raise Failed("admin credential: none is signed in", "attach one to the script")
        return self.signed_in


@dataclass(frozen=True)
class Receipt:
    """A delivery that is made. ``address``: of what was made there, where it has one."""

    address: str = ""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Delivery:
    """What is handed over.

    ``expires``: None where no date ends it. ``replaces``, ``replaced``: generation and value of what was published
    before. ``versions``: addresses of Key Vault versions that hold it.
    """

    key_id: str
    value: Secret
    expires: datetime | None
    replaces: str = ""
    replaced: Secret | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    made: datetime | None = None

    @property
    def generation(self) -> str:
        """Names this one value: what the ledger notes, and what makes a job's name."""
        return generation(self.key_id, self.made)


class Denied(Failed):
    """What speaks against a delivery and is no more than advice where it was made before: above all a service's word
    that we may not."""


class Destination(ABC):
    """One line of ``deliver_to``.

    Args:
        address: the line in its normal form; the ledger knows the destination by it.
        optional: a failure is a warning, and holds nothing back.
    """

    example: ClassVar[str]
    rights: ClassVar[str]
    """What to do where we are not allowed to."""
    needs_key_vault: ClassVar[bool] = False
    """Served after the Key Vault destinations, because it hands on where the secret lies."""
    holds_versions: ClassVar[bool] = False
    """Its address can be handed on to whoever is to read the secret there."""

    takes_value = True
    """It is handed the secret itself, not only told of it."""

    reads_back: ClassVar[bool] = False
    """What it holds can be read, so `deliver` compares first and afterwards."""

    keeper_record = ""
    """Uid of the Keeper record that it writes to, if it does."""

    def __init__(self, address: str, optional: bool) -> None:
        self.address = address
        self.optional = optional

    @classmethod
    @abstractmethod
    def recognise(cls, text: str, cloud: Cloud, optional: bool) -> Destination | None:
        """The destination that ``text`` names; None where it is another kind's address.

        Raises:
            Failed: it is meant as one of this kind, and cannot be one.
        """

    @abstractmethod
    def check(self, context: DeliveryContext) -> list[str]:
        """Before anything is made: it is there, may be written, and fits. Warnings.

        Raises:
            Failed, CallError
            Denied: it speaks against a first delivery only.
        """

    def observe(self, context: DeliveryContext) -> None:  # noqa: B027
        """Before anything is made: note what is to be compared after the delivery. Raises nothing."""

    @abstractmethod
    def deliver(self, context: DeliveryContext, delivery: Delivery) -> Receipt:
        """Hand over, unless it is there already, and verify.

        Raises:
            Failed, CallError
        """

    def shows(self, context: DeliveryContext, delivery: Delivery) -> bool | None:
        """Whether it holds this value, as far as that can be read without a write; None where it cannot be told."""
        return None

    def after_retirement(self, context: DeliveryContext, delivery: Delivery, removed: list[str]) -> None:  # noqa: B027
        """The secrets with these key ids and generations are dead now: most have nothing to do. Raises CallError."""


def ask_arm(context: DeliveryContext, scope: str, actions: list[str], role: str) -> list[str]:
    """Ask Resource Manager whether we may; a warning where it cannot be asked. Raises Denied."""
    try:
        denied = context.azure.arm.denied(scope, actions)
    except CallError as error:
        return [cannot_be_asked(scope, error)]
    if denied:
        raise Denied(
            f"{scope}: the admin credential may not {', '.join(denied)}",
            f"give its service principal the role {role} there; a new role takes some minutes",
        )
    return []


def cannot_be_asked(where: str, error: CallError) -> str:
    """The warning about a permission of which the service does not tell us."""
    return f"{where}: {CANNOT_BE_ASKED}: {error}"


def refuse(line: str, what: str, example: str) -> Failed:
    """The error for a line that cannot be delivered to."""
    return Failed(f"deliver_to: {without_login(line)!r} {what}", f"the form is {example}")


def without_login(line: str) -> str:
    """The line as it may be shown: an address may have been copied with a token in it."""
    return re.sub(r"//[^/\s]*@", "//", line)


def comparable_address(address: str) -> str:
    """What two spellings of one address have in common: Azure's paths and hosts know no case."""
    path, mark, query = address.partition("?")
    return address if address.startswith("keeper:") else path.lower() + mark + query

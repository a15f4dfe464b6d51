"""Asking many services for what a record could be delivered to: side by side, and none takes the others along.

Whether an address would be accepted is asked of the destination's own check, the one that a rotation begins with.
Source: https://learn.microsoft.com/rest/api/resources/subscriptions/list
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any, TypeVar

from gateway.azure.arm import Arm
from gateway.azure.resources import Subscription, read_subscription, subscriptions
from gateway.azure.versions import ApiVersion
from gateway.deliveries.addresses import known_destinations, read_destinations
from gateway.deliveries.base import CANNOT_BE_ASKED, DeliveryContext, Destination
from gateway.deliveries.devops import DevOpsConnection
from gateway.deliveries.key_vault import KeyVaultSecretDestination
from gateway.deliveries.runbook import AutomationRunbook
from gateway.errors import PERMISSION_HINT, CallError, Failed, Refused
from gateway.host.background import AT_ONCE, side_by_side
from gateway.secret import masked

T = TypeVar("T")
R = TypeVar("R")

READER = "give the admin credential's service principal the role Reader on the subscription or resource group"


@dataclass(frozen=True)
class Candidate:
    """One address. ``usable`` is None where that cannot be told from here; ``note`` says why, or what to know.

    ``delivered_by``: uids of other records that deliver to it.
    """

    kind: str
    address: str
    name: str
    note: str
    usable: bool | None
    delivered_by: tuple[str, ...] = ()


class SharedArm(Arm):
    """Asks for the same thing once, as many destinations ask for the same permissions, and for a few at a time."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._answers: dict[str, dict[str, Any]] = {}
        self._slots = threading.BoundedSemaphore(AT_ONCE)

    def get(self, path: str, api_version: ApiVersion | None) -> dict[str, Any]:
        """A resource, perhaps as it was a moment ago. Raises CallError."""
        with self._slots:
            if path not in self._answers:
                self._answers[path] = super().get(path, api_version)
        return self._answers[path]


class Asker:
    """Asks for one record; what a service does not tell becomes a warning.

    Args:
        reach: its ``azure.arm`` is a `SharedArm`.
        deliver_to: the record's field, to mark what is named there.
        others: that field of other records, with the record's uid and title.
        warnings: what is odd already; more is added.
    """

    def __init__(
        self, context: DeliveryContext, deliver_to: str, others: Iterable[tuple[str, str, str]], warnings: list[str]
    ) -> None:
        self.context, self.warnings = context, warnings
        self.arm, self.cloud = context.azure.arm, context.azure.cloud
        self.owner = context.delivery_form.roles[context.delivery_form.owner].lower()
        """whose sign-in is rotated; empty where that is not known"""
        self._present = {_identity(each) for each in known_destinations(deliver_to, self.cloud)}
        self._in_use: dict[str, list[tuple[str, str]]] = {}
        for uid, title, lines in others:
            for destination in known_destinations(lines, self.cloud):
                self._in_use.setdefault(_identity(destination), []).append((uid, title))
        self._subscriptions: list[Subscription] = []

    def attempt(self, what: str, call: Callable[[], Iterable[T]], permission: str = READER) -> list[T] | None:
        """What ``call`` lists; where it fails one warning, and what came before that, or None.

        ``permission``: what would allow it.
        """
        found: list[T] = []
        try:
            for each in call():
                found.append(each)
            return found
        except (Failed, CallError) as error:
            # A vault's firewall and its access policies have a hint of their own.
            denied = error.hint in (PERMISSION_HINT, KeyVaultSecretDestination.rights)
            self.warnings.append(f"{what}: {_bare(error)}; {permission if denied else error.hint}")
        except Exception as error:
            self.warnings.append(f"{what}: an answer that cannot be read ({type(error).__name__})")
        return found or None

    def each(self, what: str, call: Callable[[R], list[T]], items: Iterable[tuple[str, R]], permission: str) -> list[T]:
        """What ``call`` lists for all of these, by their names; one that fails does not take the others along."""

        def ask(item: tuple[str, R]) -> list[T]:
            return self.attempt(f"{what} {item[0]}", partial(call, item[1]), permission) or []

        return list(chain.from_iterable(side_by_side(ask, list(items))))

    def find_subscriptions(self) -> bool:
        """Whether any can be seen; before anything is asked for `resources`."""
        what, none = "Azure subscriptions", "none can be seen, so no vault, runbook or API connection either"
        found = self.attempt(what, lambda: map(read_subscription, subscriptions(self.arm)))
        if found == []:
            self.warnings.append(f"{what}: {none}; {READER}")
        self._subscriptions = found or []
        return bool(found)

    def resources(self, what: str, path: str, version: ApiVersion, read: Callable[[dict[str, Any]], T]) -> list[T]:
        """The resources at this path of every subscription, as ``read`` makes them of an entry."""

        def ask(subscription: Subscription) -> list[T] | None:
            pages = partial(self.arm.pages, f"{subscription.id}/{path}", version)
            name = f"{what} in subscription {subscription.name!r}"
            return self.attempt(name, lambda: map(read, pages()))

        answers = side_by_side(ask, self._subscriptions)
        if not any(answer is None or answer for answer in answers):
            self.warnings.append(f"{what}: none can be seen; where there are any, {READER}")
        return list(chain.from_iterable(answer or [] for answer in answers))

    def judge(
        self, kind: str, address: str, name: str, note: str = "", check: Callable[[Destination], str] | None = None
    ) -> Candidate:
        """``check`` says what cannot be told, and raises what speaks against it; without one, the destination's own."""
        rights = usage = ""
        by: tuple[str, ...] = ()
        usable: bool | None
        try:
            (destination,) = read_destinations(address, self.cloud)
            rights, (usage, by) = destination.rights, self._usage(destination)
            doubt = (check or self.refusals)(destination)
            usable = None if doubt else True
        except (Failed, CallError) as error:
            doubt, note = masked(_reason(error, rights)), ""
            usable = False if isinstance(error, (Failed, Refused)) else None
        return Candidate(kind, address, name, "; ".join(filter(None, (doubt, usage, note))), usable, by)

    def _usage(self, destination: Destination) -> tuple[str, tuple[str, ...]]:
        """What to know of who delivers to it, and the uids of other records that do."""
        identity = _identity(destination)
        by = self._in_use.get(identity, [])
        named = ", ".join(f"{title!r} ({uid})" for uid, title in by)
        others = f"in use: record {named} delivers to it" if by else ""
        present = "in deliver_to already" if identity in self._present else ""
        return "; ".join(filter(None, (present, others))), tuple(uid for uid, _ in by)

    def refusals(self, destination: Destination) -> str:
        """The destination's own check; what keeps us from knowing whether we may. Raises Failed, CallError."""
        warnings = destination.check(self.context)
        return next((_bare(Failed(text)) for text in warnings if CANNOT_BE_ASKED in text), "")


def _identity(destination: Destination) -> str:
    """The same for two spellings of one place: a shared connection in two projects, a runbook with other values."""
    if isinstance(destination, DevOpsConnection):
        return f"{destination.organisation}/{destination.endpoint_id}".lower()
    if isinstance(destination, AutomationRunbook):
        return f"{destination.account}/{destination.runbook}?{destination.run_on}".lower()
    return destination.address.lower()


def _bare(error: Exception) -> str:
    """The message without the address in front: it stands beside it."""
    return re.sub(r"^(?:https://|/subscriptions/)\S*: ", "", str(error))


def _reason(error: Failed | CallError, rights: str) -> str:
    hint = rights if error.hint == PERMISSION_HINT else error.hint
    return f"{_bare(error)}; {hint}" if hint.startswith(("give ", "add ")) else _bare(error)

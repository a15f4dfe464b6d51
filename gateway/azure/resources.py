"""Subscriptions and their resources, as lists of Resource Manager show them.

Source: https://learn.microsoft.com/rest/api/resources
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gateway.azure.arm import Arm
from gateway.azure.decode import decoding, mapping, text

_SUBSCRIPTIONS_VERSION = "2022-12-01"


@dataclass(frozen=True)
class Subscription:
    """A subscription; ``id`` is its path."""

    id: str
    name: str


@dataclass(frozen=True)
class Resource:
    """Any resource, by its id and its name."""

    id: str
    name: str


@dataclass(frozen=True)
class Vault(Resource):
    """A key vault; ``url`` is empty where none is shown. ``by_roles``: not by access policies."""

    url: str
    by_roles: bool


@dataclass(frozen=True)
class Account:
    """A storage account. ``made``: when each key was made, where that is known; ``expire_after``: days, or none."""

    id: str
    made: dict[str, datetime]
    expire_after: int | None
    admits_keys: bool


def subscriptions(arm: Arm) -> Iterator[Subscription]:
    """All that can be seen. Raises CallError."""
    for each in arm.pages("/subscriptions", _SUBSCRIPTIONS_VERSION):
        with decoding("Azure subscriptions"):
            resource = _id(each)
            yield Subscription(resource, text(each.get("displayName")) or resource)


def read_vault(entry: dict[str, Any]) -> Vault:
    """An entry of a list of key vaults. Raises Unclear: it is none."""
    with decoding("Azure vaults"):
        shown = mapping(entry.get("properties"))
        url, by_roles = text(shown.get("vaultUri")).rstrip("/"), bool(shown.get("enableRbacAuthorization"))
        return Vault(_id(entry), _name(entry), url, by_roles)


def read_resource(entry: dict[str, Any]) -> Resource:
    """An entry of a list of resources. Raises Unclear: it is none."""
    with decoding("Azure resources"):
        return Resource(_id(entry), _name(entry))


def read_account(entry: dict[str, Any]) -> Account:
    """An entry of a list of storage accounts. Raises Unclear: it is none."""
    with decoding("Azure storageAccounts"):
        shown = mapping(entry.get("properties"))
        made = mapping(shown.get("keyCreationTime"))
        days = mapping(shown.get("keyPolicy")).get("keyExpirationPeriodInDays")
        return Account(
            _id(entry),
            {name: datetime.fromisoformat(moment) for name, moment in made.items() if moment},
            int(days) if days else None,
            shown.get("allowSharedKeyAccess") is not False,
        )


def _name(entry: dict[str, Any]) -> str:
    return text(entry.get("name")) or _id(entry).rpartition("/")[2]


def _id(entry: dict[str, Any]) -> str:
    return text(entry["id"])

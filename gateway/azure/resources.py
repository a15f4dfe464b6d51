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
from gateway.azure.versions import SUBSCRIPTIONS

KEY_SERVICES = ("blob", "file", "queue", "table")


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


def subscriptions(arm: Arm) -> Iterator[dict[str, Any]]:
    """An entry for each that can be seen, page after page. Raises CallError."""
    return arm.pages("/subscriptions", SUBSCRIPTIONS)


def read_subscription(entry: dict[str, Any]) -> Subscription:
    """An entry of a list of subscriptions. Raises Unclear: it is none."""
    with decoding("Azure subscriptions"):
        resource = _id(entry)
        return Subscription(resource, text(entry.get("displayName")) or resource)


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
            bool(key_services(shown)),
        )


def key_services(shown: dict[str, Any]) -> list[str]:
    """The services of a storage account that admit its keys, by its properties. Raises TypeError.

    Each service can be switched off by itself. Where nobody ever set this, it is null or not shown.
    https://learn.microsoft.com/azure/templates/microsoft.storage/storageaccounts
    """
    if shown.get("allowSharedKeyAccess") is False:
        return []
    each = mapping(shown.get("allowSharedKeyAccessForServices"))
    return [name for name in KEY_SERVICES if mapping(each.get(name)).get("enabled") is not False]


def _name(entry: dict[str, Any]) -> str:
    return text(entry.get("name")) or _id(entry).rpartition("/")[2]


def _id(entry: dict[str, Any]) -> str:
    return text(entry["id"])

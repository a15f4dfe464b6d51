"""The kinds of destinations. The kind of a line in ``deliver_to`` is told by the form of its address."""

from __future__ import annotations

from contextlib import suppress

from gateway.deliveries.api_connection import ApiConnection
from gateway.deliveries.base import Destination, comparable_address, without_login
from gateway.deliveries.devops import DevOpsConnection
from gateway.deliveries.keeper_field import KeeperField
from gateway.deliveries.key_vault import KeyVaultSecretDestination
from gateway.deliveries.key_vault_certificate import KeyVaultCertificateDestination
from gateway.deliveries.runbook import AutomationRunbook
from gateway.errors import Failed
from gateway.model.clouds import Cloud

DESTINATIONS: tuple[type[Destination], ...] = (
    KeeperField,
    KeyVaultCertificateDestination,
    KeyVaultSecretDestination,
    DevOpsConnection,
    AutomationRunbook,
    ApiConnection,
)


def read_destinations(text: str, cloud: Cloud) -> list[Destination]:
    """The destinations in the field ``deliver_to``, one a line; ``optional`` in front makes one best-effort.

    Raises:
        Failed: lines that no kind recognises, or that name a foreign host; all are named.
    """
    found: dict[str, Destination] = {}
    problems: list[Failed] = []
    for line in filter(None, map(str.strip, text.splitlines())):
        try:
            destination = _read_line(line, cloud)
        except Failed as problem:
            problems.append(problem)
        else:
            key = comparable_address(destination.address)
            # Named twice: the stricter wish counts, whatever the order.
            if key not in found or not destination.optional:
                found[key] = destination
    if problems:
        raise Failed.together(problems)
    return list(found.values())


def are_all_in_keeper(text: str) -> bool:
    """Whether every line names a record of Keeper, so that no cloud matters."""
    return all(
        _split(line)[1].lower().startswith("keeper:") for line in filter(None, map(str.strip, text.splitlines()))
    )


def _split(line: str) -> tuple[bool, str]:
    """Whether a line is optional, and its address."""
    first, _, rest = line.partition(" ")
    optional = first.lower() == "optional"
    return optional, rest.strip() if optional else line


def _read_line(line: str, cloud: Cloud) -> Destination:
    optional, address = _split(line)
    # Tabs and the like are dropped by what takes an address apart, so it would not be the one that was written.
    for kind in DESTINATIONS if address.isprintable() else ():
        try:
            found = kind.recognise(address, cloud, optional)
        except ValueError:
            break  # not even an address
        if found:
            return found
    forms = "; ".join(kind.example for kind in DESTINATIONS)
    raise Failed(f"deliver_to: {without_login(line)!r} is not an address of a destination", f"the forms are {forms}")


def known_destinations(deliver_to: str, cloud: Cloud) -> list[Destination]:
    """The destinations in a record's field; lines that name none are passed over."""
    found: list[Destination] = []
    for line in deliver_to.splitlines():
        with suppress(Failed):
            found += read_destinations(line, cloud)
    return found

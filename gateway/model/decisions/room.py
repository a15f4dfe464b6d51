"""Where the target can hold no further credential: which one goes first, and what is said where none may."""

from __future__ import annotations

from collections.abc import Collection

from gateway.errors import Failed
from gateway.model.credential import NEVER
from gateway.model.decisions.ends import overdue
from gateway.model.decisions.inventory import Inventory, Knowledge
from gateway.model.policy import Policy


def expired_to_free(inventory: Inventory, known: Knowledge) -> list[str]:
    """What may go before a new one is made, where the target is full: it is dead already."""
    groups = (inventory.former, inventory.orphans, inventory.strays, inventory.others, inventory.foreign)
    return [each.key_id for group in groups for each in group if each.ends <= known.now]


def to_free(inventory: Inventory, policy: Policy, known: Knowledge, held: Collection[str]) -> str:
    """The living one to remove first where the target is full, and what the record publishes was just proved.

    Raises:
        Failed: none may go; the message names all and says from when on it will work.
    """
    # What would go right after this rotation anyway, and nobody is promised more.
    doomed = (*inventory.former, *inventory.others, *inventory.foreign)
    if policy.remove_old != "all" or policy.overlap:
        doomed = inventory.former if known.revoking else ()
    due = set(overdue(inventory, policy, known))
    former = (*(each for each in inventory.former if each.key_id in due), *doomed)
    free = [*inventory.orphans, *(() if known.unread and not known.revoking else former)]
    for credential in free:
        if credential.generation not in held and credential.key_id not in known.needed_by_others:
            return credential.key_id
    raise full(inventory, policy, known, held)


def full(inventory: Inventory, policy: Policy, known: Knowledge, held: Collection[str]) -> Failed:
    """What to say where the target can hold no further credential, and none may go."""
    dates = [each.ends for each in inventory.all() if each not in inventory.protected and each.generation not in held]
    dates += [entry.after for entry in known.ledger.entries.values() if entry.after and policy.remove_old != "none"]
    frees = min((date for date in dates if known.now < date < NEVER), default=None)
    by_itself = f"; by itself it will work again from {frees:%Y-%m-%d %H:%M} UTC" if frees else ""
    return Failed(
        "the app already has as many client secrets as its audience allows, and none of them may go: "
        + ", ".join(f"{each.key_id} ({each.name or 'without a name'})" for each in inventory.all())
        + (f"; {known.unread}" if known.unread else ""),
        f"remove one of them in the portal{by_itself}",
    )

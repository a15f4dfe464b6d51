"""What may end, and when: by the record's policy, its ledger, and what others need."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import datetime

from gateway.model.credential import LiveCredential
from gateway.model.decisions.inventory import A_DAY, Inventory, Knowledge, sort
from gateway.model.ledger import Entry
from gateway.model.policy import Policy


def may_go(inventory: Inventory, policy: Policy, known: Knowledge) -> dict[str, bool]:
    """Key ids that the policy lets a rotation retire, each with whether this record may ever have published it."""
    ours = [credential.key_id for credential in (*inventory.former, *inventory.strays)]
    ours += [inventory.published.key_id] if inventory.published else []
    if not known.replicas_agree:
        # A lagging replica may not list yet what the last rotation did; it goes, or is remembered, all the same.
        listed = {credential.key_id for credential in inventory.all()}
        ours += [key_id for key_id in known.ledger.still_expected(known.now) if key_id not in listed]
    everyone = (*inventory.foreign, *inventory.others) if policy.remove_old == "all" else ()
    chosen = dict.fromkeys(ours, True) | {credential.key_id: False for credential in everyone}
    # What another record needs stays, also where this record is a copy of it.
    strays = {credential.key_id for credential in inventory.strays}
    return {key: published for key, published in chosen.items() if key in strays or not known.is_needed(key)}


def orphans(listing: Iterable[LiveCredential], seen: Inventory, known: Knowledge, published: str) -> list[str]:
    """What this host made and surely never published, by the first listing and by a later one."""
    found = (*seen.orphans, *sort(listing, known).orphans)
    return list(dict.fromkeys(each.key_id for each in found if each.key_id != published))


def retirements(inventory: Inventory, policy: Policy, known: Knowledge, new: str) -> dict[str, Entry]:
    """What a rotation now is to retire, and when; with ``remove_old=none`` only what to remember as once published.

    A date that was set before is not put off but by `let_go`, or frequent runs would keep an old secret for ever. What
    was published until now gets a new one: an earlier date is of a record that was put back since.
    """
    may = may_go(inventory, policy, known)
    strays = {credential.key_id for credential in inventory.strays}
    chosen: dict[str, Entry] = {}
    for key_id, published in may.items():
        overlap = max(policy.overlap, A_DAY) if key_id in strays else policy.overlap
        after = None if policy.remove_old == "none" else known.now + overlap
        if known.revoking and published:
            after = known.now
        before = known.ledger.entries.get(key_id)
        if after and before and before.after and key_id != known.key_id:
            after = min(after, before.after)
        if key_id != new:
            chosen[key_id] = Entry(after, published)
    return chosen


def revoked(inventory: Inventory, known: Knowledge) -> list[str]:
    """What a revoke has yet to end, where no new one is made: all that this record published before."""
    if not known.revoking:
        return []
    remembered = [key_id for key_id, entry in known.ledger.entries.items() if entry.published and entry.after]
    chosen = dict.fromkeys([*remembered, *(each.key_id for each in (*inventory.former, *inventory.strays))])
    return [key_id for key_id in chosen if key_id != known.key_id and not _was_made_since(key_id, inventory, known)]


def _was_made_since(key_id: str, inventory: Inventory, known: Knowledge) -> bool:
    # A key that was regenerated since lives on under its name.
    entry = known.ledger.entries.get(key_id)
    made = next((credential.made for credential in inventory.all() if credential.key_id == key_id), None)
    return bool(entry and entry.after and made and made > entry.after)


def undated(inventory: Inventory, policy: Policy, known: Knowledge) -> dict[str, Entry]:
    """What a record that was put back, or another host, may have published; no ledger has it yet, nor its date."""
    chosen = retirements(inventory, policy, known, known.key_id)
    return {each.key_id: chosen[each.key_id] for each in inventory.strays if each.key_id in chosen}


def dated(inventory: Inventory, policy: Policy, known: Knowledge) -> dict[str, Entry]:
    """Dated entries of the ledger that still live and that today's policy lets go, some day or now."""
    allowed = may_go(inventory, policy, known) if policy.remove_old != "none" else {}
    return {
        key_id: entry
        for key_id, entry in known.ledger.entries.items()
        if entry.after and key_id in allowed and key_id != known.key_id
        if not _was_made_since(key_id, inventory, known)
    }


def let_go(
    entries: dict[str, Entry], inventory: Inventory, policy: Policy, known: Knowledge, held: Collection[str]
) -> dict[str, Entry]:
    """Those whose overlap begins only now: a destination held them until this run, and may have them in use."""
    ends = known.now + policy.overlap
    until_now = {each.key_id for each in inventory.all() if each.generation in held}
    return {
        key_id: replace(entry, after=ends)
        for key_id, entry in entries.items()
        if entry.after and key_id in until_now and not (known.revoking and entry.published)
    }


def to_end(entries: dict[str, Entry], inventory: Inventory, policy: Policy, known: Knowledge, new: str) -> list[str]:
    """Those whose time has come; where nobody can tell what other records need, only what is dead already.

    A revoke ends what this record published all the same.
    """
    now, _ = split_by_time(entries, known.now)
    if not known.unread:
        return now
    dead = expired(inventory, policy, known, new)
    return [key_id for key_id in now if key_id in dead or (known.revoking and entries[key_id].published)]


def overdue(inventory: Inventory, policy: Policy, known: Knowledge) -> list[str]:
    """Those of them whose time has come."""
    return split_by_time(dated(inventory, policy, known), known.now)[0]


def expired(inventory: Inventory, policy: Policy, known: Knowledge, new: str) -> list[str]:
    """What may go whoever holds it: it is dead already."""
    dead = {credential.key_id for credential in inventory.all() if credential.ends <= known.now}
    return [key_id for key_id in may_go(inventory, policy, known) if key_id in dead and key_id != new]


def split_by_time(entries: dict[str, Entry], now: datetime) -> tuple[list[str], list[str]]:
    """The key ids to retire at once, and those that wait for their date."""
    dated = {key_id: entry.after for key_id, entry in entries.items() if entry.after}
    return [key for key, after in dated.items() if after <= now], [key for key, after in dated.items() if after > now]

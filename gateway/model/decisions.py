"""The decisions of a rotation, without any input or output: what is what, what is due, what may go.

All times are the service's own (its Date header), never this host's.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from gateway.errors import Failed
from gateway.model.credential import LiveCredential, Marker, read_marker
from gateway.model.ledger import Entry, Ledger
from gateway.model.policy import Policy
from gateway.secret import Secret

A_DAY = timedelta(days=1)
# Longer than this no replica was ever seen to lag behind.
LAG = timedelta(minutes=15)


@dataclass(frozen=True)
class Knowledge:
    """What is known before anything is made: the record's side of the story, and the time."""

    record_uid: str
    lock_id: str
    key_id: str
    value: Secret
    ledger: Ledger
    published_by_others: dict[str, str]
    """key ids that other records publish, with the record's uid"""
    now: datetime
    replicas_agree: bool
    """whether the last rotation is so long ago that every replica knows of it"""


@dataclass(frozen=True)
class Inventory:
    """The credentials of a target, each in the one group that decides its fate."""

    published: LiveCredential | None
    """what the record publishes"""
    protected: tuple[LiveCredential, ...]
    """what another record publishes: it stays, whatever this record's policy says"""
    former: tuple[LiveCredential, ...]
    """what the record published before, by its ledger"""
    orphans: tuple[LiveCredential, ...]
    """made for this record by a run that is over, and never published"""
    young: tuple[LiveCredential, ...]
    """a run that may still be alive may be about to publish it"""
    others: tuple[LiveCredential, ...]
    """made for another record by a run that is over"""
    foreign: tuple[LiveCredential, ...]
    """made by somebody else"""

    def all(self) -> list[LiveCredential]:
        """Every credential."""
        published = (self.published,) if self.published else ()
        groups = (published, self.protected, self.former, self.orphans, self.young, self.others, self.foreign)
        return [credential for group in groups for credential in group]


def sort(listing: Iterable[LiveCredential], known: Knowledge) -> Inventory:
    """Each credential of ``listing`` into its group."""
    listed = tuple(listing)
    # Without a live key id in the record, whatever fits its value may be what it publishes: it must not go first.
    adrift = all(credential.key_id != known.key_id for credential in listed)
    groups: dict[str, list[LiveCredential]] = {}
    for credential in listed:
        group_name = _group(credential, known)
        fits = adrift and group_name == "orphans" and credential.hint == known.value.hint != ""
        groups.setdefault("former" if fits else group_name, []).append(credential)

    def group(name: str) -> tuple[LiveCredential, ...]:
        return tuple(groups.get(name, ()))

    published = group("published")
    return Inventory(
        published[0] if published else None,
        *(group(name) for name in ("protected", "former", "orphans", "young", "others", "foreign")),
    )


def _group(credential: LiveCredential, known: Knowledge) -> str:
    if credential.key_id == known.key_id:
        return "published"
    if credential.key_id in known.published_by_others:
        return "protected"
    if credential.key_id in known.ledger.ever_published():
        return "former"
    marker = read_marker(credential.name)
    if marker is None:
        return "foreign"
    if _is_over(marker, known):
        return "orphans" if marker.record_uid == known.record_uid else "others"
    return "young"


def _is_over(marker: Marker, known: Knowledge) -> bool:
    # We hold the lock of our own record: no other run of this lock directory can be at work on it.
    ours = (marker.record_uid, marker.lock_id) == (known.record_uid, known.lock_id)
    return ours or marker.is_past(known.now)


def newest(credentials: Iterable[LiveCredential]) -> LiveCredential:
    """The one that was made last. Raises ValueError where there is none."""
    return max(credentials, key=lambda each: each.made or datetime.min.replace(tzinfo=UTC))


def is_due(published: LiveCredential | None, known: Knowledge, policy: Policy) -> bool:
    """Whether to rotate now: the published secret is gone, due, not the saved one or near its end, or always."""
    if policy.rotate_before is None or published is None:
        return True
    return published.is_due or not _fits(published, known) or published.ends - known.now < policy.rotate_before


def _fits(published: LiveCredential, known: Knowledge) -> bool:
    return not published.hint or published.hint == known.value.hint


def can_finish(published: LiveCredential | None, known: Knowledge, policy: Policy, *, at_any_time: bool) -> bool:
    """Whether open deliveries can be completed with the published secret, instead of a new one for all."""
    if published is None or not _fits(published, known):
        return False
    return at_any_time or published.ends - known.now >= (policy.rotate_before or A_DAY)


def is_pressing(inventory: Inventory, known: Knowledge) -> bool:
    """Whether what the record published is dead or nearly so: then a broken destination must not hold up a new one."""
    if inventory.published is None:
        return known.key_id != "" and known.key_id == known.ledger.key_id
    return inventory.published.ends - known.now < A_DAY


def may_go(inventory: Inventory, policy: Policy, known: Knowledge) -> dict[str, bool]:
    """Key ids that the policy lets a rotation retire, each with whether this record ever published it."""
    ours = [credential.key_id for credential in inventory.former]
    ours += [inventory.published.key_id] if inventory.published else []
    if not known.replicas_agree:
        # A lagging replica may not list yet what the last rotation did; it goes, or is remembered, all the same.
        listed = {credential.key_id for credential in inventory.all()}
        ours += [key_id for key_id in known.ledger.still_expected(known.now) if key_id not in listed]
    everyone = (*inventory.foreign, *inventory.others) if policy.remove_old == "all" else ()
    chosen = dict.fromkeys(ours, True) | {credential.key_id: False for credential in everyone}
    # What another record publishes stays, also where this record is a copy of it.
    return {key_id: published for key_id, published in chosen.items() if key_id not in known.published_by_others}


def late_orphans(listing: Iterable[LiveCredential], seen: Inventory, known: Knowledge, new: str) -> list[str]:
    """Orphans of this host's own dead runs that only a later listing showed; anything else that is new is not ours."""
    earlier = {credential.key_id for credential in seen.all()} | {new}
    return [credential.key_id for credential in sort(listing, known).orphans if credential.key_id not in earlier]


def retirements(inventory: Inventory, policy: Policy, known: Knowledge, gone: Iterable[str]) -> dict[str, Entry]:
    """What a rotation now is to retire, and when; with ``remove_old=none`` only what to remember as once published.

    A date that was set before is never put off, or frequent runs would keep an old secret for ever.
    """
    chosen: dict[str, Entry] = {}
    for key_id, published in may_go(inventory, policy, known).items():
        after: datetime | None = None
        if policy.remove_old != "none":
            after = known.now + policy.overlap
            before = known.ledger.entries.get(key_id)
            if before and before.after:
                after = min(after, before.after)
        if key_id not in gone:
            chosen[key_id] = Entry(after, published)
    return chosen


def overdue(inventory: Inventory, policy: Policy, known: Knowledge) -> list[str]:
    """Dated entries of the ledger whose time has come, that still live and that today's policy lets go."""
    allowed = may_go(inventory, policy, known) if policy.remove_old != "none" else {}
    # A key that was regenerated since lives on under its name.
    made = {credential.key_id: credential.made for credential in inventory.all() if credential.made}
    return [
        key_id
        for key_id, entry in known.ledger.entries.items()
        if entry.after and entry.after <= known.now and key_id in allowed and key_id != known.key_id
        if not (key_id in made and made[key_id] > entry.after)
    ]


def to_free(inventory: Inventory, policy: Policy, known: Knowledge, held: Iterable[str]) -> str:
    """The key id to remove first where the target can hold no further credential; none that a destination holds.

    Raises:
        Failed: none may go; the message names all and says from when on it will work.
    """
    rest = [key for key in (*inventory.former, *inventory.others, *inventory.foreign) if key.generation not in held]
    expired = [credential for credential in rest if credential.ends <= known.now]
    # One more may go early where it would go right after this rotation anyway, and nobody is promised more.
    works = inventory.published is not None and inventory.published.ends > known.now
    doomed = rest if policy.remove_old == "all" and not policy.overlap and works else []
    for credential in (*expired, *doomed):
        return credential.key_id
    raise _full(inventory, known)


def _full(inventory: Inventory, known: Knowledge) -> Failed:
    everything = inventory.all()
    dates = [credential.ends for credential in everything]
    dates += [entry.after for entry in known.ledger.entries.values() if entry.after]
    frees = min((date for date in dates if date > known.now), default=known.now)
    return Failed(
        "the app already has as many client secrets as its audience allows, and none of them may go: "
        + ", ".join(credential.key_id for credential in everything),
        f"remove one of them in the portal; by itself it will work again from {frees:%Y-%m-%d %H:%M} UTC",
    )


def split_by_time(entries: dict[str, Entry], now: datetime) -> tuple[list[str], list[str]]:
    """The key ids to retire at once, and those that wait for their date."""
    dated = {key_id: entry.after for key_id, entry in entries.items() if entry.after}
    return [key for key, after in dated.items() if after <= now], [key for key, after in dated.items() if after > now]

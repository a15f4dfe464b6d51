"""The decisions of a rotation, without any input or output: what is what, what is due, what may go.

All times are the service's own (its Date header), never this host's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from gateway.errors import Failed
from gateway.model.credential import NEVER, LiveCredential, Marker, read_marker
from gateway.model.ledger import Entry, Ledger
from gateway.model.policy import Policy
from gateway.secret import Secret

A_DAY = timedelta(days=1)
# Longer than this no replica was ever seen to lag behind.
LAG = timedelta(minutes=15)
# What a broken destination lacks may hold up a rotation that nothing but the schedule asks for, for so long.
PATIENCE = timedelta(days=7)

EVERY_RUN = "every run"
ASKED = "asked for"
FIRST = "placeholder"
GONE = "gone"
UNSAVED = "not the saved one"
REFUSED = "refused"
NEAR_END = "near its end"
OLD = "of unknown age"
BEHIND = "behind the service"
DIFFERENT = (FIRST, GONE, UNSAVED, REFUSED, BEHIND)
"""those that say that the record does not publish what lives at its target"""


@dataclass(frozen=True)
class OwnRuns:
    """What this host knows of its earlier runs on the record, by run id.

    ``over``: no such run can be alive. ``never_published``: the record never had what that run made.
    """

    over: frozenset[str]
    never_published: frozenset[str]


@dataclass(frozen=True)
class Knowledge:
    """What is known before anything is made: the record's side of the story, and the time."""

    record_uid: str
    lock_id: str
    key_id: str
    value: Secret
    ledger: Ledger
    needed_by_others: dict[str, str]
    """key ids that other records need, with the reason"""
    now: datetime
    last_rotated: datetime | None
    unread: str = ""
    """why it cannot be told what else other records need; empty where that is known"""
    runs: OwnRuns = field(default_factory=lambda: OwnRuns(frozenset(), frozenset()))
    revoking: bool = False
    """whether all that this record ever published is to end at once, whatever its policy says"""
    even_where_not_delivered: bool = False
    """whether that goes for what a required destination may hold, too"""

    def is_needed(self, key_id: str, marker: Marker | None = None) -> bool:
        """Whether it stays because another record needs it; a revoke ends what this record published all the same."""
        ours = {self.key_id} | self.ledger.ever_published()
        published = key_id in ours or (marker is not None and marker.record_uid == self.record_uid)
        return key_id in self.needed_by_others and not (self.revoking and published)

    @property
    def replicas_agree(self) -> bool:
        """Whether the last rotation is so long ago that every replica knows of it."""
        return self.last_rotated is not None and not self.is_young

    @property
    def is_young(self) -> bool:
        """Whether what the record publishes is so new that a refusal may mean "not yet"."""
        return self.last_rotated is not None and self.now - self.last_rotated <= LAG


@dataclass(frozen=True)
class Inventory:
    """The credentials of a target, each in the one group that decides its fate."""

    published: LiveCredential | None
    """what the record publishes"""
    protected: tuple[LiveCredential, ...]
    """what another record needs: it stays, whatever this record's policy says"""
    former: tuple[LiveCredential, ...]
    """what the record published before, by its ledger"""
    orphans: tuple[LiveCredential, ...]
    """made for this record by a run of this host, and surely never published"""
    strays: tuple[LiveCredential, ...]
    """made for this record by a run that is over: a record that was put back, or another host, may have published it"""
    young: tuple[LiveCredential, ...]
    """a run that may still be alive may be about to publish it"""
    others: tuple[LiveCredential, ...]
    """made for another record by a run that is over"""
    foreign: tuple[LiveCredential, ...]
    """made by somebody else"""

    def all(self) -> list[LiveCredential]:
        """Every credential."""
        published = (self.published,) if self.published else ()
        ours = (*self.former, *self.orphans, *self.strays)
        return [*published, *self.protected, *ours, *self.young, *self.others, *self.foreign]


def sort(listing: Iterable[LiveCredential], known: Knowledge) -> Inventory:
    """Each credential of ``listing`` into its group."""
    groups: dict[str, list[LiveCredential]] = {}
    for credential in listing:
        groups.setdefault(_group(credential, known), []).append(credential)

    def group(name: str) -> tuple[LiveCredential, ...]:
        return tuple(groups.get(name, ()))

    published = group("published")
    names = ("protected", "former", "orphans", "strays", "young", "others", "foreign")
    return Inventory(published[0] if published else None, *map(group, names))


def _group(credential: LiveCredential, known: Knowledge) -> str:
    if credential.key_id == known.key_id:
        return "published"
    marker = read_marker(credential.name)
    if known.is_needed(credential.key_id, marker):
        return "protected"
    if credential.key_id in known.ledger.ever_published():
        return "former"
    if marker is None or marker.deadline - known.now > A_DAY:  # no run takes that long: the name is not ours
        return "foreign"
    if marker.record_uid != known.record_uid:
        return "others" if marker.is_past(known.now) else "young"
    return _group_of_ours(marker, known)


def _group_of_ours(marker: Marker, known: Knowledge) -> str:
    mine = marker.lock_id == known.lock_id
    if not (marker.is_past(known.now) or (mine and marker.run_id in known.runs.over)):
        return "young"
    return "orphans" if mine and marker.run_id in known.runs.never_published else "strays"


def newest(credentials: Iterable[LiveCredential]) -> LiveCredential:
    """The one that was made last. Raises ValueError where there is none."""
    return max(credentials, key=lambda each: each.made or datetime.min.replace(tzinfo=UTC))


def reasons(published: LiveCredential | None, known: Knowledge, policy: Policy, *, asked: bool) -> list[str]:
    """Why a new one is to be made now; none where that can wait."""
    near = A_DAY if policy.rotate_before is None else policy.rotate_before
    holds = {
        ASKED: asked,
        FIRST: published is None and not known.ledger.key_id,
        GONE: published is None and known.ledger.key_id != "",
        UNSAVED: published is not None and not _fits(published, known),
        OLD: published is not None and published.is_due,
        NEAR_END: published is not None and published.ends - known.now < near,
        EVERY_RUN: policy.rotate_before is None and not asked,
    }
    return [reason for reason, is_so in holds.items() if is_so]


def _fits(published: LiveCredential, known: Knowledge) -> bool:
    return not published.hint or published.hint == known.value.hint


def can_wait(why: Iterable[str], known: Knowledge, *, at_any_time: bool) -> bool:
    """Whether what an earlier run left open comes first, completed with what the record publishes.

    So it is where only the schedule asks for a new one, and not for too long; ``at_any_time``: where a new one would
    end what a destination still holds.
    """
    if not set(why):
        return True
    # Only a rotation of ours can have left something open; where there was none, the first one serves all.
    if not known.ledger.key_id or set(DIFFERENT) & set(why):
        return False
    recent = known.last_rotated is not None and known.now - known.last_rotated < PATIENCE
    return at_any_time or (recent and set(why) == {EVERY_RUN} and known.ledger.key_id == known.key_id)


def is_pressing(why: Iterable[str], known: Knowledge) -> bool:
    """Whether a broken destination must not hold up a new one: more than the schedule asks for it, and not at first."""
    if known.even_where_not_delivered:
        return True
    return NEAR_END in why or (known.ledger.key_id != "" and bool(set(why) - {EVERY_RUN, FIRST}))


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
    """What a record that was put back, or another host, may have published, with its date: no ledger has one yet."""
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


def split_by_time(entries: dict[str, Entry], now: datetime) -> tuple[list[str], list[str]]:
    """The key ids to retire at once, and those that wait for their date."""
    dated = {key_id: entry.after for key_id, entry in entries.items() if entry.after}
    return [key for key, after in dated.items() if after <= now], [key for key, after in dated.items() if after > now]

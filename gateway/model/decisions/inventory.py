"""What is what: what is known before anything is made, and the one group of each credential, which decides its fate."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from gateway.model.credential import LiveCredential, Marker, read_marker
from gateway.model.ledger import Ledger
from gateway.secret import Secret

A_DAY = timedelta(days=1)
# Longer than this no replica was ever seen to lag behind.
LAG = timedelta(minutes=15)


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

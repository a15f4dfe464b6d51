"""The decisions of a rotation, without any input or output: what is what, what is due, what may go.

All times are the service's own (its Date header), never this host's.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from gateway.credential import LiveCredential, Marker, read_marker
from gateway.errors import Failed
from gateway.ledger import Entry, Ledger
from gateway.policy import Policy
from gateway.secret import Secret


@dataclass(frozen=True)
class Known:
    """What is known before anything is made: the record's side of the story, and the time."""

    record_uid: str
    lock_id: str
    key_id: str
    value: Secret
    ledger: Ledger
    published_by_others: dict[str, str]
    """key ids that other records publish, with the record's uid"""
    now: datetime


@dataclass(frozen=True)
class Sorted:
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


def sort(listing: Iterable[LiveCredential], known: Known) -> Sorted:
    """Each credential of ``listing`` into its group."""
    groups: dict[str, list[LiveCredential]] = {}
    for credential in listing:
        groups.setdefault(_group(credential, known), []).append(credential)

    def group(name: str) -> tuple[LiveCredential, ...]:
        return tuple(groups.get(name, ()))

    published = group("published")
    return Sorted(
        published[0] if published else None,
        *(group(name) for name in ("protected", "former", "orphans", "young", "others", "foreign")),
    )


def _group(credential: LiveCredential, known: Known) -> str:
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


def _is_over(marker: Marker, known: Known) -> bool:
    # We hold the lock of our own record: no other run of this lock directory can be at work on it.
    ours = (marker.record_uid, marker.lock_id) == (known.record_uid, known.lock_id)
    return ours or marker.is_past(known.now)


def is_due(published: LiveCredential | None, known: Known, policy: Policy) -> bool:
    """Whether to rotate now: the published secret is gone, is not the saved one, is near its end, or always."""
    if policy.rotate_before is None or published is None:
        return True
    fits = not published.hint or published.hint == known.value.hint
    return not fits or published.ends - known.now < policy.rotate_before


def may_go(sorted_: Sorted, policy: Policy, known: Known) -> dict[str, bool]:
    """Key ids that the policy lets a rotation retire, each with whether this record ever published it."""
    replaced = [credential.key_id for credential in sorted_.former]
    # What we published last goes even where a lagging replica does not list it yet.
    if sorted_.published or known.key_id == known.ledger.key_id != "":
        replaced.append(known.key_id)
    everyone = (*sorted_.foreign, *sorted_.others) if policy.remove_old == "all" else ()
    return dict.fromkeys(replaced, True) | {credential.key_id: False for credential in everyone}


def late_orphans(listing: Iterable[LiveCredential], seen: Sorted, known: Known, new: str) -> list[str]:
    """Orphans of this host's own dead runs that only a later listing showed; anything else that is new is not ours."""
    earlier = {credential.key_id for credential in seen.all()} | {new}
    return [credential.key_id for credential in sort(listing, known).orphans if credential.key_id not in earlier]


def retirements(sorted_: Sorted, policy: Policy, known: Known, gone: Iterable[str]) -> dict[str, Entry]:
    """What a rotation now is to retire, and when; with ``remove_old=none`` only what to remember as once published.

    A date that was set before is never put off, or frequent runs would keep an old secret for ever.
    """
    chosen: dict[str, Entry] = {}
    for key_id, published in may_go(sorted_, policy, known).items():
        after: datetime | None = None
        if policy.remove_old != "none":
            after = known.now + policy.overlap
            before = known.ledger.entries.get(key_id)
            if before and before.after:
                after = min(after, before.after)
        if key_id not in gone:
            chosen[key_id] = Entry(after, published)
    return chosen


def overdue(sorted_: Sorted, policy: Policy, known: Known) -> list[str]:
    """Dated entries of the ledger whose time has come, that still live and that today's policy lets go."""
    allowed = may_go(sorted_, policy, known) if policy.remove_old != "none" else {}
    return [
        key_id
        for key_id, entry in known.ledger.entries.items()
        if entry.after and entry.after <= known.now and key_id in allowed and key_id != known.key_id
    ]


def to_free(sorted_: Sorted, policy: Policy, known: Known) -> str:
    """The key id to remove first where the target can hold no further credential.

    Raises:
        Failed: none may go; the message names all and says from when on it will work.
    """
    rest = [*sorted_.former, *sorted_.others, *sorted_.foreign]
    expired = [credential for credential in rest if credential.ends <= known.now]
    # One more may go early where it would go right after this rotation anyway, and nobody is promised more.
    doomed = rest if policy.remove_old == "all" and not policy.overlap and sorted_.published else []
    for credential in (*expired, *doomed):
        return credential.key_id
    raise _full(sorted_, known)


def _full(sorted_: Sorted, known: Known) -> Failed:
    everything = sorted_.all()
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

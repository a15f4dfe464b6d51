"""What a record alone says of its rotation: its kind, whether it is due and why, what is left over.

The decision is that of a rotation (`gateway.model.decisions.reasons`), on what the record says is live. Whether that is
true is seen by a run only, which asks the service.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from gateway.commands.shared.new_records import PENDING
from gateway.deliveries.addresses import read_destinations
from gateway.deliveries.base import Destination, comparable_address
from gateway.errors import Failed
from gateway.keeper.record import VaultRecord
from gateway.kinds.registry import PUBLISHED_PASSWORD, ROTATED, TLS_SECRET
from gateway.model import decisions
from gateway.model.clouds import CLOUDS
from gateway.model.credential import NEVER, LiveCredential, read_stamp
from gateway.model.kind_facts import KindFacts
from gateway.model.ledger import Ledger, read_ledger
from gateway.model.policy import Policy, read_policy
from gateway.secret import Secret


@dataclass(frozen=True)
class Outlook:
    """What is to be expected of the next run.

    ``why``: why it makes a new one; ``left``: what else it has to do; ``pending``: the addresses of required
    destinations that lack what is published; ``problem``: why it will fail.
    """

    policy: Policy | None = None
    expires: datetime | None = None
    last_rotated: datetime | None = None
    next_due: datetime | None = None
    why: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    pending: tuple[str, ...] = ()
    problem: str = ""

    @property
    def is_enabled(self) -> bool:
        """Whether it is not switched off."""
        return self.policy is None or self.policy.enabled

    @property
    def every_run(self) -> bool:
        """Whether it is rotated whenever a run begins."""
        return self.policy is not None and self.policy.rotate_before is None

    @property
    def has_work(self) -> bool:
        """Whether a run has more to do than to see that all is well."""
        return bool(self.why or self.left or self.pending or self.problem)


def kind_of(record: VaultRecord) -> KindFacts | None:
    """What the record stands for, or is to stand for once its target is filled in; None for what is none of ours."""
    if record.value(TLS_SECRET.target).strip():
        return TLS_SECRET
    if record.type != "pamUser":
        return None
    named = [facts for facts in ROTATED if record.value(facts.target).strip()]
    if found := named or [facts for facts in ROTATED if record.has(facts.target)]:
        return found[0]
    return PUBLISHED_PASSWORD if record.value("deliver_to").strip() else None


def find_named(records: Iterable[VaultRecord], names: Iterable[str]) -> list[VaultRecord]:
    """Those that are meant, each once: a name is a uid, else a whole title, else a part of titles.

    Raises:
        Failed: one of the names means none.
    """
    known, found = list(records), dict[str, VaultRecord]()
    for name in names:
        meant = [each for each in known if each.uid == name]
        meant = meant or [each for each in known if each.title.casefold() == name.casefold()]
        meant = meant or [each for each in known if name and name.casefold() in each.title.casefold()]
        if not meant:
            hint = "give a uid or a part of a title of one that keeper-rotation status shows; where it is missing there"
            hint += ", share its folder with the application of this host"
            if name.startswith("--"):
                hint = f"options come before `--`, records behind it: write {name} in front of it"
            raise Failed(f"no record of this package is named {name!r}", hint)
        found |= {each.uid: each for each in meant}
    return list(found.values())


def look_ahead(record: VaultRecord, facts: KindFacts, now: datetime, last_run: Mapping[str, Any]) -> Outlook:
    """The outlook for this record, by what it says itself.

    Args:
        now: by Keeper's clock.
        last_run: its last line in this host's history; empty where there is none.
    """
    dates = Outlook(
        expires=read_stamp(record.value(facts.outputs.expires)),
        last_rotated=read_stamp(record.value("last_rotated")),
    )
    if facts not in ROTATED:
        return dates
    try:
        policy = read_policy(record.value, facts.defaults, chooses_lifetime=facts.has("secret_lifetime_days"))
        if dates.expires and dates.last_rotated:  # of a certificate: about as long as it is valid
            policy = policy.for_validity(dates.expires - dates.last_rotated)
        ledger = read_ledger(record.value("rotation_state"), record.uid)
        required = [each for each in _destinations(record.value("deliver_to"), policy) if not each.optional]
    except Failed as error:
        return replace(dates, problem=error.message)
    well = read_stamp(str(last_run.get("time"))) if last_run.get("exit_code") == 0 else None
    seen = max(filter(None, (well, dates.last_rotated)), default=None)
    return _foresee(record, facts, _Known(policy, ledger, now, seen), required, dates)


def _destinations(text: str, policy: Policy) -> list[Destination]:
    """Where the record names no cloud, its admin credential does: they are of one that can be read. Raises Failed."""
    problems: list[Failed] = []
    for cloud in [policy.cloud] if policy.cloud else CLOUDS.values():
        try:
            return read_destinations(text, cloud)
        except Failed as error:
            problems.append(error)
    raise problems[0]


@dataclass(frozen=True)
class _Known:
    """``seen``: when a run was done with the record last, as far as is known here."""

    policy: Policy
    ledger: Ledger
    now: datetime
    seen: datetime | None


def _foresee(
    record: VaultRecord, facts: KindFacts, known: _Known, required: list[Destination], dates: Outlook
) -> Outlook:
    policy, ledger, expires = known.policy, known.ledger, dates.expires
    key_id = record.value(facts.outputs.key_id).strip().lower()
    key_id = "" if key_id == PENDING else key_id
    why = _reasons(key_id, known, dates) if policy.enabled or policy.rotate_now else []
    # Ten years before an absurd date there may be no date at all.
    before = policy.rotate_before if expires and expires.year > 100 else None
    return replace(
        dates,
        policy=policy,
        why=tuple(why),
        next_due=expires - before if expires and before is not None and policy.enabled else None,
        left=tuple(_left_over(key_id, known)) if policy.enabled else (),
        pending=tuple(_pending(key_id, ledger, required)) if policy.enabled else (),
        problem="" if record.editable or not policy.enabled else "the record is read-only for the application",
    )


def _reasons(key_id: str, known: _Known, dates: Outlook) -> list[str]:
    ends = dates.expires or NEVER
    published = LiveCredential(key_id, "", "", ends, is_due=dates.expires is None) if key_id else None
    knowledge = decisions.Knowledge(
        "", "", key_id, Secret(""), known.ledger, {}, known.now, dates.last_rotated, revoking=known.policy.revoke
    )
    asked = known.policy.rotate_now
    policy = replace(known.policy, rotate_before=None) if asked else known.policy
    return decisions.reasons(published, knowledge, policy, asked=asked)


def _left_over(key_id: str, known: _Known) -> Iterable[str]:
    """What an earlier run, or a person, has left for a run that makes nothing."""
    ledger = known.ledger
    # The ledger goes on naming what was removed at its date.
    later = {
        key: entry for key, entry in ledger.entries.items() if not known.seen or (entry.after or NEVER) > known.seen
    }
    due, _ = decisions.split_by_time(later, known.now)
    if due and known.policy.remove_old != "none":
        yield f"to be removed: {', '.join(due)}"
    if ledger.intent and not ledger.intent.late:
        yield "an earlier run was interrupted"
    if ledger.drift:
        yield f"was changed by others: {', '.join(ledger.drift)}"
    if ledger.revoking:
        yield "a revoke is not complete"
    if key_id and ledger.key_id and key_id != ledger.key_id.lower():
        yield "the record publishes another one than the last run did"


def _pending(key_id: str, ledger: Ledger, required: Iterable[Destination]) -> Iterable[str]:
    """Those that the ledger does not show as holding it. Of a name that is used again, the newest is meant."""
    holds = {comparable_address(address): generation for address, generation in ledger.holds.items()}
    same = [each for each in holds.values() if each.partition("@")[0].lower() == key_id]
    newest = max(same, key=lambda each: each.partition("@")[2], default="")
    if key_id and ledger.key_id:  # before the first rotation there is nothing to deliver
        held = {each.address: holds.get(comparable_address(each.address)) for each in required}
        yield from (address for address, generation in held.items() if not newest or generation != newest)

"""A rotation of which every question is asked, and nothing is changed: what `plan` and `check` show.

It is the rotation itself, in its own order: only what would change something is left out. So what it says of a record
is what a run at this moment would come to, as long as no step of that breaks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from gateway.deliveries.base import Delivery, Destination
from gateway.deliveries.distribution import Deliveries, waiting
from gateway.engine.gathered import RunContext
from gateway.engine.maker import Maker
from gateway.engine.order import rotate
from gateway.engine.state import Prepared, State
from gateway.errors import Failed
from gateway.host.report import Report
from gateway.keeper.record import VaultRecord
from gateway.keeper.save import Saved
from gateway.model.credential import NEVER, LiveCredential, Minted, stamp
from gateway.model.ledger import Intent, Ledger
from gateway.secret import Secret


@dataclass
class Plan:
    """What a run would come to.

    ``makes``: in words, empty where nothing is made; ``removes``: key ids with the reason; ``names``: what people call
    the credentials, by key id. The rest is in the report.
    """

    report: Report = field(default_factory=Report)
    makes: str = ""
    removes: dict[str, str] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)


def rehearse(prepared: Prepared, run: RunContext, plan: Plan) -> None:
    """Ask all that a run would ask; ``plan`` tells what it would do, as far as it came.

    Raises:
        RotationError, CallError: as the run would.
    """
    try:
        plan.report.result = rotate(Rehearsal(prepared, run, plan))
    finally:
        if plan.report.expires == stamp(NEVER):  # whoever issues it says how long it lives
            plan.report.expires = ""


class Rehearsal(State):
    """A rotation in which nothing is saved, made, delivered or ended."""

    def __init__(self, prepared: Prepared, run: RunContext, plan: Plan) -> None:
        super().__init__(replace(prepared, deliveries=_nobody_served(prepared.deliveries)), run, plan.report)
        self._plan = plan
        self.maker = _Understudy(self.maker, prepared, plan)
        plan.names = {key.key_id: name for key in prepared.inventory.all() if (name := self.name(key.key_id))}

    def ended(self, key_id: str, why: str) -> None:
        """It would end."""
        self._plan.removes[key_id] = why
        self.report.remove(key_id)

    def never_saved(self, run_id: str) -> None:
        """Nothing."""

    def make_owners(self) -> list[str]:
        """Nothing."""
        return []

    def save_intent(
        self, intent: Intent, taken: str, values: Mapping[str, str] | None = None, *, over: VaultRecord | None = None
    ) -> None:
        """Nothing."""

    def save_new(self, minted: Minted, ledger: Ledger) -> Saved:
        """As if it was saved."""
        outputs = self.prepared.kind.outputs
        self.ledger, self.published = ledger, {outputs.key_id: minted.key_id, outputs.expires: stamp(minted.ends)}
        return Saved.OURS

    def save_values(
        self,
        record: VaultRecord,
        values: Mapping[str, str],
        sending: Callable[[int | None], None] = lambda revision: None,
    ) -> Saved:
        """As if they were saved."""
        return Saved.OURS

    def save_revoked(self) -> None:
        """Nothing."""

    def fence(self, key_id: str) -> str:
        """As if no other save could come."""
        return ""


class _Nobody(Deliveries):
    def __init__(self) -> None:
        """`_nobody_served` takes all over from another one."""

    def take_values(self) -> bool:
        return False

    def serve(self, delivery: Delivery, destinations: Iterable[Destination]) -> list[tuple[Destination, Failed]]:
        """As if each was served, but for those that were found to be wrong, and who waits for what these hold."""
        asked = list(destinations)
        failures = [(each, self.problems[each.address]) for each in asked if each.address in self.problems]
        if any(each.holds_versions and not each.optional for each, _ in failures):
            failures += waiting(each for each in asked if each.needs_key_vault and each.address not in self.problems)
        failed = {each.address for each, _ in failures}
        self.holds |= {each.address: delivery.generation for each in asked if each.address not in failed}
        return failures

    def after_retirement(self, delivery: Delivery, removed: list[str]) -> None:
        """Nothing."""


def _nobody_served(real: Deliveries) -> Deliveries:
    """The same destinations, which are asked and never given anything."""
    rehearsed = _Nobody()
    vars(rehearsed).update(vars(real), holds=dict(real.holds))
    return rehearsed


class _Understudy(Maker):
    """Answers as the real one, and makes nothing."""

    def __init__(self, real: Maker, prepared: Prepared, plan: Plan) -> None:
        self._real, self._prepared, self._plan = real, prepared, plan
        self.finishes_first, self.ids_are_runs_own = real.finishes_first, real.ids_are_runs_own
        self.marked_until, self.unlisted = real.marked_until, real.unlisted
        self.keeps_old, self.ends_by_id = real.keeps_old, real.ends_by_id

    def preview(self, lifetime: timedelta) -> tuple[Minted, str]:
        return self._real.preview(lifetime)

    def make(self, lifetime: timedelta) -> Minted:
        minted, self._plan.makes = self._real.preview(lifetime)
        return minted

    def prove(self, minted: Minted) -> str:
        return self._prepared.kind.proof

    def shown(self, minted: Minted) -> tuple[LiveCredential, ...]:
        return (*self._prepared.inventory.all(), LiveCredential(minted.key_id, "", "", minted.ends, minted.made))

    def remove(self, key_id: str) -> bool:
        return self.ends_by_id

    def end_unlisted(self) -> str:
        return self.unlisted

    def take_back(self, minted: Minted) -> None:
        """Nothing."""

    def refuses(self, published: LiveCredential, value: Secret) -> str:
        return self._real.refuses(published, value)

    def intent_to_end(self, key_ids: Iterable[str]) -> Intent | None:
        return self._real.intent_to_end(list(key_ids))

    def may_make_from(self) -> datetime | None:
        return self._real.may_make_from()

"""``keeper-rotation status --drift``: where a record, its target and its destinations do not show the same.

It is the rehearsal of `gateway.commands.plan`, as if nothing was due: what the record publishes is tried, and each
destination compared with it, by the steps of a rotation itself.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from gateway.commands.outlook import kind_of
from gateway.commands.plan.rehearsal import How, Rehearsed, Stage
from gateway.commands.reading import Reading
from gateway.commands.shared.progress import progress
from gateway.commands.status.rows import NOTE, OFF, TROUBLE, Row
from gateway.engine.make.mint import MintedKind
from gateway.host.background import AT_ONCE, Background
from gateway.keeper.record import VaultRecord
from gateway.kinds.registry import ROTATED
from gateway.model import decisions
from gateway.model.credential import NEVER, read_stamp

_WORDS = {
    decisions.GONE: "its target no longer has what the record publishes",
    decisions.UNSAVED: "its target has what the record publishes, with another value",
    decisions.REFUSED: "what the record publishes is refused",
    decisions.BEHIND: "its target has a newer one than the record publishes",
}
# A record keeps whole seconds.
_SAME = timedelta(minutes=1)


@dataclass(frozen=True)
class Compared:
    """What was found. ``drift``: what differs; ``problem``: why that is not known; ``notes``: what else is there."""

    drift: tuple[str, ...] = ()
    problem: str = ""
    notes: tuple[str, ...] = ()


def compare(reading: Reading, rows: Sequence[Row], how: How) -> list[Row]:
    """The rows, each with what differs; some records at a time, and nothing is changed.

    Raises:
        Failed
    """
    chosen = [row.record for row in rows if kind_of(row.record) in ROTATED and row.outlook.is_enabled]
    stage = Stage(reading.records)
    found: dict[str, Compared] = {}
    waiting = deque(chosen)

    def work() -> None:
        while waiting:
            try:
                record = waiting.popleft()
            except IndexError:
                return
            found[record.uid] = _compare(stage, record, how)

    with progress(lambda: f"compared {len(found):,} of {len(chosen):,} records"):
        for each in [Background(work) for _ in range(min(AT_ONCE, len(chosen)))]:
            each.result()
    return [_with(row, found[row.record.uid]) if row.record.uid in found else row for row in rows]


def _compare(stage: Stage, record: VaultRecord, how: How) -> Compared:
    outcome = stage.rehearse(record, replace(how, compares=True))
    try:
        return _compared(outcome)
    finally:
        outcome.close()


def _compared(outcome: Rehearsed) -> Compared:
    report, error = outcome.plan.report, outcome.error
    if decisions.FIRST in report.why:
        return Compared(notes=("never rotated: there is nothing to compare",))
    if outcome.prepared is None or (error and not report.proved and not report.why):
        return Compared(problem=f"could not be compared: {error}")
    unread = tuple(f"could not be compared: {each}" for each in outcome.prepared.deliveries.warnings)
    return Compared(tuple(_differences(outcome)), notes=(*_foreign(outcome), *unread))


def _differences(outcome: Rehearsed) -> Iterator[str]:
    report, prepared = outcome.plan.report, outcome.prepared
    yield from (_WORDS[reason] for reason in report.why if reason in _WORDS)
    yield from (f"{address} shows another value" for address in report.drift)
    if prepared and (published := prepared.inventory.published):
        said = read_stamp(prepared.record.value(prepared.kind.outputs.expires))
        if said and published.ends != NEVER and abs(said - published.ends) > _SAME:
            yield f"it ends {published.ends:%Y-%m-%d %H:%M} UTC, and the record says {said:%Y-%m-%d %H:%M} UTC"


def _foreign(outcome: Rehearsed) -> Iterable[str]:
    """What lives beside what the record published, of kinds that can have any number."""
    prepared = outcome.prepared
    if prepared and isinstance(prepared.kind, MintedKind) and (foreign := prepared.inventory.foreign):
        names = (" ".join(filter(None, (each.key_id, outcome.plan.names.get(each.key_id)))) for each in foreign)
        yield f"made by others: {', '.join(names)}"


def _with(row: Row, found: Compared) -> Row:
    trouble = (*row.trouble, *([found.problem] if found.problem else []), *(f"drift: {each}" for each in found.drift))
    notes = (*row.notes, *found.notes)
    state = OFF if row.state == OFF else TROUBLE if trouble else NOTE if notes else row.state
    return replace(row, drift=None if found.problem else found.drift, trouble=trouble, notes=notes, state=state)

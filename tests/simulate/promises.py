"""What must hold after every step, judged from outside: by the vault, the tenant and the destinations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tests.simulate.worlds import World
from tests.stage.rotation import Outcome


@dataclass(frozen=True)
class Seen:
    """What worked before a step.

    ``copies``: records that show what was made for another one; ``served``: the destinations of a record that hold
    something that is accepted; ``forgetful``: records that say less than their destinations have been given since.
    """

    working: frozenset[str]
    copies: frozenset[str]
    served: dict[str, frozenset[str]]
    published: dict[str, dict[str, str]]
    revoking: frozenset[str]
    forgetful: frozenset[str]

    @classmethod
    def of(cls, world: World) -> Seen:
        """Now."""
        return cls(
            frozenset(record for record in world.records if world.alive(record)),
            frozenset(record for record in world.records if world.shows_anothers(record)),
            {record: _living(world, record) for record in world.records},
            {record: world.published(record) for record in world.records},
            frozenset(record for record in world.records if world.is_revoking(record)),
            frozenset(world.put_back if world.forgets else ()),
        )


def _living(world: World, record: str) -> frozenset[str]:
    return frozenset(address for address, text in world.served(record).items() if text and world.accepted(text))


def kept(world: World, before: Seen) -> list[str]:
    """P1 and P2: what worked works, of every record; only a revoke ends what others have.

    A copy that shows what was made for the original is told nothing: its next run makes one of its own.
    """
    found = []
    for record in world.records:
        is_dead = record in before.working - before.copies and not world.alive(record)
        if is_dead and not before.revoking - {record}:
            found.append(f"P1: {record} publishes a dead secret")
        dead = before.served[record] - _living(world, record)
        if dead and not before.revoking and record not in before.forgetful:
            found.append(f"P2: dead at {', '.join(sorted(dead))}")
    return found


def told(world: World, before: Seen, record: str, outcome: Outcome, *, alone: bool = True) -> list[str]:
    """P4, P6: the exit code is true. ``alone``: nobody else changed anything meanwhile."""
    if outcome.code is None:
        return ["P6: hung"]
    if outcome.code not in (0, 1, 2, 3, -9):
        return [f"P6: exit {outcome.code}"]
    if outcome.code == -9:
        return []
    found = []
    if outcome.code in (1, 2, 3) and not (outcome.report.get("error") and outcome.report.get("hint")):
        found.append("exit without an error or a hint")
    if outcome.code == 1 and alone and world.published(record) != before.published[record]:
        found.append("P4: exit 1, and the record has changed")
    if outcome.code == 0 and outcome.result != "disabled" and alone:
        found += complete(world, record)
    return found


def complete(world: World, record: str) -> list[str]:
    """What is missing of what exit 0 claims."""
    found = [] if world.works(record) else ["P4: exit 0, and the record's secret is dead"]
    value = world.value(record, world.outputs[1])
    return found + [
        f"P4: exit 0, and not at {address}" for address, text in world.served(record).items() if text != value
    ]


def unseen(world: World, outcomes: Sequence[Outcome]) -> list[str]:
    """P5: no secret was written anywhere."""
    return [f"P5: leaked in {where}" for where in world.stage.leaks(outcomes)]

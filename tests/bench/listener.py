"""What the listener does under load: 1,000 events over two listeners, one of which is killed. ``make bench``.

Among the events are duplicates, older versions, unknown secrets, foreign key vaults, other types and garbage, in no
order and in any partition. Every due secret must be rotated once, and every event be dealt with.
"""

from __future__ import annotations

import os
import random
import resource
import time
from typing import Any

from sandbox.event_hub import EXPIRED, PARTITIONS, EventHub, cloud_event, event_grid, subject
from tests.stage.listener import GROUP, Listener, Many, wait
from tests.stage.rotation import Stage

EVENTS = int(os.environ.get("BENCH_EVENTS", "1000"))
DUE = int(os.environ.get("BENCH_DUE", "20"))
SEED = int(os.environ.get("BENCH_SEED", "1"))
# Of a hundred events: how many are of which kind; the rest are duplicates of what is due.
STALE, UNKNOWN, FOREIGN, OTHER, GARBAGE = 20, 15, 5, 10, 10


def messages(many: Many, chance: random.Random) -> list[Any]:
    """All events, shuffled: each due secret's at least once."""
    stage, vault = many.stage, many.vault
    stage.sandbox.keyvault.set_secret(vault, "nobodys", "not-delivered-by-any-record")
    about = [subject(vault, name) for name in many.names]
    nobodys = subject(vault, "nobodys")
    foreign = event_grid(nobodys)
    foreign["data"] = foreign["data"] | {"Id": "", "VaultName": "another-vault"}
    share = EVENTS // 100
    kinds: list[Any] = [event_grid(each) for each in about]
    kinds += [
        event_grid(subject(vault, chance.choice(many.names), f"{chance.getrandbits(128):032x}"))
        for _ in range(STALE * share)
    ]
    kinds += [event_grid(nobodys)] * (UNKNOWN * share) + [foreign] * (FOREIGN * share)
    kinds += [event_grid(about[0], "SecretNewVersionCreated")] * (OTHER * share)
    kinds += [chance.choice([b"garbage", b"[" * 5000, b"x" * 600_000, {}, []]) for _ in range(GARBAGE * share)]
    while len(kinds) < EVENTS:
        again = chance.choice(about)
        kinds.append(
            chance.choice([event_grid(again), cloud_event(again), event_grid(again, EXPIRED), [event_grid(again)]])
        )
    chance.shuffle(kinds)
    return kinds


def two(stage: Stage, hub: EventHub) -> list[Listener]:
    """Two listeners that share the partitions."""
    listeners = [Listener(stage, hub) for _ in range(2)]
    wait(lambda: [len(each.health()[1].get("partitions", [])) for each in listeners] == [PARTITIONS // 2] * 2, 60)
    return listeners


def of_one() -> None:
    """What rotations cost where events are all that a listener has to do."""
    with Stage() as stage, EventHub() as hub:
        many = Many(stage, DUE)
        listener = Listener(stage, hub)
        wait(lambda: len(listener.health()[1].get("partitions", [])) == PARTITIONS, 60)
        before, began = _cpu(), time.monotonic()
        for number, name in enumerate(many.names):
            hub.publish(many.event(name), partition=number % PARTITIONS)
        hub.flush()
        wait(lambda: all(many.rotations()), 300)
        seconds = time.monotonic() - began
        listener.stop()
        print(f"{DUE} secrets due, one listener")
        print(f"  rotations/s           {DUE / seconds:6.1f}")
        print(f"  CPU of a rotation     {(_cpu() - before) / DUE:6.2f}   seconds, the listener's start among them")


def _cpu() -> float:
    """Of the processes that were begun here and have ended, with theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def of_two() -> None:
    """What two of them do under load, one of which is killed."""
    chance = random.Random(SEED)
    with Stage() as stage, EventHub() as hub:
        many = Many(stage, DUE)
        events = messages(many, chance)
        dying, living = two(stage, hub)
        before = len(stage.sandbox.requests)
        began = time.monotonic()
        for event in events:
            hub.publish(event, partition=chance.randrange(PARTITIONS))
        hub.flush()
        wait(lambda: sum(many.rotations()) >= DUE // 3)
        dying.process.kill()
        killed = time.monotonic()
        wait(lambda: len(living.health()[1]["partitions"]) == PARTITIONS, 60)
        taken_over = time.monotonic()
        wait(lambda: hub.committed(GROUP) == hub.ends(), 120)
        done = time.monotonic()
        asked = stage.sandbox.operations()[before:]
        busy = killed - began + done - taken_over
        keeper, vault = (asked.count(f"{name}.get_secret") for name in ("keeper", "keyvault"))
        print(f"{len(events)} events, {DUE} secrets due, two listeners of which one is killed")
        print(f"  events/s              {len(events) / busy:6.0f}   while each partition had a listener")
        print(
            f"  seconds to take over  {taken_over - killed:6.1f}   with session.timeout.ms=6000; the default is 30000"
        )
        print(f"  seconds in all        {done - began:6.1f}")
        print(f"  requests              {len(asked):6}   of them {keeper} reads of Keeper, {vault} of Key Vault")
        print(f"  delivered twice       {sum(many.versions()) - 2 * DUE:6}   the same new secret, by two hosts at once")
        assert sum(hub.ends()) == len(events) and many.rotations() == [1] * DUE, many.rotations()
        living.stop()


if __name__ == "__main__":
    of_one()
    of_two()

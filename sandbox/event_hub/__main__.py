"""The process of a mock cluster: ``python -m sandbox.event_hub NAME``."""

from __future__ import annotations

import sys

from confluent_kafka import Producer

from sandbox.event_hub.hub import PARTITIONS


def main(name: str) -> None:
    """Be the cluster until stdin ends; its address is the one line on stdout."""
    cluster = Producer({"test.mock.num.brokers": 1, "log_level": 0})
    seen = cluster.list_topics(name, timeout=10)  # whoever asks for a topic makes it
    assert len(seen.topics[name].partitions) == PARTITIONS
    print(",".join(f"{broker.host}:{broker.port}" for broker in seen.brokers.values()), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])

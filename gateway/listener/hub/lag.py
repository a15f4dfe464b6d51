"""How far behind the end of each partition this listener is."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable

from confluent_kafka import Consumer, KafkaException, TopicPartition

from gateway.listener.health import Health
from gateway.listener.hub.offsets import Partition

_ASK_SECONDS = 10.0  # between two questions how far a partition goes that is not fetched from


class Lag:
    """What the metric shows. Everything here runs in the consumer's thread."""

    def __init__(self, consumer: Consumer, event_hub: str, health: Health) -> None:
        self._consumer = consumer
        self._event_hub = event_hub
        self._health = health
        self._asked_at = 0.0

    def show(self, partitions: Iterable[Partition], *, fetches: bool) -> None:
        """The events of each that are not dealt with. What is not fetched is asked for, now and then."""
        # What is remembered is from the last fetch, and while paused there is none.
        asks = not fetches and time.monotonic() - self._asked_at > _ASK_SECONDS
        self._asked_at = time.monotonic() if asks else self._asked_at
        for partition in partitions:
            with contextlib.suppress(KafkaException):
                if asks:
                    self._ask(partition)
                _, high = self._consumer.get_watermark_offsets(self._at(partition), cached=True)
                behind = self._behind(partition)
                if max(high, partition.end) >= 0 and behind >= 0:
                    lag = max(high, partition.end) - behind
                    self._health.metrics.lag.labels(str(partition.number)).set(max(0, lag))

    def _ask(self, partition: Partition) -> None:
        first, partition.end = self._consumer.get_watermark_offsets(self._at(partition), timeout=1.0)
        (committed,) = self._consumer.committed([self._at(partition)], timeout=1.0)
        partition.begin = max(first, committed.offset)

    def _behind(self, partition: Partition) -> int:
        """The first offset that is not dealt with; negative where that is not known."""
        if (following := partition.next()) is not None:
            return following
        (position,) = self._consumer.position([self._at(partition)])
        return position.offset - partition.waiting() if position.offset >= 0 else partition.begin

    def forget(self, partition: Partition) -> None:
        """It is another listener's now."""
        with contextlib.suppress(KeyError):
            self._health.metrics.lag.remove(str(partition.number))

    def _at(self, partition: Partition) -> TopicPartition:
        return TopicPartition(self._event_hub, partition.number)

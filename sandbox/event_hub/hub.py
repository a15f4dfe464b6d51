"""An Event Hub's Kafka endpoint: the mock cluster that librdkafka carries, in a process of its own.

A process of its own can be held (SIGSTOP), as if the network to it were down. There is no TLS and no sign-in in it.

with EventHub() as hub:
    hub.publish(event_grid(subject(vault, "orders-api-secret")))
    ... LISTEN_BOOTSTRAP_SERVERS=hub.address LISTEN_EVENT_HUB=hub.name LISTEN_SIGN_IN=none ...
    assert hub.committed("keeper-rotation") == hub.ends()

Source: https://github.com/confluentinc/librdkafka/blob/master/src/rdkafka_mock.h
"""

from __future__ import annotations

import json
import logging
import signal
import subprocess
import sys
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition

LARGEST = 4_000_000
PARTITIONS = 4  # what the mock cluster gives to every topic


class EventHub:
    """One Event Hub."""

    def __init__(self, name: str = "key-vault-events") -> None:
        self.name = name
        self._process, self.address = self._start()
        self._producer = Producer(self._client() | {"message.max.bytes": LARGEST, "linger.ms": 1})

    def _start(self) -> tuple[subprocess.Popen[str], str]:
        """Its process, and where it answers."""
        command = [sys.executable, "-m", "sandbox.event_hub", self.name]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert process.stdout
        return process, process.stdout.readline().strip()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Nobody answers any more."""
        self._process.kill()
        self._process.communicate()

    @property
    def variables(self) -> dict[str, str]:
        """The settings that lead a listener here."""
        return {
            "LISTEN_BOOTSTRAP_SERVERS": self.address,
            "LISTEN_EVENT_HUB": self.name,
            "LISTEN_SIGN_IN": "none",
        }

    def publish(self, *events: Any, partition: int | None = None) -> None:
        """One message: bytes as they are, one event as an object, several (or a list) as an array."""
        content = events[0] if len(events) == 1 else list(events)
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        chosen = -1 if partition is None else partition
        self._producer.produce(self.name, body, partition=chosen, on_delivery=self._delivered)
        self._producer.poll(0)

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        """Is told of each message that was published."""

    def flush(self) -> None:
        """Everything that was published is in."""
        left = self._producer.flush(20)
        assert not left, f"{left} messages are not in"

    def hold(self) -> None:
        """Nobody gets an answer any more."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Answers come again."""
        self._process.send_signal(signal.SIGCONT)

    def ends(self) -> list[int]:
        """How many messages each partition has had."""
        consumer = self._consumer("looking")
        try:
            return [consumer.get_watermark_offsets(at, timeout=5)[1] for at in self._everything()]
        finally:
            consumer.close()

    def committed(self, group: str) -> list[int]:
        """The offsets from which a group would go on; 0 where it has committed none."""
        consumer = self._consumer(group)
        try:
            return [max(0, at.offset) for at in consumer.committed(list(self._everything()), timeout=5)]
        finally:
            consumer.close()

    def _everything(self) -> Sequence[TopicPartition]:
        return [TopicPartition(self.name, number) for number in range(PARTITIONS)]

    def _consumer(self, group: str) -> Consumer:
        return Consumer(self._client() | {"group.id": group, "enable.auto.commit": False}, logger=_silent())

    def _client(self) -> dict[str, Any]:
        return {"bootstrap.servers": self.address, "log_level": 0}


def _silent() -> logging.Logger:
    logger = logging.getLogger("sandbox.event_hub")
    logger.addHandler(logging.NullHandler())
    logger.propagate = False
    return logger

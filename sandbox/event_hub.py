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
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from confluent_kafka import Consumer, Producer, TopicPartition

from sandbox.key_vault.vaults import Vault

NEAR, EXPIRED, CERTIFICATE = "SecretNearExpiry", "SecretExpired", "CertificateNearExpiry"
LARGEST = 4_000_000
PARTITIONS = 4  # what the mock cluster gives to every topic


@dataclass(frozen=True)
class Subject:
    """What an event is about."""

    vault: Vault
    name: str
    version: str
    expires: int | None = None
    not_before: int | None = None
    object_type: str = "Secret"

    @property
    def data(self) -> dict[str, Any]:
        """The event's data, as Key Vault fills it in."""
        return {
            "Id": f"{self.vault.url}/{self.object_type.lower()}s/{self.name}/{self.version}",
            "VaultName": self.vault.name,
            "ObjectType": self.object_type,
            "ObjectName": self.name,
            "Version": self.version,
            "NBF": self.not_before,
            "EXP": self.expires,
        }

    @property
    def near(self) -> str:
        """The event that says that its end is near."""
        return CERTIFICATE if self.object_type == "Certificate" else NEAR


def subject(vault: Vault, name: str, version: str = "") -> Subject:
    """A secret of a sandbox vault, in its current version or another. Raises KeyError."""
    current = vault.secrets[name.lower()].current
    return Subject(vault, name, version or current.version, current.exp)


def certificate_subject(vault: Vault, name: str, version: str = "") -> Subject:
    """A certificate of a sandbox vault, in its current version or another. Raises KeyError."""
    current = vault.certificates.live[name.lower()].versions[-1]
    return Subject(vault, name, version or current.version, current.exp, current.nbf, "Certificate")


def event_grid(about: Subject, kind: str = "") -> dict[str, Any]:
    """An event in Event Grid's own schema; by itself, that the object's end is near."""
    return {
        "id": str(uuid.uuid4()),
        "topic": about.vault.id,
        "subject": about.name,
        "eventType": f"Microsoft.KeyVault.{kind or about.near}",
        "eventTime": "2026-01-25T01:08:33.1036736Z",
        "data": about.data,
        "dataVersion": "1",
        "metadataVersion": "1",
    }


def cloud_event(about: Subject, kind: str = "") -> dict[str, Any]:
    """The same as CloudEvents 1.0."""
    return {
        "id": str(uuid.uuid4()),
        "source": about.vault.id,
        "subject": about.name,
        "type": f"Microsoft.KeyVault.{kind or about.near}",
        "time": "2026-01-25T01:08:33.1036736Z",
        "specversion": "1.0",
        "data": about.data,
    }


class EventHub:
    """One Event Hub."""

    def __init__(self, name: str = "key-vault-events") -> None:
        self.name = name
        command = [sys.executable, "-m", "sandbox.event_hub", name]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout
        self.address = self._process.stdout.readline().strip()
        self._producer = Producer(self._client() | {"message.max.bytes": LARGEST, "linger.ms": 1})

    def __enter__(self) -> EventHub:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
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
        if partition is None:
            self._producer.produce(self.name, body)
        else:
            self._producer.produce(self.name, body, partition=partition)
        self._producer.poll(0)

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


def main(name: str) -> None:
    """Be the cluster until stdin ends; its address is the one line on stdout."""
    cluster = Producer({"test.mock.num.brokers": 1, "log_level": 0})
    seen = cluster.list_topics(name, timeout=10)  # whoever asks for a topic makes it
    assert len(seen.topics[name].partitions) == PARTITIONS
    print(",".join(f"{broker.host}:{broker.port}" for broker in seen.brokers.values()), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])

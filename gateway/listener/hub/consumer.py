"""Reading the Event Hub: one thread that polls, whatever the workers do, so that a long rotation costs no membership.

Offsets are stored in the order of each partition and committed by us; a partition that goes to another listener is
left with all that is dealt with committed.
Source: https://docs.confluent.io/platform/current/clients/confluent-kafka-python/html/index.html
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Mapping
from typing import Any, Protocol

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from gateway.errors import Failed
from gateway.listener.health import EVENT_HUB, ROTATIONS, Health
from gateway.listener.hub.lag import Lag
from gateway.listener.hub.offsets import Partition
from gateway.listener.hub.outage import Outage
from gateway.listener.hub.sign_in import SignIn
from gateway.listener.queue import Work
from gateway.listener.settings import ListenSettings

log = logging.getLogger("gateway")

_POLL_SECONDS = 0.2
_COMMIT_SECONDS = 1.0
_LONG_PAUSE = 300.0  # without fetching, after which it is said

# What Azure recommends for its Event Hubs: it drops connections that are idle for four minutes.
# https://learn.microsoft.com/azure/event-hubs/apache-kafka-configurations
_PROPERTIES: Mapping[str, str | int | bool] = {
    "auto.offset.reset": "earliest",
    "session.timeout.ms": 30000,
    "connections.max.idle.ms": 180000,
    "metadata.max.age.ms": 180000,
    "socket.keepalive.enable": True,
    "client.id": "keeper-rotation",
}


class MessageHandler(Protocol):
    """Who deals with the messages: `gateway.listener.dispatch.Dispatcher`."""

    @property
    def work(self) -> Work:
        """What is under way."""

    def take(self, partition: Partition, offset: int, body: bytes | None) -> None:
        """Deal with a message, or see to it that it is dealt with."""


class Intake:
    """The consumer. Everything here runs in the thread that calls `run`."""

    def __init__(self, listen: ListenSettings, sign_in: SignIn, dispatcher: MessageHandler, health: Health) -> None:
        self._listen = listen
        self._sign_in = sign_in
        self._dispatcher = dispatcher
        self._health = health
        self._partitions: dict[int, Partition] = {}
        self._outage = Outage(listen, sign_in, health)
        self._is_paused: bool | None = False  # None: not known
        self._paused_at = float("inf")
        self._committed_at = 0.0
        self._consumer = Consumer(self._properties(), logger=_silent())
        self._lag = Lag(self._consumer, listen.event_hub, health)

    def _properties(self) -> dict[str, Any]:
        ours = {
            "bootstrap.servers": self._listen.bootstrap_servers,
            "group.id": self._listen.consumer_group,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "error_cb": self._outage.note,
            "on_commit": self._on_commit,
        }
        return {**_PROPERTIES, **self._listen.kafka, **ours, **self._sign_in.properties()}

    def run(self, stop: Any) -> None:
        """Read until ``stop.asked``, then let what is under way end, commit and leave the group.

        Raises:
            Failed: the consumer cannot go on; a new process can.
        """
        callbacks = {"on_assign": self._on_assign, "on_revoke": self._on_revoke, "on_lost": self._on_lost}
        self._consumer.subscribe([self._listen.event_hub], **callbacks)
        try:
            while not stop.asked:
                self._turn(self._consumer.poll(_POLL_SECONDS))
            self._health.stopping()
            self._dispatcher.work.stop()
            log.info("shutting down: waiting for %d rotations or checks to finish", self._dispatcher.work.running())
            self._pause(True)
            while self._dispatcher.work.running():
                self._consumer.poll(_POLL_SECONDS)
                self._commit_done()
        finally:
            self._commit_now()
            self._consumer.close()

    def _turn(self, message: Message | None) -> None:
        if fatal := self._outage.fatal:
            raise Failed(f"event hub: {fatal}", "start the listener again")
        if message is not None and (error := message.error()):
            self._health.trouble(EVENT_HUB, error.str())
        elif message is not None:
            self._take(message)
        self._commit_done()
        waiting = sum(partition.waiting() for partition in self._partitions.values())
        if waiting >= self._listen.waiting:
            self._pause(True)
            self._note_pause(waiting)
        elif waiting <= self._listen.waiting // 2:
            self._pause(False)
            self._paused_at = float("inf")
            self._health.well(ROTATIONS)
        if self._health.is_wrong(EVENT_HUB):
            self._outage.look(self._consumer)

    def _take(self, message: Message) -> None:
        number, offset = message.partition(), message.offset()
        partition = self._partitions.get(number if number is not None else -1)
        if partition is not None and offset is not None:
            self._dispatcher.take(partition, offset, message.value())

    def _pause(self, paused: bool) -> None:
        """Fetch no more, or again; polling goes on."""
        if paused == self._is_paused:
            return
        change = self._consumer.pause if paused else self._consumer.resume
        with contextlib.suppress(KafkaException):  # a partition that has just gone
            change([self._at(partition) for partition in self._partitions.values()])
            self._is_paused = paused

    def _note_pause(self, waiting: int) -> None:
        self._paused_at = min(self._paused_at, time.monotonic())
        if time.monotonic() - self._paused_at > _LONG_PAUSE:
            self._health.trouble(ROTATIONS, f"{waiting} messages are not dealt with, and no more are fetched")

    # Offsets

    def _at(self, partition: Partition, offset: int | None = None) -> TopicPartition:
        where = (self._listen.event_hub, partition.number)
        return TopicPartition(*where) if offset is None else TopicPartition(*where, offset)

    def _commit_done(self) -> None:
        """Now and then, commit what is dealt with."""
        if time.monotonic() - self._committed_at < _COMMIT_SECONDS:
            return
        self._committed_at = time.monotonic()
        self._lag.show(self._partitions.values(), fetches=self._is_paused is False)
        if self._store(self._partitions.values()):
            with contextlib.suppress(KafkaException):  # told to _on_commit
                self._consumer.commit(asynchronous=True)

    def _store(self, partitions: Any) -> bool:
        """Whether there is something new to commit."""
        changed = False
        for partition in partitions:
            offset = partition.next()
            if offset is not None and offset != partition.stored:
                with contextlib.suppress(KafkaException):  # the partition has just gone
                    self._consumer.store_offsets(offsets=[self._at(partition, offset)])
                    partition.stored, changed = offset, True
        return changed

    def _commit_now(self) -> None:
        self._store(self._partitions.values())
        try:
            self._consumer.commit(asynchronous=False)
        except KafkaException as error:
            if (what := error.args[0]).code() != KafkaError._NO_OFFSET:
                log.warning("the last commit failed, so events will be read again: %s", what.str())

    def _on_commit(self, error: KafkaError | None, _partitions: list[TopicPartition]) -> None:
        if error is None:
            self._health.well(EVENT_HUB)
        elif error.code() != KafkaError._NO_OFFSET:
            self._health.trouble(EVENT_HUB, f"commit: {error.str()}")
            for partition in self._partitions.values():
                partition.stored = None

    # Partitions come and go

    def _on_assign(self, _consumer: Consumer, assigned: list[TopicPartition]) -> None:
        self._partitions |= {each.partition: Partition(each.partition) for each in assigned}
        # One that was paused before it went is paused still:
        # https://github.com/confluentinc/confluent-kafka-go/issues/193
        self._is_paused = None
        self._health.well(EVENT_HUB)
        self._owns("assigned partitions: %s")

    def _on_revoke(self, _consumer: Consumer, revoked: list[TopicPartition]) -> None:
        """Another listener is about to go on from what we commit now: what is under way is ended first if possible."""
        leaving = self._lose(revoked)
        until = time.monotonic() + self._listen.handover_seconds
        while any(map(self._dispatcher.work.running, leaving)) and time.monotonic() < until:
            time.sleep(0.1)
        self._store(leaving)
        self._commit_now()
        self._owns("rebalancing; assigned partitions now: %s")

    def _on_lost(self, _consumer: Consumer, lost: list[TopicPartition]) -> None:
        """The group has gone on without us: whoever has them now reads again what we did not commit."""
        self._lose(lost)
        self._owns("partitions were lost to other listeners; assigned partitions now: %s")

    def _lose(self, gone: list[TopicPartition]) -> list[Partition]:
        found = [self._partitions.pop(each.partition, None) for each in gone]
        leaving = [partition for partition in found if partition]
        for partition in leaving:
            partition.lost = True
            self._lag.forget(partition)
        return leaving

    def _owns(self, what: str) -> None:
        numbers = sorted(self._partitions)
        self._health.owns(numbers)
        log.info(what, ", ".join(map(str, numbers)) or "none")


def _silent() -> logging.Logger:
    """librdkafka's own lines go nowhere: what matters of them comes as an error, and is said once."""
    logger = logging.getLogger("gateway.librdkafka")
    logger.propagate = False
    logger.addHandler(logging.NullHandler())
    return logger

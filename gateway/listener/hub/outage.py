"""What is wrong with the Event Hub, and whether it is back."""

from __future__ import annotations

import contextlib
import time

from confluent_kafka import Consumer, KafkaError, KafkaException

from gateway.errors import CallError, RotationError
from gateway.listener.health import EVENT_HUB, Health
from gateway.listener.hub.sign_in import USER, SignIn
from gateway.listener.settings import ListenSettings

_LOOK_SECONDS = 5.0  # between two looks at whether the Event Hub is back
_RENEW_SECONDS = 60.0  # between two readings of a connection string that was refused
_GONE = (KafkaError._ALL_BROKERS_DOWN, KafkaError._AUTHENTICATION)
_REASONS = (KafkaError._TRANSPORT, KafkaError._RESOLVE, KafkaError._SSL, KafkaError._AUTHENTICATION)


class Outage:
    """The errors that librdkafka tells of. ``fatal``: one after which only a new process helps."""

    def __init__(self, listen: ListenSettings, sign_in: SignIn, health: Health) -> None:
        self._listen = listen
        self._sign_in = sign_in
        self._health = health
        self._reason = self.fatal = ""
        self._is_refused = False
        self._looked_at = self._renewed_at = 0.0

    def note(self, error: KafkaError) -> None:
        """librdkafka's callback."""
        self.fatal = error.str() if error.fatal() else self.fatal
        self._reason = error.str() if error.code() in _REASONS else self._reason
        self._is_refused = self._is_refused or error.code() == KafkaError._AUTHENTICATION
        if error.code() in _GONE:
            self._health.trouble(EVENT_HUB, self._reason or error.str())

    def look(self, consumer: Consumer) -> None:
        """Now and then, whether it is back."""
        if time.monotonic() - self._looked_at < _LOOK_SECONDS:
            return
        self._looked_at = time.monotonic()
        self._renew(consumer)
        with contextlib.suppress(KafkaException):
            topic = consumer.list_topics(self._listen.event_hub, timeout=1.0).topics[self._listen.event_hub]
            if topic.error is None:
                self._is_refused, self._reason = False, ""
                self._health.well(EVENT_HUB)

    def _renew(self, consumer: Consumer) -> None:
        """A connection string that is refused may have been changed in its record."""
        due = time.monotonic() - self._renewed_at > _RENEW_SECONDS
        if self._listen.sign_in != "connection-string" or not self._is_refused or not due:
            return
        self._renewed_at = time.monotonic()
        with contextlib.suppress(CallError, RotationError):
            consumer.set_sasl_credentials(USER, self._sign_in.connection_string())

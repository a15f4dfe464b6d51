"""``python -m sandbox event``: what Event Grid would say of a secret, to the Event Hub that ``up --events`` made."""

from __future__ import annotations

import json
import os
import sys
import time
from argparse import Namespace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from azure.core.exceptions import AzureError
from azure.identity import ClientSecretCredential
from azure.keyvault.secrets import SecretClient

from sandbox.key_vault.vaults import VAULT_TYPE, Vault

if TYPE_CHECKING:
    from confluent_kafka import KafkaError, Message, TopicPartition

GROUP = "keeper-rotation"
NOT_HANDLED = "error: the event was not handled within {:g} seconds\nhint: run keeper-rotation listen in a second shell"
NO_EVENTS = "error: this shell leads to no Event Hub\nhint: start the sandbox with --events, and source its file"
ADMIN = ("SANDBOX_TENANT_ID", "SANDBOX_ADMIN_CLIENT_ID", "SANDBOX_ADMIN_CLIENT_SECRET")
SECONDS = 20


def send(options: Namespace) -> int:
    """Say that the secret is near its end; with ``wait``, return when a listener has handled it."""
    if not os.environ.get("SANDBOX_EVENTS_CONNECTION_STRING"):
        sys.exit(NO_EVENTS)
    event = _event(options.address)
    after = _publish(event)
    print(f"{event['eventType']} of {options.address}: in partition {after.partition}")
    if options.wait:
        _await(after, options.wait)
        print("handled by a listener")
    return 0


def _event(address: str) -> dict[str, Any]:
    """The event about the version that is current now. A certificate's version is that of its secret too."""
    from sandbox.event_hub.events import Subject, event_grid

    where = urlsplit(address)
    kind, _, name = where.path.strip("/").partition("/")
    admin = ClientSecretCredential(*(os.environ[name] for name in ADMIN))
    try:
        current = SecretClient(f"https://{where.netloc}", admin).get_secret(name).properties
    except (AzureError, ValueError):
        sys.exit(f"error: {address} cannot be read\nhint: it is https://VAULT.vault.azure.net/secrets/NAME")
    vault = Vault(f"{_group_id()}/providers/{VAULT_TYPE}/{where.netloc.partition('.')[0]}", VAULT_TYPE)
    expires = int(current.expires_on.timestamp()) if current.expires_on else None
    about = Subject(vault, name, current.version or "", expires, object_type=kind.removesuffix("s").title())
    return event_grid(about)


def _group_id() -> str:
    subscription, group = os.environ["SANDBOX_SUBSCRIPTION_ID"], os.environ["SANDBOX_RESOURCE_GROUP"]
    return f"/subscriptions/{subscription}/resourceGroups/{group}"


def _publish(event: dict[str, Any]) -> TopicPartition:
    """Send it; returns the place behind it."""
    from confluent_kafka import Producer, TopicPartition

    topic = os.environ["LISTEN_EVENT_HUB"]
    sent: list[TopicPartition] = []

    def delivered(error: KafkaError | None, message: Message) -> None:
        if error is None:
            sent.append(TopicPartition(topic, message.partition() or 0, (message.offset() or 0) + 1))

    producer = Producer(_client())
    producer.produce(topic, json.dumps(event).encode(), on_delivery=delivered)
    if producer.flush(SECONDS) or not sent:
        sys.exit("error: the Event Hub did not take the event\nhint: does the sandbox run still?")
    return sent[0]


def _await(after: TopicPartition, seconds: float) -> None:
    """Until the listeners' group goes on from behind the event."""
    from confluent_kafka import Consumer

    consumer = Consumer(_client() | {"group.id": GROUP})
    until = time.monotonic() + seconds
    try:
        while consumer.committed([after], timeout=SECONDS)[0].offset < after.offset:
            if time.monotonic() > until:
                sys.exit(NOT_HANDLED.format(seconds))
            time.sleep(0.2)
    finally:
        consumer.close()


def _client() -> dict[str, Any]:
    from sandbox.event_hub.signed import client_properties

    connection_string = os.environ["SANDBOX_EVENTS_CONNECTION_STRING"]
    return client_properties(os.environ["LISTEN_BOOTSTRAP_SERVERS"], connection_string, os.environ["SSL_CERT_FILE"]) | {
        "log_level": 0
    }

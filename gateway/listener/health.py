"""What the listener says of itself: ``GET /healthz`` for whoever asks whether it can work, ``GET /metrics``."""

from __future__ import annotations

import contextlib
import json
import logging
import socket
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
from gateway.model.credential import stamp

log = logging.getLogger("gateway")

EVENT_HUB, KEEPER, ROTATIONS = "event hub", "keeper", "rotations"
_CLIENTS = 16
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
        self._wrong: set[str] = set()
        self._partitions: list[int] | None = None
        self._last: dict[str, Any] = {"last_event": None, "last_rotation": None}
        self._stopping = False
        self._lock = threading.Lock()

    def trouble(self, service: str, what: str) -> None:
        """We wait for ``service``; logged where it is new."""
        with self._lock:
            is_new = service not in self._wrong
            self._wrong.add(service)
        if is_new:
            log.warning("waiting for the %s: %s", service, what)

    def well(self, service: str) -> None:
        """``service`` answered."""
        with self._lock:
            was_wrong = service in self._wrong
            self._wrong.discard(service)
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

    def rotation(self, result: str) -> None:
        """A script was run."""
        self._note("last_rotation", {"result": result})

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
                "wrong": sorted(self._wrong),
            }
        return (200 if status == "ok" else 503), content

    def _note(self, name: str, content: dict[str, str]) -> None:
        with self._lock:
            self._last[name] = content | {"at": stamp(datetime.now(UTC))}


class _Handler(BaseHTTPRequestHandler):
    timeout = 10.0  # seconds in which a client must have sent its request, and have its answer
    server_version, sys_version = "keeper-rotation", ""
    health: Health

    def setup(self) -> None:
        """`timeout` is for each read: one that sends a byte now and then would stay for ever."""
        super().setup()
        self._end = threading.Timer(self.timeout, self._cut)
        self._end.daemon = True
        self._end.start()

    def finish(self) -> None:
        """Answered."""
        self._end.cancel()
        with contextlib.suppress(OSError):  # cut off meanwhile
            super().finish()

    def _cut(self) -> None:
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

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


class _Server(ThreadingHTTPServer):
    """Answers a few at once; who comes beyond them is turned away, and a probe comes again."""

    daemon_threads = True

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._free = threading.BoundedSemaphore(_CLIENTS)

    def process_request(self, request: Any, client_address: Any) -> None:
        """As the base class, where a place is free."""
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """As the base class; the place is free again."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whatever a client did to its own connection is not worth a line."""


def serve(health: Health, address: tuple[str, int]) -> ThreadingHTTPServer:
    """Answer at ``address`` (host, port) until the process ends.

    Raises:
        Failed: the address cannot be used.
    """
    handler = type("Handler", (_Handler,), {"health": health})
    try:
        server = _Server(address, handler)
    except OSError as error:
        hint = "name another one in health_address; another listener on this host may have it"
        raise Failed(f"health address {address[0]}:{address[1]}: {error.strerror or error}", hint) from None
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server

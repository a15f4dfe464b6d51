"""The outcome of a run: one JSON line for machines on stdout, ``error:`` and ``hint:`` lines for people on stderr.

Rules of output: every text passes through `masked`; a stream that cannot be written to changes nothing.
"""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from dataclasses import asdict, dataclass, field
from typing import Any

from gateway.errors import RotationError
from gateway.secret import masked


@dataclass
class Report:
    """The keys of the JSON line. Ids and dates only, never a value."""

    result: str = ""
    why: list[str] = field(default_factory=list)
    record: str = ""
    target: str = ""
    application: str = ""
    client_id: str = ""
    key_id: str = ""
    expires: str = ""
    next_due: str = ""
    proved: str = ""
    removed: list[str] = field(default_factory=list)
    kept: list[dict[str, str]] = field(default_factory=list)
    delivered: list[str] = field(default_factory=list)
    pending: list[str] = field(default_factory=list)
    drift: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    error: str = ""
    hint: str = ""
    seconds: float = 0.0

    def __post_init__(self) -> None:
        self._began = time.monotonic()
        self._closed = threading.Lock()

    def keep(self, key_id: str, why: str) -> None:
        """Name a credential that stays."""
        if all(kept["key_id"] != key_id for kept in self.kept):
            self.kept.append({"key_id": key_id, "why": why})

    def remove(self, key_id: str) -> None:
        """Name a credential that is gone, though it was to stay as long as nothing else was known."""
        self.kept = [kept for kept in self.kept if kept["key_id"] != key_id]
        self.removed.append(key_id)

    def close(self, outcome: RotationError | None) -> int:
        """Write the line, and what people need to know, once; the exit code."""
        if self._closed.locked():
            return outcome.exit_code if outcome else 0
        self._closed.acquire()
        if outcome:
            self.result, self.error, self.hint = outcome.result, outcome.message, outcome.hint
        self.seconds = round(time.monotonic() - self._began, 3)
        for warning in self.warnings:
            _write(2, masked(f"warning: {warning}\n"))
        for name, text in (("error", self.error), ("hint", self.hint)):
            if text:
                _write(2, masked(f"{name}: {text}\n"))
        line = {key: value if key == "result" else _masked(value) for key, value in asdict(self).items()}
        _write(1, json.dumps(line) + "\n")
        return outcome.exit_code if outcome else 0


class Stderr(logging.Handler):
    """The package's log on stderr, one short line each, masked."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        _write(2, masked(f"{record.levelname.lower()}: {record.getMessage()}\n"))


def _masked(value: Any) -> Any:
    """Texts masked one by one: a secret that is an ordinary word must not break the line's own form."""
    if isinstance(value, str):
        return masked(value)
    if isinstance(value, list):
        return [_masked(entry) for entry in value]
    return {key: _masked(entry) for key, entry in value.items()} if isinstance(value, dict) else value


def _write(stream: int, text: str) -> None:
    # Past Python's buffers: a stdout that is closed or full must not turn into an exit code of its own at the end.
    data = text.encode(errors="backslashreplace")
    try:
        while data:
            data = data[os.write(stream, data) :]
    except OSError:
        pass

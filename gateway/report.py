"""The outcome of a run: one JSON line for machines on stdout, ``error:`` and ``hint:`` lines for people on stderr.

Rules of output: everything passes through `masked`; a stream that cannot be written to changes nothing.
"""

from __future__ import annotations

import json
import logging
import os
import time
from dataclasses import asdict, dataclass, field

from gateway.errors import RotationError
from gateway.secret import masked


@dataclass
class Report:
    """The keys of the JSON line. Ids and dates only, never a value."""

    result: str = ""
    record: str = ""
    target: str = ""
    application: str = ""
    client_id: str = ""
    key_id: str = ""
    expires: str = ""
    proved: str = ""
    removed: list[str] = field(default_factory=list)
    kept: list[dict[str, str]] = field(default_factory=list)
    delivered: list[str] = field(default_factory=list)
    pending: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    error: str = ""
    hint: str = ""
    seconds: float = 0.0

    def __post_init__(self) -> None:
        self._began = time.monotonic()

    def keep(self, key_id: str, why: str) -> None:
        """Name a credential that stays."""
        if all(kept["key_id"] != key_id for kept in self.kept):
            self.kept.append({"key_id": key_id, "why": why})

    def close(self, outcome: RotationError | None) -> int:
        """Write the line, and what people need to know; the exit code."""
        if outcome:
            self.result, self.error, self.hint = outcome.result, outcome.message, outcome.hint
        self.seconds = round(time.monotonic() - self._began, 3)
        for warning in self.warnings:
            _write(2, f"warning: {warning}\n")
        for name, text in (("error", self.error), ("hint", self.hint)):
            if text:
                _write(2, f"{name}: {text}\n")
        _write(1, json.dumps(asdict(self)) + "\n")
        return outcome.exit_code if outcome else 0


class Stderr(logging.Handler):
    """The package's log on stderr, one short line each, masked."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        _write(2, f"{record.levelname.lower()}: {record.getMessage()}\n")


def _write(stream: int, text: str) -> None:
    # Past Python's buffers: a stdout that is closed or full must not turn into an exit code of its own at the end.
    data = masked(text).encode(errors="backslashreplace")
    try:
        while data:
            data = data[os.write(stream, data) :]
    except OSError:
        pass

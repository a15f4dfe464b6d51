"""The outcome of a run: one JSON line for machines on stdout and in the host's history, ``error:`` and ``hint:`` lines
for people on stderr.

Rules of output: every text passes through `shown`; a stream that cannot be written to changes nothing.
"""

from __future__ import annotations

import json
import logging
import os
import re
import secrets
import socket
import threading
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from time import monotonic
from typing import Any

from gateway import __version__
from gateway.errors import RotationError
from gateway.host.shown import shown

# What is wrong with each of many destinations stands in one text.
_LONGEST_TEXT = 20_000
# Of applications, their secrets and tenants, and of versions in Key Vault.
_ID = re.compile(r"[0-9a-f]{8}(-?[0-9a-f]{4}){3}-?[0-9a-f]{12}")

# No secret can be in these, and one that is an ordinary word must not break them.
_OURS = ("result", "record", "time", "run", "version")


@dataclass
class Report:
    """The keys of the JSON line. Ids and dates only, never a value."""

    result: str = ""
    why: list[str] = field(default_factory=list)
    record: str = ""
    title: str = ""
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
    told: str = ""
    error: str = ""
    hint: str = ""
    time: str = ""
    seconds: float = 0.0
    host: str = field(default_factory=socket.gethostname)
    run: str = field(default_factory=lambda: secrets.token_hex(8))
    version: str = __version__
    exit_code: int = 0

    def __post_init__(self) -> None:
        self._began = monotonic()
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
        if not self._closed.acquire(blocking=False):
            return outcome.exit_code if outcome else 0
        self._conclude(outcome)
        for warning in self.warnings:
            _say("warning", warning)
        for hint, parts in groupby(outcome.parts if outcome else (), lambda part: part.hint):
            for part in parts:
                _say("error", part.message)
            if hint:
                _say("hint", hint)
        _write(1, self._line() + "\n")
        return self.exit_code

    def note(self, outcome: RotationError) -> str:
        """As `close`, for a run that could not write its own line: only in the history; the line."""
        self._conclude(outcome)
        return self._line()

    def _conclude(self, outcome: RotationError | None) -> None:
        if outcome:
            self.result, self.error, self.hint = outcome.result, outcome.message, outcome.hint
        self.exit_code = outcome.exit_code if outcome else 0
        self.time = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self.seconds = round(monotonic() - self._began, 3)
        self._remember()

    def _remember(self) -> None:
        try:
            from gateway.host.history import remember

            problem = remember(self._line())
        except Exception as error:  # an upgrade is replacing the package; a run that is over ends as it did
            problem = f"history: unforeseen {type(error).__name__}; the package may have been replaced meanwhile"
        if problem:
            self.warnings.append(problem)

    def _line(self) -> str:
        line = {key: value if key in _OURS else _shown(value) for key, value in asdict(self).items()}
        return json.dumps(line)


class Stderr(logging.Handler):
    """The package's log on stderr, one line each."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        _say(record.levelname.lower(), record.getMessage())


def _shown(value: Any) -> Any:
    """Texts one by one: a secret that is an ordinary word must not break the line's own form.

    An id is no secret, whatever field of the record holds the same text: who rotated what stays readable.
    """
    if isinstance(value, str):
        return value if _ID.fullmatch(value) else shown(value, _LONGEST_TEXT)
    if isinstance(value, list):
        return [_shown(entry) for entry in value]
    return {key: _shown(entry) for key, entry in value.items()} if isinstance(value, dict) else value


def _say(name: str, text: str) -> None:
    _write(2, shown(f"{name}: {text}") + "\n")


def _write(stream: int, text: str) -> None:
    # Past Python's buffers: a stdout that is closed or full must not turn into an exit code of its own at the end.
    data = text.encode(errors="backslashreplace")
    try:
        while data:
            data = data[os.write(stream, data) :]
    except OSError:
        pass

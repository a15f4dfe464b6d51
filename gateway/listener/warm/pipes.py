"""What is said to a run and heard of it."""

from __future__ import annotations

import contextlib
import itertools
import os
import select
from time import monotonic

from gateway.host.background import Background

_MOST_BYTES = 1_000_000


def hear(told: int, text: bytes, seconds: float) -> tuple[bytes, bool]:
    """What is told of a run by then, after this text; whether that is all."""
    until = monotonic() + seconds
    while text.count(b"\n") < 2:
        if not select.select([told], [], [], max(0.0, until - monotonic()))[0]:
            return text, False
        if not (part := os.read(told, 64)):
            break
        text += part
    return text, True


def pipes(number: int) -> list[tuple[int, int]]:
    """So many, or none. Raises OSError."""
    made: list[tuple[int, int]] = []
    try:
        for _ in range(number):
            made.append(os.pipe())
    except OSError:
        for end in itertools.chain(*made):
            os.close(end)
        raise
    return made


def write(pipe: int, line: bytes) -> None:
    """All of it, if it is read; then the end."""
    with contextlib.suppress(BrokenPipeError), os.fdopen(pipe, "wb") as file:
        file.write(line)


def read(pipe: int) -> bytes:
    """To its end; the first of it, where it is long."""
    content = b""
    with os.fdopen(pipe, "rb", buffering=0) as file:
        while part := file.read(65_536):
            content = (content + part)[:_MOST_BYTES]
    return content


def rest(reading: Background[bytes], seconds: float) -> bytes:
    """What it has read, after so long at most."""
    try:
        return reading.result(seconds)
    except (TimeoutError, OSError):
        return b""

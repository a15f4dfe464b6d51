"""How far a command has come, on stderr, where it takes longer than a moment."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gateway.commands.shared.output import note
from gateway.host.background import Background

QUIET_SECONDS, EVERY_SECONDS = 2.0, 5.0


@contextmanager
def progress(state: Callable[[], str]) -> Iterator[None]:
    """While this is open, print what ``state`` returns now and then; nothing where that is empty."""
    done = threading.Event()

    def tell() -> None:
        seconds = QUIET_SECONDS
        while not done.wait(seconds):
            if text := state():
                note(text)
            seconds = EVERY_SECONDS

    Background(tell)
    try:
        yield
    finally:
        done.set()

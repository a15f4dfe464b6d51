"""Something begun now and asked for later, so that waiting for one service overlaps with waiting for another."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")
# Connections to one host at a time; requests keeps ten of them open.
AT_ONCE = 8


class Background(Generic[T]):
    """``call`` runs in a thread of its own from now on; the thread never keeps the process alive."""

    def __init__(self, call: Callable[[], T]) -> None:
        self._call = call
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._result = self._call()
        except Exception as error:
            self._error = error

    def result(self, seconds: float | None = None) -> T:
        """What ``call`` returned; waits for it, and raises what it raised.

        Raises:
            TimeoutError: it is not done after so many seconds.
        """
        self._thread.join(seconds)
        if self._thread.is_alive():
            raise TimeoutError
        if self._error is not None:
            raise self._error
        return self._result


def side_by_side(call: Callable[[R], T], items: Sequence[R]) -> list[T]:
    """What ``call`` returns for each, `AT_ONCE` at a time; what one raises ends the rest, and is raised."""
    waiting = list(enumerate(items))[::-1]
    results: dict[int, T] = {}

    def work() -> None:
        while waiting:
            try:
                number, item = waiting.pop()
            except IndexError:  # another one was quicker
                return
            try:
                results[number] = call(item)
            except BaseException:
                waiting.clear()
                raise

    for each in [Background(work) for _ in range(min(AT_ONCE, len(items)))]:
        each.result()
    return [results[number] for number in range(len(items))]

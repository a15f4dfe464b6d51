"""What the tests share. Nothing here reaches past loopback: the scripts see only the sandbox's proxy."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.stage.key_vault import Scene
from tests.stage.rotation import Stage
from tests.sweep.deep import mark_deep

# A shell starts a command in the background with SIGINT ignored, and every process of a test would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Before ``-m "not deep"`` chooses."""
    mark_deep(items)


@pytest.fixture
def stage() -> Iterator[Stage]:
    """Two old secrets, one of which is published, and an admin record attached to the script."""
    with Stage() as made:
        yield made


@pytest.fixture
def make_stage() -> Iterator[Callable[..., Stage]]:
    """Stages with other furniture; all are cleared away at the end."""
    with ExitStack() as stack:

        def make(**furnish: Any) -> Stage:
            return stack.enter_context(Stage(**furnish))

        yield make


@pytest.fixture
def scene() -> Iterator[Scene]:
    """A tenant with two key vaults and a certificate."""
    with Scene() as made:
        assert isinstance(made, Scene)
        yield made

"""The lists of requests that other tests are made from are those of today's runs."""

from __future__ import annotations

import pytest

from tests.sweep import command_scenes
from tests.sweep.deep import deep_unless
from tests.sweep.known_requests import counted, known
from tests.sweep.scenes import SCENES


@pytest.mark.parametrize("name", deep_unless(lambda name: name not in command_scenes.SCENES, SCENES))
def test_they_are_current(name: str) -> None:
    kept = counted(operation for operation, _ in known(name))
    assert kept == SCENES[name](), "renew the lists: python -m tests.sweep.scenes"

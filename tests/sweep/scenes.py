"""Every scene of which the requests are kept, with what runs it without a fault, and counts.

``python -m tests.sweep.scenes`` writes ``known_requests.json`` anew.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial

from tests.kinds import test_storage_key
from tests.sweep import certificate, command_scenes, commands, rotation, tls_secret
from tests.sweep.known_requests import PATH

SCENES: dict[str, Callable[[], dict[str, int]]] = {
    **{name: partial(rotation.requests, scene) for name, scene in rotation.SCENES.items()},
    "storage key": test_storage_key.requests,
    "certificate": certificate.requests,
    "tls-secret rediscover": tls_secret.requests,
    **{name: partial(commands.requests, name) for name in command_scenes.SCENES},
}

if __name__ == "__main__":
    PATH.write_text(json.dumps({name: ask() for name, ask in SCENES.items()}, indent=1) + "\n", encoding="utf-8")

"""A service that notifications are sent to."""

from __future__ import annotations

import json
import re
from typing import Any

from sandbox.proxy.messages import Request, Response
from sandbox.proxy.service import Service, route

URL = "jsons://operator:hook-password-77@hooks.example.com/rotation"


class Hooks(Service):
    """A web hook of somebody's."""

    name = "hooks"
    hosts = ("hooks.example.com",)

    def __init__(self) -> None:
        self.received: list[dict[str, Any]] = []
        self.logins: list[str] = []

    @route("POST", r"/rotation/?", "notify")
    def notify(self, request: Request, match: re.Match[str]) -> Response:
        self.received.append(json.loads(request.body))
        names = {name.lower(): value for name, value in request.headers.items()}
        self.logins.append(names.get("authorization", ""))
        return Response(200, b"", {})

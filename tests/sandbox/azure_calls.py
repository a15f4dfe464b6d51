"""Plain requests to Resource Manager and Azure DevOps, as one application would make them."""

from __future__ import annotations

from typing import Any

import requests

from sandbox import Sandbox
from sandbox.devops.base import AUDIENCE

ARM = "https://management.azure.com"
DEVOPS = "https://dev.azure.com"


class Calls:
    """A session with one application's token, which puts the api-version into every address."""

    def __init__(self, sandbox: Sandbox, client_id: str, root: str = ARM, audience: str = ARM) -> None:
        self.root = root
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {sandbox.tokens.issue(client_id, audience)}"

    def send(self, method: str, path: str, version: str, **more: Any) -> requests.Response:
        """One request."""
        joint = "&" if "?" in path else "?"
        return self.session.request(method, f"{self.root}{path}{joint}api-version={version}", timeout=10, **more)

    def get(self, path: str, version: str = "2026-02-01") -> requests.Response:
        """A GET."""
        return self.send("GET", path, version)


def devops_calls(sandbox: Sandbox, client_id: str) -> Calls:
    """The same for Azure DevOps."""
    return Calls(sandbox, client_id, DEVOPS, AUDIENCE)


def refusal(answer: requests.Response) -> tuple[int, str]:
    """Status and code of an error of Resource Manager."""
    return answer.status_code, answer.json()["error"]["code"]

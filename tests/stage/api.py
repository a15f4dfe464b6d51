"""Requests to Azure as an administrator would make them beside a run."""

from __future__ import annotations

from typing import Any

import requests

from tests.stage.rotation import Stage

GRAPH, ARM, VAULT = "https://graph.microsoft.com", "https://management.azure.com", "https://vault.azure.net"


class Api:
    """The services as another client sees them: plain HTTPS through the sandbox's proxy, with a token of the admin."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.proxies = {"https": stage.variables["HTTPS_PROXY"]}
        self._session.verify = stage.variables["REQUESTS_CA_BUNDLE"]

    def ask(self, audience: str, method: str, url: str, **more: Any) -> Any:
        """The JSON answer of one request that succeeds."""
        token = self.stage.sandbox.tokens.issue(self.stage.at.admin_client_id, audience)
        answer = self._session.request(method, url, headers={"Authorization": f"Bearer {token}"}, timeout=10, **more)
        assert answer.ok, answer.text
        return answer.json() if answer.content else {}

    def app(self) -> Any:
        """The application in Graph."""
        return self.ask(GRAPH, "GET", f"{GRAPH}/v1.0/applications/{self.stage.at.target_object_id}")

    def arm(self, path: str, version: str, method: str = "GET") -> Any:
        """A resource in Resource Manager."""
        return self.ask(ARM, method, f"{ARM}{path}{'&' if '?' in path else '?'}api-version={version}")

    def signs_in(self, secret: str) -> bool:
        """Whether the app's secret is accepted at the token endpoint."""
        url = f"https://login.microsoftonline.com/{self.stage.at.tenant_id}/oauth2/v2.0/token"
        form = {"client_id": self.stage.at.target_client_id, "client_secret": secret, "scope": f"{GRAPH}/.default"}
        return self._session.post(url, data=form | {"grant_type": "client_credentials"}, timeout=10).ok

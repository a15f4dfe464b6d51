"""A sandbox per test, and clients that nobody here wrote: requests and Keeper's unmodified SDK."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from keeper_secrets_manager_core import SecretsManager
from keeper_secrets_manager_core.storage import InMemoryKeyValueStorage

from sandbox import Furnished, Sandbox

GRAPH = "https://graph.microsoft.com/v1.0"


@pytest.fixture
def sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    for name in ("https_proxy", "no_proxy", "NO_PROXY", "KSM_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    with Sandbox() as sandbox:
        for name, value in sandbox.env(tmp_path).items():
            monkeypatch.setenv(name, value)
        yield sandbox
    assert sandbox.errors == []


@pytest.fixture
def names(sandbox: Sandbox) -> Furnished:
    return sandbox.furnish()


@pytest.fixture
def ksm(sandbox: Sandbox) -> SecretsManager:
    return SecretsManager(config=InMemoryKeyValueStorage(json.dumps(sandbox.keeper.client_config())))


@pytest.fixture
def sign_in(sandbox: Sandbox) -> Callable[..., requests.Response]:
    """POST to the token endpoint; keywords replace or (as None) leave out what is sent."""

    def post(client_id: str, secret: str | None, tenant: str | None = None, **more: str | None) -> requests.Response:
        form = {
            "grant_type": "client_credentials",
            "client_id": client_id,
            "client_secret": secret,
            "scope": "https://graph.microsoft.com/.default",
        } | more
        url = f"https://login.microsoftonline.com/{tenant or sandbox.directory.tenant_id}/oauth2/v2.0/token"
        return requests.post(url, data=form, timeout=10)

    return post


@pytest.fixture
def graph(sandbox: Sandbox, names: Furnished) -> Iterator[requests.Session]:
    """A session that carries the furnished admin's token."""
    with session_for(sandbox, names.admin_client_id) as session:
        yield session


def session_for(sandbox: Sandbox, client_id: str) -> requests.Session:
    session = requests.Session()
    token = sandbox.tokens.issue(client_id, "https://graph.microsoft.com")
    session.headers["Authorization"] = f"Bearer {token}"
    return session

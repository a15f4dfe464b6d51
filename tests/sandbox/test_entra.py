"""Signing in: Microsoft's own libraries, and each refusal with its number."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msal
import pytest
import requests
from azure.identity import ClientSecretCredential, ManagedIdentityCredential, WorkloadIdentityCredential

from sandbox import Furnished, Sandbox
from tests.sandbox.conftest import GRAPH, session_for

SignIn = Callable[..., requests.Response]
SCOPE = "https://graph.microsoft.com/.default"
DAY = 86400


def code(response: requests.Response) -> tuple[int, str, int]:
    content = response.json()
    assert content["error_description"].startswith(f"AADSTS{content['error_codes'][0]}: ")
    return response.status_code, content["error"], content["error_codes"][0]


def test_msal_signs_in_and_graph_accepts_the_token(sandbox: Sandbox, names: Furnished) -> None:
    app = msal.ConfidentialClientApplication(
        names.admin_client_id, names.admin_secret, f"https://login.microsoftonline.com/{names.tenant_id}"
    )
    token = app.acquire_token_for_client([SCOPE])
    answer = requests.get(
        f"{GRAPH}/applications/{names.target_object_id}",
        headers={"Authorization": f"Bearer {token['access_token']}"}, timeout=10,
    )  # fmt: skip
    assert (answer.status_code, token["expires_in"]) == (200, 3599)


@pytest.mark.parametrize(
    ("authority", "host", "graph"),
    [
        ("login.microsoftonline.com", "login.microsoftonline.com", "graph.microsoft.com"),
        ("login.microsoftonline.us", "login.microsoftonline.us", "graph.microsoft.us"),
        ("login.partner.microsoftonline.cn", "login.partner.microsoftonline.cn", "microsoftgraph.chinacloudapi.cn"),
    ],
)
def test_azure_identity_signs_in_to_each_cloud(
    sandbox: Sandbox, names: Furnished, authority: str, host: str, graph: str
) -> None:
    credential = ClientSecretCredential(names.tenant_id, names.admin_client_id, names.admin_secret, authority=authority)
    token = credential.get_token(f"https://{graph}/.default").token
    answer = requests.get(
        f"https://{graph}/v1.0/applications/{names.target_object_id}",
        headers={"Authorization": f"Bearer {token}"}, timeout=10,
    )  # fmt: skip
    assert answer.status_code == 200
    assert host in {request.host for request in sandbox.requests}


def test_a_host_has_a_managed_identity(sandbox: Sandbox, names: Furnished, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in sandbox.identity_env().items():
        monkeypatch.setenv(name, value)
    sandbox.identity.client_id = names.admin_client_id
    token = ManagedIdentityCredential().get_token(SCOPE).token
    assert sandbox.tokens.check(f"Bearer {token}", "https://graph.microsoft.com").client_id == names.admin_client_id


def test_each_refusal_has_its_number(sandbox: Sandbox, names: Furnished, sign_in: SignIn) -> None:
    graph, entra = sandbox.graph, sandbox.entra
    admin, secret = names.admin_client_id, names.admin_secret
    no_principal = graph.new_application("no principal", service_principal=False)
    personal = graph.new_application("personal", audience="PersonalMicrosoftAccount")
    disabled, blocked = graph.new_application("disabled"), graph.new_application("blocked")
    disabled.disabled, blocked.blocked_by_conditional_access = True, True
    expired = graph.add_password(names.target_object_id, expires_in_days=-1)[1]
    nobody = "00000000-0000-0000-0000-000000000000"
    rows = {
        "a wrong secret": (sign_in(admin, "wrong"), (401, "invalid_client", 7000215)),
        "the key id in place of the secret": (sign_in(admin, names.admin_key_id), (401, "invalid_client", 7000215)),
        "an expired secret": (sign_in(names.target_client_id, expired), (401, "invalid_client", 7000222)),
        "an unknown application": (sign_in(nobody, secret), (400, "unauthorized_client", 700016)),
        "personal accounts only": (sign_in(personal.client_id, "x"), (400, "unauthorized_client", 700016)),
        "no service principal": (sign_in(no_principal.client_id, "x"), (400, "unauthorized_client", 7000229)),
        "a disabled application": (sign_in(disabled.client_id, "x"), (400, "unauthorized_client", 7000112)),
        "no secret at all": (sign_in(admin, None), (401, "invalid_client", 7000218)),
        "an unknown tenant": (sign_in(admin, secret, tenant=nobody), (400, "invalid_request", 90002)),
        "a missing parameter": (sign_in(admin, secret, scope=None), (400, "invalid_request", 900144)),
        "a bad scope": (sign_in(admin, secret, scope="everything"), (400, "invalid_scope", 70011)),
        "blocked, but the secret is wrong": (sign_in(blocked.client_id, "x"), (401, "invalid_client", 7000215)),
        "blocked": (sign_in(blocked.client_id, graph.add_password(blocked)[1]), (400, "invalid_grant", 53003)),
        "a foreign assertion": (
            sign_in(admin, None, client_assertion="x", client_assertion_type="y"), (401, "invalid_client", 50012),
        ),
    }  # fmt: skip
    assert {row: code(answer) for row, (answer, _) in rows.items()} == {row: want for row, (_, want) in rows.items()}
    assert not entra.secret_works(names.target_client_id, expired)


def test_a_federated_token_signs_in(sandbox: Sandbox, names: Furnished, sign_in: SignIn) -> None:
    sandbox.entra.federated_tokens["from-the-cluster"] = names.admin_client_id
    kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    answer = sign_in(names.admin_client_id, None, client_assertion="from-the-cluster", client_assertion_type=kind)
    assert answer.status_code == 200
    assert (sandbox.requests[-1].client_id, sandbox.requests[-1].by_secret) == (names.admin_client_id, False)


def test_a_workload_identity_signs_in(sandbox: Sandbox, names: Furnished, tmp_path: Path) -> None:
    sandbox.entra.federated_tokens["from-the-cluster"] = names.admin_client_id
    (tmp_path / "token").write_text("from-the-cluster")
    credential = WorkloadIdentityCredential(
        tenant_id=names.tenant_id, client_id=names.admin_client_id, token_file_path=str(tmp_path / "token")
    )
    assert credential.get_token(SCOPE).expires_on > sandbox.clock.now()


def test_a_new_secret_propagates(sandbox: Sandbox, names: Furnished, graph: requests.Session, sign_in: SignIn) -> None:
    sandbox.entra.propagation_seconds = 10
    sandbox.entra.propagation_flaps = (True, False)
    text = graph.post(f"{GRAPH}/applications/{names.target_object_id}/addPassword", json={}).json()["secretText"]
    assert code(sign_in(names.target_client_id, text))[2] == 7000215
    assert not sandbox.entra.secret_works(names.target_client_id, text)
    sandbox.clock.advance(11)
    assert [sign_in(names.target_client_id, text).status_code for _ in range(4)] == [200, 401, 200, 200]
    assert sandbox.entra.secret_works(names.target_client_id, text)


def test_a_removed_secret_stops_at_once_but_its_token_lives_on(
    sandbox: Sandbox, names: Furnished, sign_in: SignIn
) -> None:
    session = session_for(sandbox, names.admin_client_id)
    sandbox.graph.remove(names.admin_object_id, names.admin_key_id)
    assert code(sign_in(names.admin_client_id, names.admin_secret))[2] == 7000215
    assert session.get(f"{GRAPH}/applications/{names.target_object_id}").status_code == 200
    sandbox.clock.advance(DAY)
    assert session.get(f"{GRAPH}/applications/{names.target_object_id}").status_code == 401


def test_metadata(sandbox: Sandbox) -> None:
    base = "https://login.microsoftonline.com"
    for tenant in (sandbox.directory.tenant_id, sandbox.directory.domain, "organizations"):
        content = requests.get(f"{base}/{tenant}/v2.0/.well-known/openid-configuration", timeout=10).json()
        assert content["token_endpoint"].endswith("/oauth2/v2.0/token") and content["authorization_endpoint"]
    assert requests.get(f"{base}/elsewhere/v2.0/.well-known/openid-configuration", timeout=10).status_code == 400
    assert "tenant_discovery_endpoint" in requests.get(f"{base}/common/discovery/instance", timeout=10).json()


def test_an_echoing_server_quotes_what_it_was_sent(sandbox: Sandbox, names: Furnished, sign_in: SignIn) -> None:
    assert "a-wrong-one" not in sign_in(names.admin_client_id, "a-wrong-one").text
    sandbox.entra.echoes_requests = True
    assert "a-wrong-one" in sign_in(names.admin_client_id, "a-wrong-one").text

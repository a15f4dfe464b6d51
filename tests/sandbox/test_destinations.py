"""The furnished destinations: they hold the published secret, work, and are open to the admin for just that."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import msal
import pytest
import requests

from sandbox import Sandbox
from sandbox.furnish.destinations import Destinations
from tests.sandbox.azure_calls import Calls, devops_calls, refusal
from tests.sandbox.test_command import running

SCOPES = (
    "https://vault.azure.net/.default",
    "https://vault.usgovcloudapi.net/.default",
    "https://management.azure.com/.default",
    "https://management.core.windows.net//.default",
    "499b84ac-1321-427f-aa17-267ca6975798/.default",
)


def test_they_hold_the_published_secret_and_it_works(sandbox: Sandbox) -> None:
    names = sandbox.furnish()
    made = sandbox.furnish_destinations(names)
    held = made.held()
    assert held.pop(made.runbook_address) is None
    assert set(held.values()) == {names.old_secrets[-1]}
    assert set(made.working().values()) == set(made.tested().values()) == {True}
    sandbox.graph.remove(names.target_object_id, names.old_key_ids[-1])
    assert set(made.working().values()) == set(made.tested().values()) == {False}


def test_the_addresses_lead_to_them(sandbox: Sandbox) -> None:
    names = sandbox.furnish()
    made = sandbox.furnish_destinations(names)
    arm, devops = Calls(sandbox, names.admin_client_id), devops_calls(sandbox, names.admin_client_id)
    for address in (made.runbook_address, made.connection_address, made.set_connection_address):
        assert arm.get(address).json()["id"] == address
    page = urlsplit(made.devops_address)
    organization, project = page.path.strip("/").split("/")[:2]
    endpoint = parse_qs(page.query)["resourceId"][0]
    path = f"/{organization}/{project}/_apis/serviceendpoint/endpoints/{endpoint}"
    assert devops.get(path, "7.1").json()["authorization"]["parameters"]["serviceprincipalid"] == names.target_client_id
    token = sandbox.tokens.issue(names.admin_client_id, "https://vault.azure.net")
    headers = {"Authorization": f"Bearer {token}"}
    secret = requests.get(f"{made.secret_address}?api-version=7.4", headers=headers, timeout=10).json()
    assert (secret["value"], secret["contentType"]) == (names.old_secrets[-1], "text/plain") and secret["tags"]
    assert [address.split("?")[0] for address in made.addresses] == [
        made.secret_address, made.devops_address.split("?")[0], made.runbook_address, made.connection_address,
        made.set_connection_address,
    ]  # fmt: skip


def test_the_admin_can_do_no_more_than_deliver(sandbox: Sandbox) -> None:
    names = sandbox.furnish()
    made = sandbox.furnish_destinations(names)
    admin = Calls(sandbox, names.admin_client_id)
    vaults = f"{sandbox.group_id}/providers/Microsoft.KeyVault/vaults"
    assert admin.get(vaults).json()["value"] == []
    assert refusal(admin.get(made.account.id)) == (403, "AuthorizationFailed")
    assert refusal(admin.send("PUT", sandbox.group_id, "2022-09-01", json={})) == (403, "AuthorizationFailed")


def test_browsing_takes_more_roles(sandbox: Sandbox) -> None:
    names = sandbox.furnish()
    made = sandbox.furnish_destinations(names, browse=True)
    admin = Calls(sandbox, names.admin_client_id)
    found = admin.get(f"{sandbox.group_id}/providers/Microsoft.KeyVault/vaults").json()["value"]
    assert made.vault.id in [vault["id"] for vault in found]
    assert admin.get(f"{made.account.id}/runbooks").json()["value"][0]["name"] == made.runbook.name


def test_nothing_is_granted_where_that_is_asked_for(sandbox: Sandbox) -> None:
    names = sandbox.furnish()
    made = sandbox.furnish_destinations(names, granted=False)
    assert refusal(Calls(sandbox, names.admin_client_id).get(made.connection_address)) == (403, "AuthorizationFailed")


def test_two_rotations_have_destinations_of_their_own(sandbox: Sandbox) -> None:
    first = sandbox.furnish_destinations(sandbox.furnish())
    second = sandbox.furnish_destinations(sandbox.furnish(display_name="billing-api"), prefix="billing")
    assert not set(first.addresses) & set(second.addresses)
    assert set(first.working().values()) == set(second.working().values()) == {True}


@pytest.mark.parametrize("scope", SCOPES)
def test_tokens_for_all_of_them(sandbox: Sandbox, scope: str) -> None:
    names = sandbox.furnish()
    authority = f"https://login.microsoftonline.com/{names.tenant_id}"
    app = msal.ConfidentialClientApplication(names.admin_client_id, names.admin_secret, authority)
    assert app.acquire_token_for_client([scope])["access_token"] in sandbox.issued


def test_what_the_command_names_is_there(tmp_path: Path) -> None:
    with running(tmp_path / "sandbox.env") as (_, variables):
        net = {"proxies": {"https": variables["HTTPS_PROXY"]}, "verify": variables["REQUESTS_CA_BUNDLE"]}

        def token(resource: str) -> dict[str, str]:
            form = {
                "client_id": variables["SANDBOX_ADMIN_CLIENT_ID"], "grant_type": "client_credentials",
                "client_secret": variables["SANDBOX_ADMIN_CLIENT_SECRET"], "scope": f"{resource}/.default",
            }  # fmt: skip
            url = f"https://login.microsoftonline.com/{variables['SANDBOX_TENANT_ID']}/oauth2/v2.0/token"
            answer = requests.post(url, data=form, timeout=10, **net)
            return {"Authorization": f"Bearer {answer.json()['access_token']}"}

        secret = f"{variables['SANDBOX_KEY_VAULT_URL']}secrets/mine?api-version=7.4"
        vault_token = token("https://vault.azure.net")
        made = requests.put(secret, json={"value": "x"}, headers=vault_token, timeout=10, **net)
        group = (
            f"https://management.azure.com/subscriptions/{variables['SANDBOX_SUBSCRIPTION_ID']}/resourceGroups/"
            f"{variables['SANDBOX_RESOURCE_GROUP']}?api-version=2022-09-01"
        )
        found = requests.get(group, headers=token("https://management.azure.com"), timeout=10, **net)
        assert (made.status_code, found.status_code) == (200, 200)


def test_echoing_services_quote_what_they_were_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Sandbox(echoes_requests=True) as sandbox:
        for name, value in sandbox.env(tmp_path).items():
            monkeypatch.setenv(name, value)
        names = sandbox.furnish()
        made = sandbox.furnish_destinations(names)
        vault = Calls(sandbox, names.admin_client_id, made.vault.url, "https://vault.azure.net")
        devops, arm = devops_calls(sandbox, names.admin_client_id), Calls(sandbox, names.admin_client_id)
        answers = [
            vault.send("PUT", "/secrets/under_score", "7.4", json={"value": "shh"}),
            arm.send("PUT", made.connection_address, "2016-06-01", json={"value": "shh"}),
            devops.send("PUT", "/contoso/_apis/serviceendpoint/endpoints/none", "7.1", json={"value": "shh"}),
        ]
        assert all("shh" in answer.text and not answer.ok for answer in answers)


def test_the_helpers_read_what_is_there_now(sandbox: Sandbox) -> None:
    names = sandbox.furnish()
    made: Destinations = sandbox.furnish_destinations(names)
    sandbox.keyvault.set_secret(made.vault, made.secret_name, "something else")
    assert made.held()[made.secret_address] == "something else" and not made.working()[made.secret_address]
    sandbox.keyvault.delete_secret(made.vault, made.secret_name)
    assert made.held()[made.secret_address] is None

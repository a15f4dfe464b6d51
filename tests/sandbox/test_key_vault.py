"""Key Vault: Microsoft's own client, shapes against recordings, roles, versions and soft delete."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import requests
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.identity import ClientSecretCredential
from azure.keyvault.secrets import SecretClient

from sandbox import Furnished, Sandbox, Status
from sandbox.key_vault.vaults import Vault
from tests.sandbox.shapes import Recording, differences

OFFICER = "Key Vault Secrets Officer"
CLOUDS = [
    (".vault.azure.net", "login.microsoftonline.com"),
    (".vault.usgovcloudapi.net", "login.microsoftonline.us"),
    (".vault.azure.cn", "login.chinacloudapi.cn"),
]


@pytest.fixture
def vault(sandbox: Sandbox, names: Furnished) -> Vault:
    # Microsoft's client remembers each host's tenant for as long as the process lives, so no two tests share a host.
    vault = sandbox.keyvault.add_vault(f"orders-{uuid.uuid4().hex[:12]}", retention_days=7)
    sandbox.keyvault.grant(names.admin_client_id, OFFICER, vault)
    return vault


def client_of(vault: Vault, names: Furnished, authority: str = "login.microsoftonline.com") -> SecretClient:
    credential = ClientSecretCredential(
        names.tenant_id, names.admin_client_id, names.admin_secret, authority=authority, disable_instance_discovery=True
    )
    return SecretClient(vault.url, credential, retry_total=0)


@pytest.fixture
def client(vault: Vault, names: Furnished) -> Iterator[SecretClient]:
    with client_of(vault, names) as client:
        yield client


@pytest.fixture
def plain(sandbox: Sandbox, names: Furnished) -> requests.Session:
    """A session with the admin's token, for what Microsoft's client would not send."""
    session = requests.Session()
    token = sandbox.tokens.issue(names.admin_client_id, "https://vault.azure.net")
    session.headers["Authorization"] = f"Bearer {token}"
    session.params = {"api-version": "7.4"}
    return session


def refusal(answer: requests.Response) -> tuple[int, str, str | None]:
    error = answer.json()["error"]
    return answer.status_code, error["code"], error.get("innererror", {}).get("code")


@pytest.mark.parametrize(("suffix", "authority"), CLOUDS)
def test_microsofts_client_in_each_cloud(sandbox: Sandbox, names: Furnished, suffix: str, authority: str) -> None:
    vault = sandbox.keyvault.add_vault("cloudy", suffix=suffix)
    sandbox.keyvault.grant(names.admin_client_id, OFFICER, vault)
    with client_of(vault, names, authority) as client:
        client.set_secret("orders", "first")
        assert client.get_secret("orders").value == "first"
    assert sandbox.operations()[:1] == ["keyvault.challenge"]
    assert [name for name in sandbox.operations() if name.startswith("keyvault.")] == [
        "keyvault.challenge", "keyvault.set_secret", "keyvault.get_secret",
    ]  # fmt: skip
    assert {request.host for request in sandbox.requests} == {f"cloudy{suffix}", authority}


def test_a_set_takes_nothing_over(sandbox: Sandbox, client: SecretClient, vault: Vault) -> None:
    expires = datetime(2099, 5, 7, tzinfo=UTC)
    first = client.set_secret("orders", "one", tags={"a": "b"}, content_type="text/plain", expires_on=expires)
    second = client.set_secret("orders", "two")
    assert (first.properties.tags, first.properties.expires_on) == ({"a": "b"}, expires)
    assert (second.properties.tags, second.properties.content_type, second.properties.expires_on) == ({}, None, None)
    old = client.get_secret("orders", first.properties.version)
    assert (old.value, client.get_secret("orders").value) == ("one", "two")
    assert [entry.value for entry in sandbox.keyvault.versions(vault, "orders")] == ["one", "two"]
    assert sandbox.keyvault.versions(vault, "orders")[0].content_type == "text/plain"


def test_lists_come_in_pages_and_versions_in_no_order_of_time(
    sandbox: Sandbox, client: SecretClient, vault: Vault
) -> None:
    for number in range(30):
        sandbox.keyvault.set_secret(vault, f"secret-{number}")
        sandbox.keyvault.set_secret(vault, "many", str(number))
        sandbox.clock.advance(1)
    assert len(list(client.list_properties_of_secrets())) == 31
    versions = list(client.list_properties_of_secret_versions("many"))
    made = [version.created_on for version in versions]
    assert len(made) == 30 and made != sorted(made) and made != sorted(made, reverse=True)
    assert sandbox.operations().count("keyvault.list_secrets") == 2
    page = next(iter(client.list_properties_of_secrets(max_page_size=1).by_page()))
    assert len(list(page)) == 1


def test_an_update_changes_what_it_names(sandbox: Sandbox, client: SecretClient, vault: Vault) -> None:
    first = client.set_secret("orders", "one", tags={"a": "b"}, content_type="text/plain")
    client.set_secret("orders", "two")
    version = first.properties.version
    changed = client.update_secret_properties("orders", version, enabled=False)
    assert (changed.enabled, changed.tags, changed.content_type) == (False, {"a": "b"}, "text/plain")
    assert client.update_secret_properties("orders", version, tags={"c": "d"}).tags == {"c": "d"}
    with pytest.raises(HttpResponseError) as caught:
        client.get_secret("orders", version)
    assert caught.value.status_code == 403 and caught.value.error.innererror["code"] == "SecretDisabled"
    assert client.get_secret("orders").value == "two"
    with pytest.raises(ResourceNotFoundError):
        client.update_secret_properties("orders", "0" * 32, enabled=False)


def test_an_expired_or_future_secret_can_still_be_read(client: SecretClient) -> None:
    past, future = datetime(2001, 1, 1, tzinfo=UTC), datetime(2099, 1, 1, tzinfo=UTC)
    client.set_secret("past", "x", expires_on=past)
    client.set_secret("future", "y", not_before=future)
    assert (client.get_secret("past").value, client.get_secret("future").value) == ("x", "y")


def test_a_deleted_name_is_taken_until_it_is_purged(sandbox: Sandbox, client: SecretClient, vault: Vault) -> None:
    client.set_secret("orders", "one")
    client.begin_delete_secret("orders").wait()
    with pytest.raises(ResourceExistsError) as caught:
        client.set_secret("orders", "two")
    assert caught.value.error.innererror["code"] == "ObjectIsDeletedButRecoverable"
    with pytest.raises(ResourceNotFoundError):
        client.get_secret("orders")
    deleted = client.get_deleted_secret("orders")
    assert deleted.scheduled_purge_date and deleted.deleted_date and "deletedsecrets" in str(deleted.recovery_id)
    assert [entry.name for entry in client.list_deleted_secrets()] == ["orders"]
    client.begin_recover_deleted_secret("orders").wait()
    assert client.get_secret("orders").value == "one"
    sandbox.keyvault.delete_secret(vault, "orders")
    client.purge_deleted_secret("orders")
    assert client.set_secret("orders", "two").value == "two"
    assert [entry.value for entry in sandbox.keyvault.versions(vault, "orders")] == ["two"]


def test_a_deletion_and_a_recovery_take_time(sandbox: Sandbox, vault: Vault, plain: requests.Session) -> None:
    sandbox.keyvault.transition_seconds = 20
    sandbox.keyvault.set_secret(vault, "orders", "one")
    secret, deleted = f"{vault.url}/secrets/orders", f"{vault.url}/deletedsecrets/orders"
    assert plain.delete(secret).status_code == 200
    assert plain.get(deleted).status_code == 404
    assert refusal(plain.put(secret, json={"value": "two"})) == (409, "Conflict", "ObjectIsBeingDeleted")
    sandbox.clock.advance(21)
    assert plain.get(deleted).status_code == 200
    assert plain.post(f"{deleted}/recover").status_code == 200
    assert plain.get(secret).status_code == 404
    assert refusal(plain.put(secret, json={"value": "two"})) == (409, "Conflict", "ObjectIsBeingRecovered")
    sandbox.clock.advance(21)
    assert plain.put(secret, json={"value": "two"}).status_code == 200


@pytest.mark.parametrize(
    ("role", "whole_vault", "allowed"),
    [
        (None, True, set()),
        ("Key Vault Reader", True, {"list", "versions"}),
        ("Key Vault Secrets User", True, {"get", "list", "versions"}),
        (OFFICER, True, {"get", "list", "versions", "set", "update", "delete"}),
        (OFFICER, False, {"get", "versions", "set", "update", "delete"}),
        ("Owner", True, set()),
    ],
)
def test_each_role_allows_what_it_should(
    sandbox: Sandbox, names: Furnished, plain: requests.Session, role: str | None, whole_vault: bool, allowed: set[str]
) -> None:
    vault = sandbox.keyvault.add_vault("guarded")
    sandbox.keyvault.set_secret(vault, "orders")
    sandbox.keyvault.set_secret(vault, "other")
    if role:
        sandbox.keyvault.grant(names.admin_client_id, role, vault, None if whole_vault else "orders")
    secret = f"{vault.url}/secrets/orders"
    answers = {
        "get": plain.get(secret), "list": plain.get(f"{vault.url}/secrets"),
        "versions": plain.get(f"{secret}/versions"), "set": plain.put(secret, json={"value": "x"}),
        "update": plain.patch(secret, json={"tags": {}}), "delete": plain.delete(secret),
    }  # fmt: skip
    assert {name for name, answer in answers.items() if answer.ok} == allowed
    assert {refusal(answer) for answer in answers.values() if not answer.ok} <= {(403, "Forbidden", "ForbiddenByRbac")}
    if not whole_vault:
        assert plain.get(f"{vault.url}/secrets/other").status_code == 403


def test_the_firewall_and_the_vaults_own_tenant(sandbox: Sandbox, vault: Vault, plain: requests.Session) -> None:
    vault.firewall = True
    assert refusal(plain.get(f"{vault.url}/secrets")) == (403, "Forbidden", "ForbiddenByFirewall")
    foreign = sandbox.keyvault.add_vault("foreign", tenant_id="11111111-1111-1111-1111-111111111111")
    answer = plain.get(f"{foreign.url}/secrets")
    assert answer.status_code == 401 and "AKV10032" in answer.text
    assert "11111111-1111-1111-1111-111111111111" in answer.headers["WWW-Authenticate"]


def test_a_token_for_something_else_is_refused(sandbox: Sandbox, names: Furnished, vault: Vault) -> None:
    token = sandbox.tokens.issue(names.admin_client_id, "https://management.azure.com")
    headers = {"Authorization": f"Bearer {token}"}
    answer = requests.get(f"{vault.url}/secrets?api-version=7.4", headers=headers, timeout=10)
    assert answer.status_code == 401 and "AKV10022" in answer.text


def test_a_vault_that_is_not_there_is_no_host(sandbox: Sandbox, vault: Vault) -> None:
    with pytest.raises(requests.exceptions.ProxyError):
        requests.get("https://typo-vault.vault.azure.net/secrets", timeout=10)
    assert [(entry.host, entry.accepted) for entry in sandbox.connects] == [("typo-vault.vault.azure.net", False)]


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("under_score", {"value": "x"}),
        ("a" * 128, {"value": "x"}),
        ("orders", {"value": "x" * (25 * 1024 + 1)}),
        ("orders", {"value": None}),
        ("orders", {"value": "x", "tags": {str(number): "x" for number in range(16)}}),
        ("orders", {"value": "x", "tags": {"a": "x" * 513}}),
        ("orders", {"value": "x", "contentType": "x" * 256}),
        ("orders", {"value": "x", "attributes": {"exp": "tomorrow"}}),
    ],
)
def test_limits(sandbox: Sandbox, vault: Vault, plain: requests.Session, name: str, body: dict[str, object]) -> None:
    assert refusal(plain.put(f"{vault.url}/secrets/{name}", json=body)) == (400, "BadParameter", None)
    assert sandbox.keyvault.versions(vault, name) == []


def test_an_api_version_is_needed(vault: Vault, plain: requests.Session) -> None:
    plain.params = {}
    assert refusal(plain.get(f"{vault.url}/secrets")) == (400, "BadParameter", None)
    assert plain.get(f"{vault.url}/secrets?api-version=2026-04-01").status_code == 200


def test_a_fault_counts_only_requests_with_a_token(sandbox: Sandbox, client: SecretClient) -> None:
    sandbox.fault("keyvault", "set_secret", Status(503))
    with pytest.raises(HttpResponseError) as caught:
        client.set_secret("orders", "one")
    assert caught.value.status_code == 503
    assert [request.status for request in sandbox.requests if request.service == "keyvault"] == [401, 503]


def test_a_new_role_acts_later(sandbox: Sandbox, names: Furnished, plain: requests.Session) -> None:
    vault = sandbox.keyvault.add_vault("fresh")
    sandbox.roles.propagation_seconds = 300
    sandbox.keyvault.grant(names.admin_client_id, OFFICER, vault)
    assert plain.get(f"{vault.url}/secrets").status_code == 403
    sandbox.clock.advance(301)
    assert plain.get(f"{vault.url}/secrets").status_code == 200


def test_the_shapes_are_those_of_the_recording(sandbox: Sandbox, vault: Vault, plain: requests.Session) -> None:
    recording = Recording("keyvault__test_keyvault_secret")
    secret, tags = f"{vault.url}/secrets/secret1", {"team": "orders"}
    anyones = frozenset({"/tags", "/value[]/tags"})

    def check(number: int, answer: requests.Response) -> None:
        status, theirs = recording.answer(number)
        ours = answer.json() if answer.content else None
        assert (answer.status_code, differences(ours, theirs, anyones)) == (status, []), recording.call(number)

    challenge = requests.put(f"{secret}?api-version=7.4", timeout=10)
    check(4, challenge)
    theirs = recording.challenge(4)
    assert challenge.headers["WWW-Authenticate"].split("/")[:3] == theirs.split("/")[:3]
    assert challenge.headers["WWW-Authenticate"].split('", ')[1] == theirs.split('", ')[1]
    check(5, plain.put(secret, json={"value": "first", "tags": tags}))
    plain.put(f"{vault.url}/secrets/secret2", json={"value": "other", "tags": tags})
    check(7, plain.get(f"{vault.url}/secrets"))
    check(9, plain.get(f"{vault.url}/secrets", params={"maxresults": "1"}))
    check(11, plain.put(secret, json={"value": "second", "tags": tags, "contentType": "text/plain"}))
    check(16, plain.get(f"{secret}/"))
    check(19, plain.patch(f"{secret}/", json={"attributes": {"enabled": False}}))
    check(21, plain.delete(secret))
    check(22, plain.delete(f"{vault.url}/deletedsecrets/secret1"))
    check(12, plain.get(f"{vault.url}/secrets/secret2/versions"))
    assert sandbox.keyvault.value(vault, "secret2") == "other"

"""The blobs of storage accounts: Microsoft's own client, signatures, and what a regenerated key does to them."""

from __future__ import annotations

from collections.abc import Callable
from email.utils import formatdate
from xml.etree import ElementTree

import pytest
import requests
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ServiceRequestError
from azure.storage.blob import BlobServiceClient

from sandbox import Furnished, Sandbox, Status
from sandbox.furnish.storage import KEY_OPERATOR
from sandbox.proxy.messages import Request
from sandbox.storage.accounts import SUFFIXES, StorageAccount
from sandbox.storage.signature import signature, string_to_sign
from tests.sandbox.azure_calls import ARM, Calls
from tests.sandbox.shapes import Recording, differences

Client = Callable[[str], BlobServiceClient]
INFORMATION = "/?restype=account&comp=properties"
# The example of https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key, and the documented
# oddities besides: names and values sorted, lengths of zero left out, white space folded.
SIGNED = [
    (
        Request("GET", "myaccount.blob.core.windows.net", "/mycontainer?restype=container&comp=metadata&timeout=20", {
            "x-ms-date": "Fri, 26 Jun 2015 23:39:12 GMT", "x-ms-version": "2015-02-21", "content-length": "0",
            "date": "Fri, 26 Jun 2015 23:39:13 GMT",
        }),
        "GET\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:Fri, 26 Jun 2015 23:39:12 GMT\nx-ms-version:2015-02-21\n"
        "/myaccount/mycontainer\ncomp:metadata\nrestype:container\ntimeout:20",
    ),
    (
        Request("PUT", "myaccount.blob.core.windows.net", "/my%20box/b?Include=snapshots&include=metadata&q=a%2Fb", {
            "content-type": "text/plain", "content-length": "11", "date": "Fri, 26 Jun 2015 23:39:12 GMT",
            "range": "bytes=0-5", "x-ms-meta-note": "two \t words",
        }),
        "PUT\n\n\n11\n\ntext/plain\nFri, 26 Jun 2015 23:39:12 GMT\n\n\n\n\nbytes=0-5\nx-ms-meta-note:two words\n"
        "/myaccount/my%20box/b\ninclude:metadata,snapshots\nq:a/b",
    ),
]  # fmt: skip


@pytest.fixture
def account(sandbox: Sandbox) -> StorageAccount:
    return sandbox.storage.add_account("ordersdata")


@pytest.fixture
def client(account: StorageAccount) -> Client:
    return lambda key: client_of(account, key)


def client_of(account: StorageAccount, key: str) -> BlobServiceClient:
    return BlobServiceClient(account.blob_url, credential=key, retry_total=0)


def refused(client: BlobServiceClient) -> tuple[int | None, str]:
    with client, pytest.raises(HttpResponseError) as caught:
        client.get_account_information()
    return caught.value.status_code, caught.value.error_code  # type: ignore[attr-defined]


def signed(account: StorageAccount, key: str, target: str = INFORMATION, **headers: str) -> requests.Response:
    """A request signed here, for what Microsoft's client would not send."""
    sent = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": "2021-12-02"} | headers
    own = signature(key, account.name, Request("GET", account.host("blob"), target, sent))
    address = account.blob_url.rstrip("/") + target
    return requests.get(address, headers={"Authorization": f"SharedKey {account.name}:{own}"} | sent, timeout=10)


@pytest.mark.parametrize("name", ["key1", "key2"])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_either_key_opens_the_account_in_every_cloud(sandbox: Sandbox, name: str, suffix: str) -> None:
    account = sandbox.storage.add_account("ordersdata", suffix=suffix)
    key = sandbox.storage.keys("ordersdata")[name]
    with client_of(account, key) as client:
        assert client.account_name == "ordersdata" and client.primary_hostname == f"ordersdata.blob.{suffix}"
        found = client.get_account_information()
        assert (found["sku_name"], found["account_kind"]) == ("Standard_LRS", "StorageV2")
        properties = client.get_service_properties()
        assert properties["analytics_logging"].read is properties["hour_metrics"].enabled is False
        assert properties["static_website"].enabled is False and properties["cors"] == []
        assert list(client.list_containers(name_starts_with="no such")) == []
    with BlobServiceClient.from_connection_string(account.connection_string(name)) as client:
        assert client.primary_hostname == account.host("blob") and client.get_account_information()
    assert sandbox.operations() == [f"blob.{name}" for name in (
        "get_account_information", "get_service_properties", "list_containers", "get_account_information",
    )]  # fmt: skip


def test_a_regenerated_key_replaces_the_old_one(sandbox: Sandbox, account: StorageAccount, client: Client) -> None:
    before, times = sandbox.storage.keys(account), sandbox.storage.creation_times(account)
    with client(before["key2"]) as used:
        assert used.get_account_information()
        new = sandbox.storage.regenerate("ordersdata", "key2")
        with pytest.raises(ClientAuthenticationError):
            used.get_account_information()
    assert refused(client(before["key2"])) == (403, "AuthenticationFailed")
    assert client(new).get_account_information() and client(before["key1"]).get_account_information()
    after = sandbox.storage.creation_times(account.id)
    assert after["key1"] == times["key1"] and after["key2"] > times["key2"]
    assert sandbox.storage.keys(account) == {"key1": before["key1"], "key2": new}


def test_every_regeneration_is_counted(sandbox: Sandbox, names: Furnished, account: StorageAccount) -> None:
    other = sandbox.storage.add_account("billing")
    sandbox.arm.grant(names.admin_client_id, KEY_OPERATOR)
    arm, made = Calls(sandbox, names.admin_client_id), {*sandbox.storage.keys(account).values()}
    for path, key in ((account.id, "key2"), (other.id, "key1"), (account.id, "key2"), (account.id, "key9")):
        answer = arm.send("POST", f"{path}/regenerateKey", "2023-05-01", json={"keyName": key})
        made |= {entry["value"] for entry in answer.json().get("keys", [])}
    sandbox.storage.regenerate(account, "key1")
    made |= {*sandbox.storage.keys(account).values(), *sandbox.storage.keys(other).values()}
    assert sandbox.storage.regenerations == [
        ("ordersdata", "key2"), ("billing", "key1"), ("ordersdata", "key2"), ("ordersdata", "key1"),
    ]  # fmt: skip
    assert len(made) == 7 and made <= set(sandbox.issued)


def test_a_new_key_is_accepted_later_and_the_old_one_dies_at_once(
    sandbox: Sandbox, account: StorageAccount, client: Client
) -> None:
    sandbox.storage.propagation_seconds = 30
    old, other = sandbox.storage.keys(account).values()
    new = sandbox.storage.regenerate(account, "key1")
    assert sandbox.storage.keys(account)["key1"] == new and not sandbox.storage.key_works("ordersdata", new)
    assert refused(client(old)) == refused(client(new)) == (403, "AuthenticationFailed")
    assert client(other).get_account_information()
    sandbox.clock.advance(31)
    assert client(new).get_account_information() and sandbox.storage.key_works("ordersdata", new)
    assert refused(client(old)) == (403, "AuthenticationFailed")


@pytest.mark.parametrize(("minutes", "accepted"), [(14, True), (-14, True), (16, False), (-16, False)])
def test_a_clock_that_is_wrong(
    sandbox: Sandbox, account: StorageAccount, client: Client, minutes: int, accepted: bool
) -> None:
    key = sandbox.storage.keys(account)["key1"]
    sandbox.clock.advance(minutes * 60)
    if accepted:
        assert client(key).get_account_information()
    else:
        assert refused(client(key)) == (403, "AuthenticationFailed")
        sandbox.blobs.skew_seconds = None
        assert client(key).get_account_information()


def test_an_account_that_admits_no_keys(sandbox: Sandbox, names: Furnished) -> None:
    account = sandbox.storage.add_account("ordersdata", allow_shared_key=False)
    key = sandbox.storage.keys(account)["key1"]
    assert refused(client_of(account, key)) == (403, "KeyBasedAuthenticationNotPermitted")
    assert not sandbox.storage.key_works("ordersdata", key)
    sandbox.arm.grant(names.admin_client_id, "Contributor", account.id)
    arm = Calls(sandbox, names.admin_client_id)
    assert arm.get(account.id).json()["properties"]["allowSharedKeyAccess"] is False
    assert arm.send("POST", f"{account.id}/listKeys", "2023-05-01").json()["keys"][0]["value"] == key


def test_an_account_that_is_not_there_is_no_host(sandbox: Sandbox, account: StorageAccount) -> None:
    key = sandbox.storage.keys(account)["key1"]
    for host in ("typo.blob.core.windows.net", "ordersdata.blob.core.chinacloudapi.cn"):
        client = BlobServiceClient(f"https://{host}", credential=key, retry_total=0)
        with client, pytest.raises(ServiceRequestError):
            client.get_account_information()
    assert {entry.host for entry in sandbox.connects if not entry.accepted} == {
        "typo.blob.core.windows.net", "ordersdata.blob.core.chinacloudapi.cn"
    }  # fmt: skip
    for name, suffix in (("no-dashes", SUFFIXES[0]), ("ordersdata", "core.example.com")):
        with pytest.raises(ValueError, match="storage account"):
            sandbox.storage.add_account(name, suffix=suffix)


@pytest.mark.parametrize(("request_", "text"), SIGNED)
def test_what_is_signed(request_: Request, text: str) -> None:
    assert string_to_sign("myaccount", request_) == text


def test_a_signature_covers_the_whole_request(sandbox: Sandbox, account: StorageAccount) -> None:
    key = sandbox.storage.keys(account)["key1"]
    answer = signed(account, key)
    assert answer.status_code == 200
    sent = {name: answer.request.headers[name] for name in ("Authorization", "x-ms-date", "x-ms-version")}
    assert requests.get(str(answer.url), headers=sent, timeout=10).status_code == 200
    changed = [
        (INFORMATION.replace("account", "service"), {}), (INFORMATION, {"x-ms-version": "2020-10-02"}),
        (INFORMATION, {"x-ms-note": "added"}), (INFORMATION, {"Content-Type": "text/plain"}),
        (INFORMATION, {"Authorization": sent["Authorization"].replace("ordersdata", "billing")}),
    ]  # fmt: skip
    for target, more in changed:
        spoilt = requests.get(account.blob_url.rstrip("/") + target, headers=sent | more, timeout=10)
        assert (spoilt.status_code, spoilt.headers["x-ms-error-code"]) == (403, "AuthenticationFailed")


@pytest.mark.parametrize(
    ("header", "status", "code"),
    [
        (None, 401, "NoAuthenticationInformation"),
        ("Bearer token", 401, "InvalidAuthenticationInfo"),
        ("SharedKey nonsense", 400, "InvalidAuthenticationInfo"),
        ("SharedKey ordersdata:bm9uc2Vuc2U=", 403, "AuthenticationFailed"),
        ("SharedKey ordersdata:käse", 403, "AuthenticationFailed"),
    ],
)
def test_a_refusal_is_xml_and_names_its_code(
    account: StorageAccount, header: str | None, status: int, code: str
) -> None:
    headers = {"x-ms-date": formatdate(usegmt=True), "x-ms-client-request-id": "mine"}
    authorization = {"Authorization": header.encode("latin-1")} if header else {}
    answer = requests.get(account.blob_url + INFORMATION[1:], headers={**headers, **authorization}, timeout=10)
    error = ElementTree.fromstring(answer.content)
    assert (answer.status_code, answer.headers["x-ms-error-code"], error.findtext("Code")) == (status, code, code)
    assert answer.headers["x-ms-request-id"] in str(error.findtext("Message"))
    assert answer.headers["x-ms-client-request-id"] == "mine" and answer.headers["Content-Type"] == "application/xml"
    assert ("WWW-Authenticate" in answer.headers) == (status == 401)


@pytest.mark.parametrize("date", ["", "yesterday"])
def test_a_request_without_a_date(sandbox: Sandbox, account: StorageAccount, date: str) -> None:
    answer = signed(account, sandbox.storage.keys(account)["key1"], **{"x-ms-date": date})
    assert (answer.status_code, answer.headers["x-ms-error-code"]) == (403, "AuthenticationFailed")


def test_nothing_else_is_served(sandbox: Sandbox, account: StorageAccount) -> None:
    key = sandbox.storage.keys(account)["key1"]
    answers = [signed(account, key, target) for target in ("/?comp=nonsense", "/orders?restype=container")]
    assert [(answer.status_code, answer.headers["x-ms-error-code"]) for answer in answers] == [
        (400, "InvalidQueryParameterValue"), (404, "ResourceNotFound"),
    ]  # fmt: skip


def test_a_fault_has_the_services_own_form(sandbox: Sandbox, account: StorageAccount, client: Client) -> None:
    sandbox.fault("blob", "get_account_information", Status(503))
    key = sandbox.storage.keys(account)["key1"]
    assert refused(client(key)) == (503, "ServerBusy")
    assert client(key).get_account_information()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_resource_manager_tells_where_the_account_is(sandbox: Sandbox, names: Furnished, suffix: str) -> None:
    made = sandbox.furnish_storage(names, suffix=suffix)
    host = ARM.replace("azure.com", suffix.removeprefix("core.")) if suffix != SUFFIXES[0] else ARM
    shown = Calls(sandbox, names.admin_client_id, host, host).get(made.account_id).json()
    endpoints = shown["properties"]["primaryEndpoints"]
    assert endpoints == {
        service: f"https://ordersdata.{service}.{suffix}/" for service in ("blob", "queue", "table", "file")
    }
    assert endpoints["blob"] == made.blob_url
    theirs = Recording("storage__test_storage_account_show_exit_codes").answer(0)[1]
    # The recording is of a version that did not know which services admit keys.
    unserved = frozenset(
        f"/properties/{name}" for name in ("networkAcls", "encryption", "allowSharedKeyAccessForServices")
    )
    assert differences(shown, theirs, unserved) == []


def test_a_furnished_record_publishes_a_key_that_works(sandbox: Sandbox, names: Furnished) -> None:
    made = sandbox.furnish_storage(names, published="key2", settings={"validity_days": "60"}, without=("NOOP",))
    record = sandbox.keeper.record(made.record_uid)
    assert (record.type, record.value("active_key"), record.value("validity_days")) == ("pamUser", "key2", "60")
    assert record.value("storage_account_id") == made.account_id and record.value("NOOP") is None
    assert record.value("storage_key") == made.first_keys["key2"] == sandbox.storage.keys(made.account_name)["key2"]
    with BlobServiceClient.from_connection_string(record.value("connection_string")) as client:
        assert client.get_account_information()
    arm = Calls(sandbox, names.admin_client_id)
    assert arm.get(made.account_id).json()["properties"]["keyCreationTime"] == made.first_times
    answer = arm.send("POST", f"{made.account_id}/regenerateKey", "2023-05-01", json={"keyName": "key1"})
    assert answer.status_code == 200 and sandbox.storage.keys(made.account_id)["key1"] != made.first_keys["key1"]
    empty = sandbox.keeper.record(sandbox.furnish_storage(names, name="billing", published=None).record_uid)
    assert {empty.value(label) for label in ("active_key", "storage_key", "connection_string", "expires")} == {
        "pending-first-rotation"
    }


NEW = {"sku": {"name": "Standard_LRS"}, "kind": "StorageV2", "location": "westeurope"}


@pytest.mark.deep
def test_an_account_is_made(sandbox: Sandbox, names: Furnished) -> None:
    """As Microsoft's client does it: put, and ask where the answer says."""
    calls = Calls(sandbox, names.admin_client_id)
    sandbox.arm.grant(names.admin_client_id, "Contributor", sandbox.group_id)
    place = f"{sandbox.group_id}/providers/Microsoft.Storage/storageAccounts"
    answer = calls.send("PUT", f"{place}/shopdata", "2025-08-01", json=NEW)
    assert (answer.status_code, answer.content) == (202, b"")
    made = calls.session.get(answer.headers["Location"], timeout=10).json()
    assert made["id"].endswith("/shopdata") and made == calls.get(f"{place}/shopdata", "2025-08-01").json()
    assert calls.send("PUT", f"{place}/shopdata", "2025-08-01", json=NEW).json() == made
    keys = sandbox.storage.keys("shopdata")
    assert calls.send("POST", f"{place}/shopdata/listKeys", "2025-08-01").json()["keys"][0]["value"] == keys["key1"]


WRONG_ACCOUNTS = [
    ("Shop-Data", NEW, (400, "AccountNameInvalid")),
    ("shopdata", {"kind": "StorageV2"}, (400, "InvalidRequestPropertyName")),
    ("ordersdata", NEW, (409, "StorageAccountAlreadyTaken")),
    ("denied", NEW, (403, "AuthorizationFailed")),
]


@pytest.mark.deep
@pytest.mark.parametrize(("name", "content", "expected"), WRONG_ACCOUNTS)
def test_an_account_that_cannot_be_made(
    name: str, content: dict[str, object], expected: tuple[int, str], sandbox: Sandbox, names: Furnished
) -> None:
    sandbox.storage.add_account("ordersdata", "another-group")
    if name != "denied":
        sandbox.arm.grant(names.admin_client_id, "Contributor", sandbox.group_id)
    path = f"{sandbox.group_id}/providers/Microsoft.Storage/storageAccounts/{name}"
    answer = Calls(sandbox, names.admin_client_id).send("PUT", path, "2025-08-01", json=content)
    assert (answer.status_code, answer.json()["error"]["code"]) == expected

"""Key Vault's certificates: Microsoft's own client, real keys and X.509, shapes against recordings, roles."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.identity import ClientSecretCredential
from azure.keyvault.certificates import (
    AdministratorContact,
    CertificateClient,
    CertificateContact,
    CertificatePolicy,
    CertificatePolicyAction,
    LifetimeAction,
)
from azure.keyvault.secrets import SecretClient
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12

from gateway.listener.events import Event, read_events
from sandbox import Furnished, Sandbox
from sandbox.event_hub import certificate_subject, cloud_event, event_grid
from sandbox.key_vault.base import KeyVaultError
from sandbox.key_vault.certificates.authority import certificate_authority
from sandbox.key_vault.vaults import Vault
from sandbox.key_vault.x509 import make_csr, make_key, parse_subject, shown_subject
from tests.sandbox.azure_calls import Calls
from tests.sandbox.shapes import Recording, differences

OFFICER, USER, READER = "Key Vault Certificates Officer", "Key Vault Certificate User", "Key Vault Reader"
PFX, PEM = "application/x-pkcs12", "application/x-pem-file"
SUBJECT = "CN=orders.example.com, O=Contoso, C=US"
SELF = CertificatePolicy("Self", subject=SUBJECT, key_type="EC", key_curve_name="P-256")
UNKNOWN = CertificatePolicy("Unknown", subject=SUBJECT, key_type="EC", key_curve_name="P-256")
PROPS = {"ekus": [], "key_usage": ["digitalSignature"], "sans": {"dns_names": ["orders.example.com"]}}
DER, TEXT = serialization.Encoding.DER, serialization.Encoding.PEM
PKCS8, OPEN = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
YEAR = 365 * 86400.0


@pytest.fixture
def vault(sandbox: Sandbox, names: Furnished) -> Vault:
    # Microsoft's client remembers each host's tenant for as long as the process lives, so no two tests share a host.
    vault = sandbox.keyvault.add_vault(f"orders-{uuid.uuid4().hex[:12]}", retention_days=7)
    sandbox.keyvault.grant(names.admin_client_id, OFFICER, vault)
    sandbox.keyvault.grant(names.admin_client_id, "Key Vault Secrets Officer", vault)
    return vault


@pytest.fixture
def credential(names: Furnished) -> ClientSecretCredential:
    return ClientSecretCredential(
        names.tenant_id, names.admin_client_id, names.admin_secret, disable_instance_discovery=True
    )


@pytest.fixture
def client(vault: Vault, credential: ClientSecretCredential) -> Iterator[CertificateClient]:
    with CertificateClient(vault.url, credential, retry_total=0) as client:
        yield client


@pytest.fixture
def secrets(vault: Vault, credential: ClientSecretCredential) -> Iterator[SecretClient]:
    with SecretClient(vault.url, credential, retry_total=0) as client:
        yield client


@pytest.fixture
def plain(sandbox: Sandbox, names: Furnished) -> requests.Session:
    """A session with the admin's token, for what Microsoft's client would not send."""
    session = requests.Session()
    session.headers["Authorization"] = (
        f"Bearer {sandbox.tokens.issue(names.admin_client_id, 'https://vault.azure.net')}"
    )
    session.params = {"api-version": "7.4"}
    return session


def create(client: CertificateClient, name: str = "orders", policy: CertificatePolicy = SELF, **more: Any) -> Any:
    return client.begin_create_certificate(name, policy, _polling_interval=0.02, **more).result()


def refusal(call: Callable[[], Any]) -> tuple[int, str]:
    with pytest.raises(HttpResponseError) as caught:
        call()
    assert caught.value.error
    return caught.value.status_code or 0, str(caught.value.error.code)


def message(call: Callable[[], Any]) -> str:
    with pytest.raises(HttpResponseError) as caught:
        call()
    assert caught.value.status_code == 400 and caught.value.error and caught.value.error.code == "BadParameter"
    return str(caught.value.error.message)


def made(kty: str = "EC", **more: Any) -> tuple[Any, x509.CertificateSigningRequest]:
    """A key of our own and a request with it."""
    key = make_key(kty, **more)
    return key, make_csr(key, PROPS | {"subject": SUBJECT})


def signed(csr: x509.CertificateSigningRequest, days: float = 90) -> list[x509.Certificate]:
    now = datetime.now(UTC).timestamp()
    return certificate_authority().sign(csr, (min(now, now + days * 86400) - 86400, now + days * 86400))


def pfx(key: Any, chain: list[x509.Certificate], password: str = "") -> bytes:
    how = serialization.BestAvailableEncryption(password.encode()) if password else OPEN
    return pkcs12.serialize_key_and_certificates(None, key, chain[0], chain[1:], how)


def pem(key: Any, chain: list[x509.Certificate], form: Any = PKCS8) -> bytes:
    return key.private_bytes(TEXT, form, OPEN) + b"".join(entry.public_bytes(TEXT) for entry in chain)


# Created, and signed by somebody


@pytest.mark.parametrize("issuer", ["Self", "our-ca"])
def test_a_certificate_is_signed_after_a_while_and_its_key_is_in_the_secret(
    sandbox: Sandbox, vault: Vault, client: CertificateClient, secrets: SecretClient, issuer: str
) -> None:
    sandbox.keyvault.issue_seconds = 20
    sandbox.keyvault.add_issuer(vault, "our-ca", "DigiCert")
    policy = CertificatePolicy(issuer, subject=SUBJECT, san_dns_names=["orders.example.com"], validity_in_months=3)
    poller = client.begin_create_certificate("orders", policy, tags={"team": "orders"}, _polling_interval=0.02)
    assert client.get_certificate_operation("orders").status == "inProgress"
    assert list(client.list_properties_of_certificates()) == []
    sandbox.clock.advance(21)
    there = poller.result()
    operation = client.get_certificate_operation("orders")
    assert (operation.status, operation.target) == ("completed", f"{vault.url}/certificates/orders")
    leaf = x509.load_der_x509_certificate(bytes(there.cer))
    assert shown_subject(leaf.subject) == SUBJECT and (leaf.subject == leaf.issuer) == (issuer == "Self")
    assert there.properties.created_on - there.properties.not_before >= timedelta(minutes=10)
    secret = secrets.get_secret("orders", there.properties.version)
    assert (secret.properties.managed, secret.properties.content_type, secret.properties.tags) == (
        True, PFX, {"team": "orders"},
    )  # fmt: skip
    key, own, above = pkcs12.load_key_and_certificates(base64.b64decode(secret.value or ""), None)
    assert own == leaf and key and key.public_key() == leaf.public_key()
    assert [shown_subject(entry.subject) for entry in above] == (
        [] if issuer == "Self" else ["CN=our-ca Root CA, O=Sandbox", "CN=our-ca CA 1, O=Sandbox"]
    )
    if above:
        assert above[0] == certificate_authority("our-ca").root
        above[1].verify_directly_issued_by(above[0])
        leaf.verify_directly_issued_by(above[1])
    assert [entry.certificate for entry in sandbox.keyvault.certificate_versions(vault, "orders")] == [leaf]


@pytest.mark.parametrize(
    ("kind", "shown"),
    [
        ({"key_type": "RSA", "key_size": 2048}, ("RSA", 2048, None)),
        ({"key_type": "RSA", "key_size": 3072}, ("RSA", 3072, None)),
        ({"key_type": "EC", "key_curve_name": "P-256"}, ("EC", 256, "P-256")),
        ({"key_type": "EC", "key_curve_name": "P-384"}, ("EC", 384, "P-384")),
        ({"key_type": "EC", "key_curve_name": "P-521"}, ("EC", 521, "P-521")),
        ({"key_type": "EC", "key_curve_name": "P-256K"}, ("EC", 256, "P-256K")),
    ],
)
def test_keys_of_each_kind(
    client: CertificateClient, secrets: SecretClient, kind: dict[str, Any], shown: tuple[str, int, str | None]
) -> None:
    policy = create(client, policy=CertificatePolicy("Self", subject=SUBJECT, content_type=PEM, **kind)).policy
    assert (policy.key_type, policy.key_size, policy.key_curve_name) == shown
    text = (secrets.get_secret("orders").value or "").encode()
    key, leaf = serialization.load_pem_private_key(text, None), x509.load_pem_x509_certificate(text)
    assert key.public_key() == leaf.public_key()


def test_what_the_policy_asks_for_is_in_the_certificate(client: CertificateClient) -> None:
    policy = CertificatePolicy(
        "Self", subject='CN=orders, O="Contoso, Ltd.", ST=WA', san_dns_names=["a.example", "b.example"],
        san_emails=["a@example.com"], san_user_principal_names=["a@contoso.com"], key_type="EC",
        key_usage=["digitalSignature", "keyAgreement"], enhanced_key_usage=["1.3.6.1.5.5.7.3.2"],
    )  # fmt: skip
    leaf = x509.load_der_x509_certificate(bytes(create(client, policy=policy).cer))
    sans = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert sans.get_values_for_type(x509.DNSName) == ["a.example", "b.example"]
    assert sans.get_values_for_type(x509.OtherName)[0].value.endswith(b"a@contoso.com")
    assert [part.value for part in leaf.subject] == ["WA", "Contoso, Ltd.", "orders"]
    usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
    assert (usage.key_agreement, usage.key_encipherment) == (True, False)
    purposes = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert [purpose.dotted_string for purpose in purposes] == ["1.3.6.1.5.5.7.3.2"]


def test_a_renewal_uses_the_policy_that_is_there(
    sandbox: Sandbox, vault: Vault, client: CertificateClient, plain: requests.Session
) -> None:
    first = create(client, policy=CertificatePolicy("Self", subject=SUBJECT, reuse_key=True))
    sandbox.keyvault.issue_seconds = 20
    answer = plain.post(f"{vault.url}/certificates/orders/create", json={})
    assert answer.status_code == 202 and "request_id=" in answer.headers["Location"]
    assert client.get_certificate("orders").properties.version == first.properties.version
    sandbox.clock.advance(21)
    second = client.get_certificate("orders")
    assert second.properties.version != first.properties.version and second.policy.subject == SUBJECT
    old, new = sandbox.keyvault.certificate_versions(vault, "orders")
    assert old.key is new.key and old.certificate != new.certificate
    assert plain.get(answer.headers["Location"]).json()["status"] == "completed"
    assert plain.get(f"{vault.url}/certificates/orders/pending?request_id={'0' * 32}").status_code == 404


def test_one_request_at_a_time(sandbox: Sandbox, client: CertificateClient) -> None:
    create(client, policy=UNKNOWN)
    key, csr = made()
    with pytest.raises(ResourceExistsError) as caught:
        create(client)
    assert "while a pending key vault certificate's status is inProgress" in str(caught.value)
    with pytest.raises(ResourceExistsError):
        client.import_certificate("orders", pfx(key, signed(csr)))
    assert client.delete_certificate_operation("orders").status == "inProgress"
    with pytest.raises(ResourceNotFoundError):
        client.get_certificate_operation("orders")
    assert create(client).policy.issuer_name == "Self"


def test_a_request_that_fails_or_is_cancelled(sandbox: Sandbox, vault: Vault, client: CertificateClient) -> None:
    sandbox.keyvault.fail_next_issuance("The domain is not ours.")
    failed = create(client)
    assert (failed.status, failed.error.code) == ("failed", "Request rejected")
    assert sandbox.keyvault.certificate_versions(vault, "orders") == []
    assert refusal(lambda: client.cancel_certificate_operation("orders")) == (403, "Forbidden")
    create(client)
    sandbox.keyvault.issue_seconds = 60
    poller = client.begin_create_certificate("orders", SELF, _polling_interval=0.02)
    assert client.cancel_certificate_operation("orders").cancellation_requested
    assert poller.result().status == "cancelled"
    assert len(sandbox.keyvault.certificate_versions(vault, "orders")) == 1


@pytest.mark.parametrize(
    "policy",
    [
        CertificatePolicy("nobody", subject=SUBJECT),
        CertificatePolicy("Self", subject="not a name"),
        CertificatePolicy("Self", subject=SUBJECT, key_size=1024),
        CertificatePolicy("Self", subject=SUBJECT, content_type="text/plain"),
        CertificatePolicy("Self", san_dns_names=["ö.example"]),
        CertificatePolicy("Self", subject=SUBJECT, validity_in_months=0),
        CertificatePolicy("Unknown", subject=SUBJECT, lifetime_actions=[LifetimeAction("AutoRenew", 80)]),
        CertificatePolicy("Self", subject=SUBJECT, lifetime_actions=[LifetimeAction("AutoRenew", 100)]),
        CertificatePolicy("Self", subject=SUBJECT, lifetime_actions=[LifetimeAction("EmailContacts", None, 325)]),
    ],
)
def test_policies_that_are_refused(
    sandbox: Sandbox, vault: Vault, client: CertificateClient, policy: CertificatePolicy
) -> None:
    assert message(lambda: create(client, policy=policy))
    assert sandbox.keyvault.certificate_versions(vault, "orders") == [] and not vault.certificates.live


# Signed elsewhere


def test_a_request_waits_for_its_chain_for_ever(
    sandbox: Sandbox, vault: Vault, client: CertificateClient, secrets: SecretClient
) -> None:
    operation = create(client, policy=UNKNOWN)
    csr = x509.load_der_x509_csr(bytes(operation.csr))
    assert operation.status == "inProgress" and csr.is_signature_valid and shown_subject(csr.subject) == SUBJECT
    sandbox.clock.advance(1800)
    assert sandbox.keyvault.pending_certificate(vault, "orders") == "inProgress"
    waiting = client.get_certificate("orders")
    assert waiting.cer is None and not waiting.properties.enabled
    chain = sandbox.keyvault.sign_csr(vault, "orders", expires=sandbox.clock.now() + YEAR, root=True)
    merged = client.merge_certificate("orders", chain[::-1], tags={"a": "b"})
    assert bytes(merged.cer) == chain[0] and merged.properties.tags == {"a": "b"}
    assert client.get_certificate_operation("orders").status == "completed"
    key, leaf, above = pkcs12.load_key_and_certificates(
        base64.b64decode(secrets.get_secret("orders").value or ""), None
    )
    assert leaf and key and key.public_key() == csr.public_key()
    assert [leaf.public_bytes(DER), *(entry.public_bytes(DER) for entry in above[::-1])] == chain


def test_chains_that_do_not_fit(sandbox: Sandbox, vault: Vault, client: CertificateClient) -> None:
    create(client, policy=UNKNOWN)
    leaf, intermediate = sandbox.keyvault.sign_csr(vault, "orders")
    foreign = [entry.public_bytes(DER) for entry in signed(made()[1])]
    other = certificate_authority("Other").intermediate.public_bytes(DER)
    no_leaf = "Unable to parse X5c certificate chain and locate leaf certificate"
    for chain, text in (
        ([], "X5C must has at least one valid item"),
        ([b"nothing"], no_leaf),
        ([intermediate], no_leaf),
        ([leaf, other], no_leaf),
        ([leaf, foreign[0], intermediate], no_leaf),
        (foreign, "does not match the public part of the specified private key"),
    ):
        assert text in message(lambda chain=chain: client.merge_certificate("orders", chain))
    assert client.get_certificate_operation("orders").status == "inProgress"
    assert bytes(client.merge_certificate("orders", [leaf]).cer) == leaf
    assert refusal(lambda: client.merge_certificate("orders", [leaf])) == (403, "Forbidden")


def test_nothing_is_merged_while_an_issuer_works(sandbox: Sandbox, vault: Vault, client: CertificateClient) -> None:
    sandbox.keyvault.issue_seconds = 60
    sandbox.keyvault.add_issuer(vault, "our-ca")
    client.begin_create_certificate("orders", CertificatePolicy("our-ca", subject=SUBJECT, key_type="EC"))
    chain = sandbox.keyvault.sign_csr(vault, "orders")
    assert refusal(lambda: client.merge_certificate("orders", chain)) == (403, "Forbidden")
    with pytest.raises(ResourceNotFoundError):
        client.merge_certificate("other", chain)


# Imported


@pytest.mark.parametrize("password", ["", "correct horse"])
@pytest.mark.parametrize("kind", [("RSA",), ("EC",)])
def test_a_pfx_is_imported_with_its_key(
    client: CertificateClient, secrets: SecretClient, password: str, kind: tuple[str]
) -> None:
    key, csr = made(*kind)
    chain = signed(csr)
    there = client.import_certificate("orders", pfx(key, chain, password), password=password or None)
    assert bytes(there.cer) == chain[0].public_bytes(DER) and there.policy.key_type == kind[0]
    assert (there.policy.issuer_name, there.policy.subject) == ("Unknown", SUBJECT)
    assert [action.action for action in there.policy.lifetime_actions] == [CertificatePolicyAction.email_contacts]
    assert there.policy.san_dns_names == ["orders.example.com"]
    held, leaf, above = pkcs12.load_key_and_certificates(
        base64.b64decode(secrets.get_secret("orders").value or ""), None
    )
    assert held and [leaf, *above] == chain
    assert held.private_bytes(TEXT, PKCS8, OPEN) == key.private_bytes(TEXT, PKCS8, OPEN)


def test_a_self_signed_pem_is_to_be_renewed_by_the_vault_unless_the_policy_says_otherwise(
    sandbox: Sandbox, vault: Vault, client: CertificateClient, secrets: SecretClient
) -> None:
    own = sandbox.keyvault.add_certificate(vault, "source", kty="EC")
    data = pem(own.key, [own.certificate])
    policy = client.import_certificate("orders", data, policy=CertificatePolicy(content_type=PEM)).policy
    assert policy.issuer_name == "Self"
    assert [(action.action, action.lifetime_percentage) for action in policy.lifetime_actions] == [
        (CertificatePolicyAction.auto_renew, 80)
    ]
    assert (secrets.get_secret("orders").value or "").encode() == data
    explicit = CertificatePolicy("Unknown", content_type=PEM, lifetime_actions=[LifetimeAction("EmailContacts", 80)])
    policy = client.import_certificate("orders", data, policy=explicit).policy
    assert policy.issuer_name == "Unknown"
    # The form of the first import holds for the next one, which is a trap for whoever then brings a PFX.
    assert "in an unexpected format" in message(lambda: client.import_certificate("orders", pfx(*made_chain())))


def test_a_pem_is_taken_as_it_is_too(vault: Vault, plain: requests.Session) -> None:
    policy = {"secret_props": {"contentType": PEM}}
    answer = plain.post(
        f"{vault.url}/certificates/orders/import", json={"value": pem(*made_chain()).decode(), "policy": policy}
    )
    assert answer.status_code == 200 and answer.json()["policy"]["key_props"]["crv"] == "P-256"


def made_chain() -> tuple[Any, list[x509.Certificate]]:
    key, csr = made()
    return key, signed(csr)


def test_imports_that_are_refused(sandbox: Sandbox, vault: Vault, client: CertificateClient) -> None:
    key, csr = made()
    chain, other = signed(csr), make_key("EC")
    good, pems = pfx(key, chain, "right"), CertificatePolicy(content_type=PEM)
    traditional = serialization.PrivateFormat.TraditionalOpenSSL
    imports: list[tuple[bytes, str | None, CertificatePolicy | None, str]] = [
        (good, "wrong", None, "PKCS#12"),
        (good, None, None, "PKCS#12"),
        (good[:-20], "right", None, "PKCS#12"),
        (b"nothing", None, None, "PKCS#12"),
        (pem(key, chain), None, None, "PKCS#12"),
        (good, "right", pems, "PEM"),
        (pem(key, chain).replace(b"\n", b"\r\n"), None, pems, "PEM"),
        (pem(key, chain, traditional), None, pems, "PEM"),
        (pem(key, []), None, pems, "PEM"),
        (b"".join(entry.public_bytes(TEXT) for entry in chain), None, pems, "Private key is not specified"),
        (pem(other, chain), None, pems, "does not match the public part"),
        (pfx(key, signed(csr, days=-1)), None, None, "expired"),
    ]
    for data, password, policy, text in imports:
        assert text in message(
            lambda data=data, password=password, policy=policy: client.import_certificate(
                "orders", data, password=password, policy=policy
            )
        )
    with pytest.raises(HttpResponseError):
        client.import_certificate("under_score", good, password="right")
    assert sandbox.keyvault.certificate_versions(vault, "orders") == []


# Read, changed, deleted


def test_lists_come_in_pages_and_versions_in_no_order_of_time(
    sandbox: Sandbox, vault: Vault, client: CertificateClient
) -> None:
    sandbox.keyvault.add_many_certificates(vault, 60)
    for _ in range(12):
        sandbox.keyvault.add_certificate(vault, "orders", kty="EC")
        sandbox.clock.advance(60)
    create(client, "waiting", UNKNOWN)
    sandbox.forget()
    assert len(list(client.list_properties_of_certificates())) == 61
    assert sandbox.operations() == ["keyvault.list_certificates"] * 3
    assert "waiting" in [entry.name for entry in client.list_properties_of_certificates(include_pending=True)]
    found = list(client.list_properties_of_certificate_versions("orders", max_page_size=5))
    moments = [entry.created_on for entry in found]
    assert len(found) == 12 and moments != sorted(moments) and moments != sorted(moments, reverse=True)
    assert found[0].x509_thumbprint and found[0].expires_on


def test_five_thousand_are_made_in_a_moment(sandbox: Sandbox, vault: Vault) -> None:
    names = sandbox.keyvault.add_many_certificates(vault, 5000, expires=sandbox.clock.now() + 86400)
    assert len(set(names)) == len(vault.certificates.live) == 5000
    assert len({sandbox.keyvault.certificate_versions(vault, name)[0].version for name in names[::1000]}) == 5


def test_a_version_is_disabled_and_its_secret_with_it(
    sandbox: Sandbox, vault: Vault, client: CertificateClient, secrets: SecretClient
) -> None:
    first, second = (sandbox.keyvault.add_certificate(vault, "orders", kty="EC", tags={"a": "b"}) for _ in range(2))
    changed = client.update_certificate_properties("orders", first.version, enabled=False)
    assert (changed.properties.enabled, changed.properties.tags) == (False, {"a": "b"})
    assert refusal(lambda: secrets.get_secret("orders", first.version)) == (403, "Forbidden")
    assert client.update_certificate_properties("orders", None, tags={"c": "d"}).properties.version == second.version
    assert secrets.get_secret("orders").properties.tags == {"c": "d"}
    assert client.get_certificate_version("orders", first.version).properties.enabled is False
    with pytest.raises(ResourceNotFoundError):
        client.get_certificate_version("orders", "0" * 32)


def test_the_policy_is_changed_for_the_next_version(sandbox: Sandbox, vault: Vault, client: CertificateClient) -> None:
    sandbox.keyvault.add_certificate(vault, "orders", kty="EC", validity_months=12)
    policy = client.get_certificate_policy("orders")
    assert (policy.validity_in_months, policy.issuer_name) == (12, "Self")
    action = LifetimeAction("EmailContacts", days_before_expiry=30)
    changed = client.update_certificate_policy(
        "orders", CertificatePolicy(validity_in_months=3, lifetime_actions=[action])
    )
    assert (changed.validity_in_months, changed.lifetime_actions[0].days_before_expiry) == (3, 30)
    assert (changed.issuer_name, changed.key_type, changed.subject) == ("Self", "EC", "CN=orders")
    with pytest.raises(ResourceNotFoundError):
        client.get_certificate_policy("other")


def test_contacts(client: CertificateClient) -> None:
    with pytest.raises(ResourceNotFoundError) as caught:
        client.get_contacts()
    assert caught.value.error.code == "ContactsNotFound"
    client.set_contacts([CertificateContact("a@example.com", "A"), CertificateContact("b@example.com")])
    assert [(entry.email, entry.name) for entry in client.get_contacts()] == [
        ("a@example.com", "A"),
        ("b@example.com", None),
    ]
    assert len(client.delete_contacts()) == 2
    with pytest.raises(ResourceNotFoundError):
        client.delete_contacts()


def test_issuers(client: CertificateClient) -> None:
    with pytest.raises(ResourceNotFoundError) as caught:
        client.get_issuer("our-ca")
    assert caught.value.error.code == "CertificateIssuerNotFound"
    person = AdministratorContact("Alex", "Doe", "alex@example.com", "425")
    client.create_issuer("our-ca", "DigiCert", account_id="7", password="hidden", admin_contacts=[person])
    there = client.get_issuer("our-ca")
    assert (there.provider, there.account_id, there.password) == ("DigiCert", "7", None)
    assert there.admin_contacts[0].email == "alex@example.com"
    assert client.update_issuer("our-ca", enabled=False).enabled is False
    assert [(entry.name, entry.provider) for entry in client.list_properties_of_issuers()] == [("our-ca", "DigiCert")]
    client.delete_issuer("our-ca")
    assert list(client.list_properties_of_issuers()) == []
    assert message(lambda: client.create_issuer("our-ca", "Nobody"))


def test_a_deleted_certificate_comes_back_with_its_secret(
    sandbox: Sandbox, vault: Vault, client: CertificateClient, secrets: SecretClient
) -> None:
    version = sandbox.keyvault.add_certificate(vault, "orders", kty="EC").version
    deleted = client.begin_delete_certificate("orders", _polling_interval=0.02).result()
    assert deleted.recovery_id and deleted.scheduled_purge_date and deleted.deleted_on
    for call in (lambda: client.get_certificate("orders"), lambda: secrets.get_secret("orders")):
        with pytest.raises(ResourceNotFoundError):
            call()
    with pytest.raises(ResourceExistsError) as caught:
        create(client)
    assert caught.value.error.innererror["code"] == "ObjectIsDeletedButRecoverable"
    assert [entry.name for entry in client.list_deleted_certificates()] == ["orders"]
    back = client.begin_recover_deleted_certificate("orders", _polling_interval=0.02).result()
    assert back.properties.version == version == secrets.get_secret("orders").properties.version
    client.begin_delete_certificate("orders", _polling_interval=0.02).wait()
    client.purge_deleted_certificate("orders")
    assert create(client).properties.version != version


def test_the_secret_of_a_certificate_is_changed_with_it_only(
    sandbox: Sandbox, vault: Vault, client: CertificateClient, secrets: SecretClient
) -> None:
    sandbox.keyvault.add_certificate(vault, "orders", kty="EC")
    before = sandbox.keyvault.value(vault, "orders")
    assert refusal(lambda: secrets.set_secret("orders", "x")) == (403, "Forbidden")
    assert refusal(lambda: secrets.update_secret_properties("orders", enabled=False)) == (403, "Forbidden")
    assert refusal(lambda: secrets.begin_delete_secret("orders")) == (403, "Forbidden")
    assert sandbox.keyvault.value(vault, "orders") == before
    sandbox.keyvault.set_secret(vault, "taken", "x")
    with pytest.raises(ResourceExistsError):
        create(client, "taken")


def test_a_key_that_may_not_leave_is_not_in_the_secret(
    sandbox: Sandbox, vault: Vault, client: CertificateClient, secrets: SecretClient
) -> None:
    for name, content_type in (("a-pfx", PFX), ("a-pem", PEM)):
        sandbox.keyvault.add_certificate(vault, name, kty="EC", exportable=False, content_type=content_type)
    key, leaf, above = pkcs12.load_key_and_certificates(base64.b64decode(secrets.get_secret("a-pfx").value or ""), None)
    assert key is None and len([leaf, *above]) == 2
    text = secrets.get_secret("a-pem").value or ""
    assert "PRIVATE" not in text and "BEGIN CERTIFICATE" in text
    assert client.get_certificate("a-pfx").policy.exportable is False


@pytest.mark.parametrize(("issuer", "days"), [("Self", 10), ("Unknown", -5), ("our-ca", 40)])
def test_a_certificate_that_is_simply_there(
    sandbox: Sandbox, vault: Vault, client: CertificateClient, issuer: str, days: float
) -> None:
    expires = int(sandbox.clock.now() + days * 86400)
    version = sandbox.keyvault.add_certificate(
        vault, "orders", expires=expires, issuer=issuer, kty="EC", ekus=["1.2.3.4"]
    )
    there = client.get_certificate("orders")
    assert there.properties.expires_on == datetime.fromtimestamp(expires, UTC)
    assert 364 <= (there.properties.expires_on - there.properties.not_before).days <= 366
    assert (there.policy.issuer_name, there.policy.enhanced_key_usage) == (issuer, ["1.2.3.4"])
    assert there.properties.version == version.version and version.key.public_key() == version.certificate.public_key()
    with pytest.raises(ResourceNotFoundError):
        client.get_certificate_operation("orders")
    with pytest.raises(KeyVaultError):
        sandbox.keyvault.add_certificate(vault, "orders", subject="nonsense")


def test_names_are_read_and_written_the_same_way() -> None:
    for text in (SUBJECT, "CN=a", "CN=a\\, b, OU=x, S=WA", "C=US, ST=WA, L=Redmond, O=TestO, OU=TestOU, CN=www"):
        assert shown_subject(parse_subject(text)) == text.replace("ST=", "S=")
    for text in ("a", "CN=", "XX=a", "CN=a, b"):
        with pytest.raises(ValueError, match="not a distinguished name"):
            parse_subject(text)


# Roles, events and recordings


@pytest.mark.parametrize("form", [event_grid, cloud_event])
def test_the_event_that_its_end_is_near(sandbox: Sandbox, vault: Vault, form: Callable[..., dict[str, Any]]) -> None:
    version = sandbox.keyvault.add_certificate(vault, "Orders", kty="EC")
    sandbox.keyvault.add_certificate(vault, "orders", kty="EC")
    (event,) = read_events(json.dumps(form(certificate_subject(vault, "Orders", version.version))).encode())
    assert event == Event(
        "CertificateNearExpiry", "certificates", vault.name, vault.host, "orders", version.version, version.exp
    )


@pytest.mark.parametrize(
    ("role", "whole_vault", "allowed"),
    [
        (None, True, set()),
        (READER, True, {"get", "list", "versions", "pending", "policy", "issuers"}),
        (USER, True, {"get", "list", "versions", "pending", "policy", "secret"}),
        (
            OFFICER,
            True,
            {"get", "list", "versions", "pending", "policy", "issuers", "create", "update", "contacts", "delete"},
        ),
        (OFFICER, False, {"get", "versions", "pending", "policy", "create", "update", "delete"}),
        ("Key Vault Secrets Officer", True, {"secret"}),
        ("Owner", True, set()),
    ],
)
def test_each_role_allows_what_it_should(
    sandbox: Sandbox, names: Furnished, plain: requests.Session, role: str | None, whole_vault: bool, allowed: set[str]
) -> None:
    vault = sandbox.keyvault.add_vault("guarded")
    sandbox.keyvault.add_certificate(vault, "orders", kty="EC")
    if role:
        sandbox.keyvault.grant(names.admin_client_id, role, vault, certificate=None if whole_vault else "orders")
    all_, one = f"{vault.url}/certificates", f"{vault.url}/certificates/orders"
    contacts = {"contacts": [{"email": "a@example.com"}]}
    answers = {
        "get": plain.get(one), "list": plain.get(all_), "versions": plain.get(f"{one}/versions"),
        "policy": plain.get(f"{one}/policy"), "issuers": plain.get(f"{all_}/issuers"),
        "secret": plain.get(f"{vault.url}/secrets/orders"), "create": plain.post(f"{one}/create", json={}),
        "pending": plain.get(f"{one}/pending"), "update": plain.patch(one, json={"tags": {}}),
        "contacts": plain.put(f"{all_}/contacts", json=contacts), "delete": plain.delete(one),
    }  # fmt: skip
    assert {name for name, answer in answers.items() if answer.status_code not in (403,)} == allowed
    assert {
        answer.json()["error"]["innererror"]["code"] for answer in answers.values() if answer.status_code == 403
    } <= {"ForbiddenByRbac"}


def test_vaults_and_accounts_are_listed_in_parts(sandbox: Sandbox, names: Furnished) -> None:
    sandbox.arm.grant(names.admin_client_id, "Reader")
    for number in range(4):
        sandbox.keyvault.add_vault(f"vault-{number}", "other-group")
        sandbox.storage.add_account(f"account{number}")
    calls, subscription = Calls(sandbox, names.admin_client_id), f"/subscriptions/{names.subscription_id}"
    sandbox.arm.page_size = 2
    for path, count in (
        ("/providers/Microsoft.KeyVault/vaults", 5),
        ("/providers/Microsoft.Storage/storageAccounts", 4),
        ("/resources?$filter=resourceType eq 'Microsoft.KeyVault/vaults'", 5),
    ):
        answer = calls.get(subscription + path).json()
        found, parts = answer["value"], 1
        while following := answer.get("nextLink"):
            answer, parts = calls.session.get(following, timeout=10).json(), parts + 1
            found += answer["value"]
        assert len({entry["id"] for entry in found}) == len(found) == count and parts == (count + 1) // 2


def test_answers_look_like_the_recorded_ones(sandbox: Sandbox, vault: Vault, plain: requests.Session) -> None:
    recording = Recording("keyvault__test_keyvault_pending_certificate")
    policy = {"policy": {"x509_props": {"subject": SUBJECT, "validity_months": 50}, "issuer": {"name": "Unknown"}}}
    one = f"{vault.url}/certificates/pending-cert"

    def check(number: int, answer: requests.Response) -> None:
        status, theirs = recording.answer(number)
        assert (answer.status_code, differences(answer.json(), theirs)) == (status, [])

    check(1, plain.post(f"{one}/create", json=policy))
    check(2, plain.get(f"{one}/pending"))
    check(4, plain.get(f"{vault.url}/certificates", params={"includePending": "true"}))
    check(6, plain.get(f"{vault.url}/certificates"))
    own = sandbox.keyvault.add_certificate(vault, "other").material.der
    check(8, plain.post(f"{one}/pending/merge", json={"x5c": [base64.b64encode(own).decode()[4:]]}))
    check(9, plain.delete(f"{one}/pending"))
    check(10, plain.get(f"{one}/pending"))
    recording = Recording("keyvault__test_keyvault_certificate_contacts")
    check(1, plain.get(f"{vault.url}/certificates/contacts"))
    contact = {"email": "a@example.com", "name": "A", "phone": "425"}
    check(2, plain.put(f"{vault.url}/certificates/contacts", json={"contacts": [contact]}))

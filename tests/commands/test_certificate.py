"""``keeper-rotation certificate``: what is refused before anything is sent, policies, chains and files."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, pkcs7, pkcs12

from gateway.model.x509 import PEM, PFX, in_order, read_pem, read_pfx
from sandbox.keeper.vault import make_field
from sandbox.key_vault.certificates.authority import certificate_authority
from sandbox.key_vault.x509 import make_key
from tests.stage.certificate import names
from tests.stage.key_vault import Scene

DAY = 86400.0
NEW = "https://certificates.vault.azure.net/certificates/new-tls"
MERGE = "keeper-rotation certificate merge"
OLD = "https://certificates.vault.azure.net/certificates/orders-tls"


# Bad input: one message each, and nothing is sent

REQUESTS: dict[str, tuple[list[str], str]] = {
    "a name that Key Vault does not take": (
        ["https://certificates.vault.azure.net/certificates/a_b", "--cn=a.example"], "is no name for Key Vault"
    ),
    "a version": ([f"{OLD}/{'0' * 32}"], "it is the certificate as a whole that is meant"),
    "a secret": (["https://certificates.vault.azure.net/secrets/x", "--cn=a.example"], "is not a certificate of"),
    "what is no address": (["https://[v1].vault.azure.net/certificates/x", "--cn=a"], "is not a certificate of"),
    "another cloud": (["https://v1.vault.azure.cn/certificates/x", "--cn=a.example"], "--cloud=AzureChinaCloud"),
    "no subject": ([NEW], "a subject is needed"),
    "two subjects": ([NEW, "--cn=a.example", "--subject=CN=b.example"], "--subject is the whole name"),
    "a subject that is none": ([NEW, "--subject=shop.example.com"], "is no name such as"),
    "a country that is none": ([NEW, "--cn=a.example", "--country=Germany"], "country's code of two letters"),
    "parts without a common name": ([NEW, "--unit=IT"], "--cn is needed"),
    "a DNS name that is none": ([NEW, "--dns=a b.example"], "--dns: 'a b.example' is none"),
    "an address for a DNS name": ([NEW, "--cn=a", "--dns=10.0.0.1"], "Key Vault cannot put IP addresses into"),
    "a DNS name in other letters": ([NEW, "--cn=a", "--dns=bücher.example"], "write it as xn--bcher-kva.example"),
    "a DNS name with a dot at its end": ([NEW, "--cn=a", "--dns=a.example."], "write it without the last dot"),
    "a CN that is too long": ([NEW, f"--cn={'a' * 65}"], "--cn: 65 characters long; at most 64 are allowed"),
    "an address of e-mail that is none": ([NEW, "--cn=a.example", "--email=tls"], "--email: 'tls' is none"),
    "a curve for RSA": ([NEW, "--cn=a.example", "--key-type=RSA", "--curve=P-256"], "goes with --key-size"),
    "bits for EC": ([NEW, "--cn=a", "--curve=P-256", "--key-size=2048"], "goes with --curve, and no --key-size"),
    "bits and a curve": (
        [NEW, "--cn=a", "--key-type=EC", "--curve=P-256", "--key-size=2048"], "goes with --curve, and no --key-size"
    ),
    "a curve where the key is of RSA": ([OLD, "--curve=P-256"], "does not suit the policy's key type, RSA"),
    "an unknown key usage": ([NEW, "--cn=a.example", "--key-usage=signing"], "'signing' is none of"),
    "an unknown extended key usage": ([NEW, "--cn=a.example", "--extended-key-usage=web"], "'web' is no OID"),
    "an issuer that is not set up": ([NEW, "--cn=a.example", "--issuer=nobody"], "nobody is not set up in"),
    "auto-renew by nobody": (
        [NEW, "--cn=a.example", "--issuer=Unknown", "--lifetime-action=auto-renew"], "cannot renew by itself"
    ),
    "both times": ([NEW, "--cn=a.example", "--days-before=9", "--percentage=80"], "--days-before or --percentage"),
    "days beyond the validity": (
        [NEW, "--cn=a.example", "--validity-months=1", "--days-before=40"], "--days-before is at most 27"
    ),
    "a key of an HSM that may leave it": (
        [NEW, "--cn=a.example", "--key-type=RSA-HSM", "--exportable"], "does not leave the vault's HSM"
    ),
    "a contact that is none": ([NEW, "--cn=a.example", "--contact=tls"], "'tls' is no address of e-mail"),
    "a tag that is none": ([NEW, "--cn=a.example", "--tag=x"], "the form is --tag key=value"),
    "a record and a folder": ([NEW, "--cn=a.example", "--record=x", "--folder=y"], "--record or --folder, not both"),
    "a record that is not there": ([NEW, "--cn=a.example", f"--record={'A' * 22}"], "cannot be read"),
    "a folder that is not there": ([NEW, "--cn=a.example", f"--folder={'A' * 22}"], "sees no such folder"),
    "a CSR over a file": ([NEW, "--cn=a.example", "--issuer=Unknown", "--csr-out=/etc/hostname"], "is there already"),
}  # fmt: skip


@pytest.mark.parametrize("what", REQUESTS)
def test_a_request_that_cannot_be_made(what: str, scene: Scene) -> None:
    arguments, message = REQUESTS[what]
    said = scene.said("certificate", "request", *arguments, code=1)
    assert message in said, said
    assert not scene.written()


def test_a_shorter_validity_must_still_hold_the_days_of_the_lifetime_action(scene: Scene) -> None:
    scene.said("certificate", "policy", OLD, "--lifetime-action=email", "--days-before=45")
    before = len(scene.written())
    said = scene.said("certificate", "renew", OLD, "--validity-months=1", code=1)
    assert "--days-before is at most 27" in said and len(scene.written()) == before


def test_one_that_waits_for_a_ca_says_what_is_next_whoever_follows_it(scene: Scene) -> None:
    scene.said("certificate", "policy", OLD, "--issuer=Unknown", "--lifetime-action=email")
    shown = scene.rows("certificate", "renew", OLD, code=2)
    assert shown["status"] == "inProgress" and "have the CSR signed" in shown["next"]


def test_a_new_version_has_the_tags_of_the_one_before_and_those_that_are_given(scene: Scene) -> None:
    scene.ask("certificate", "request", OLD, "--tag=owner=payments", "--tag=CostCenter=42")
    scene.ask("certificate", "renew", OLD)
    assert scene.at_vault("/certificates/orders-tls")["tags"] == {"owner": "payments", "CostCenter": "42"}
    scene.ask("certificate", "request", OLD, "--tag=owner=orders")
    assert scene.at_vault("/certificates/orders-tls")["tags"] == {"owner": "orders", "CostCenter": "42"}


def test_a_list_shows_what_is_being_made_whether_it_is_the_first_version_or_a_later_one(scene: Scene) -> None:
    scene.sandbox.keyvault.add_certificate(scene.vault, "done-tls")
    scene.said("certificate", "policy", OLD, "--issuer=Unknown", "--lifetime-action=email")
    asked = scene.sandbox.clock.now()
    scene.rows("certificate", "renew", OLD, code=2)
    scene.rows("certificate", "request", NEW, "--cn=a.example", "--issuer=Unknown", code=2)
    listing = ("certificate", "list", "--vault=certificates", "--pending")
    found = [each for each in scene.rows(*listing) if each["state"] == "pending"]
    assert [each["name"] for each in found] == ["new-tls", "orders-tls"]
    for each in found:
        assert each["issuer"] == "Unknown" and each["next"].endswith(f"then: {MERGE} {each['id']} --chain FILE")
    assert found[1]["records"] == [scene.at.record_uid]
    # Of a later version Key Vault does not show it.
    assert (found[0]["since"][:10], found[1]["since"]) == (f"{datetime.fromtimestamp(asked, UTC):%Y-%m-%d}", "")
    table = scene.ask(*listing).splitlines()
    assert {"ISSUER", "SINCE", "NEXT"} < set(table[0].split()) and "have the CSR signed, then merge" in table[-1]
    soon = scene.rows(*listing, "--expiring-within=60")
    assert {(each["name"], each["state"]) for each in soon} == {("orders-tls", "current"), ("orders-tls", "pending")}
    assert [each["name"] for each in scene.rows("certificate", "list", "--expiring-within=60")] == ["orders-tls"]


def test_a_certificate_is_shown_with_all_that_has_to_do_with_it(scene: Scene) -> None:
    keeper, copy = scene.sandbox.keeper, f"{scene.other.url}/certificates/orders-tls"
    keeper.edit(scene.at.record_uid, "deliver_to", copy)
    field = make_field("multiline", f"optional {OLD}", "deliver_to")
    other = keeper.add_record("Fills it", "pamUser", [], [field])
    options = ("--email=a@b.example", "--dns=a.example", "--extended-key-usage=1.2.3.4,serverAuth", "--tag=team=x")
    scene.rows("certificate", "request", OLD, *options)
    scene.said("certificate", "policy", OLD, "--issuer=Unknown", "--lifetime-action=email")
    scene.rows("certificate", "renew", OLD, code=2)
    old, new = scene.listed("orders-tls")
    shown = scene.rows("certificate", "show", "orders-tls")
    certificate = scene.certificate("orders-tls")
    thumbprint = certificate.fingerprint(hashes.SHA1()).hex().upper()
    assert (shown["certificate"], shown["version"], shown["thumbprint"]) == (OLD, new, thumbprint)
    assert shown["key"] == "RSA 2048" and shown["extended_key_usage"] == ["1.2.3.4", "serverAuth"]
    assert set(shown["names"]) == {"DNS:a.example", "email:a@b.example"} and shown["tags"] == {"team": "x"}
    assert shown["subject"] == certificate.subject.rfc4514_string() and shown["key_usage"] and shown["serial_number"]
    assert [each["version"] for each in shown["versions"]] == [new, old] and shown["policy"]["issuer"] == "Unknown"
    assert shown["pending"]["next"].endswith(f"then: {MERGE} {OLD} --chain FILE")
    assert shown["records"] == [{"uid": scene.at.record_uid, "title": keeper.record(scene.at.record_uid).title}]
    assert shown["deliver_to"] == [copy] and shown["delivered_by"] == [{"uid": other, "title": "Fills it"}]
    lines = scene.ask("certificate", "show", f"certificates/orders-tls/{old}".rpartition("/")[0]).splitlines()
    assert f"{'delivered_by':18}  {other}  Fills it" in lines
    earlier = scene.rows("certificate", "show", f"{OLD}/{old}")
    assert earlier["version"] == old and earlier["thumbprint"] != thumbprint
    assert not [each for each in scene.sandbox.operations() if each == "keyvault.get_secret"]


@pytest.mark.parametrize(
    "role, command",
    [
        ("Key Vault Reader", ("certificate", "show", "certificates/orders-tls")),
        ("Key Vault Reader", ("certificate", "list", "--vault=certificates", "--pending")),
        ("Key Vault Secrets User", ("tls-secret", "show", "certificates/orders-tls")),
    ],
)
def test_the_role_that_is_named_is_enough_to_look(role: str, command: tuple[str, ...], scene: Scene) -> None:
    scene.sandbox.roles.revoke(scene.at.admin_client_id)
    scene.sandbox.keyvault.grant(scene.at.admin_client_id, role, scene.vault)
    assert "warning" not in scene.said(*command) and not scene.written()


BARE = {
    "of one vault": ("orders-tls", 0, "certificate orders-tls of https://certificates.vault.azure.net"),
    "of none": ("other-tls", 1, "no certificate other-tls in the 3 vaults that can be seen"),
    "of two": ("twice-tls", 1, "name one of them: certificates/twice-tls, front-door/twice-tls"),
    "of two, with its vault": ("front-door/twice-tls", 0, ""),
    "that is none": ("orders_tls", 1, "is not a certificate of"),
}


@pytest.mark.parametrize("what", BARE)
def test_a_bare_name_is_enough_where_one_vault_has_it(what: str, scene: Scene) -> None:
    name, code, message = BARE[what]
    for vault in (scene.vault, scene.other):
        scene.sandbox.keyvault.add_certificate(vault, "twice-tls")
    assert message in scene.said("certificate", "policy", name, code=code)
    if code == 0:
        assert scene.said("tls-secret", "show", name).startswith("secret" if message else "")
        assert scene.rows("certificate", "status", name)["certificate"].endswith(f"/{name.rpartition('/')[2]}")


def test_a_bare_name_is_enough_for_a_new_version(scene: Scene) -> None:
    """Of a certificate that is not there yet nobody can tell in which vault it is wanted."""
    for vault in (scene.vault, scene.other):
        scene.sandbox.keyvault.add_certificate(vault, "twice-tls")
    assert scene.rows("certificate", "request", "orders-tls", "--dns=a.example")["certificate"] == OLD
    assert "certificates/twice-tls" in scene.said("certificate", "request", "twice-tls", "--cn=a.example", code=1)
    missing = scene.said("certificate", "request", "brand-new", "--cn=a.example", code=1)
    assert "no certificate brand-new in the" in missing and "name it as VAULT/NAME" in missing


@pytest.mark.parametrize("there", [True, False], ids=["Key Vault has it", "Key Vault has it no more"])
def test_a_bare_name_is_enough_to_delete_the_records_of_a_certificate(there: bool, scene: Scene) -> None:
    scene.sandbox.keyvault.add_certificate(scene.other, "orders-tls")
    if not there:
        scene.sandbox.keyvault.delete_certificate(scene.vault, "orders-tls")
    delete = ("certificate", "delete", "--from-keeper", "--yes")
    assert "no record names a certificate nobody" in scene.said(*delete, "nobody", code=1)
    scene.ask("certificate", "request", "certificates/new-tls", "--cn=a.example", f"--folder={scene.folder_uid}")
    assert scene.rows(*delete, "ORDERS-tls")[0]["certificate"] == OLD
    assert not scene.records_of("certificate_id", OLD) and scene.records_of("certificate_id", NEW)


def test_a_bare_name_that_records_use_for_two_certificates_is_refused(scene: Scene) -> None:
    scene.sandbox.keyvault.add_certificate(scene.other, "orders-tls")
    other = f"{scene.other.url}/certificates/orders-tls"
    scene.sandbox.keeper.add_record("second", "pamUser", [], [make_field("text", other, "certificate_id")])
    said = scene.said("certificate", "delete", "--from-keeper", "--yes", "orders-tls", code=1)
    assert f"hint: name one of them: certificates/orders-tls, {scene.other.name}/orders-tls" in said
    assert not scene.written()


@pytest.mark.parametrize("command", [("policy", "--validity-months=3"), ("renew",), ("show",)], ids=" ".join)
def test_a_bare_name_is_refused_where_a_vault_cannot_be_asked(command: tuple[str, ...], scene: Scene) -> None:
    """That vault may have it, too."""
    scene.sandbox.keyvault.add_certificate(scene.other, "twice-tls")
    scene.vault.firewall = True
    said = scene.said("certificate", command[0], "twice-tls", *command[1:], code=1)
    assert "cannot be told" in said and "name it as VAULT/NAME" in said and not scene.written()


def test_a_new_version_is_not_tagged_as_a_delivery_and_has_as_many_tags_as_it_may(scene: Scene) -> None:
    (old,) = scene.sandbox.keyvault.certificate_versions(scene.vault, "orders-tls")
    old.tags |= {"keeper-record": "R", "keeper-key-id": "K"} | {f"tag{number}": "x" for number in range(13)}
    scene.ask("certificate", "request", OLD, "--tag=owner=payments", "--tag=one=more", "--tag=two=more")
    tags = scene.at_vault("/certificates/orders-tls")["tags"]
    assert {"owner", "one", "two"} < set(tags) and len(tags) == 15 and not any("keeper" in name for name in tags)


def test_a_folder_may_be_named(scene: Scene) -> None:
    shown = scene.rows("certificate", "request", NEW, "--cn=a.example", "--folder=Azure Rotation")
    assert scene.records_of("certificate_id", NEW) == [shown["record"]]


def test_everything_that_is_wrong_is_named_at_once(scene: Scene) -> None:
    said = scene.said("certificate", "request", NEW, "--country=Germany", "--key-usage=x", "--dns=a b", code=1)
    assert all(each in said for each in ("--country", "--key-usage", "--dns", "--cn is needed"))


def test_a_deleted_certificate_still_holds_its_name(scene: Scene) -> None:
    scene.sandbox.keyvault.add_certificate(scene.vault, "new-tls")
    scene.sandbox.keyvault.delete_certificate(scene.vault, "new-tls")
    scene.sandbox.clock.advance(60)
    said = scene.said("certificate", "request", NEW, "--cn=a.example", code=1)
    assert "a deleted certificate has this name" in said and "recover or purge it" in said
    assert not scene.written()


def test_a_version_that_is_being_made_is_not_asked_for_twice(scene: Scene) -> None:
    scene.said("certificate", "request", NEW, "--cn=a.example", "--issuer=Unknown", code=2)
    said = scene.said("certificate", "request", NEW, "--cn=a.example", code=1)
    assert "is being made already, by the issuer Unknown" in said and "cancel" in said
    assert scene.written().count("keyvault.create_certificate") == 1


def test_it_is_cancelled_and_can_be_asked_for_again(scene: Scene) -> None:
    scene.said("certificate", "request", NEW, "--cn=a.example", "--issuer=Unknown", code=2)
    scene.said("certificate", "cancel", NEW)
    assert "no version of new-tls is being made" in scene.said("certificate", "cancel", NEW, code=1)
    scene.said("certificate", "request", NEW, "--cn=a.example", "--issuer=Self")
    assert len(scene.listed("new-tls")) == 1


# Policy and contacts


def test_a_policy_is_shown_and_changed_and_what_is_not_named_stays(scene: Scene) -> None:
    before = scene.at_vault("/certificates/orders-tls/policy")
    shown = scene.ask("certificate", "policy", OLD)
    assert "CN=orders.example.com" in shown and not scene.written()
    scene.ask("certificate", "policy", OLD, "--validity-months=6", "--lifetime-action=email", "--days-before=20")
    after = scene.at_vault("/certificates/orders-tls/policy")
    (action,) = after["lifetime_actions"]
    assert action["action"]["action_type"] == "EmailContacts" and action["trigger"]["days_before_expiry"] == 20
    assert after["x509_props"] == before["x509_props"] | {"validity_months": 6}
    assert {part: after[part] for part in ("issuer", "key_props", "secret_props")} == {
        part: before[part] for part in ("issuer", "key_props", "secret_props")
    }
    assert len(scene.listed("orders-tls")) == 1


def test_a_policy_that_is_as_it_should_be_is_not_sent(scene: Scene) -> None:
    scene.ask("certificate", "policy", OLD, "--cn=orders.example.com", "--organisation=Contoso", "--issuer=Self")
    assert not scene.written()


RSA, RSA_HSM, EC_HSM = "RSA", "RSA-HSM", "EC-HSM"
# The key's type now, what is asked for, and what is different then.
KEYS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "more bits": (RSA, "--key-size=4096", {"key_size": 4096}),
    "more bits in an HSM": (RSA_HSM, "--key-size=4096", {"key_size": 4096}),
    "another curve in an HSM": (EC_HSM, "--curve=P-384", {"crv": "P-384", "key_size": 384}),
    "an HSM": (RSA, "--key-type=RSA-HSM", {"kty": RSA_HSM, "exportable": False}),
    "EC instead": (RSA, "--key-type=EC", {"kty": "EC", "crv": "P-256", "key_size": 256}),
    "a curve instead": (RSA_HSM, "--key-type=EC-HSM --curve=P-521", {"kty": EC_HSM, "crv": "P-521", "key_size": 521}),
    "nothing of it": (RSA_HSM, "--validity-months=6", {}),
}


@pytest.mark.parametrize("what", KEYS)
def test_of_a_key_only_what_is_named_is_changed(what: str, scene: Scene) -> None:
    kty, line, expected = KEYS[what]
    scene.sandbox.keyvault.add_certificate(scene.vault, "new-tls", kty=kty, exportable=kty == RSA)
    before = scene.at_vault("/certificates/new-tls/policy")["key_props"]
    scene.ask("certificate", "policy", NEW, *line.split())
    after = scene.at_vault("/certificates/new-tls/policy")["key_props"]
    wanted = before | expected
    assert {name: after.get(name) for name in wanted} == wanted


@pytest.mark.parametrize("kty, option", [(RSA_HSM, "--curve=P-256"), (EC_HSM, "--key-size=2048")])
def test_a_size_that_does_not_suit_the_key_needs_a_type(kty: str, option: str, scene: Scene) -> None:
    scene.sandbox.keyvault.add_certificate(scene.vault, "new-tls", kty=kty, exportable=False)
    said = scene.said("certificate", "policy", NEW, option, code=1)
    assert f"does not suit the policy's key type, {kty}: name another --key-type" in said and not scene.written()
    said = scene.said("certificate", "policy", NEW, "--exportable", code=1)
    assert "does not leave the vault's HSM" in said and not scene.written()


# The subject in the policy, what is asked for, and what becomes of it.
SUBJECTS = {
    "the name": ("CN=a, O=Contoso", ["--cn=b"], "CN=b, O=Contoso"),
    "the organisation": ('CN=a,O="Con, AG",C=DE', ["--organisation=Other, AG"], 'CN=a, O="Other, AG", C=DE'),
    "what is not there yet": ("CN=a", ["--country=DE", "--unit=IT"], "CN=a, OU=IT, C=DE"),
    "a unit of several": ("CN=a, OU=x, O=Contoso, OU=y", ["--unit=z"], "CN=a, OU=z, O=Contoso"),
    "what is so already": ("CN=a,O=Contoso", ["--organisation=Contoso"], "CN=a,O=Contoso"),
    "the whole": ("CN=a, O=Contoso", ["--subject=CN=b"], "CN=b"),
}


@pytest.mark.parametrize("what", SUBJECTS)
def test_of_a_subject_only_what_is_named_is_changed(what: str, scene: Scene) -> None:
    before, options, after = SUBJECTS[what]
    scene.sandbox.keyvault.add_certificate(scene.vault, "new-tls", subject=before)
    scene.ask("certificate", "policy", NEW, *options)
    assert scene.at_vault("/certificates/new-tls/policy")["x509_props"]["subject"] == after
    assert bool(scene.written()) == (before != after)


SCRIPT = "--script=scripts/azure_key_vault_certificate.py"


@pytest.mark.parametrize("option", ["--no-wait", "--csr-out=/tmp/x-nowhere.csr", "--force"])
def test_what_the_script_does_not_do_is_refused_beside_it(option: str, scene: Scene) -> None:
    said = scene.said("certificate", "renew", OLD, SCRIPT, option, code=1)
    assert "do not go with --script" in said and not scene.written() and len(scene.listed("orders-tls")) == 1


@pytest.mark.parametrize(
    "named", ["https://[v].vault.azure.net/certificates/x", "https://v[.vault.azure.net", "no address"]
)
def test_a_record_that_names_what_is_no_address_keeps_nothing_from_a_list(named: str, scene: Scene) -> None:
    other = scene.sandbox.keeper.add_record("other", "pamUser", [], [make_field("text", named, "certificate_id")])
    for label in ("tls_secret_id", "deliver_to", "storage_account_id"):
        scene.sandbox.keeper.edit(other, label, named)
    for command in (("certificate", "list"), ("discover", "certificates"), ("tls-secret", "list")):
        (row,) = scene.rows(*command, "--vault=certificates")
        assert row["records"] == [scene.at.record_uid]


def test_contacts_are_added_and_removed_one_by_one(scene: Scene) -> None:
    vault = "--vault=certificates"
    assert "no contacts" in scene.ask("certificate", "contacts", vault)
    scene.ask("certificate", "contacts", vault, "--add=a@example.com", "--add=b@example.com")
    scene.ask("certificate", "contacts", vault, "--add=A@example.com", "--remove=b@example.com")
    assert [each["email"] for each in scene.at_vault("/certificates/contacts")["contacts"]] == ["a@example.com"]
    assert "no contact of the vault" in scene.said("certificate", "contacts", vault, "--remove=c@example.com", code=1)
    scene.ask("certificate", "contacts", vault, "--remove=a@example.com")
    assert not scene.vault.certificates.contacts


# What a CA signed


def pem(chain: list[bytes]) -> bytes:
    return b"".join(x509.load_der_x509_certificate(each).public_bytes(Encoding.PEM) for each in chain)


def other_key(scene: Scene) -> bytes:
    """As signed for another request."""
    scene.said("certificate", "request", f"{NEW}-2", "--cn=b.example", "--issuer=Unknown", code=2)
    return pem(scene.sandbox.keyvault.sign_csr(scene.vault, "new-tls-2"))


Chain = Callable[[Scene], bytes]


def too_early(scene: Scene) -> bytes:
    now = scene.sandbox.clock.now()
    return pem(signed(scene, not_before=now + 5 * DAY, expires=now + 90 * DAY))


CHAINS: dict[str, tuple[Chain, str]] = {
    "expired": (
        lambda scene: pem(signed(scene, expires=scene.sandbox.clock.now() - DAY)),
        "the certificate expired on",
    ),
    "not valid yet": (too_early, "the certificate is valid only from"),
    "for another key": (other_key, "its key is another one"),
    "no certificate": (lambda scene: b"-----BEGIN NOTHING-----\n", "there is no certificate that can be read"),
    "empty": (lambda scene: b"", "there is no certificate that can be read"),
}


def signed(scene: Scene, **options: Any) -> list[bytes]:
    """What a CA answers to the request that waits."""
    return scene.sandbox.keyvault.sign_csr(scene.vault, "new-tls", **options)


def waiting(scene: Scene) -> Path:
    """A version that waits for a CA; where its answer goes."""
    scene.said("certificate", "request", NEW, "--cn=a.example", "--issuer=Unknown", code=2)
    return scene.out / "chain.pem"


@pytest.mark.parametrize("what", CHAINS)
def test_a_chain_that_cannot_be_merged(what: str, scene: Scene) -> None:
    make, message = CHAINS[what]
    path = waiting(scene)
    path.write_bytes(make(scene))
    before = len(scene.written())
    said = scene.said("certificate", "merge", NEW, f"--chain={path}", code=1)
    assert message in said, said
    assert (
        len(scene.written()) == before
        and scene.sandbox.keyvault.pending_certificate(scene.vault, "new-tls") == "inProgress"
    )


def _pkcs7(chain: list[bytes]) -> bytes:
    found = [x509.load_der_x509_certificate(each) for each in chain]
    return pkcs7.serialize_certificates(found[::-1], Encoding.DER)


FORMS: dict[str, Callable[[list[bytes]], bytes]] = {
    "PEM": pem, "DER, the leaf alone": lambda chain: chain[0], "PKCS #7, in any order": _pkcs7,
    "PEM, in the wrong order, with a stranger, one of them twice": lambda chain: pem([*STRANGER, *chain[::-1], *chain]),
}  # fmt: skip
STRANGER = [certificate_authority("Stranger").intermediate.public_bytes(Encoding.DER)]


@pytest.mark.parametrize("form", FORMS)
def test_a_chain_in_every_form_is_merged(form: str, scene: Scene) -> None:
    path = waiting(scene)
    chain = signed(scene)
    path.write_bytes(FORMS[form](chain))
    said = scene.said("certificate", "merge", NEW, f"--chain={path}")
    assert ("no part of the certificate's chain: CN=Stranger CA 1" in said) == ("stranger" in form), said
    (merged,) = scene.sandbox.keyvault.certificate_versions(scene.vault, "new-tls")
    whole = [x509.load_der_x509_certificate(each) for each in chain]
    assert list(merged.material.chain) == (whole[:1] if "alone" in form else whole)


def test_nothing_waits_to_be_merged(scene: Scene) -> None:
    path = waiting(scene)
    path.write_bytes(pem(signed(scene)))
    said = scene.said("certificate", "merge", OLD, f"--chain={path}", code=1)
    assert "nothing waits to be merged" in said


# Files


def test_a_file_that_is_there_is_not_written_over_and_no_link_is_followed(scene: Scene) -> None:
    path, target = scene.out / "orders.pem", scene.out / "target"
    target.write_text("mine")
    path.symlink_to(target)
    arguments = ("certificate", "obtain", OLD, f"--out={path}", "--form=pem")
    assert "is there already" in scene.said(*arguments, code=1) and target.read_text() == "mine"
    scene.said(*arguments, "--force")
    assert not path.is_symlink() and path.stat().st_mode & 0o777 == 0o600 and target.read_text() == "mine"


def test_what_is_no_file_is_never_replaced(scene: Scene) -> None:
    pipe, link = scene.out / "pipe", scene.out / "link"
    os.mkfifo(pipe)
    link.symlink_to("/dev/null")
    for path in (pipe, link):
        for more in ([], ["--force"]):
            said = scene.said("certificate", "obtain", OLD, f"--out={path}", "--form=pem", *more, code=1)
            assert f"{path} is no file" in said and "hint: name a file" in said and "--force" not in said
    assert pipe.is_fifo() and link.is_symlink()


@pytest.mark.parametrize("content_type", [PFX, PEM])
@pytest.mark.parametrize("form", ["pem", "chain"])
def test_a_file_has_the_certificate_first_and_each_is_signed_by_the_next(
    form: str, content_type: str, scene: Scene
) -> None:
    scene.sandbox.keyvault.add_certificate(scene.vault, "new-tls", issuer="contoso-ca", content_type=content_type)
    path = scene.out / "new.pem"
    scene.ask("certificate", "obtain", NEW, f"--out={path}", f"--form={form}")
    assert names(path.read_bytes()) == ["CN=new-tls", "CN=contoso-ca CA 1", "CN=contoso-ca Root CA"]


# What is given, and its order: a leaf, its issuing CA, its root; and another issuing CA with its root.
ORDERS = {
    "in order": ("lir", "lir"),
    "root first": ("ril", "lir"),
    "the leaf alone": ("l", "l"),
    "without a root": ("il", "li"),
    "twice": ("llirr", "lir"),
    "a stranger first": ("sril", "lirs"),
    "a stranger between": ("lsir", "lirs"),
    "another chain between": ("tlsir", "lirts"),
    "nothing": ("", ""),
}


@pytest.mark.parametrize("what", ORDERS)
def test_certificates_in_any_order_come_with_the_leaf_first(what: str) -> None:
    given, expected = ORDERS[what]
    own, other = certificate_authority("Own"), certificate_authority("Other")
    key = make_key("EC")
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    leaf = own.sign(request, (1.0e9, 2.0e9))[0]
    known = {"l": leaf, "i": own.intermediate, "r": own.root, "t": other.intermediate, "s": other.root}
    found = [known[letter] for letter in given]

    def letters(chain: Iterable[x509.Certificate]) -> str:
        return "".join(letter for each in chain for letter, one in known.items() if one == each)

    assert letters(in_order(found)) == expected
    if leaf in found:
        above = [each for at, each in enumerate(found) if at != found.index(leaf)]
        pfx = pkcs12.serialize_key_and_certificates(None, key, leaf, above, NoEncryption())
        text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        for bundle in (read_pfx(pfx, ""), read_pem(text + b"".join(each.public_bytes(Encoding.PEM) for each in found))):
            assert letters((bundle.leaf, *bundle.chain)) == expected


OBTAIN: dict[str, tuple[list[str], str]] = {
    "nowhere": ([OLD], "where to is not said"),
    "two places": ([OLD, "--out=x", "--record=y"], "--out or --record, not both"),
    "a version that is not there": ([f"{OLD}/{'0' * 32}", "--out=/tmp/x", "--form=pem"], "there is no version"),
    "no certificate": ([NEW, "--out=/tmp/x", "--form=cer"], "there is no certificate new-tls"),
    "no folder": ([OLD, "--out=/nowhere/x", "--form=pem"], "no file can be written in"),
    "no password": ([OLD, "--out=/tmp/x-nowhere.pfx"], "a PFX needs a password"),
    "an empty password": ([OLD, "--out=/tmp/x-nowhere.pfx", "--password-stdin"], "the password is empty"),
    "the chain into a record": ([OLD, f"--record={'A' * 22}", "--form=chain"], ""),
}


@pytest.mark.parametrize("what", OBTAIN)
def test_what_cannot_be_obtained(what: str, scene: Scene) -> None:
    arguments, message = OBTAIN[what]
    said = scene.said("certificate", "obtain", *arguments, code=1)
    assert message in said, said
    assert not scene.written()
    assert not [path for path in ("/tmp/x", "/tmp/x-nowhere.pfx") if os.path.exists(path)]


def test_a_key_that_cannot_leave_is_not_obtained_but_its_certificate_is(scene: Scene) -> None:
    scene.sandbox.keyvault.add_certificate(scene.vault, "new-tls", exportable=False)
    path = scene.out / "new.pem"
    assert "cannot leave the vault" in scene.said("certificate", "obtain", NEW, f"--out={path}", "--form=pem", code=1)
    scene.said("certificate", "obtain", NEW, f"--out={path}", "--form=cer")
    assert x509.load_der_x509_certificate(path.read_bytes()) == scene.certificate("new-tls")


# Records of something else

IN_USE = {"an app's": "application_object_id", "a password's": "deliver_to", "who signs in": "client_secret"}


@pytest.mark.parametrize("whose", IN_USE)
@pytest.mark.parametrize("arguments", [("renew",), ("obtain",), ("request", "--validity-months=3")], ids=str)
def test_a_record_of_something_else_is_not_taken_over(arguments: tuple[str, ...], whose: str, scene: Scene) -> None:
    fields = [make_field("text", "x", IN_USE[whose])]
    uid = scene.sandbox.keeper.add_record("mine", "pamUser", [make_field("login", "mine")], fields)
    before = scene.sandbox.keeper.record(uid).data
    said = scene.said("certificate", arguments[0], OLD, *arguments[1:], f"--record={uid}", code=1)
    assert f"is for another target: it has {IN_USE[whose]}" in said
    assert scene.sandbox.keeper.record(uid).data == before and not scene.written()


def test_a_record_that_stands_for_something_else_as_well_is_not_deleted(scene: Scene) -> None:
    uid = scene.at.record_uid
    custom = scene.sandbox.keeper.vault.records[uid].data["custom"]
    custom.append(make_field("text", "x", "application_object_id"))
    said = scene.said("certificate", "delete", OLD, "--from-keeper", "--yes", code=1)
    assert "is for another target as well" in said and uid in scene.sandbox.keeper.vault.records


def test_names_that_a_ca_left_out_are_told(scene: Scene) -> None:
    path = waiting(scene)
    pending = scene.vault.certificates.live["new-tls"].pending
    assert pending is not None
    chain = signed(scene)
    names = x509.SubjectAlternativeName([x509.DNSName("a.example"), x509.DNSName("b.example")])
    builder = x509.CertificateSigningRequestBuilder().subject_name(pending.csr.subject)
    pending.csr = builder.add_extension(names, critical=False).sign(pending.key, hashes.SHA256())  # type: ignore[arg-type]
    path.write_bytes(pem(chain))
    said = scene.said("certificate", "merge", NEW, f"--chain={path}")
    assert "left out names that were asked for: a.example, b.example" in said


def test_a_record_for_a_month_is_one_that_its_script_can_renew(scene: Scene) -> None:
    made = scene.rows("certificate", "request", NEW, "--cn=a.example", "--validity-months=1", "--folder=Azure Rotation")
    scene.at = replace(scene.at, record_uid=made["record"])
    assert scene.run().result == "rotated" and scene.value("certificate_version") == made["version"]
    scene.sandbox.clock.advance(26 * DAY)
    assert scene.run().result == "rotated" and len(scene.listed("new-tls")) == 2

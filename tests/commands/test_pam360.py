"""Certificates and TLS secrets as PAM360's users know them: a test for each numbered step of its page on Key Vault.

The commands run as an operator runs them. What they left behind is read through Key Vault's own API and in the record.
"""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, pkcs12
from cryptography.x509.oid import NameOID

from sandbox.keeper.vault import make_field
from tests.stage.certificate import SCRIPT, CertificateStage, opens
from tests.stage.hooks import URL, Hooks
from tests.stage.key_vault import Scene

DAY = 86400.0


def name_of(certificate: x509.Certificate, oid: x509.ObjectIdentifier) -> str:
    """A part of the subject."""
    return str(certificate.subject.get_attributes_for_oid(oid)[0].value)


# Prerequisites


def test_prerequisite_1_client_id_tenant_id_and_client_secret_are_enough(scene: Scene) -> None:
    assert [each["name"] for each in scene.rows("certificate", "list")] == ["orders-tls"]


def test_prerequisite_2_a_vault_that_gives_no_access_is_named_with_the_role_that_is_missing(scene: Scene) -> None:
    scene.sandbox.roles.revoke(scene.at.admin_client_id)
    process = scene.ask("certificate", "list", "--vault=certificates", code=1)
    assert process == ""


def test_prerequisite_3_listing_the_vaults_takes_a_role_on_the_subscription(scene: Scene) -> None:
    scene.sandbox.roles.revoke(scene.at.admin_client_id, scene.sandbox.arm.resources.subscription)
    scene.ask("certificate", "list", "--vault=certificates", "--vault=front-door")
    scene.sandbox.roles.revoke(scene.at.admin_client_id)
    scene.ask("certificate", "list", code=1)


# 2. Importing Azure Key Vaults


def test_2_steps_1_to_4_a_credential_is_saved_and_all_its_vaults_are_there(scene: Scene) -> None:
    fields = [
        make_field("text", scene.at.admin_client_id, "application_client_id"),
        make_field("secret", scene.at.admin_secret, "client_secret"),
        make_field("text", scene.at.tenant_id, "tenant_id"),
    ]
    uid = scene.sandbox.keeper.add_record("PAM360 credential", "login", [], fields)
    found = scene.rows("certificate", "vaults", f"--credential={uid}")
    assert [each["vault"] for each in found] == ["certificates", "front-door", "sandbox-vault"]
    assert found[0]["address"] == scene.vault.url and found[0]["id"] == scene.vault.id


def test_2_sync_shows_what_has_come_since(scene: Scene) -> None:
    before = scene.rows("certificate", "vaults")
    scene.sandbox.keyvault.add_vault("brand-new")
    assert len(scene.rows("certificate", "vaults")) == len(before) + 1


def test_2_the_issuers_of_a_vault_are_listed(scene: Scene) -> None:
    (issuer,) = scene.rows("certificate", "issuers", "--vault=certificates")
    assert (issuer["name"], issuer["provider"], issuer["enabled"]) == ("contoso-ca", "DigiCert", True)
    assert scene.at_vault("/certificates/issuers/contoso-ca")["provider"] == "DigiCert"


# 3.1 Discovering certificates


def test_3_1_step_1_and_2_certificates_of_a_vault_are_imported(scene: Scene) -> None:
    scene.sandbox.keyvault.add_certificate(scene.vault, "shop-tls")
    found = scene.rows("discover", "certificates", "--vault=certificates")
    assert {each["name"]: bool(each["records"]) for each in found} == {"orders-tls": True, "shop-tls": False}
    for _ in range(2):
        scene.ask("discover", "certificates", "--vault=certificates", "--create", f"--folder={scene.folder_uid}")
        (uid,) = scene.records_of("certificate_id", scene.id("shop-tls"))
    assert scene.sandbox.keeper.record(uid).data["type"] == "pamUser"
    assert len(scene.records_of("certificate_id", scene.made.certificate_id)) == 1


def test_3_1_step_2_2_the_list_is_synchronised_by_running_it_again(scene: Scene) -> None:
    scene.ask("discover", "certificates", "--vault=certificates", "--create", f"--folder={scene.folder_uid}")
    scene.sandbox.keyvault.add_certificate(scene.vault, "late-tls")
    scene.ask("discover", "certificates", "--vault=certificates", "--create", f"--folder={scene.folder_uid}")
    assert len(scene.records_of("certificate_id", scene.id("late-tls"))) == 1


def test_3_1_step_2_3_previous_versions_are_listed_too(scene: Scene) -> None:
    new = scene.sandbox.keyvault.add_certificate(scene.vault, "orders-tls")
    found = scene.rows("discover", "certificates", "--vault=certificates", "--previous-versions")
    assert [each["version"] for each in found] == [new.version, scene.made.first]
    assert scene.listed("orders-tls") == [scene.made.first, new.version]


def test_3_1_expiry_notifications_are_a_field_of_the_record() -> None:
    hooks = Hooks()
    with CertificateStage(
        days_left=360, services=[hooks], settings={"notify": URL, "notify_on": "expiry", "notify_before_days": "60"}
    ) as stage:
        assert stage.run().code == 0
        stage.sandbox.clock.advance(320 * DAY)
        assert stage.run().result == "not_due"
        assert "orders-tls" in str(hooks.received[-1])


# 3.2 Creating a certificate request

ORDER = (
    "--cn=shop.example.com", "--organisation=Contoso, Ltd.", "--unit=IT", "--locality=Berlin", "--state=Berlin",
    "--country=DE", "--dns=shop.example.com,www.example.com", "--email=tls@example.com", "--key-type=RSA",
    "--key-size=3072", "--validity-months=6", "--lifetime-action=email", "--days-before=30",
    "--contact=tls@example.com", "--key-usage=digitalSignature,nonRepudiation,keyEncipherment,dataEncipherment",
    "--extended-key-usage=serverAuth,clientAuth",
)  # fmt: skip


def test_3_2_steps_1_to_8_a_certificate_is_requested_with_all_that_is_asked_for(scene: Scene) -> None:
    shown = scene.rows("certificate", "request", scene.id("shop-tls"), *ORDER, f"--folder={scene.folder_uid}")
    made = scene.certificate("shop-tls")
    parts = {"COMMON_NAME": "shop.example.com", "ORGANIZATION_NAME": "Contoso, Ltd.", "ORGANIZATIONAL_UNIT_NAME": "IT"}
    parts |= {"LOCALITY_NAME": "Berlin", "STATE_OR_PROVINCE_NAME": "Berlin", "COUNTRY_NAME": "DE"}
    assert {part: name_of(made, getattr(NameOID, part)) for part in parts} == parts
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["shop.example.com", "www.example.com"]
    assert names.get_values_for_type(x509.RFC822Name) == ["tls@example.com"]
    assert made.public_key().key_size == 3072  # type: ignore[union-attr]
    usage = made.extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.digital_signature and usage.content_commitment and usage.data_encipherment and usage.key_encipherment
    extended = made.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert [each.dotted_string for each in extended] == ["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"]
    assert 175 < (made.not_valid_after_utc - made.not_valid_before_utc).days < 190
    policy = scene.at_vault("/certificates/shop-tls/policy")
    (action,) = policy["lifetime_actions"]
    assert action["action"] == {"action_type": "EmailContacts"} and action["trigger"]["days_before_expiry"] == 30
    assert scene.at_vault("/certificates/contacts")["contacts"][0]["email"] == "tls@example.com"
    assert scene.records_of("certificate_id", scene.id("shop-tls")) == [shown["record"]]
    assert shown["version"] == scene.listed("shop-tls")[0]


def test_3_2_step_5_the_certificate_renews_itself_where_that_is_chosen(scene: Scene) -> None:
    scene.ask("certificate", "request", scene.id("auto"), "--cn=a.example", "--lifetime-action=auto-renew")
    (action,) = scene.at_vault("/certificates/auto/policy")["lifetime_actions"]
    assert action["action"] == {"action_type": "AutoRenew"} and action["trigger"]["lifetime_percentage"] == 80


def test_3_2_the_same_name_gets_a_new_version(scene: Scene) -> None:
    scene.ask("certificate", "request", scene.made.certificate_id, "--validity-months=3")
    first, second = scene.listed("orders-tls")
    before, after = (scene.certificate("orders-tls", version) for version in (first, second))
    assert before.subject == after.subject, "what is not named stays"
    assert (after.not_valid_after_utc - after.not_valid_before_utc).days < 100


def test_3_2_request_status_is_shown_until_it_is_issued(scene: Scene) -> None:
    scene.sandbox.keyvault.issue_seconds = 3600
    shown = scene.rows("certificate", "request", scene.id("slow"), "--cn=s.example", "--issuer=contoso-ca", "--no-wait",
                       code=2)  # fmt: skip
    assert shown["status"] == "inProgress"
    assert scene.rows("certificate", "status", scene.id("slow"), code=2)["status"] == "inProgress"
    assert scene.at_vault("/certificates/slow/pending")["status"] == "inProgress"
    scene.sandbox.clock.advance(3601)
    assert scene.rows("certificate", "status", scene.id("slow"))["status"] == "completed"


def test_3_2_obtain_certificate_retrieves_the_latest(scene: Scene) -> None:
    scene.sandbox.keyvault.add_certificate(scene.vault, "orders-tls")
    path = scene.out / "orders.pfx"
    scene.ask("certificate", "obtain", scene.made.certificate_id, f"--out={path}", "--password-stdin", stdin="s3cret\n")
    assert path.stat().st_mode & 0o777 == 0o600
    assert opens(path.read_bytes(), "pfx", "s3cret") == scene.certificate("orders-tls")
    uid = scene.at.record_uid
    scene.ask("certificate", "obtain", scene.made.certificate_id, f"--record={uid}")
    assert scene.value("certificate_version") == scene.listed("orders-tls")[-1] and not scene.wrong()


def test_3_2_obtain_history_retrieves_all_versions(scene: Scene) -> None:
    scene.sandbox.keyvault.add_certificate(scene.vault, "orders-tls")
    folder = scene.out / "history"
    scene.ask("certificate", "obtain", scene.made.certificate_id, "--history", f"--out={folder}", "--form=pem")
    found = {path.name: opens(path.read_bytes(), "pem", "") for path in folder.iterdir()}
    versions = scene.listed("orders-tls")
    assert found == {f"orders-tls-{each}.pem": scene.certificate("orders-tls", each) for each in versions}
    scene.ask("certificate", "obtain", scene.made.certificate_id, "--history", f"--record={scene.at.record_uid}")
    assert set(scene.files()) == {f"orders-tls-{each}.pfx" for each in versions}
    password = scene.value("pfx_password_history")
    for version in versions:
        content = bytes(scene.files()[f"orders-tls-{version}.pfx"] or b"")
        assert opens(content, "pfx", password) == scene.certificate("orders-tls", version)


# 3.3.1 Renewing


def test_3_3_1_steps_1_and_2_a_certificate_is_renewed_with_a_validity(scene: Scene) -> None:
    scene.ask("certificate", "renew", scene.made.certificate_id, "--validity-months=2", f"--script={SCRIPT}", "--json")
    assert len(scene.listed("orders-tls")) == 2 and not scene.wrong()
    made = scene.certificate("orders-tls")
    assert 55 < (made.not_valid_after_utc - made.not_valid_before_utc).days < 63
    assert scene.value("certificate_version") == scene.listed("orders-tls")[-1], "in both places"


def test_3_3_1_without_the_script_the_vault_alone_is_renewed_and_the_record_follows(scene: Scene) -> None:
    shown = scene.rows("certificate", "renew", scene.made.certificate_id)
    assert shown["records"] == [scene.at.record_uid] and shown["version"] == scene.listed("orders-tls")[-1]
    assert scene.run().code == 0 and not scene.wrong()
    assert scene.value("certificate_version") == shown["version"] and len(scene.listed("orders-tls")) == 2


def test_3_3_1_note_1_what_a_third_party_issued_cannot_be_renewed(scene: Scene) -> None:
    scene.sandbox.keyvault.add_certificate(scene.vault, "bought", issuer="gone-ca")
    scene.vault.certificates.issuers.pop("gone-ca")
    scene.ask("certificate", "renew", scene.id("bought"), code=1)
    assert len(scene.listed("bought")) == 1


def test_3_3_1_note_2_a_previous_version_cannot_be_renewed(scene: Scene) -> None:
    scene.ask("certificate", "renew", f"{scene.made.certificate_id}/{scene.made.first}", code=1)
    assert scene.listed("orders-tls") == [scene.made.first]


def test_3_3_1_one_that_a_ca_signs_by_hand_is_renewed_with_its_signing_request(scene: Scene) -> None:
    scene.sandbox.keyvault.add_certificate(scene.vault, "by-hand", issuer="Unknown")
    csr, chain = scene.out / "request.csr", scene.out / "chain.pem"
    scene.ask("certificate", "renew", scene.id("by-hand"), f"--csr-out={csr}", code=2)
    signed = scene.sandbox.keyvault.sign_csr(scene.vault, "by-hand")
    leaf = x509.load_der_x509_certificate(signed[0])
    assert x509.load_pem_x509_csr(csr.read_bytes()).public_key() == leaf.public_key()
    chain.write_bytes(b"".join(x509.load_der_x509_certificate(each).public_bytes(Encoding.PEM) for each in signed))
    scene.ask("certificate", "merge", scene.id("by-hand"), f"--chain={chain}")
    assert scene.certificate("by-hand") == leaf


# 3.3.2 Deleting


def test_3_3_2_steps_1_to_3_only_the_record_is_deleted(scene: Scene) -> None:
    assert scene.run().code == 0
    before = scene.listed("orders-tls")
    scene.ask("certificate", "delete", scene.made.certificate_id, "--yes", code=1)
    assert scene.at.record_uid in scene.sandbox.keeper.vault.records, "--from-keeper has to be said"
    scene.ask("certificate", "delete", scene.made.certificate_id, "--from-keeper", "--yes")
    assert scene.at.record_uid not in scene.sandbox.keeper.vault.records
    assert scene.listed("orders-tls") == before


# 3.3.3 Filtering


@pytest.mark.parametrize(("versions", "shown"), [("current", [1]), ("previous", [0]), ("all", [0, 1])])
def test_3_3_3_versions_are_filtered(versions: str, shown: list[int], scene: Scene) -> None:
    scene.sandbox.keyvault.add_certificate(scene.vault, "orders-tls")
    ids = scene.listed("orders-tls")
    found = scene.rows("certificate", "list", "--vault=certificates", f"--versions={versions}")
    assert [each["thumbprint"] for each in found] == [
        scene.certificate("orders-tls", ids[at]).fingerprint(hashes.SHA1()).hex().upper() for at in shown
    ]


# 4.1 Discovering TLS secrets


def test_4_1_steps_1_2_and_4_tls_secrets_are_discovered_and_nothing_else(scene: Scene) -> None:
    keyvault = scene.sandbox.keyvault
    content = scene.pfx("", "own")
    keyvault.set_secret(scene.vault, "own-tls", base64.b64encode(content.read_bytes()).decode(),
                        content_type="application/x-pkcs12")  # fmt: skip
    keyvault.set_secret(scene.vault, "database-password", "plain")
    found = scene.rows("tls-secret", "list", "--vault=certificates")
    assert [each["name"] for each in found] == ["orders-tls", "own-tls"]
    scene.ask("discover", "tls-secrets", "--vault=certificates", "--create", f"--folder={scene.folder_uid}")
    (uid,) = scene.records_of("tls_secret_id", f"{scene.vault.url}/secrets/own-tls")
    assert scene.record(uid, "thumbprint") and scene.record(uid, "expires")


def test_4_1_step_3_what_belongs_to_a_certificate_is_added_to_the_certificates(scene: Scene) -> None:
    scene.sandbox.keyvault.add_certificate(scene.vault, "shop-tls")
    scene.ask("tls-secret", "list", "--vault=certificates", "--add-certificates", f"--folder={scene.folder_uid}")
    assert len(scene.records_of("certificate_id", scene.id("shop-tls"))) == 1


# 4.2 Managing TLS secrets


def created(scene: Scene, *more: str) -> str:
    """A TLS secret made from a file, with a record; the record's uid."""
    path = scene.pfx("file-password")
    shown = scene.rows(
        "tls-secret", "create", "--vault=certificates", "--name=upload-tls", f"--pfx={path}", "--password-stdin",
        f"--folder={scene.folder_uid}", *more, stdin="file-password\n",
    )  # fmt: skip
    return str(shown["record"])


def test_4_2_steps_1_and_2_the_list_shows_what_was_discovered_and_made(scene: Scene) -> None:
    uid = created(scene)
    found = {each["name"]: each["records"] for each in scene.rows("tls-secret", "list", "--vault=certificates")}
    assert found == {"orders-tls": [scene.at.record_uid], "upload-tls": [uid]}


def test_4_2_steps_3_and_4_a_secret_is_created_from_a_pfx(scene: Scene) -> None:
    uid = created(scene, "--disabled", "--activates=2027-01-01")
    (shown,) = scene.at_vault("/secrets/upload-tls/versions")["value"]
    assert shown["contentType"] == "application/x-pkcs12" and shown["attributes"]["enabled"] is False
    assert shown["attributes"]["nbf"] == datetime(2027, 1, 1, tzinfo=UTC).timestamp()
    stored = scene.sandbox.keyvault.value(scene.vault, "upload-tls")
    found = pkcs12.load_pkcs12(base64.b64decode(stored or ""), None)
    assert found.cert and found.cert.certificate == scene.uploaded()
    assert scene.record(uid, "tls_secret_id") == f"{scene.vault.url}/secrets/upload-tls"


def test_4_2_step_5_dates_and_status_are_updated(scene: Scene) -> None:
    created(scene)
    address = f"{scene.vault.url}/secrets/upload-tls"
    ends = (datetime.now(UTC) + timedelta(days=90)).date()
    scene.ask("tls-secret", "update", address, f"--expires={ends}", "--activates=2026-01-01", "--disable")
    (shown,) = scene.at_vault("/secrets/upload-tls/versions")["value"]
    assert shown["attributes"]["enabled"] is False
    assert datetime.fromtimestamp(shown["attributes"]["exp"], UTC).date() == ends
    scene.ask("tls-secret", "update", address, "--expires=none", "--enable")
    (shown,) = scene.at_vault("/secrets/upload-tls/versions")["value"]
    assert shown["attributes"]["enabled"] is True and not shown["attributes"].get("exp")


def test_4_2_step_6_1_rediscover_follows_the_vaults_current_version(scene: Scene) -> None:
    uid = created(scene)
    first = scene.record(uid, "tls_secret_version")
    newer = scene.sandbox.keyvault.set_secret(
        scene.vault, "upload-tls", base64.b64encode(scene.pfx("", "newer").read_bytes()).decode(),
        content_type="application/x-pkcs12",
    )  # fmt: skip
    scene.ask("tls-secret", "rediscover", f"{scene.vault.url}/secrets/upload-tls")
    assert scene.record(uid, "tls_secret_version") == newer.version != first


def test_4_2_step_6_2_the_new_versions_certificate_is_obtained_and_exported(scene: Scene) -> None:
    uid = created(scene)
    address = f"{scene.vault.url}/secrets/upload-tls"
    scene.ask("tls-secret", "obtain", address, f"--record={uid}")
    ((_, content),) = scene.sandbox.keeper.files(uid).items()
    assert opens(bytes(content or b""), "pfx", scene.record(uid, "pfx_password")) == scene.uploaded()
    path = scene.out / "mine.pem"
    scene.ask("tls-secret", "obtain", address, f"--out={path}", "--form=pem")
    assert opens(path.read_bytes(), "pem", "") == scene.uploaded() and path.stat().st_mode & 0o777 == 0o600


def test_4_2_steps_7_and_8_only_the_record_is_deleted(scene: Scene) -> None:
    uid = created(scene)
    scene.ask("tls-secret", "delete", f"--record={uid}", "--from-keeper", "--yes")
    assert uid not in scene.sandbox.keeper.vault.records
    assert len(scene.at_vault("/secrets/upload-tls/versions")["value"]) == 1


def test_4_2_a_new_version_says_which_record_is_behind_and_makes_no_second_one(scene: Scene) -> None:
    uid = created(scene)
    path = scene.pfx("", "newer")
    made = ("tls-secret", "create", "--vault=certificates", "--name=upload-tls", f"--pfx={path}", "--new-version")
    assert f"record {uid} names this secret already" in scene.said(*made, f"--folder={scene.folder_uid}", code=1)
    assert f"record {uid} shows an older version" in scene.said(*made)
    assert len(scene.records_of("tls_secret_id", f"{scene.vault.url}/secrets/upload-tls")) == 1


def test_4_2_step_5_a_date_that_is_past_is_refused(scene: Scene) -> None:
    created(scene)
    address = f"{scene.vault.url}/secrets/upload-tls"
    assert "is past" in scene.said("tls-secret", "update", address, "--expires=2020-01-31", code=1)

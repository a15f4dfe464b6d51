"""Certificates of Key Vault: what is renewed, adopted, exported, delivered and refused, and what is left behind."""

from __future__ import annotations

import base64
import concurrent.futures
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    Encoding,
)

from gateway.model.x509 import PEM, PFX, read_public, read_secret, to_pem, to_pfx
from sandbox.furnish.certificate import OFFICER, SECRETS_USER
from sandbox.proxy import faults
from tests.commands.test_check import check
from tests.stage.certificate import CertificateStage, opens
from tests.stage.certificate import names as names_of
from tests.stage.discover import make_bundle
from tests.stage.rotation import ROOT, Outcome, Stage
from tests.sweep.certificate import cases, judge
from tests.sweep.deep import deep_unless
from tests.sweep.rotation import changes

SCRIPT = ROOT / "scripts" / "azure_key_vault_certificate.py"
DAY = 86400.0


@pytest.fixture
def certificate() -> Iterator[Callable[..., CertificateStage]]:
    """Stages, cleared away at the end."""
    with ExitStack() as stack:

        def make(**furnish: Any) -> CertificateStage:
            made = stack.enter_context(CertificateStage(**furnish))
            assert isinstance(made, CertificateStage)
            return made

        yield make


def done(outcome: Outcome, result: str = "rotated") -> None:
    """It ended well."""
    assert (outcome.code, outcome.result) == (0, result), outcome


def test_a_certificate_near_its_end_is_renewed_by_its_own_policy(certificate: Callable[..., CertificateStage]) -> None:
    tags = {"owner": "payments", "CostCenter": "42"}
    stage = certificate(subject="CN=orders.example.com, O=Contoso", dns_names=["orders.example.com"], tags=tags)
    outcome = stage.run()
    done(outcome)
    old, new = stage.versions()
    assert not stage.wrong() and stage.value("certificate_version") == new.version
    assert (
        new.certificate.subject == old.certificate.subject
        and new.certificate.not_valid_after_utc > old.certificate.not_valid_after_utc
    )
    assert stage.value("subject") == new.certificate.subject.rfc4514_string() and stage.value("not_before")
    assert new.tags == tags, "in Key Vault they belong to a version, and a new one has those that come with its request"
    assert old.enabled, "remove_old is none unless the record says otherwise"
    assert outcome.report["target"] == stage.made.certificate_id
    done(stage.run(), "not_due")
    assert len(stage.versions()) == 2


@pytest.mark.parametrize("form", ["pfx", "pem"])
def test_the_certificate_with_its_key_becomes_an_attachment(
    form: str, certificate: Callable[..., CertificateStage]
) -> None:
    stage = certificate(settings={"export": form, "rotate_before_hours": ""})
    stage.sandbox.keeper.add_file(stage.at.record_uid, "notes.txt", b"mine")
    outcomes = [stage.run()]
    first = stage.value("certificate_file")
    stage.sandbox.clock.advance(340 * DAY)
    outcomes.append(stage.run())
    for outcome in outcomes:
        done(outcome)
    assert stage.value("certificate_file") != first
    assert set(stage.files()) == {stage.value("certificate_file"), "notes.txt"}
    content = bytes(stage.files()[stage.value("certificate_file")] or b"")
    assert opens(content, form, stage.value("pfx_password")) == stage.versions()[-1].certificate
    assert bool(stage.value("pfx_password")) == (form == "pfx")
    assert not stage.leaks(outcomes)


# An attachment that the field certificate_file names, and whether it stays.
NAMED = {
    "a note": ("notes.txt", True),
    "a file that somebody attached": ("orders-tls.pfx", True),
    "a version of the history": (f"orders-tls-{'0' * 32}.pfx", True),
    "that of another certificate": ("shop-tls-0a1b2c3d-00ff00.pfx", False),
}


@pytest.mark.parametrize("form", ["pfx", ""], ids=["export", "no export"])
@pytest.mark.parametrize("what", NAMED)
def test_only_attachments_of_its_own_go(what: str, form: str, certificate: Callable[..., CertificateStage]) -> None:
    name, stays = NAMED[what]
    stage = certificate(settings={"export": form})
    stage.publish_first()
    stage.sandbox.keeper.add_file(stage.at.record_uid, name, b"mine")
    stage.sandbox.keeper.edit(stage.at.record_uid, "certificate_file", name)
    done(stage.run())
    assert set(stage.files()) == {stage.value("certificate_file"), name if stays else ""} - {""}


def test_a_version_that_key_vault_made_by_itself_is_published(certificate: Callable[..., CertificateStage]) -> None:
    stage = certificate(days_left=300)
    done(stage.run())
    assert len(stage.versions()) == 1, "the first run publishes what is there"
    stage.sandbox.clock.advance(DAY)
    stage.sandbox.keyvault.add_certificate(stage.made.vault, stage.made.name)
    done(stage.run())
    assert len(stage.versions()) == 2 and not stage.wrong()
    done(stage.run(), "not_due")


@pytest.mark.parametrize("wrong", ["", "AB", "{}x"], ids=["none", "another one", "one character more"])
def test_a_wrong_thumbprint_is_put_right_and_nothing_is_renewed(
    wrong: str, certificate: Callable[..., CertificateStage]
) -> None:
    stage = certificate(days_left=300)
    done(stage.run())
    right = stage.value("thumbprint")
    stage.sandbox.keeper.edit(stage.at.record_uid, "thumbprint", wrong.format(right))
    outcome = stage.run()
    done(outcome)
    assert outcome.report["why"] == ["behind the service"]
    assert stage.value("thumbprint") == right and len(stage.versions()) == 1
    done(stage.run(), "not_due")


@pytest.mark.parametrize("wish, value, seen", [
    ("validity_months", "3", lambda each: 85 < (each.not_valid_after_utc - each.not_valid_before_utc).days < 95),
    ("key_size", "3072", lambda each: each.public_key().key_size == 3072),
    ("key_type", "EC", lambda each: each.public_key().curve.name == "secp256r1"),
    ("key_size", "P-384", lambda each: each.public_key().curve.name == "secp384r1"),
    ("subject", r"CN=new.example.com, O=Contoso\, Ltd.", lambda each: organisation(each) == "Contoso, Ltd."),
    ("subject", 'CN=new.example.com, O="Contoso, Ltd."', lambda each: organisation(each) == "Contoso, Ltd."),
    ("subject", "CN=new.example.com", lambda each: each.subject.rfc4514_string() == "CN=new.example.com"),
    ("dns_names", "a.example.com, b.example.com", lambda each: names(each) == ["a.example.com", "b.example.com"]),
])  # fmt: skip
def test_what_the_record_wants_different(
    wish: str, value: str, seen: Callable[[Any], bool], certificate: Callable[..., CertificateStage]
) -> None:
    stage = certificate(settings={wish: value})
    done(stage.run())
    assert not stage.wrong() and seen(stage.versions()[-1].certificate)


NO_NAMES = {
    "shop example.com bücher.example": "dns_names: 'bücher.example' is none: write it as xn--bcher-kva.example",
    "10.0.0.1": "dns_names: '10.0.0.1' is none: Key Vault cannot put IP addresses into a certificate",
    "a.example.com.": "dns_names: 'a.example.com.' is none: write it without the last dot",
    "https://a.example.com": "dns_names: 'https://a.example.com' is none",
    "a..example.com, -b.example.com": "dns_names: 'a..example.com' is none; dns_names: '-b.example.com' is none",
    ".".join(["a" * 60] * 5): "is none",
}


@pytest.mark.parametrize("value", NO_NAMES)
def test_dns_names_that_are_none_are_refused_before_anything_is_asked_for(
    value: str, certificate: Callable[..., CertificateStage]
) -> None:
    stage = certificate(settings={"dns_names": value})
    found, code = check(stage)
    assert code == 1 and NO_NAMES[value] in "; ".join(each for level, each in found if level == "error"), found
    outcome = stage.run()
    assert outcome.code == 1 and NO_NAMES[value] in outcome.report["error"], outcome
    assert len(stage.versions()) == 1 and not any(changes(each) for each in stage.sandbox.operations())


@pytest.mark.parametrize("names, lost", [
    ("new.example.com", "orders.example.com"), ("ORDERS.example.com, new.example.com", ""), ("", ""),
])  # fmt: skip
def test_a_name_that_the_next_version_would_lose_is_a_warning(
    names: str, lost: str, certificate: Callable[..., CertificateStage]
) -> None:
    stage = certificate(dns_names=["orders.example.com"], settings={"dns_names": names})
    found, code = check(stage)
    said = [each for level, each in found if level == "warning" and "dns_names" in each]
    assert code == 0 and (f"loses {lost}, which" in said[0] if lost else not said), found


def organisation(each: x509.Certificate) -> str:
    """Of the subject."""
    (found,) = each.subject.get_attributes_for_oid(x509.NameOID.ORGANIZATION_NAME)
    return str(found.value)


def names(each: x509.Certificate) -> list[str]:
    """The DNS names of a certificate."""
    found = each.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return list(found.get_values_for_type(x509.DNSName))


@pytest.mark.parametrize("subject", ["CN=old.example.com", 'CN=old.example.com, O="Contoso, Ltd."'])
def test_the_subject_that_a_rotation_wrote_is_no_wish(
    subject: str, certificate: Callable[..., CertificateStage]
) -> None:
    stage = certificate(subject=subject)
    done(stage.run())
    live = stage.made.vault.certificates.live[stage.made.name]
    live.policy["x509_props"]["subject"] = "CN=portal.example.com"
    stage.sandbox.clock.advance(340 * DAY)
    done(stage.run())
    assert stage.value("subject") == "CN=portal.example.com"


def test_the_lifetime_of_secrets_means_nothing_for_a_certificate(certificate: Callable[..., CertificateStage]) -> None:
    wishes = {"rotate_before_hours": "9000", "validity_months": "24", "secret_lifetime_days": "20"}
    stage = certificate(settings=wishes)
    done(stage.run())
    assert not stage.wrong() and len(stage.versions()) == 2


def test_an_issuer_takes_its_time(certificate: Callable[..., CertificateStage]) -> None:
    stage = certificate(issuer="contoso-ca")
    stage.sandbox.keyvault.issue_seconds = 1.5
    outcome = stage.run()
    done(outcome)
    assert len(stage.versions()) == 2 and not stage.wrong()


def test_an_issuer_that_is_slower_than_a_run(certificate: Callable[..., CertificateStage]) -> None:
    stage = certificate(issuer="contoso-ca", settings={"export": "pfx"})
    stage.sandbox.keyvault.issue_seconds = 3600
    first = stage.run(ROTATION_DEADLINE_SECONDS="5")
    assert (first.code, first.result) == (2, "waiting") and "not issued yet" in first.stderr, first
    again = stage.run(ROTATION_DEADLINE_SECONDS="5")
    assert (
        again.code == 2 and len([each for each in stage.sandbox.operations() if "create_certificate" in each]) == 1
    ), again
    stage.sandbox.clock.advance(3601)
    done(stage.run())
    assert len(stage.versions()) == 2 and not stage.wrong()


def test_an_issuer_that_refuses(certificate: Callable[..., CertificateStage]) -> None:
    stage = certificate(issuer="contoso-ca")
    stage.sandbox.keyvault.fail_next_issuance("the domain is not validated")
    first = stage.run()
    assert (first.code, first.result) == (1, "failed") and "the domain is not validated" in first.stderr, first
    assert not stage.value("certificate_version") and len(stage.versions()) == 1
    done(stage.run())
    assert not stage.wrong()


def test_a_ca_signs_by_hand(certificate: Callable[..., CertificateStage]) -> None:
    """Issuer Unknown: the request goes into the record; the next run publishes what was merged."""
    stage = certificate(issuer="Unknown", settings={"export": "pem"})
    first = stage.run()
    assert (first.code, first.result) == (2, "waiting") and "certificate merge" in first.stderr, first
    csr = x509.load_pem_x509_csr(stage.value("csr").encode())
    revision = stage.sandbox.keeper.record(stage.at.record_uid).revision
    again = stage.run()
    assert again.code == 2 and stage.sandbox.keeper.record(stage.at.record_uid).revision == revision, again
    chain = stage.sandbox.keyvault.sign_csr(stage.made.vault, stage.made.name)
    assert x509.load_der_x509_certificate(chain[0]).public_key() == csr.public_key()
    merge(stage, chain)
    done(stage.run())
    assert len(stage.versions()) == 2 and not stage.wrong() and not stage.value("csr")


def test_a_run_that_is_not_due_says_that_a_ca_is_waited_for(certificate: Callable[..., CertificateStage]) -> None:
    stage = certificate(issuer="Unknown", days_left=300)
    done(stage.run())
    line = stage.line(dueNow=True)
    assert stage.run(line).code == 2 and stage.value("csr")
    again = stage.run()
    assert (again.code, again.result) == (2, "waiting") and "waits for a CA" in again.stderr, again
    stage.vault_forgets()
    done(stage.run(), "not_due")


def test_a_pem_file_has_the_certificate_first_and_each_is_signed_by_the_next(
    certificate: Callable[..., CertificateStage],
) -> None:
    stage = certificate(issuer="contoso-ca", settings={"export": "pem"})
    done(stage.run())
    (content,) = stage.files().values()
    assert not stage.wrong() and names_of(content or b"") == [
        "CN=orders-tls",
        "CN=contoso-ca CA 1",
        "CN=contoso-ca Root CA",
    ]


def merge(stage: CertificateStage, chain: list[bytes]) -> None:
    """As the operator does it."""
    path = stage.folder / "chain.pem"
    path.write_bytes(b"".join(x509.load_der_x509_certificate(each).public_bytes(Encoding.PEM) for each in chain))
    arguments = ["certificate", "merge", stage.made.certificate_id, "--chain", str(path)]
    command = [sys.executable, "-m", "gateway", *arguments, "--credential", stage.at.admin_record_uid]
    merged = subprocess.run(command, env=stage.variables, capture_output=True, text=True, cwd=ROOT)
    assert merged.returncode == 0, merged


def test_other_vaults_and_a_runbook_get_it(certificate: Callable[..., CertificateStage]) -> None:
    stage = certificate(issuer="contoso-ca")
    other = stage.sandbox.keyvault.add_vault("front-door")
    for role in (OFFICER, "Key Vault Secrets Officer"):
        stage.sandbox.keyvault.grant(stage.at.admin_client_id, role, other)
    stage.sandbox.keyvault.add_certificate(other, "orders-tls", tags={"owner": "web"})
    stage.deliver("runbook_address")
    runbook = stage.value("deliver_to") + "?Environment=prod"
    addresses = [f"{other.url}/certificates/orders-tls", f"{other.url}/secrets/orders-pfx", runbook]
    stage.sandbox.keeper.edit(stage.at.record_uid, "deliver_to", "\n".join(addresses))
    outcome = stage.run()
    done(outcome)
    assert sorted(outcome.report["delivered"]) == sorted(addresses)
    new = stage.versions()[-1]
    _, imported = stage.sandbox.keyvault.certificate_versions(other, "orders-tls")
    assert imported.certificate == new.certificate and imported.tags["owner"] == "web"
    assert len(imported.material.chain) == len(new.material.chain)
    policy = other.certificates.live["orders-tls"].policy
    assert policy["issuer"]["name"] == "Unknown", "or the vault would renew it as one of its own"
    secret = stage.sandbox.keyvault.versions(other, "orders-pfx")[-1]
    assert secret.content_type == "application/x-pkcs12"
    (job,) = stage.sandbox.automation.started(stage.destinations.runbook)
    assert job.parameters["SecretId"] == f"{stage.made.vault.url}/secrets/orders-tls/{new.version}"
    assert not stage.leaks([outcome])
    done(stage.run(), "not_due")
    assert len(stage.sandbox.keyvault.certificate_versions(other, "orders-tls")) == 2


# The form in which the vault keeps the certificate, the type of the secret that is there already, and its type then.
TYPES: dict[str, tuple[str, str, str]] = {
    "PEM to a secret that is made": (PEM, "", PEM),
    "PEM to one of PFX": (PEM, PFX, PFX),
    "PFX to one of PEM": (PFX, PEM, PEM),
    "PEM to one of another type": (PEM, "text/plain", "text/plain"),
}


@pytest.mark.parametrize("what", TYPES)
def test_a_secret_holds_what_its_type_says(what: str, certificate: Callable[..., CertificateStage]) -> None:
    kept, before, expected = TYPES[what]
    stage = certificate(issuer="contoso-ca", content_type=kept)
    other = stage.sandbox.keyvault.add_vault("front-door")
    stage.sandbox.keyvault.grant(stage.at.admin_client_id, "Key Vault Secrets Officer", other)
    stage.sandbox.keeper.edit(stage.at.record_uid, "deliver_to", f"{other.url}/secrets/copy")
    if before:
        stage.sandbox.keyvault.set_secret(other, "copy", "mine", content_type=before)
    outcomes = [stage.run()]
    done(outcomes[0])
    found = stage.sandbox.keyvault.versions(other, "copy")[-1]
    pem = found.value.startswith("-----BEGIN PRIVATE KEY")
    assert found.content_type == expected and pem == (expected != PFX)
    content = found.value.encode() if pem else base64.b64decode(found.value)
    assert opens(content, "pem" if pem else "pfx", "") == stage.versions()[-1].certificate
    text = b"".join(each.public_bytes(Encoding.PEM) for each in read_public(found.value, ""))
    assert names_of(text) == ["CN=orders-tls", "CN=contoso-ca CA 1", "CN=contoso-ca Root CA"]
    outcomes.append(stage.run())
    done(outcomes[1], "not_due")
    assert not outcomes[1].report.get("drift") and stage.sandbox.keyvault.versions(other, "copy")[-1] == found
    assert not stage.leaks(outcomes)


@pytest.mark.parametrize("left", [0, 1, 2, 3], ids=["the leaf alone", "one above it", "all", "all and another one"])
@pytest.mark.parametrize("form", [PFX, PEM])
def test_a_copy_whose_intermediates_were_removed_is_drift(
    left: int, form: str, certificate: Callable[..., CertificateStage]
) -> None:
    """Clients that know only the root refuse such a server."""
    stage = certificate(issuer="contoso-ca")
    other = stage.sandbox.keyvault.add_vault("front-door")
    stage.sandbox.keyvault.grant(stage.at.admin_client_id, "Key Vault Secrets Officer", other)
    stage.sandbox.keeper.edit(stage.at.record_uid, "deliver_to", f"{other.url}/secrets/copy")
    done(stage.run())
    whole = read_secret(stage.sandbox.keyvault.versions(other, "copy")[-1].value, PFX)
    cut = replace(whole, chain=(*whole.chain, make_bundle("stranger").leaf)[:left])
    value = to_pem(cut).decode() if form == PEM else base64.b64encode(to_pfx(cut, "copy", "")).decode()
    stage.sandbox.clock.advance(1)
    stage.sandbox.keyvault.set_secret(other, "copy", value, content_type=form)
    outcome = stage.run()
    drift = outcome.report.get("drift") or []
    assert bool(drift) == (left < 2), outcome
    now = read_secret(stage.sandbox.keyvault.versions(other, "copy")[-1].value, form)
    assert now.leaf == whole.leaf and set(now.chain) >= set(whole.chain) and not stage.leaks([outcome])


def test_a_vault_that_cannot_be_served_is_served_by_the_next_run(certificate: Callable[..., CertificateStage]) -> None:
    stage = certificate()
    other = stage.sandbox.keyvault.add_vault("front-door")
    stage.sandbox.keyvault.grant(stage.at.admin_client_id, OFFICER, other)
    stage.sandbox.keeper.edit(stage.at.record_uid, "deliver_to", f"{other.url}/certificates/orders-tls")
    stage.sandbox.fault("keyvault", "import_certificate", faults.Status(503), times=None)
    first = stage.run()
    assert (first.code, first.result) == (2, "incomplete") and not stage.wrong(), first
    stage.sandbox.faults.clear()
    done(stage.run(), "finished")
    (imported,) = stage.sandbox.keyvault.certificate_versions(other, "orders-tls")
    assert imported.certificate == stage.versions()[-1].certificate and len(stage.versions()) == 2


def test_older_versions_are_disabled_where_the_record_says_so(certificate: Callable[..., CertificateStage]) -> None:
    stage = certificate(settings={"remove_old": "replaced", "overlap_hours": "48"}, days_left=40)
    done(stage.run())
    stage.sandbox.clock.advance(15 * DAY)
    done(stage.run())
    assert [each.enabled for each in stage.versions()] == [True, True], "the overlap is not over"
    stage.sandbox.clock.advance(3 * DAY)
    done(stage.run(), "not_due")
    assert [each.enabled for each in stage.versions()] == [False, True]
    assert not stage.wrong()


BAD = {
    "a version": (lambda stage: f"{stage.made.certificate_id}/{stage.made.first}", "a version cannot be renewed"),
    "no certificate": (
        lambda stage: f"{stage.made.certificate_id}-2",
        "there is no certificate orders-tls-2 in https://certificates",
    ),
    "a secret": (lambda stage: f"{stage.made.vault.url}/secrets/orders-tls", "is not a certificate of a vault"),
    "another cloud": (lambda stage: "https://v1.vault.azure.cn/certificates/a", "of a vault in AzureCloud"),
    "another host": (lambda stage: "https://vault.azure.net.evil.example/certificates/a", "is not a certificate"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_certificate_id_that_cannot_be_used(name: str, certificate: Callable[..., CertificateStage]) -> None:
    stage = certificate()
    given, message = BAD[name]
    stage.sandbox.keeper.edit(stage.at.record_uid, "certificate_id", given(stage))
    refused(stage, message)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "third-party issuer": ({"issuer": "gone-ca"}, "its issuer gone-ca is not set up in the vault"),
    "a key that cannot leave": ({"exportable": False, "settings": {"export": "pfx"}}, "cannot leave the vault"),
    "a key that cannot be handed on": (
        {
            "exportable": False,
            "roles": (OFFICER, "Key Vault Secrets Officer"),
            "settings": {"deliver_to": "https://certificates.vault.azure.net/secrets/orders-pfx"},
        },
        "deliver_to: the private key of orders-tls cannot leave the vault",
    ),
    "renewed at every run": ({"validity_months": 1}, "not shorter than the certificate's validity, validity_months 1"),
    "form": ({"settings": {"export": "jks"}}, "'jks' is none of pfx, pem"),
    "a subject that is none": ({"settings": {"subject": "new.example.com"}}, "'new.example.com' is no name such as"),
    "a subject of blanks": (
        {"settings": {"subject": f'CN={" " * 100_000}"'}},
        "subject: 100,004 characters long; at most 1,000 are read",
    ),
    "months that are no number": ({"settings": {"validity_months": "²"}}, "'²' is not a number from 1 to 1200"),
    "more months than there are": ({"settings": {"validity_months": "9" * 900}}, "is not a number from 1 to 1200"),
    "key": ({"settings": {"key_type": "DSA", "validity_months": "x"}}, "'DSA' is none of"),
    "disabled": ({"enabled": False}, "every version of orders-tls is disabled"),
    "role": ({"roles": ()}, "Key Vault Certificates Officer"),
    "itself": (
        {"settings": {"deliver_to": "https://certificates.vault.azure.net/certificates/orders-tls"}},
        "this is the certificate that is renewed",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_renewed(name: str, certificate: Callable[..., CertificateStage]) -> None:
    furnish, message = REFUSED[name]
    stage = certificate(**furnish)
    stage.made.vault.certificates.issuers.pop("gone-ca", None)
    refused(stage, message)


def refused(stage: CertificateStage, message: str) -> None:
    """Exit 1, one clear message, and no version and no value has changed."""
    outcome = stage.run()
    assert (outcome.code, outcome.result) == (1, "failed") and message in outcome.stderr, outcome
    assert "hint: " in outcome.stderr and len(stage.versions()) == 1 and not stage.value("certificate_version")
    assert stage.sandbox.operations().count("keyvault.create_certificate") == 0


def test_an_app_secret_is_not_delivered_to_a_certificate(stage: Stage) -> None:
    vault = stage.sandbox.keyvault.add_vault("front-door")
    stage.sandbox.keeper.edit(stage.at.record_uid, "deliver_to", f"{vault.url}/certificates/orders-tls")
    outcome = stage.run()
    assert outcome.code == 1 and "only a certificate can be delivered there" in outcome.stderr, outcome


def test_without_the_right_to_read_the_key_nothing_is_published(certificate: Callable[..., CertificateStage]) -> None:
    stage = certificate(settings={"export": "pfx"}, roles=(OFFICER,))
    for _ in range(2):
        outcome = stage.run()
        assert outcome.code == 1 and SECRETS_USER in outcome.stderr, outcome
        assert not stage.value("certificate_version") and not stage.files()
    assert len(stage.versions()) == 2, "the version that is there is used by the run that may read it"
    stage.sandbox.keyvault.grant(stage.at.admin_client_id, SECRETS_USER, stage.made.vault)
    done(stage.run())
    assert len(stage.versions()) == 2 and not stage.wrong()


LOST = (faults.ResetAfter(), faults.HangAfter(), faults.ErrorAfter(503), faults.ErrorAfter(429, {"Retry-After": "0"}))


@pytest.mark.parametrize("fault", LOST, ids=repr)
def test_a_lost_answer_does_not_make_two_versions(
    fault: faults.Kind, certificate: Callable[..., CertificateStage]
) -> None:
    stage = certificate(issuer="contoso-ca")
    stage.sandbox.fault("keyvault", "create_certificate", fault)
    done(stage.run())
    assert len(stage.versions()) == 2 and not stage.wrong()


def test_two_hosts_make_one_version(certificate: Callable[..., CertificateStage]) -> None:
    stage = certificate(issuer="contoso-ca")
    stage.sandbox.keyvault.issue_seconds = 1.0
    processes = [stage.start(ROTATION_LOCK_DIR=str(stage.home / name)) for name in ("one", "two")]
    outcomes = [stage.finish(process) for process in processes]
    assert any(outcome.code == 0 for outcome in outcomes), outcomes
    assert all(outcome.code in (0, 1, 2) for outcome in outcomes), outcomes
    assert len(stage.versions()) == 2 and not stage.wrong()


EVERYWHERE, WHERE_SOMETHING_CHANGES = ("kill after", "malformed body"), ("reset after", "HTTP 403")


@pytest.mark.parametrize(
    "fault", deep_unless(lambda fault: fault == "reset after", (*EVERYWHERE, *WHERE_SOMETHING_CHANGES))
)
def test_the_worst_faults(fault: str) -> None:
    """The record never names what is not there, and the plain run afterwards completes the renewal."""
    chosen = [case for case in cases((fault,)) if fault in EVERYWHERE or changes(case[0])]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        verdicts = list(pool.map(judge, chosen))
    assert len(verdicts) > 5 and not [str(each) for each in verdicts if each.wrong]

"""``keeper-rotation certificate``: what is refused before anything is sent, and what a broken request leaves behind."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from sandbox import faults
from tests.key_vault_scene import Scene

DAY = 86400.0
WRITES = {
    "create_certificate", "merge_certificate", "import_certificate", "update_certificate", "update_certificate_policy",
    "set_certificate_contacts", "update_certificate_operation", "delete_certificate_operation",
    "update_secret", "add_file", "create_secret", "delete_secret",
}  # fmt: skip
NEW = "https://certificates.vault.azure.net/certificates/new-tls"
OLD = "https://certificates.vault.azure.net/certificates/orders-tls"


def written(scene: Scene) -> list[str]:
    """The requests of the commands that changed something."""
    return [operation for operation in scene.sandbox.operations() if operation.partition(".")[2] in WRITES]


# Bad input: one message each, and nothing is sent

REQUESTS: dict[str, tuple[list[str], str]] = {
    "a name that Key Vault does not take": (
        ["https://certificates.vault.azure.net/certificates/a_b", "--cn=a.example"], "is no name for Key Vault"
    ),
    "a version": ([f"{OLD}/{'0' * 32}"], "it is the certificate as a whole that is meant"),
    "a secret": (["https://certificates.vault.azure.net/secrets/x", "--cn=a.example"], "is not a certificate of"),
    "another cloud": (["https://v1.vault.azure.cn/certificates/x", "--cn=a.example"], "--cloud=AzureChinaCloud"),
    "no subject": ([NEW], "a subject is needed"),
    "two subjects": ([NEW, "--cn=a.example", "--subject=CN=b.example"], "--subject is the whole name"),
    "a subject that is none": ([NEW, "--subject=shop.example.com"], "is no name such as"),
    "a country that is none": ([NEW, "--cn=a.example", "--country=Germany"], "country's code of two letters"),
    "parts without a common name": ([NEW, "--unit=IT"], "--cn is needed"),
    "a DNS name that is none": ([NEW, "--dns=a b.example"], "--dns: 'a b.example' is none"),
    "an address of e-mail that is none": ([NEW, "--cn=a.example", "--email=tls"], "--email: 'tls' is none"),
    "a curve for RSA": ([NEW, "--cn=a.example", "--key-type=RSA", "--curve=P-256"], "goes with --key-size"),
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
    assert not written(scene)


def test_a_shorter_validity_must_still_hold_the_days_of_the_lifetime_action(scene: Scene) -> None:
    scene.said("certificate", "policy", OLD, "--lifetime-action=email", "--days-before=45")
    before = len(written(scene))
    said = scene.said("certificate", "renew", OLD, "--validity-months=1", code=1)
    assert "--days-before is at most 27" in said and len(written(scene)) == before


def test_one_that_waits_for_a_ca_says_what_is_next_whoever_follows_it(scene: Scene) -> None:
    scene.said("certificate", "policy", OLD, "--issuer=Unknown", "--lifetime-action=email")
    shown = scene.rows("certificate", "renew", OLD, code=2)
    assert shown["status"] == "inProgress" and "have the CSR signed" in shown["next"]


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
    assert not written(scene)


def test_a_version_that_is_being_made_is_not_asked_for_twice(scene: Scene) -> None:
    scene.said("certificate", "request", NEW, "--cn=a.example", "--issuer=Unknown", code=2)
    said = scene.said("certificate", "request", NEW, "--cn=a.example", code=1)
    assert "is being made already, by the issuer Unknown" in said and "cancel" in said
    assert written(scene).count("keyvault.create_certificate") == 1


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
    assert "CN=orders.example.com" in shown and not written(scene)
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
    assert not written(scene)


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
CHAINS: dict[str, tuple[Chain, str]] = {
    "in the wrong order": (lambda scene: pem(signed(scene)[::-1]), "the chain is not in order"),
    "with a stranger in it": (
        lambda scene: pem([signed(scene)[0], signed(scene, authority="Other")[1]]),
        "the chain is not in order",
    ),
    "expired": (
        lambda scene: pem(signed(scene, expires=scene.sandbox.clock.now() - DAY)),
        "the certificate expired on",
    ),
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
    before = len(written(scene))
    said = scene.said("certificate", "merge", NEW, f"--chain={path}", code=1)
    assert message in said, said
    assert (
        len(written(scene)) == before
        and scene.sandbox.keyvault.pending_certificate(scene.vault, "new-tls") == "inProgress"
    )


def _pkcs7(chain: list[bytes]) -> bytes:
    found = [x509.load_der_x509_certificate(each) for each in chain]
    return pkcs7.serialize_certificates(found[::-1], Encoding.DER)


FORMS: dict[str, Callable[[list[bytes]], bytes]] = {
    "PEM": pem, "DER, the leaf alone": lambda chain: chain[0], "PKCS #7, in any order": _pkcs7,
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_a_chain_in_every_form_is_merged(form: str, scene: Scene) -> None:
    path = waiting(scene)
    chain = signed(scene)
    path.write_bytes(FORMS[form](chain))
    scene.said("certificate", "merge", NEW, f"--chain={path}")
    assert scene.certificate("new-tls") == x509.load_der_x509_certificate(chain[0])


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
    assert not written(scene)
    assert not [path for path in ("/tmp/x", "/tmp/x-nowhere.pfx") if os.path.exists(path)]


def test_a_key_that_cannot_leave_is_not_obtained_but_its_certificate_is(scene: Scene) -> None:
    scene.sandbox.keyvault.add_certificate(scene.vault, "new-tls", exportable=False)
    path = scene.out / "new.pem"
    assert "cannot leave the vault" in scene.said("certificate", "obtain", NEW, f"--out={path}", "--form=pem", code=1)
    scene.said("certificate", "obtain", NEW, f"--out={path}", "--form=cer")
    assert x509.load_der_x509_certificate(path.read_bytes()) == scene.certificate("new-tls")


# Broken requests

ASKED = ("certificate", "request", NEW, "--cn=a.example", "--contact=tls@example.com")


@pytest.mark.parametrize("fault", [faults.ResetAfter(), faults.ErrorAfter(503), faults.HangAfter()], ids=repr)
def test_a_lost_answer_does_not_ask_a_ca_twice(fault: faults.Kind, scene: Scene) -> None:
    scene.sandbox.fault("keyvault", "create_certificate", fault)
    scene.said(*ASKED, f"--folder={scene.folder_uid}")
    assert len(scene.listed("new-tls")) == 1 and len(scene.records_of("certificate_id", NEW)) == 1


@pytest.mark.parametrize("service, operation", [("keyvault", "set_certificate_contacts"), ("keeper", "create_secret")])
def test_what_is_asked_for_and_not_noted_is_incomplete(service: str, operation: str, scene: Scene) -> None:
    scene.sandbox.fault(service, operation, faults.Status(403), times=None)
    said = scene.said(*ASKED, f"--folder={scene.folder_uid}", code=2)
    assert "was asked for, but not done" in said and "do not ask for it again" in said
    assert len(scene.listed("new-tls")) == 1


@pytest.mark.parametrize(
    "kind", [faults.Status(403), faults.ResetAfter(), faults.KillBefore(), faults.KillAfter()], ids=repr
)
@pytest.mark.parametrize("operation", ["add_file", "update_secret"])
def test_the_record_and_its_attachment_belong_together_whatever_breaks(
    operation: str, kind: faults.Kind, scene: Scene
) -> None:
    scene.publish_first()
    scene.sandbox.keeper.edit(scene.at.record_uid, "export", "pfx")
    scene.sandbox.keyvault.add_certificate(scene.vault, "orders-tls")
    put = scene.sandbox.fault("keeper", operation, kind)
    scene.command("certificate", "obtain", OLD, f"--record={scene.at.record_uid}").communicate(timeout=20)
    assert put.fired and not scene.wrong(complete=False)
    scene.sandbox.faults.clear()
    scene.said("certificate", "obtain", OLD, f"--record={scene.at.record_uid}")
    assert not scene.wrong() and scene.value("certificate_version") == scene.listed("orders-tls")[-1]

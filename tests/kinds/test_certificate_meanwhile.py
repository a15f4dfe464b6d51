"""Certificates: what an operator, Key Vault, a CA or another record does meanwhile, and what is left behind then."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import sandbox.key_vault.certificates.issuance as issuance
from gateway.model.credential import generation
from gateway.model.ledger import Entry, Ledger
from sandbox.keeper.vault import make_field
from sandbox.proxy import faults
from tests.kinds.test_certificate import DAY, certificate, done
from tests.stage import patience
from tests.stage.certificate import CertificateStage

__all__ = ["certificate"]

Make = Callable[..., CertificateStage]
PATIENT = {"ROTATION_REQUEST_TIMEOUT_SECONDS": "10", "ROTATION_DEADLINE_SECONDS": "30"}


def orders(stage: CertificateStage) -> int:
    """How often a version was asked for."""
    return stage.sandbox.operations().count("keyvault.create_certificate")


# The version that is published is published again, for its attachment


@pytest.mark.parametrize("kind", [faults.Status(403), faults.Status(409)], ids=repr)
def test_a_save_that_is_refused_is_no_success_though_the_version_is_the_same(
    kind: faults.Kind, certificate: Make
) -> None:
    stage = certificate(days_left=300)
    done(stage.run())
    stage.sandbox.keeper.edit(stage.at.record_uid, "export", "pfx")
    stage.sandbox.fault("keeper", "update_secret", kind, nth=2)
    outcome = stage.run()
    assert outcome.code == 1 or not stage.wrong(), outcome
    stage.sandbox.faults.clear()
    if outcome.code:
        done(stage.run())
    assert not stage.wrong()


def test_an_edit_while_another_form_is_attached(certificate: Make) -> None:
    stage = certificate(days_left=300, settings={"export": "pfx"})
    done(stage.run())
    stage.sandbox.keeper.edit(stage.at.record_uid, "export", "pem")
    held = stage.sandbox.fault("keeper", "update_secret", faults.Pause(), nth=2)
    process = stage.start(**PATIENT)
    assert held.reached.wait(patience.seconds(10))
    stage.sandbox.keeper.edit(stage.at.record_uid, "remark", "by an operator")
    held.release.set()
    done(stage.finish(process))
    assert not stage.wrong() and stage.value("remark") == "by an operator"


def test_the_attachment_of_the_certificate_that_was_named_before_goes(certificate: Make) -> None:
    stage = certificate(days_left=300, settings={"export": "pfx"})
    done(stage.run())
    stage.sandbox.keyvault.add_certificate(stage.made.vault, "shop-tls")
    stage.sandbox.keeper.edit(stage.at.record_uid, "certificate_id", f"{stage.made.vault.url}/certificates/shop-tls")
    done(stage.run())
    assert set(stage.files()) == {stage.value("certificate_file")}


# Versions that somebody else makes, or switches off


def test_a_newer_version_near_its_end_is_published_before_another_is_asked_for(certificate: Make) -> None:
    stage = certificate(issuer="contoso-ca", days_left=5)
    stage.publish_first()
    stage.sandbox.keyvault.issue_seconds = 10 * DAY
    expires = stage.sandbox.clock.now() + 20 * DAY
    stage.sandbox.keyvault.add_certificate(stage.made.vault, stage.made.name, issuer="contoso-ca", expires=expires)
    done(stage.run())
    assert stage.value("certificate_version") == stage.versions()[-1].version and orders(stage) == 0
    assert stage.run(ROTATION_DEADLINE_SECONDS="5").code == 2 and orders(stage) == 1, "then it is renewed"


def test_a_version_that_is_made_while_a_run_prepares_is_not_made_again(certificate: Make) -> None:
    stage = certificate(issuer="contoso-ca")
    held = stage.sandbox.fault("keeper", "update_secret", faults.Pause())
    process = stage.start(**PATIENT)
    assert held.reached.wait(patience.seconds(10))
    stage.sandbox.keyvault.add_certificate(stage.made.vault, stage.made.name, issuer="contoso-ca")
    held.release.set()
    done(stage.finish(process))
    assert len(stage.versions()) == 2 and orders(stage) == 0 and not stage.wrong()


def test_the_last_version_that_is_switched_on_stays_on(certificate: Make) -> None:
    """The new one turned out bad and was switched off: what is overdue is all that works."""
    stage = certificate(issuer="contoso-ca", settings={"remove_old": "replaced", "overlap_hours": "48"})
    stage.publish_first()
    done(stage.run())
    stage.versions()[-1].enabled = False
    stage.sandbox.keyvault.issue_seconds = 3 * DAY
    stage.sandbox.clock.advance(49 * 3600)
    assert stage.run(ROTATION_DEADLINE_SECONDS="5").code == 2
    assert stage.versions()[0].enabled


def test_what_another_record_publishes_stays_switched_on(certificate: Make) -> None:
    stage = certificate(days_left=40, settings={"remove_old": "replaced"})
    fields = {"certificate_id": stage.made.certificate_id, "NOOP": "True", "certificate_version": stage.made.first}
    other = stage.sandbox.keeper.add_record(
        "other", "pamUser", [], [make_field("text", value, label) for label, value in fields.items()]
    )
    done(stage.run())
    stage.sandbox.clock.advance(15 * DAY)
    outcome = stage.run()
    done(outcome)
    assert stage.versions()[0].enabled and any(other in str(kept) for kept in outcome.report["kept"]), outcome
    stage.at = replace(stage.at, record_uid=other)
    done(stage.run())
    assert stage.value("certificate_version") == stage.versions()[-1].version


def another(stage: CertificateStage) -> str:
    """Another record of the certificate, whose name it spells in its own way."""
    labels = ("rotation_state", "certificate_version")
    address = stage.made.certificate_id.replace(stage.made.name, stage.made.name.upper())
    fields = {"certificate_id": address} | dict.fromkeys(labels, "")
    custom = [make_field("text", value, label) for label, value in fields.items()]
    return stage.sandbox.keeper.add_record("other", "pamUser", [], custom)


# Why another record needs the version before the newest one, and what is said of that.
KEEPS = {
    "it has a date": "record {} keeps it until ",
    "it has none": "record {} keeps it",
    "a destination holds it": "a destination of record {} holds it",
    "nobody can read what it keeps": "another record may need it: rotation_state of record {} cannot be read",
}


@pytest.mark.parametrize("what", KEEPS)
def test_what_another_record_keeps_stays_switched_on(what: str, certificate: Make) -> None:
    stage = certificate(days_left=20, settings={"remove_old": "all"})
    stage.publish_first()
    uid, now, first = another(stage), datetime.fromtimestamp(stage.sandbox.clock.now(), UTC), stage.versions()[0]
    held = generation(first.version, datetime.fromtimestamp(first.created, UTC))
    dates = {"it has a date": now + timedelta(days=3), "it has none": None}
    entries = {first.version: Entry(dates[what], published=True)} if what in dates else {}
    holds = {"https://x.vault.azure.net/certificates/x": held} if "destination" in what else {}
    state = Ledger(stage.made.certificate_id, stage.made.certificate_id, "", entries, holds).text(uid)
    stage.sandbox.keeper.edit(uid, "rotation_state", "edited" if "nobody" in what else state)
    outcome = stage.run()
    done(outcome)
    assert first.enabled and stage.value("certificate_version") == stage.versions()[-1].version
    (why,) = (each["why"] for each in outcome.report["kept"] if each["key_id"] == first.version)
    assert why.startswith(KEEPS[what].format(uid)), why


def test_the_newest_version_of_a_further_vault_stays_on_though_it_could_not_be_served(certificate: Make) -> None:
    stage = certificate(settings={"remove_old": "replaced"})
    stage.sandbox.keeper.edit(stage.at.record_uid, "deliver_to", f"optional {stage.to_vault()}")
    stage.publish_first()
    done(stage.run())
    stage.sandbox.clock.advance(340 * DAY)
    stage.sandbox.fault("keyvault", "import_certificate", faults.Status(403), times=None)
    assert stage.run().code == 0
    assert stage.in_vault()[-1].enabled and not stage.versions()[-2].enabled


# A CA that does as it likes


def test_a_ca_that_gives_less_than_is_asked_for_is_not_asked_every_day(
    certificate: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = certificate(issuer="contoso-ca", settings={"rotate_before_hours": "2400"})
    monkeypatch.setattr(issuance, "months_later", lambda moment, months: moment + 90 * DAY)
    done(stage.run())
    stage.sandbox.clock.advance(DAY)
    outcome = stage.run()
    assert outcome.code == 1 and "validity of 90 days, which its issuer gave" in outcome.stderr, outcome
    assert orders(stage) == 1 and not stage.wrong()


def test_deliveries_are_made_while_a_ca_is_waited_for(certificate: Make) -> None:
    stage = certificate(issuer="Unknown", days_left=300, settings={"export": "pfx"})
    done(stage.run())
    assert stage.run(stage.line(dueNow=True)).code == 2
    stage.to_vault()
    outcome = stage.run()
    assert outcome.code == 2 and "waits for a CA" in outcome.stderr, outcome
    assert stage.in_vault()[-1].certificate == stage.versions()[-1].certificate and stage.value("csr")
    for uid in [file.uid for file in stage.sandbox.keeper.attached(stage.at.record_uid)]:
        stage.sandbox.keeper.vault.records[stage.at.record_uid].files.remove(uid)
    assert stage.run().code == 2 and not stage.wrong(), "an attachment that was lost comes back meanwhile"
    assert stage.value("csr") and orders(stage) == 1


# Wishes


def test_a_subject_that_is_wanted_stays_wanted_until_a_version_has_it(certificate: Make) -> None:
    stage = certificate(days_left=300, settings={"subject": "CN=new.example.com"})
    done(stage.run())
    assert stage.value("subject") == "CN=new.example.com" and len(stage.versions()) == 1
    stage.sandbox.clock.advance(280 * DAY)
    done(stage.run())
    assert stage.versions()[-1].certificate.subject.rfc4514_string() == "CN=new.example.com" and not stage.wrong()


def test_a_subject_that_was_written_does_not_take_back_what_the_portal_changed(certificate: Make) -> None:
    stage = certificate(days_left=300, subject="CN=old.example.com")
    done(stage.run())
    stage.sandbox.clock.advance(60)
    stage.sandbox.keyvault.add_certificate(stage.made.vault, stage.made.name, subject="CN=portal.example.com")
    stage.sandbox.clock.advance(60)
    done(stage.run(stage.line(dueNow=True)))
    assert len(stage.versions()) == 3
    assert stage.versions()[-1].certificate.subject.rfc4514_string() == "CN=portal.example.com"


HSM: dict[str, tuple[str, dict[str, str], dict[str, Any]]] = {
    "another size": ("RSA-HSM", {"key_size": "3072"}, {"kty": "RSA-HSM", "key_size": 3072}),
    "another curve": ("EC-HSM", {"key_size": "P-384"}, {"kty": "EC-HSM", "crv": "P-384"}),
    "a curve in the place of bits": ("RSA-HSM", {"key_size": "P-256"}, {"kty": "EC-HSM", "crv": "P-256"}),
    "bits in the place of a curve": ("EC", {"key_size": "2048"}, {"kty": "RSA", "key_size": 2048}),
    "into an HSM": ("RSA", {"key_type": "RSA-HSM"}, {"kty": "RSA-HSM", "key_size": 2048}),
    "out of it": ("RSA-HSM", {"key_type": "RSA"}, {"kty": "RSA", "key_size": 2048}),
}


@pytest.mark.parametrize("what", HSM)
def test_a_key_stays_in_its_hsm_unless_the_record_says_otherwise(what: str, certificate: Make) -> None:
    kty, wishes, key = HSM[what]
    stage = certificate(kty=kty, exportable=not kty.endswith("HSM"), settings=wishes)
    done(stage.run())
    policy = stage.made.vault.certificates.live[stage.made.name].policy["key_props"]
    assert {name: policy.get(name) for name in key} == key
    assert policy["exportable"] is (kty == "EC"), "a key that is in an HSM, or was, does not leave by itself"


def test_a_field_of_blanks_is_an_empty_one(certificate: Make) -> None:
    done(certificate(settings={"rotate_before_hours": " ", "validity_months": " ", "subject": " "}).run())


# What there is to publish, or is not


def test_a_first_version_that_waits_for_a_ca_is_incomplete(certificate: Make) -> None:
    stage = certificate(issuer="Unknown")
    live = stage.made.vault.certificates.live[stage.made.name]
    assert stage.run().code == 2 and live.pending
    live.versions.clear()
    outcome = stage.run()
    assert outcome.code == 2 and "its first one is being made, by the issuer Unknown" in outcome.stderr, outcome


def test_a_certificate_that_was_deleted_says_so(certificate: Make) -> None:
    stage = certificate()
    stage.sandbox.keyvault.delete_certificate(stage.made.vault, stage.made.name)
    stage.sandbox.clock.advance(60)
    outcome = stage.run()
    assert outcome.code == 1 and "any more: it was deleted" in outcome.stderr and "recover it" in outcome.stderr


def test_one_that_was_issued_for_a_short_while_is_published_by_the_first_run(certificate: Make) -> None:
    stage = certificate(issuer="contoso-ca", days_left=25)
    stage.versions()[0].created = int(stage.sandbox.clock.now())
    done(stage.run())
    assert stage.value("certificate_version") == stage.made.first and orders(stage) == 0


def test_the_newest_version_is_disabled_and_the_run_says_so(certificate: Make) -> None:
    stage = certificate(days_left=300)
    stage.sandbox.keyvault.add_certificate(stage.made.vault, stage.made.name, enabled=False)
    outcome = stage.run()
    done(outcome)
    assert "the newest version of orders-tls is disabled" in outcome.stderr
    assert stage.value("certificate_version") == stage.made.first


def test_a_signing_request_that_was_cancelled_leaves_the_record(certificate: Make) -> None:
    stage = certificate(issuer="Unknown", days_left=300)
    done(stage.run())
    assert stage.run(stage.line(dueNow=True)).code == 2 and stage.value("csr")
    stage.vault_forgets()
    done(stage.run(), "not_due")
    assert not stage.value("csr") and not stage.wrong()


@pytest.mark.parametrize("label", ["application_object_id", "mongodb_uri", "tls_secret_id"])
def test_a_record_of_something_else_is_left_alone(label: str, certificate: Make) -> None:
    stage = certificate(settings={label: "x"})
    outcome = stage.run()
    assert outcome.code == 1 and f"is for another target: it has {label}" in outcome.stderr, outcome
    assert orders(stage) == 0 and not stage.value("certificate_version")

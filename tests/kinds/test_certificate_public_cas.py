"""Certificates of public CAs: shorter from year to year, for servers alone, and renewed at a share of what they get."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pytest

from gateway.model.public_cas import most_days, usual_months
from sandbox.key_vault.x509 import CLIENT_AUTH, SERVER_AUTH
from tests.commands.test_check import check
from tests.stage.certificate import CertificateStage
from tests.stage.key_vault import Scene

DAY = 86400.0
# The first day of each limit that is yet to come, and today.
DAYS = [date.today(), *(day for day in (date(2027, 3, 15), date(2029, 3, 15)) if day > date.today())]


def of_a_public_ca(day: date, before: str) -> CertificateStage:
    """A record whose certificate a public CA issues, on a day to come; it asks for a year."""
    stage = CertificateStage(issuer="contoso-ca", settings={"rotate_before_hours": before}, days_left=1)
    stage.sandbox.keyvault.add_issuer(stage.made.vault, "contoso-ca", "DigiCert")
    for password in stage.sandbox.directory.by_client_id(stage.at.admin_client_id).passwords:  # type: ignore[union-attr]
        password.end += 4000 * DAY
    begins = datetime.combine(day, time(12), UTC).timestamp()
    stage.sandbox.clock.advance(max(0.0, begins - stage.sandbox.clock.now()))
    return stage


@pytest.mark.parametrize("day", DAYS, ids=str)
def test_a_share_goes_with_any_validity(day: date) -> None:
    days = most_days(day)
    with of_a_public_ca(day, "33%") as stage:
        first = stage.run()
        assert first.result == "rotated", first
        made = stage.versions()[-1].certificate
        assert round((made.not_valid_after_utc - made.not_valid_before_utc).total_seconds() / DAY) == days
        stage.sandbox.clock.advance((days * 0.67 - 2) * DAY)
        outcome = stage.run()
        assert (outcome.code, outcome.result) == (0, "not_due"), outcome
        due = datetime.fromisoformat(outcome.report["next_due"])
        assert abs((made.not_valid_after_utc - due).total_seconds() - days * 0.33 * DAY) < 3600
        assert abs(datetime.fromisoformat(first.report["next_due"]) - due) < timedelta(hours=1)
        stage.sandbox.clock.advance(3 * DAY)
        assert stage.run().result == "rotated" and len(stage.versions()) == 3


def test_hours_that_are_most_of_a_short_validity_are_a_warning_of_check() -> None:
    with of_a_public_ca(max(date(2029, 3, 15), date.today()), "720") as stage:
        assert stage.run().code == 0
        (text,) = [what for level, what in check(stage)[0] if "rotate_before_hours" in what]
        assert "47 days that the newest version is valid: it is renewed after 17 days" in text
        stage.sandbox.keeper.edit(stage.at.record_uid, "rotate_before_hours", "33%")
        assert not [what for level, what in check(stage)[0] if "rotate_before_hours" in what]


def test_check_says_what_a_public_ca_does_not_give() -> None:
    with CertificateStage(issuer="contoso-ca", ekus=(SERVER_AUTH, CLIENT_AUTH)) as stage:
        stage.sandbox.keyvault.add_issuer(stage.made.vault, "contoso-ca", "DigiCert")
        found, code = check(stage)
        assert code == 0 and any("validity-months is 12" in what for _, what in found), found
        assert any("clientAuth beside serverAuth" in what for _, what in found)
    with CertificateStage(ekus=(SERVER_AUTH, CLIENT_AUTH)) as stage:
        assert not [what for _, what in check(stage)[0] if "public CA" in what], (
            "one that signs itself gives what it likes"
        )


USUAL = usual_months(date.today())
ASKED: dict[str, tuple[list[str], int, list[str], str]] = {
    "by itself": ([], 12, [SERVER_AUTH], ""),
    "of a CA": (["--issuer=contoso-ca"], USUAL, [SERVER_AUTH], "33%"),
    "by hand": (["--issuer=unknown"], USUAL, [SERVER_AUTH], "33%"),
    "of a CA, for a year": (["--issuer=contoso-ca", "--validity-months=12"], 12, [SERVER_AUTH], "33%"),
    "for two months": (["--validity-months=2"], 2, [SERVER_AUTH], "33%"),
    "for clients, too": (["--extended-key-usage=serverAuth,clientAuth"], 12, [SERVER_AUTH, CLIENT_AUTH], ""),
}


@pytest.mark.parametrize("case", ASKED)
def test_what_is_asked_for_where_nothing_is_said(case: str) -> None:
    options, months, usages, before = ASKED[case]
    with Scene() as scene:
        code = 2 if "--issuer=unknown" in options else 0
        folder = f"--folder={scene.folder_uid}"
        said = scene.said("certificate", "request", scene.id("new-tls"), "--cn=a.example", *options, folder, code=code)
        policy = scene.vault.certificates.live["new-tls"].policy["x509_props"]
        assert (policy["validity_months"], policy["ekus"]) == (months, usages)
        (uid,) = scene.records_of("certificate_id", scene.id("new-tls"))
        assert (scene.sandbox.keeper.record(uid).value("rotate_before_hours") or "").replace("720", "") == before
        assert ("and a public CA gives" in said) == (case == "of a CA, for a year"), said

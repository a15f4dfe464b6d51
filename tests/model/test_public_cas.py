"""What public CAs give, by the day on which they issue."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from gateway.model.public_cas import CLIENT_AUTH, SERVER_AUTH, most_days, not_of_public_cas, usual_months

MOST: dict[str, int] = {
    "2026-03-14": 398, "2026-03-15": 200, "2027-03-14": 200, "2027-03-15": 100, "2029-03-14": 100, "2029-03-15": 47,
    "2040-01-01": 47,
}  # fmt: skip


@pytest.mark.parametrize("on", MOST)
def test_how_long_a_certificate_may_be(on: str) -> None:
    assert most_days(date.fromisoformat(on)) == MOST[on]


@pytest.mark.parametrize("on", MOST)
def test_what_is_asked_for_by_itself_is_given(on: str) -> None:
    day = date.fromisoformat(on)
    assert usual_months(day) == {398: 6, 200: 6, 100: 3, 47: 1}[most_days(day)]
    assert not not_of_public_cas({"x509_props": {"validity_months": usual_months(day)}}, day)


POLICIES: dict[str, tuple[dict[str, Any], str, list[str]]] = {
    "what is asked for by itself": ({"validity_months": 6, "ekus": [SERVER_AUTH]}, "2026-11-28", []),
    "a month more": ({"validity_months": 7}, "2026-11-28", ["gives 200 days at most, 100 from 2027-03-15, 47 from 20"]),
    "as Key Vault has it where nothing is said": (
        {},
        "2026-11-28",
        ["validity-months is 12, and a public CA gives"],
    ),
    "three months": ({"validity_months": 3}, "2027-03-15", []),
    "half a year, later": ({"validity_months": 6}, "2027-03-15", ["gives 100 days at most, 47 from 2029-03-15"]),
    "two months, later still": ({"validity_months": 2}, "2029-03-15", ["gives 47 days at most"]),
    "both usages": ({"validity_months": 1, "ekus": [CLIENT_AUTH, SERVER_AUTH]}, "2026-11-28", ["clientAuth beside"]),
    "a client's alone": ({"validity_months": 1, "ekus": [CLIENT_AUTH]}, "2026-11-28", []),
}


@pytest.mark.parametrize("case", POLICIES)
def test_what_no_public_ca_gives(case: str) -> None:
    x509, on, words = POLICIES[case]
    found = not_of_public_cas({"x509_props": x509}, date.fromisoformat(on))
    assert len(found) == len(words) and all(word in text for word, text in zip(words, found, strict=True)), found

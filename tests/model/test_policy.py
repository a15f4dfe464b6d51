"""What a record asks for, field by field: what each may say, what it may not, and what an empty one means."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from gateway.errors import Failed
from gateway.kinds.registry import ROTATED
from gateway.model.clouds import CLOUDS
from gateway.model.policy import LONGEST, OF_VALIDITY, NotifyPolicy, Policy, read_notify_policy, read_policy

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
USUAL = Policy(
    enabled=True, lifetime=365 * DAY, rotate_before=None, remove_old="all", overlap=timedelta(),
    cloud=None, owners=(),
)  # fmt: skip


def read(fields: dict[str, str], defaults: dict[str, str] | None = None, **options: bool) -> Policy:
    """The policy of a record with these fields."""
    return read_policy(lambda label: fields.get(label, ""), defaults, **options)


# A field, what it says, and what is read

VALID: dict[str, tuple[str, str, dict[str, Any]]] = {
    "on": ("rotation_enabled", "True", {"enabled": True}),
    "on, in another word": ("rotation_enabled", "YES", {"enabled": True}),
    "on, as a number": ("rotation_enabled", "1", {"enabled": True}),
    "off": ("rotation_enabled", "False", {"enabled": False}),
    "off, in another word": ("rotation_enabled", " no ", {"enabled": False}),
    "off, as a number": ("rotation_enabled", "0", {"enabled": False}),
    "the shortest life": ("secret_lifetime_days", "1", {"lifetime": DAY}),
    "a life in fractions": ("secret_lifetime_days", "1.5", {"lifetime": 36 * HOUR}),
    "the longest life": ("secret_lifetime_days", "3650", {"lifetime": LONGEST}),
    "blanks around a number": ("secret_lifetime_days", " 30\n", {"lifetime": 30 * DAY}),
    "rotate near the end": ("rotate_before_hours", "720", {"rotate_before": 720 * HOUR}),
    "rotate once it is past": ("rotate_before_hours", "0", {"rotate_before": timedelta()}),
    "asked for": ("rotate_now", "True", {"rotate_now": True}),
    "asked for, in another word": ("rotate_now", " yes ", {"rotate_now": True}),
    "asked for, and to revoke": ("rotate_now", "Revoke", {"rotate_now": True, "revoke": True}),
    "not asked for": ("rotate_now", "False", {}),
    "remove every other one": ("remove_old", "all", {"remove_old": "all"}),
    "remove what was replaced": ("remove_old", "Replaced", {"remove_old": "replaced"}),
    "remove none": ("remove_old", " NONE ", {"remove_old": "none"}),
    "an overlap": ("overlap_hours", "24", {"overlap": DAY}),
    "no overlap": ("overlap_hours", "0", {"overlap": timedelta()}),
    "a part of an hour": ("overlap_hours", "0.5", {"overlap": HOUR / 2}),
    "another cloud": ("azure_cloud", "azureusgovernment", {"cloud": CLOUDS["AzureUSGovernment"]}),
    "the third cloud": ("azure_cloud", "AzureChinaCloud", {"cloud": CLOUDS["AzureChinaCloud"]}),
    "one owner": ("application_owners", "me@example.com", {"owners": ("me@example.com",)}),
    "owners, one a line": ("application_owners", "a@b.c\r\n d@e.f\n", {"owners": ("a@b.c", "d@e.f")}),
    "owners with a comma behind the last one": ("application_owners", "a@b.c,\n", {"owners": ("a@b.c",)}),
    "owners with a comma alone": ("application_owners", ",", {"owners": ()}),
    "owners with commas between": ("application_owners", "a@b.c, d@e.f", {"owners": ("a@b.c", "d@e.f")}),
}


@pytest.mark.parametrize("sentence", VALID)
def test_field(sentence: str) -> None:
    label, text, expected = VALID[sentence]
    assert read({label: text}) == replace(USUAL, **expected)


def test_fields_that_are_empty_mean_their_defaults() -> None:
    assert read({}) == read(dict.fromkeys(("rotation_enabled", "remove_old", "azure_cloud"), " \n")) == USUAL


# A field, what it says, and what is said of it

NO_SHARE = " is not a number from 0 to 87600, nor a share such as 33%"
INVALID: dict[str, tuple[str, str, str]] = {
    "neither on nor off": ("rotation_enabled", "maybe", "'maybe' is neither True nor False"),
    "neither asked for nor not": ("rotate_now", "soon", "'soon' is neither True nor revoke, nor empty"),
    "a life that is no number": ("secret_lifetime_days", "a year", "'a year' is not a number from 1 to 3650"),
    "a life that is too short": ("secret_lifetime_days", "0.99", "'0.99' is not a number from 1 to 3650"),
    "no life at all": ("secret_lifetime_days", "0", "'0' is not a number from 1 to 3650"),
    "a life that is too long": ("secret_lifetime_days", "3650.1", "'3650.1' is not a number from 1 to 3650"),
    "a number that is none": ("rotate_before_hours", "nan", "\'nan\'" + NO_SHARE),
    "a number without an end": ("rotate_before_hours", "inf", "\'inf\'" + NO_SHARE),
    "after the end": ("rotate_before_hours", "-1", "\'-1\'" + NO_SHARE),
    "a share of nothing": ("rotate_before_hours", "0%", "\'0%\'" + NO_SHARE),
    "the whole as a share": ("rotate_before_hours", "100%", "\'100%\'" + NO_SHARE),
    "a share of what has none": ("overlap_hours", "33%", "'33%' is not a number from 0 to 87600"),
    "something else to remove": ("remove_old", "some", "'some' is none of all, replaced, none"),
    "an overlap with its unit": ("overlap_hours", "24h", "'24h' is not a number from 0 to 87600"),
    "an overlap that is negative": ("overlap_hours", "-0.1", "'-0.1' is not a number from 0 to 87600"),
    "an overlap as long as the life": (
        "overlap_hours", "8760", "must be shorter than secret_lifetime_days, else the secret dies first",
    ),
    "a rotation as early as the secret": (
        "rotate_before_hours", "8760", "must be shorter than secret_lifetime_days, else the secret dies first",
    ),
    "a cloud that is none": (
        "azure_cloud", "Cumulus", "'Cumulus' is none of AzureCloud, AzureUSGovernment, AzureChinaCloud",
    ),
    "something else to tell": ("notify_on", "never", "'never' is none of failure, expiry, all"),
    "a warning at no number": ("notify_before_days", "soon", "'soon' is not a number from 0 to 3650"),
}  # fmt: skip


@pytest.mark.parametrize("sentence", INVALID)
def test_field_that_cannot_be_used(sentence: str) -> None:
    label, text, message = INVALID[sentence]
    with pytest.raises(Failed) as caught:
        read({label: text})
    assert caught.value.message == f"{label}: {message}"
    assert caught.value.hint == "correct these fields of the PAM User record in the vault"


def test_all_that_cannot_be_used_is_named_at_once() -> None:
    fields = {label: "?" for label, text, _ in INVALID.values()}
    with pytest.raises(Failed) as caught:
        read(fields)
    assert {problem.partition(":")[0] for problem in caught.value.message.split("; ")} == fields.keys()
    assert len(caught.value.message.split("; ")) == len(fields)


def test_both_spans_that_are_longer_than_the_life_are_named() -> None:
    with pytest.raises(Failed, match=r"^overlap_hours: must be shorter .*; rotate_before_hours: must be shorter"):
        read({"secret_lifetime_days": "1", "overlap_hours": "24", "rotate_before_hours": "24.5"})


def test_spans_that_are_shorter_than_the_life() -> None:
    policy = read({"secret_lifetime_days": "1", "overlap_hours": "23.9", "rotate_before_hours": "23.9"})
    assert policy.lifetime == DAY and policy.overlap == policy.rotate_before == 23.9 * HOUR


@pytest.mark.parametrize(("share", "hours"), [("33%", 237.6), ("50 %", 360), ("0.5%", 3.6), ("99.999%", 719.9928)])
def test_a_share_of_the_lifetime(share: str, hours: float) -> None:
    policy = read({"secret_lifetime_days": "30", "rotate_before_hours": share})
    assert policy.threshold == policy.rotate_before
    assert policy.rotate_before and abs(policy.rotate_before / HOUR - hours) < 1e-6


def test_a_share_of_a_validity_that_the_record_does_not_choose() -> None:
    fields = {"rotate_before_hours": "25%"}
    policy = read_policy(lambda label: fields.get(label, ""), chooses_lifetime=False)
    assert policy.rotate_before == policy.threshold == OF_VALIDITY
    assert policy.for_validity(None) == policy
    known = policy.for_validity(40 * DAY)
    assert known.rotate_before == known.threshold == 10 * DAY
    assert known.for_validity(80 * DAY) == known, "it is known once"
    asked = replace(policy, rotate_before=None).for_validity(40 * DAY)
    assert (asked.rotate_before, asked.threshold) == (None, 10 * DAY)


# Switched off


def test_what_is_switched_off_needs_nothing_right() -> None:
    policy = read({"rotation_enabled": "no", "remove_old": "?", "azure_cloud": "?", "overlap_hours": "?"})
    assert policy == replace(USUAL, enabled=False)


def test_what_may_be_switched_off_or_not_is_refused() -> None:
    with pytest.raises(Failed, match=r"^rotation_enabled: 'off' is neither True nor False; remove_old: "):
        read({"rotation_enabled": "off", "remove_old": "?"})


# Kinds: where an empty field means something else than in the table of fields

OF_A_KIND: dict[str, dict[str, Any]] = {
    "azure_app_secret": {},
    "azure_storage_key": {"remove_old": "none", "overlap": DAY},
    "mongodb_user": {"remove_old": "none"},
    "azure_key_vault_certificate": {"remove_old": "none", "rotate_before": 720 * HOUR, "lifetime": LONGEST},
}


def test_every_kind_is_in_the_table() -> None:
    assert OF_A_KIND.keys() == {facts.name for facts in ROTATED}


@pytest.mark.parametrize("facts", ROTATED, ids=lambda facts: facts.name)
def test_defaults_of_a_kind(facts: Any) -> None:
    chooses = facts.has("secret_lifetime_days")
    expected = {"lifetime": 365 * DAY if chooses else LONGEST} | OF_A_KIND[facts.name]
    assert read({}, facts.defaults, chooses_lifetime=chooses) == replace(USUAL, **expected)


def test_what_a_record_says_wins_over_the_defaults_of_its_kind() -> None:
    defaults = {"remove_old": "none", "rotate_before_hours": "720"}
    expected = replace(USUAL, remove_old="all", rotate_before=HOUR)
    assert read({"remove_old": "all", "rotate_before_hours": "1"}, defaults) == expected


def test_a_kind_whose_life_is_not_the_records_to_choose() -> None:
    fields = {"secret_lifetime_days": "?", "overlap_hours": "87600", "rotate_before_hours": "87600"}
    assert read(fields, chooses_lifetime=False) == replace(
        USUAL, lifetime=LONGEST, overlap=LONGEST, rotate_before=LONGEST
    )


# Who is told: the fields, and what is read

NOTIFY: dict[str, tuple[dict[str, str], NotifyPolicy]] = {
    "nobody": ({}, NotifyPolicy((), "failure", ())),
    "several": ({"notify": "mailto://a\ntgram://b"}, NotifyPolicy(("mailto://a", "tgram://b"), "failure", ())),
    "of everything": ({"notify_on": "ALL"}, NotifyPolicy((), "all", ())),
    "of the end only": ({"notify_on": "expiry"}, NotifyPolicy((), "expiry", ())),
    "ahead of time": ({"notify_before_days": "14"}, NotifyPolicy((), "failure", (14 * DAY,))),
    "several times": ({"notify_before_days": "1, 30\n7 7"}, NotifyPolicy((), "failure", (30 * DAY, 7 * DAY, DAY))),
    "on the day": ({"notify_before_days": "0"}, NotifyPolicy((), "failure", (timedelta(),))),
    "of a wish that cannot be used": (
        {"notify": "x", "notify_on": "?", "notify_before_days": "?"}, NotifyPolicy(("x",), "failure", ()),
    ),
}  # fmt: skip


@pytest.mark.parametrize("sentence", NOTIFY)
def test_who_is_told(sentence: str) -> None:
    fields, expected = NOTIFY[sentence]
    assert read_notify_policy(lambda label: fields.get(label, "")) == expected


def test_a_default_gives_way_to_what_the_record_says() -> None:
    """Half of the life that the record asks for, where the kind's usual overlap is as long as that."""
    given = {"secret_lifetime_days": "1"}
    assert read_policy(lambda label: given.get(label, ""), {"overlap_hours": "24"}).overlap == DAY / 2


def test_no_problem_hides_another() -> None:
    fields = {"remove_old": "some", "overlap_hours": "9000", "secret_lifetime_days": "365", "rotate_now": "soon"}
    with pytest.raises(Failed) as raised:
        read_policy(lambda label: fields.get(label, ""))
    assert all(label in raised.value.message for label in ("remove_old", "overlap_hours", "rotate_now"))

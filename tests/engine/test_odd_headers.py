"""Numbers and moments in a service's answer that are none, or odd ones, and an answer that is no end of brackets."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
import requests

from gateway.host.deadline import Deadline
from gateway.host.http import Http, retry_after
from sandbox.entra.directory import Password
from sandbox.proxy import faults
from tests.stage.rotation import Stage

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


def answer(**headers: str) -> requests.Response:
    """An answer with these headers, whose names are written with underscores."""
    response = requests.Response()
    response.headers.update({name.replace("_", "-"): text for name, text in headers.items()})
    return response


def after(seconds: float) -> str:
    """A moment as RFC 9110 writes it."""
    return format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)


SECONDS: dict[str, tuple[str, float | None]] = {
    "seconds": ("7", 7),
    "none": ("0", 0),
    "blanks around": (" 7 ", 7),
    "more digits than a float has": ("9" * 5000, float("inf")),
    "nothing": ("", None),
    "a superscript": ("²", None),
    "digits of another script": ("٣", None),
    "a fraction": ("1.5", None),
    "a negative number": ("-1", None),
    "infinity": ("inf", None),
    "a word": ("soon", None),
    "a moment to come": (after(90), 90),
    "a moment that is past": (after(-90), 0),
    "a moment in a year that is none": ("Sun, 22 Nov 20299999999999999 10:00:00 GMT", None),
    "a moment in a zone that is none": ("Sun, 22 Nov 2026 10:00:00 +99999999999999", None),
    "a moment after the last": ("Fri, 31 Dec 9999 23:59:59 -2300", None),
}


@pytest.mark.parametrize("what", SECONDS)
def test_how_long_a_service_wants_to_be_left_alone(what: str) -> None:
    text, seconds = SECONDS[what]
    assert retry_after(answer(Retry_After=text, Date=after(0))) == seconds


def test_a_moment_counts_from_this_hosts_clock_where_the_answer_has_none() -> None:
    wanted = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    assert 60 < (retry_after(answer(Retry_After=wanted)) or 0) <= 90
    assert 60 < (retry_after(answer(Retry_After=wanted, Date="soon")) or 0) <= 90


NO_MOMENTS = {
    "a year that is none": "Sun, 22 Nov 20299999999999999 10:00:00 GMT",
    "a year of 5000 digits": f"Sun, 22 Nov {'9' * 5000} 10:00:00 GMT",
    "a zone that is none": "Sun, 22 Nov 2026 10:00:00 +99999999999999",
    "after the last moment": "Fri, 31 Dec 9999 23:59:59 -2300",
    "an hour that is none": "Sun, 22 Nov 2026 99:00:00 GMT",
    "a word": "soon",
    "nothing": "",
    "a superscript": "Sun, ²² Nov 2026 10:00:00 GMT",
}


@pytest.mark.parametrize("what", NO_MOMENTS)
def test_a_moment_that_is_none_is_passed_over(what: str) -> None:
    http = Http(1, Deadline(5, 0))
    http.note_time(answer(Date=after(0)))
    http.note_time(answer(Date=NO_MOMENTS[what]))
    assert timedelta() <= http.now() - NOW < timedelta(minutes=1)


@pytest.mark.parametrize("what", ["a year that is none", "after the last moment", "a superscript"])
def test_no_service_tells_the_time(what: str, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    destination = stage.deliver("secret_address").secret_address
    monkeypatch.setattr(stage.sandbox.clock, "http_date", lambda: NO_MOMENTS[what])
    outcome = stage.run()
    assert (outcome.code, outcome.result) == (0, "rotated"), outcome
    assert stage.published_works() and stage.working()[destination]
    assert stage.live() == {stage.value("client_secret_id")}


# When the app's secrets end, as Graph says.
ENDS = (
    "9999-12-31T23:59:59Z",
    "2027-01-01T00:00:00",
    "9999-12-31T23:59:59-05:00",
    "20299999999-01-01T00:00:00Z",
)


@pytest.mark.parametrize("ends", ENDS)
def test_a_secret_ends_at_an_odd_moment(ends: str, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = Password.shown
    old = list(stage.sandbox.graph.passwords(stage.at.target_object_id))
    odd = {"endDateTime": ends}
    monkeypatch.setattr(Password, "shown", lambda each: shown(each) | (odd if each in old else {}))
    outcome = stage.run()
    assert outcome.code == 0, outcome
    assert stage.published_works() and stage.live() == {stage.value("client_secret_id")}


DEEP = {
    "where it is looked for": ("get_application", 1),
    "where the secret is made": ("add_password", 0),
    "where an old one goes": ("remove_password", 0),
}


@pytest.mark.parametrize("where", DEEP)
def test_an_answer_of_brackets_without_an_end(where: str, stage: Stage) -> None:
    operation, code = DEEP[where]
    body = b'{"a":' + b"[" * 100_000
    times = None if code else 1
    stage.sandbox.fault("graph", operation, faults.ErrorAfter(200, {}, body), times=times)
    outcome = stage.run()
    assert outcome.code == code and "unforeseen" not in outcome.report["error"], outcome
    assert stage.published_works()


THROTTLED = {
    "Keeper": ("keeper", "get_secret"),
    "Keeper, while it saves": ("keeper", "update_secret"),
    "the token endpoint": ("entra", "token"),
    "Graph": ("graph", "get_application"),
    "Graph, while the secret is made": ("graph", "add_password"),
    "Graph, while an old one goes": ("graph", "remove_password"),
    "Key Vault": ("keyvault", "get_secret"),
    "Key Vault, while it takes the secret": ("keyvault", "set_secret"),
}


@pytest.mark.parametrize("who", THROTTLED)
@pytest.mark.parametrize("wait", ["²", "soon", "Sun, 22 Nov 20299999999999999 10:00:00 GMT"])
def test_a_wait_that_is_none_is_ours_to_choose(wait: str, who: str, stage: Stage) -> None:
    destination = stage.deliver("secret_address").secret_address
    fault = stage.sandbox.fault(*THROTTLED[who], faults.Status(429, {"Retry-After": wait}))
    outcome = stage.run()
    assert fault.reached.is_set()
    assert (outcome.code, outcome.result) == (0, "rotated"), outcome
    assert stage.published_works() and stage.working()[destination]


# More than a run has, as a service may write it.
LONG = {
    "seconds": lambda: "315",
    "digits without an end": lambda: "9" * 400,
    "a moment": lambda: format_datetime(datetime.now(UTC) + timedelta(seconds=315), usegmt=True),
}


@pytest.mark.parametrize("form", LONG)
@pytest.mark.parametrize("who", ["Keeper", "Graph, while the secret is made"])
def test_a_wait_longer_than_the_run_is_not_begun(who: str, form: str, stage: Stage) -> None:
    stage.sandbox.fault(*THROTTLED[who], faults.Status(429, {"Retry-After": LONG[form]()}))
    outcome = stage.run()
    assert outcome.code == 1 and "later" in outcome.report["hint"], outcome
    assert outcome.report["seconds"] < 5 and stage.published_works()


def test_keepers_own_wait_of_more_digits_than_a_float_has(stage: Stage) -> None:
    stage.sandbox.fault("keeper", "get_secret", faults.throttled(403, retry_after=10**400))
    outcome = stage.run()
    assert outcome.code == 1 and "later" in outcome.report["hint"], outcome

"""What credentials are called, and how moments are written: markers, stamps and the names of values."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta, timezone

import pytest

from gateway.model import credential
from gateway.model.credential import GRACE, LiveCredential, Marker, Minted, read_marker, read_stamp, utc
from gateway.secret import Secret

NOON = datetime(2026, 8, 1, 12, 0, tzinfo=UTC)
SECONDS = 1785585600  # from 1970 to that noon
EAST = timezone(timedelta(hours=5, minutes=30))

# A display name, and the marker in it

MARKERS: dict[str, tuple[str, Marker | None]] = {
    "one of ours": (f"keeper:uid:lock:run:{SECONDS}", Marker("uid", "lock", "run", NOON)),
    "signs that uids have": (f"keeper:a-_B:l:r:{SECONDS}", Marker("a-_B", "l", "r", NOON)),
    "parts that are empty": (f"keeper::::{SECONDS}", Marker("", "", "", NOON)),
    "the first second": ("keeper:u:l:r:0", Marker("u", "l", "r", datetime(1970, 1, 1, tzinfo=UTC))),
    "the last one that has eleven digits": (
        "keeper:u:l:r:99999999999", Marker("u", "l", "r", datetime(5138, 11, 16, 9, 46, 39, tzinfo=UTC)),
    ),
    "more digits than any date has": ("keeper:u:l:r:100000000000", None),
    "no name": ("", None),
    "one that a person gave": ("made in the portal", None),
    "a part missing": (f"keeper:uid:lock:{SECONDS}", None),
    "a part too many": (f"keeper:uid:lock:run:{SECONDS}:", None),
    "another beginning": (f"Keeper:uid:lock:run:{SECONDS}", None),
    "no deadline": ("keeper:uid:lock:run:", None),
    "a deadline before 1970": ("keeper:uid:lock:run:-1", None),
    "a deadline in fractions": ("keeper:uid:lock:run:1.5", None),
    "blanks around the deadline": (f"keeper:uid:lock:run: {SECONDS}", None),
    "a line break after the deadline": (f"keeper:uid:lock:run:{SECONDS}\n", None),
    "digits of another script": ("keeper:uid:lock:run:٣", None),
}  # fmt: skip


@pytest.mark.parametrize("sentence", MARKERS)
def test_marker_in_a_name(sentence: str) -> None:
    name, marker = MARKERS[sentence]
    assert read_marker(name) == marker
    assert marker is None or str(marker) == name


def test_a_marker_forgets_fractions_of_a_second() -> None:
    made = Marker("u", "l", "r", NOON + timedelta(microseconds=999_999))
    assert str(made) == f"keeper:u:l:r:{SECONDS}" and read_marker(str(made)) == Marker("u", "l", "r", NOON)


def test_a_run_is_over_once_the_grace_is_over() -> None:
    marker = Marker("u", "l", "r", NOON)
    assert not marker.is_past(NOON) and not marker.is_past(NOON + GRACE)
    assert marker.is_past(NOON + GRACE + timedelta(microseconds=1))


# A moment as it is written, and in UTC; None where it is none

MOMENTS: dict[str, tuple[str, datetime | None]] = {
    "as we write it": ("2026-08-01T12:00:00Z", NOON),
    "in a zone": ("2026-08-01T17:30:00+05:30", NOON),
    "without a zone it is UTC": ("2026-08-01T12:00:00", NOON),
    "a blank for the T": ("2026-08-01 12:00", NOON),
    "blanks around it": (" 2026-08-01T12:00:00Z\n", NOON),
    "a day is its midnight": ("2026-08-01", NOON.replace(hour=0)),
    "fractions as Azure gives them": ("2026-08-01T12:00:00.1234567Z", NOON.replace(microsecond=123456)),
    "nothing": ("", None),
    "words": ("tomorrow", None),
    "a day that there is not": ("2026-02-30T00:00:00Z", None),
    "seconds since 1970": (str(SECONDS), None),
    "in UTC it is in the year 0": ("0001-01-01T00:00:00+01:00", None),
    "in UTC it is in the year 10000": ("9999-12-31T23:59:59-01:00", None),
    "the last second that there is": ("9999-12-31T23:59:59", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
}


@pytest.mark.parametrize("sentence", MOMENTS)
def test_moment(sentence: str) -> None:
    text, moment = MOMENTS[sentence]
    assert read_stamp(text) == moment
    if moment is None:
        with pytest.raises(ValueError):
            utc(text)
    else:
        assert utc(text) == moment and utc(text).tzinfo is UTC


def test_a_moment_without_a_zone_is_not_in_that_of_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as context:
        context.setenv("TZ", "IST-5:30")
        time.tzset()
        assert utc("2026-08-01T12:00:00") == NOON and credential.stamp(NOON) == "2026-08-01T12:00:00Z"
    time.tzset()


STAMPS: dict[str, tuple[datetime, str]] = {
    "in UTC": (NOON, "2026-08-01T12:00:00Z"),
    "in another zone": (NOON.astimezone(EAST), "2026-08-01T12:00:00Z"),
    "fractions are cut off": (NOON.replace(microsecond=999_999), "2026-08-01T12:00:00Z"),
}


@pytest.mark.parametrize("sentence", STAMPS)
def test_stamp(sentence: str) -> None:
    moment, text = STAMPS[sentence]
    assert credential.stamp(moment) == text


# When a value was made, and what it is called

GENERATIONS: dict[str, tuple[datetime | None, str]] = {
    "the service does not tell": (None, "key1"),
    "the service tells": (NOON, "key1@2026-08-01T12:00:00+00:00"),
    "to the fraction": (NOON.replace(microsecond=5), "key1@2026-08-01T12:00:00.000005+00:00"),
}


@pytest.mark.parametrize("sentence", GENERATIONS)
def test_generation(sentence: str) -> None:
    made, name = GENERATIONS[sentence]
    assert credential.generation("key1", made) == name
    assert LiveCredential("key1", "name", "abc", NOON, made).generation == name
    assert Minted("key1", Secret(""), NOON, made).generation == name

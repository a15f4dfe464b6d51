"""The field ``rotation_state``: what is written is read again, and what cannot be read is not taken for empty."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.errors import Failed
from gateway.model.ledger import Entry, Intent, Ledger, read_ledger

NOON = datetime(2026, 8, 1, 12, 0, tzinfo=UTC)
LATER = NOON + timedelta(seconds=1)
FULL = Ledger(
    named="the app's client id",
    target="the app's object id",
    key_id="published",
    entries={"former": Entry(NOON, True), "remembered": Entry(None, True), "foreign": Entry(NOON, False)},
    holds={"keyvault:https://v.vault.azure.net/secrets/s": "published", "keeper:uid#label": "former@2026"},
    intent=Intent("key2", NOON.replace(microsecond=5), "lock", LATER),
)

# Written and read again

LEDGERS: dict[str, Ledger] = {
    "nothing in it": Ledger(),
    "everything in it": FULL,
    "a date that is null: only remembered": Ledger(entries={"k": Entry(None, True)}),
    "a date that is null, of what this record never published": Ledger(entries={"k": Entry(None, False)}),
    "no intent": replace(FULL, intent=None),
    "a revoke that is not done": replace(FULL, revoking=True),
    "quotes, line breaks, other letters": Ledger('a"b\\c\n', "ü", "k\u2028", {"ß": Entry(NOON, True)}, {"é\t": "ñ"}),
}


@pytest.mark.parametrize("sentence", LEDGERS)
def test_what_is_written_is_read_again(sentence: str) -> None:
    text = LEDGERS[sentence].text("uid")
    assert read_ledger(text, "uid") == LEDGERS[sentence]
    assert list(read_ledger(text, "uid").entries) == list(LEDGERS[sentence].entries), "in the same order"


def test_it_is_written_as_earlier_versions_wrote_it() -> None:
    assert replace(FULL, entries=dict([*FULL.entries.items()][:2]), holds={"a": "k"}).text("uid") == (
        '{"version":1,"record":"uid","named":"the app\'s client id","target":"the app\'s object id",'
        '"key_id":"published","retire":[{"key_id":"former","after":"2026-08-01T12:00:00Z","published":true},'
        '{"key_id":"remembered","after":null,"published":true}],"holds":{"a":"k"},'
        '"regenerating":{"key_id":"key2","lock":"lock","before":"2026-08-01T12:00:00.000005+00:00",'
        '"until":"2026-08-01T12:00:01Z"}}'
    )


EMPTY: dict[str, str] = {
    "an empty field": "",
    "a field with blanks": " \n",
    "that of another record, copied": FULL.text("another uid"),
    "that of another record, which is broken besides": '{"version":1,"record":"another uid"}',
}


@pytest.mark.parametrize("sentence", EMPTY)
def test_what_says_nothing_of_this_record(sentence: str) -> None:
    assert read_ledger(EMPTY[sentence], "uid") == Ledger()


# What somebody made of it: a text, or a change to what we wrote

ABSENT = object()
BROKEN: dict[str, str | dict[str, Any]] = {
    "no JSON": "nothing to see here",
    "half of it": FULL.text("uid")[:-1],
    "something after it": FULL.text("uid") + "}",
    "a list": "[]",
    "a number": "1",
    "null": "null",
    "nested without an end": "[" * 100_000,
    "of a later version": {"version": 2},
    "of no version": {"version": ABSENT},
    "of a version in quotes": {"version": "1"},
    "of no record": {"record": ABSENT},
    "without a target": {"target": ABSENT},
    "without what the record named": {"named": ABSENT},
    "without what is published": {"key_id": ABSENT},
    "without what is to go": {"retire": ABSENT},
    "null for what is to go": {"retire": None},
    "names for what is to go": {"retire": ["former"]},
    "what is to go without a key id": {"retire": [{"after": None, "published": True}]},
    "what is to go without a date": {"retire": [{"key_id": "k", "published": True}]},
    "what is to go without whose it is": {"retire": [{"key_id": "k", "after": None}]},
    "what is to go on a date that is none": {"retire": [{"key_id": "k", "after": "soon", "published": True}]},
    "what is to go at a number": {"retire": [{"key_id": "k", "after": 1785585600, "published": True}]},
    "what is to go in the year 10000": {
        "retire": [{"key_id": "k", "after": "9999-12-31T23:59:59-01:00", "published": True}],
    },
    "without what destinations hold": {"holds": ABSENT},
    "a list of what destinations hold": {"holds": ["a"]},
    "an intent without its key": {"regenerating": {"lock": "l", "before": "2026-08-01", "until": "2026-08-01"}},
    "an intent without its lock": {"regenerating": {"key_id": "k", "before": "2026-08-01", "until": "2026-08-01"}},
    "an intent without a date": {"regenerating": {"key_id": "k", "lock": "l", "before": None, "until": "2026-08-01"}},
    "an intent that is a word": {"regenerating": "key2"},
}  # fmt: skip


@pytest.mark.parametrize("sentence", BROKEN)
def test_what_cannot_be_read_stops_the_run(sentence: str) -> None:
    change = BROKEN[sentence]
    if isinstance(change, dict):
        content = json.loads(FULL.text("uid")) | change
        change = json.dumps({name: value for name, value in content.items() if value is not ABSENT})
    with pytest.raises(Failed, match=r"^rotation_state cannot be read") as caught:
        read_ledger(change, "uid")
    assert "from the record's history" in caught.value.hint


READ_ALL_THE_SAME: dict[str, dict[str, Any]] = {
    "a part that a later version may add": {"more": 1},
    "null for no intent": {"regenerating": None},
    "dates as a person writes them": {"retire": [{"key_id": "former", "after": "2026-08-01 12:00", "published": True}]},
}


@pytest.mark.parametrize("sentence", READ_ALL_THE_SAME)
def test_what_is_read_all_the_same(sentence: str) -> None:
    written = Ledger(key_id="published", entries={"former": Entry(NOON, True)})
    assert read_ledger(json.dumps(json.loads(written.text("uid")) | READ_ALL_THE_SAME[sentence]), "uid") == written


# What it knows


def test_what_was_ever_published() -> None:
    assert FULL.ever_published() == {"published", "former", "remembered"}


# What is published last, the entries, and what of it is still expected to live at noon
EXPECTED: dict[str, tuple[str, dict[str, Entry], set[str]]] = {
    "what is published": ("k", {}, {"k"}),
    "nothing": ("", {}, set()),
    "what is only remembered": ("", {"a": Entry(None, True)}, {"a"}),
    "what waits for its date": ("k", {"a": Entry(LATER, True)}, {"k", "a"}),
    "not what a run was told to remove": ("k", {"a": Entry(NOON, True)}, {"k"}),
    "not what this record never published": ("k", {"a": Entry(None, False), "b": Entry(LATER, False)}, {"k"}),
    "what is published again, whatever its date": ("k", {"k": Entry(NOON, True)}, {"k"}),
}


@pytest.mark.parametrize("sentence", EXPECTED)
def test_what_is_still_expected(sentence: str) -> None:
    key_id, entries, expected = EXPECTED[sentence]
    assert Ledger(key_id=key_id, entries=entries).still_expected(NOON) == expected


# What was published last, the entries, and those once the record publishes "new"
PUBLISHING: dict[str, tuple[str, dict[str, Entry], dict[str, Entry]]] = {
    "the former one is remembered": ("k", {}, {"k": Entry(None, True)}),
    "before all others": ("k", {"a": Entry(NOON, True)}, {"k": Entry(None, True), "a": Entry(NOON, True)}),
    "with its date, where it has one": ("k", {"k": Entry(NOON, True)}, {"k": Entry(NOON, True)}),
    "there was none": ("", {"a": Entry(None, False)}, {"a": Entry(None, False)}),
    "it is the same one": ("new", {"a": Entry(NOON, True)}, {"a": Entry(NOON, True)}),
}


@pytest.mark.parametrize("sentence", PUBLISHING)
def test_publishing_another_one(sentence: str) -> None:
    key_id, entries, expected = PUBLISHING[sentence]
    before = replace(FULL, key_id=key_id, entries=entries)
    after = before.publishing("new")
    assert after == replace(before, key_id="new", entries=expected)
    assert list(after.entries) == list(expected)

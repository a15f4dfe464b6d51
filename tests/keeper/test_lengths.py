"""A field that is longer than any that works is refused by its name, before anything else is made of it."""

from __future__ import annotations

import time

import pytest

from gateway.model.fields import FIELDS, longest, too_long
from tests.stage.rotation import Stage

LENGTHS = {
    "application_object_id": 300_000,
    "subject": 1_001,
    "deliver_to": 64_001,
    "rotation_state": 64_001,
    "value_template": 8_001,
    "notify": 8_001,
    "rotate_before_hours": 5_000,
}


@pytest.mark.parametrize("label", LENGTHS)
def test_a_field_of_the_record(label: str, stage: Stage) -> None:
    line = stage.line()
    stage.sandbox.keeper.edit(stage.at.record_uid, label, "0" * LENGTHS[label])
    before, began = stage.live(), time.monotonic()
    outcome = stage.run(line)
    assert outcome.code == 1 and time.monotonic() - began < 20, outcome
    assert f"{label}: {LENGTHS[label]:,} characters long" in outcome.report["error"]
    assert "in the vault" in outcome.report["hint"] and len(outcome.stderr) < 4_000
    assert stage.live() == before


@pytest.mark.parametrize("label", LENGTHS)
def test_a_field_of_a_record_on_stdin(label: str, stage: Stage) -> None:
    records = stage.params()["records"]
    records[-1][label] = "0" * LENGTHS[label]
    outcome = stage.run(stage.line(records=records))
    assert outcome.code == 1
    assert f"record {len(records)} of 'records': {label}: {LENGTHS[label]:,}" in outcome.report["error"]


def test_a_label_on_stdin(stage: Stage) -> None:
    records = stage.params()["records"]
    records[0]["key" * 1_000] = "x"
    outcome = stage.run(stage.line(records=records))
    assert outcome.code == 1 and "a label of more than" in outcome.report["error"]


def test_what_is_not_ours_may_be_as_long_as_it_likes(stage: Stage) -> None:
    stage.sandbox.keeper.edit(stage.at.record_uid, "notes of somebody", "x" * 200_000)
    outcome = stage.run()
    assert outcome.code == 0, outcome


def test_every_field_has_a_length() -> None:
    for field in FIELDS:
        assert 1_000 <= longest(field.label) <= 64_000
        assert not too_long(field.label, "x" * longest(field.label))

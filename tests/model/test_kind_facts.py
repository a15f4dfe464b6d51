"""What the facts of a kind answer when they are asked."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.model.fields import DEFAULTS, FIELDS, TYPES, Field
from gateway.model.kind_facts import KindFacts, Outputs

FACTS = KindFacts(
    name="a_kind",
    implementation="",
    delivery_form=None,  # type: ignore[arg-type]
    target="target",
    outputs=Outputs("id", "value"),
    more=("extra",),
    fields=(
        Field("target", "text", ""), Field("id", "text", "", written=True), Field("NOOP", "text", "", "True"),
        Field("wish", "text", "", "yes"),
    ),
    other_targets={"other_target": "scripts/other.py", "third_target": ""},
    in_use=("deliver_to", "client_secret"),
)  # fmt: skip

# The fields of a record, and those that say that it stands for something else

USED: dict[str, tuple[dict[str, str], list[str]]] = {
    "an empty record": ({}, []),
    "one of this kind": ({"target": "t"}, []),
    "one of this kind that is delivered": ({"target": "t", "deliver_to": "d", "client_secret": "s"}, []),
    "one of another kind": ({"third_target": "t"}, ["third_target"]),
    "one of two kinds": ({"target": "t", "other_target": "o", "deliver_to": "d"}, ["other_target"]),
    "one in use, without a target": ({"client_secret": "s", "deliver_to": "d"}, ["deliver_to", "client_secret"]),
    "fields with blanks": ({"target": " ", "deliver_to": "\n", "client_secret": "s"}, ["client_secret"]),
    "another target of blanks": ({"target": "t", "other_target": " "}, []),
}


@pytest.mark.parametrize("sentence", USED)
def test_used_for(sentence: str) -> None:
    fields, expected = USED[sentence]
    assert FACTS.used_for(lambda label: fields.get(label, "")) == expected


def test_fields() -> None:
    assert FACTS.own() == {"target", "id", "value", "extra"}
    assert replace(FACTS, target="", outputs=Outputs()).own() == {"extra"}, "a label that is empty is none"
    assert FACTS.has("wish") and not FACTS.has("value"), "what is in its table"
    assert FACTS.inputs() == ["target", "wish"], "neither what a rotation writes nor what Keeper reads"
    assert FACTS.script == "scripts/a_kind.py"


def test_the_table_of_fields_says_each_thing_once() -> None:
    assert len(DEFAULTS) == len(TYPES) == len(FIELDS)
    assert {field.type for field in FIELDS} == {"text", "secret", "multiline"}
    assert not [field.label for field in FIELDS if field.written and field.default]

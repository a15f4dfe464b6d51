"""The registry of kinds: what it says of them is so, and asking it costs nothing."""

from __future__ import annotations

import subprocess
import sys
from itertools import chain

import pytest

from gateway.engine.kind import Kind
from gateway.kinds.registry import KINDS, ROTATED, find, load, of_target, only
from gateway.model.fields import DEFAULTS, FIELDS
from gateway.model.kind_facts import KindFacts

# Standard fields of a PAM User, which are in no table of ours.
STANDARD = {"password"}
RUN = [each for each in KINDS if each.implementation]


@pytest.mark.parametrize("facts", KINDS, ids=lambda facts: facts.name)
def test_every_label_that_is_named_is_in_the_table_of_fields(facts: KindFacts) -> None:
    named = {*facts.own(), facts.outputs.expires, *facts.defaults, *facts.wishes} - STANDARD
    assert named <= {field.label for field in FIELDS}
    assert all(facts.has(label) for label in named)


def test_a_field_that_no_kind_claims_is_for_all() -> None:
    claimed = set(chain.from_iterable(facts.own() for facts in KINDS))
    for field in FIELDS:
        have = [facts.name for facts in KINDS if facts.has(field.label)]
        assert have == (only(field.label) if field.label in claimed else [facts.name for facts in KINDS])


@pytest.mark.parametrize("facts", KINDS, ids=lambda facts: facts.name)
def test_defaults_of_a_kind_are_not_those_of_the_table(facts: KindFacts) -> None:
    assert not [label for label, default in facts.defaults.items() if default == DEFAULTS[label]]


@pytest.mark.parametrize("facts", RUN, ids=lambda facts: facts.name)
def test_a_kind_is_found_by_its_name_and_its_target(facts: KindFacts) -> None:
    assert find(facts.name) is facts
    assert not facts.target or of_target(facts.target) is facts


@pytest.mark.parametrize("facts", ROTATED, ids=lambda facts: facts.name)
def test_a_kind_that_is_rotated_goes_by_these_facts(facts: KindFacts) -> None:
    kind = load(facts)
    assert issubclass(kind, Kind) and kind.facts is facts


@pytest.mark.parametrize("facts", RUN, ids=lambda facts: facts.name)
def test_no_kind_is_imported_but_the_one_that_is_run(facts: KindFacts) -> None:
    ours = facts.implementation.partition(":")[0]
    code = f"import sys, gateway.run as run; run.registry.load(run.registry.find({facts.name!r}))\n"
    code += "print(*sorted(name for name in sys.modules if name.startswith('gateway.kinds.')))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout.split() == sorted([ours, "gateway.kinds.registry"])

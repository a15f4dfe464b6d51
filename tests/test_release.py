"""The workflow of the hosted runner, and the images: nothing of others but what is named by its content."""

from __future__ import annotations

import re
from itertools import chain
from pathlib import Path

import pytest
import yaml

from tests.stage.rotation import ROOT

WORKFLOW = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))
JOBS = WORKFLOW["jobs"]
STEPS = list(chain.from_iterable(job["steps"] for job in JOBS.values()))
TARGETS = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)
IMAGES = sorted((ROOT / "templates" / "docker").iterdir())


def test_the_runner_may_read_and_nothing_else() -> None:
    assert WORKFLOW["permissions"] == {"contents": "read"}
    assert not [name for name, job in JOBS.items() if "permissions" in job]
    assert all(step["with"]["persist-credentials"] is False for step in STEPS if "checkout" in step.get("uses", ""))


def test_an_action_is_a_commit() -> None:
    used = [step["uses"] for step in STEPS if "uses" in step]
    assert used and all(re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", each) for each in used)


def test_what_it_runs_is_there() -> None:
    with_parts = ".venv-dev/bin/python -m pytest -n 4 $TESTS"
    expected = {"bash .ci/run", 'make "$TARGET"', "make parts", with_parts}
    assert {step["run"] for step in STEPS if "run" in step} == expected
    assert set(JOBS["week"]["strategy"]["matrix"]["target"]) <= set(TARGETS)


def test_whatever_wants_a_part_is_run_where_there_are_parts() -> None:
    named = [ROOT / path for path in JOBS["parts"]["steps"][-1]["env"]["TESTS"].split()]
    ways = r"stage\.parts import (?:tool|broker)\b|stage\.azurite import"
    wanting = [path for path in ROOT.glob("tests/**/test_*.py") if re.search(ways, path.read_text(encoding="utf-8"))]
    assert wanting and all(any(path.is_relative_to(each) for each in named) for path in wanting)
    assert all(any(path.is_relative_to(each) for path in wanting) for each in named)


@pytest.mark.parametrize("image", IMAGES, ids=lambda path: path.name)
def test_the_base_of_an_image_can_be_named_by_its_digest(image: Path) -> None:
    lines = image.read_text(encoding="utf-8").splitlines()
    (argument,) = [line for line in lines if line.startswith("ARG ")]
    name, _, base = argument.removeprefix("ARG ").partition("=")
    assert [line for line in lines if line.startswith("FROM ")] == [f"FROM ${{{name}}}"]
    assert f"#   docker buildx imagetools inspect {base}" in lines, "the command that shows the digest"
    assert any(f"--build-arg {name}={base.partition(':')[0]}" in line and "@sha256:…" in line for line in lines)


@pytest.mark.parametrize("image", IMAGES, ids=lambda path: path.name)
def test_an_image_gets_nothing_without_a_hash(image: Path) -> None:
    installs = re.findall(r"pip install (.*?) *\\?$", image.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert installs
    assert all(re.search(r"--require-hashes -r|--no-deps \S+/\*\.whl$", each) for each in installs)

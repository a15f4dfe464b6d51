"""Each way to break the engine is noticed by the test that names it, and by nothing else gone wrong."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.mutations.mutations import Mutation, claims, copy_tree, mutations, promises, run_tests, steps
from tests.stage.rotation import ROOT

ALL = mutations()
FAILED, PASSED = 1, 0  # of pytest: neither an error of its own, nor nothing to run


def test_every_promise_and_every_step_is_broken_in_some_way() -> None:
    assert set(promises()) <= {each.breaks for each in ALL} <= {*promises(), *claims()}
    assert {each.step for each in ALL} == set(steps())


@pytest.mark.parametrize("mutation", ALL, ids=lambda each: each.name)
def test_its_patch_applies(mutation: Mutation) -> None:
    _apply(mutation, ROOT, "--check")


@pytest.mark.deep
def test_in_an_unchanged_copy_their_tests_pass(tmp_path: Path) -> None:
    python = copy_tree(tmp_path)
    where = [str(python), "-c", "import gateway; print(gateway.__file__)"]
    assert subprocess.run(where, cwd="/", capture_output=True, text=True, check=True).stdout.startswith(str(tmp_path))
    process = run_tests(python, tmp_path, sorted({each.test for each in ALL}))
    assert process.returncode == PASSED, process.stdout


@pytest.mark.deep
@pytest.mark.parametrize("mutation", ALL, ids=lambda each: each.name)
def test_it_is_noticed(mutation: Mutation, tmp_path: Path) -> None:
    python = copy_tree(tmp_path)
    _apply(mutation, tmp_path)
    process = run_tests(python, tmp_path, [mutation.test])
    assert process.returncode == FAILED, f"not noticed: {mutation.what}\n{process.stdout}{process.stderr}"
    assert "unforeseen" not in process.stdout, f"it breaks everything, not a promise\n{process.stdout}"


def _apply(mutation: Mutation, folder: Path, *options: str) -> None:
    command = ["git", "apply", *options, str(mutation.path)]
    process = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert process.returncode == 0, f"it no longer applies, write it anew: {process.stderr}"

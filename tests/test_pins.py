"""The files of pins: whole, hashed, what pyproject.toml asks for, and one version of each package in all of them."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, requires

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.stage.rotation import ROOT

SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
EXTRAS = SETTINGS["project"]["optional-dependencies"]
ASKED = {
    "requirements.txt": SETTINGS["project"]["dependencies"],
    "requirements-build.txt": SETTINGS["build-system"]["requires"],
    "requirements-docs.txt": SETTINGS["dependency-groups"]["docs"],
    "requirements-parts.txt": SETTINGS["dependency-groups"]["parts"],
    "requirements-release.txt": SETTINGS["dependency-groups"]["release"],
    **{f"requirements-{name}.txt": SETTINGS["project"]["dependencies"] + EXTRAS[name] for name in EXTRAS},
}


@cache
def lines(file: str) -> list[str]:
    """The pins and options of a file, each with its hashes on one line."""
    text = (ROOT / file).read_text(encoding="utf-8").replace("\\\n", " ")
    return [line for line in text.splitlines() if line.strip()]


def pins(file: str) -> dict[str, list[Requirement]]:
    """By name; a package that differs by Python has several."""
    found: dict[str, list[Requirement]] = {}
    for line in lines(file)[1:]:
        pin = Requirement(line.partition(" --hash=")[0])
        found.setdefault(canonicalize_name(pin.name), []).append(pin)
    return found


def needed(asked: list[str]) -> Iterator[Requirement]:
    """What is asked for, and what that asks for in turn, as far as it is installed here."""
    waiting, seen = [(Requirement(each), "") for each in asked], set()
    while waiting:
        each, extra = waiting.pop()
        if each.marker and not each.marker.evaluate({"extra": extra}):
            continue
        if canonicalize_name(each.name) == "keeper-azure-rotation":
            waiting += [(Requirement(line), "") for name in each.extras for line in EXTRAS[name]]
            continue
        yield each
        for option in {"", *each.extras} - {known for name, known in seen if name == each.name}:
            seen.add((each.name, option))
            waiting += [(Requirement(line), option) for line in _requires(each.name)]


def _requires(name: str) -> list[str]:
    try:
        return requires(name) or []
    except PackageNotFoundError:
        return []


def test_each_file_is_known() -> None:
    assert {path.name for path in ROOT.glob("requirements*.txt")} == set(ASKED)


@pytest.mark.parametrize("file", ASKED)
def test_each_line_is_one_version_with_its_hashes_and_nothing_is_built(file: str) -> None:
    first, *others = lines(file)
    assert first == "--only-binary :all:"
    form = re.compile(r"[a-z0-9-]+==[\w.!]+( ; [^#]+?)?(\s+--hash=sha256:[0-9a-f]{64})+")
    assert others and not [line for line in others if not form.fullmatch(line)], "and no address of an index"


@pytest.mark.parametrize("file", ASKED)
def test_the_pins_are_what_is_asked_for_and_all_that_it_needs(file: str) -> None:
    pinned = pins(file)
    for each in needed(ASKED[file]):
        here = [pin for pin in pinned.get(canonicalize_name(each.name), []) if not pin.marker or pin.marker.evaluate()]
        versions = [specifier.version for pin in here for specifier in pin.specifier]
        assert len(versions) == 1, f"{each}: {versions}"
        assert each.specifier.contains(versions[0], prereleases=True), f"{here} is not {each}"


@pytest.mark.parametrize("file", ASKED)
def test_all_files_have_the_versions_that_are_tested(file: str) -> None:
    tested = pins("requirements-dev.txt")
    for name, found in pins(file).items():
        if name in tested or file not in (
            "requirements-docs.txt",
            "requirements-parts.txt",
            "requirements-release.txt",
        ):
            assert {str(pin.specifier) for pin in found} <= {str(pin.specifier) for pin in tested[name]}

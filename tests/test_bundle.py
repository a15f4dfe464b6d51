"""`make bundle`: the same bytes from any folder, by any user, at any time; sums and lists of parts that are right."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.stage.rotation import ROOT
from tests.test_pins import pins

TOOLS = ROOT / ".venv-release" / "bin" / "python"
pytestmark = [
    pytest.mark.deep,
    pytest.mark.skipif(not TOOLS.exists(), reason="what makes a bundle is not installed: make test-all does it"),
]

VALIDATE = """
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(sys.stdin.read())
sys.exit(str(error) if error else 0)
"""

LEFT_OUT = shutil.ignore_patterns(".git", ".venv*", "build", "dist", "*.egg-info")


def build(source: Path, mode: int = 0o777, **variables: str) -> Path:
    """Its `dist`, made from a copy of this tree, with the tools of this environment."""
    shutil.copytree(ROOT, source, ignore=LEFT_OUT)
    (source / "scripts" / "__pycache__").mkdir(exist_ok=True)
    (source / "scripts" / "__pycache__" / "left.pyc").write_bytes(os.urandom(8))
    for path in source.rglob("*"):
        os.utime(path)
        path.chmod(path.stat().st_mode & mode)
    make = ["make", "--old-file=.venv-release/ready", "bundle", f"RELEASE={TOOLS}"]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "1750000000", **variables}
    subprocess.run(make, cwd=source, env=environment, check=True, capture_output=True)
    return source / "dist"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle that nobody changes."""
    return build(tmp_path_factory.mktemp("bundle") / "source")


def content(dist: Path) -> dict[str, tuple[str, int]]:
    """The sum and the mode of each file."""
    found = [path for path in dist.rglob("*") if path.is_file()]
    return {
        path.relative_to(dist).as_posix(): (
            hashlib.sha256(path.read_bytes()).hexdigest(),
            path.stat().st_mode & 0o7777,
        )
        for path in found
    }


def test_the_same_bytes_wherever_it_is_built(bundle: Path, tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        other = build(tmp_path / "a longer" / "path", 0o700, TZ="Asia/Tokyo", LC_ALL="C", PYTHONHASHSEED="7")
    finally:
        os.umask(before)
    assert content(other) == content(bundle)
    assert {mode for _, mode in content(other).values()} == {0o644, 0o755}
    assert not list(other.rglob("*.pyc"))


def test_the_sums_are_those_of_all_files(bundle: Path) -> None:
    lines = [line.split("  ") for line in (bundle / "SHA256SUMS").read_text().splitlines()]
    expected = {name: digest for name, (digest, _) in content(bundle).items() if name != "SHA256SUMS"}
    assert {name: digest for digest, name in lines} == expected
    assert {".whl", ".gz"} < {Path(name).suffix for name in expected}


@pytest.mark.parametrize("extra", ["", "-listen", "-mongodb", "-notify"])
def test_the_list_of_parts_is_what_is_pinned(extra: str, bundle: Path) -> None:
    text = (bundle / f"sbom{extra}.cdx.json").read_text(encoding="utf-8")
    subprocess.run([TOOLS, "-c", VALIDATE], input=text, text=True, check=True, capture_output=True)
    listed = json.loads(text)
    named = {(each["name"], each["version"]) for each in listed["components"]}
    pinned = pins(f"requirements{extra}.txt")
    assert named == {
        (name, specifier.version) for name, found in pinned.items() for pin in found for specifier in pin.specifier
    }
    assert all(each["externalReferences"][0]["hashes"] for each in listed["components"])
    assert listed["metadata"]["component"]["version"] and str(bundle.parent) not in text

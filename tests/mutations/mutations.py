"""The mutations as their patches describe them, and what they are to break."""

from __future__ import annotations

import re
import shutil
import subprocess
import sysconfig
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.engine import order
from tests.stage.rotation import ROOT

_HEADER = re.compile(
    r"(?P<what>.+?)\n\nBreaks: (?P<breaks>.+)\nStep: (?P<step>.+)\nTest: (?P<test>.+)\n--- a/gateway/", re.S
)
_COPIED = ("gateway", "sandbox", "scripts", "templates", "tests", "pam_user_template.csv", "pyproject.toml")


@dataclass(frozen=True)
class Mutation:
    """One way to break the engine: see the package."""

    path: Path
    what: str
    breaks: str
    step: str
    test: str

    @property
    def name(self) -> str:
        """That of its file."""
        return self.path.stem


def mutations() -> list[Mutation]:
    """All, by name. Raises ValueError: a patch does not say what it breaks."""
    return [_read(path) for path in sorted(Path(__file__).with_name("patches").glob("*.patch"))]


def _read(path: Path) -> Mutation:
    found = _HEADER.match(path.read_text(encoding="utf-8"))
    if found is None:
        raise ValueError(f"{path.name}: no sentence, or not the lines Breaks:, Step: and Test: above the patch")
    return Mutation(path, " ".join(found["what"].split()), found["breaks"], found["step"], found["test"])


def promises() -> list[str]:
    """What README.md promises, in its words."""
    section = (ROOT / "README.md").read_text(encoding="utf-8").partition("## What it promises")[2].partition("\n## ")[0]
    return [" ".join(each.split()).rstrip(".") for each in re.findall(r"^- \*\*(.+?)\*\*", section, re.S | re.M)]


def claims() -> dict[str, str]:
    """What docs/security.md claims, each with the test that keeps it."""
    section = (ROOT / "docs" / "security.md").read_text(encoding="utf-8").partition("## What holds")[2]
    return dict(re.findall(r"^\| (.+?) \| `(tests/\S+)` \|$", section.partition("\n## ")[0], re.M))


def steps() -> list[str]:
    """The steps of a rotation that change something or decide, as `gateway.engine.order` names them."""
    return re.findall(r"^ {4}([0-9] \w+) ", str(order.__doc__), re.M)


def copy_tree(to: Path) -> Path:
    """What a test needs, to be changed, with a Python that knows this package only; returns that Python."""
    for name in _COPIED:
        source = ROOT / name
        shutil.copytree(source, to / name) if source.is_dir() else shutil.copy2(source, to / name)
    home = to / ".venv"
    venv.create(home, symlinks=True)
    packages = Path(sysconfig.get_path("purelib", "venv", {"base": str(home), "platbase": str(home)}))
    # A folder that is named here is not searched for further .pth files: the checkout's own is one.
    (packages / "copy.pth").write_text(f"{to}\n{sysconfig.get_path('purelib')}\n", encoding="utf-8")
    return Path(sysconfig.get_path("scripts", "venv", {"base": str(home)})) / "python"


def run_tests(python: Path, copy: Path, tests: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Let pytest run these in the copy."""
    command = [str(python), "-m", "pytest", "-x", "-p", "no:xdist", *tests]
    return subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False, timeout=300)

"""What the host may be like: an old Python, a package that does not fit, odd outputs, arguments."""

from __future__ import annotations

import ast
import fnmatch
import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.stage import ROOT, SCRIPT, Stage

SCRIPTS = sorted((ROOT / "scripts").glob("*.py"))
# Version managers keep the interpreters of a machine side by side.
OLD_PYTHONS = [
    path
    for version in ("2.7", "3.6", "3.8", "3.10")
    for path in sorted(Path(sys.base_prefix).parent.glob(f"{version}*/bin/python{version}"))
]


def said(process: subprocess.CompletedProcess[str]) -> dict[str, str]:
    assert process.returncode == 1
    report: dict[str, str] = json.loads(process.stdout)
    assert report["result"] == "failed"
    assert report["error"] in process.stderr
    return report


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_script_is_understood_by_a_python_that_is_too_old_to_run_it(script: Path) -> None:
    ast.parse(script.read_text(encoding="ascii"), feature_version=(3, 6))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_python_that_is_too_old(script: Path) -> None:
    code = f"import sys, runpy; sys.version_info = (3, 6, 8); runpy.run_path({str(script)!r}, run_name='__main__')"
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "too old" in said(process)["error"]


@pytest.mark.skipif(not OLD_PYTHONS, reason="no older Python on this machine")
@pytest.mark.parametrize("python", OLD_PYTHONS, ids=lambda path: path.name)
def test_older_python_of_this_machine(python: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "HOME": "/"}
    process = subprocess.run([python, SCRIPT], capture_output=True, text=True, check=False, env=environment)
    assert "too old" in said(process)["error"]


def test_package_that_is_not_installed(tmp_path: Path) -> None:
    copy = shutil.copy(SCRIPT, tmp_path / "script.py")
    process = subprocess.run([sys.executable, "-S", copy], capture_output=True, text=True, check=False)
    assert "not installed" in said(process)["error"]


def test_package_that_does_not_fit(tmp_path: Path) -> None:
    (tmp_path / "gateway").mkdir()
    (tmp_path / "gateway" / "__init__.py").write_text('__version__ = "7.3.1"\n')
    copy = shutil.copy(SCRIPT, tmp_path / "script.py")
    process = subprocess.run([sys.executable, "-S", copy], capture_output=True, text=True, check=False)
    assert "installed is 7.3.1" in said(process)["error"]


def test_every_part_of_the_package_is_installed() -> None:
    """The tests run in a checkout; a gateway host has only what the wheel holds."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    found = {path.parent.relative_to(ROOT).as_posix() for path in (ROOT / "gateway").rglob("__init__.py")}
    patterns = settings["packages"]["find"]["include"]
    assert found == {name for name in found if any(fnmatch.fnmatch(name, pattern) for pattern in patterns)}


def test_usage_error(stage: Stage) -> None:
    process = subprocess.run(
        [sys.executable, SCRIPT, "--help"], capture_output=True, text=True, check=False, env=stage.variables
    )
    assert "usage" in said(process)["error"]
    assert not stage.sandbox.requests


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
@pytest.mark.parametrize("how", ["closed", "full"])
def test_output_that_cannot_be_written_never_changes_the_exit_code(stream: str, how: str, stage: Stage) -> None:
    number = {"stdout": 1, "stderr": 2}[stream]
    redirect = f"{number}>&-" if how == "closed" else f"{number}>/dev/full"
    process = subprocess.run(
        ["/bin/sh", "-c", f'exec "$0" "$1" {redirect}', sys.executable, SCRIPT],
        input=stage.line(),
        env=stage.variables,
        check=False,
    )
    assert process.returncode == 0
    assert stage.published_works()


def test_home_that_cannot_be_written(stage: Stage) -> None:
    variables = {"ROTATION_LOCK_DIR": "", "HOME": "/proc/nowhere", "TMPDIR": str(stage.home)}
    assert stage.run(**variables).code == 0
    assert [path.name.split("-")[:2] for path in stage.home.iterdir()] == [["keeper", "rotation"]]


def test_a_user_id_that_no_user_has_and_no_home() -> None:
    """As in a container that is given any user id; `Path.home` raises RuntimeError there."""
    code = "import os, pwd\nfrom gateway import lock\nos.environ.pop('HOME', None); os.getuid = lambda: 54321\n"
    code += "print(lock._state_directory())"
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert process.returncode == 0, process
    assert "keeper-rotation-54321" in process.stdout


def test_lock_directory_is_private(stage: Stage) -> None:
    assert stage.run().code == 0
    assert (stage.home / "locks").stat().st_mode & 0o777 == 0o700

"""``keeper-rotation scripts``: a host that has only the wheel gets the scripts to attach, and the templates."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.stage.rotation import ROOT

CARRIED = ("scripts", "templates", "pam_user_template.csv")
BUILT_FROM = (*CARRIED, "gateway", "pyproject.toml", "README.md", "LICENSE")


def files(folder: Path) -> dict[str, bytes]:
    """What lies below a folder that the command may write, by its path."""
    found = [path for name in CARRIED for path in (folder / name, *(folder / name).rglob("*"))]
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in found
        if path.is_file() and "__pycache__" not in path.parts
    }


def write(to: Path, *options: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command, in another folder than the repository."""
    command = [sys.executable, "-m", "gateway", "scripts", f"--to={to}", *options]
    environment = {"PATH": os.environ["PATH"], **variables}
    return subprocess.run(command, cwd="/", env=environment, capture_output=True, text=True, check=False)


def test_the_scripts_and_templates_of_this_repository_are_written(tmp_path: Path) -> None:
    process = write(tmp_path / "new" / "folder")
    assert process.returncode == 0, process
    assert files(tmp_path / "new" / "folder") == files(ROOT)
    assert f"{tmp_path}/new/folder/scripts/azure_app_secret.py" in process.stdout
    assert os.access(tmp_path / "new/folder/templates/azure/near_expiry_events.sh", os.X_OK)


def test_what_somebody_has_changed_is_not_overwritten_unless_asked_for(tmp_path: Path) -> None:
    assert write(tmp_path).returncode == 0
    changed, gone = tmp_path / "templates/pam/azure_app_secret.json", tmp_path / "scripts/mongodb_user.py"
    changed.write_text("with the ids filled in")
    gone.unlink()
    refused = write(tmp_path)
    assert refused.returncode == 1 and "templates/pam/azure_app_secret.json" in refused.stderr, refused
    assert "hint:" in refused.stderr and "--force" in refused.stderr
    assert changed.read_text() == "with the ids filled in" and not gone.exists(), "nothing is written then"
    assert write(tmp_path, "--force").returncode == 0
    assert files(tmp_path) == files(ROOT)
    assert write(tmp_path).returncode == 0, "what is the same is no obstacle"


@pytest.mark.parametrize("place", ["/proc/nowhere", "/dev/null/below"])
def test_a_folder_that_cannot_be_written(place: str) -> None:
    process = write(Path(place))
    assert process.returncode == 1 and f"--to {place}" in process.stderr and "hint:" in process.stderr, process


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder with the package as a host has it: from the wheel, and nothing else."""
    pytest.importorskip("hatchling", reason="it cannot build this package")
    source = tmp_path / "source"
    source.mkdir()
    for name in BUILT_FROM:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, source / name)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-cache-dir"]
    build = [*pip, "wheel", "--no-index", "--no-deps", "--no-build-isolation", "--wheel-dir", tmp_path, source]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    install = [*pip, "install", "--no-index", "--no-deps", "--target", tmp_path / "installed", wheel]
    subprocess.run(install, check=True, capture_output=True)
    return tmp_path / "installed"


def test_a_host_that_has_only_the_wheel_gets_them_too(installed: Path, tmp_path: Path) -> None:
    process = write(tmp_path / "written", PYTHONPATH=str(installed))
    assert process.returncode == 0, process
    assert files(tmp_path / "written") == files(ROOT)
    assert {path.name for path in installed.iterdir() if path.suffix != ".dist-info"} == {"gateway", "bin"}
    parts = {path.relative_to(ROOT) for path in (ROOT / "gateway").rglob("*.py")}
    assert parts == {path.relative_to(installed) for path in (installed / "gateway").rglob("*.py")}
    # Neither the repository nor this environment's own installation helped.
    (installed / "gateway" / "carried" / "pam_user_template.csv").write_text("seen")
    assert write(tmp_path / "again", PYTHONPATH=str(installed)).returncode == 0
    assert (tmp_path / "again" / "pam_user_template.csv").read_text() == "seen"

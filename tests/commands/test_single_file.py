"""`keeper-rotation bundle`: one file that rotates where nothing but what Keeper's guide names is installed."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import subprocess
import sys
import venv
from importlib.metadata import distribution
from pathlib import Path
from zipfile import ZipFile

import pytest

from gateway.commands.check.script import _CALL
from gateway.commands.shared import private_file
from gateway.commands.shared.private_file import write_private
from gateway.errors import Failed
from gateway.kinds.registry import KINDS
from sandbox.furnish.passwords import script_field
from tests.commands.test_check import check
from tests.stage.rotation import ROOT, Stage, start_process
from tests.stage.storage_key import StorageStage
from tests.test_pins import needed

GUIDE = ["keeper-secrets-manager-core", "azure-identity"]
NAMES = [facts.name for facts in KINDS if facts.implementation]


def bundle(kind: str, *options: str, package: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run the command, in another folder than the repository."""
    command = [sys.executable, "-m", "gateway", "bundle", kind, *options]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(package)}
    return subprocess.run(command, cwd="/", env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python that has the two packages, what they need, and nothing else."""
    folder = tmp_path_factory.mktemp("host")
    venv.create(folder, symlinks=True)
    (site,) = folder.glob("lib/*/site-packages")
    for name in {each.name for each in needed(GUIDE)}:
        for file in distribution(name).files or []:
            if ".." not in file.parts and file.suffix != ".pyc":
                (site / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(str(file.locate()), site / file)
    return folder / "bin" / "python"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The file for app secrets."""
    made = bundle("azure_app_secret", f"--out={tmp_path / 'one.pyz'}")
    assert made.returncode == 0, made
    return tmp_path / "one.pyz"


def test_it_rotates_with_what_keepers_guide_installs(python: Path, file: Path, stage: Stage) -> None:
    for absent in ("gateway", "click", "filelock", "azure.keyvault", "apprise"):
        assert subprocess.run(
            [python, "-c", f"import {absent}"], cwd="/", stderr=subprocess.DEVNULL, check=False
        ).returncode, absent
    field = script_field(stage.at.admin_record_uid)
    field["value"][0]["fileRef"] = stage.sandbox.keeper.add_file(
        stage.at.record_uid, "one.pyz", file.read_bytes(), "application/octet-stream"
    )
    stage.stored()["fields"].append(field)
    assert not [what for _, what in check(stage)[0] if "script" in what]
    attached = stage.home / "as the Gateway names it"
    attached.write_bytes(stage.sandbox.keeper.files(stage.at.record_uid)["one.pyz"] or b"")
    outcome = stage.finish(start_process(attached, stage.line(), stage.variables, stage.home, python))
    assert (outcome.code, outcome.result) == (0, "rotated"), outcome
    assert stage.published_works() and stage.live() == {stage.value("client_secret_id")}
    attached.unlink()
    assert not stage.leaks([outcome])


def test_what_else_a_record_needs_is_missed_before_anything_is_made(python: Path, file: Path, stage: Stage) -> None:
    before = stage.live()
    stage.deliver("secret_address")
    outcome = stage.finish(start_process(file, stage.line(), stage.variables, stage.home, python))
    assert outcome.code == 1 and "a package is missing: No module named 'azure.keyvault'" in outcome.report["error"]
    assert "the Python of the script command" in outcome.report["hint"] and stage.live() == before


def test_what_another_kind_needs_is_missed_before_a_key_is_regenerated(python: Path, tmp_path: Path) -> None:
    assert bundle("azure_storage_key", f"--out={tmp_path / 'one.pyz'}").returncode == 0
    with StorageStage() as stage:
        before = stage.stored()
        outcome = stage.finish(start_process(tmp_path / "one.pyz", stage.line(), stage.variables, stage.home, python))
        assert outcome.code == 1 and "a package is missing: No module named 'azure.storage" in outcome.report["error"]
        assert not stage.regenerated() and stage.stored() == before


def test_a_notification_that_cannot_be_sent_is_a_warning_of_each_run(python: Path, file: Path, stage: Stage) -> None:
    stage.sandbox.keeper.edit(stage.at.record_uid, "notify", "slack://a/b/c")
    outcome = stage.finish(start_process(file, stage.line(), stage.variables, stage.home, python))
    (warning,) = outcome.report["warnings"]
    assert outcome.code == 0 and warning.startswith("notify: nobody can be notified: the package apprise is missing; ")
    assert "requirements-notify.txt" in warning


def test_a_python_without_the_packages_is_told(file: Path) -> None:
    process = subprocess.run([sys.executable, "-S", file], input="", capture_output=True, text=True, check=False)
    assert process.returncode == 1 and "error: a package is missing in " in process.stderr, process
    assert "hint: install it for that Python: pip install keeper-secrets-manager-core" in process.stderr


def test_the_same_bytes_and_their_sum(file: Path, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "gateway", tmp_path / "gateway")
    for path in (tmp_path / "gateway").rglob("*"):
        os.utime(path)
        path.chmod(path.stat().st_mode & 0o700)
    other = tmp_path / "other.pyz"
    made = bundle("azure_app_secret", f"--out={other}", package=tmp_path)
    assert other.read_bytes() == file.read_bytes()
    assert made.stdout == f"{hashlib.sha256(other.read_bytes()).hexdigest()}  {other}\n"
    assert other.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("kind", NAMES)
def test_the_file_of_each_kind_is_known_and_whole(kind: str, tmp_path: Path) -> None:
    assert bundle(kind, f"--out={tmp_path / 'file'}").returncode == 0
    call = _CALL.search((tmp_path / "file").read_bytes())
    assert call and call[1].decode() == kind
    with ZipFile(tmp_path / "file") as archive:
        names = archive.namelist()
        assert compile(archive.read("__main__.py"), "door", "exec")
    kept = {"run.py", "errors.py", "secret.py", "__init__.py"}
    kept |= {"azure", "deliveries", "engine", "host", "keeper", "kinds", "model", "mongodb"}
    assert {name.split("/")[1] for name in names[1:]} == kept and names[0] == "__main__.py"


def test_a_file_that_is_there_stays(file: Path) -> None:
    file.write_text("somebody's own")
    refused = bundle("azure_app_secret", f"--out={file}")
    assert refused.returncode == 1 and "--force" in refused.stderr and file.read_text() == "somebody's own"
    assert bundle("azure_app_secret", f"--out={file}", "--force").returncode == 0


@pytest.mark.parametrize("kind", ["tls-secret", "rotate_due", "nonsense"])
def test_what_is_no_kind_is_refused(kind: str) -> None:
    refused = bundle(kind)
    assert refused.returncode == 1 and "azure_storage_key" in refused.stderr


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOTSUP, errno.ENOSYS])
def test_a_file_system_without_hard_links_will_do(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", refuse)
    path = tmp_path / "one.pyz"
    write_private(str(path), b"content", force=False)
    assert path.read_bytes() == b"content" and path.stat().st_mode & 0o777 == 0o600
    monkeypatch.setattr(private_file, "check_path", lambda path, force: None)  # the file has appeared meanwhile
    with pytest.raises(Failed, match="is there already"):
        write_private(str(path), b"other", force=False)
    assert path.read_bytes() == b"content" and list(tmp_path.iterdir()) == [path]
    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(Failed, match="cannot be written"):
        write_private(str(tmp_path / "two.pyz"), b"content", force=False)
    assert list(tmp_path.iterdir()) == [path], "not even an empty one is left"

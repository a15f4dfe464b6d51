"""The folder that a command is started in may be anybody's: no module is taken from it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gateway.commands.run_script import command_of
from gateway.host.settings import read_settings
from gateway.listener.run_script import Rotator
from gateway.listener.warm import handle
from tests.stage.rotation import SCRIPT, Stage


@pytest.fixture
def anybodys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a module that is named as one of those that a run imports."""
    folder = tmp_path / "anybodys"
    folder.mkdir()
    (folder / "msal.py").write_text("import os\nos.write(2, b'FOREIGN')\nos._exit(0)\n")
    monkeypatch.chdir(folder)
    return folder


def test_a_script_that_is_named(anybodys: Path, stage: Stage) -> None:
    variables = stage.variables | {"PYTHONPATH": ""}
    command = command_of("azure_app_secret")
    ran = subprocess.run(command, input=stage.line(), cwd=anybodys, env=variables, capture_output=True, check=False)
    assert ran.returncode == 0 and b"FOREIGN" not in ran.stderr and b'"rotated"' in ran.stdout, ran


@pytest.mark.skipif(not handle.CAN_FORK, reason="Linux only")
def test_a_run_of_the_listener(anybodys: Path, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in stage.variables.items():
        monkeypatch.setenv(name, value)
    rotator = Rotator("", read_settings(), {"application_object_id": str(SCRIPT)}, "")
    ran = rotator.run(str(SCRIPT), "UID", stage.line(dueNow=True))
    rotator.stop()
    assert (ran.code, ran.result) == (0, "rotated"), ran


def test_a_run_of_many_where_no_process_can_be_forked(anybodys: Path, stage: Stage) -> None:
    program = "import os; del os.fork; from gateway.__main__ import main; main()"
    command = [sys.executable, "-P", "-c", program, "run-due", "--all"]
    ran = subprocess.run(command, cwd=anybodys, env=stage.variables, capture_output=True, text=True, check=False)
    assert ran.returncode == 0 and "1 rotated" in ran.stdout + ran.stderr, ran

"""CONTRIBUTING.md: what it shows is applied to a copy of the tree, and works there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.stage.rotation import ROOT

LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "build", "dist", "*.egg-info")
SHOWN = re.findall(r"^```diff\n(.*?)^```", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.DOTALL | re.M)

KIND = """
import json, sys
from pathlib import Path
from gateway.commands.doors import door_of
from gateway.kinds.registry import APP_PASSWORD
from sandbox.keeper.vault import make_field
from tests.stage.rotation import Stage

door = Path("scripts/app_password.py")
door.write_text(door_of(APP_PASSWORD))
with Stage() as stage:
    target = make_field("text", stage.at.target_object_id, "password_of_app")
    uid = stage.sandbox.keeper.add_record("toy", "pamUser", [make_field("login", "toy")], [target])
    line = stage.line(userRecordUid=uid)
    outcome = stage.finish(stage.start(line, script=door.resolve(), PYTHONPATH=str(Path.cwd())))
    record = stage.sandbox.keeper.record(uid)
    assert (outcome.code, outcome.result) == (0, "rotated"), outcome
    assert stage.live() == {record.value("app_password_id")}, "the others were removed"
    assert stage.sandbox.entra.secret_works(stage.at.target_client_id, record.value("app_password"))
    assert not stage.leaks([outcome])
"""
DESTINATION = """
from pathlib import Path
from sandbox.keeper.vault import make_field
from tests.stage.rotation import Stage

with Stage() as stage:
    uid = stage.sandbox.keeper.add_record("toy", "login", [make_field("login", "a"), make_field("password", "old")])
    stage.sandbox.keeper.edit(stage.at.record_uid, "deliver_to", f"keeper-login:{uid}")
    outcome = stage.finish(stage.start(PYTHONPATH=str(Path.cwd())))
    assert (outcome.code, outcome.report["delivered"]) == (0, [f"keeper-login:{uid}"]), outcome
    held = [field["value"] for field in stage.sandbox.keeper.record(uid).data["fields"] if field["type"] == "password"]
    assert held == [[stage.value("client_secret")]]
    assert not stage.leaks([outcome])
"""


@pytest.mark.parametrize(("number", "trial"), [(0, KIND), (1, DESTINATION)], ids=["kind", "destination"])
def test_what_is_shown_works(number: int, trial: str, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(ROOT, copy, ignore=LEFT_OUT)
    engine = {path: path.read_bytes() for path in (copy / "gateway" / "engine").rglob("*.py")}
    subprocess.run(["git", "apply", "-"], cwd=copy, input=SHOWN[number].encode(), check=True)
    assert all(path.read_bytes() == content for path, content in engine.items())
    variables = {**os.environ, "PYTHONPATH": str(copy)}
    process = subprocess.run(
        [sys.executable, "-c", trial], cwd=copy, env=variables, capture_output=True, text=True, check=False
    )
    assert process.returncode == 0, process.stderr

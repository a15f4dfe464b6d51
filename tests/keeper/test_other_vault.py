"""A Keeper configuration of another vault, or of a device that is gone, is named with its file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sandbox.sandbox import Sandbox
from tests.stage.command import command
from tests.stage.rotation import Stage


def of_another_vault(config: dict[str, Any]) -> dict[str, Any]:
    """Another device of another application, at the same server."""
    with Sandbox() as other:
        return other.keeper.client_config() | {"hostname": config["hostname"]}


def of_nobody(config: dict[str, Any]) -> dict[str, Any]:
    """A device that was removed."""
    return config | {"clientId": "A" * 86 + "=="}


@pytest.mark.parametrize("make", [of_another_vault, of_nobody], ids=lambda make: make.__name__)
def test_it_is_named_with_its_file(make: Any, stage: Stage, tmp_path: Path) -> None:
    mine = json.loads(Path(stage.variables["KSM_CONFIG_FILE"]).read_text())
    path = tmp_path / "theirs.json"
    path.write_text(json.dumps(make(mine)))
    stage.variables["KSM_CONFIG_FILE"] = str(path)
    process = command(stage, "status")
    assert process.returncode == 1 and f"(KSM_CONFIG_FILE {path})" in process.stderr, process
    outcome = stage.run()
    assert outcome.code == 1 and f"(KSM_CONFIG_FILE {path})" in outcome.report["hint"]


def test_what_a_record_refuses_says_nothing_of_it(stage: Stage) -> None:
    stage.sandbox.keeper.set_editable(stage.at.record_uid, False)
    outcome = stage.run()
    assert outcome.code == 1 and "KSM_CONFIG_FILE" not in outcome.report["hint"]

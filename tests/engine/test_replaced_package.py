"""An upgrade replaces the package while a run ends: what is imported last is not there, and the outcome stays."""

import shutil
from pathlib import Path

import pytest

import gateway
from tests.stage.rotation import Stage


@pytest.mark.parametrize("lost", ["host/history.py", "host/notify"])
@pytest.mark.parametrize("breaks", [False, True], ids=["gone", "half-written"])
def test_an_outcome_is_told_although_a_module_is_lost(tmp_path: Path, lost: str, breaks: bool) -> None:
    copy = tmp_path / "gateway"
    shutil.copytree(Path(gateway.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
    path = copy / lost
    if breaks:
        (path / "message.py" if path.is_dir() else path).write_text("half = (\n")
    else:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    with Stage() as stage:
        outcome = stage.run(new=True, PYTHONPATH=str(tmp_path), ROTATION_NOTIFY="json://localhost/")
        assert stage.published_works()
    assert (outcome.code, outcome.result) == (0, "rotated")
    name = "notify" if "notify" in lost else "history"
    assert [warning for warning in outcome.report["warnings"] if warning.startswith(f"{name}: ")]

"""Templates as the tools of their own field judge them: promtool, hadolint and ShellCheck."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from prometheus_client import generate_latest

from gateway.listener.health import Metrics
from tests.stage.parts import tool
from tests.stage.rotation import ROOT

pytestmark = pytest.mark.deep
TEMPLATES = ROOT / "templates"
RULES = TEMPLATES / "prometheus" / "rules.yml"
PAGE = (ROOT / "docs" / "listen.md").read_text(encoding="utf-8")
IMAGES = sorted((TEMPLATES / "docker").iterdir())
SHELL = [*sorted(TEMPLATES.rglob("*.sh")), ROOT / ".ci" / "run", ROOT / ".ci" / "scheduled"]


def judged(*command: str | Path, cwd: Path = ROOT) -> None:
    """The tool has no complaint."""
    outcome = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=60, check=False)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


@pytest.mark.parametrize("image", IMAGES, ids=lambda path: path.name)
def test_hadolint_finds_nothing_in_an_image(image: Path) -> None:
    judged(tool("hadolint"), "--no-color", image)


@pytest.mark.parametrize("script", SHELL, ids=lambda path: path.name)
def test_shellcheck_finds_nothing_in_a_script(script: Path) -> None:
    judged(tool("shellcheck"), "--severity=style", script)


def test_prometheus_takes_the_alerts() -> None:
    judged(tool("promtool"), "check", "rules", "--lint-fatal", RULES)


def test_the_alerts_come_when_they_should(tmp_path: Path) -> None:
    for file in (RULES, Path(__file__).with_name("rules_test.yml")):
        shutil.copy(file, tmp_path)
    judged(tool("promtool"), "test", "rules", "rules_test.yml", cwd=tmp_path)


def test_prometheus_takes_what_the_listener_shows() -> None:
    outcome = subprocess.run(
        [tool("promtool"), "check", "metrics"], input=shown(), capture_output=True, timeout=60, check=False
    )
    complaints = [line for line in outcome.stderr.decode().splitlines() if line]
    assert not complaints, complaints


def shown() -> bytes:
    """Every figure of the listener, each with its labels."""
    metrics = Metrics("westeurope")
    for outcome in ("failed", "unknown_secret"):
        metrics.events.labels("SecretNearExpiry", outcome).inc()
    metrics.rotations.labels("unknown").inc()
    metrics.lag.labels("0").set(1)
    return generate_latest(metrics.registry)


def alerts() -> dict[str, str]:
    """The expression of each."""
    (group,) = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return {rule["alert"]: rule["expr"] for rule in group["rules"]}


def test_an_alert_asks_for_what_the_listener_shows() -> None:
    names = set(re.findall(r"^(\w+)[{ ]", shown().decode(), re.MULTILINE)) | {"up"}
    asked = {name for text in alerts().values() for name in re.findall(r"\b(up|keeper_rotation_\w+)\b", text)}
    assert "keeper_rotation_lag_events" in asked and asked <= names, asked - names
    outcomes = {word for text in alerts().values() for each in re.findall(r'outcome=~?"(.*?)"', text)
                for word in each.split("|")}  # fmt: skip
    assert outcomes and not [word for word in outcomes if f"| `{word}` |" not in PAGE]


def test_the_page_has_a_row_for_each_alert() -> None:
    assert set(re.findall(r"^\| `(KeeperRotation\w+)` \|", PAGE, re.MULTILINE)) == alerts().keys()

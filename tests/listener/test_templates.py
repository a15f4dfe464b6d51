"""The listener's page and templates: the tables are the code's, and what a template refers to is in it."""

from __future__ import annotations

import ast
import configparser
import json
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.host.settings import Setting
from gateway.listener.events import PREFIX, TYPES
from gateway.listener.health import Metrics
from gateway.listener.settings import SCRIPTS, SETTINGS
from tests.stage.rotation import ROOT

PAGE = ROOT / "docs" / "listen.md"
ARM = ROOT / "templates" / "azure" / "near_expiry_events.json"
SHELL = ROOT / "templates" / "azure" / "near_expiry_events.sh"
UNIT = ROOT / "templates" / "systemd" / "keeper-rotation-listen.service"
CONTAINER = ROOT / "templates" / "docker" / "Dockerfile.listener"
SENDER, RECEIVER = "2b629674-e913-4c01-ae53-ef4638d8f975", "a638d3c7-ab3a-418d-83e6-5f17a39d4fde"


def rows(width: int) -> list[list[str]]:
    """The rows of the page's tables with so many columns."""
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in cells if len(row) == width]


def shown(setting: Setting) -> str:
    """A default as the page shows it."""
    if setting.default is None:
        return "required"
    if isinstance(setting.default, dict) or setting.default == "":
        return ""
    return f"`{setting.default}`" if isinstance(setting.default, str) else f"`{setting.default:g}`"


# The page


def test_the_page_has_one_row_for_each_setting() -> None:
    expected = [[f"`{each.name}`", f"`{each.variable}`", shown(each), each.meaning] for each in SETTINGS]
    assert rows(4) == expected
    text = PAGE.read_text(encoding="utf-8")
    assert all(f"`{field}` = `{script}`" in text for field, script in SCRIPTS.items())


def test_the_page_has_one_row_for_each_metric() -> None:
    named = {row[0].strip("`"): row for row in rows(3) if row[0].startswith("`keeper_rotation")}
    described = [metric for collector in _collectors() for metric in collector.describe()]
    for metric in described:
        ending = {"counter": "_total", "info": "_info"}.get(metric.type, "")
        assert named[metric.name + ending][2] == metric.documentation
    assert len(named) == len(described)


def _collectors() -> Any:
    return list(Metrics("").registry._collector_to_names)


def logged() -> Iterator[str]:
    """Every message that the listener may log."""
    for path in (ROOT / "gateway" / "listener").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and re.search(r"%[sd.]", node.value):
                yield node.value
            if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("log."):
                yield from (each.value for each in node.args[:1] if isinstance(each, ast.Constant))


def test_the_page_explains_every_message() -> None:
    explained = {message for row in rows(2) for message in re.findall("`([^`]+)`", row[0])}
    messages = {re.sub(r"%[.\d]*[a-z]", "…", text) for text in logged()}
    assert len(messages) > 15
    assert messages <= explained, messages - explained


def test_the_pages_settings_are_valid() -> None:
    (text,) = re.findall(r"```toml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert tomllib.loads(text).keys() <= {setting.name for setting in SETTINGS}


def test_what_the_page_links_to_is_there() -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", PAGE.read_text(encoding="utf-8")):
        assert target.startswith("https://") or (PAGE.parent / target).exists(), target


# The ARM template


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    """As JSON."""
    loaded: dict[str, Any] = json.loads(ARM.read_text(encoding="utf-8"))
    return loaded


def texts(value: Any) -> Iterator[str]:
    """Every text in it."""
    if isinstance(value, dict):
        for each in value.values():
            yield from texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from texts(each)
    elif isinstance(value, str):
        yield value


def expanded(text: str, template: dict[str, Any]) -> str:
    """With the variables put in, as often as there are any."""
    while found := re.search(r"variables\('(\w+)'\)", text):
        text = text.replace(found[0], template["variables"][found[1]].strip("[]"))
    return text


def test_the_template_is_one(template: dict[str, Any]) -> None:
    assert template["$schema"].endswith("/deploymentTemplate.json#") and template["contentVersion"]
    for resource in template["resources"]:
        assert re.fullmatch(r"Microsoft\.\w+(/\w+)+", resource["type"])
        assert re.fullmatch(r"20\d\d-\d\d-\d\d", resource["apiVersion"]) and resource["name"]
    assert all(each["type"] in ("string", "int", "bool") for each in template["parameters"].values())


def test_its_expressions_are_closed(template: dict[str, Any]) -> None:
    for text in texts(template):
        if text.startswith("["):
            assert text.endswith("]") and text.count("(") == text.count(")") and text.count("'") % 2 == 0, text


def test_its_references_resolve(template: dict[str, Any]) -> None:
    everything = " ".join(texts(template))
    for kind in ("parameters", "variables"):
        used = set(re.findall(rf"{kind}\('(\w+)'\)", everything))
        assert used == template[kind].keys(), "each is used, and each that is used is there"
    types = {resource["type"] for resource in template["resources"]}
    for resource in template["resources"]:
        for dependency in resource.get("dependsOn", []):
            found = re.findall(r"'(Microsoft\.[\w./]+)'", expanded(dependency, template))
            assert found and set(found) <= types, dependency
        parent = resource["type"].rpartition("/")[0]
        if parent in types:
            assert any(f"'{parent}'" in each for each in resource["dependsOn"]), f"{resource['type']} before its parent"


def test_the_names_have_as_many_parts_as_the_types(template: dict[str, Any]) -> None:
    for resource in template["resources"]:
        parts = resource["name"].count("'/") + resource["name"].count("/'") - resource["name"].count("'/'")
        assert parts == resource["type"].count("/") - 1, resource["name"]


def test_it_gives_no_more_rights_than_needed(template: dict[str, Any]) -> None:
    given = [each for each in template["resources"] if each["type"].endswith("/roleAssignments")]
    roles = {expanded(each["properties"]["roleDefinitionId"], template) for each in given}
    assert len(given) == 2 and all("/eventhubs/" in each["scope"] for each in given), "on the one Event Hub"
    assert {role for role in (SENDER, RECEIVER) if any(role in each for each in roles)} == {SENDER, RECEIVER}


def test_the_subscription_waits_for_the_role(template: dict[str, Any]) -> None:
    """Event Grid tries the role when the subscription is made, and refuses it for as long as the role does not act."""
    by_type = {each["type"].rpartition("/")[2]: each for each in template["resources"]}
    assert any("senderAssignment" in each for each in by_type["deploymentScripts"]["dependsOn"])
    assert any("deploymentScripts" in each for each in by_type["eventSubscriptions"]["dependsOn"])
    assert template["parameters"]["waitSeconds"]["defaultValue"] >= 60


def test_a_topic_that_is_there_is_used_and_not_made(template: dict[str, Any]) -> None:
    (topic,) = [each for each in template["resources"] if each["type"] == "Microsoft.EventGrid/systemTopics"]
    assert topic["condition"] == "[empty(parameters('existingSystemTopicName'))]"
    assert "parameters('existingSystemTopicName')" in template["variables"]["systemTopicName"]
    assert template["parameters"]["existingSystemTopicName"]["defaultValue"] == ""


def test_it_subscribes_to_what_the_listener_understands(template: dict[str, Any]) -> None:
    (subscription,) = [each for each in template["resources"] if each["type"].endswith("/eventSubscriptions")]
    wanted = {PREFIX + name for name in TYPES}
    assert set(subscription["properties"]["filter"]["includedEventTypes"]) == wanted
    assert all(name in SHELL.read_text(encoding="utf-8") for name in wanted)


# The others


def test_the_commands_make_what_the_template_makes(template: dict[str, Any]) -> None:
    subprocess.run(["bash", "-n", SHELL], check=True)
    text = SHELL.read_text(encoding="utf-8")
    made = re.findall(r"^az ([a-z -]+) create", text, re.MULTILINE)
    assert sorted(made) == [
        "eventgrid system-topic",
        "eventgrid system-topic event-subscription",
        "eventhubs eventhub",
        "eventhubs eventhub consumer-group",
        "eventhubs namespace",
        "role assignment",
        "role assignment",
    ]
    # For the wait, which is a resource of the template, they sleep.
    waits = [each for each in template["resources"] if each["type"].endswith("/deploymentScripts")]
    assert "\nsleep " in text and len(made) == len(template["resources"]) - len(waits) == len(template["resources"]) - 1


def test_the_unit_lets_a_rotation_finish_and_keeps_the_rest_out() -> None:
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read(UNIT)
    service = unit["Service"]
    assert service["KillMode"] == "mixed" and int(service["TimeoutStopSec"]) >= 600 + 60
    assert service["ExecStart"].endswith("keeper-rotation listen --config=/etc/keeper-rotation/listen.toml")
    assert service["NoNewPrivileges"] == "yes" and service["ProtectSystem"] == "strict"


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd here")
def test_systemd_knows_every_line_of_the_unit() -> None:
    process = subprocess.run(["systemd-analyze", "verify", UNIT], capture_output=True, text=True, check=False)
    complaints = [line for line in process.stderr.splitlines() if "is not executable" not in line]
    assert not [line for line in complaints if UNIT.name in line], complaints


def test_the_container_is_not_root_and_has_what_the_extra_needs() -> None:
    text = CONTAINER.read_text(encoding="utf-8")
    assert re.search(r"^USER \d+$", text, re.MULTILINE) and '"listen"]' in text
    install = "/opt/keeper-azure-rotation/bin/python -m pip install --no-cache-dir --require-hashes -r /opt/bundle/"
    assert install + "requirements-listen.txt" in text
    assert "python -m pip install --require-hashes -r requirements-listen.txt" in PAGE.read_text(encoding="utf-8")

"""The documents: links lead somewhere, and what they say of destinations, messages and roles is what the code does."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

import pytest

from gateway.deliveries.kinds import KINDS
from sandbox.roles import Role
from tests.stage import ROOT, Outcome, Stage

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
DELIVERIES = (ROOT / "docs" / "deliveries.md").read_text()
PAGE_OF = {
    "api_connection": "deliver-logic-apps.md",
    "devops": "deliver-azure-devops.md",
    "keeper_field": "deliver-keeper.md",
    "key_vault": "deliver-key-vault.md",
    "runbook": "deliver-runbook.md",
}


def plain(text: str) -> str:
    """The page without its blocks of code."""
    return re.sub(r"^ *```.*?^ *```", "", text, flags=re.DOTALL | re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """What a link into the page can name, by GitHub's rule."""
    headings = re.findall(r"^#+ (.+)$", plain(page.read_text()), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _dead(page: Path) -> Iterator[str]:
    for target in re.findall(r"\]\(([^)\s]+)\)", plain(page.read_text())):
        path, _, anchor = target.partition("#")
        if "://" in target or target.startswith("mailto:"):
            continue
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            yield target


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_somewhere(name: str) -> None:
    assert not list(_dead(ROOT / name))


@pytest.mark.parametrize("name", NAMES)
def test_files_that_are_named_exist(name: str) -> None:
    named = re.findall(r"(?<![\w/.])((?:templates|scripts|docs)/[\w./-]*[\w/])", (ROOT / name).read_text())
    assert not [path for path in named if not (ROOT / path).exists()]


# Deliveries


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_form_of_an_address_is_shown(kind: type) -> None:
    assert f"`{kind.example}`" in DELIVERIES  # type: ignore[attr-defined]


@pytest.mark.parametrize("module", PAGE_OF)
def test_every_role_is_named(module: str) -> None:
    role = getattr(import_module(f"gateway.deliveries.{module}"), "ROLE", "Can Edit" if "keeper" in module else "Basic")
    for page in ("permissions.md", PAGE_OF[module]):
        assert role in (ROOT / "docs" / page).read_text()


def _messages(module: str) -> Iterator[str]:
    """The longest fixed part of each message that a module raises; a page may break off after its beginning."""
    source = (ROOT / "gateway" / f"{module}.py").read_text()
    position = {"Failed": 0, "Incomplete": 0, "Unknown": 0, "Unclear": 1, "refuse": 1}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in position:
            message = node.args[position[node.func.id]]
            parts = [
                part.value.strip(": ,")
                for part in ast.walk(message)
                if isinstance(part, ast.Constant) and isinstance(part.value, str)
            ]
            longest = max(parts, key=len, default="")
            if len(longest) > 8:
                yield longest


@pytest.mark.parametrize("module", PAGE_OF)
def test_every_message_of_a_destination_is_explained(module: str) -> None:
    explained = (ROOT / "docs" / PAGE_OF[module]).read_text() + DELIVERIES
    messages = list(_messages(f"deliveries/{module}"))
    assert messages
    assert not [message for message in messages if message[:24] not in explained]


@pytest.mark.parametrize(
    ("module", "page"),
    [
        ("choosing", "mongodb.md"), ("mongodb", "mongodb.md"),
        ("publishing", "publish-password.md"), ("template", "publish-password.md"),
    ],
)  # fmt: skip
def test_every_message_about_a_password_is_explained(module: str, page: str) -> None:
    explained = (ROOT / "docs" / page).read_text() + (ROOT / "docs" / "outcomes.md").read_text()
    messages = list(_messages(module))
    assert messages
    assert not [message for message in messages if message[:24] not in explained]


# Roles


def actions(name: str) -> tuple[str, ...]:
    """What a role template allows; it allows nothing else, and names no real subscription."""
    role = json.loads((ROOT / "templates" / "roles" / f"{name}.json").read_text())
    assert not role["NotActions"] + role["DataActions"] + role["NotDataActions"]
    assert role["AssignableScopes"] == ["/subscriptions/00000000-0000-0000-0000-000000000000"]
    page = PAGE_OF["runbook" if "runbook" in name else "api_connection"]
    assert f'--role "{role["Name"]}"' in (ROOT / "docs" / page).read_text()
    return tuple(role["Actions"])


def test_there_are_no_other_roles() -> None:
    names = {path.name for path in (ROOT / "templates" / "roles").iterdir()}
    assert names == {"api_connection.json", "api_connector.json", "runbook_starter.json"}


# Role template and the scope that it is assigned at; together they are enough for the address.
ENOUGH: dict[str, dict[str, Callable[[Stage], str]]] = {
    "connection_address": {
        "api_connection": lambda stage: stage.destinations.connection.id,  # type: ignore[union-attr]
        "api_connector": lambda stage: stage.sandbox.arm.resources.subscription,
    },
    "runbook_address": {"runbook_starter": lambda stage: stage.destinations.account.id},  # type: ignore[union-attr]
}


def with_roles(stage: Stage, address: str, without: str = "") -> Outcome:
    """Rotate and deliver there, with nothing but the role templates, less one action."""
    made = stage.deliver(address, granted=False)
    stage.sandbox.connections.join_required = True
    query = "?Environment=prod&runOn=onprem" if address == "runbook_address" else ""
    stage.sandbox.keeper.edit(stage.at.record_uid, "deliver_to", getattr(made, address) + query)
    for template, scope in ENOUGH[address].items():
        left = tuple(action for action in actions(template) if action != without)
        stage.sandbox.arm.roles.definitions[template] = Role(left)
        stage.sandbox.arm.grant(stage.at.admin_client_id, template, scope(stage))
    return stage.run()


@pytest.mark.parametrize("address", ENOUGH)
def test_roles_are_enough(address: str, stage: Stage) -> None:
    outcome = with_roles(stage, address)
    assert (outcome.code, outcome.result) == (0, "rotated"), outcome


# The connector may be read by whoever has a role in the subscription; the template names it, should Azure ask for it.
NEEDED = [
    (address, action)
    for address, templates in ENOUGH.items()
    for action in sorted({action for template in templates for action in actions(template)})
    if action != "Microsoft.Web/locations/managedApis/read"
]


@pytest.mark.parametrize(("address", "action"), NEEDED)
def test_roles_allow_nothing_that_is_not_needed(address: str, action: str, stage: Stage) -> None:
    assert with_roles(stage, address, without=action).code != 0

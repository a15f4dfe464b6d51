"""The documents: links lead somewhere; what they say of destinations, messages, options and roles is what is done."""

from __future__ import annotations

import ast
import base64
import json
import re
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from importlib import import_module
from itertools import chain
from pathlib import Path

import pytest

from gateway.azure.key_vault.certificates import READ_ROLE, ROLE
from gateway.commands.bundle.cli import bundle
from gateway.commands.certificate.cli.group import certificate
from gateway.commands.discover.cli import discover
from gateway.commands.scripts import scripts
from gateway.commands.tls_secret.cli import tls_secret
from gateway.deliveries.addresses import DESTINATIONS
from gateway.model.x509 import PFX, Bundle, to_pfx
from sandbox.arm.roles import Role
from tests.stage import patience
from tests.stage.certificate import SCRIPT
from tests.stage.key_vault import Scene
from tests.stage.rotation import ROOT, Outcome, Stage

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
DELIVERIES = (ROOT / "docs" / "deliveries.md").read_text()
PAGE_OF = {
    "api_connection": "deliver-logic-apps.md",
    "devops": "deliver-azure-devops.md",
    "keeper_field": "deliver-keeper.md",
    "key_vault": "deliver-key-vault.md",
    "key_vault_certificate": "deliver-key-vault-certificate.md",
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


CLAIMS = re.findall(r"\| `(tests/\S+\.py)::(\w+)` \|", (ROOT / "docs" / "security.md").read_text())


@pytest.mark.parametrize(("file", "test"), CLAIMS)
def test_the_test_that_keeps_a_claim_exists(file: str, test: str) -> None:
    defined = [node.name for node in ast.parse((ROOT / file).read_text()).body if isinstance(node, ast.FunctionDef)]
    assert test in defined


def test_every_claim_has_a_test() -> None:
    section = (ROOT / "docs" / "security.md").read_text().partition("## What holds")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ")][1:]
    assert len(rows) == len(CLAIMS) > 20


@pytest.mark.deep
def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    python = ROOT / ".venv-docs" / "bin" / "python"
    if not python.exists():
        pytest.skip("make docs was not run here")
    command = [
        python,
        "-m",
        "sphinx",
        "-q",
        "-W",
        "--keep-going",
        "-b",
        "html",
        "-d",
        tmp_path / "trees",
        "docs",
        tmp_path,
    ]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "search.html").exists()


@pytest.mark.parametrize("name", NAMES)
def test_files_that_are_named_exist(name: str) -> None:
    named = re.findall(r"(?<![\w/.])((?:templates|scripts|docs)/[\w./-]*[\w/])", (ROOT / name).read_text())
    assert not [path for path in named if not (ROOT / path).exists()]


# What was never tried, as README's box at the top names it, and the words of the list.
NOT_TRIED = {
    "Keeper vault": "how Keeper words a refused save",
    "Gateway": "what a script is given",
    "Azure tenant": "for how long replicas disagree",
    "Event Hub": "a real Event Hub",
    "`mongod`": "a real `mongod`",
    "Windows": "| Windows: ",
    "container image": "the container image, which was not built",
    "schedules in JSON": "schedules in JSON",
}
README = (ROOT / "README.md").read_text()
LIST = (ROOT / "docs" / "not-tried-live.md").read_text()
ROWS = [line for line in LIST.splitlines() if re.match(r"\| [A-Z]\d+ \|", line)]


@pytest.mark.parametrize("what", NOT_TRIED)
def test_readme_begins_with_what_was_never_tried(what: str) -> None:
    assert any(NOT_TRIED[what] in row for row in ROWS)
    box = re.search(r"^> .*?\n\n", README, flags=re.DOTALL | re.MULTILINE)
    assert box and box.start() < README.index("| script |")
    assert what in " ".join(box[0].replace("\n> ", " ").split())


def test_each_row_of_the_list_says_how_it_is_tried() -> None:
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in ROWS]
    assert len(ROWS) > 30 and {len(each) for each in cells} == {4} and all(each[1] and each[2] for each in cells)
    names = [each[0] for each in cells]
    assert len({*names}) == len(names)


@pytest.mark.parametrize("name", NAMES)
def test_there_is_one_list_of_what_was_not_tried(name: str) -> None:
    """A page that owns to something untried leads to the list, and to rows that are there."""
    text = (ROOT / name).read_text()
    said = re.search(
        r"(?:was|were|been) not (?:tried|seen|built)|live tenant|not tried (?:against|on)|never tried", text
    )
    assert name == "docs/not-tried-live.md" or not said or "not-tried-live.md" in text, said
    assert {*re.findall(r"\[([A-Z]\d+)\]\(not-tried-live", text)} <= {row.split()[1] for row in ROWS}


def test_each_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["mongodb"], *extras["listen"], *extras["notify"], *extras["sandbox"]]
    rows = re.findall(r"^\| `([\w-]+)`", (ROOT / "docs/decisions/0001-dependencies.md").read_text(), flags=re.MULTILINE)
    assert {re.split(r"[<>=~ ]", each)[0] for each in wanted} <= set(rows)


# A page, and the first command or click on it that rotates.
FIRST_ROTATION = {
    "README.md": "keeper-rotation run",
    "docs/attach.md": "**Rotate** now",
    "docs/commander.md": "run-batch",
    "docs/by-hand.md": "keeper-rotation run",
}


@pytest.mark.parametrize("name", FIRST_ROTATION)
def test_the_warning_stands_before_the_first_rotation(name: str) -> None:
    before, _, _ = (ROOT / name).read_text().partition(FIRST_ROTATION[name])
    assert "`remove_old`" in before and "every other secret of the app" in " ".join(before.replace(">", "").split())


# Deliveries


@pytest.mark.parametrize("kind", DESTINATIONS, ids=lambda kind: kind.__name__)
def test_every_form_of_an_address_is_shown(kind: type) -> None:
    assert f"`{kind.example}`" in DELIVERIES  # type: ignore[attr-defined]


# What a destination asks for that has no role of its own in Azure.
ROLE_OF = {"devops": "Basic", "keeper_field": "Can Edit", "key_vault_certificate": ROLE}


@pytest.mark.parametrize("module", PAGE_OF)
def test_every_role_is_named(module: str) -> None:
    role = ROLE_OF.get(module) or import_module(f"gateway.deliveries.{module}").ROLE
    for page in ("permissions.md", PAGE_OF[module]):
        assert role in (ROOT / "docs" / page).read_text()


# Which argument is the message, of what raises or gathers one.
RAISED = {"Failed": 0, "Incomplete": 0, "Unknown": 0, "Unclear": 1, "refuse": 1, "problems.append": 0}
LOGGED = {"log.info": 0, "log.warning": 0}


def _messages(module: str, positions: dict[str, int] = RAISED) -> Iterator[str]:
    """What is fixed of each message of a module; a page may break off after its beginning."""
    tree = ast.parse((ROOT / f"{module}.py").read_text())
    named: dict[str, list[ast.expr]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            named.setdefault(node.targets[0].id, []).append(node.value)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in positions:
            message = node.args[positions[ast.unparse(node.func)]]
            for text in named.get(message.id, []) if isinstance(message, ast.Name) else [message]:
                yield from _fixed(text)


def _fixed(message: ast.expr) -> Iterator[str]:
    """The longest fixed part, and the name of a field in front."""
    texts = [part.value for part in ast.walk(message) if isinstance(part, ast.Constant) and isinstance(part.value, str)]
    parts = chain.from_iterable(text.split("%s") for text in texts)
    longest = max((part.strip(": ,;") for part in parts), key=len, default="")
    if len(longest) > 8:
        yield longest
    if texts and re.fullmatch(r"\w+: ", texts[0]):
        yield texts[0].strip()


@pytest.mark.parametrize("module", PAGE_OF)
def test_every_message_of_a_destination_is_explained(module: str) -> None:
    explained = (ROOT / "docs" / PAGE_OF[module]).read_text() + DELIVERIES
    messages = list(_messages(f"gateway/deliveries/{module}"))
    assert messages
    assert not [message for message in messages if message[:24] not in explained]


@pytest.mark.parametrize(
    ("module", "page"),
    [
        ("gateway/engine/make/choose", "mongodb.md"),
        ("gateway/mongodb/address", "mongodb.md"),
        ("gateway/mongodb/server", "mongodb.md"),
        ("gateway/kinds/mongodb_user", "mongodb.md"),
        ("gateway/kinds/published_password", "publish-password.md"),
        ("gateway/keeper/value_template", "publish-password.md"),
    ],
)  # fmt: skip
def test_every_message_about_a_password_is_explained(module: str, page: str) -> None:
    explained = (ROOT / "docs" / page).read_text() + (ROOT / "docs" / "outcomes.md").read_text()
    messages = list(_messages(module))
    assert messages
    assert not [message for message in messages if message[:24] not in explained]


def test_every_message_of_a_door_is_explained() -> None:
    explained = (ROOT / "docs" / "install.md").read_text()
    messages = list(_messages("scripts/azure_app_secret", {"refuse": 0}))
    assert messages
    assert not [message for message in messages if message[:24] not in explained]


# The ends of messages whose beginning is on a page.
ENDS = {
    "is not shown yet, and", "the new secret is not shown yet, and", "cannot be looked at again", "it may still be",
    "is listed, but cannot be removed", "and now the app is full",
    "the place that it comes from does not show it to the Gateway's application (", "leave a dead one in",
}  # fmt: skip
RENEWAL = {
    "gateway/engine/make/renew": RAISED | LOGGED,
    "gateway/keeper/certificate_attachment": RAISED | LOGGED,
    "gateway/model/certificate_policy": RAISED,
    "gateway/kinds/certificate": RAISED | LOGGED,
}


@pytest.mark.parametrize("module", RENEWAL)
def test_every_message_about_a_certificate_is_explained(module: str) -> None:
    explained = (ROOT / "docs" / "certificates.md").read_text()
    messages = list(_messages(module, RENEWAL[module]))
    assert messages
    assert not [message for message in messages if message[:24] not in explained]


ENGINE = sorted(str(path.relative_to(ROOT).with_suffix("")) for path in (ROOT / "gateway/engine").rglob("*.py"))


@pytest.mark.parametrize("module", ENGINE)
def test_every_message_of_a_rotation_is_found_where_it_is_searched_for(module: str) -> None:
    """On one page or another: each is explained once."""
    pages = "".join(page.read_text() for page in PAGES)
    assert not [message for message in _messages(module) if message[:24] not in pages and message not in ENDS]


# Commands

COMMANDS = {
    f"{group.name} {name}": command for group in (certificate, discover, tls_secret)
    for name, command in group.commands.items()
} | {"scripts": scripts, "bundle": bundle}  # fmt: skip


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_explained_on_a_page(name: str) -> None:
    """Its options are on docs/commands.md, which is made from the code; a page says what more there is to know."""
    assert [page for page in PAGES if page.name != "commands.md" and f"keeper-rotation {name}" in page.read_text()]


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
    outcome = with_roles(stage, address, without=action)
    assert outcome.code != 0 or "could not be asked for" in str(outcome.report["warnings"]), outcome


READER, USER, OFFICER = "Key Vault Reader", "Key Vault Certificate User", "Key Vault Secrets Officer"
# Command, and the roles that are enough for it together; without one of them they are not.
NEEDS = [
    ("certificate vaults", ("Reader",)),
    ("certificate vaults", (READER,)),
    ("certificate list --vault=certificates --versions=all --details", (READER,)),
    ("certificate status ID", (READER,)),
    ("certificate policy ID", (READER,)),
    ("certificate issuers --vault=certificates", (READER,)),
    ("certificate obtain ID --form=cer --out=OUT", (READER,)),
    ("certificate obtain ID --form=chain --out=OUT", (READER, READ_ROLE)),
    ("certificate obtain ID --form=pem --out=OUT", (USER,)),
    ("certificate obtain ID --record=UID", (USER,)),
    ("certificate policy ID --validity-months=13", (ROLE,)),
    ("certificate contacts --vault=certificates --add=tls@example.com", (ROLE,)),
    ("certificate request ID-2 --cn=a.example.com --issuer=contoso-ca", (ROLE,)),
    ("certificate renew ID", (ROLE,)),
    ("run SCRIPT --record=UID", (ROLE,)),
    ("discover certificates --vault=certificates", (READER,)),
    ("discover tls-secrets --vault=certificates", (READER,)),
    ("discover storage-accounts", ("Reader",)),
    ("tls-secret obtain SECRET --form=pem --out=OUT", (READ_ROLE,)),
    ("tls-secret list --vault=certificates --only=web --add-certificates --folder=FOLDER", (READ_ROLE,)),
    ("tls-secret update SECRET --expires=none", (OFFICER,)),
]


def with_only(scene: Scene, roles: tuple[str, ...], line: str) -> int:
    """Run the command with these roles and no other; its exit code."""
    made = scene.sandbox.keyvault.add_certificate(scene.other, "web")
    content = base64.b64encode(to_pfx(Bundle(made.key, made.certificate, ()), "web", "")).decode()
    scene.sandbox.keyvault.set_secret(scene.vault, "web", content, content_type=PFX)
    scene.sandbox.roles.revoke(scene.at.admin_client_id)
    for role in roles:
        scene.sandbox.roles.grant(scene.at.admin_client_id, role, scene.sandbox.arm.resources.subscription)
    meant = {
        "ID": scene.made.certificate_id, "SECRET": f"{scene.vault.url}/secrets/web", "UID": scene.at.record_uid,
        "OUT": str(scene.out / "file"), "FOLDER": scene.folder_uid, "SCRIPT": str(SCRIPT),
    }  # fmt: skip
    words = re.sub("|".join(rf"\b{word}\b" for word in meant), lambda found: meant[found[0]], line).split()
    process = scene.command(*words)
    process.communicate(timeout=patience.seconds(30))
    return process.returncode


@pytest.mark.parametrize(("line", "roles"), NEEDS)
def test_a_role_is_enough_for_a_command(line: str, roles: tuple[str, ...], scene: Scene) -> None:
    assert with_only(scene, roles, line) == 0
    named = (ROOT / "docs" / "permissions.md").read_text()
    assert all(f"*{role}*" in named for role in roles)


@pytest.mark.parametrize(("line", "roles"), NEEDS)
def test_a_command_is_refused_where_a_role_is_missing(line: str, roles: tuple[str, ...], scene: Scene) -> None:
    for missing in roles:
        assert with_only(scene, tuple(role for role in roles if role != missing), line) == 1

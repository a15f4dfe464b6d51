"""templates/bicep: whole as far as a parser sees, at one with the documents and the roles, and enough in the sandbox.

Bicep's own compiler is on NuGet and in no registry that these tests can count on; pycep reads its language.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import pycep
import pytest

from gateway.azure.versions import API_CONNECTIONS, AUTOMATION_ACCOUNTS, KEY_VAULTS, STORAGE_ACCOUNTS
from sandbox.arm.roles import BUILT_IN, Role
from tests.stage.certificate import CertificateStage
from tests.stage.rotation import ROOT, Stage
from tests.stage.storage_key import StorageStage

pytestmark = pytest.mark.deep
FOLDER, ROLES = ROOT / "templates" / "bicep", ROOT / "templates" / "roles"
FILES = sorted(path.name for path in FOLDER.glob("*.bicep"))
IDS: dict[str, str] = json.loads((FOLDER / "built_in_roles.json").read_text(encoding="utf-8"))
CUSTOM = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(ROLES.glob("*.json"))}
PERMISSIONS = (ROOT / "docs" / "permissions.md").read_text(encoding="utf-8")
PAGE = (ROOT / "docs" / "bicep.md").read_text(encoding="utf-8")


@cache
def source(name: str) -> str:
    """A file as it is."""
    return (FOLDER / name).read_text(encoding="utf-8")


@cache
def parsed(name: str) -> dict[str, Any]:
    """A file as the parser has it. Raises where it is not Bicep."""
    return dict(pycep.BicepParser().parse(text=source(name)))


def body(module: dict[str, Any]) -> dict[str, Any]:
    """What stands in the braces of a module, inside its loop or condition."""
    config = module["config"]
    return dict(config["config"] if isinstance(config.get("config"), dict) else config)


def declared(path: str) -> dict[str, bool]:
    """The parameters of a module's file; whether each has to be given."""
    if path.endswith(".json"):
        there = json.loads((FOLDER / path).read_text(encoding="utf-8"))["parameters"]
        return {name: "defaultValue" not in each for name, each in there.items()}
    return {name: each.get("default") is None for name, each in parsed(path).get("parameters", {}).items()}


def given() -> dict[str, list[str]]:
    """The roles that main.bicep gives, built-in or of templates/roles, by the parameter that says where."""
    modules = {name: body(each) for name, each in parsed("main.bicep")["modules"].items()}
    found = re.findall(r"^module (\w+) '[^']+' = \[for \(id, i\) in (\w+):(.*?)^}\]", source("main.bicep"), re.S | re.M)
    assert {name for name, _, _ in found} == {
        name for name, each in modules.items() if "roleIds" in each.get("params", {})
    }
    built_in = {where: re.findall(r"builtIn\['(.*?)'\]", text) for _, where, text in found}
    custom = {where: map(snake, re.findall(r"roles\.outputs\.(\w+)", text)) for _, where, text in found}
    return {where: [*built_in[where], *custom[where]] for where in built_in}


def snake(name: str) -> str:
    """``runbookStarter`` as files are named."""
    return re.sub(r"[A-Z]", lambda letter: f"_{letter[0].lower()}", name)


@pytest.mark.parametrize("name", FILES)
def test_it_is_bicep(name: str) -> None:
    assert parsed(name)
    assert "//" in source(name).splitlines()[0], "each begins with what it is for"


@pytest.mark.parametrize("name", FILES)
def test_a_module_is_there_and_gets_what_it_asks_for(name: str) -> None:
    for module in parsed(name).get("modules", {}).values():
        path, params = module["detail"]["path"], body(module).get("params", {})
        wanted = declared(path)
        assert (FOLDER / path).exists() and params.keys() <= wanted.keys(), path
        assert not [param for param, needed in wanted.items() if needed and param not in params], path


@pytest.mark.parametrize("name", FILES)
def test_what_is_declared_is_used(name: str) -> None:
    for kind in ("parameters", "variables"):
        for each in parsed(name).get(kind, {}):
            assert len(re.findall(rf"\b{each}\b", source(name))) > 1, each


@pytest.mark.parametrize("name", FILES)
def test_no_older_api_is_asked_for_than_by_the_scripts(name: str) -> None:
    newest = {
        "Microsoft.KeyVault/vaults": KEY_VAULTS, "Microsoft.Storage/storageAccounts": STORAGE_ACCOUNTS,
        "Microsoft.Automation/automationAccounts": AUTOMATION_ACCOUNTS, "Microsoft.Web/connections": API_CONNECTIONS,
    }  # fmt: skip
    for each in parsed(name).get("resources", {}).values():
        if each["type"] in newest:
            assert each["api_version"] == newest[each["type"]].version, each["type"]


def test_it_names_the_extension_that_it_uses() -> None:
    extensions = json.loads((FOLDER / "bicepconfig.json").read_text(encoding="utf-8"))["extensions"]
    used = {word for name in FILES for word in re.findall(r"^extension (\w+)$", source(name), re.MULTILINE)}
    assert used == extensions.keys()


# The types of resources, as their publishers describe them: tests/resource_types.json has what is asked for here.

TYPES: dict[str, dict[str, dict[str, list[str]]]] = json.loads(
    (ROOT / "tests" / "resource_types.json").read_text(encoding="utf-8")
)["types"]
# What the language itself has, and no type.
LANGUAGE = {"scope", "parent", "dependsOn", "condition", "comments", "resources"}


def asked() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Each resource: where it stands, its type with its version, and what is said of it; nothing where it is there."""
    for name in FILES:
        for label, each in parsed(name).get("resources", {}).items():
            yield f"{name} {label}", f"{each['type']}@{each['api_version']}", {} if each.get("existing") else body(each)
    events = json.loads((ROOT / "templates" / "azure" / "near_expiry_events.json").read_text(encoding="utf-8"))
    for each in events["resources"]:
        yield f"events {each['name']}", f"{each['type']}@{each['apiVersion']}", each


def problems(said: Any, known: dict[str, dict[str, list[str]]], path: str = "") -> list[str]:
    """Properties that a type does not have, and those that it lacks."""
    if isinstance(said, list):
        return [found for each in said for found in problems(each, known, f"{path}[]")]
    if path not in known or not isinstance(said, dict):
        return []
    names, shape = said.keys() - LANGUAGE, known[path]
    found = [f"{path}: no {name}" for name in sorted({*shape["required"]} - names)]
    found += [f"{path}: {name} is not known" for name in sorted(names - {*shape["allowed"]})]
    deeper = ((f"{path}.{name}".lstrip("."), said[name]) for name in names)
    return found + [each for inner, value in deeper for each in problems(value, known, inner)]


def test_every_type_and_version_is_published_and_every_property_is_its() -> None:
    everything = list(asked())
    assert {type_ for _, type_, _ in everything} == TYPES.keys()
    wrong = {where: problems(said, TYPES[type_]) for where, type_, said in everything if said}
    assert not {where: found for where, found in wrong.items() if found}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("properties", "minimumTlsVersion", "minimalTlsVersion"), "properties: minimalTlsVersion is not known"),
        (("sku", "name", "tier"), "sku: no name"),
        (("properties", "properties", "allowSharedKeyAccess"), "allowSharedKeyAccess"),
    ],
)
def test_a_property_that_is_misspelt_or_missing_would_be_seen(change: tuple[str, str, str], said: str) -> None:
    (account,) = [each for where, _, each in asked() if where == "use_example.bicep account"]
    place, old, new = change
    broken = json.loads(json.dumps(account, default=str))
    inner = broken if old == place else broken[place]
    inner[new] = inner.pop(old)
    found = problems(broken, TYPES["Microsoft.Storage/storageAccounts@2025-08-01"])
    assert any(said in each for each in found), found


# Permissions


def needed() -> Iterator[str]:
    """What the page of permissions has scripts and destinations need in Azure."""
    rows = PERMISSIONS.partition("For the commands;")[0].splitlines()
    for row in (row for row in rows if row.startswith("| ")):
        yield from (name for name in re.findall(r"\*([A-Z][\w ]+)\*", row) if name in BUILT_IN)


def test_every_role_of_the_page_is_given_and_no_other() -> None:
    used = {name for roles in given().values() for name in roles if name in IDS}
    assert used == IDS.keys() == set(needed())


def test_every_custom_role_is_made() -> None:
    loaded = re.findall(r"loadJsonContent\('\.\./roles/(\w+)\.json'\)", source("roles.bicep"))
    assert sorted(loaded) == sorted(CUSTOM)
    outputs = re.findall(r"^output (\w+) string = roles\[(\d)\]", source("roles.bicep"), re.MULTILINE)
    named = {snake(name): loaded[int(at)] for name, at in outputs}
    assert named == {name: name for name in CUSTOM}
    assert all(f"roles.outputs.{name}" in source("main.bicep") for name, _ in outputs)


def test_the_permission_in_microsoft_graph_is_the_one_of_the_page_and_no_other() -> None:
    page = (ROOT / "docs" / "get-started.md").read_text(encoding="utf-8")
    graph, permission = re.findall(r"--api (\S+) \\\n +--api-permissions ([\w-]+)=Role", page)[0]
    ids = set(re.findall(r"'([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})'", source("rotating_app.bicep")))
    assert ids == {graph, permission}
    assert "Application.ReadWrite.OwnedBy" in source("rotating_app.bicep")
    owners = source("rotating_app.bicep").partition("resource rotated")[2]
    assert "relationshipSemantics: 'append'" in owners and "principal.id" in owners, "others stay owners"


PLACES: dict[str, Callable[[Stage], tuple[str, str]]] = {
    "secretVaultIds": lambda stage: ("secret_address", stage.destinations.vault.id),  # type: ignore[union-attr]
    "automationAccountIds": lambda stage: ("runbook_address", stage.destinations.account.id),  # type: ignore[union-attr]
    "apiConnectionIds": lambda stage: ("connection_address", stage.destinations.connection.id),  # type: ignore[union-attr]
}


def grant(stage: Stage, roles: list[str], scope: str) -> None:
    """Give the admin app these roles there."""
    for name in roles:
        if name in CUSTOM:
            stage.sandbox.arm.roles.definitions[name] = Role(tuple(CUSTOM[name]["Actions"]))
        stage.sandbox.arm.grant(stage.at.admin_client_id, name, scope)


@pytest.mark.parametrize("custom", [True, False], ids=["custom", "built in"])
@pytest.mark.parametrize("where", PLACES)
def test_the_roles_are_enough(where: str, custom: bool, stage: Stage) -> None:
    made = stage.deliver("secret_address", granted=False)
    address, scope = PLACES[where](stage)
    query = "?Environment=prod&runOn=onprem" if address == "runbook_address" else ""
    stage.sandbox.keeper.edit(stage.at.record_uid, "deliver_to", getattr(made, address) + query)
    roles = given()[where]
    chosen = [name for name in roles if len(roles) == 1 or (name in CUSTOM) is custom]
    grant(stage, chosen, scope)
    outcome = stage.run()
    assert (outcome.code, outcome.result) == (0, "rotated"), outcome


def test_the_roles_at_a_storage_account_are_enough() -> None:
    with StorageStage(granted=False) as stage:
        assert isinstance(stage, StorageStage)
        grant(stage, given()["storageAccountIds"], stage.made.account_id)
        assert stage.run().code == 0 and stage.works()


def test_the_roles_at_a_vault_of_certificates_are_enough() -> None:
    roles = given()["certificateVaultIds"] + given()["exportingVaultIds"]
    with CertificateStage(settings={"export": "pfx"}, roles=tuple(roles)) as stage:
        outcome = stage.run()
        assert (outcome.code, outcome.result) == (0, "rotated"), outcome


# The example and the page


def test_the_example_fills_in_fields_that_the_template_has() -> None:
    template = json.loads((ROOT / "templates" / "azure_storage_key.json").read_text(encoding="utf-8"))
    (record,) = template["records"]
    filled = re.findall(r"^    '(\$\w+:\w+)': ", source("use_example.bicep"), re.MULTILINE)
    assert filled and set(filled) <= record["custom_fields"].keys()
    assert {"title", "login", "custom_fields"} <= record.keys() and {"shared_folders", "records"} == template.keys()


def test_the_example_gives_the_roles_that_the_whole_gives() -> None:
    roles = re.findall(r"builtIn\['(.*?)'\]", source("use_example.bicep"))
    assert roles == given()["storageAccountIds"] + given()["secretVaultIds"]


def test_the_page_has_every_parameter_and_names_none_that_is_not() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| `([\w.]+)` \|", PAGE, re.MULTILINE))
    entries = {"main.bicep", "events.bicep", "use_example.bicep"}
    assert rows == {param: name for name in sorted(entries) for param in parsed(name)["parameters"]} | {
        "principalId": "use_example.bicep"
    }
    assert "Bicep's own compiler was not at hand" in " ".join(PAGE.split())

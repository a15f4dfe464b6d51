"""Record, script and schedule with Keeper Commander: the files of templates/pam and every command in the documents."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass, field
from typing import Any

import pytest
from keepercommander.cli import commands
from keepercommander.commands.base import GroupCommand
from keepercommander.commands.discoveryrotation import validate_cron_expression
from keepercommander.commands.pam_import.base import PamUserObject
from keepercommander.keeper_dag import types as schedules

from gateway.model.fields import TYPES
from gateway.model.policy import read_policy
from tests.stage.commander import Vault, commander
from tests.stage.rotation import ROOT

PAM = ROOT / "templates" / "pam"
PYTHON = "/opt/keeper-azure-rotation/bin/python"
ADMINISTRATOR = "MongoDB administrator - EXAMPLE"
DAILY = "0 0 4 * * ?"
ZERO = "00000000-0000-0000-0000-000000000000"
NOOP = {"NOOP": "True", "Private Key Type": "rsa-ssh"}
ACCOUNT = f"/subscriptions/{ZERO}/resourceGroups/EXAMPLE/providers/Microsoft.Storage/storageAccounts/example"


@dataclass(frozen=True)
class Project:
    """What is to come out for a script."""

    title: str
    fields: dict[str, str]
    cron: str = DAILY
    attached: list[str] = field(default_factory=list)
    others: dict[str, str] = field(default_factory=dict)
    """further records, with their types"""
    configuration: tuple[str, str] = ("Azure rotation", "pamAzureConfiguration")
    resource: str = ""
    """where Keeper rotates it; empty for scripts that rotate themselves"""


PROJECTS = {
    "azure_app_secret": Project(
        "Azure app secret - EXAMPLE",
        NOOP
        | {
            "application_object_id": ZERO,
            "secret_lifetime_days": "180",
            "rotate_before_hours": "720",
            "remove_old": "replaced",
            "overlap_hours": "24",
        },
    ),
    "azure_storage_key": Project(
        "Azure storage key - EXAMPLE",
        NOOP | {"storage_account_id": ACCOUNT, "secret_lifetime_days": "90", "rotate_before_hours": "720"},
    ),
    "azure_key_vault_certificate": Project(
        "Azure certificate - EXAMPLE",
        NOOP | {"certificate_id": "https://example.vault.azure.net/certificates/EXAMPLE", "rotate_before_hours": "720"},
    ),
    "mongodb_user": Project(
        "MongoDB password - EXAMPLE",
        NOOP
        | {
            "mongodb_uri": "mongodb://host.example:27017/?tls=true",
            "auth_database": "admin",
            "secret_lifetime_days": "30",
            "rotate_before_hours": "12",
        },
        attached=[ADMINISTRATOR],
        others={ADMINISTRATOR: "login"},
    ),
    "publish_password": Project(
        "Published password - EXAMPLE",
        {"deliver_to": "https://example.vault.azure.net/secrets/EXAMPLE"},
        "0 0 4 ? * 1",
        attached=["Azure rotation admin"],
        others={ADMINISTRATOR: "pamUser", "Azure rotation admin": "pamUser", "MongoDB server - EXAMPLE": "pamDatabase"},
        configuration=("Published passwords", "pamNetworkConfiguration"),
        resource="MongoDB server - EXAMPLE",
    ),
}


def lines(script: str) -> list[str]:
    """The commands of a batch file."""
    text = (PAM / f"{script}.batch").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if not line.startswith("#")]


def set_up(vault: Vault, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the batch file, as Commander's run-batch does, where scripts/ and templates/ are."""
    monkeypatch.chdir(ROOT)
    vault.run(f"run-batch --quiet templates/pam/{script}.batch")


def custom(vault: Vault, title: str) -> dict[str, Any]:
    """A record's custom fields."""
    return {each["label"]: each["value"][0] for each in vault.records()[title]["custom"] if each["value"]}


@pytest.mark.parametrize("script", PROJECTS)
def test_one_command_makes_configuration_record_script_and_schedule(
    script: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = PROJECTS[script]
    with commander() as vault:
        set_up(vault, script, monkeypatch)
        types = {title: data["type"] for title, data in vault.records().items()}
        configuration, environment = wanted.configuration
        assert types == {configuration: environment, wanted.title: "pamUser", **wanted.others}
        assert custom(vault, wanted.title) == wanted.fields
        assert vault.script_of(wanted.title) == [(ROOT / "scripts" / f"{script}.py", PYTHON, wanted.attached)]
        (title,) = vault.rotations
        request = vault.rotations[title]
        assert title == wanted.title and not request.disabled
        assert json.loads(request.schedule) == [{"type": "CRON", "cron": wanted.cron, "tz": "Etc/UTC"}]
        assert vault.uid(request.configurationUid) == configuration
        assert request.noop == (not wanted.resource)
        assert vault.uid(request.resourceUid) == wanted.resource


@pytest.mark.parametrize("script", PROJECTS)
def test_the_record_has_fields_of_ours_with_their_types_and_a_valid_policy(
    script: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with commander() as vault:
        set_up(vault, script, monkeypatch)
        fields = vault.records()[PROJECTS[script].title]["custom"]
    assert {each["label"]: each["type"] for each in fields} == {each["label"]: TYPES[each["label"]] for each in fields}
    read_policy(lambda label: PROJECTS[script].fields.get(label, ""))
    assert ("NOOP" in PROJECTS[script].fields) == (script != "publish_password")


def test_the_configuration_holds_the_credential(monkeypatch: pytest.MonkeyPatch) -> None:
    with commander() as vault:
        set_up(vault, "azure_app_secret", monkeypatch)
        found = custom(vault, "Azure rotation")
    assert {"clientId", "clientSecret", "tenantId", "subscriptionId", "azureId"} <= found.keys()


def test_the_admin_record_of_a_published_password_is_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    with commander() as vault:
        set_up(vault, "publish_password", monkeypatch)
        kinds = {each["label"]: each["type"] for each in vault.records()["Azure rotation admin"]["custom"]}
        assert kinds == {"application_client_id": "text", "client_secret": "secret", "tenant_id": "text"}
        titles = {data["uid"]: title for title, data in vault.records().items()}
        assert [(titles[admin], titles[linked]) for admin, linked in vault.admins] == [
            (ADMINISTRATOR, "MongoDB server - EXAMPLE")
        ]


@pytest.mark.parametrize("script", [script for script, wanted in PROJECTS.items() if not wanted.resource])
def test_the_import_alone_sets_no_schedule(script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where this fails Commander has learnt it, and the second line of the batch file can go."""
    monkeypatch.chdir(ROOT)
    with commander() as vault:
        vault.run(lines(script)[0])
        assert PROJECTS[script].title in vault.records() and not vault.rotations
    (data,) = [each for each in project(script)["pam_data"]["users"] if each["title"] == PROJECTS[script].title]
    settings = PamUserObject.load(data).rotation_settings
    assert (settings.rotation, settings.enabled) == ("scripts_only", "on")
    assert (settings.schedule.type, settings.schedule.cron) == ("cron", PROJECTS[script].cron)


def project(script: str) -> dict[str, Any]:
    """The JSON file."""
    return dict(json.loads((PAM / f"{script}.json").read_text(encoding="utf-8")))


def test_every_file_is_in_this_test_and_in_the_documentation() -> None:
    names = {f"{script}{suffix}" for script in PROJECTS for suffix in (".json", ".batch")}
    assert {path.name for path in PAM.iterdir()} == names
    page = document("commander.md")
    assert not [script for script in PROJECTS if f"| `{script}` | `{script}.json`, `{script}.batch` |" not in page]


# The commands in the documents


def document(name: str) -> str:
    """A page."""
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def typed(name: str) -> list[str]:
    """The commands that a page shows, in blocks and in the cells of tables."""
    text = document(name)
    blocks = re.findall(r"^ *```\n(.*?)^ *```", text, re.DOTALL | re.MULTILINE)
    return [line.strip() for block in blocks for line in block.splitlines()] + re.findall(r"\| `(pam .*?)` \|", text)


PAGES = ("commander.md", "schedules.md")
TYPED = [(name, line) for name in PAGES for line in typed(name) if not line.startswith("keeper-rotation")]


@pytest.mark.parametrize(("name", "line"), TYPED, ids=[line for _, line in TYPED])
def test_commander_knows_the_command_and_its_options(name: str, line: str) -> None:
    words = shlex.split(line)
    command = commands[words.pop(0)]
    while isinstance(command, GroupCommand):
        command = command._commands[words.pop(0)]
    command.get_parser().parse_args(words)


def test_a_record_that_is_there_gets_script_and_schedule(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    page = typed("commander.md")
    update, add, edit = page[page.index(next(line for line in page if line.startswith("record-update"))) :][:3]
    with commander() as vault:
        vault.run('record-add --title Orders --record-type pamUser login=orders "password=not-used-9"')
        vault.run(f"pam config new --title Mine --environment azure --shared-folder {vault.folder} --gateway Gateway")
        vault.run(update.replace("RECORD_UID", vault.records()["Orders"]["uid"]))
        for line in (add, edit):
            vault.run(line.replace("RECORD_UID", "Orders").replace("CONFIGURATION_UID", "Mine"))
        assert custom(vault, "Orders") == NOOP | {"remove_old": "replaced", "overlap_hours": "24"}
        assert vault.script_of("Orders") == [(ROOT / "scripts" / "azure_app_secret.py", PYTHON, [])]
        request = vault.rotations["Orders"]
        assert request.noop and json.loads(request.schedule)[0]["cron"] == DAILY
        for line, schedule in (
            (next(each for each in page if "schedulejson" in each), "WEEKLY"),
            (next(each for each in page if "--on-demand" in each), ""),
        ):
            vault.run(line.replace("RECORD_UID", vault.records()["Orders"]["uid"]))
            request = vault.rotations["Orders"]
            assert request.noop and schedule in request.schedule
        (delete,) = [each for each in page if "script delete" in each]
        vault.run(delete.replace("RECORD_UID", "Orders"))
        assert not vault.script_of("Orders")


# Schedules

ROWS = [line for line in document("schedules.md").splitlines() if line.startswith("| ")]
CRONS = sorted({cron for line in ROWS for cron in re.findall(r"`(0 [^`]*)`", line)})
OF_JSON = sorted({text for line in ROWS for text in re.findall(r"`(\{[^`]*\})`", line)})
MODELS = {model.model_fields["type"].default: model for model in schedules.Schedule.__subclasses__()}


@pytest.mark.parametrize("cron", CRONS)
def test_commander_takes_the_cron_line(cron: str) -> None:
    assert validate_cron_expression(cron, for_rotation=True)[0]
    fields = cron.split()
    assert [fields[3], fields[5]].count("?") == 1, "Quartz wants one of the two days to be ?"


@pytest.mark.parametrize("cron", ["0 4 * * *", "0 0 4 ? * MON-FRI", "0 0 4 1/10 * ?", "0 0 4 ? * 1#1"])
def test_commander_refuses_what_the_page_says_it_refuses(cron: str) -> None:
    assert not validate_cron_expression(cron, for_rotation=True)[0]


@pytest.mark.parametrize("text", OF_JSON)
def test_the_json_has_the_keys_that_commander_knows(text: str) -> None:
    given = json.loads(text)
    given["time"] = given.pop("utcTime") + ":00"
    model = MODELS[given["type"]](**given)
    assert model.model_dump(mode="json", exclude_none=True) == given, "a key that is not known"


def test_no_schedule_was_missed() -> None:
    assert len(CRONS) > 6 and len(OF_JSON) > 6

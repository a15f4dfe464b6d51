"""The import templates and docs/fields.md: what Keeper Commander makes of them, and whether the records rotate."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from keepercommander.importer.csv.csv import KeeperCsvImporter
from keepercommander.importer.imp_exp import _construct_record_v3_data, prepare_record_add_or_update
from keepercommander.importer.importer import Record, SharedFolder
from keepercommander.importer.json.json import KeeperJsonImporter

from gateway.commands.shared.new_records import Item, commander_json, new_record, web_vault_csv
from gateway.kinds.registry import CERTIFICATE as RENEWAL
from gateway.kinds.registry import KINDS, TLS_SECRET, find, only
from gateway.model.fields import ADMIN_FIELDS, DEFAULTS, FIELDS, MONGODB_ADMIN_FIELDS, TYPES, Field
from gateway.model.policy import read_policy
from tests.stage.certificate import CertificateStage
from tests.stage.mongodb_user import MongoStage
from tests.stage.published_password import NEW, OLD, PasswordStage
from tests.stage.rotation import ROOT, Stage
from tests.stage.storage_key import StorageStage

ZERO = "00000000-0000-0000-0000-000000000000"
PENDING = "pending-first-rotation"
FOLDER = "Azure Rotation"

ACCOUNT = f"/subscriptions/{ZERO}/resourceGroups/EXAMPLE/providers/Microsoft.Storage/storageAccounts/example"
CERTIFICATE = "https://example.vault.azure.net/certificates/EXAMPLE"


def every_field(script: str) -> dict[str, str]:
    """The fields of a script's records, with their defaults."""
    facts = find(script)
    assert facts
    return {field.label: field.default for field in facts.fields}


SIX = {
    "application_object_id": ZERO,
    "client_secret_id": PENDING,
    "client_secret": PENDING,
    "expires": PENDING,
    "NOOP": "True",
    "Private Key Type": "rsa-ssh",
}
SEVEN = {
    "storage_account_id": ACCOUNT,
    "active_key": PENDING,
    "storage_key": PENDING,
    "connection_string": PENDING,
    "expires": PENDING,
    "NOOP": "True",
    "Private Key Type": "rsa-ssh",
}
MONGODB = {
    "mongodb_uri": "mongodb://host.example:27017/?tls=true",
    "auth_database": "admin",
    "NOOP": "True",
    "Private Key Type": "rsa-ssh",
}
# No placeholder: one in subject would be what somebody wants the next version to say.
FOUR = {"certificate_id": CERTIFICATE, "NOOP": "True", "Private Key Type": "rsa-ssh", "remove_old": "none"}
RENEWED = dict(RENEWAL.defaults)
PUBLISHED = {"deliver_to": "https://example.vault.azure.net/secrets/EXAMPLE"}
# An old password is dead at once, and a server's user has no date of creation.
OF_NO_USE = ("remove_old", "overlap_hours", "created")
# What is read of a record that Keeper rotates itself: of a rotation it says nothing, and above all not NOOP.
READ = ("rotation_enabled", "notify", "notify_on", "value_template", "azure_cloud", "rotation_state")
KEEP = {"remove_old": "none"}
CAREFUL = {"secret_lifetime_days": "180", "remove_old": "replaced", "overlap_hours": "24"}
ADMIN = {"application_client_id": ZERO, "client_secret": "paste-the-client-secret-here", "tenant_id": ZERO}
MONGODB_ADMIN = {"mongodb_hosts": "host.example:27017", "auth_database": "admin"}

PUBLISHED_WITH = {"client_id": PENDING, "tenant_id": PENDING}

WEB_VAULT = {
    "pam_user_template.csv": SIX | PUBLISHED_WITH | CAREFUL,
    "templates/azure_storage_key.csv": SEVEN | KEEP,
    "templates/azure_key_vault_certificate.csv": FOUR,
    "templates/mongodb_user.csv": MONGODB,
    "templates/publish_password.csv": PUBLISHED,
    "templates/azure_admin.csv": ADMIN,
    "templates/mongodb_admin.csv": MONGODB_ADMIN,
}
APPS = {
    "pam_user_template.csv": SIX | PUBLISHED_WITH | CAREFUL,
    "templates/azure_app_secret.json": every_field("azure_app_secret") | CAREFUL | {"application_object_id": ZERO},
}
ACCOUNTS = {
    "templates/azure_storage_key.csv": SEVEN | KEEP,
    "templates/azure_storage_key.json": every_field("azure_storage_key")
    | KEEP
    | {"storage_account_id": ACCOUNT, "overlap_hours": "24"},
}
CERTIFICATES = {
    "templates/azure_key_vault_certificate.csv": FOUR,
    "templates/azure_key_vault_certificate.json": every_field("azure_key_vault_certificate") | RENEWED | FOUR,
}
DATABASES = {
    "templates/mongodb_user.csv": MONGODB,
    "templates/mongodb_user.json": {
        label: value for label, value in every_field("mongodb_user").items() if label not in OF_NO_USE
    }
    | MONGODB,
}
PASSWORDS = {
    "templates/publish_password.csv": PUBLISHED,
    "templates/publish_password.json": {label: DEFAULTS[label] for label in READ} | PUBLISHED,
}
ADMINS = {
    "templates/azure_admin.csv": ADMIN,
    "templates/azure_admin.json": {each.label: "" for each in ADMIN_FIELDS} | ADMIN | {"client_secret": ""},
}
MONGODB_ADMINS = {
    "templates/mongodb_admin.csv": MONGODB_ADMIN,
    "templates/mongodb_admin.json": {each.label: "" for each in MONGODB_ADMIN_FIELDS} | MONGODB_ADMIN,
}
USERS = APPS | ACCOUNTS | CERTIFICATES | DATABASES | PASSWORDS
TITLES = (
    (APPS, "Azure app secret - EXAMPLE", ["client_secret"]),
    (ACCOUNTS, "Azure storage key - EXAMPLE", ["storage_key", "connection_string"]),
    (CERTIFICATES, "Azure certificate - EXAMPLE", ["pfx_password"]),
    (DATABASES, "MongoDB password - EXAMPLE", ["pending_password"]),
    (PASSWORDS, "Published password - EXAMPLE", []),
    (ADMINS, "Azure rotation admin", ["client_secret"]),
    (MONGODB_ADMINS, "MongoDB administrator - EXAMPLE", []),
)
TEMPLATES = USERS | ADMINS | MONGODB_ADMINS
COMMANDER = [path for path in TEMPLATES if path not in WEB_VAULT]

# The fields of a record type as the vault's server describes them to Commander; it puts login and password there.
STANDARD = [{"$ref": "login"}, {"$ref": "password"}]
SERVER = SimpleNamespace(
    record_cache={},
    record_type_cache={kind: json.dumps({"$id": kind, "fields": STANDARD}) for kind in ("login", "pamUser")},
)


def imported(path: str) -> list[Any]:
    """What Commander's importer finds in a template."""
    importer = KeeperJsonImporter() if path.endswith(".json") else KeeperCsvImporter()
    return list(importer.execute(str(ROOT / path)))


def only_record(path: str) -> Record:
    """The template's one record. Commander, like the web vault at worst, takes the header for a record as well."""
    records = [item for item in imported(path) if isinstance(item, Record)]
    if path in WEB_VAULT:
        assert records.pop(0).title == "Title"
    (record,) = records
    return record


def saved(path: str) -> dict[str, Any]:
    """The template's record as Commander saves it."""
    (record,), _, _ = prepare_record_add_or_update(False, True, SERVER, [only_record(path)])
    return _construct_record_v3_data(record)


def put(stage: Stage, data: dict[str, Any], type_: str, values: dict[str, str]) -> str:
    """The record in the sandbox's vault, as an operator leaves it: of the right type, with the ids filled in."""
    uid = stage.sandbox.keeper.add_record(data["title"], type_, data["fields"], data["custom"])
    for label, value in values.items():
        stage.sandbox.keeper.edit(uid, label, value)
    return uid


def title(path: str) -> str:
    """What the record of a template is called."""
    return next(name for paths, name, _ in TITLES if path in paths)


# What Commander makes of them


@pytest.mark.parametrize("path", TEMPLATES)
def test_commander_reads_every_field_and_value(path: str) -> None:
    fields = {field.label: field.value for field in only_record(path).fields}
    assert fields == TEMPLATES[path]
    assert len(only_record(path).fields) == len(fields), "a label that comes twice"


@pytest.mark.parametrize("path", TEMPLATES)
def test_what_commander_saves(path: str) -> None:
    data = saved(path)
    assert data["title"] == title(path)
    assert data["type"] == ("pamUser" if path in USERS and path not in WEB_VAULT else "login")
    assert [field["type"] for field in data["fields"] if field["value"]] == ["login", "password"]
    hidden = {field["label"] for field in data["custom"] if field["type"] == "secret"}
    secrets = {"notify", *next(labels for paths, _, labels in TITLES if path in paths)}
    assert hidden == (set() if path in WEB_VAULT else secrets & set(TEMPLATES[path]))
    assert {field["type"] for field in data["custom"]} <= {"text", "secret", "multiline"}
    values = {field["label"]: field["value"] for field in data["custom"]}
    assert values == {label: [value] if value else [] for label, value in TEMPLATES[path].items()}


@pytest.mark.parametrize("path", TEMPLATES)
def test_the_record_goes_into_the_shared_folder(path: str) -> None:
    (folder,) = only_record(path).folders
    assert (folder.domain, folder.path or "") == (FOLDER, "")
    assert bool(folder.can_edit) == (path in COMMANDER)
    assert not folder.can_share


@pytest.mark.parametrize("path", [path for path in TEMPLATES if path.endswith(".json")])
def test_a_new_shared_folder_lets_its_records_be_edited_and_nothing_else(path: str) -> None:
    (folder,) = [item for item in imported(path) if isinstance(item, SharedFolder)]
    assert (folder.path, folder.can_edit) == (FOLDER, True)
    assert not (folder.can_share or folder.manage_users or folder.manage_records)


# The CSV files, column by column


@pytest.mark.parametrize("path", WEB_VAULT)
def test_a_web_vault_csv_has_a_header_and_one_full_row(path: str) -> None:
    header, row = csv.reader((ROOT / path).open(newline="", encoding="utf-8"))
    numbers = range(1, len(WEB_VAULT[path]) + 1)
    pairs = [f"Custom Field {number} {part}" for number in numbers for part in ("Name", "Value")]
    columns = ["Folder", "Title", "Login", "Password", "Website Address", "Notes", "Shared Folder", *pairs]
    assert header == columns
    assert len(row) == len(header)
    assert [name for name, value in zip(header, row, strict=True) if not value] == ["Folder", "Website Address"]
    assert row[6] == FOLDER
    assert not [value for value in row if value.startswith("$")], "the web vault knows no $types"
    assert dict(zip(row[7::2], row[8::2], strict=True)) == WEB_VAULT[path]


# The table of fields


@pytest.mark.parametrize("path", USERS)
def test_a_template_has_only_labels_and_types_that_are_in_the_table(path: str) -> None:
    kinds = {field["label"]: field["type"] for field in saved(path)["custom"]}
    assert kinds == {label: "text" if path in WEB_VAULT else TYPES[label] for label in kinds}


@pytest.mark.parametrize("path", USERS)
def test_what_a_template_asks_for_is_valid(path: str) -> None:
    policy = read_policy(lambda label: USERS[path].get(label, ""), RENEWED if path in CERTIFICATES else None)
    assert policy.enabled and policy.lifetime.days == (180 if USERS[path].items() >= CAREFUL.items() else 365)
    assert policy.rotate_before == (timedelta(hours=720) if path in CERTIFICATES else None)
    hours = policy.overlap.total_seconds() / 3600
    if path in APPS:
        assert (policy.remove_old, hours) == ("replaced", 24)
    if path in ACCOUNTS | CERTIFICATES:
        assert policy.remove_old == "none"
    assert path in APPS or path in ACCOUNTS or not hours, "there is nothing that could overlap"


FOUND = {
    "azure_app_secret": ("application_object_id", ZERO),
    "azure_storage_key": ("storage_account_id", ACCOUNT),
    "azure_key_vault_certificate": ("certificate_id", CERTIFICATE),
}
WRITTEN = {".csv": web_vault_csv, ".json": commander_json}


@pytest.mark.parametrize("suffix", WRITTEN)
@pytest.mark.parametrize("script", FOUND)
def test_what_discover_finds_is_written_as_the_template_is(script: str, suffix: str) -> None:
    label, address = FOUND[script]
    path = (
        "pam_user_template.csv" if (script, suffix) == ("azure_app_secret", ".csv") else f"templates/{script}{suffix}"
    )
    made, given = new_record(Item(label, address, "EXAMPLE", "example", None)), only_record(path)
    assert made.title.startswith(given.title), "certificates of several vaults may have one name"
    text = WRITTEN[suffix]([replace(made, title=given.title, login=given.login)], FOLDER)
    assert text == (ROOT / path).read_text(encoding="utf-8")


def test_a_record_that_shows_a_tls_secret_has_every_field_that_is_for_it() -> None:
    address = "https://example.vault.azure.net/secrets/EXAMPLE"
    made = new_record(Item("tls_secret_id", address, "EXAMPLE", "example", None))
    (record,) = json.loads(commander_json([made], FOLDER))["records"]
    named = {f"${field.type}:{field.label}" for field in FIELDS if field.label in TLS_SECRET.own()}
    assert record["custom_fields"].keys() == named | {"$text:expires"}
    assert record["$type"] == "login" and record["custom_fields"]["$text:tls_secret_id"] == address


def test_every_template_is_in_this_test_and_in_the_documentation() -> None:
    found = {str(path.relative_to(ROOT)) for folder in (ROOT, ROOT / "templates") for path in folder.glob("*.csv")}
    assert found == {path for path in TEMPLATES if path.endswith(".csv")}
    assert all(f"| `{path}` |" in documentation() for path in TEMPLATES)


# A heading of the page, and the script whose fields are shown below it.
SECTIONS = {
    "Every record": "",
    "App secret": "azure_app_secret",
    "Storage key": "azure_storage_key",
    "MongoDB user": "mongodb_user",
    "Certificate": "azure_key_vault_certificate",
    "Published password": "publish_password",
    "TLS secret": "tls-secret",
}
REQUIRED = {"NOOP", "Private Key Type", *(each.target for each in KINDS if each.target)}


def filled_in(field: Field) -> str:
    """By whom."""
    return "by the script" if field.written else "required" if field.label in REQUIRED else "optional"


@pytest.mark.parametrize("heading", SECTIONS)
def test_the_documentation_has_one_row_for_each_field_of_a_script(heading: str) -> None:
    section = documentation().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines()]
    of_fields = [row for row in rows if len(row) == 5 and row[0].startswith("`")]
    script = SECTIONS[heading]
    assert of_fields == [
        [
            f"`{field.label}`",
            field.type,
            f"`{field.default}`" if field.default else "",
            field.meaning,
            filled_in(field),
        ]
        for field in FIELDS
        if (script in only(field.label) if script else not only(field.label))
    ]


def test_every_script_has_its_fields_on_the_page() -> None:
    assert {*SECTIONS.values()} == {"", *(each.name for each in KINDS)}


def test_the_documentation_has_one_row_for_each_field_of_an_admin_record() -> None:
    section = documentation().partition("## The admin record")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines()]
    of_fields = [row for row in rows if len(row) == 3 and row[0].startswith("`")]
    assert of_fields == [[f"`{field.label}`", field.type, field.meaning] for field in ADMIN_FIELDS]


def test_the_documentation_has_one_row_for_each_field_of_an_administrator_of_mongodb() -> None:
    section = (ROOT / "docs" / "mongodb.md").read_text(encoding="utf-8").partition("## The administrator's record")[2]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines()]
    of_fields = [row for row in rows if len(row) == 4 and row[0].startswith("`")]
    assert of_fields == [
        [f"`{each.label}`", each.type, f"`{each.default}`" if each.default else "", each.meaning]
        for each in MONGODB_ADMIN_FIELDS
    ]


OF_ADMINS = {"templates/azure_admin.json": ADMIN_FIELDS, "templates/mongodb_admin.json": MONGODB_ADMIN_FIELDS}


@pytest.mark.parametrize("path", OF_ADMINS)
def test_the_template_of_an_admin_record_has_every_field(path: str) -> None:
    kinds = {field["label"]: field["type"] for field in saved(path)["custom"]}
    assert kinds == {field.label: field.type for field in OF_ADMINS[path]}


def test_the_documentation_names_the_defaults_that_differ() -> None:
    labels = ("remove_old", "overlap_hours", "rotate_before_hours")
    for kind in (each for each in KINDS if each.implementation and each.target):
        given = [f"`{value}`" if (value := kind.defaults.get(label, DEFAULTS[label])) else "" for label in labels]
        row = f"| `{kind.name}` | {' | '.join(given)} |".replace("|  |", "| |")
        assert row in documentation()


def documentation() -> str:
    """The page for operators."""
    return (ROOT / "docs" / "fields.md").read_text(encoding="utf-8")


# From the template to a rotated secret


@pytest.mark.parametrize("path", APPS)
def test_a_record_made_from_an_app_template_rotates(path: str, make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(old_secrets=0, foreign=1)
    uid = put(stage, saved(path), "pamUser", {"application_object_id": stage.at.target_object_id})
    stage.at = replace(stage.at, record_uid=uid)
    outcome = stage.run(stage.line(userRecordUid=uid))
    assert (outcome.code, outcome.result, outcome.report["record"]) == (0, "rotated", uid), outcome
    assert stage.published_works()
    assert not stage.leaks([outcome])
    assert stage.sandbox.keeper.record(uid).field("client_secret")["type"] == "secret"
    assert stage.live() == {stage.value("client_secret_id"), *stage.at.foreign_key_ids}


@pytest.mark.parametrize("path", ACCOUNTS)
def test_a_record_made_from_a_storage_template_rotates(path: str) -> None:
    with StorageStage() as stage:
        assert isinstance(stage, StorageStage)
        uid = put(stage, saved(path), "pamUser", {"storage_account_id": stage.made.account_id})
        stage.at = replace(stage.at, record_uid=uid)
        outcome = stage.run(stage.line(userRecordUid=uid))
        assert (outcome.code, outcome.result, outcome.report["record"]) == (0, "rotated", uid), outcome
        assert stage.works() and stage.regenerated() == ["key2"], "the first key is left to whoever uses it"
        assert not stage.leaks([outcome])
        record = stage.sandbox.keeper.record(uid)
        assert {record.field(label)["type"] for label in ("storage_key", "connection_string")} == {"secret"}


@pytest.mark.parametrize("path", CERTIFICATES)
def test_a_record_made_from_a_certificate_template_is_renewed(path: str) -> None:
    with CertificateStage(subject="CN=orders.example.com") as stage:
        assert isinstance(stage, CertificateStage)
        uid = put(stage, saved(path), "pamUser", {"certificate_id": stage.made.certificate_id})
        stage.at = replace(stage.at, record_uid=uid)
        outcomes = [stage.run(stage.line(userRecordUid=uid)) for _ in range(2)]
        assert [(each.code, each.result, each.report["record"]) for each in outcomes] == [
            (0, "rotated", uid),
            (0, "not_due", uid),
        ], outcomes
        old, new = stage.versions()
        assert old.enabled and not stage.wrong() and stage.value("certificate_version") == new.version
        assert new.certificate.subject == old.certificate.subject
        assert not stage.leaks(outcomes)


@pytest.mark.parametrize("path", DATABASES)
def test_a_record_made_from_a_mongodb_template_rotates(path: str) -> None:
    with MongoStage() as stage:
        assert isinstance(stage, MongoStage)
        values = {"login": "orders", "mongodb_uri": stage.server.uri(), "auth_database": "shop"}
        uid = put(stage, saved(path), "pamUser", values)
        stage.at = replace(stage.at, record_uid=uid)
        outcome = stage.rotate()
        assert (outcome.code, outcome.result, outcome.report["record"]) == (0, "rotated", uid), outcome
        assert stage.works(stage.standard("password"))
        assert stage.sandbox.keeper.record(uid).field("pending_password")["type"] == "secret"


@pytest.mark.parametrize("path", MONGODB_ADMINS)
def test_a_record_made_from_the_template_of_an_administrator_is_used(path: str) -> None:
    with MongoStage() as stage:
        assert isinstance(stage, MongoStage)
        values = {"login": "dba", "password": stage.admin_password, "mongodb_hosts": stage.server.uri()}
        stage.attached = [put(stage, saved(path), "login", values)]
        assert stage.rotate().code == 0


@pytest.mark.parametrize("path", PASSWORDS)
def test_a_record_made_from_a_password_template_is_published(path: str) -> None:
    with PasswordStage() as stage:
        assert isinstance(stage, PasswordStage)
        uid = put(stage, saved(path), "pamUser", {"password": OLD, "deliver_to": stage.address})
        stage.at = replace(stage.at, record_uid=uid)
        outcome = stage.publish()
        assert (outcome.code, outcome.result) == (0, "published"), outcome
        assert stage.held() == NEW


@pytest.mark.parametrize("path", ADMINS)
def test_a_record_made_from_an_admin_template_is_the_credential(path: str, make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(config_has_secret=False)
    values = (stage.at.admin_client_id, stage.at.admin_secret, stage.at.tenant_id)
    stage.attached = [put(stage, saved(path), "login", dict(zip(ADMIN, values, strict=True)))]
    outcome = stage.run()
    assert (outcome.code, outcome.result) == (0, "rotated"), outcome
    assert stage.published_works()
    assert not stage.leaks([outcome])

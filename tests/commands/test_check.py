"""`keeper-rotation check`: all that would stop the next run is found before it, at once, by questions alone.

That it finds what a run refuses, in the same words, is seen in ``engine/test_bad_input.py``.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from gateway.commands.doors import door_of
from gateway.kinds.registry import APP_SECRET, STORAGE_KEY
from sandbox.furnish.passwords import script_field
from sandbox.proxy import faults
from tests.stage.command import command
from tests.stage.mongodb_user import MongoStage
from tests.stage.rotation import Stage
from tests.sweep.rotation import changes


def check(stage: Stage, *arguments: str, without: str = "") -> tuple[list[tuple[str, str]], int]:
    """What is found of the stage's record, without the hints, and the exit code.

    ``without``: a package that this host lacks.
    """
    stage.sandbox.forget()
    if without:
        (stage.home / "sitecustomize.py").write_text(f"import sys\nsys.modules[{without!r}] = None\n")
        stage.variables["PYTHONPATH"] = str(stage.home)
    attached = [f"--attach={uid}" for uid in stage.attached]
    process = command(
        stage, "check", f"--config={stage.at.config_record_uid}", *attached, "--json", *arguments, "--", _uid(stage)
    )
    assert process.stdout, process.stderr
    assert not [each for each in stage.sandbox.operations() if changes(each)]
    (row,) = json.loads(process.stdout)
    assert all(each["hint"] for each in row["findings"] if each["level"] != "warning")
    return [(each["level"], each["what"]) for each in row["findings"]], process.returncode


def _uid(stage: Stage) -> str:
    return stage.at.record_uid


def attach(stage: Stage, content: str, *records: str) -> None:
    """Attach a script to the record, with these records."""
    file = stage.sandbox.keeper.add_file(_uid(stage), "script.py", content.encode(), "text/x-python")
    field: dict[str, Any] = script_field(*records)
    field["value"][0]["fileRef"] = file
    stage.stored()["fields"].append(field)


def test_a_record_that_is_well(stage: Stage) -> None:
    attach(stage, door_of(APP_SECRET), stage.at.admin_record_uid)
    stage.deliver()
    found, code = check(stage)
    assert (code, [what for level, what in found if level != "warning"]) == (0, [])
    assert stage.run().code == 0


def test_all_that_is_wrong_at_once(stage: Stage) -> None:
    made = stage.deliver()
    assert made
    keeper = stage.sandbox.keeper
    for label, value in {"overlap_hours": "abc", "remove_odl": "none", "NOOP": "False", "remark": "x"}.items():
        keeper.edit(_uid(stage), label, value)
    keeper.record(_uid(stage)).data["fields"] = stage.stored()["fields"]
    found, code = check(stage)
    said = "\n".join(f"{level}: {what}" for level, what in found)
    assert code == 1
    for wanted in (
        "error: overlap_hours: 'abc' is not a number",
        "error: field labels: 'remove_odl' is not 'remove_old'",
        "warning: NOOP is not True",
        "warning: no script reads the fields remove_odl, remark",
        "warning: no script is attached",
    ):
        assert wanted in said, said


def test_a_host_that_can_notify_nobody(stage: Stage) -> None:
    stage.sandbox.keeper.edit(_uid(stage), "notify", "slack://a/b/c")
    assert check(stage)[1] == 0
    found, code = check(stage, without="apprise")
    assert code == 1 and ("error", "nobody can be notified: the package apprise is missing") in found


def test_each_destination_is_asked_also_where_nothing_is_due(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(old_secrets=1, settings={"rotate_before_hours": "24"})
    stage.deliver()
    assert stage.run(stage.line(dueNow=True)).code == 0
    assert check(stage)[1] == 0
    stage.sandbox.fault("devops", "get_endpoint", faults.Status(404), times=None)
    found, code = check(stage)
    assert code == 1 and [what for level, what in found if level == "error" and "dev.azure.com" in what], found


def test_what_could_not_be_asked_is_not_called_wrong(stage: Stage) -> None:
    stage.sandbox.fault("graph", "find_application", faults.Status(503), times=None)
    stage.sandbox.fault("graph", "get_application", faults.Status(503), times=None)
    found, code = check(stage)
    assert code == 2 and found[0][0] == "unasked", found


SCRIPTS: dict[str, tuple[str, str, int]] = {
    "of another kind": (door_of(STORAGE_KEY), "the attached script is azure_storage_key.py", 1),
    "of a later version": (door_of(APP_SECRET).replace("door=1", "door=2"), "newer than the package", 1),
    "somebody's own": ("print('hello')", "none that this version of the package writes", 0),
}


@pytest.mark.parametrize("whose", SCRIPTS)
def test_a_script_that_is(whose: str, stage: Stage) -> None:
    content, what, exit_code = SCRIPTS[whose]
    attach(stage, content, stage.at.admin_record_uid)
    found, code = check(stage)
    assert code == exit_code and [each for _, each in found if what in each], found


def test_an_attached_record_that_cannot_be_read(stage: Stage) -> None:
    attach(stage, door_of(APP_SECRET), stage.at.admin_record_uid, "Z" * 22)
    assert ("warning", f"record {'Z' * 22}, which is attached to the script, cannot be read by the application of "
            "this host") in check(stage)[0]  # fmt: skip


def test_all_records_and_what_people_see(stage: Stage) -> None:
    stage.sandbox.keeper.edit(_uid(stage), "overlap_hours", "abc")
    config, attached = f"--config={stage.at.config_record_uid}", f"--attach={stage.at.admin_record_uid}"
    process = command(stage, "check", "--all", config, attached)
    title = stage.stored()["title"]
    assert process.returncode == 1
    assert process.stdout.startswith(f"{title} ({_uid(stage)}): it would fail, and change nothing\n  x overlap_hours: ")
    assert "    hint: correct these fields of the PAM User record in the vault\n" in process.stdout
    assert "1 record, 1 of which would fail" in process.stderr
    assert "name records, or give --all" in command(stage, "check").stderr


def _signs_in_with(stage: Stage) -> dict[str, str]:
    attached = [f"--attach={uid}" for uid in stage.attached]
    process = command(stage, "check", f"--config={stage.at.config_record_uid}", *attached, "--json", "--", _uid(stage))
    (row,) = json.loads(process.stdout)
    return dict(row["admin"])


def test_what_the_admin_credential_may_be_used_for_is_shown(stage: Stage) -> None:
    admin = stage.at.admin_record_uid
    assert _signs_in_with(stage)["azure_cloud"] == "AzureCloud"
    lines = f"{stage.at.target_object_id}\n\x1b[31m*"
    for label, text in {
        "allowed_targets": lines,
        "allowed_destinations": "https://a*",
        "expires": "2031-01-31",
    }.items():
        stage.sandbox.keeper.edit(admin, label, text)
    said = _signs_in_with(stage)
    assert said["from"] == f"attached record {admin}" and said["name"] == stage.at.admin_client_id
    assert said["expires"].startswith("2031-01-31") and said["allowed_destinations"] == "https://a*"
    assert said["allowed_targets"] == f"{stage.at.target_object_id}, ?[31m*"
    attached = [f"--attach={uid}" for uid in stage.attached]
    shown = command(stage, "check", *attached, "--", _uid(stage)).stdout
    assert f"  signs in with: attached record {admin}; " in shown and "\x1b" not in shown


def test_so_it_is_of_mongodb() -> None:
    with MongoStage() as stage:
        said = _signs_in_with(stage)
        assert said["name"] == "dba" and said["mongodb_hosts"] == stage.server.uri() and "azure_cloud" not in said


def test_a_credential_that_cannot_sign_in_is_told_as_an_error(stage: Stage) -> None:
    stage.sandbox.keeper.edit(stage.at.admin_record_uid, "client_secret", "wrong")
    assert _signs_in_with(stage) == {}


CREDENTIALS: dict[str, tuple[str, str, str]] = {
    "a word": ("ADMIN_UID", "'ADMIN_UID' is no uid of a record", "copy the uid from the record's details"),
    "one letter wrong": ("{near}", "cannot be read", "meant is perhaps {admin} ("),
    "another one": ("A" * 22, "cannot be read", "check the uid, and share its folder"),
}


@pytest.mark.parametrize("what", CREDENTIALS)
@pytest.mark.parametrize("name", ["plan", "check", "targets --record="])
def test_a_credential_that_is_no_record_is_named(name: str, what: str, stage: Stage) -> None:
    admin = stage.at.admin_record_uid
    given, message, hint = (
        each.format(admin=admin, near=("B" if admin[0] == "A" else "A") + admin[1:]) for each in CREDENTIALS[what]
    )
    words = [f"{name}{_uid(stage)}"] if name.endswith("=") else [name, _uid(stage)]
    process = command(stage, *" ".join(words).split(" "), f"--credential={given}")
    said = process.stdout + process.stderr
    assert process.returncode == 1 and message in said and hint in said, process


def test_an_admin_credential_that_is_still_the_templates_is_named(stage: Stage) -> None:
    for label in ("application_client_id", "tenant_id"):
        stage.sandbox.keeper.edit(stage.at.admin_record_uid, label, "00000000-0000-0000-0000-000000000000")
    found, code = check(stage)
    said = "still the template's placeholder: application_client_id, tenant_id"
    assert code == 1 and any(level == "error" and said in each for level, each in found), found
    assert said in stage.run().stderr

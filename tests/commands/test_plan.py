"""`keeper-rotation plan` changes nothing, and says what the next run then does."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sandbox.furnish.rotation import pam_user
from sandbox.keeper.vault import make_field
from sandbox.proxy import faults
from tests.stage import certificate, mongodb_user, storage_key
from tests.stage.certificate import CertificateStage
from tests.stage.command import command
from tests.stage.mongodb_user import MongoStage
from tests.stage.rotation import Outcome, Stage
from tests.stage.storage_key import StorageStage
from tests.sweep.rotation import SCENES, changes, stage_for


def plan(stage: Stage, *options: str) -> tuple[dict[str, Any], int]:
    """What is said of the stage's record, and the exit code; nothing was changed."""
    keeper, uid = stage.sandbox.keeper, stage.at.record_uid
    before, revision = stage.stored(), keeper.record(uid).revision
    stage.sandbox.forget()
    attached = [f"--attach={each}" for each in stage.attached]
    process = command(stage, "plan", f"--config={stage.at.config_record_uid}", *attached, "--json", *options, "--", uid)
    assert process.stdout, process.stderr
    asked = stage.sandbox.operations()
    assert not [each for each in asked if changes(each)], "nothing is changed"
    assert (stage.stored(), keeper.record(uid).revision) == (before, revision)
    (row,) = json.loads(process.stdout)
    assert not [canary for canary in stage.canaries() if canary in process.stdout + process.stderr]
    return row, process.returncode


def agrees(row: dict[str, Any], outcome: Outcome) -> None:
    """The run came to what was planned."""
    report = outcome.report
    assert (row["result"], row["why"], row["target"]) == (report["result"], report["why"], report["target"])
    assert {each["key_id"] for each in row["removes"]} == set(report["removed"])
    assert _reasons(row["keeps"]) == _reasons(report["kept"])
    assert sorted(row["delivers"]) == sorted(report["delivered"])
    assert row["drift"] == report["drift"]
    if row["expires"]:  # else whoever issues it says so
        for key in ("expires", "next_due"):
            assert abs(_moment(row[key]) - _moment(report[key])) < timedelta(minutes=10)
    assert row["key_id"] in ("", report["key_id"])


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text or "2000-01-01T00:00:00+00:00")


def _reasons(kept: list[dict[str, str]]) -> dict[str, str]:
    # An overlap begins with the run.
    return {each["key_id"]: re.sub(r"until \S+ \S+ UTC", "until later", each["why"]) for each in kept}


@pytest.mark.parametrize("scene", SCENES)
def test_a_plan_is_what_the_next_run_does(scene: str) -> None:
    with stage_for(SCENES[scene]) as stage:
        row, code = plan(stage)
        outcome = stage.run()
        agrees(row, outcome)
        assert code == outcome.code == 0
        assert row["makes"] == "a new secret"


def _storage(**furnish: Any) -> Callable[[], StorageStage]:
    def made() -> StorageStage:
        stage = StorageStage(**furnish)
        stage.to_key_vault()
        return stage

    return made


def _mongodb(**settings: str) -> Callable[[], MongoStage]:
    return lambda: MongoStage(**settings)


KINDS: dict[str, tuple[Callable[[], Any], str]] = {
    "a storage key": (_storage(), "key2, regenerated"),
    "a storage key, the old one ends": (_storage(settings={"remove_old": "replaced"}), "key2, regenerated"),
    "a MongoDB user": (_mongodb(), "a new password"),
    "two MongoDB users": (_mongodb(alternate_login="orders-b"), "a new password for the other of the two users"),
    "a certificate": (lambda: CertificateStage(issuer="contoso-ca"), "a new version"),
}
SCRIPTS: dict[type, Path] = {
    StorageStage: storage_key.SCRIPT,
    MongoStage: mongodb_user.SCRIPT,
    CertificateStage: certificate.SCRIPT,
}


@pytest.mark.parametrize("kind", KINDS)
def test_so_it_is_for_every_kind(kind: str) -> None:
    make, makes = KINDS[kind]
    with ExitStack() as stack:
        stage = stack.enter_context(make())
        for made in (makes, None):
            row, code = plan(stage, "--now")
            outcome = stage.finish(stage.start(stage.line(dueNow=True), SCRIPTS[type(stage)]))
            agrees(row, outcome)
            assert code == outcome.code
            assert made is None or row["makes"] == made
            stage.sandbox.clock.advance(7200.0)


PUBLISHED: dict[str, tuple[dict[str, str], bool]] = {
    "one user": ({}, False),
    "two users": ({"alternate_login": "orders-b"}, True),
    "two users, whose former goes on": ({"alternate_login": "orders-b", "remove_old": "replaced"}, False),
}


@pytest.mark.parametrize("users", PUBLISHED)
def test_what_becomes_of_the_former_password_of_mongodb(users: str) -> None:
    settings, is_named = PUBLISHED[users]
    revokes = "remove_old" not in settings
    with MongoStage(**settings) as stage:
        assert stage.finish(stage.start(stage.line(dueNow=True), mongodb_user.SCRIPT)).code == 0
        login, password, former = stage.standard("login"), stage.standard("password"), stage.value("password_id")
        row, _ = plan(stage, "--revoke" if revokes else "--now")
        outcome = stage.finish(stage.start(stage.line(dueNow=True, revoke=revokes), mongodb_user.SCRIPT))
        agrees(row, outcome)
        assert outcome.report["removed"] == ([former] if is_named else [])
        kept = [each["key_id"] for each in outcome.report["kept"]]
        assert stage.works(password, login) == (former in kept), "what is said to stay works"


def test_a_record_that_is_not_due(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(old_secrets=1, settings={"rotate_before_hours": "24"})
    row, code = plan(stage)
    agrees(row, stage.run())
    assert (code, row["makes"], row["next_due"] != "") == (0, "", True)


def test_a_record_that_is_switched_off(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(old_secrets=1, settings={"rotation_enabled": "False"})
    assert plan(stage)[0]["result"] == "disabled"


def test_what_would_stop_a_run_is_said_in_the_same_words(stage: Stage) -> None:
    stage.deliver()
    stage.sandbox.fault("keyvault", "list_versions", faults.Status(403), times=None)
    stage.sandbox.fault("keyvault", "get_secret", faults.Status(403), times=None)
    row, code = plan(stage)
    outcome = stage.run()
    assert (code, row["error"], row["hint"]) == (outcome.code, outcome.report["error"], outcome.report["hint"])
    assert code == 1


def test_several_records_by_uid_and_by_title_and_the_worst_exit_code(stage: Stage) -> None:
    title = stage.stored()["title"]
    attach = f"--attach={stage.at.admin_record_uid}"
    process = command(stage, "plan", f"--config={stage.at.config_record_uid}", attach, title, stage.at.admin_record_uid)
    assert process.returncode == 1
    assert f"{title} ({stage.at.record_uid})\nwould      rotate\nwhy        every run\n" in process.stdout
    assert "error: nothing here rotates this record" in process.stderr
    said = command(stage, "plan", "no such record").stderr
    assert said.startswith("error: no record of this package is named 'no such record'")


def test_a_plan_keeps_no_run_out_and_makes_nothing_on_the_host(stage: Stage) -> None:
    held = stage.sandbox.fault("entra", "token", faults.Pause(), nth=1)
    process = stage.start()
    assert held.reached.wait(20)
    before = sorted((stage.home / "locks").rglob("*"))
    assert before, "the run has its lock"
    row, code = plan(stage)
    assert (code, row["result"]) == (0, "rotated"), row
    assert sorted((stage.home / "locks").rglob("*")) == before
    held.release.set()
    assert stage.finish(process).code == 0


def test_on_a_new_host_no_folder_is_made(stage: Stage) -> None:
    assert plan(stage)[1] == 0
    assert not (stage.home / "locks").exists()


def test_a_destination_that_is_wrong_is_not_called_served(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(old_secrets=1, settings={"remove_old": "replaced"})
    stage.deliver()
    assert stage.run().code == 0
    stage.sandbox.clock.advance(3600.0)
    stage.sandbox.keeper.edit(stage.at.record_uid, "client_secret", "")
    stage.sandbox.fault("keyvault", "get_secret", faults.Status(403), times=None)
    stage.sandbox.fault("keyvault", "list_versions", faults.Status(403), times=None)
    stage.sandbox.fault("keyvault", "set_secret", faults.Status(403), times=None)
    row, code = plan(stage)
    outcome = stage.run()
    assert code == outcome.code == 2, (row, outcome)
    assert sorted(row["delivers"]) == sorted(outcome.report["delivered"])
    assert {each["key_id"] for each in row["removes"]} == set(outcome.report["removed"]) == set()


def test_a_certificate_that_waits_for_a_ca() -> None:
    with CertificateStage(issuer="Unknown") as stage:
        for _ in range(2):
            row, code = plan(stage)
            assert (row["result"], code, row["removes"], row["delivers"]) == ("waiting", 2, [], [])
            assert stage.run().result == "waiting"


def test_when_the_next_one_is_due_is_by_the_record_also_after_one_that_was_asked_for(
    make_stage: Callable[..., Stage],
) -> None:
    stage = make_stage(old_secrets=1, settings={"rotate_before_hours": "24"})
    report = stage.run(stage.line(dueNow=True)).report
    assert _moment(report["expires"]) - _moment(report["next_due"]) == timedelta(hours=24)


def test_a_password_that_keeper_makes_has_no_plan(stage: Stage) -> None:
    lines = {"type": "multiline", "label": "deliver_to", "value": ["keeper:AAAAAAAAAAAAAAAAAAAAAA#x"]}
    stage.sandbox.keeper.add_record("a password", "pamUser", [], [lines])
    process = command(stage, "plan", f"--config={stage.at.config_record_uid}", "a password")
    assert process.returncode == 1 and "error: Keeper itself makes this password" in process.stderr


NAMES = {
    "a uid": ("UID", ["Orders"]),
    "a whole title": ("orders", ["Orders"]),
    "a part of titles": ("rders", ["Orders", "Orders, copy"]),
    "a part, in capitals": ("COPY", ["Orders, copy"]),
}


@pytest.mark.parametrize("name", NAMES)
def test_plan_check_and_status_mean_the_same_by(name: str, stage: Stage) -> None:
    word, titles = NAMES[name]
    records = stage.sandbox.keeper.vault.records
    records[stage.at.record_uid].data["title"] = "Orders"
    uid = pam_user(stage.sandbox, stage.sandbox.graph.new_application("other"))
    records[uid].data["title"] = "Orders, copy"
    stage.sandbox.keeper.add_record("Orders of bread", "login", [make_field("login", "x")])
    word = word.replace("UID", stage.at.record_uid)
    for words in (["plan", "--json"], ["check", "--json"], ["status", "--json"]):
        found = json.loads(command(stage, *words, "--", word).stdout)
        assert sorted(row["title"] for row in found) == titles, words


def test_several_errors_are_several_lines_each_with_its_hint(stage: Stage) -> None:
    vaults = [f"https://{name}.vault.azure.net/secrets/x" for name in ("no-such", "nor-such")]
    stage.sandbox.keeper.edit(stage.at.record_uid, "deliver_to", "\n".join([*vaults, "x"]))
    attached = [f"--attach={each}" for each in stage.attached]
    process = command(stage, "plan", *attached, stage.at.record_uid)
    assert process.returncode == 1
    assert process.stderr.count("error: ") == process.stderr.count("\nhint: ") == 1, "a line that is none comes first"
    stage.sandbox.keeper.edit(stage.at.record_uid, "deliver_to", "\n".join(vaults))
    process = command(stage, "plan", *attached, stage.at.record_uid)
    said = process.stderr.splitlines()
    assert [line.startswith("error: ") for line in said].count(True) == 2, said
    assert any(line.startswith("hint: ") for line in said) and "; https" not in process.stderr
    checked = command(stage, "check", *attached, stage.at.record_uid).stdout.splitlines()
    assert [line.startswith("  x https://") for line in checked].count(True) == 2, checked


@pytest.mark.parametrize("form", ["{uid}", "--json {uid}", "{uid} --json", "{credential} {uid}", "{uid} -- {other}"])
@pytest.mark.parametrize("name", ["plan", "check", "status", "history"])
def test_a_uid_may_begin_with_a_dash(name: str, form: str, stage: Stage) -> None:
    """As Keeper's own do now and then; one that is an option's value is left there."""
    keeper = stage.sandbox.keeper
    uid, other = "-hAAhhhhhhhhhhhhhhhhhh", "--AAhhhhhhhhhhhhhhhhhh"
    named = make_field("text", stage.at.target_object_id, "application_object_id")
    for each in (uid, other):
        keeper.add_record(f"mine {each}", "pamUser", [make_field("login", "x")], [named], uid=each)
    credential = {"history": "", "status": f"--drift --credential {other}"}.get(name, f"--credential {other}")
    words = form.format(uid=uid, other="" if name == "history" else other, credential=credential).split()
    process = command(stage, name, *words)
    assert "Usage" not in process.stderr and "No such option" not in process.stderr, process
    assert name == "history" or "mine -hAAh" in process.stdout, process


@pytest.mark.parametrize("wrong", ["--expiring-within-days", "-h", "--jsno"])
def test_what_is_no_uid_is_an_option(wrong: str, stage: Stage) -> None:
    process = command(stage, "plan", wrong)
    assert ("No such option" in process.stderr) != ("Usage: " in process.stdout), process


def test_an_option_behind_the_dashes_is_told_where_it_belongs(stage: Stage) -> None:
    process = command(stage, "plan", "--", stage.at.record_uid, "--revoke")
    assert process.returncode == 1 and process.stderr.splitlines() == [
        "error: no record of this package is named '--revoke'",
        "hint: options come before `--`, records behind it: write --revoke in front of it",
    ]

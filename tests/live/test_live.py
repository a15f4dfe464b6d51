"""``make live`` with the sandbox as the tenant and the vault: what it answers, and that nothing is left of it."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from sandbox.entra.directory import Application
from sandbox.key_vault.vaults import Vault
from sandbox.proxy import faults
from tests.live.answers import BY_HAND, items
from tests.live.given import MEANINGS
from tests.live.ground import PREFIX
from tests.live.scripts import started
from tests.live.steps import STEPS
from tests.stage import patience
from tests.stage.rotation import ROOT, Outcome, Stage

SECRETS, CERTIFICATES = "Key Vault Secrets Officer", "Key Vault Certificates Officer"
# Items that a step of another one answers.
WITH_THEM = {"A1", "A2", "A4", "D1", "D3", "D4", "E6"}
COMMAND = (sys.executable, "-m", "tests.live", "--yes")


@dataclass
class Trial:
    """A tenant with everything that the trial can be given."""

    stage: Stage
    app: Application
    vault: Vault
    variables: dict[str, str]
    before: set[str] = field(default_factory=set)

    def start(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        """The trial as a process; what is empty is not given."""
        given = {name: value for name, value in (self.variables | variables).items() if value}
        pipe, command = subprocess.PIPE, [*COMMAND, *arguments]
        return subprocess.Popen(
            command, cwd=ROOT, env=given, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True
        )

    def end(self, process: subprocess.Popen[str]) -> Outcome:
        """How it ended; it prints no secret, leaves none in a file, and puts none into a line that is too long."""
        stdout, stderr = process.communicate(timeout=patience.seconds(60))
        outcome = Outcome(process.returncode, stdout, stderr)
        assert not self.stage.leaks([outcome]) and "Traceback" not in stderr, stderr
        assert all(len(line) <= 80 for line in stdout.splitlines()[-80:]), stdout
        return outcome

    def run(self, *arguments: str, **variables: str) -> Outcome:
        """From its start to its end."""
        return self.end(self.start(*arguments, **variables))

    def report(self, code: int, **variables: str) -> dict[str, Any]:
        """Its JSON, of a run that ends with this code."""
        file = self.stage.home / "report.json"  # among the files in which no secret may be
        outcome = self.run("--json", str(file), **variables)
        assert outcome.code == code, outcome
        return dict(json.loads(file.read_text()))

    def left(self) -> list[str]:
        """What it should have removed."""
        sandbox = self.stage.sandbox
        found = [f"record {each.data['title']}" for uid, each in self._records().items() if uid not in self.before]
        now = sandbox.graph.passwords(self.app) + sandbox.graph.passwords(self.stage.at.target_object_id)
        found += [f"client secret {each.display_name}" for each in now if each.key_id not in self.stage.at.old_key_ids]
        vault, made = self.vault, self.vault.certificates
        names = {*vault.secrets, *vault.deleted, *made.live, *made.deleted}
        return found + [f"in the key vault {name}" for name in names if name.startswith(PREFIX)]

    def _records(self) -> dict[str, Any]:
        return self.stage.sandbox.keeper.vault.records


def answered(report: dict[str, Any]) -> dict[str, str]:
    """The state of each item that was tried."""
    return {each["id"]: each["state"] for each in report["answers"] if each["state"] != "not tried"}


def why(report: dict[str, Any], item: str) -> str:
    """What is said of an item."""
    return str(next(each["text"] for each in report["answers"] if each["id"] == item))


@pytest.fixture
def trial() -> Iterator[Trial]:
    """The admin credential may do all that the trial takes."""
    with Stage() as stage:
        sandbox = stage.sandbox
        app = sandbox.graph.new_application("rotation-trial")
        app.owners.append(stage.at.admin_principal_id)
        vault = sandbox.keyvault.add_vault("trialvault")
        for role in (SECRETS, CERTIFICATES):
            sandbox.keyvault.grant(stage.at.admin_client_id, role, vault)
        account = sandbox.storage.add_account("trialdata")
        for role in ("Storage Account Key Operator Service Role", "Reader"):
            sandbox.arm.grant(stage.at.admin_client_id, role, account.id)
        sandbox.arm.grant(stage.at.admin_client_id, "Reader")
        given = {
            "LIVE_FOLDER": "Azure Rotation", "LIVE_APP": app.object_id, "LIVE_KEY_VAULT": vault.url,
            "LIVE_STORAGE_ACCOUNT": account.id, "LIVE_ADMIN_RECORD": stage.at.admin_record_uid, "LIVE_ROUNDS": "1",
            "LIVE_SECONDS": "20", "LIVE_PAUSE": "0",
        }  # fmt: skip
        long = {"ROTATION_DEADLINE_SECONDS": "60", "ROTATION_REQUEST_TIMEOUT_SECONDS": "10"}
        yield Trial(stage, app, vault, stage.variables | long | given, set(sandbox.keeper.vault.records))


def test_every_item_of_the_page_is_answered_and_no_other() -> None:
    tried = {item for item, _ in STEPS} | WITH_THEM
    assert {item for item in items() if item not in BY_HAND and item[0] not in BY_HAND} == tried - {"A2"}
    assert len(items()) == len(set(items())) and {*BY_HAND, *tried} - {"V", "M", "H"} <= set(items())


def test_the_page_says_which_items_it_answers() -> None:
    page = " ".join((ROOT / "docs" / "not-tried-live.md").read_text().split())
    (said,) = re.findall(r"It answers (.*?)\. The others are yours", page)
    assert {*re.findall(r"\b[A-Z]\d+\b", said)} == ({item for item, _ in STEPS} | WITH_THEM) - {"S2", "S3"}


def test_the_page_names_every_variable() -> None:
    page = (ROOT / "docs" / "not-tried-live.md").read_text()
    assert {*re.findall(r"^\| `LIVE_(\w+)` \|", page, re.MULTILINE)} == set(MEANINGS)
    assert all(f"| `LIVE_{name}` | {meaning} |" in page for name, meaning in MEANINGS.items())


@pytest.mark.deep
def test_everything_is_tried_measured_and_removed(trial: Trial) -> None:
    sandbox = trial.stage.sandbox
    nested = sandbox.keeper.vault.add_folder("Nested", sandbox.keeper.vault.default_folder, nested=True)
    sandbox.entra.propagation_seconds, sandbox.entra.removal_seconds = 1.0, 2.0
    sandbox.graph.replica_lags = (0.0, 0.5)
    report = trial.report(0, LIVE_NESTED_FOLDER=nested, ROTATION_PROVE_TIMEOUT_SECONDS="20")
    assert set(answered(report)) == {"S1", "S2", "S3", "S4", "K4", "K12", "A3", "A4", "A6", "E1", "E6"}
    assert {*answered(report).values()} == {"settled"} and not trial.left()
    (made,), (ended,) = report["facts"]["new secret"], report["facts"]["ended secret"]
    assert 0.5 < made["first"] < patience.seconds(3) and 1.0 < ended["last_other"] < patience.seconds(4)
    assert report["facts"]["connections of a run"] > 1
    assert "out_of_sync" in why(report, "K4")


@pytest.mark.deep
def test_a_credential_that_was_given_by_itself_is_in_a_record_until_the_end(trial: Trial) -> None:
    at = trial.stage.at
    own = {
        "LIVE_ADMIN_RECORD": "", "LIVE_ADMIN_CLIENT_ID": at.admin_client_id, "LIVE_ADMIN_TENANT_ID": at.tenant_id,
        "LIVE_ADMIN_CLIENT_SECRET": at.admin_secret, "LIVE_KEY_VAULT": "", "LIVE_STORAGE_ACCOUNT": "",
    }  # fmt: skip
    report = trial.report(0, **own)
    assert set(answered(report)) == {"S1", "K4", "A3", "E1", "E6"} and not trial.left()
    assert "LIVE_KEY_VAULT was not given" in why(report, "S3")


# Where it is when Ctrl-C comes.
MOMENTS = {
    "the first record is being made": ("keeper", "create_secret"),
    "a script makes a client secret": ("graph", "add_password"),
    "a script saves": ("keeper", "update_secret"),
    "a secret is delivered": ("keyvault", "set_secret"),
    "a certificate is being made": ("keyvault", "create_certificate"),
    "a certificate is being merged": ("keyvault", "merge_certificate"),
    "a storage key is regenerated": ("arm", "regenerate_storage_key"),
    "a timed secret is removed": ("graph", "remove_password"),
}


@pytest.mark.deep
@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("kind", [faults.Pause, faults.PauseAfter], ids=["before", "after"])
def test_ctrl_c_leaves_nothing_behind(moment: str, kind: Callable[[], Any], trial: Trial) -> None:
    fault = trial.stage.sandbox.fault(*MOMENTS[moment], kind())
    process = trial.start()
    assert fault.reached.wait(patience.seconds(40))
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    fault.release.set()
    outcome = trial.end(process)
    assert outcome.code == 2 and "interrupted before it" in outcome.stdout, outcome
    assert not trial.left()


@pytest.mark.deep
@pytest.mark.parametrize("gone", [signal.SIGTERM, signal.SIGHUP, None], ids=["SIGTERM", "SIGHUP", "no reader"])
def test_a_terminal_that_is_gone_leaves_nothing_behind(gone: signal.Signals | None, trial: Trial) -> None:
    fault = trial.stage.sandbox.fault("graph", "add_password", faults.PauseAfter())
    process = trial.start(LIVE_KEY_VAULT="", LIVE_STORAGE_ACCOUNT="")
    assert fault.reached.wait(patience.seconds(40)) and process.stdout
    if gone:
        process.send_signal(gone)
    process.stdout.close()
    fault.release.set()
    assert process.wait(patience.seconds(60)) != 0
    assert not trial.left()


@pytest.mark.deep
def test_what_was_killed_is_removed_later(trial: Trial) -> None:
    fault = trial.stage.sandbox.fault("keyvault", "create_certificate", faults.PauseAfter())
    process = trial.start()
    assert fault.reached.wait(patience.seconds(40))
    process.kill()
    process.communicate()
    fault.release.set()
    assert trial.left()
    outcome = trial.run("--clean-up")
    assert (outcome.code, outcome.stdout.strip()) == (0, "nothing is left") and not trial.left()


@pytest.mark.deep
@pytest.mark.parametrize(
    ("service", "operation", "items_without"),
    [
        ("arm", "list_storage_keys", {"S2"}), ("keyvault", "create_certificate", {"S3", "A6"}),
        ("keyvault", "set_secret", {"S4", "A4"}), ("graph", "add_password", {"S1", "E1", "E6", "A4"}),
    ],
)  # fmt: skip
def test_what_is_not_permitted_is_not_tried(
    service: str, operation: str, items_without: set[str], trial: Trial
) -> None:
    trial.stage.sandbox.fault(service, operation, faults.Status(403), times=None)
    report = trial.report(2 if "S1" in items_without else 0)
    everything = {"S1", "S2", "S3", "S4", "K4", "A3", "A4", "A6", "E1", "E6"}
    assert set(answered(report)) == everything - items_without and not trial.left()
    assert all("403" in why(report, item) for item in items_without & {"S2", "S3", "A6", "E1"}), report


@pytest.mark.deep
def test_what_cannot_be_removed_is_named_and_can_be_removed_later(trial: Trial) -> None:
    given = {"LIVE_KEY_VAULT": "", "LIVE_STORAGE_ACCOUNT": ""}
    trial.stage.sandbox.fault("graph", "remove_password", faults.Status(403), times=None)
    report = trial.report(3, **given)
    assert "client secrets of the app" in report["left"][0] and "403" in report["left"][0] and trial.left()
    trial.stage.sandbox.faults.clear()
    assert trial.run("--clean-up", **given).code == 0 and not trial.left()


@pytest.mark.deep
def test_an_account_whose_table_service_alone_admits_keys(trial: Trial) -> None:
    trial.stage.sandbox.storage.get("trialdata").without_keys = ("blob", "file", "queue")
    report = trial.report(0, LIVE_KEY_VAULT="", LIVE_ROUNDS="0")
    assert "StorageV2, table admits keys: exit 0, rotated, proved: request" in why(report, "A1")


@pytest.mark.deep
def test_a_replica_that_does_not_know_yet_what_is_to_be_removed(trial: Trial) -> None:
    # The script's own removal is the first; of the timed secret Graph says twice that there is none.
    trial.stage.sandbox.fault("graph", "remove_password", faults.Status(400), nth=2, times=2)
    report = trial.report(0, LIVE_KEY_VAULT="", LIVE_STORAGE_ACCOUNT="")
    assert report["facts"]["ended secret"][0]["settled"] and not trial.left()


@pytest.mark.deep
def test_a_vault_that_may_not_be_purged_keeps_what_was_deleted(trial: Trial) -> None:
    trial.stage.sandbox.fault("keyvault", "purge_secret", faults.Status(403), times=None)
    report = trial.report(0, LIVE_STORAGE_ACCOUNT="")
    assert [name.rpartition("-")[2] for name in report["kept"]] == ["app", "password"]


@pytest.mark.deep
def test_a_secret_is_delivered_where_it_is_told_to(trial: Trial) -> None:
    stage = trial.stage
    lines = " ".join(stage.sandbox.furnish_destinations(stage.at).addresses[1:4])
    app = stage.at.target_object_id
    report = trial.report(0, LIVE_DELIVER_TO=lines, LIVE_APP=app, LIVE_KEY_VAULT="", LIVE_STORAGE_ACCOUNT="")
    assert {"D1", "D3", "D4"} <= answered(report).keys() and not trial.left(), report


def test_a_folder_that_may_only_be_viewed(trial: Trial) -> None:
    vault = trial.stage.sandbox.keeper.vault
    vault.folders[vault.default_folder].editable = False
    report = trial.report(2, LIVE_KEY_VAULT="", LIVE_STORAGE_ACCOUNT="", LIVE_ROUNDS="0")  # E1 makes no record
    assert "right to edit in the shared folder" in why(report, "S1") and not trial.left()
    assert set(answered(report)) == {"A3"}


WRONG: dict[str, tuple[dict[str, str], str]] = {
    "nothing": ({"LIVE_FOLDER": "", "LIVE_APP": "", "LIVE_ADMIN_RECORD": ""}, "LIVE_FOLDER is missing; LIVE_APP is"),
    "half a credential": ({"LIVE_ADMIN_RECORD": "", "LIVE_ADMIN_CLIENT_ID": "x"}, "LIVE_ADMIN_RECORD is missing"),
    "two credentials": ({"LIVE_ADMIN_CLIENT_ID": "x"}, "give one"),
    "a misspelt variable": ({"LIVE_STORAGE": "x"}, "LIVE_STORAGE is not known"),
    "no number": ({"LIVE_ROUNDS": "many"}, "'many' is not a number"),
    "no such folder": ({"LIVE_FOLDER": "Nowhere"}, "sees no such folder"),
    "no such record": ({"LIVE_ADMIN_RECORD": "Nobody's"}, "there is no such record"),
    "a wrong client secret": (
        {
            "LIVE_ADMIN_RECORD": "",
            "LIVE_ADMIN_CLIENT_ID": "2f1d7c3a-5b7e-4c8e-9a51-3f2b6c7d8e9f",
            "LIVE_ADMIN_TENANT_ID": "contoso.example",
            "LIVE_ADMIN_CLIENT_SECRET": "wrong-secret-of-the-admin",
        },
        "AADSTS",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_nothing_is_begun(what: str, trial: Trial) -> None:
    variables, message = WRONG[what]
    outcome = trial.run(**variables)
    assert outcome.code == 1 and message in outcome.stderr and "hint: " in outcome.stderr, outcome
    assert not trial.left()


def test_a_report_that_could_not_be_written(trial: Trial) -> None:
    outcome = trial.run("--json", "/nowhere/report.json")
    assert outcome.code == 1 and "name a file that can be written" in outcome.stderr and not trial.left()


def test_a_script_is_not_handed_what_the_trial_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVE_ADMIN_CLIENT_SECRET", "given-to-the-trial-alone")
    with started([sys.executable, "-c", "import os; print(dict(os.environ))"]) as process:
        told, _ = process.communicate()
    assert b"PYTHONPATH" in told and b"LIVE_" not in told


def test_nobody_is_there_to_be_asked(trial: Trial) -> None:
    process = subprocess.run(
        COMMAND[:-1],
        cwd=ROOT,
        env=trial.variables,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert process.returncode == 1 and "YES=1" in process.stderr
    assert "BOTH KEYS" in process.stdout and trial.vault.url in process.stdout
    assert not trial.left() and not trial.stage.sandbox.requests

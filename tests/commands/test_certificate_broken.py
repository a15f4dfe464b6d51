"""``keeper-rotation certificate``: what a broken request, a refusal or Ctrl-C leaves behind, and what is said of it."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.host.lock import RecordLock
from sandbox.keeper.vault import make_field
from sandbox.proxy import faults
from tests.stage import patience
from tests.stage.key_vault import Scene
from tests.stage.rotation import ROOT
from tests.sweep.rotation import FAULTS

NEW = "https://certificates.vault.azure.net/certificates/new-tls"
OLD = "https://certificates.vault.azure.net/certificates/orders-tls"
ASKED = ("certificate", "request", NEW, "--cn=a.example", "--contact=tls@example.com")
PATIENT = {"ROTATION_REQUEST_TIMEOUT_SECONDS": "15", "ROTATION_DEADLINE_SECONDS": "60"}
OPERATION = "get_certificate_operation"


def fields(scene: Scene) -> dict[str, str]:
    """What the stage's record says; empty fields do not count."""
    values = scene.sandbox.keeper.record(scene.at.record_uid).values()
    return {label: value for label, value in values.items() if value and label != "fileRef"}


# A version is asked for


@pytest.mark.parametrize("fault", [faults.ResetAfter(), faults.ErrorAfter(503), faults.HangAfter()], ids=repr)
def test_a_lost_answer_does_not_ask_a_ca_twice(fault: faults.Kind, scene: Scene) -> None:
    scene.sandbox.fault("keyvault", "create_certificate", fault)
    scene.said(*ASKED, f"--folder={scene.folder_uid}")
    assert len(scene.listed("new-tls")) == 1 and len(scene.records_of("certificate_id", NEW)) == 1


def test_of_two_at_once_the_second_says_what_the_first_has_begun(scene: Scene) -> None:
    put = scene.sandbox.fault("keyvault", "create_certificate", faults.Pause())
    second = scene.command("certificate", "renew", OLD, **PATIENT)
    assert put.reached.wait(patience.seconds(20))
    scene.sandbox.keyvault.issue_seconds = 3600
    scene.ask("certificate", "renew", OLD, "--no-wait", code=2)
    put.release.set()
    _, said = scene.ended(second, 1)
    assert "a version of orders-tls is being made already, by the issuer Self" in said and "certificate status" in said


@pytest.mark.parametrize("command", ["renew", "request"])
@pytest.mark.parametrize("cancelled", [False, True], ids=["completed before", "cancelled before"])
def test_a_throttled_request_does_not_take_the_operation_before_for_its_own(
    cancelled: bool, command: str, scene: Scene
) -> None:
    if cancelled:
        scene.sandbox.keyvault.issue_seconds = 3600
        scene.ask("certificate", "renew", OLD, "--no-wait", code=2)
        scene.ask("certificate", "cancel", OLD)
        scene.sandbox.keyvault.issue_seconds = 0
    else:
        scene.ask("certificate", "renew", OLD)
    before = scene.listed("orders-tls")
    put = scene.sandbox.fault("keyvault", "create_certificate", faults.Status(429, {"Retry-After": "0"}))
    shown = scene.rows("certificate", command, OLD)
    assert put.fired and shown["status"] == "completed"
    assert sorted(scene.listed("orders-tls")) == sorted([*before, shown["version"]])


@pytest.mark.parametrize("service, operation", [("keyvault", "set_certificate_contacts"), ("keeper", "create_secret")])
def test_what_is_asked_for_and_not_noted_is_incomplete(service: str, operation: str, scene: Scene) -> None:
    scene.sandbox.fault(service, operation, faults.Status(403), times=None)
    said = scene.said(*ASKED, f"--folder={scene.folder_uid}", code=2)
    assert "was asked for, but not done" in said and "do not ask for it again" in said
    assert len(scene.listed("new-tls")) == 1


# Fault at each look at what was asked for, a signal meanwhile, and what is said.
AFTER: dict[str, tuple[faults.Kind | None, int, str]] = {
    "Key Vault stops answering": (faults.Status(503), 0, "how it stands cannot be told: Key Vault"),
    "Key Vault refuses": (faults.Status(403), 0, "how it stands cannot be told: Key Vault"),
    "the connection breaks": (faults.ResetBefore(), 0, "how it stands cannot be told: Key Vault"),
    "Ctrl-C": (faults.Pause(), signal.SIGINT, "is not issued yet: the run was stopped (SIGINT)"),
    "SIGTERM": (faults.Pause(), signal.SIGTERM, "is not issued yet: the run was stopped (SIGTERM)"),
    "the time is over": (None, 0, "is not issued yet: the run's time is over"),
}


@pytest.mark.parametrize("what", AFTER)
def test_a_version_that_was_asked_for_is_never_asked_for_again(what: str, scene: Scene) -> None:
    kind, number, message = AFTER[what]
    scene.sandbox.keyvault.issue_seconds = 3600
    put = scene.sandbox.fault("keyvault", OPERATION, kind, nth=2, times=1 if number else None) if kind else None
    waits = PATIENT if number else {"ROTATION_DEADLINE_SECONDS": "5"}
    process = scene.command(*ASKED, "--issuer=contoso-ca", f"--folder={scene.folder_uid}", **waits)
    if number and put:
        assert put.reached.wait(patience.seconds(20))
        process.send_signal(number)
        put.release.set()
    _, said = scene.ended(process, 2)
    assert "error: new-tls was asked for, and " in said and message in said, said
    assert f"hint: keeper-rotation certificate status {NEW}; do not ask for it again" in said
    if put:
        put.release.set()
    scene.sandbox.faults.clear()
    assert len(scene.records_of("certificate_id", NEW)) == len(scene.vault.certificates.contacts) == 1
    scene.sandbox.clock.advance(3601)
    assert scene.rows("certificate", "status", NEW)["status"] == "completed"
    assert scene.written().count("keyvault.create_certificate") == len(scene.listed("new-tls")) == 1


def test_a_contact_that_somebody_adds_while_an_issuer_takes_its_time_stays(scene: Scene) -> None:
    contacts = ("certificate", "contacts", "--vault=certificates")
    scene.ask(*contacts, "--add=first@example.com")
    put = scene.sandbox.fault("keyvault", OPERATION, faults.Pause(), nth=2)
    scene.sandbox.keyvault.issue_seconds = 1
    process = scene.command(*ASKED, "--issuer=contoso-ca", **PATIENT)
    assert put.reached.wait(20)
    scene.ask(*contacts, "--add=colleague@example.com")
    scene.sandbox.clock.advance(5)
    put.release.set()
    scene.ended(process, 0)
    found = [each["email"] for each in scene.at_vault("/certificates/contacts")["contacts"]]
    assert found == ["first@example.com", "colleague@example.com", "tls@example.com"]


def test_a_contact_that_is_there_already_is_not_written(scene: Scene) -> None:
    scene.ask("certificate", "contacts", "--vault=certificates", "--add=TLS@example.com")
    scene.ask(*ASKED)
    assert scene.written().count("keyvault.set_certificate_contacts") == 1


def test_ctrl_c_once_finishes_what_was_sent_and_twice_leaves_a_doubt(scene: Scene) -> None:
    for times, code in ((1, 2), (2, 3)):
        put = scene.sandbox.fault("keyvault", "create_certificate", faults.PauseAfter())
        process = scene.command(*ASKED, *([f"--folder={scene.folder_uid}"] if times == 1 else []), **PATIENT)
        assert put.reached.wait(patience.seconds(20))
        for _ in range(times):
            process.send_signal(signal.SIGINT)
            time.sleep(0.3)  # two that come at once are one
        if times == 1:
            put.release.set()
        _, said = scene.ended(process, code)
        put.release.set()
        assert "stopping after the step in progress" in said and ("is not issued yet" in said) == (times == 1)
        assert (f"look with keeper-rotation certificate status {NEW}" in said) == (times == 2)
        assert len(scene.listed("new-tls")) == times and len(scene.records_of("certificate_id", NEW)) == 1


@pytest.mark.parametrize("where", ["--folder", "--record"])
def test_what_an_issuer_refuses_changes_nothing_and_can_be_asked_for_again(where: str, scene: Scene) -> None:
    uid = scene.sandbox.keeper.add_record("mine", "pamUser", [make_field("login", "mine")], [])
    ask = (*ASKED, "--issuer=contoso-ca", f"{where}={scene.folder_uid if where == '--folder' else uid}")
    scene.sandbox.keyvault.fail_next_issuance("no")
    assert "Key Vault did not make the version, failed" in scene.said(*ask, code=1)
    assert not scene.records_of("certificate_id", NEW) and not scene.vault.certificates.contacts
    scene.said(*ask)
    assert len(scene.records_of("certificate_id", NEW)) == 1 and scene.vault.certificates.contacts


# A change whose answer is lost

POLICY, CONTACTS, PENDING = "update_certificate_policy", "set_certificate_contacts", "update_certificate_operation"
LOST: dict[str, tuple[str, str]] = {
    "a policy": (f"policy {OLD} --validity-months=6", POLICY),
    "a policy, of which more is shown than was sent": (f"policy {OLD} --validity-months=6 --key-type=EC", POLICY),
    "a policy before the script": (f"renew {OLD} --validity-months=6 --script=SCRIPT", POLICY),
    "a new contact": ("contacts --vault=certificates --add=b@example.com", CONTACTS),
    "the last contact": ("contacts --vault=certificates --remove=a@example.com", "delete_certificate_contacts"),
    "a cancellation": (f"cancel {OLD}", PENDING),
    "a deletion": ("delete --from-keeper --yes --record=UID", "delete_secret"),
    "a merge": (f"merge {NEW} --chain=CHAIN", "merge_certificate"),
}


def changed(scene: Scene, what: str) -> bool:
    """Whether that is done."""
    live = scene.vault.certificates.live
    return {
        POLICY: lambda: live["orders-tls"].policy["x509_props"]["validity_months"] == 6,
        CONTACTS: lambda: len(scene.vault.certificates.contacts) == 2,
        "delete_certificate_contacts": lambda: not scene.vault.certificates.contacts,
        PENDING: lambda: scene.sandbox.keyvault.pending_certificate(scene.vault, "orders-tls") == "cancelled",
        "delete_secret": lambda: scene.at.record_uid not in scene.sandbox.keeper.vault.records,
        "merge_certificate": lambda: bool(scene.listed("new-tls")),
    }[what]()


def prepared(scene: Scene, line: str) -> list[str]:
    """A contact, a version that a CA is issuing, and one that waits to be signed; the words of the command."""
    scene.ask("certificate", "contacts", "--vault=certificates", "--add=a@example.com")
    if "cancel" in line or "merge" in line:
        scene.sandbox.keyvault.issue_seconds = 600
        scene.ask("certificate", "request", OLD, "--issuer=contoso-ca", "--no-wait", code=2)
        scene.ask("certificate", "request", NEW, "--cn=a.example", "--issuer=Unknown", code=2)
        chain = scene.sandbox.keyvault.sign_csr(scene.vault, "new-tls")
        text = b"".join(x509.load_der_x509_certificate(each).public_bytes(Encoding.PEM) for each in chain)
        (scene.out / "chain.pem").write_bytes(text)
    script = "scripts/azure_key_vault_certificate.py"
    meant = {"UID": scene.at.record_uid, "CHAIN": str(scene.out / "chain.pem"), "SCRIPT": script}
    for word, text_of in meant.items():
        line = line.replace(f"={word}", f"={text_of}")
    return ["certificate", *line.split()]


@pytest.mark.parametrize("fault", ["503 after it took effect", "reset after"])
@pytest.mark.parametrize("what", LOST)
def test_a_change_whose_answer_is_lost_is_looked_up(what: str, fault: str, scene: Scene) -> None:
    line, operation = LOST[what]
    words = prepared(scene, line)
    put = scene.sandbox.fault(None, operation, FAULTS[fault], times=None)
    scene.ended(scene.command(*words), 0)
    assert put.fired and changed(scene, operation)


@pytest.mark.parametrize("what", LOST)
def test_a_change_of_which_nothing_can_be_seen_is_unknown(what: str, scene: Scene) -> None:
    line, operation = LOST[what]
    words = prepared(scene, line)
    scene.sandbox.fault(None, operation, faults.Status(503), times=None)
    _, said = scene.ended(scene.command(*words), 3)
    assert "cannot be told" in said and "hint: look " in said and not changed(scene, operation), said
    scene.sandbox.faults.clear()
    if "cancel" in line:
        words = ["certificate", "cancel", OLD]
    scene.ended(scene.command(*words), 0)
    assert changed(scene, operation)


def test_a_change_that_arrived_before_the_network_went_is_unknown(scene: Scene) -> None:
    put = scene.sandbox.fault("keyvault", POLICY, faults.ResetAfter())
    scene.sandbox.fault("keyvault", "connect", faults.Refuse(), times=None, when=lambda _: put.fired)
    _, said = scene.ended(scene.command("certificate", "policy", OLD, "--validity-months=6"), 3)
    assert "whether the policy of orders-tls was changed cannot be told" in said and changed(scene, POLICY)


def test_what_is_issued_before_it_could_be_cancelled_is_said(scene: Scene) -> None:
    words = prepared(scene, f"cancel {OLD}")
    put = scene.sandbox.fault("keyvault", PENDING, faults.Pause())
    process = scene.command(*words, **PATIENT)
    assert put.reached.wait(patience.seconds(20))
    scene.sandbox.clock.advance(601)
    put.release.set()
    said = scene.ended(process, 1)[1]
    assert "was made before it could be cancelled" in said and len(scene.listed("orders-tls")) == 2


def test_a_script_that_fails_after_the_policy_was_changed_has_not_left_all_as_before(scene: Scene) -> None:
    scene.sandbox.fault("keyvault", "create_certificate", faults.Status(403), times=None)
    renew = ("certificate", "renew", OLD, "--script=scripts/azure_key_vault_certificate.py", "--validity-months=24")
    said = scene.said(*renew, code=2)
    assert "the policy of orders-tls says 24 months now, and no version was published" in said
    assert "exit 1: failed" in scene.said(*renew, code=1), "this time nothing was changed"


def test_what_is_merged_and_cannot_be_shown_is_incomplete(scene: Scene) -> None:
    words = prepared(scene, LOST["a merge"][0])
    scene.sandbox.fault("keyvault", "get_certificate", faults.Status(503), times=None)
    said = scene.ended(scene.command(*words), 2)[1]
    assert "the chain is merged, as version" in said and "do not merge again" in said
    assert len(scene.listed("new-tls")) == 1


@pytest.mark.parametrize("kind, code", [(faults.Status(403), 2), (faults.Status(503), 3)], ids=repr)
def test_a_deletion_that_breaks_says_what_is_gone(kind: faults.Kind, code: int, scene: Scene) -> None:
    second = scene.sandbox.keeper.add_record(
        "second", "pamUser", [make_field("login", "second")], [make_field("text", OLD, "certificate_id")]
    )
    scene.sandbox.fault("keeper", "delete_secret", kind, nth=2, times=None)
    said = scene.said("certificate", "delete", OLD, "--from-keeper", "--yes", code=code)
    (left,) = {scene.at.record_uid, second} & set(scene.sandbox.keeper.vault.records)
    (gone,) = {scene.at.record_uid, second} - {left}
    assert f"record {left}: " in said and f"deleted before that: {gone}" in said
    assert len(scene.listed("orders-tls")) == 1


@pytest.mark.parametrize("command", ["certificate", "tls-secret"])
def test_a_record_that_is_edited_after_it_was_checked_is_not_deleted(command: str, scene: Scene) -> None:
    uid = scene.at.record_uid
    if command == "tls-secret":
        scene.sandbox.keeper.edit(uid, "certificate_id", "")
        scene.sandbox.keeper.edit(uid, "tls_secret_id", f"{scene.vault.url}/secrets/api")
    put = scene.sandbox.fault("keeper", "get_secret", faults.Pause(), nth=2)
    process = scene.command(command, "delete", f"--record={uid}", "--from-keeper", "--yes", **PATIENT)
    assert put.reached.wait(patience.seconds(20))
    scene.sandbox.keeper.edit(uid, "application_object_id", "11111111-2222-3333-4444-555555555555")
    put.release.set()
    _, said = scene.ended(process, 1)
    assert f"record {uid} was edited meanwhile; nothing was deleted" in said and not scene.written()


# What is typed at the question after a while; the exit code, what is said, and whether the record is there still.
ANSWERS = {
    "y after the deadline": (b"y\n", 0, "Key Vault keeps the certificates", False),
    "n": (b"n\n", 1, "nothing was deleted: that was not agreed to", True),
    "Ctrl-C": (b"\x03", 1, "error: interrupted: nothing was changed", True),
    "Ctrl-D": (b"\x04", 1, "error: interrupted: nothing was changed", True),
}


@pytest.mark.parametrize("what", ANSWERS)
def test_the_time_in_which_a_person_is_asked_does_not_count_and_holds_no_lock(what: str, scene: Scene) -> None:
    typed, code, message, stays = ANSWERS[what]
    uid, (ours, terminal) = scene.at.record_uid, pty.openpty()
    line = f'exec {sys.executable} -m gateway certificate delete --record={uid} --from-keeper < "$0"'
    process = subprocess.Popen(
        ["setsid", "-c", "sh", "-c", line, os.ttyname(terminal)], cwd=ROOT, stdin=terminal,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=scene.variables | {"ROTATION_DEADLINE_SECONDS": "5"},
    )  # fmt: skip
    asked = b""
    while b"Delete 1 record from Keeper? [y/N]" not in asked and process.stderr:
        asked += process.stderr.read(1)
    assert RecordLock(scene.variables["ROTATION_LOCK_DIR"], uid)
    scene.sandbox.latency = 0.15
    time.sleep(5.5 if stays is False else 0)
    os.write(ours, typed)
    said = (asked + process.communicate(timeout=patience.seconds(20))[1]).decode()
    assert process.returncode == code and message in said, (process.returncode, said)
    assert (uid in scene.sandbox.keeper.vault.records) == stays


# Into the record


@pytest.mark.parametrize(
    "kind", [faults.Status(403), faults.ResetAfter(), faults.KillBefore(), faults.KillAfter()], ids=repr
)
@pytest.mark.parametrize("operation", ["add_file", "update_secret"])
def test_the_record_and_its_attachment_belong_together_whatever_breaks(
    operation: str, kind: faults.Kind, scene: Scene
) -> None:
    scene.publish_first()
    scene.sandbox.keeper.edit(scene.at.record_uid, "export", "pfx")
    scene.sandbox.keyvault.add_certificate(scene.vault, "orders-tls")
    put = scene.sandbox.fault("keeper", operation, kind)
    scene.command("certificate", "obtain", OLD, f"--record={scene.at.record_uid}").communicate(
        timeout=patience.seconds(20)
    )
    assert put.fired and not scene.wrong(complete=False)
    scene.sandbox.faults.clear()
    scene.said("certificate", "obtain", OLD, f"--record={scene.at.record_uid}")
    assert not scene.wrong() and scene.value("certificate_version") == scene.listed("orders-tls")[-1]


# An upload that breaks, and a save that does; with what is asked for.
HALF = {
    "the content": ("upload", []),
    "the content as PEM": ("upload", ["--form=pem"]),
    "the content of the history": ("upload", ["--history"]),
    "the file": ("add_file", []),
    "the save": ("update_secret", ["--form=pem"]),
}


@pytest.mark.parametrize("shown", [False, True], ids=["an empty record", "a record with a file"])
@pytest.mark.parametrize("what", HALF)
def test_what_cannot_be_attached_leaves_the_record_as_it_was(what: str, shown: bool, scene: Scene) -> None:
    operation, more = HALF[what]
    if shown:
        scene.publish_first()
        scene.sandbox.keeper.edit(scene.at.record_uid, "export", "pfx")
    before, files = fields(scene), scene.files()
    obtain = ("certificate", "obtain", OLD, f"--record={scene.at.record_uid}", *more)
    broken = faults.Status(403 if operation == "update_secret" else 503)
    put = scene.sandbox.fault(None, operation, broken, times=1 if operation == "update_secret" else None)
    scene.said(*obtain, code=1)
    assert put.fired and fields(scene) == before and scene.files() == files
    scene.sandbox.faults.clear()
    scene.said(*obtain)
    assert more == ["--history"] or not scene.wrong()


@pytest.mark.parametrize("more", [[], ["--history"]], ids=["current", "history"])
def test_a_file_without_content_that_stays_is_said_and_goes_later(more: list[str], scene: Scene) -> None:
    scene.sandbox.fault(None, "upload", faults.Status(503), times=None)
    scene.sandbox.fault("keeper", "update_secret", faults.Status(503), times=None)
    obtain = ("certificate", "obtain", OLD, f"--record={scene.at.record_uid}", *more)
    said = scene.said(*obtain, code=2)
    assert "may be there without content" in said and not scene.value("export") and len(scene.files()) == 1
    scene.sandbox.faults.clear()
    scene.said(*obtain)
    assert len(scene.files()) == 1 and all(scene.files().values()) and (more or not scene.wrong())


HELD = (
    f"obtain {OLD} --record=UID", f"obtain {OLD} --history --record=UID", f"renew {OLD} --record=UID",
    f"delete {OLD} --from-keeper --yes",
)  # fmt: skip


@pytest.mark.parametrize("line", HELD)
def test_a_record_that_a_run_is_at_work_on_is_left_alone(line: str, scene: Scene) -> None:
    lock = RecordLock(scene.variables["ROTATION_LOCK_DIR"], scene.at.record_uid)
    said = scene.said("certificate", *line.replace("UID", scene.at.record_uid).split(), code=1)
    assert f"another run is at work on record {scene.at.record_uid}" in said and not scene.written() and lock


def test_a_run_may_work_on_the_record_while_an_issuer_takes_its_time(scene: Scene) -> None:
    scene.sandbox.keyvault.issue_seconds = 3600
    put = scene.sandbox.fault("keyvault", OPERATION, faults.Pause(), nth=2)
    process = scene.command("certificate", "renew", OLD, f"--record={scene.at.record_uid}", **PATIENT)
    assert put.reached.wait(patience.seconds(20))
    lock: RecordLock | None = RecordLock(scene.variables["ROTATION_LOCK_DIR"], scene.at.record_uid)
    scene.sandbox.clock.advance(3601)
    put.release.set()
    _, said = scene.ended(process, 2)
    assert lock and "not done: the Keeper record: another run is at work on record" in said and "do not ask" in said
    assert len(scene.listed("orders-tls")) == 2


def test_a_file_of_a_run_of_another_host_is_not_tidied_away(scene: Scene) -> None:
    """It has attached the new version, and is about to name it, when the command saves the one that is there."""
    scene.publish_first()
    scene.sandbox.keeper.edit(scene.at.record_uid, "export", "pfx")
    upload = scene.sandbox.fault(None, "upload", faults.Pause())
    obtain = scene.command("certificate", "obtain", OLD, f"--record={scene.at.record_uid}", **PATIENT)
    assert upload.reached.wait(patience.seconds(20))
    save = scene.sandbox.fault("keeper", "update_secret", faults.Pause(), nth=2)  # the first one is its note
    run = scene.start(scene.line(dueNow=True), ROTATION_LOCK_DIR=str(scene.home / "another-host"), **PATIENT)
    assert save.reached.wait(patience.seconds(20))
    upload.release.set()
    _, said = scene.ended(obtain, 0)
    assert "older attachments stay: a run of another host is at work on the record" in said
    save.release.set()
    outcome = scene.finish(run, 40)
    assert (outcome.code, outcome.result) == (0, "rotated") and not scene.wrong(), outcome


def test_a_file_that_somebody_removes_before_it_is_named_is_attached_anew(scene: Scene) -> None:
    put = scene.sandbox.fault("keeper", "update_secret", faults.Pause())
    obtain = ("certificate", "obtain", OLD, f"--record={scene.at.record_uid}")
    process = scene.command(*obtain, **PATIENT)
    assert put.reached.wait(patience.seconds(20))
    vault = scene.sandbox.keeper.vault
    record = vault.records[scene.at.record_uid]
    vault.detach(record, list(record.files))
    put.release.set()
    assert "was removed meanwhile" in scene.ended(process, 2)[1] and not scene.files()
    scene.said(*obtain)
    assert not scene.wrong()


# Files


@pytest.mark.parametrize("refused, code, left", [(None, 1, 0), (1, 2, 1)])
def test_a_history_of_which_nothing_could_be_obtained_has_failed(
    refused: int | None, code: int, left: int, scene: Scene
) -> None:
    scene.sandbox.keyvault.add_certificate(scene.vault, "orders-tls")
    scene.sandbox.fault("keyvault", "get_secret", faults.Status(403), times=refused)
    folder = scene.out / "history"
    said = scene.said("certificate", "obtain", OLD, "--history", "--form=pem", f"--out={folder}", code=code)
    assert "of 2 versions could not be obtained" in said and len(list(folder.glob("*"))) == left

"""``keeper-rotation run-due``: what is due is run, each in a process of its own, and none touches another."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from gateway.__main__ import cli
from gateway.commands.run_due import forked
from gateway.commands.run_due.job import Job
from gateway.commands.run_due.one_run import Ended, ended
from gateway.commands.run_due.summary import Summary
from gateway.host.settings import read_settings
from gateway.kinds.registry import APP_SECRET
from sandbox.keeper.vault import make_field
from sandbox.proxy import faults
from tests.stage.command import command
from tests.stage.many import ManyStage, OnlyChild
from tests.stage.rotation import ROOT, Outcome

DRIVER = ROOT / "scripts" / "rotate_due.py"


@pytest.fixture
def many() -> Iterator[ManyStage]:
    """Three apps that are due, and one that is not."""
    with ManyStage() as made:
        assert isinstance(made, ManyStage)
        yield made


@pytest.fixture
def make_many() -> Iterator[Callable[..., ManyStage]]:
    """Stages with other furniture."""
    made: list[ManyStage] = []

    def make(*args: Any, **furnish: Any) -> ManyStage:
        made.append(ManyStage(*args, **furnish))
        return made[-1]

    yield make
    for stage in made:
        stage.sandbox.close()


# Which


def test_what_is_due_is_rotated_and_then_left_alone(many: ManyStage) -> None:
    first = many.due()
    assert (first.code, many.results(first)) == (0, {"not_due": 1, "rotated": 3}), first
    assert all(map(many.works, many.apps))
    assert "4 runs: 3 rotated, 1 not_due; 0 records with nothing to do" in first.stderr
    many.sandbox.forget()
    second = many.due()
    assert (second.code, second.report) == (0, {}) and "4 records with nothing to do" in second.stderr, second
    assert many.sandbox.operations() == ["keeper.get_secret"], "one reading says so"


def test_what_is_not_due_is_looked_at_again_after_a_day(many: ManyStage) -> None:
    assert many.due().code == 0
    assert many.results(many.due("--all", "--verify-after=0")) == {"not_due": 4}
    path = many.home / "locks" / "history.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    old = {line["record"]: line for line in lines}
    yesterday = [{**line, "time": line["time"].replace("2026-", "2025-")} for line in old.values()]
    path.write_text("".join(json.dumps(line) + "\n" for line in yesterday))
    assert many.results(many.due()) == {"not_due": 4}


def test_what_failed_is_run_again_and_so_is_all_where_no_history_is_kept(many: ManyStage) -> None:
    uid = next(iter(many.apps))
    many.sandbox.fault("graph", "add_password", faults.Status(403), times=None, when=many.only(uid))
    failed = many.due()
    assert (failed.code, many.results(failed)) == (1, {"failed": 1, "not_due": 1, "rotated": 2}), failed
    many.sandbox.faults.clear()
    again = many.due()
    assert (again.code, list(again.report)) == (0, [uid]), again
    assert many.results(many.due(ROTATION_HISTORY="")) == {"not_due": 4}


def test_what_is_asked_for_is_run_and_what_is_switched_off_is_not_rotated(many: ManyStage) -> None:
    assert many.due().code == 0
    asked, off = list(many.apps)[:2]
    many.sandbox.keeper.edit(asked, "rotate_now", "True")
    many.sandbox.keeper.edit(off, "rotation_enabled", "False")
    outcome = many.due("--all", "--verify-after=0")
    assert outcome.report[asked]["why"] == ["asked for"] and outcome.report[off]["result"] == "disabled", outcome
    assert many.results(outcome) == {"disabled": 1, "not_due": 2, "rotated": 1}


def test_only_the_records_of_the_folder_are_run(many: ManyStage) -> None:
    inside, *_ = many.apps
    folder = many.sandbox.keeper.vault.add_folder("Shops")
    many.sandbox.keeper.vault.records[inside].folder_uid = folder
    for given in ("Shops", folder):
        many.sandbox.keeper.edit(inside, "rotate_now", "True")
        outcome = many.due(f"--folder={given}")
        assert (outcome.code, list(outcome.report)) == (0, [inside]), outcome
    assert many.due("--folder=Nowhere").code == 1


def test_passwords_that_keeper_rotates_and_what_is_only_shown_are_not_run(many: ManyStage) -> None:
    add = many.sandbox.keeper.add_record
    add("password", "pamUser", [make_field("login", "x")], [make_field("text", "keeper:x#y", "deliver_to")])
    add("tls", "login", [], [make_field("text", "https://shop.vault.azure.net/secrets/web", "tls_secret_id")])
    assert len(many.due().report) == 4


@pytest.mark.parametrize("arguments", [(), ("--all", "--folder=x"), ("--all", "--at-once=0"), ("--all", "--attach=x")])
def test_what_cannot_be_meant_is_refused_before_anything_is_run(arguments: tuple[str, ...], many: ManyStage) -> None:
    process = command(many, "run-due", *arguments)
    assert process.returncode == 1 and not process.stdout and process.stderr, process
    assert "graph.add_password" not in many.sandbox.operations()


# Exit codes


def test_the_worst_code_is_the_commands(many: ManyStage) -> None:
    first, second, _ = many.apps
    address = many.deliver("secret_address").secret_address
    many.sandbox.keeper.edit(many.at.record_uid, "deliver_to", "")
    many.sandbox.keeper.edit(first, "deliver_to", address)
    many.sandbox.fault("keyvault", "set_secret", faults.Status(403), times=None)
    incomplete = many.due()
    assert (incomplete.code, incomplete.report[first]["exit_code"]) == (2, 2), incomplete
    many.sandbox.keeper.edit(second, "rotate_now", "True")
    many.sandbox.fault("graph", "add_password", faults.Status(403), times=None, when=many.only(second))
    failed = many.due()
    codes = {uid: run["exit_code"] for uid, run in failed.report.items()}
    assert (failed.code, codes) == (1, {first: 2, second: 1}), failed


CODES = [((0, 0), 0), ((0, 2), 2), ((2, 1), 1), ((1, 3, 2), 3), ((3, 0), 3), ((), 0), ((0, 77), 3)]


@pytest.mark.parametrize(("codes", "worst"), CODES)
def test_three_comes_before_one_before_two(codes: tuple[int, ...], worst: int, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = Summary(read_settings({}), [job(str(code)) for code in codes], 0, lambda each: None)
    monkeypatch.setattr(forked, "work", lambda job, settings: _say(int(job.uid)))
    outcome = runs.run(8)
    assert (outcome.exit_code if outcome else 0) == worst


def _say(code: int) -> int:
    os.write(1, json.dumps({"result": "x", "error": ""}).encode())
    return code


# One touches no other


def test_one_that_hangs_ends_at_its_deadline_and_the_others_before(many: ManyStage) -> None:
    uid, *others = many.apps
    many.sandbox.fault("graph", "get_application", faults.Hang(), times=None, when=many.only(uid))
    began = time.monotonic()
    outcome = many.due(ROTATION_DEADLINE_SECONDS="5", ROTATION_REQUEST_TIMEOUT_SECONDS="60")
    assert outcome.code == 1 and outcome.report[uid]["exit_code"] == 1, outcome
    assert all(map(many.works, others)) and list(outcome.report)[-1] == uid
    assert time.monotonic() - began < 30


@pytest.mark.parametrize("operation", ["add_password", "get_application"])
def test_one_that_is_killed_is_unknown_and_the_next_call_repairs_it(operation: str, many: ManyStage) -> None:
    uid, *others = many.apps
    kill = many.sandbox.fault("graph", operation, faults.KillAfter(), when=many.only(uid))
    process = many.begin_due("--all", "--at-once=1")
    many.sandbox.victim = OnlyChild(process)
    outcome = many.end_of(process)
    assert kill.fired and outcome.code == 3 and outcome.report[uid]["result"] == "unknown", outcome
    assert "by signal 9" in outcome.report[uid]["error"] and all(map(many.works, others))
    history = (many.home / "locks" / "history.jsonl").read_text().splitlines()
    assert outcome.report[uid] in [json.loads(line) for line in history]
    again = many.due()
    assert (again.code, list(again.report)) == (0, [uid]), again
    assert many.works(uid)


def test_told_to_stop_it_begins_no_other_and_says_so(make_many: Callable[..., ManyStage]) -> None:
    many = make_many(4)
    held = many.sandbox.fault("graph", "add_password", faults.Pause())
    process = many.begin_due("--all", "--at-once=1")
    assert held.reached.wait(20)
    process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    held.release.set()
    outcome = many.end_of(process)
    assert outcome.code == 1 and "not started" in outcome.stderr and len(outcome.report) <= 2, outcome
    assert many.due().code == 0 and all(map(many.works, many.apps))


def test_ctrl_c_of_a_terminal_reaches_the_runs_through_their_parent_only(many: ManyStage) -> None:
    held = many.sandbox.fault("graph", "add_password", faults.Pause())
    process = many.begin_due("--all", "--at-once=1")
    assert held.reached.wait(20)
    from tests.stage.many import children

    (child,) = children(process.pid)
    assert os.getsid(child) == child != os.getsid(process.pid)
    held.release.set()
    assert many.end_of(process).code == 0


def test_where_the_command_itself_is_killed_the_runs_end_as_ever(many: ManyStage) -> None:
    held = many.sandbox.fault("graph", "add_password", faults.Pause())
    process = many.begin_due("--all", "--at-once=1")
    assert held.reached.wait(20)
    process.kill()
    process.communicate()
    held.release.set()
    history = many.home / "locks" / "history.jsonl"
    for _ in range(200):
        runs = [json.loads(line) for line in history.read_text().splitlines()] if history.exists() else []
        if done := [run for run in runs if run["result"] == "rotated"]:
            break
        time.sleep(0.05)
    assert done[0]["exit_code"] == 0 and many.works(done[0]["record"])
    again = many.due()
    assert again.code == 0 and done[0]["record"] not in again.report and all(map(many.works, many.apps)), again


def test_two_hosts_side_by_side(many: ManyStage) -> None:
    (other := many.home / "other").mkdir()
    hosts = [many.begin_due(), many.begin_due(ROTATION_LOCK_DIR=str(other / "locks"))]
    for process in hosts:
        assert many.end_of(process).code in (0, 1, 2)
    assert many.due("--all", "--verify-after=0").code in (0, 2)
    for uid in many.apps:
        record = many.sandbox.keeper.record(uid)
        client_id = many.sandbox.graph.application(many.apps[uid]).client_id
        assert many.sandbox.entra.secret_works(client_id, str(record.value("client_secret")))


# With forks of this process


def job(uid: str, *, goes_last: bool = False) -> Job:
    """A run of nothing."""
    return Job(uid, f"title {uid}", APP_SECRET, (), "", goes_last)


def forks(*jobs: Job, at_once: int = 8, longest: float = 20.0) -> list[Ended]:
    """Run them here."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        return list(forked.Forks(read_settings({}), at_once, longest, lambda *_: None).run(jobs))
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@pytest.fixture(autouse=True)
def history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of this process."""
    monkeypatch.setenv("ROTATION_HISTORY", str(tmp_path / "history"))
    return tmp_path / "history"


def _stop(job: Job, settings: Any) -> int:
    os.kill(os.getpid(), signal.SIGSTOP)
    return 0


def _flood(job: Job, settings: Any) -> int:
    os.write(2, b"x" * 3_000_000)
    return _say(0)


def _leave_somebody(job: Job, settings: Any) -> int:
    subprocess.Popen(["sleep", "30"])
    return _say(0)


def _raise(job: Job, settings: Any) -> int:
    raise ValueError("a secret")


def _exit(job: Job, settings: Any) -> int:
    sys.exit(0)


WORK: dict[str, tuple[Callable[[Job, Any], int], float, int, str]] = {
    "one that does not even react to its own alarm": (_stop, 1.0, 3, "by signal 9"),
    "one that says a lot": (_flood, 20.0, 0, ""),
    "one that leaves a process with its output behind": (_leave_somebody, 20.0, 0, ""),
    "one that breaks": (_raise, 20.0, 3, "with exit 3"),
    "one that leaves": (_exit, 20.0, 3, "with exit 3"),
}


@pytest.mark.parametrize("what", WORK)
def test_it_outlasts(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    work, longest, code, error = WORK[what]
    monkeypatch.setattr(forked, "work", work)
    began = time.monotonic()
    (ended,) = forks(job("A"), longest=longest)
    assert ended.code == code and error in ended.report["error"] and time.monotonic() - began < 15
    assert "a secret" not in ended.said


def test_so_many_run_at_once_and_the_last_ones_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "log"

    def work(job: Job, settings: Any) -> int:
        for word in ("begin", "end"):
            with log.open("a") as file:
                file.write(f"{word} {job.uid}\n")
            time.sleep(0.1)
        return _say(0)

    monkeypatch.setattr(forked, "work", work)
    jobs = [*map(job, "ABCDE"), job("X", goes_last=True), job("Y", goes_last=True)]
    assert {each.job.uid for each in forks(*jobs, at_once=3)} == set("ABCDEXY")
    lines, running, most = log.read_text().splitlines(), 0, 0
    for line in lines:
        running += 1 if line.startswith("begin") else -1
        most = max(most, running)
    assert 1 < most <= 3 and lines[-4:] == ["begin X", "end X", "begin Y", "end Y"]


def test_no_file_of_the_parent_is_open_in_a_child(monkeypatch: pytest.MonkeyPatch) -> None:
    def work(job: Job, settings: Any) -> int:
        seen = [int(name) for name in os.listdir("/proc/self/fd")]
        os.write(1, json.dumps({"result": str([each for each in seen if each > 3]), "error": ""}).encode())
        return 0

    monkeypatch.setattr(forked, "work", work)
    assert [each.report["result"] for each in forks(job("A"), job("B"))] == ["[]", "[]"]


# The admin credential


def test_what_is_attached_in_the_vault_or_by_option_signs_in(make_many: Callable[..., ManyStage]) -> None:
    many = make_many(2, config_has_secret=False)
    own, other = many.apps
    second = many.sandbox.keeper.add_record("another admin", "login", [], [
        make_field("text", "c", "application_client_id"), make_field("secret", "s" * 9, "client_secret"),
        make_field("text", many.at.tenant_id, "tenant_id"),
    ])  # fmt: skip
    value = [{"fileRef": "F" * 22, "recordRef": [many.at.admin_record_uid], "command": "python3"}]
    script = {"type": "script", "label": "rotationScripts", "value": value}
    many.sandbox.keeper.vault.records[own].data["fields"].append(script)
    outcome = many.due("--all", f"--attach={second}")
    assert outcome.report[own]["result"] == "rotated" and outcome.report[other]["exit_code"] == 1, outcome
    outcome = many.due("--all", f"--attach={many.at.admin_record_uid}")
    assert outcome.report[other]["result"] == "rotated" and outcome.code == 0, outcome


def test_the_only_admin_record_is_found_where_no_configuration_has_a_credential(
    make_many: Callable[..., ManyStage],
) -> None:
    many = make_many(1, config_has_secret=False)
    many.sandbox.keeper.vault.records.pop(many.at.config_record_uid)
    outcome = many.due()
    assert (outcome.code, many.results(outcome)) == (0, {"not_due": 1, "rotated": 1}), outcome


def test_of_several_configurations_one_is_named(many: ManyStage) -> None:
    record = many.sandbox.keeper.vault.records[many.at.config_record_uid]
    many.sandbox.keeper.add_record("second", record.data["type"], record.data["fields"], record.data.get("custom", ()))
    many.sandbox.keeper.vault.records.pop(many.at.admin_record_uid)
    without = many.due()
    assert without.code == 1 and "admin credential" in next(iter(without.report.values()))["error"], without
    assert many.due("--all", f"--config={many.at.config_record_uid}").code == 0


def test_an_admin_credential_that_rotates_itself_goes_last(make_many: Callable[..., ManyStage]) -> None:
    many = make_many(2, self_rotation=True)
    many.add_app("zebra")  # by its title it would be the last one
    many.sandbox.keeper.vault.records.pop(many.at.config_record_uid)
    own = many.at.record_uid
    many.sandbox.keeper.edit(own, "rotate_before_hours", "")
    value = [{"fileRef": "F" * 22, "recordRef": [own], "command": "python3"}]
    script = {"type": "script", "label": "rotationScripts", "value": value}
    for record in many.sandbox.keeper.vault.records.values():
        record.data["fields"].append(script)
    outcome = many.due("--all", "--at-once=1")
    assert (outcome.code, list(outcome.report)[-1]) == (0, own), outcome
    assert many.results(outcome) == {"rotated": 4} and many.published_works()
    assert many.due("--all", "--verify-after=0").code == 0, "the next runs sign in with the new one"


# What is seen of it


def test_people_see_a_line_for_each_and_errors_with_hints(many: ManyStage) -> None:
    many.add_app("evil \x1b[2J")
    many.sandbox.fault("graph", "add_password", faults.Status(403), times=None, when=many.only(next(iter(many.apps))))
    process = command(many, "run-due", "--all")
    assert process.returncode == 1 and len(process.stdout.splitlines()) == 5, process
    assert "0  rotated     Azure app secret - app 1  placeholder" in process.stdout
    assert "error: Azure app secret - app 0 (" in process.stderr and "hint: " in process.stderr
    assert "exit 1: failed" in process.stderr and "\x1b" not in process.stdout + process.stderr


def test_where_a_system_cannot_fork_each_is_a_new_process(many: ManyStage, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in many.variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delattr(os, "fork")
    result = CliRunner().invoke(cli, ["run-due", "--all", "--json"])
    runs = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.exit_code == 0 and sorted(run["result"] for run in runs) == ["not_due", *["rotated"] * 3], result
    assert all(map(many.works, many.apps))


# As a script


@pytest.fixture
def driven(many: ManyStage) -> ManyStage:
    """The script is attached to a record of its own, in the folder of the others."""
    uid = many.sandbox.keeper.add_record("driver", "pamUser", [make_field("login", "x"), make_field("password", "x")])
    many.at = dataclasses.replace(many.at, record_uid=uid)
    return many


def drive(stage: ManyStage, **options: Any) -> Outcome:
    """One run of it; stdout is one line."""
    outcome = stage.run(script=DRIVER, **options)
    assert len(outcome.stdout.splitlines()) == 1 and not stage.leaks([outcome])
    return outcome


@pytest.mark.parametrize("new", [False, True])
def test_the_schedule_of_one_record_drives_its_folder(new: bool, driven: ManyStage) -> None:
    elsewhere = driven.add_app("elsewhere")
    driven.sandbox.keeper.vault.records[elsewhere].folder_uid = driven.sandbox.keeper.vault.add_folder("Other")
    first = drive(driven, new=new)
    assert (first.code, first.result, first.report["title"]) == (0, "rotated", "driver"), first
    assert [driven.works(uid) for uid in driven.apps] == [True, True, True, False]
    second = drive(driven, new=new)
    assert (second.code, second.result) == (0, "not_due") and "4 records with nothing to do" in second.stderr, second


def test_it_says_which_record_failed(driven: ManyStage) -> None:
    uid = next(iter(driven.apps))
    driven.sandbox.fault("graph", "add_password", faults.Status(403), times=None, when=driven.only(uid))
    outcome = drive(driven)
    assert (outcome.code, outcome.result) == (1, "failed") and uid in outcome.report["error"], outcome
    assert "keeper-rotation history" in outcome.report["hint"]
    history = [json.loads(line) for line in (driven.home / "locks" / "history.jsonl").read_text().splitlines()]
    assert len(history) == 5 and history[-1] == outcome.report


def test_switched_off_it_runs_nothing(driven: ManyStage) -> None:
    driven.sandbox.keeper.edit(driven.at.record_uid, "rotation_enabled", "False")
    assert drive(driven).result == "disabled"
    assert "graph.add_password" not in driven.sandbox.operations()


def test_it_signs_in_with_what_is_attached_to_it(make_many: Callable[..., ManyStage]) -> None:
    many = make_many(1, config_has_secret=False)
    uid = many.sandbox.keeper.add_record("driver", "pamUser", [make_field("login", "x"), make_field("password", "x")])
    many.at = dataclasses.replace(many.at, record_uid=uid)
    decoy = many.sandbox.keeper.add_record("decoy", "login", [], [make_field("text", "c", "application_client_id")])
    assert decoy and drive(many).result == "rotated"


def test_a_line_that_is_none_is_refused(driven: ManyStage) -> None:
    outcome = drive(driven, line=b"nonsense\n")
    assert (outcome.code, outcome.result) == (1, "failed") and "stdin" in outcome.report["error"]


@pytest.mark.parametrize("number, said, code", [(15, b"", 1), (15, b"info: saved", 3), (9, b"", 3), (14, b"", 3)])
def test_one_that_a_signal_has_ended_is_called_unchanged_only_where_it_had_not_begun(
    number: int, said: bytes, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROTATION_HISTORY", "")
    job = Job("A" * 22, "one", APP_SECRET, (), "", False)
    assert ended(job, -number, b"", said, told=True).code == code


def test_where_the_host_has_no_room_for_a_process_the_others_go_on(
    many: ManyStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROTATION_HISTORY", "")
    real, calls = os.fork, []

    def fork() -> int:
        calls.append(1)
        if len(calls) == 1:
            raise BlockingIOError(11, "Resource temporarily unavailable")
        return real()

    monkeypatch.setattr(os, "fork", fork)
    monkeypatch.setattr(forked, "work", lambda job, settings: 0)
    monkeypatch.setattr(forked, "warm_up", lambda jobs: None)
    jobs = [Job(letter * 22, letter, APP_SECRET, (), "", False) for letter in "AB"]
    runs = forked.Forks(read_settings({}), 2, 20.0, lambda *_: None)
    found = list(runs.run(jobs))
    assert [each.job.title for each in found] == ["A", "B"]
    assert "no process for the run" in str(found[0].report["error"]) and found[0].code == 1


def test_a_record_that_only_looks_like_a_credential_does_not_count(many: ManyStage) -> None:
    note = many.sandbox.keeper.add_record("a note", "login", [], [make_field("text", "x", "application_client_id")])
    assert note
    assert many.due().code == 0

"""``keeper-rotation run``: the same as the Gateway does, and what a person sees of it."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import pytest
from click.testing import CliRunner

from gateway.__main__ import cli
from gateway.commands.shared.output import show_table
from gateway.host.settings import SETTINGS
from sandbox.proxy import faults
from tests.stage import patience
from tests.stage.command import command
from tests.stage.rotation import ROOT, SCRIPT, Stage


@pytest.mark.parametrize("group", ["", "certificate", "discover", "tls-secret"])
def test_help_says_of_each_command_in_a_whole_sentence_what_it_does(
    group: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shown = CliRunner().invoke(cli, [*filter(None, [group]), "--help"], prog_name="keeper-rotation").output
    _, _, commands = shown.partition("Commands:\n")
    assert commands and not [line for line in commands.splitlines() if not line.endswith(".") or "..." in line]


WIDE = [{"name": "orders-tls", "id": "x" * 60, "note": ""}, {"name": "shop", "id": "y", "note": "a copy"}]
LINES = {
    None: ["NAME        ID" + " " * 60 + "NOTE", "orders-tls  " + "x" * 60, "shop        y" + " " * 61 + "a copy"],
    79: ["NAME  orders-tls", "ID    " + "x" * 60, "", "NAME  shop", "ID    y", "NOTE  a copy"],
    80: ["NAME        ID" + " " * 60 + "NOTE", "orders-tls  " + "x" * 60, "shop        y" + " " * 61 + "a copy"],
}


@pytest.mark.parametrize("width", LINES)
def test_a_table_wider_than_the_terminal_is_shown_line_by_line(
    width: int | None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.commands.shared.output.terminal_width", lambda: width)
    show_table(WIDE, {"name": "NAME", "id": "ID", "note": "NOTE"}, as_json=False, none="")
    assert capsys.readouterr().out.splitlines() == LINES[width]


@pytest.mark.parametrize("uid", [None, "-AAAAAAAAAAAAAAAAAAAAA", "--AAAAAAAAAAAAAAAAAAAA"])
def test_it_rotates_a_record(uid: str | None, make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(uid=uid)
    process = command(stage, "run", str(SCRIPT), f"--record={stage.at.record_uid}")
    assert process.returncode == 0, process
    assert stage.published_works()
    assert "exit 0: done" in process.stderr
    assert f"{'key_id':12} {stage.value('client_secret_id')}" in process.stdout


@pytest.mark.parametrize("noop", ["True", "true ", "False", ""])
def test_who_runs_plans_or_checks_a_record_is_warned_where_keeper_may_rotate_it_too(noop: str, stage: Stage) -> None:
    uid = stage.at.record_uid
    stage.sandbox.keeper.edit(uid, "NOOP", noop)
    for arguments in (["plan", uid], ["check", uid], ["run", str(SCRIPT), f"--record={uid}"]):
        process = command(stage, *arguments, "--json")
        assert ("NOOP is not True: the Gateway may" in process.stdout) == (noop[:4].lower() != "true"), process
        assert process.stdout.count("NOOP is not") <= 1 and process.returncode == 0, process
    assert not [each for each in stage.run().report["warnings"] if "NOOP" in each], "by hand only"


def test_the_attached_record_is_the_one_that_signs_in(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(config_has_secret=False)
    arguments = (
        "run",
        str(SCRIPT),
        f"--record={stage.at.record_uid}",
        f"--attach={stage.at.admin_record_uid}",
        "--json",
    )
    process = command(stage, *arguments)
    assert process.returncode == 0, process
    assert json.loads(process.stdout)["result"] == "rotated"


def test_what_is_attached_in_the_vault_is_attached_here(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(config_has_secret=False)
    value = [{"fileRef": "F" * 22, "recordRef": [stage.at.admin_record_uid], "command": "python3"}]
    stage.stored()["fields"].append({"type": "script", "label": "rotationScripts", "value": value})
    assert command(stage, "run", str(SCRIPT), f"--record={stage.at.record_uid}").returncode == 0


def test_the_line_is_the_gateways(stage: Stage) -> None:
    """A script that shows what it was given gets what `Stage.line` gives, which follows Keeper's documentation.

    And one key of ours, by which it knows that somebody is there to read what it says.
    """
    echo = stage.folder / "echo.py"
    echo.write_text("import sys; sys.stdout.write(sys.stdin.read())")
    process = subprocess.run(
        [sys.executable, "-m", "gateway", "run", echo, f"--record={stage.at.record_uid}", "--json",
         f"--attach={stage.at.admin_record_uid}"],
        env=stage.variables, cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    params = json.loads(base64.b64decode(process.stdout))
    records = json.loads(base64.b64decode(params["records"]))
    expected = stage.params()
    assert params["userRecordUid"] == expected["userRecordUid"]
    assert params["providerRecordUid"] == expected["providerRecordUid"]
    assert params.keys() == expected.keys() | {"byHand"} and params["byHand"] is True
    assert records == expected["records"]


def test_now_rotates_what_is_not_due(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(settings={"rotate_before_hours": "1"})
    arguments = ("run", str(SCRIPT), f"--record={stage.at.record_uid}", "--json")
    assert json.loads(command(stage, *arguments).stdout)["result"] == "not_due"
    assert json.loads(command(stage, *arguments, "--now").stdout)["result"] == "rotated"
    assert stage.published_works()


def test_revoke_ends_what_was_published_before_and_says_so_in_the_line(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(old_secrets=1, settings={"rotate_before_hours": "1", "remove_old": "none"})
    process = command(stage, "run", str(SCRIPT), f"--record={stage.at.record_uid}", "--json", "--revoke")
    assert process.returncode == 0 and json.loads(process.stdout)["removed"] == [*stage.at.old_key_ids], process
    assert stage.live() == {stage.value("client_secret_id")} and stage.published_works()


def test_even_where_not_delivered_ends_what_a_destination_holds(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(old_secrets=1, settings={"rotate_before_hours": "1", "remove_old": "none"})
    address = stage.deliver("secret_address").secret_address
    arguments = ("run", str(SCRIPT), f"--record={stage.at.record_uid}", "--revoke")
    assert command(stage, *arguments).returncode == 0
    stage.sandbox.fault("keyvault", "set_secret", faults.Status(403), times=None)
    assert command(stage, *arguments).returncode == 2 and stage.working()[address]
    assert command(stage, *arguments, "--even-where-not-delivered").returncode == 2
    assert stage.live() == {stage.value("client_secret_id")} and stage.published_works()


def test_even_where_not_delivered_goes_with_revoke_only(stage: Stage) -> None:
    live = stage.live()
    more = ("--now", "--even-where-not-delivered")
    process = command(stage, "run", str(SCRIPT), f"--record={stage.at.record_uid}", *more)
    assert (process.returncode, stage.live()) == (1, live) and "--revoke" in process.stderr, process


# The record's settings, further arguments, and why nothing was rotated.
NOT_ROTATED: dict[str, tuple[dict[str, str], tuple[str, ...], str]] = {
    "a secret that is not due": (
        {"rotate_before_hours": "1"}, (),
        "nothing was rotated: the published credential expires in 31 days ({expires}); add --now to rotate it now",
    ),
    "a rotation that is switched off": (
        {"rotation_enabled": "no"}, (), "nothing was done: rotation_enabled is False in the record",
    ),
    "one that is switched off, with --now": (
        {"rotation_enabled": "no"}, ("--now",), "nothing was done: rotation_enabled is False in the record",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", NOT_ROTATED)
@pytest.mark.parametrize("form", [(), ("--json",)], ids=["", "--json"])
def test_a_run_that_rotates_nothing_says_why(
    what: str, form: tuple[str, ...], make_stage: Callable[..., Stage]
) -> None:
    settings, more, why = NOT_ROTATED[what]
    stage = make_stage(settings=settings)
    live = stage.live()
    process = command(stage, "run", str(SCRIPT), f"--record={stage.at.record_uid}", *more, *form)
    assert (process.returncode, stage.live()) == (0, live), process
    assert process.stderr.splitlines()[-1] == "exit 0: " + why.format(expires=stage.value("expires"))


def test_deliveries_that_were_open_are_not_called_a_rotation(stage: Stage) -> None:
    """A line that was added is served with the secret that is there, until somebody asks for a new one."""
    assert stage.run().code == 0
    address, live = stage.deliver("secret_address").secret_address, stage.live()
    process = command(stage, "run", str(SCRIPT), f"--record={stage.at.record_uid}")
    assert (process.returncode, stage.live(), stage.working()[address]) == (0, live, True), process
    why = "open deliveries were completed with the published credential; to rotate, run it again with --now"
    assert process.stderr.splitlines()[-1] == f"exit 0: nothing was rotated: {why}"
    asked = command(stage, "run", str(SCRIPT), f"--record={stage.at.record_uid}", "--now")
    assert (asked.returncode, stage.live() & live, stage.working()[address]) == (0, set(), True), asked


def test_a_rotation_that_another_run_overtook_says_so(stage: Stage) -> None:
    overtaken = stage.folder / "overtaken.py"
    overtaken.write_text("""print('{"result": "superseded"}')""")
    process = command(stage, "run", str(overtaken), f"--record={stage.at.record_uid}")
    assert process.stderr.splitlines()[-1] == "exit 0: another run rotated meanwhile; the record shows its credential"


def test_several_configurations_must_be_told_apart(stage: Stage) -> None:
    second = stage.sandbox.keeper.add_record("second", "pamAzureConfiguration")
    process = command(stage, "run", str(SCRIPT), f"--record={stage.at.record_uid}")
    assert process.returncode == 1
    assert "--config=UID" in process.stderr and second in process.stderr
    chosen = f"--config={stage.at.config_record_uid}"
    assert command(stage, "run", str(SCRIPT), f"--record={stage.at.record_uid}", chosen).returncode == 0


BAD = {
    "no record": (["run", str(SCRIPT)], "Missing option '--record'"),
    "no script": (["run", "nothing.py", "--record=x"], "give the path of a file, or one of azure_app_secret, "),
    "no such command": (["rotate"], "No such command"),
    "unknown record": (["run", str(SCRIPT), "--record=AAAAAAAAAAAAAAAAAAAAAA"], "cannot be read"),
}


@pytest.mark.parametrize("what", BAD)
def test_usage(what: str, stage: Stage) -> None:
    arguments, message = BAD[what]
    process = command(stage, *arguments)
    assert process.returncode == 1
    assert message in process.stderr


# What nobody handled: the error, the exit code, and what is said.
UNHANDLED = {
    "a change in Key Vault": ("Unclear('Key Vault x', 'HTTP 503', may_have_changed=True)", 3, "Key Vault x: HTTP 503"),
    "a change in Keeper": (
        "Unclear('Keeper create_secret', 'HTTP 503', may_have_changed=True)",
        3,
        "Keeper create_secret: HTTP 503",
    ),
    "a read": ("Unclear('Keeper get_secret', 'HTTP 503')", 1, "Keeper get_secret: HTTP 503"),
    "a change that was refused": ("Refused('Key Vault x', 403)", 1, "Key Vault x: HTTP 403"),
    "a change that was not sent": ("NotSent('Keeper create_secret', 'no connection')", 1, "no connection"),
    "what nobody foresaw": ("ValueError('quoted-secret')", 3, "unforeseen ValueError"),
}
PLANTED = """
import click
from gateway.__main__ import cli, main
from gateway.errors import NotSent, Refused, Unclear
@cli.command()
def planted():
    raise {}
main()
"""


@pytest.mark.parametrize("what", UNHANDLED)
def test_an_error_that_no_command_handles(what: str) -> None:
    error, code, message = UNHANDLED[what]
    process = subprocess.run(
        [sys.executable, "-c", PLANTED.format(error), "planted"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert process.returncode == code and f"{message}" in process.stderr and "hint: " in process.stderr, process
    assert process.stderr.count("error: ") == 1 and "Traceback" not in process.stderr and not process.stdout
    assert "quoted-secret" not in process.stderr


def test_where_something_unforeseen_happened_is_shown_when_asked_for() -> None:
    process = subprocess.run(
        [sys.executable, "-c", PLANTED.format("ValueError('why')"), "planted"],
        cwd=ROOT, capture_output=True, text=True, check=False, env={**os.environ, "ROTATION_TRACEBACK": "1"},
    )  # fmt: skip
    assert process.returncode == 3 and "Traceback" in process.stderr and "why" in process.stderr


def test_the_failure_of_a_script_is_handed_on(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(editable=False)
    process = command(stage, "run", str(SCRIPT), f"--record={stage.at.record_uid}")
    assert process.returncode == 1
    assert "error: record" in process.stderr and "hint: give the application" in process.stderr
    assert "exit 1: failed" in process.stderr


# Where a signal finds the script (the request, and its fault), how often it comes, whether the shell had it ignored
# (`command &`); the exit code, and what is said. A terminal sends SIGINT to a whole group, `kill` to the command.
STOP = "the run was stopped"
INTERRUPTED: dict[str, tuple[str, faults.Kind, int, bool, int, str]] = {
    "before anything is made": ("get_application", faults.PauseAfter(), 1, False, 1, STOP),
    "while the secret is made": ("add_password", faults.PauseAfter(), 1, False, 1, STOP),
    "and once more": ("add_password", faults.PauseAfter(), 2, False, 3, "error: interrupted"),
    "in the background": ("add_password", faults.PauseAfter(), 1, True, 0, "exit 0: done"),
}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("when", INTERRUPTED)
def test_a_signal_ends_with_what_the_script_says(when: str, number: int, stage: Stage) -> None:
    operation, kind, times, ignored, code, said = INTERRUPTED[when]
    before, fault = stage.live(), stage.sandbox.fault("graph", operation, kind)
    process = subprocess.Popen(
        ["/bin/sh", "-c", ("trap '' INT TERM; " if ignored else "") + 'exec "$@"', "sh",
         sys.executable, "-m", "gateway", "run", str(SCRIPT), f"--record={stage.at.record_uid}"],
        env=stage.variables | {"ROTATION_REQUEST_TIMEOUT_SECONDS": "10", "ROTATION_DEADLINE_SECONDS": "30"}, cwd=ROOT,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    assert fault.reached.wait(patience.seconds(10))
    for _ in range(times):
        os.killpg(process.pid, number) if number == signal.SIGINT else process.send_signal(number)
        time.sleep(0.3)  # two that come at once are one
    if times == 1:
        fault.release.set()
    stdout, stderr = process.communicate(timeout=patience.seconds(20))
    fault.release.set()
    assert process.returncode == code, (process.returncode, stdout, stderr)
    assert f"exit {code}: " in stderr and "result " in stdout and said in stderr and "Traceback" not in stderr
    assert stage.published_works() and (code != 1 or stage.live() == before)


TELL = "tell = lambda: print('ends', signal.getsignal(2), signal.getsignal(15), file=sys.stderr, flush=True)"
BEGIN = f"import atexit, os, runpy, signal, sys; end = os._exit; {TELL}; "
ENDS = {
    "a command": BEGIN + "atexit.register(tell); from gateway.__main__ import main; main()",
    "a script": BEGIN + "os._exit = lambda code: (tell(), end(code)); "
    f"runpy.run_path({str(SCRIPT)!r}, run_name='__main__')",
}


@pytest.mark.parametrize("what", ENDS)
def test_no_signal_changes_the_exit_code_once_the_outcome_is_told(what: str, stage: Stage) -> None:
    """Python gives signals their own effect back before it ends, but for those that are ignored."""
    run = subprocess.run(
        [sys.executable, "-c", ENDS[what]], env=stage.variables, input="", cwd=ROOT, capture_output=True, text=True,
        timeout=patience.seconds(20), check=False,
    )  # fmt: skip
    assert "ends 1 1" in run.stderr, run  # SIG_IGN


def test_a_script_that_ends_by_a_signal_after_it_has_told_its_outcome_is_looked_at(stage: Stage) -> None:
    script, ready = stage.folder / "told.py", stage.folder / "ready"
    script.write_text(
        "import os, pathlib, signal, time\n"
        'print(\'{"result": "rotated"}\', flush=True)\n'
        f"pathlib.Path({str(ready)!r}).touch()\n"
        "time.sleep(60)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway", "run", str(script), f"--record={stage.at.record_uid}"],
        env=stage.variables, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while not ready.exists() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    stdout, stderr = process.communicate(timeout=patience.seconds(20))
    assert process.returncode == 3 and "rotated" in stdout and "nothing was changed" not in stderr, (stdout, stderr)


@pytest.mark.parametrize("more", [[], ["--revoke"]], ids=["", "that was to revoke"])
def test_a_script_that_is_killed_leaves_it_open(more: list[str], stage: Stage) -> None:
    script = stage.folder / "killed.py"
    script.write_text("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    process = command(stage, "run", str(script), f"--record={stage.at.record_uid}", *more)
    assert process.returncode == 3 and "exit 3: the script was killed; look at the record" in process.stderr, process
    assert ("run it again, with --revoke: later runs may not know of it" in process.stderr) == bool(more), process


def test_a_record_can_be_named_by_its_title(stage: Stage) -> None:
    title = stage.sandbox.keeper.record(stage.at.record_uid).title
    arguments = ("run", "azure_app_secret", f"--attach={stage.at.admin_record_uid}")
    assert command(stage, *arguments, f"--record={title.upper()}").returncode == 0 and stage.published_works()
    other = stage.sandbox.keeper.add_record(title, "login", [])
    process = command(stage, *arguments, f"--record={title}")
    assert process.returncode == 1 and "is no uid of a record" in process.stderr and other not in process.stdout


@pytest.mark.parametrize("name", ["azure_app_secret", "azure_app_secret.py", "scripts/azure_app_secret.py"])
def test_a_script_can_be_named_without_its_path(name: str, stage: Stage) -> None:
    process = subprocess.run(
        [sys.executable, "-m", "gateway", "run", name, f"--record={stage.at.record_uid}",
         f"--attach={stage.at.admin_record_uid}"],
        env=stage.variables, cwd=stage.folder, capture_output=True, text=True, check=False,
        timeout=patience.seconds(20),
    )  # fmt: skip
    assert process.returncode == 0 and "result       rotated" in process.stdout and stage.published_works(), process


def test_a_page_names_every_setting_with_its_default_and_meaning() -> None:
    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    for setting in SETTINGS:
        default = setting.default if isinstance(setting.default, str) else f"{setting.default:g}"
        assert f"| `{setting.name}` | {default} | {setting.meaning} |" in page

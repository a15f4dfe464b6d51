"""What a person sees at a terminal: completion, versions, names of options, errors, and that something goes on."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway import __version__
from gateway.__main__ import cli
from gateway.commands.run_due.cli import run_due
from gateway.errors import Failed
from tests.commands.test_outcomes import commands
from tests.stage import patience
from tests.stage.command import command
from tests.stage.rotation import ROOT, Stage

PROGRAM = Path(sys.executable).with_name("keeper-rotation")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes_commands_and_options(shell: str) -> None:
    printed = CliRunner().invoke(cli, ["completion", shell], prog_name="keeper-rotation").output
    variable = f"_KEEPER_ROTATION_COMPLETE={shell}_complete"
    assert "keeper-rotation" in printed and variable in printed
    name, _, value = variable.partition("=")
    asked = {name: value, "COMP_WORDS": "keeper-rotation sta", "COMP_CWORD": "sta" if shell == "fish" else "1"}
    answer = subprocess.run([PROGRAM], env=os.environ | asked, capture_output=True, text=True, check=True).stdout
    assert "status" in answer and "targets" not in answer


def test_bash_itself_completes() -> None:
    lines = (
        f'export PATH="{PROGRAM.parent}:$PATH"; eval "$(keeper-rotation completion bash)"; '
        "COMP_WORDS=(keeper-rotation run-due --cred) COMP_CWORD=2; "
        '_keeper_rotation_completion keeper-rotation; echo "${COMPREPLY[@]}"'
    )
    done = subprocess.run(["bash", "-c", lines], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "--credential", done


def test_version_names_python_packages_and_the_place_of_the_configuration(stage: Stage, tmp_path: Path) -> None:
    done = command(stage, "version", "--json")
    said = json.loads(done.stdout)
    assert (done.returncode, said["version"]) == (0, __version__) and sys.executable in said["python"]
    assert said["packages"]["msal"] and "pytest" not in said["packages"]
    configuration = tmp_path / "ksm.json"
    configuration.write_text("CONTENT-OF-THE-FILE")
    named = {"KSM_CONFIG": "", "KSM_CONFIG_FILE": str(configuration)}
    shown = CliRunner().invoke(cli, ["version"], env=named).output
    assert f"KSM_CONFIG_FILE {configuration}" in shown and "CONTENT" not in shown
    shown = CliRunner().invoke(cli, ["version"], env={"KSM_CONFIG": "CONTENT-OF-THE-VARIABLE"}).output
    assert "KSM_CONFIG" in shown and "CONTENT" not in shown


def test_what_a_command_signs_in_with_has_one_name_everywhere() -> None:
    given = {
        name: {option for each in command.params for option in each.opts}
        for name, command in commands(cli)
        if any({"--credential", "--attach"} & set(each.opts) for each in command.params)
    }
    assert len(given) >= 20 and "run" in given and "certificate list" in given
    assert not [name for name, options in given.items() if not {"--credential", "--attach", "--config"} <= options]


def test_the_older_name_and_the_newer_one_may_be_mixed() -> None:
    given = ["--all", "--attach=A", "--credential=B"]
    assert run_due.make_context("run-due", given).params["attached"] == ("A", "B")


@pytest.mark.parametrize("name", ["certificate list", "discover apps", "certificate vaults"])
def test_a_record_that_cannot_sign_in_is_named_and_what_it_lacks(name: str, stage: Stage) -> None:
    other = stage.sandbox.keeper.add_record("no credential", "login")
    done = command(stage, *name.split(), f"--credential={other}")
    assert done.returncode == 1 and done.stderr.splitlines() == [
        f"error: admin credential: record {other} (--credential) has no application_client_id",
        "hint: name a record with application_client_id, client_secret and tenant_id, or leave --credential out to use "
        "the PAM configuration",
    ]
    chosen = f"--credential={stage.at.config_record_uid}"
    assert "--credential" not in command(stage, *name.split(), chosen).stderr, "a PAM configuration may be named, too"


def test_both_spellings_of_organisation_are_taken_everywhere() -> None:
    options = [(name, each) for name, found in commands(cli) for each in found.params if "--organisation" in each.opts]
    assert len(options) >= 3 and all("--organization" in each.opts for _, each in options)


def test_each_of_several_errors_has_a_line_and_its_own_hint(stage: Stage) -> None:
    variables = {"ROTATION_DEADLINE_SECONDS": "never", "ROTATION_REQUEST_TIMEOUT_SECONDS": "soon"}
    stage.variables.update(variables)
    lines = command(stage, "status").stderr.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["error", "error", "hint"], lines
    assert all(any(name in line for line in lines[:2]) for name in variables)


def test_errors_with_different_hints_keep_them_apart() -> None:
    whole = Failed.together([Failed("a", "do a"), Failed("b", "do b"), Failed("c", "do b")])
    assert (str(whole), whole.hint) == ("a; b; c", "do a; do b")

    script = "import sys; from gateway import __main__ as m; from gateway.errors import Failed as F; " + (
        "m._end(F.together([F('a', 'do a'), F('b', 'do b'), F('c', 'do b')]))"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines() == ["error: a", "hint: do a", "error: b", "error: c", "hint: do b"]


@pytest.mark.parametrize("at_a_terminal", [True, False])
def test_a_script_that_says_nothing_is_told_of_at_a_terminal(at_a_terminal: bool, stage: Stage) -> None:
    silent = stage.folder / "silent.py"
    silent.write_text("import sys, time; sys.stdin.read(); time.sleep(3)")
    ours, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway", "run", silent, f"--record={stage.at.record_uid}"],
        env=stage.variables, cwd=ROOT, stdout=subprocess.DEVNULL,
        stderr=terminal if at_a_terminal else subprocess.PIPE,
    )  # fmt: skip
    os.close(terminal)
    _, piped = process.communicate(timeout=patience.seconds(30))
    said = os.read(ours, 10_000) if at_a_terminal else piped
    assert (b"running for 2 s" in said) == at_a_terminal
    assert b"the script ended without an outcome" in said

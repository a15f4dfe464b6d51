"""What the host may be like: an old Python, another package than the script's, odd outputs, arguments."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gateway import __version__
from gateway.commands.doors import door_of, due_door
from gateway.kinds.registry import KINDS
from sandbox.proxy import faults
from tests.stage import patience
from tests.stage.discover import DiscoverStage, make_bundle, shop
from tests.stage.rotation import LONGEST, ROOT, SCRIPT, Stage

__all__ = ["shop"]

SCRIPTS = sorted((ROOT / "scripts").glob("*.py"))
RUN = [facts for facts in KINDS if facts.implementation]
# Version managers keep the interpreters of a machine side by side.
OLD_PYTHONS = [
    path
    for version in ("2.7", "3.6", "3.8", "3.10")
    for path in sorted(Path(sys.base_prefix).parent.glob(f"{version}*/bin/python{version}"))
]


def said(process: subprocess.CompletedProcess[str]) -> dict[str, str]:
    assert process.returncode == 1
    report: dict[str, str] = json.loads(process.stdout)
    assert report["result"] == "failed" and report["hint"]
    assert f"error: {report['error']}\nhint: {report['hint']}\n" in process.stderr
    return report


# Scripts are doors: the vault keeps them for years, and the package behind them is what is upgraded.


def opened(door: Path, *options: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a door, with nothing on stdin, and with no package unless one lies beside it or ``variables`` name one."""
    command = [sys.executable, *options, door]
    variables = {"ROTATION_HISTORY": "", **variables}  # nothing is written outside of the test's folders
    return subprocess.run(command, input="", capture_output=True, text=True, check=False, env=variables)


def package(folder: Path, **files: str) -> Path:
    """A package called ``gateway`` with these modules, beside a door."""
    (folder / "gateway").mkdir()
    for name, text in {"__init__": '__version__ = "0.0.9"\n', **files}.items():
        (folder / "gateway" / f"{name}.py").write_text(text)
    return Path(shutil.copy(SCRIPT, folder / "door.py"))


def test_each_script_is_the_door_that_the_package_writes() -> None:
    written = {f"scripts/{path.name}": path.read_text(encoding="ascii") for path in SCRIPTS}
    assert written == {facts.script: door_of(facts) for facts in RUN} | {"scripts/rotate_due.py": due_door()}


def test_doors_differ_in_their_story_and_what_they_start_and_in_nothing_else() -> None:
    plain = set()
    for path in SCRIPTS:
        first, story, rest = path.read_text(encoding="ascii").split('"""', 2)
        assert len(story.splitlines()) >= 10 and path.stem in rest
        entry = "gateway.commands.run_due.door" if path.stem == "rotate_due" else "gateway.run"
        assert f"from {entry} import open_door" in rest
        plain.add(first + rest.replace(f'"{path.stem}"', '""').replace(entry, ""))
    assert len(plain) == 1


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_script_is_understood_by_a_python_that_is_too_old_to_run_it(script: Path) -> None:
    ast.parse(script.read_text(encoding="ascii"), feature_version=(3, 6))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_python_that_is_too_old(script: Path) -> None:
    code = f"import sys, runpy; sys.version_info = (3, 6, 8); runpy.run_path({str(script)!r}, run_name='__main__')"
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    report = said(process)
    assert "too old" in report["error"] and "a newer Python" in report["hint"]


@pytest.mark.skipif(not OLD_PYTHONS, reason="no older Python on this machine")
@pytest.mark.parametrize("python", OLD_PYTHONS, ids=lambda path: path.name)
def test_older_python_of_this_machine(python: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "HOME": "/"}
    process = subprocess.run([python, SCRIPT], capture_output=True, text=True, check=False, env=environment)
    assert "too old" in said(process)["error"]


def test_package_that_is_not_installed(tmp_path: Path) -> None:
    report = said(opened(Path(shutil.copy(SCRIPT, tmp_path / "door.py")), "-S"))
    assert report["error"] == f"keeper-azure-rotation is not installed in {sys.executable}"
    assert "the Python in which it is installed" in report["hint"]


OLDER = {
    "no such entry": {},
    "an entry of another name": {"run": "def rotate(): ...\n"},
    "an entry that knows no doors": {"run": "def run(kind, arguments=None): return 0\n"},
}


@pytest.mark.parametrize("what", OLDER)
def test_package_from_before_there_were_doors(what: str, tmp_path: Path) -> None:
    report = said(opened(package(tmp_path, **OLDER[what]), "-S"))
    assert "is older than this script" in report["error"] and "upgrade" in report["hint"]


@pytest.mark.parametrize("where", ["/dev/full", "&-"])
def test_door_that_nobody_opens_ends_with_1_whatever_becomes_of_its_output(where: str, tmp_path: Path) -> None:
    door = shutil.copy(SCRIPT, tmp_path / "door.py")
    command = ["/bin/sh", "-c", f'exec "$0" -S "$1" >{where} 2>{where}', sys.executable, door]
    assert subprocess.run(command, input="", text=True, check=False).returncode == 1


def test_package_without_what_it_needs(tmp_path: Path) -> None:
    report = said(opened(package(tmp_path, run="import a_dependency\n"), "-S"))
    assert "No module named 'a_dependency'" in report["error"] and "requirements.txt" in report["hint"]


@pytest.mark.parametrize("half", ["def run(", "import sys\nsys.nothing\n"])
def test_package_that_breaks_while_it_is_loaded(half: str, tmp_path: Path) -> None:
    """An upgrade that is under way, or one of its libraries that does not fit another."""
    report = said(opened(package(tmp_path, run=half), "-S"))
    assert "cannot be loaded in" in report["error"] and f"{sys.executable}: " in report["error"]
    assert "upgrade" in report["hint"]


@pytest.mark.parametrize(
    ("line", "changed"),
    [("door=1", "door=2"), ('"azure_app_secret"', '"azure_quantum_key"'), ('"azure_app_secret"', '"tls-secret"')],
)
def test_door_that_is_newer_than_the_package(line: str, changed: str, tmp_path: Path) -> None:
    text = SCRIPT.read_text()
    assert text.count(line) == 1
    (tmp_path / "door.py").write_text(text.replace(line, changed))
    report = said(opened(tmp_path / "door.py"))
    assert f"keeper-azure-rotation {__version__} is older than this script" in report["error"]
    assert "upgrade" in report["hint"]


def test_door_of_this_release_with_a_later_package(stage: Stage, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "gateway", tmp_path / "gateway")
    front = tmp_path / "gateway" / "__init__.py"
    later = front.read_text().replace(f'"{__version__}"', '"3.0.0"')
    front.write_text(f"{later}\nimport sys\nsys.stderr.write(f'this is {{__version__}}')\n")
    outcome = stage.run(new=True, PYTHONPATH=str(tmp_path))
    assert (outcome.code, outcome.result) == (0, "rotated"), outcome
    assert "this is 3.0.0" in outcome.stderr and stage.published_works()


def test_arguments_that_a_gateway_may_append_one_day_are_ignored(stage: Stage) -> None:
    process = subprocess.run(
        [sys.executable, SCRIPT, "--record", "an-argument"],
        input=stage.line(), capture_output=True, check=False, env=stage.variables,
    )  # fmt: skip
    assert process.returncode == 0 and stage.published_works(), process
    assert b"info: ignored arguments: 2" in process.stderr
    assert b"an-argument" not in process.stderr + process.stdout, "it may be a secret"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_the_end_of_stdin_is_not_waited_for(encoding: str, stage: Stage) -> None:
    pipe = subprocess.PIPE
    process = subprocess.Popen([sys.executable, SCRIPT], stdin=pipe, stdout=pipe, stderr=pipe, env=stage.variables)
    assert process.stdin
    process.stdin.write(stage.line().decode().encode(encoding))
    process.stdin.flush()
    try:
        assert process.wait(LONGEST) == 0 and stage.published_works()
    finally:
        process.kill()
        process.communicate()


# Outputs that take nothing, as bash writes them.
MUTE = {
    "stdout that nobody reads": "| true",
    "stdout that is full": ">/dev/full",
    "stdout that is closed": ">&-",
    "stderr that is full": "2>/dev/full",
    "stderr that is closed": "2>&-",
    "neither of both": ">&- 2>&-",
}
NOT_WRITTEN = "warning: stdout could not be written: No space left on device\n"


def muted(how: str, stage: Stage, *arguments: str | Path, line: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """The exit code of Python with these arguments, whatever its outputs are."""
    command = f'"$0" "$@" {MUTE[how]}; exit ${{PIPESTATUS[0]}}'
    return subprocess.run(
        ["/bin/bash", "-c", command, sys.executable, *arguments],
        input=line, env=stage.variables, cwd=ROOT, capture_output=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("how", MUTE)
def test_output_that_cannot_be_written_never_changes_the_exit_code(how: str, stage: Stage) -> None:
    process = muted(how, stage, SCRIPT, line=stage.line())
    assert process.returncode == 0, process
    assert stage.published_works()
    assert stage.live() == {stage.value("client_secret_id")}
    written = [path.name for path in (stage.home / "locks").glob("*.lock") if path.read_bytes()]
    assert not written, "what was meant for stdout is in no other file"


@pytest.mark.parametrize("how", MUTE)
def test_a_script_run_by_hand_without_an_output_ends_as_it_does_with_one(how: str, stage: Stage) -> None:
    process = muted(how, stage, "-m", "gateway", "run", SCRIPT, f"--record={stage.at.record_uid}")
    assert process.returncode == 0, process
    assert stage.published_works() and b"rror" not in process.stderr
    assert stage.live() == {stage.value("client_secret_id")}


@pytest.mark.parametrize("how", MUTE)
def test_what_a_command_has_changed_is_done_without_an_output(how: str, shop: DiscoverStage) -> None:
    file = shop.file(make_bundle("api"))
    process = muted(how, shop, "-m", "gateway", "tls-secret", "create", "--vault=shop", "--name=api", f"--pfx={file}")
    assert process.returncode == 0, process
    assert len(shop.versions("api")) == 1 and b"rror" not in process.stderr
    assert process.stderr.decode().count(NOT_WRITTEN) == (how == "stdout that is full")


@pytest.mark.parametrize("how", list(MUTE)[:3])
def test_help_without_an_output_says_so_where_it_may_be_missed(how: str, stage: Stage) -> None:
    process = muted(how, stage, "-m", "gateway", "run", "--help")
    assert (process.returncode, process.stderr.decode()) == (0, NOT_WRITTEN if "full" in how else ""), process


@pytest.mark.parametrize("how", list(MUTE)[3:])
def test_a_mistake_without_an_output_is_one_all_the_same(how: str, stage: Stage) -> None:
    unknown = f"--record={'A' * 22}"
    assert muted(how, stage, "-m", "gateway", "run", SCRIPT, unknown).returncode == 1
    assert muted(how, stage, "-m", "gateway", "rotate").returncode == 1


def test_a_name_that_the_encoding_of_stdout_does_not_have(stage: Stage) -> None:
    stage.sandbox.directory.applications[stage.at.target_object_id].properties["displayName"] = "orders-\ud800"
    process = subprocess.run(
        [sys.executable, "-m", "gateway", "run", SCRIPT, f"--record={stage.at.record_uid}"],
        env=stage.variables | {"PYTHONIOENCODING": "utf-8"}, cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert process.returncode == 0 and "application  orders-?" in process.stdout, process


def test_home_that_cannot_be_written(stage: Stage) -> None:
    variables = {"ROTATION_LOCK_DIR": "", "HOME": "/proc/nowhere", "TMPDIR": str(stage.home)}
    assert stage.run(**variables).code == 0
    assert [path.name.split("-")[:2] for path in stage.home.iterdir()] == [["keeper", "rotation"]]


def test_a_user_id_that_no_user_has_and_no_home() -> None:
    """As in a container that is given any user id; `Path.home` raises RuntimeError there."""
    code = "import os, pwd\nfrom gateway.host.lock.directory import state_directory\nos.environ.pop('HOME', None)\n"
    code += "os.getuid = lambda: 54321; print(state_directory())"
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert process.returncode == 0, process
    assert "keeper-rotation-54321" in process.stdout


def test_lock_directory_is_private(stage: Stage) -> None:
    assert stage.run().code == 0
    assert (stage.home / "locks").stat().st_mode & 0o777 == 0o700


def test_a_closed_stdin_is_an_empty_one(stage: Stage) -> None:
    command = ["sh", "-c", f'exec "{sys.executable}" "{SCRIPT}" <&-']
    process = subprocess.run(command, env=stage.variables, capture_output=True, text=True, timeout=60)
    assert process.returncode == 1 and "stdin: empty" in process.stderr, process
    assert "unforeseen" not in process.stderr


def test_a_lock_directory_without_its_full_path_is_refused(stage: Stage) -> None:
    outcome = stage.run(ROTATION_LOCK_DIR="locks")
    assert outcome.code == 1 and "full path" in outcome.report["hint"], outcome


@pytest.mark.parametrize("name", ["lock-id", "{}.lock", "{}.runs"])
@pytest.mark.parametrize("kind", ["pipe", "link", "folder"])
def test_what_is_no_file_in_the_lock_directory_is_refused(kind: str, name: str, stage: Stage) -> None:
    locks, victim = stage.home / "locks", stage.home / "victim"
    locks.mkdir(mode=0o700)
    victim.write_text("mine")
    path = locks / name.format(hashlib.sha256(stage.at.record_uid.encode()).hexdigest()[:32])
    {"pipe": os.mkfifo, "folder": Path.mkdir, "link": lambda path: path.symlink_to(victim)}[kind](path)
    outcome = stage.run()
    assert outcome.code == 1 and "is no file" in outcome.report["error"], outcome
    assert victim.read_text() == "mine"


def test_tls_to_keeper_cannot_be_switched_off(stage: Stage) -> None:
    outcome = stage.run(KSM_SKIP_VERIFY="TRUE")
    assert outcome.code == 1 and "KSM_SKIP_VERIFY" in outcome.report["error"], outcome
    assert not [request for request in stage.sandbox.requests if request.operation == "get_secret"]
    assert stage.run(KSM_SKIP_VERIFY="FALSE").code == 0


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_run_leaves_no_core_dump_and_lets_nobody_look_into_its_memory(stage: Stage) -> None:
    fault = stage.sandbox.fault("graph", "get_application", faults.Pause())
    process = stage.start(new=True)
    assert fault.reached.wait(patience.seconds(20))
    limits = Path(f"/proc/{process.pid}/limits").read_text()
    umask = re.search(r"Umask:\s*(\d+)", Path(f"/proc/{process.pid}/status").read_text())
    fault.release.set()
    assert stage.finish(process).code == 0
    assert re.search(r"Max core file size\s+0\s+0\s", limits) and umask and umask[1] == "0077"
    code = "import ctypes\nfrom gateway.host.process import keep_to_ourselves\nkeep_to_ourselves()\n"
    code += "print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "0\n"


def test_a_region_that_the_host_names_for_other_programs(stage: Stage) -> None:
    """msal would ask an endpoint of that region, which serves Microsoft's own applications alone."""
    assert stage.run(MSAL_FORCE_REGION="westeurope").code == 0

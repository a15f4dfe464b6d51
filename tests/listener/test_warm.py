"""The listener's runs are forked from a process that has all imported, and are otherwise what they were: processes."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import Failed
from gateway.host.settings import read_settings
from gateway.listener.run_script import Rotator, ScriptResult
from gateway.listener.warm import handle
from tests.stage.listener import wait
from tests.stage.many import children
from tests.stage.rotation import ROOT, SCRIPT, Stage

pytestmark = pytest.mark.skipif(not handle.CAN_FORK, reason="Linux only")
# What looks like a door, and does something else.
FAKE = """
import os, signal, sys, time
def open_door(kind, door):
{}
sys.exit(open_door("x", door=1))
"""


@pytest.fixture
def rotator(monkeypatch: pytest.MonkeyPatch) -> Iterator[Rotator]:
    """As the listener has it."""
    monkeypatch.setenv("REGION_NAME", "westeurope")
    made = Rotator("", read_settings(), {"application_object_id": str(SCRIPT)}, "")
    made.start()
    yield made
    made.stop()


def run(rotator: Rotator, tmp_path: Path, body: str, line: bytes = b"line\n") -> ScriptResult:
    """Run a script whose door does this."""
    script = tmp_path / f"{abs(hash(body))}.py"
    script.write_text(FAKE.format("\n".join(f"    {each}" for each in body.splitlines())))
    return rotator.run(str(script), "UID", line)


def tell(text: str) -> str:
    """A line that reports this."""
    return f"import json\nprint(json.dumps({{'result': 'x', 'said': {text}}}))\nreturn 0"


def test_it_is_a_process_of_its_own_without_our_descriptors_label_and_signals(rotator: Rotator, tmp_path: Path) -> None:
    body = tell(
        "[os.getpid(), os.getsid(0), sorted(os.listdir('/proc/self/fd')), os.environ.get('REGION_NAME'), "
        "sys.argv[1:], sys.stdin.read(), __name__, signal.getsignal(signal.SIGTERM) == signal.SIG_DFL, "
        "signal.getsignal(signal.SIGINT) == signal.default_int_handler, sorted(signal.pthread_sigmask(0, []))]"
    )
    first, second = (run(rotator, tmp_path, body).report["said"] for _ in range(2))
    pid, session, descriptors, region, arguments, line, name, *as_ever = first
    assert pid == session != second[0] and pid != os.getpid()
    assert descriptors == ["0", "1", "2", "3"], "3 is the listing itself"
    assert (region, arguments, line, name) == (None, [], "line\n", "__main__")
    assert as_ever == [True, True, []]


ENDS: dict[str, tuple[str, int, str]] = {
    "a code": ("return 2", 2, "broken"),
    "no code": ("return None", 0, "broken"),
    "words": ("return 'words'", 1, "broken"),
    "an exception": ("raise ValueError", 1, "broken"),
    "a signal": ("os.kill(os.getpid(), signal.SIGKILL)", -9, "killed"),
    "SIGTERM": ("os.kill(os.getpid(), signal.SIGTERM)", -15, "killed"),
}


@pytest.mark.parametrize("how", ENDS)
def test_it_ends_as_a_process_does(how: str, rotator: Rotator, tmp_path: Path) -> None:
    body, code, result = ENDS[how]
    ran = run(rotator, tmp_path, body)
    assert (ran.code, ran.result) == (code, result)
    assert run(rotator, tmp_path, tell("'well'")).report["said"] == "well", "and the next one is well"


def test_one_that_hangs_is_killed_and_touches_no_other(
    rotator: Rotator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.listener.run_script._GRACE_SECONDS", 2.0 - read_settings().deadline)
    with ThreadPoolExecutor() as pool:
        hanging = pool.submit(run, rotator, tmp_path, "time.sleep(60)")
        others = [pool.submit(run, rotator, tmp_path, tell(f"{number}")) for number in range(20)]
        assert sorted(each.result().report["said"] for each in others) == list(range(20))
        assert hanging.result().code == -9


def test_lines_and_outputs_larger_than_a_pipe(rotator: Rotator, tmp_path: Path) -> None:
    line = b"x" * 2_000_000 + b"\n"
    assert run(rotator, tmp_path, tell("len(sys.stdin.read())"), line).report["said"] == len(line)
    assert len(run(rotator, tmp_path, tell("'y' * 500_000")).report["said"]) == 500_000


def test_one_that_reads_nothing(rotator: Rotator, tmp_path: Path) -> None:
    assert run(rotator, tmp_path, "return 5", b"x" * 2_000_000).code == 5


def test_what_it_started_may_live_on(rotator: Rotator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handle, "_REST_SECONDS", 0.5)
    body = "import subprocess\nsubprocess.Popen(['sleep', '5'], start_new_session=True)\nreturn 4"
    began = time.monotonic()
    assert run(rotator, tmp_path, body).code == 4 and time.monotonic() - began < 4


def warm_pid() -> int:
    """The process that they are forked from."""
    begun = [int(pid) for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()]
    (pid,) = [pid for pid in begun if b"warm.process" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    return pid


def test_it_is_begun_anew_where_it_is_gone(rotator: Rotator, tmp_path: Path) -> None:
    with ThreadPoolExecutor() as pool:
        running = pool.submit(run, rotator, tmp_path, "time.sleep(60)")
        wait(lambda: children(warm_pid()))
        (orphan,) = children(before := warm_pid())
        os.kill(before, signal.SIGKILL)
        assert running.result().code == -9, "nobody knows how it ends"
    os.kill(orphan, signal.SIGKILL)
    assert run(rotator, tmp_path, tell("'well'")).report["said"] == "well" and warm_pid() != before


def test_it_is_begun_anew_after_an_upgrade(rotator: Rotator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(rotator, tmp_path, "return 0")
    before = warm_pid()
    run(rotator, tmp_path, "return 0")
    assert warm_pid() == before
    monkeypatch.setattr(handle, "_package", lambda: (1, 1))
    assert run(rotator, tmp_path, tell("'well'")).report["said"] == "well"
    wait(lambda: not Path(f"/proc/{before}").exists() or Path(f"/proc/{before}/cmdline").read_bytes() == b"")
    assert warm_pid() != before


def test_it_ends_with_the_listener_and_lets_a_run_end_before(tmp_path: Path) -> None:
    done = tmp_path / "done"
    script = tmp_path / "slow.py"
    script.write_text(FAKE.format(f"    time.sleep(2); open({str(done)!r}, 'w').close()"))
    code = (
        "import sys; from gateway.host.settings import read_settings; from gateway.listener.run_script import Rotator; "
        "Rotator('', read_settings(), {}, '').run(sys.argv[1], 'UID', b'')"
    )
    listener = subprocess.Popen([sys.executable, "-c", code, str(script)], cwd=ROOT)
    wait(lambda: [each for each in children(listener.pid) if children(each)])
    (warm,) = children(listener.pid)
    listener.kill()
    listener.wait()
    wait(done.exists)
    wait(lambda: not Path(f"/proc/{warm}").exists())


def test_another_script_gets_a_python_of_its_own(rotator: Rotator, tmp_path: Path) -> None:
    script = tmp_path / "own.py"
    script.write_text(
        "import json, os, sys\nprint(json.dumps({'result': 'x', 'said': [os.getppid(), sys.stdin.read()]}))"
    )
    assert rotator.run(str(script), "UID", b"line").report["said"] == [os.getpid(), "line"]


def test_a_host_without_processes_is_named(rotator: Rotator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_more(*_: Any, **__: Any) -> None:
        raise OSError(11, "Resource temporarily unavailable")

    rotator.stop()
    monkeypatch.setattr(subprocess, "Popen", no_more)
    with pytest.raises(Failed, match="no process for the run: Resource temporarily unavailable"):
        run(rotator, tmp_path, "return 0")


def test_a_rotation(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in stage.variables.items():
        monkeypatch.setenv(name, value)
    rotator = Rotator("", read_settings(), {"application_object_id": str(SCRIPT)}, "")
    ran = rotator.run(str(SCRIPT), "UID", stage.line(dueNow=True))
    rotator.stop()
    assert (ran.code, ran.result) == (0, "rotated"), ran
    assert stage.live() == {stage.value("client_secret_id")}
    (line,) = [json.loads(each) for each in (stage.home / "locks" / "history.jsonl").read_text().splitlines()]
    assert line["run"] == ran.report["run"], "and it is in the history"


def test_nobody_else_reads_its_memory(rotator: Rotator, tmp_path: Path) -> None:
    body = tell("open('/proc/self/limits').read().split('Max core file size')[1].split()[0] + str(os.umask(0o077))")
    assert run(rotator, tmp_path, body).report["said"] == f"0{0o077}"


def test_no_thread_of_the_listener_is_in_it(rotator: Rotator, tmp_path: Path) -> None:
    stop = threading.Event()
    threading.Thread(target=stop.wait, daemon=True).start()
    assert run(rotator, tmp_path, tell("len(os.listdir('/proc/self/task'))")).report["said"] == 1
    stop.set()


def limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs are to end after some seconds; a busy machine needs some to begin one."""
    monkeypatch.setattr("gateway.listener.run_script._GRACE_SECONDS", 6.0 - read_settings().deadline)
    monkeypatch.setattr(handle, "_REST_SECONDS", 2.0)


def test_one_that_does_not_answer_is_given_up(
    rotator: Rotator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its folder may have been on a file system that is gone; it would begin the run whenever that comes back."""
    run(rotator, tmp_path, "return 0")
    limited(monkeypatch)
    os.kill(before := warm_pid(), signal.SIGSTOP)
    done = tmp_path / "done"
    with ThreadPoolExecutor() as pool:
        asked = pool.submit(run, rotator, tmp_path, f"open({str(done)!r}, 'w').close()")
        with contextlib.suppress(TimeoutError):
            asked.exception(timeout=20)
        is_over = asked.done()
        os.kill(before, signal.SIGCONT)
        assert is_over and "no process for the run" in str(asked.exception())
    assert run(rotator, tmp_path, tell("'well'")).report["said"] == "well" and warm_pid() != before
    assert not done.exists()


def test_one_that_hangs_is_killed_after_an_upgrade_too(
    rotator: Rotator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limited(monkeypatch)
    with ThreadPoolExecutor() as pool:
        hanging = pool.submit(run, rotator, tmp_path, "time.sleep(60)")
        wait(lambda: children(warm_pid()))
        monkeypatch.setattr(handle, "_package", lambda: (1, 1))
        assert run(rotator, tmp_path, tell("'well'")).report["said"] == "well"
        assert hanging.result().code == -9


def test_a_lack_of_descriptors_costs_none(rotator: Rotator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(rotator, tmp_path, "return 0")
    real, calls, before = os.pipe, iter(range(9)), os.listdir("/proc/self/fd")

    def some() -> tuple[int, int]:
        if next(calls) > 1:
            raise OSError(24, "Too many open files")
        return real()

    monkeypatch.setattr(os, "pipe", some)
    with pytest.raises(Failed, match="no process for the run: Too many open files"):
        run(rotator, tmp_path, "return 0")
    assert os.listdir("/proc/self/fd") == before

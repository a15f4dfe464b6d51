"""The history: each run's line is in a file of this host, whole, private and without a value; nothing depends on it."""

from __future__ import annotations

import json
import os
import re
import stat
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from gateway import __version__
from gateway.__main__ import cli
from gateway.errors import Failed
from gateway.host import history
from gateway.host.report import Report
from gateway.secret import mask
from sandbox.proxy import faults
from tests.stage.command import command
from tests.stage.rotation import Stage


def lines(path: Path) -> list[dict[str, Any]]:
    """The runs in a history file."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def kept(stage: Stage) -> Path:
    """Where it is where no variable names it."""
    return stage.home / "locks" / "history.jsonl"


def test_a_run_says_which_one_it_was_and_the_history_has_the_same_line(stage: Stage) -> None:
    before = datetime.now(UTC)
    first, second = stage.run(), stage.run()
    assert lines(kept(stage)) == [first.report, second.report]
    assert stat.S_IMODE(kept(stage).stat().st_mode) == 0o600
    report = first.report
    assert before - timedelta(seconds=1) < datetime.fromisoformat(report["time"]) < datetime.now(UTC)
    assert report["time"].endswith("Z") and report["host"] and report["exit_code"] == first.code == 0
    assert report["version"] == __version__ and report["title"] == stage.stored()["title"]
    assert re.fullmatch("[0-9a-f]{16}", report["run"]) and report["run"] != second.report["run"]
    assert not stage.leaks([first, second])


def test_a_run_that_fails_is_in_it_with_its_title_also_where_keeper_is_out_of_reach(stage: Stage) -> None:
    stage.sandbox.fault("keeper", "get_secret", faults.Status(503), times=None)
    outcome = stage.run()
    (run,) = lines(kept(stage))
    assert run == outcome.report and (run["exit_code"], run["result"]) == (outcome.code, "failed") == (1, "failed")
    assert run["title"] == stage.stored()["title"] and not stage.leaks([outcome])


def test_a_variable_names_the_file_and_empty_means_none(stage: Stage) -> None:
    named = stage.home / "elsewhere.jsonl"
    assert stage.run(ROTATION_HISTORY=str(named)).code == 0
    assert stage.run(ROTATION_HISTORY="").code == 0
    assert len(lines(named)) == 1 and not kept(stage).exists()


def _link(path: Path) -> None:
    path.symlink_to("/etc/hostname")


UNUSABLE: dict[str, Callable[[Path], object]] = {
    "a folder": Path.mkdir,
    "a pipe that nobody reads": os.mkfifo,
    "a link": _link,
    "in a folder that is not there": lambda path: None,
}


@pytest.mark.parametrize("what", UNUSABLE)
def test_a_history_that_cannot_be_written_is_a_warning(what: str, stage: Stage) -> None:
    path = stage.home / "nowhere" / "x" if "not there" in what else stage.home / "x"
    UNUSABLE[what](path)
    outcome = stage.run(ROTATION_HISTORY=str(path))
    assert (outcome.code, outcome.result) == (0, "rotated"), outcome
    assert [each for each in outcome.report["warnings"] if each.startswith("history: ")]
    assert "warning: history: " in outcome.stderr and stage.published_works()


@pytest.mark.parametrize("path", ["history.jsonl", "/dev/full", "/" + "x" * 300])
def test_so_is_one_whose_name_is_no_good(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(history.VARIABLE, path)
    assert history.remember("{}").startswith("history: ")


def test_so_is_whatever_nobody_has_foreseen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "history_file", lambda: Path("a\0b"))
    assert history.remember("{}").startswith("history: unforeseen ValueError")


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A history of this process."""
    monkeypatch.setenv(history.VARIABLE, str(tmp_path / "history"))
    return tmp_path / "history"


def test_what_many_write_at_once_while_files_change_is_whole(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "MOST_BYTES", 100_000)

    def write(writer: int) -> None:
        for number in range(50):
            assert not history.remember(json.dumps({"time": NOW, "writer": writer, "number": number, "x": "y" * 500}))

    writers = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert len(list(file.parent.glob("history*"))) > 2
    found = [(run["writer"], run["number"]) for run in history.read_history(LONG_AGO)]
    assert sorted(found) == [(writer, number) for writer in range(8) for number in range(50)]


def test_the_oldest_lines_go_first_and_the_size_is_bounded(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "MOST_BYTES", 1_000)
    for number in range(100):
        assert not history.remember(json.dumps({"time": NOW, "number": number, "x": "y" * 80}))
    numbers = [run["number"] for run in history.read_history(LONG_AGO)]
    assert numbers == list(range(numbers[0], 100)) and 20 < len(numbers) < 40
    assert sum(path.stat().st_size for path in file.parent.glob("history*")) < 5_000


def test_whoever_finds_the_file_renamed_already_has_nothing_to_do(file: Path) -> None:
    history._make_room(file)
    assert not file.exists()


@pytest.mark.parametrize("left", ['{"time": "2026-', "\n\n", "null\n", "[" * 5_000 + "\n", '{"time": 7}\n', "\0\0\0"])
def test_a_torn_line_spoils_no_other(left: str, file: Path) -> None:
    file.write_text(json.dumps({"time": NOW, "number": 1}) + "\n" + left)
    assert not history.remember(json.dumps({"time": NOW, "number": 2}))
    assert [run["number"] for run in history.read_history(LONG_AGO)] == [1, 2]


def test_a_history_costs_less_than_a_millisecond(file: Path) -> None:
    report = Report(warnings=["x" * 500], kept=[{"key_id": "k", "why": "w"}] * 20)
    times = []
    for _ in range(30):
        began = datetime.now(UTC)
        assert not history.remember(report._line())
        times.append((datetime.now(UTC) - began).total_seconds())
    assert sorted(times)[len(times) // 2] < 0.001


def test_a_secret_is_masked_in_it(file: Path, capfd: pytest.CaptureFixture[str]) -> None:
    mask("canary-in-a-title")
    assert Report(title="orders canary-in-a-title").close(Failed("no", "canary-in-a-title")) == 1
    assert "canary-in" not in file.read_text() + "".join(capfd.readouterr())
    assert lines(file)[0]["title"] == "orders ***"


# The command

NOW = datetime.now(UTC).isoformat()
LONG_AGO = datetime.min.replace(tzinfo=UTC)


def invoke(*arguments: str) -> Any:
    """The command in this process."""
    return CliRunner().invoke(cli, ["history", *arguments])


def furnish(**keys: Any) -> None:
    """A line of a run."""
    assert not history.remember(json.dumps({"time": NOW, "exit_code": 0, "result": "rotated", "record": "R"} | keys))


def test_it_shows_what_happened_to_a_record(stage: Stage) -> None:
    assert stage.run().code == 0
    shown = command(stage, "history", "--", stage.at.record_uid)
    row = next(line for line in shown.stdout.splitlines() if stage.stored()["title"] in line)
    assert shown.returncode == 0 and re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d  0 ", row) and "every run" in row, shown
    assert json.loads(command(stage, "history", "--json").stdout) == lines(kept(stage))
    assert command(stage, "history", "another").stdout == "no run since 7d on this host\n"


SINCE = {"3h": 1, "2d": 2, "1w": 3, "999999w": 4, "2001-01-01": 4}


@pytest.mark.parametrize("since", SINCE)
def test_since_says_how_far_back(since: str, file: Path) -> None:
    for hours in (1000, 100, 30, 1):
        furnish(time=(datetime.now(UTC) - timedelta(hours=hours)).isoformat())
    assert len(json.loads(invoke("--json", f"--since={since}").output)) == SINCE[since]


@pytest.mark.parametrize("since", ["", "7", "yesterday", "7y", "-1d"])
def test_a_since_that_is_none_is_refused(since: str, file: Path) -> None:
    error = invoke(f"--since={since}").exception
    assert isinstance(error, Failed) and "--since" in str(error) and error.hint


def test_a_record_is_named_by_a_part_of_its_title_or_its_whole_uid(file: Path) -> None:
    furnish(title="Orders API", record="AAAA")
    furnish(title="Shop", record="BBBB")
    for given, titles in {"orders": ["Orders API"], "BBBB": ["Shop"], "BB": [], "": ["Orders API", "Shop"]}.items():
        assert [run["title"] for run in json.loads(invoke("--json", given).output)] == titles


def test_the_table_fits_the_terminal_whatever_titles_hold(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.commands.fit.terminal_width", lambda: 80)
    monkeypatch.setattr("gateway.commands.shared.output.terminal_width", lambda: 80)
    furnish(title="x" * 10_000, error="y" * 500, result="incomplete", exit_code=2)
    furnish(title="a\x1b[2J\u202eb\nc", why=["every run"])
    shown = invoke().output
    assert len(shown.splitlines()) == 3 and max(map(len, shown.splitlines())) <= 80, shown
    assert not [sign for sign in shown if not (sign.isprintable() or sign == "\n")] and "…" in shown


def test_titles_that_begin_alike_can_be_told_apart(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.commands.fit.terminal_width", lambda: 80)
    monkeypatch.setattr("gateway.commands.shared.output.terminal_width", lambda: 80)
    for name in ("billing", "orders", "returns"):
        furnish(title=f"Azure app secret - production-{name}-api", error="the service is out of reach " * 9)
    titles = [re.search(r"rotated  (.{8,20}?)  ", line) for line in invoke().output.splitlines()[1:]]
    shown = [found[1] for found in titles if found]
    assert len({*shown}) == 3 and all(each.startswith("Azure app") and each.endswith("-api") for each in shown), shown


def test_where_none_is_kept_the_command_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(history.VARIABLE, "")
    error = invoke().exception
    assert isinstance(error, Failed) and history.VARIABLE in error.message

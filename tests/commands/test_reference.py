"""``docs/commands.md`` is what the code says, and what the pages of commands begin with can be copied and works."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from gateway.__main__ import cli
from sandbox.graph.base import READ_ALL, WRITE_OWNED
from tests.commands.reference import EXAMPLES, PAGE, page
from tests.commands.test_outcomes import commands
from tests.stage import patience
from tests.stage.discover import DiscoverStage
from tests.stage.hooks import URL, Hooks
from tests.stage.rotation import ROOT


def test_the_page_is_what_the_code_says() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "renew it: python -m tests.commands.reference"


def test_every_command_has_an_example() -> None:
    assert {name for name, _ in commands(cli)} == EXAMPLES.keys()


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_taken_and_its_page_knows_the_command(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for file in ("web.pfx", "signed.pem", "scripts/azure_app_secret.py"):
        Path(file).parent.mkdir(exist_ok=True)
        Path(file).touch()
    line, on = EXAMPLES[name]
    words = shlex.split(line)
    command: click.Command = cli
    context = click.Context(cli)
    while isinstance(command, click.Group):
        found = command.get_command(context, words.pop(0))
        assert found
        command = found
    command.make_context(name, words)
    assert f"keeper-rotation {name}" in (ROOT / "docs" / on).read_text(encoding="utf-8")


# What a page begins with

OPENINGS = ("by-hand", "check", "discover", "history", "init", "plan", "run-due", "status", "targets")


def opening(name: str) -> list[list[str]]:
    """The commands of the page's first block."""
    text = (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")
    block = re.search(r"^```\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert block and text[: block.start()].count("\n") < 10, "it is on the first screen"
    return [shlex.split(line, comments=True) for line in block[1].splitlines()]


@pytest.fixture(scope="module")
def market() -> Iterator[DiscoverStage]:
    """A tenant that has all that the pages name."""
    with DiscoverStage(admin_roles=[READ_ALL, WRITE_OWNED], services=[Hooks()]) as stage:
        assert isinstance(stage, DiscoverStage)
        for name in ("billing", "svc-mail"):
            app = stage.sandbox.graph.new_application(name)
            app.owners.append(stage.at.admin_principal_id)
            stage.sandbox.graph.add_password(app)
        stage.certificate("web")
        stage.sandbox.keeper.vault.records[stage.at.record_uid].data["title"] = "orders"
        stage.variables |= {"ROTATION_NOTIFY": URL, "ROTATION_DEADLINE_SECONDS": f"{patience.seconds(60):g}"}
        yield stage


LINES = [(name, words) for name in OPENINGS for words in opening(name)]


@pytest.mark.parametrize(("name", "words"), LINES, ids=[" ".join(words[1:4]) for _, words in LINES])
def test_what_it_begins_with_works(name: str, words: list[str], market: DiscoverStage) -> None:
    assert words[0] == "keeper-rotation"
    if words == ["keeper-rotation", "init"]:
        pytest.skip("it asks; test_init.py answers")
    folder = market.sandbox.keeper.vault.default_folder
    meant = {"UID": market.at.record_uid, "Azure Rotation": folder}
    given = [re.sub("|".join(meant), lambda found: meant[found[0]], word) for word in words[1:]]
    given = [re.sub(r"^(--batch|--html)=", rf"\g<0>{market.out}/", word) for word in given]
    if "UID" in words:  # it may begin with a dash
        given = [*(word for word in given if word != meant["UID"]), "--", meant["UID"]]
    outcome = market.command(*given)
    assert outcome.code == 0, outcome

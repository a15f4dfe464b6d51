"""``keeper-rotation init``, and ``--batch`` of ``discover --create``: from nothing to a rotation on a schedule."""

from __future__ import annotations

import os
import pty
import select
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from keepercommander import vault as commander_vault

from sandbox.proxy import faults
from tests.commands.test_discover import LABELS, SCRIPTS, add
from tests.stage import patience
from tests.stage.commander import CONFIGURATION, Vault, commander
from tests.stage.discover import DiscoverStage, mode, shop
from tests.stage.rotation import ROOT, Stage

__all__ = ["shop"]

KINDS = {"app": "apps", "storage": "storage-accounts", "certificate": "certificates"}
PYTHON = "/opt/keeper azure/bin/python"


def words(stage: DiscoverStage, kind: str, target: str, *more: str) -> list[str]:
    """The command with all options."""
    folder = stage.sandbox.keeper.vault.default_folder
    return ["init", f"--kind={kind}", f"--target={target}", f"--folder={folder}", f"--batch={stage.out / 'b'}", *more]


def lines(path: Path) -> list[str]:
    """The commands in the file."""
    assert mode(path) == 0o600
    return [line for line in path.read_text().splitlines() if not line.startswith("#")]


# All options are given


@pytest.mark.parametrize("kind", KINDS)
def test_the_record_the_lines_and_the_plan(kind: str, shop: DiscoverStage) -> None:
    address = add(shop, KINDS[kind], "web1", days=200)
    outcome = shop.command(*words(shop, kind, "web1"))
    assert outcome.code == 0, outcome
    (record,) = shop.made()
    assert record.value(LABELS[KINDS[kind]]) == address and record.data["type"] == "pamUser"
    values = record.values()
    assert values["remove_old"] in ("none", "replaced") and not values.get("notify") and values["NOOP"] == "True"
    assert values.get("rotate_before_hours", "720" if kind == "certificate" else "") == "720"
    add_script, schedule = lines(shop.out / "b")
    assert add_script.startswith(f"pam rotation script add {record.uid} --script=scripts/{SCRIPTS[KINDS[kind]]}.py ")
    assert f"--record={record.uid} --config={shop.at.config_record_uid} " in schedule and '"0 0 4 * * ?"' in schedule
    assert f"({record.uid})\nwould  " in outcome.stdout, "the plan"
    assert not [each for each in shop.writes() if each != "keeper.create_secret"], "nothing else is changed"


@pytest.mark.parametrize("named", ["the id", "the client id", "the name in capitals"])
def test_an_app_is_named_by_its_name_or_ids(named: str, shop: DiscoverStage) -> None:
    object_id = add(shop, "apps", "web1", days=200)
    app = shop.sandbox.graph.application(object_id)
    target = {"the id": object_id, "the client id": app.client_id}.get(named, "WEB1")
    assert shop.command(*words(shop, "app", target)).code == 0
    assert shop.made()[0].value("application_object_id") == object_id


def test_run_again_it_goes_on_with_its_own_record(shop: DiscoverStage) -> None:
    add(shop, "apps", "web1")
    given = words(shop, "app", "web1", "--deliver-to=https://shop.vault.azure.net/secrets/web1", "--force")
    assert shop.command(*given).code == 0
    (record,) = shop.made()
    assert record.value("deliver_to") == "https://shop.vault.azure.net/secrets/web1"
    (shop.out / "b").unlink()
    assert shop.command(*given).code == 0
    assert len(shop.made()) == 1 and record.uid in lines(shop.out / "b")[0]


def test_what_has_another_record_is_left_alone(shop: DiscoverStage) -> None:
    object_id = add(shop, "apps", "web1")
    uid = shop.record_of("application_object_id", object_id, rotate_before_hours="24")
    outcome = shop.command(*words(shop, "app", "web1"))
    assert outcome.code == 1 and f"record {uid} stands for web1 already" in outcome.stderr
    assert not shop.made() and not (shop.out / "b").exists()


WRONG: dict[str, tuple[list[str], str]] = {
    "no such target": (["--target=nothing"], "nothing that can be seen has this name"),
    "a target that is nearly one": (["--target=web"], "similar: web1"),
    "no such folder": (["--folder=Elsewhere"], "sees no such folder"),
    "no such configuration": (["--config=" + "A" * 22], "cannot be read"),
    "a destination that is none": (["--deliver-to=x"], "deliver_to: 'x' is not"),
    "a time that is none": (["--daily-at=25:00"], "no time of the day"),
    "a Python with a second line": (["--script-command=python3\npam"], "is not one line of text"),
    "a folder for a file": (["--batch=/"], "is a folder"),
}


@pytest.mark.parametrize("name", WRONG)
def test_nothing_is_made_where(name: str, shop: DiscoverStage) -> None:
    add(shop, "apps", "web1")
    given, words_ = WRONG[name]
    outcome = shop.command(*words(shop, "app", "web1"), *given)
    assert outcome.code == 1 and words_ in outcome.stderr, outcome
    assert not shop.made() and not shop.writes()


def test_all_that_is_missing_is_named_where_nobody_can_be_asked(shop: DiscoverStage) -> None:
    outcome = shop.command("init", "--kind=app", given="")
    assert outcome.code == 1 and "--target, --folder, --batch: missing" in outcome.stderr
    assert not shop.sandbox.requests


def test_two_of_one_name_are_told_apart_by_their_ids(shop: DiscoverStage) -> None:
    ids = [add(shop, "apps", "web1") for _ in range(2)]
    outcome = shop.command(*words(shop, "app", "web1"))
    assert outcome.code == 1 and all(each in outcome.stderr for each in ids)


def test_a_first_rotation_that_would_fail_is_told(shop: DiscoverStage) -> None:
    add(shop, "apps", "web1")
    outcome = shop.command(*words(shop, "app", "web1", "--deliver-to=https://no-such.vault.azure.net/secrets/web1"))
    assert outcome.code == 2 and "its first rotation would not work yet" in outcome.stderr, outcome
    assert "would      fail" in outcome.stdout and len(shop.made()) == 1 and lines(shop.out / "b")


def test_a_vault_that_is_gone_at_the_end_is_told(shop: DiscoverStage) -> None:
    add(shop, "apps", "web1")
    shop.sandbox.fault("keeper", "get_secret", faults.Status(503), nth=4, times=None)
    outcome = shop.command(*words(shop, "app", "web1"))
    assert outcome.code == 2 and "the record is set up" in outcome.stderr and len(shop.made()) == 1, outcome


# Asked at a terminal


def at_terminal(
    stage: Stage, *arguments: str, answers: list[str], before_the_last: Callable[[], None] = lambda: None
) -> tuple[int, str]:
    """The command's exit code and all that the terminal shows, with these lines typed, each at the next question."""
    main, other = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway", *arguments], stdin=other, stdout=other, stderr=other, cwd=ROOT,
        env=stage.variables | {"TERM": "dumb"},
    )  # fmt: skip
    os.close(other)
    shown = ""
    waiting = list(answers)
    while select.select([main], [], [], patience.seconds(30))[0]:
        try:
            part = os.read(main, 4096).decode(errors="replace")
        except OSError:  # the other end is closed
            break
        shown += part
        if waiting and shown.rstrip(" ").endswith(":"):
            if len(waiting) == 1:
                before_the_last()
            os.write(main, waiting.pop(0).encode() + b"\n")
            shown += "\n"
    os.close(main)
    return process.wait(patience.seconds(30)), shown.replace("\r\n", "\n")


def test_it_asks_what_no_option_says(shop: DiscoverStage) -> None:
    for name in ("web1", "web2", "taken"):
        add(shop, "apps", name, days=200)
    shop.record_of("application_object_id", add(shop, "apps", "known"))
    path = shop.out / "mine.batch"
    code, shown = at_terminal(shop, "init", answers=["1", "2", "1", str(path), "y"])
    assert code == 0, shown
    assert "known" not in shown and "Make the record" in shown
    (record,) = shop.made()
    assert record.uid in lines(path)[0]


def test_a_no_makes_nothing(shop: DiscoverStage) -> None:
    add(shop, "apps", "web1")
    arguments = words(shop, "app", "")
    code, shown = at_terminal(shop, *arguments, answers=["1", "n"])
    assert code == 1 and "nothing was changed" in shown
    assert not shop.made() and not (shop.out / "b").exists()


def test_one_of_many_is_found_by_a_part_of_its_name(shop: DiscoverStage) -> None:
    for number in range(35):
        add(shop, "apps", f"service-{number:02}", days=200)
    code, shown = at_terminal(shop, *words(shop, "app", ""), answers=["ce-33", "1", "y"])
    assert code == 0 and shop.made()[0].value("login") == "service-33", shown


# --batch of discover


def test_lines_for_each_new_record(shop: DiscoverStage) -> None:
    for name in ("web1", "web2"):
        add(shop, "apps", name)
    folder = shop.sandbox.keeper.vault.default_folder
    path = shop.out / "b"
    given = ["discover", "apps", "--only=web*", "--create", f"--folder={folder}", f"--batch={path}"]
    outcome = shop.command(*given, "--daily-at=23:05", f"--credential={shop.at.admin_record_uid}")
    assert outcome.code == 0 and "lines for 2 records written" in outcome.stderr, outcome
    made = {record.uid for record in shop.made()}
    assert {line.split()[4] for line in lines(path)[::2]} == made
    assert all(record.value("rotate_before_hours") == "720" for record in shop.made())
    assert all('"0 5 23 * * ?"' in line for line in lines(path)[1::2])
    assert all(f"--add-credential={shop.at.admin_record_uid}" in line for line in lines(path)[::2])
    path.unlink()
    assert shop.command(*given).code == 0
    assert {line.split()[4] for line in lines(path)[::2]} == made, "again, as long as they wait for their script"


def test_without_it_a_new_record_says_nothing_of_a_schedule(shop: DiscoverStage) -> None:
    add(shop, "apps", "web1")
    folder = shop.sandbox.keeper.vault.default_folder
    assert shop.command("discover", "apps", "--only=web1", "--create", f"--folder={folder}").code == 0
    assert not shop.made()[0].value("rotate_before_hours")
    given = ["discover", "apps", "--only=web1", "--create", f"--folder={folder}", f"--batch={shop.out / 'b'}"]
    outcome = shop.command(*given)
    assert outcome.code == 0 and "no record waits for its script" in outcome.stderr
    assert not (shop.out / "b").exists(), "its owner has another schedule in mind: every run makes a new secret"


def test_what_is_only_shown_gets_no_lines(shop: DiscoverStage) -> None:
    add(shop, "tls-secrets", "web1")
    folder = shop.sandbox.keeper.vault.default_folder
    given = ["discover", "tls-secrets", "--create", f"--folder={folder}", f"--batch={shop.out / 'b'}"]
    outcome = shop.command(*given)
    assert outcome.code == 0 and len(shop.made()) == 1 and not (shop.out / "b").exists(), outcome


def test_it_goes_with_create_only(shop: DiscoverStage) -> None:
    outcome = shop.command("discover", "apps", f"--batch={shop.out / 'b'}")
    assert outcome.code == 1 and "--batch without --create" in outcome.stderr and not shop.sandbox.requests


# What Commander makes of the lines


@pytest.fixture
def keeper() -> Iterator[Vault]:
    """A vault of Commander's, without a network."""
    with commander() as made:
        yield made


def known_to(keeper: Vault, record: Any, shop: Stage) -> None:
    """The records of the sandbox that the lines name, in Commander's vault."""
    typed = commander_vault.TypedRecord()
    typed.record_uid, typed.title, typed.type_name = record.uid, str(record.title), "pamUser"
    keeper.save(typed)
    configuration = commander_vault.TypedRecord(version=CONFIGURATION)
    configuration.record_uid, configuration.title = shop.at.config_record_uid, "configuration"
    configuration.type_name = "pamAzureConfiguration"
    keeper.save(configuration)


@pytest.mark.parametrize("title", ["web1", 'a "b"\n$(pam) -- \\ #'])
def test_commander_takes_the_lines(
    title: str, keeper: Vault, shop: DiscoverStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    object_id = add(shop, "apps", title)
    assert shop.command(*words(shop, "app", object_id, f"--script-command={PYTHON}")).code == 0
    (record,) = shop.made()
    known_to(keeper, record, shop)
    monkeypatch.chdir(ROOT)
    keeper.run(f"run-batch --quiet {shlex.quote(str(shop.out / 'b'))}")
    (request,) = keeper.rotations.values()
    assert request.noop and '"cron": "0 0 4 * * ?"' in request.schedule
    (name,) = keeper.rotations
    assert keeper.script_of(name) == [(ROOT / "scripts" / "azure_app_secret.py", PYTHON, [])]


def test_a_record_that_has_a_script_is_no_longer_waiting(shop: DiscoverStage) -> None:
    add(shop, "apps", "web1")
    given = words(shop, "app", "web1", "--force")
    assert shop.command(*given).code == 0
    (record,) = shop.made()
    script = {"type": "script", "value": [{"fileRef": "A" * 22, "command": "python", "recordRef": []}]}
    shop.sandbox.keeper.vault.records[record.uid].data["fields"].append(script)
    outcome = shop.command(*given)
    assert outcome.code == 1 and "stands for web1 already" in outcome.stderr

"""``keeper-rotation status``: every record, what is due and what is wrong, by the vault and this host's history."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from click.testing import CliRunner

from gateway.__main__ import cli
from gateway.commands.status import show
from gateway.commands.status.show import SORTS
from gateway.model.credential import stamp
from sandbox.keeper.vault import make_field
from sandbox.proxy import faults
from tests.stage.command import command
from tests.stage.rotation import Stage

APP, STORAGE, TLS, CERTIFICATE = "application_object_id", "storage_account_id", "tls_secret_id", "certificate_id"
NOW = datetime.now(UTC)


def day(days: float) -> str:
    """A date so many days from now, as a record has it."""
    return stamp(NOW + timedelta(days=days))


def add(stage: Stage, title: str, type_: str = "pamUser", **values: str) -> str:
    """A record with these fields; its uid."""
    fields = [make_field("text", text, label) for label, text in values.items()]
    return stage.sandbox.keeper.add_record(title, type_, [make_field("login", "x")], fields)


def rows(stage: Stage, *arguments: str, code: int = 0) -> dict[str, dict[str, Any]]:
    """What the command says, by title."""
    process = command(stage, "status", "--json", *arguments)
    assert process.returncode == code, process
    return {row["title"]: row for row in json.loads(process.stdout)}


def published(days: float, rotated: float = -1.0, **more: str) -> dict[str, str]:
    """The fields of an app's record that was rotated, by the day."""
    ledger = {"version": 1, "record": "", "named": "A", "target": "A", "key_id": "k", "retire": [], "holds": {}}
    fields = {APP: "A", "client_secret_id": "k", "expires": day(days), "last_rotated": day(rotated)}
    return fields | {"rotation_state": json.dumps(ledger)} | more


def rotated(stage: Stage, title: str, *given: float, ledger: dict[str, Any] | None = None, **more: str) -> str:
    """A record of an app that was rotated; its uid, of which its ledger speaks."""
    uid = add(stage, title, **published(*given, **more))
    state = json.loads(published(1)["rotation_state"]) | {"record": uid} | (ledger or {})
    stage.sandbox.keeper.edit(uid, "rotation_state", json.dumps(state))
    return uid


# What a record says, what is shown of it, by key, and a part of what is said to be wrong or to be known.
RECORDS: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "is rotated at every run": ({"days": 300}, {"state": "ok", "every_run": True, "why": ["every run"]}, ""),
    "is not due": (
        {"days": 100, "rotate_before_hours": "240"},
        {"state": "ok", "why": [], "next_due": day(90), "days_left": 99},
        "",
    ),
    "is due, and still young enough": (
        {"days": 9, "rotate_before_hours": "240"}, {"state": "note", "why": ["near its end"]}, "due: near its end",
    ),
    "should have been rotated three days ago": (
        {"days": 7, "rotate_before_hours": "240"}, {"state": "trouble", "next_due": day(-3)}, "silent: it was due at",
    ),
    "has not been rotated for nine days": ({"days": 300, "rotated": -9.0}, {"state": "trouble"}, "silent: it is for"),
    "has expired": ({"days": -0.5}, {"state": "trouble", "days_left": -1}, "expired"),
    "is switched off": (
        {"days": 300, "rotated": -90.0, "rotation_enabled": "no"}, {"state": "off", "enabled": False, "why": []},
        "rotation_enabled",
    ),
    "is switched off and ends soon": (
        {"days": 9, "rotation_enabled": "no"}, {"state": "trouble"}, "ends soon, and nothing here renews it",
    ),
    "is asked for": (
        {"days": 99, "rotate_before_hours": "1", "rotate_now": "True"}, {"why": ["asked for"]}, "due: asked for",
    ),
    "has a field that cannot be used": ({"days": 99, "remove_old": "some"}, {"state": "trouble"}, "remove_old: 'some'"),
    "has a destination that is none": ({"days": 99, "deliver_to": "x"}, {"state": "trouble"}, "deliver_to: 'x' is not"),
    "has a ledger that cannot be read": (
        {"days": 99, "rotation_state": "x"}, {"state": "trouble"}, "rotation_state cannot be read",
    ),
    "has an absurd date": ({"days": 99, "expires": "0001-01-01", "rotate_before_hours": "9"}, {}, "expired"),
    "has no date": ({"days": 99, "expires": "soon", "rotate_before_hours": "9"}, {"expires": None}, "of unknown age"),
    "publishes what no run published": ({"days": 99, "client_secret_id": "mine"}, {}, "publishes another one"),
    "was never rotated": (
        {"days": 99, "client_secret_id": "pending-first-rotation", "rotation_state": ""},
        {"why": ["placeholder", "every run"]}, "due: placeholder",
    ),
    "has a line that was added": (
        {"days": 99, "deliver_to": "keeper:AAAAAAAAAAAAAAAAAAAAAA#password"}, {"state": "trouble"}, "not delivered: ",
    ),
    "has an optional line that was added": (
        {"days": 99, "deliver_to": "optional keeper:AAAAAAAAAAAAAAAAAAAAAA#password"}, {"state": "ok"}, "",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def seen() -> Any:
    """All of these records, in one reading."""
    with Stage() as stage:
        for title, (values, _, _) in RECORDS.items():
            given = {"rotated": -1.0} | values
            uid = rotated(stage, title, given.pop("days"), given.pop("rotated"), **given)
            if "rotation_state" in values:
                stage.sandbox.keeper.edit(uid, "rotation_state", values["rotation_state"])
        stage.sandbox.forget()
        found = rows(stage)
        yield found, stage.sandbox.operations()


@pytest.mark.parametrize("title", RECORDS)
def test_a_record_that(title: str, seen: Any) -> None:
    row, (_, expected, part) = seen[0][title], RECORDS[title]
    shown = {key: row[key] for key in expected}
    assert shown == expected, row
    said = "; ".join(row["trouble"] + row["notes"])
    assert part in said if part else not said


def test_keeper_is_asked_once_and_nobody_else(seen: Any) -> None:
    assert seen[1] == ["keeper.get_secret"]


LEDGERS: dict[str, tuple[dict[str, Any], str]] = {
    "is to be removed": ({"retire": [{"key_id": "o", "after": day(-0.5), "published": True}]}, "to be removed: o"),
    "was removed by that rotation": ({"retire": [{"key_id": "o", "after": day(-2), "published": True}]}, ""),
    "is removed later": ({"retire": [{"key_id": "o", "after": day(1), "published": True}]}, ""),
    "was interrupted": (
        {"regenerating": {"key_id": "k", "before": day(-2), "until": day(-1), "lock": "l"}}, "was interrupted",
    ),
    "drifted": ({"drift": ["keeper:x#y"]}, "was changed by others: keeper:x#y"),
    "is revoked": ({"revoking": True}, "a revoke is not complete"),
    "another destination holds": ({"holds": {"keeper:AAAAAAAAAAAAAAAAAAAAAA#password": "k"}}, ""),
}  # fmt: skip


def test_what_an_earlier_run_left_over(stage: Stage) -> None:
    for title, (ledger, _) in LEDGERS.items():
        rotated(stage, title, 99, -1, ledger=ledger, rotate_before_hours="24")
    found = rows(stage)
    for title, (_, part) in LEDGERS.items():
        said = "; ".join(found[title]["left"])
        assert part in said if part else not said, title


def test_a_key_that_was_regenerated_under_its_name_is_told_from_the_one_before(stage: Stage) -> None:
    lines = [f"keeper:{letter * 22}#password" for letter in "AB"]
    for title, second in {"open": "2026-01-01", "done": "2026-02-01"}.items():
        holds = dict(zip(lines, ("k@2026-02-01T00:00:00+00:00", f"k@{second}T00:00:00+00:00"), strict=True))
        rotated(stage, title, 99, -1, ledger={"holds": holds}, deliver_to="\n".join(lines))
    found = rows(stage)
    assert (found["open"]["pending"], found["done"]["pending"]) == ([lines[1]], [])


def test_certificates_tls_secrets_passwords_and_admin_credentials_are_seen(stage: Stage) -> None:
    url = "https://shop.vault.azure.net"
    add(stage, "cert", **{CERTIFICATE: f"{url}/certificates/web"}, expires=day(9), certificate_version="v")
    add(stage, "tls far", "login", **{TLS: f"{url}/secrets/web"}, expires=day(60))
    add(stage, "tls near", "login", **{TLS: f"{url}/secrets/web"}, expires=day(3))
    add(stage, "storage", **{STORAGE: "/subscriptions/x"})
    add(stage, "password", deliver_to=f"{url}/secrets/web")
    add(stage, "admin near", "login", application_client_id="c", client_secret="s", tenant_id="t", expires=day(3))
    add(stage, "admin of a record", "login", application_client_id="D", client_secret="s", tenant_id="t")
    add(stage, "admin incomplete", "login", application_client_id="c")
    add(stage, "nothing of ours", "login", note="x")
    add(stage, "a user", note="x")
    add(stage, "rotates D", **published(3), client_id="d")
    found = rows(stage)
    kinds = {"cert": "cert", "tls far": "tls", "storage": "storage", "password": "password", "admin near": "admin"}
    assert {title: found[title]["kind"] for title in kinds} == kinds
    assert found["tls far"]["state"] == "ok" and "ends soon" in found["tls near"]["trouble"][0]
    assert "ends soon" in found["admin near"]["trouble"][0] and found["admin of a record"]["expires"] == day(3)
    assert "client_secret, tenant_id" in found["admin incomplete"]["trouble"][0]
    assert not {"nothing of ours", "a user"} & found.keys()
    assert found["Azure configuration"]["kind"] == "admin" and found["Azure configuration"]["notes"]


def test_a_record_that_cannot_be_saved_is_trouble(stage: Stage) -> None:
    stage.sandbox.keeper.set_editable(stage.at.record_uid, False)
    assert "read-only" in rows(stage)[stage.stored()["title"]]["trouble"][0]


def test_the_last_outcome_is_that_of_this_host(stage: Stage) -> None:
    title = stage.stored()["title"]
    assert rows(stage)[title]["last_run_here"] is None
    stage.sandbox.fault("graph", "add_password", faults.Status(403), times=None)
    failed = stage.run()
    row = rows(stage)[title]
    assert row["last_run_here"]["run"] == failed.report["run"] and row["last_run_here"]["exit_code"] == 1
    assert row["state"] == "trouble" and row["trouble"][0].startswith("failed here: ")
    stage.sandbox.faults.clear()
    assert stage.run().code == 0
    row = rows(stage)[title]
    assert (row["state"], row["last_run_here"]["result"]) == ("ok", "rotated"), row


def test_without_a_history_it_says_so_and_goes_on(stage: Stage) -> None:
    stage.variables["ROTATION_HISTORY"] = ""
    process = command(stage, "status")
    assert process.returncode == 0 and "how the last runs ended is not known" in process.stderr, process


# Which of them


@pytest.fixture
def shown(make_stage: Callable[..., Stage]) -> Stage:
    """Four records: one is in trouble, one expires in three weeks, one is well, and one is elsewhere."""
    stage = make_stage()
    rotated(stage, "Orders", -1)
    rotated(stage, "Shop", 21)
    rotated(stage, "Zebra", 300)
    return stage


WHICH: dict[tuple[str, ...], set[str]] = {
    ("--only=trouble",): {"Orders"},
    ("--expiring-within=30",): {"Orders", "Shop"},
    ("--expiring-within=0",): {"Orders"},
    ("zeb", "SHOP"): {"Shop", "Zebra"},
    ("shop", "--only=trouble"): set(),
}  # fmt: skip


def test_options_say_which(shown: Stage) -> None:
    for arguments, titles in WHICH.items():
        assert rows(shown, *arguments).keys() == titles, arguments
    uid = shown.at.record_uid
    assert [row["record"] for row in rows(shown, uid).values()] == [uid]
    refused = command(shown, "status", "elephant")
    assert refused.returncode == 1 and "elephant" in refused.stderr and "hint:" in refused.stderr


EMPTY = {
    "Zebra --only=trouble": "no record of these is in trouble",
    "Zebra --expiring-within=30": "no record of these expires within 30 days",
    "Shop --only=trouble --expiring-within=1": "no record of these is in trouble and expires within 1 day",
    "--folder=Empty --only=trouble": "no record in folder Empty is in trouble",
    "--folder=Empty": "no record in folder Empty is of this package",
}


def test_where_there_is_none_it_says_none_of_what(shown: Stage) -> None:
    shown.sandbox.keeper.vault.add_folder("Empty")
    for arguments, words in EMPTY.items():
        assert command(shown, "status", *arguments.split()).stdout == f"{words}\n", arguments


def test_a_folder_is_named_by_its_name_or_uid_and_holds_its_inner_folders(shown: Stage) -> None:
    vault = shown.sandbox.keeper.vault
    outer = vault.add_folder("Outer")
    inner = vault.add_folder("Inner", outer)
    moved = ("Shop", "Zebra")
    for record in vault.records.values():
        record.folder_uid = outer if record.data["title"] in moved else record.folder_uid
        record.inner_folder_uid = inner if record.data["title"] == "Zebra" else None
    for given, titles in {outer: {"Shop", "Zebra"}, "Outer": {"Shop", "Zebra"}, "Inner": {"Zebra"}}.items():
        assert rows(shown, f"--folder={given}").keys() == titles
    refused = command(shown, "status", "--folder=Nowhere")
    assert refused.returncode == 1 and "Outer" in refused.stderr, refused


@pytest.mark.parametrize("days, only, code", [(7, "Orders", 1), (7, "Shop", 0), (30, "Shop", 1), (7, "Zebra", 0)])
def test_a_monitor_gets_an_exit_code(days: int, only: str, code: int, shown: Stage) -> None:
    rows(shown, only, f"--fail-within={days}", code=code)


def test_each_order_can_be_asked_for(shown: Stage) -> None:
    for sort in SORTS:
        assert len(rows(shown, f"--sort={sort}")) == 6
    assert next(iter(rows(shown))) == "Orders" and list(rows(shown, "--sort=title"))[-1] == "Zebra"
    assert list(rows(shown, "--sort=expires"))[:2] == ["Orders", "Shop"]


# How it looks

EVIL = ("<script>alert(1)</script>", '=HYPERLINK("http://x")', "+1", "@SUM(A1)", "\x1b[31mred", "a\u202eb", "\tx\r=y")


def test_titles_are_inert_in_csv_and_on_a_terminal(stage: Stage) -> None:
    for title in EVIL:
        add(stage, title, **{APP: title})
    table = csv.DictReader(io.StringIO(command(stage, "status", "--csv").stdout))
    cells = [cell for row in table for cell in row.values()]
    assert '\'=HYPERLINK("http://x")' in cells and len(cells) > 100
    assert not [cell for cell in cells if cell.lstrip("?")[:1] in ("=", "+", "@") or not cell.isprintable()]
    text = command(stage, "status").stdout
    assert not [sign for sign in text if not (sign.isprintable() or sign == "\n")]


def test_a_number_stays_a_number_in_csv(stage: Stage) -> None:
    rotated(stage, "Orders", -2)
    row = next(csv.DictReader(io.StringIO(command(stage, "status", "orders", "--csv").stdout)))
    assert (row["days_left"], row["title"]) in {("-2", "Orders"), ("-3", "Orders")}


def test_the_table_fits_eighty_columns_with_titles_first_and_a_sign_beside_the_colour(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    rotated(stage, "x" * 10_000, -1)
    rotated(stage, "Shop", 300)
    for name in ("fit", "shared.output", "status.show"):
        monkeypatch.setattr(f"gateway.commands.{name}.terminal_width", lambda: 80)
    for name, value in stage.variables.items():
        monkeypatch.setenv(name, value)
    for color in (True, False):
        shown = CliRunner().invoke(cli, ["status"], color=color).output.splitlines()
        plain = [line.replace("\x1b[31m", "").replace("\x1b[33m", "").replace("\x1b[0m", "") for line in shown]
        assert max(map(len, plain)) <= 80 and not [line for line in plain if "\x1b" in line], shown
        assert plain[1].startswith("x  xxxxxxxx") and "expired" in plain[1] and "TITLE" in plain[0]
        assert ("\x1b[31m" in shown[1]) is color
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in CliRunner().invoke(cli, ["status"], color=True).output


def test_one_record_is_shown_whole(stage: Stage) -> None:
    process = command(stage, "status", "--", stage.at.record_uid)
    assert process.returncode == 0 and process.stdout.startswith("title "), process
    assert stage.at.record_uid in process.stdout and stage.at.target_object_id in process.stdout


def test_the_orders_of_the_option_are_those_that_there_are() -> None:
    from gateway.commands.status.cli import status

    sort = next(each for each in status.params if each.name == "sort")
    assert set(sort.type.choices) == set(show.SORTS)  # type: ignore[attr-defined]

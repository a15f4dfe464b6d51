"""``keeper-rotation digest``: one message with all that wants attention, to whom the host names."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator

import pytest

from sandbox.proxy import faults
from tests.commands.test_status import add, day, rotated
from tests.stage.command import command
from tests.stage.hooks import URL, Hooks
from tests.stage.rotation import Stage

Told = tuple[Stage, Hooks]
# Titles, what they say, and under which heading they are told; empty: they are not told.
RECORDS: dict[str, tuple[dict[str, str], str, str]] = {
    "quiet": ({"expires": day(300)}, "", ""),
    "near, and renewed by its schedule": ({"expires": day(20), "rotate_before_hours": "24"}, "in 19 days", "Expiring"),
    "due": ({"expires": day(9), "rotate_before_hours": "240"}, "due: near its end", "Due"),
    "silent": ({"expires": day(7), "rotate_before_hours": "240"}, "silent: it was due at", "Wrong"),
    "expired": ({"expires": day(-3)}, "ended", "Wrong"),
    "off": ({"expires": day(300), "rotation_enabled": "False"}, "", ""),
    "off, and near": ({"expires": day(20), "rotation_enabled": "False"}, "in 19 days", "Expiring"),
    "undelivered": (
        {"expires": day(300), "deliver_to": "keeper:AAAAAAAAAAAAAAAAAAAAAA#password"}, "not delivered", "Wrong",
    ),
}  # fmt: skip


@pytest.fixture
def told(make_stage: Callable[..., Stage]) -> Iterator[Told]:
    """A host that names a web hook, and one record that is well."""
    hooks = Hooks()
    stage = make_stage(services=[hooks])
    assert stage.run().code == 0
    stage.variables["ROTATION_NOTIFY"] = URL
    yield stage, hooks


def digest(stage: Stage, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    """What the command says; it changes nothing, asks Keeper alone, and shows no secret of an address."""
    before = {uid: stage.sandbox.keeper.record(uid).data for uid in list(stage.sandbox.keeper.vault.records)}
    stage.sandbox.forget()
    process = command(stage, "digest", *words)
    assert process.returncode == code, process
    assert "hook-password-77" not in process.stdout + process.stderr
    assert {request.service for request in stage.sandbox.requests} <= {"keeper", "hooks"}
    assert before == {uid: stage.sandbox.keeper.record(uid).data for uid in list(stage.sandbox.keeper.vault.records)}
    return process


def parts(hooks: Hooks) -> dict[str, str]:
    """What the only message says, by its headings' first words."""
    (message,) = hooks.received
    blocks = [block.partition("\n") for block in message["message"].split("\n\n")]
    return {heading.split()[0].strip(":"): rest for heading, _, rest in blocks}


def test_each_record_is_told_once_under_what_is_most_urgent(told: Told) -> None:
    stage, hooks = told
    for title, (values, _, _) in RECORDS.items():
        uid = rotated(stage, title, 300)
        for label, value in values.items():
            stage.sandbox.keeper.edit(uid, label, value)
    assert "accepted" in digest(stage).stdout
    said = parts(hooks)
    for title, (_, words, heading) in RECORDS.items():
        lines = [(name, line) for name, text in said.items() for line in text.splitlines() if f"- {title} (" in line]
        assert [name for name, _ in lines] == ([heading] if heading else []), title
        assert all(words in line for _, line in lines), lines
    assert hooks.received[0]["title"] == "Rotation digest: 3 wrong, 1 due or left over, 2 expiring within 30 days"


def test_certificates_tls_secrets_and_admin_credentials_are_told_of(told: Told) -> None:
    stage, hooks = told
    add(stage, "a certificate", certificate_id="https://v.vault.azure.net/certificates/a", expires=day(20))
    add(stage, "a TLS secret", "login", tls_secret_id="https://v.vault.azure.net/secrets/b", expires=day(20))
    fields = {"application_client_id": "C", "client_secret": "s-e-c-r-e-t", "tenant_id": "T", "expires": day(20)}
    add(stage, "an admin", **fields)
    digest(stage)
    text = "\n".join(parts(hooks).values())
    for line in ("- a certificate (cert, ", "- a TLS secret (tls, ", "- an admin (admin, "):
        assert line in text
    assert "s-e-c-r-e-t" not in json.dumps(hooks.received)


def test_a_failed_run_of_this_host_is_told(told: Told) -> None:
    stage, hooks = told
    stage.sandbox.directory.policy.max_lifetime_days = 90
    stage.run(ROTATION_NOTIFY="")
    digest(stage)
    assert "failed here: " in parts(hooks)["Wrong"]


def test_drift_is_told(told: Told) -> None:
    stage, hooks = told
    rotated(stage, "changed", 300, ledger={"drift": ["https://v.vault.azure.net/secrets/a"]})
    digest(stage)
    assert "was changed by others: https://v.vault.azure.net/secrets/a" in parts(hooks)["Due"]


def test_where_there_is_nothing_to_tell_nothing_is_sent(told: Told) -> None:
    stage, hooks = told
    assert "nothing was sent" in digest(stage).stdout
    assert digest(stage, "--json").stdout == "[]\n"
    assert not hooks.received


def test_what_is_near_is_what_the_option_says(told: Told) -> None:
    stage, hooks = told
    rotated(stage, "later", 50)
    digest(stage)
    assert not hooks.received
    digest(stage, "--expiring-within=60")
    assert hooks.received[0]["title"] == "Rotation digest: 1 expiring within 60 days"


def test_what_did_not_take_it_is_named(told: Told) -> None:
    stage, hooks = told
    rotated(stage, "expired", -2)
    stage.sandbox.fault("hooks", "notify", faults.Status(403), times=None)
    process = digest(stage, code=1)
    assert "1 of 1 did not take the message: address 1, jsons" in process.stderr and "ROTATION_NOTIFY" in process.stderr
    assert not hooks.received


def test_a_host_that_names_nobody_is_told_so_before_anything_is_read(told: Told) -> None:
    stage, _ = told
    stage.variables["ROTATION_NOTIFY"] = " "
    process = digest(stage, code=1)
    assert "ROTATION_NOTIFY is not set" in process.stderr
    assert not stage.sandbox.requests


def test_titles_are_one_line_and_a_message_stays_short(told: Told) -> None:
    stage, hooks = told
    for number in range(40):
        rotated(stage, f"{number} <b>‮\n- a lie (x" + "x" * 10_000, -2)
    digest(stage)
    text = parts(hooks)["Wrong"]
    lines = text.splitlines()
    assert len(lines) == 26 and lines[-1] == "- and 15 more"
    assert len(text) < 15_000 and "‮" not in text

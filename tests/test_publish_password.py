"""A password that Keeper rotates is at once the same in Azure Key Vault, and both sides are compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from itertools import pairwise
from urllib.parse import unquote, urlsplit

import pytest

from sandbox import faults
from tests.stage import ROOT, Outcome, Stage
from tests.sweep import FAULTS, KILLS

SCRIPT = ROOT / "scripts" / "publish_password.py"
OLD, NEW = "old-Password-1!", "new/Pass:word@2 #äöü%"


class PasswordStage(Stage):
    """A stage with a record that Keeper rotates, delivered to a vault that holds the old password."""

    def __init__(self, **settings: str) -> None:
        super().__init__()
        self.vault = self.sandbox.keyvault.add_vault("passwords-vault")
        self.sandbox.keyvault.set_secret(self.vault, "mongodb", OLD, tags={"team": "orders"})
        self.sandbox.keyvault.grant(self.at.admin_client_id, "Key Vault Secrets Officer", self.vault)
        self.address = f"{self.vault.url}/secrets/mongodb"
        fields = [{"type": "login", "value": ["orders app"]}, {"type": "password", "value": [OLD]}]
        wanted = {"deliver_to": self.address} | settings
        custom = [{"type": "text", "label": label, "value": [value]} for label, value in wanted.items()]
        uid = self.sandbox.keeper.add_record("orders database", "pamUser", fields, custom)
        self.at = replace(self.at, record_uid=uid)
        self.sandbox.issued.extend([OLD, NEW])

    def save(self, password: str) -> None:
        """The Gateway saves the record; it may do so before or after it runs the script."""
        (field,) = [entry for entry in self.stored()["fields"] if entry["type"] == "password"]
        field["value"] = [password]

    def publish(self, old: str = OLD, new: str = NEW, **variables: str) -> Outcome:
        """Run the script as the Gateway does after it has rotated the password."""
        line = self.line(newPassword=new, oldPassword=old)
        outcome = self.finish(self.start(line, script=SCRIPT, **variables))
        assert not self.leaks([outcome])
        return outcome

    def held(self) -> str | None:
        return self.sandbox.keyvault.value(self.vault, "mongodb")


Make = Callable[..., PasswordStage]


@pytest.fixture
def password() -> Iterator[Make]:
    with ExitStack() as stack:
        yield lambda **settings: stack.enter_context(PasswordStage(**settings))  # type: ignore[return-value]


@pytest.mark.parametrize("saved", ["before", "after"])
def test_step_9_the_new_password_is_injected_into_key_vault(saved: str, password: Make) -> None:
    stage = password()
    if saved == "before":
        stage.save(NEW)
    outcome = stage.publish()
    assert (outcome.code, outcome.result) == (0, "published"), outcome
    assert stage.held() == NEW
    assert stage.sandbox.keyvault.versions(stage.vault, "mongodb")[-1].tags["team"] == "orders"


def test_step_10_both_sides_are_compared(password: Make) -> None:
    stage = password()
    outcome = stage.publish()
    assert outcome.report["proved"] == "identical"
    assert f"identical in Keeper and at {stage.address}" in outcome.stderr
    versions = len(stage.sandbox.keyvault.versions(stage.vault, "mongodb"))
    stage.save(NEW)
    assert stage.publish().code == 0
    assert len(stage.sandbox.keyvault.versions(stage.vault, "mongodb")) == versions, "nothing was left to do"


def test_step_3_every_rotation_of_the_schedule_is_published(password: Make) -> None:
    stage = password()
    passwords = [OLD, "second-Password", "third-Password", "fourth-Password"]
    stage.sandbox.issued.extend(passwords)
    for old, new in pairwise(passwords):
        assert stage.publish(old, new).code == 0
        stage.save(new)
        assert stage.held() == new


def test_step_7_the_rendered_template_is_delivered(password: Make) -> None:
    stage = password(value_template="mongodb://{login}:{password}@host.example:27017/db?authSource=admin")
    assert stage.publish().code == 0
    rendered = urlsplit(str(stage.held()))
    assert (unquote(rendered.username or ""), unquote(rendered.password or "")) == ("orders app", NEW)
    assert (rendered.hostname, rendered.port, rendered.path) == ("host.example", 27017, "/db")


def test_a_template_that_is_no_address_is_filled_in_as_it_is(password: Make) -> None:
    stage = password(value_template="user={login};password={password}")
    assert stage.publish().code == 0
    assert stage.held() == f"user=orders app;password={NEW}"


REFUSED: dict[str, tuple[dict[str, str], dict[str, str], str]] = {
    "a password that is neither the new nor the old one": (
        {},
        {"old": "another-Password"},
        "neither the new nor the old",
    ),
    "no new password": ({}, {"new": ""}, "'newPassword' is missing"),
    "no destination": ({"deliver_to": " "}, {}, "deliver_to is empty"),
    "an unknown name in the template": ({"value_template": "{password} {host}"}, {}, "unknown names host"),
    "no password in the template": ({"value_template": "{login}"}, {}, "no {password} in it"),
    "a foreign host": ({"deliver_to": "https://evil.example/secrets/x"}, {}, "deliver_to"),
    "a service connection": (
        {
            "deliver_to": "https://dev.azure.com/contoso/p/_settings/adminservices?resourceId="
            "00000000-0000-0000-0000-000000000001"
        },
        {},
        "takes client secrets only",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused(what: str, password: Make) -> None:
    settings, passwords, message = REFUSED[what]
    stage = password(**settings)
    outcome = stage.publish(**passwords)
    assert outcome.code in (1, 2), outcome
    assert message in outcome.report["error"], outcome
    assert outcome.report["hint"]
    assert stage.held() == OLD


def test_disabled(password: Make) -> None:
    stage = password(rotation_enabled="False")
    assert stage.publish().result == "disabled"
    assert stage.held() == OLD


def test_a_destination_in_keeper_alone_needs_no_azure(password: Make) -> None:
    stage = password()
    field = {"type": "secret", "label": "its password", "value": ["x"]}
    uid = stage.sandbox.keeper.add_record("consumer", "login", [], [field])
    stage.sandbox.keeper.edit(stage.at.record_uid, "deliver_to", f"keeper:{uid}#its password")
    assert stage.publish().code == 0
    assert stage.sandbox.keeper.record(uid).value("its password") == NEW
    assert {request.service for request in stage.sandbox.requests} == {"keeper"}


def test_what_failed_is_delivered_by_the_next_run_with_the_password_of_that_time(password: Make) -> None:
    stage = password()
    stage.sandbox.fault("keyvault", "set_secret", faults.Status(403), times=None)
    first = stage.publish()
    assert (first.code, first.result) == (2, "incomplete"), first
    assert first.report["pending"] == [stage.address]
    stage.sandbox.faults.clear()
    stage.save(NEW)
    third = "third-Password"
    stage.sandbox.issued.append(third)
    assert stage.publish(NEW, third).code == 0
    assert stage.held() == third


def test_by_hand_the_current_password_is_delivered(password: Make) -> None:
    from tests.test_by_hand import command

    stage = password()
    stage.save(NEW)
    process = command(stage, "run", str(SCRIPT), f"--record={stage.at.record_uid}")
    assert process.returncode == 0, process
    assert stage.held() == NEW


@pytest.mark.parametrize("fault", [name for name in FAULTS if name != "slow"])
@pytest.mark.parametrize(
    "operation", ["keeper.get_secret", "keeper.update_secret", "keyvault.get_secret", "keyvault.set_secret"]
)
def test_the_next_run_makes_both_sides_the_same_whatever_broke(operation: str, fault: str, password: Make) -> None:
    stage = password()
    service, name = operation.split(".")
    put = stage.sandbox.fault(service, name, FAULTS[fault])
    first = stage.publish()
    assert put.fired
    assert first.code == -9 if fault in KILLS else first.code in (0, 1, 2, 3), first
    if first.code == 0:
        assert stage.held() == NEW
    stage.sandbox.faults.clear()
    stage.save(NEW)
    second = stage.publish()
    assert (second.code, stage.held()) == (0, NEW), (first, second)


def test_what_the_vault_holds_is_compared_every_time(password: Make) -> None:
    stage = password()
    assert stage.publish().code == 0
    stage.save(NEW)
    stage.sandbox.keyvault.set_secret(stage.vault, "mongodb", "by hand")
    assert stage.publish().code == 0
    assert stage.held() == NEW


def test_an_older_run_that_delivers_last_delivers_the_newer_password(password: Make) -> None:
    stage, newer = password(), "second-Password-9"
    stage.sandbox.issued.append(newer)
    held = stage.sandbox.fault("keyvault", "set_secret", faults.Pause())
    stage.save(NEW)
    variables = {"ROTATION_REQUEST_TIMEOUT_SECONDS": "10", "ROTATION_DEADLINE_SECONDS": "30"}
    older = stage.start(stage.line(newPassword=NEW, oldPassword=OLD), script=SCRIPT, **variables)
    assert held.reached.wait(10)
    stage.save(newer)
    assert stage.publish(NEW, newer, ROTATION_LOCK_DIR=str(stage.home / "other")).code == 0
    held.release.set()
    assert stage.finish(older).code == 0
    assert stage.held() == newer


TEMPLATES = {
    "the login of an address": ("mongodb://{login}:{password}@h/?a=b", "mongodb://orders%20app:a%22b%3B1%2F@h/?a=b"),
    "the query of an address": (
        "jdbc:postgresql://h/d?password={password}",
        "jdbc:postgresql://h/d?password=a%22b%3B1%2F",
    ),
    "no part of an address": ("jdbc:sqlserver://h:1433;password={password}", 'jdbc:sqlserver://h:1433;password=a"b;1/'),
    "JSON": ('{"user": "{login}", "pw": "{password}"}', '{"user": "orders app", "pw": "a\\"b;1/"}'),
}


@pytest.mark.parametrize(("template", "text"), TEMPLATES.values(), ids=TEMPLATES)
def test_a_template_escapes_for_its_place(template: str, text: str, password: Make) -> None:
    stage = password(value_template=template)
    stage.sandbox.issued.append('a"b;1/')
    assert stage.publish(OLD, 'a"b;1/').code == 0
    assert stage.held() == text


def test_a_misspelt_label_stops_it_before_anything_is_delivered(password: Make) -> None:
    stage = password(value_Template="mongodb://{login}:{password}@h/")
    outcome = stage.publish()
    assert outcome.code == 1
    assert "'value_Template' is not 'value_template'" in outcome.stderr
    assert stage.held() == OLD

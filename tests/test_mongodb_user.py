"""MongoDB passwords, with the unmodified pymongo: the published or the pending password logs in, whatever breaks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from sandbox import faults
from tests.nameserver import name_server
from tests.stage import ROOT, Outcome, Stage

SCRIPT = ROOT / "scripts" / "mongodb_user.py"
OLD = "old-Password-of-orders-1"


class MongoStage(Stage):
    """A stage with a MongoDB server, its administrator's record attached, and a user whose password is rotated."""

    def __init__(
        self, *, server: Any = None, tls: bool = False, replica_set: str = "", admin_roles: Any = None, **settings: str
    ) -> None:
        super().__init__()
        self.server = server or self.sandbox.mongodb
        if server is None:
            self.server.replica_set, self.server.require_tls = replica_set, tls
        roles = ["userAdminAnyDatabase"] if admin_roles is None else admin_roles
        self.admin_password = self.server.add_user("dba", None, "admin", roles)
        for name in ("orders", "orders-b"):
            self.server.add_user(name, OLD, "shop", ["readWrite"])
        fields = [{"type": "login", "value": ["dba"]}, {"type": "password", "value": [self.admin_password]}]
        self.admin_uid = self.sandbox.keeper.add_record("database administrator", "login", fields)
        self.attached = [self.admin_uid]
        fields = [{"type": "login", "value": ["orders"]}, {"type": "password", "value": [OLD]}]
        wanted = {"mongodb_uri": self.server.uri(tls=tls), "auth_database": "shop"} | settings
        custom = [{"type": "text", "label": label, "value": [value]} for label, value in wanted.items()]
        uid = self.sandbox.keeper.add_record("orders database", "pamUser", fields, custom)
        self.at = replace(self.at, record_uid=uid)

    def standard(self, kind: str) -> str:
        """A standard field of the record."""
        (field,) = [entry for entry in self.stored()["fields"] if entry["type"] == kind]
        return str((field["value"] or [""])[0])

    def works(self, password: str, login: str = "") -> bool:
        """Whether the user logs in with it."""
        return self.server.password_works(login or self.standard("login"), password, "shop")

    def rotate(self, **variables: str) -> Outcome:
        outcome = self.finish(self.start(script=SCRIPT, **variables))
        assert not self.leaks([outcome])
        return outcome


Make = Callable[..., MongoStage]


@pytest.fixture
def mongo() -> Iterator[Make]:
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(MongoStage(**options))  # type: ignore[return-value]


def rotated(stage: MongoStage) -> Outcome:
    outcome = stage.rotate()
    assert (outcome.code, outcome.result) == (0, "rotated"), outcome
    assert stage.works(stage.standard("password"))
    assert not stage.value("pending_password")
    return outcome


def test_a_new_password_is_published_and_the_old_one_is_dead(mongo: Make) -> None:
    stage = mongo()
    outcome = rotated(stage)
    assert stage.standard("password") != OLD and not stage.works(OLD)
    assert outcome.report["proved"] == "login"
    before = stage.value("password_id")
    rotated(stage)
    assert stage.value("password_id") != before
    kinds = {entry["label"]: entry["type"] for entry in stage.stored()["custom"]}
    assert kinds["pending_password"] == "secret"


def test_the_rules_for_a_password(mongo: Make) -> None:
    stage = mongo(password_length="64", password_specials="!+")
    rotated(stage)
    password = stage.standard("password")
    assert len(password) == 64
    assert set(password) & set("!+") and not set(password) & set("-._~")
    assert any(map(str.isupper, password)) and any(map(str.islower, password)) and any(map(str.isdigit, password))


def test_not_due(mongo: Make) -> None:
    stage = mongo(rotate_before_hours="24")
    rotated(stage)
    password = stage.standard("password")
    assert stage.rotate().result == "not_due"
    assert stage.standard("password") == password


def test_tls_and_replica_sets(mongo: Make) -> None:
    stage = mongo(tls=True, replica_set="rs0")
    assert "tls=true" in stage.value("mongodb_uri") and "replicaSet=rs0" in stage.value("mongodb_uri")
    outcome = stage.rotate(SSL_CERT_FILE=stage.variables["SSL_CERT_FILE"])
    assert (outcome.code, outcome.result) == (0, "rotated"), outcome


SERVICE = "_mongodb._tcp.cluster.mongo.example"


@pytest.mark.parametrize("text", ["replicaSet=rs0", ""])
def test_an_address_with_srv(text: str, mongo: Make, tmp_path: Path) -> None:
    stage = mongo(replica_set="rs0" if text else "", mongodb_uri="mongodb+srv://cluster.mongo.example/?tls=false")
    port = urlsplit(stage.server.uri()).port
    records = {(SERVICE, "SRV"): f"0 0 {port} db1.mongo.example."}
    records |= {("cluster.mongo.example", "TXT"): f'"{text}"'} if text else {}
    with name_server(tmp_path / "site", ".mongo.example", records) as path:
        outcome = stage.rotate(PYTHONPATH=path)
    assert (outcome.code, outcome.result) == (0, "rotated"), outcome
    assert stage.works(stage.standard("password")) and not stage.works(OLD)


def test_a_cluster_that_no_name_server_knows(mongo: Make, tmp_path: Path) -> None:
    stage = mongo(mongodb_uri="mongodb+srv://nowhere.mongo.example/")
    with name_server(tmp_path / "site", ".mongo.example", {}) as path:
        outcome = stage.rotate(PYTHONPATH=path)
    assert outcome.code == 1 and "mongodb_uri" in outcome.report["error"] + outcome.report["hint"], outcome
    assert stage.works(OLD) and stage.standard("password") == OLD


def test_two_users_take_turns(mongo: Make) -> None:
    stage = mongo(alternate_login="orders-b")
    for login, former in (("orders-b", "orders"), ("orders", "orders-b"), ("orders-b", "orders")):
        before = stage.standard("password")
        rotated(stage)
        assert (stage.standard("login"), stage.value("alternate_login")) == (login, former)
        assert stage.works(before, former), "a consumer with the old password goes on working"


def test_the_password_is_delivered(mongo: Make) -> None:
    stage = mongo(value_template="mongodb://{login}:{password}@host.example/shop")
    vault = stage.sandbox.keyvault.add_vault("passwords-vault")
    stage.sandbox.keyvault.grant(stage.at.admin_client_id, "Key Vault Secrets Officer", vault)
    stage.sandbox.keeper.edit(stage.at.record_uid, "deliver_to", f"{vault.url}/secrets/orders")
    rotated(stage)
    text = f"mongodb://orders:{stage.standard('password')}@host.example/shop"
    assert stage.sandbox.keyvault.value(vault, "orders") == text
    stage.sandbox.fault("keyvault", "set_secret", faults.Status(403), times=None)
    assert stage.rotate().code == 2
    stage.sandbox.faults.clear()
    password = stage.standard("password")
    assert stage.rotate().result == "finished"
    assert stage.standard("password") == password
    assert password in str(stage.sandbox.keyvault.value(vault, "orders"))


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "a password in the address": ({"mongodb_uri": "mongodb://a:geheim@host.example/"}, "it holds a login or password"),
    "no address": ({"mongodb_uri": "host.example:27017"}, "not the address of a MongoDB server"),
    "an unknown user": ({"auth_database": "elsewhere"}, "no user 'orders' in the database 'elsewhere'"),
    "a read-only administrator": ({"admin_roles": ["read"]}, "userAdmin"),
    "a login that is sent in clear": ({"mongodb_uri": "mongodb://h/?authMechanism=PLAIN"}, "authMechanism is not supp"),
    "an option that cannot be read": ({"mongodb_uri": "mongodb://h/?tls=True1"}, "mongodb_uri: it cannot be used"),
    "a port that is none": ({"mongodb_uri": "mongodb://h:99999/"}, "mongodb_uri: it cannot be used"),
    "an address that is none": ({"mongodb_uri": "mongodb://[::1"}, "it is not the address of a MongoDB server"),
    "a server that is down": ({"mongodb_uri": "mongodb://127.0.0.1:1/"}, "no server answers"),
    "an unknown alternate": ({"alternate_login": "nobody"}, "no user 'nobody'"),
    "a password that is too short": ({"password_length": "8"}, "not a number from 16 to 128"),
}


@pytest.mark.parametrize("what", BAD)
def test_refused(what: str, mongo: Make) -> None:
    options, message = BAD[what]
    stage = mongo(**options)
    outcome = stage.rotate()
    assert outcome.code == 1, outcome
    assert message in outcome.report["error"] + outcome.report["hint"], outcome
    assert stage.works(OLD, "orders") and stage.standard("password") == OLD
    assert "geheim" not in outcome.stdout + outcome.stderr


def test_no_administrator(mongo: Make) -> None:
    stage = mongo()
    stage.attached = []
    outcome = stage.rotate()
    assert outcome.code == 1 and "administrator of the server" in outcome.report["hint"]


def test_an_administrator_with_a_wrong_password(mongo: Make) -> None:
    stage = mongo()
    stage.server.set_password("dba", "changed-meanwhile", "admin")
    outcome = stage.rotate()
    assert outcome.code == 1, outcome
    assert "admin login or its password is wrong" in outcome.report["hint"]
    assert stage.works(OLD)


def test_an_administrator_is_not_rotated_by_itself(mongo: Make) -> None:
    stage = mongo(auth_database="admin")
    (login,) = [entry for entry in stage.stored()["fields"] if entry["type"] == "login"]
    login["value"] = ["dba"]
    outcome = stage.rotate()
    assert outcome.code == 1 and "is the user that is rotated" in outcome.report["error"]


# Every request of Keeper and the server's updateUser, every fault

CASES = [
    *(("keeper", "get_secret", nth) for nth in (1, 2, 3)),
    *(("keeper", "update_secret", nth) for nth in (1, 2)),
    ("mongodb", "updateUser", 1),
    ("mongodb", "usersInfo", 1),
    *(("mongodb", "saslContinue", nth) for nth in (1, 3, 5)),
]
KINDS: dict[str, faults.Kind] = {
    "error": faults.Status(503),
    "error after it took effect": faults.ErrorAfter(503),
    "reset before": faults.ResetBefore(),
    "reset after": faults.ResetAfter(),
    "hang": faults.Hang(),
    "hang after it took effect": faults.HangAfter(),
    "truncated": faults.Truncated(),
    "kill before": faults.KillBefore(),
    "kill after": faults.KillAfter(),
}


USERS: dict[str, tuple[dict[str, str], list[str]]] = {
    "one user": ({}, list(KINDS)),
    "two users": ({"alternate_login": "orders-b"}, ["reset after", "kill before", "kill after"]),
}


@pytest.mark.parametrize(("users", "kind"), [(users, kind) for users, (_, kinds) in USERS.items() for kind in kinds])
@pytest.mark.parametrize(("service", "operation", "nth"), CASES, ids=[f"{s}.{o} {n}" for s, o, n in CASES])
def test_one_of_published_and_pending_always_logs_in(
    users: str, kind: str, service: str, operation: str, nth: int, mongo: Make
) -> None:
    stage = mongo(**USERS[users][0])
    put = stage.sandbox.fault(service, operation, KINDS[kind], nth=nth)
    first = stage.rotate()
    assert put.fired, "pymongo did without this command"
    assert first.code == -9 if "kill" in kind else first.code in (0, 1, 2, 3), first
    published, pending = stage.standard("password"), stage.value("pending_password")
    turn = stage.value("alternate_login") or stage.standard("login")
    assert stage.works(published) or (pending and stage.works(pending, turn)), first
    if first.code in (0, 1, 2):
        assert stage.works(published), first
    stage.sandbox.faults.clear()
    second = stage.rotate()
    assert second.code == 0, (first, second)
    assert stage.works(stage.standard("password")) and not stage.value("pending_password")


@pytest.mark.parametrize("kind", [faults.Pause(), faults.PauseAfter()], ids=["before", "after"])
@pytest.mark.parametrize(
    ("service", "operation", "nth"), [case for case in CASES if case[1] != "saslContinue"], ids=str
)
def test_two_hosts(service: str, operation: str, nth: int, kind: faults.Kind, mongo: Make) -> None:
    stage = mongo()
    fault = stage.sandbox.fault(service, operation, kind, nth=nth)
    process = stage.start(script=SCRIPT, ROTATION_REQUEST_TIMEOUT_SECONDS="10", ROTATION_DEADLINE_SECONDS="30")
    assert fault.reached.wait(10)
    other = stage.rotate(ROTATION_LOCK_DIR=str(stage.home / "other-host"))
    fault.release.set()
    first = stage.finish(process)
    assert stage.works(stage.standard("password")), (first, other)
    assert first.code in (0, 1, 2) and other.code in (0, 1, 2), (first, other)
    assert stage.rotate().code == 0
    assert stage.works(stage.standard("password"))


def test_another_host_waits_for_a_run_that_is_at_work(mongo: Make) -> None:
    stage = mongo()
    held = stage.sandbox.fault("mongodb", "updateUser", faults.Pause())
    variables = {"ROTATION_REQUEST_TIMEOUT_SECONDS": "10", "ROTATION_DEADLINE_SECONDS": "30"}
    first = stage.start(script=SCRIPT, **variables)
    assert held.reached.wait(10)
    second = stage.rotate(ROTATION_LOCK_DIR=str(stage.home / "other"))
    assert second.code == 2 and "another run may be about to change this password" in second.report["error"]
    held.release.set()
    assert stage.finish(first).code == 0
    assert stage.works(stage.standard("password"))


def test_the_newer_password_is_delivered_in_its_template(mongo: Make) -> None:
    stage = mongo(value_template="mongodb://{login}:{password}@host.example/shop")
    vault = stage.sandbox.keyvault.add_vault("passwords-vault")
    stage.sandbox.keyvault.grant(stage.at.admin_client_id, "Key Vault Secrets Officer", vault)
    stage.sandbox.keeper.edit(stage.at.record_uid, "deliver_to", f"{vault.url}/secrets/orders")
    held = stage.sandbox.fault("keyvault", "set_secret", faults.Pause())
    variables = {"ROTATION_REQUEST_TIMEOUT_SECONDS": "10", "ROTATION_DEADLINE_SECONDS": "30"}
    older = stage.start(script=SCRIPT, **variables)
    assert held.reached.wait(10)
    for _ in range(2):
        stage.rotate(ROTATION_LOCK_DIR=str(stage.home / "other"))
    held.release.set()
    assert stage.finish(older).code == 0
    text = f"mongodb://orders:{stage.standard('password')}@host.example/shop"
    assert stage.sandbox.keyvault.value(vault, "orders") == text

"""MongoDB passwords, with the unmodified pymongo: the published or the pending password logs in, whatever breaks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from gateway.host.deadline import Deadline
from sandbox.proxy import faults
from tests.stage import patience
from tests.stage.host_clock import wrong_clock
from tests.stage.mongodb_user import OLD, SCRIPT, MongoStage
from tests.stage.name_server import Outage, name_server
from tests.stage.rotation import Outcome
from tests.sweep.deep import deep_unless

HOUR = 3600.0
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
IN_CLEAR = {"mongodb_hosts": "mongodb+srv://cluster.mongo.example/", "allow_plaintext": "True"}


@pytest.mark.parametrize("text", ["replicaSet=rs0", ""])
def test_an_address_with_srv(text: str, mongo: Make, tmp_path: Path) -> None:
    address = {"mongodb_uri": "mongodb+srv://cluster.mongo.example/?tls=false", "admin_says": IN_CLEAR}
    stage = mongo(replica_set="rs0" if text else "", **address)
    port = urlsplit(stage.server.uri()).port
    records = {(SERVICE, "SRV"): f"0 0 {port} db1.mongo.example."}
    records |= {("cluster.mongo.example", "TXT"): f'"{text}"'} if text else {}
    with name_server(tmp_path / "site", ".mongo.example", records) as path:
        outcome = stage.rotate(PYTHONPATH=path)
    assert (outcome.code, outcome.result) == (0, "rotated"), outcome
    assert stage.works(stage.standard("password")) and not stage.works(OLD)


def test_a_cluster_is_never_spoken_to_in_clear(mongo: Make, tmp_path: Path) -> None:
    stage = mongo(mongodb_uri="mongodb+srv://cluster.mongo.example/")
    records = {(SERVICE, "SRV"): f"0 0 {urlsplit(stage.server.uri()).port} db1.mongo.example."}
    with name_server(tmp_path / "site", ".mongo.example", records) as path:
        outcome = stage.rotate(PYTHONPATH=path)
    assert outcome.code == 1 and "no server answers" in outcome.report["error"], outcome
    assert not stage.server.operations() and stage.standard("password") == OLD


def test_a_cluster_that_no_name_server_knows(mongo: Make, tmp_path: Path) -> None:
    stage = mongo(mongodb_uri="mongodb+srv://nowhere.mongo.example/")
    with name_server(tmp_path / "site", ".mongo.example", {}) as path:
        outcome = stage.rotate(PYTHONPATH=path)
    assert outcome.code == 1 and outcome.report["error"] == "mongodb_uri: its name cannot be looked up", outcome
    assert stage.works(OLD) and stage.standard("password") == OLD


@pytest.fixture
def cluster(mongo: Make, tmp_path: Path) -> Iterator[Callable[..., tuple[MongoStage, Outage]]]:
    """A stage whose server is found through a name server, and that name server's outage."""
    with ExitStack() as stack:

        def make(**outage: Any) -> tuple[MongoStage, Outage]:
            address = "mongodb+srv://cluster.mongo.example/?tls=false"
            stage, made = mongo(mongodb_uri=address, admin_says=IN_CLEAR), Outage(**outage)
            records = {(SERVICE, "SRV"): f"0 0 {urlsplit(stage.server.uri()).port} db1.mongo.example."}
            path = stack.enter_context(name_server(tmp_path / "site", ".mongo.example", records, made))
            stage.variables["PYTHONPATH"] = path
            return stage, made

        yield make


def one_logs_in(stage: MongoStage) -> bool:
    """Whether the record's Password or its pending one does."""
    turn = stage.value("alternate_login") or stage.standard("login")
    pending = stage.value("pending_password")
    return stage.works(stage.standard("password")) or bool(pending and stage.works(pending, turn))


def heals(stage: MongoStage) -> None:
    """The next run, which nothing disturbs, publishes a password that works."""
    outcome = stage.rotate()
    assert outcome.code == 0, outcome
    assert stage.works(stage.standard("password")) and not stage.value("pending_password")


@pytest.mark.parametrize("question", [1, 2, 3, 5, 7, 9, 11, 13, 15])
def test_a_name_server_that_fails_from_one_question_on(question: int, cluster: Any) -> None:
    stage, outage = cluster(at=question)
    first = stage.rotate()
    assert outage.asked >= question, "the outage was not met"
    assert one_logs_in(stage)
    if question < 3:
        assert first.code == 1 and first.report["error"] == "mongodb_uri: its name cannot be looked up", first
    if first.code == 1:
        assert stage.standard("password") == OLD and stage.works(OLD), first
    if first.code in (0, 2):
        assert stage.standard("password") != OLD and stage.works(stage.standard("password")), first
    outage.end()
    heals(stage)


MOMENTS = {
    "before the change": ("mongodb", "ping", 1, False, 1),
    "after the change": ("mongodb", "updateUser", 1, False, 3),
    "after the change, and answers nothing": ("mongodb", "updateUser", 1, True, 3),
    "after the save": ("keeper", "update_secret", 2, False, 2),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_name_server_that_fails(moment: str, cluster: Any) -> None:
    service, operation, nth, silent, code = MOMENTS[moment]
    stage, outage = cluster(silent=silent)
    held = stage.sandbox.fault(service, operation, faults.PauseAfter(), nth=nth)
    variables = {"ROTATION_REQUEST_TIMEOUT_SECONDS": "1.5", "ROTATION_DEADLINE_SECONDS": "30"}
    process = stage.start(script=SCRIPT, **variables)
    assert held.reached.wait(patience.seconds(10))
    outage.now.set()
    held.release.set()
    first = stage.finish(process, 40)
    assert first.code == code and not stage.leaks([first]), first
    assert one_logs_in(stage) and (code == 3 or stage.works(stage.standard("password")))
    assert (stage.standard("password") == OLD) == (code != 2)
    outage.end()
    heals(stage)


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


def with_vault(stage: MongoStage) -> Any:
    """A vault that holds the old password, and is named in deliver_to."""
    vault = stage.sandbox.keyvault.add_vault("passwords-vault")
    stage.sandbox.keyvault.set_secret(vault, "orders", OLD)
    stage.sandbox.keyvault.grant(stage.at.admin_client_id, "Key Vault Secrets Officer", vault)
    stage.sandbox.keeper.edit(stage.at.record_uid, "deliver_to", f"{vault.url}/secrets/orders")
    return vault


def with_a_dead_password(mongo: Make, **settings: str) -> tuple[MongoStage, Any]:
    """Two users: the vault holds the former one's password, and the published one's was changed on the server."""
    stage = mongo(alternate_login="orders-b", **settings)
    vault = with_vault(stage)
    rotated(stage)
    vault.firewall = True
    stage.sandbox.keeper.edit(stage.at.record_uid, "rotate_now", "True")
    assert stage.rotate().code == 2
    stage.server.set_password(stage.standard("login"), "changed-by-a-person-1", "shop")
    assert not stage.works(stage.standard("password"))
    return stage, vault


def in_use(stage: MongoStage, vault: Any) -> bool:
    """Whether either user logs in with what the vault holds."""
    held = str(stage.sandbox.keyvault.value(vault, "orders"))
    return any(stage.works(held, login) for login in ("orders", "orders-b"))


def test_a_dead_password_is_replaced_without_ending_the_other_users_that_a_destination_holds(mongo: Make) -> None:
    stage, vault = with_a_dead_password(mongo)
    login = stage.standard("login")
    for _ in range(2):
        outcome = stage.rotate()
        assert outcome.code == 2 and in_use(stage, vault), outcome
        assert stage.works(stage.standard("password")) and stage.standard("login") == login
    vault.firewall = False
    assert stage.rotate().code == 0
    assert stage.sandbox.keyvault.value(vault, "orders") == stage.standard("password")
    rotated(stage)
    assert stage.standard("login") != login and stage.works(stage.standard("password"))


def test_a_revoke_locks_the_other_user_out_once_the_destination_is_served(mongo: Make) -> None:
    stage, vault = with_a_dead_password(mongo)
    former = str(stage.sandbox.keyvault.value(vault, "orders"))
    stage.sandbox.keeper.edit(stage.at.record_uid, "rotate_now", "revoke")
    outcome = stage.rotate()
    assert outcome.code == 2 and in_use(stage, vault), outcome
    vault.firewall = False
    outcome = stage.rotate()
    assert outcome.code == 0 and stage.works(stage.standard("password")), outcome
    assert not any(stage.works(former, login) for login in ("orders", "orders-b"))


BROKEN = {
    "one user, not near its end": ("", "", False),
    "one user, past its end": ("", "2020-01-01T00:00:00Z", True),
    "two users, past its end: the former password still works": ("orders-b", "2020-01-01T00:00:00Z", False),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_destination_holds_up_the_next_password_only_where_it_keeps_one_alive(what: str, mongo: Make) -> None:
    alternate, expires, goes_on = BROKEN[what]
    stage = mongo(**({"alternate_login": alternate} if alternate else {}))
    with_vault(stage)
    rotated(stage)
    stage.sandbox.fault("keyvault", "set_secret", faults.Status(403), times=None)
    assert stage.rotate().code == 2
    if expires:
        stage.sandbox.keeper.edit(stage.at.record_uid, "expires", expires)
    before = stage.standard("password")
    outcome = stage.rotate()
    assert outcome.code == 2 and outcome.report["pending"], outcome
    assert (stage.standard("password") != before) == goes_on
    assert stage.works(stage.standard("password"))
    stage.sandbox.faults.clear()
    heals(stage)


def test_a_wrong_password_in_the_record_is_not_what_the_server_is_told(mongo: Make) -> None:
    """Two users: what a destination holds works as long as the next one is not published."""
    stage = mongo(alternate_login="orders-b")
    with_vault(stage)
    rotated(stage)
    good, login = stage.standard("password"), stage.standard("login")
    stage.sandbox.keeper.edit(stage.at.record_uid, "password", good + "x")
    fault = stage.sandbox.fault("mongodb", "updateUser", faults.PauseAfter())
    process = stage.start(script=SCRIPT)
    assert fault.reached.wait(patience.seconds(10))
    process.terminate()
    fault.release.set()
    outcome = stage.finish(process)
    assert outcome.code == 1 and stage.works(good, login), outcome
    heals(stage)


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "a password in the address": ({"mongodb_uri": "mongodb://a:geheim@host.example/"}, "it holds a login or password"),
    "no address": ({"mongodb_uri": "host.example:27017"}, "not the address of a MongoDB server"),
    "an unknown user": ({"auth_database": "elsewhere"}, "no user 'orders' in the database 'elsewhere'"),
    "a read-only administrator": ({"admin_roles": ["read"]}, "userAdmin"),
    "a login that is sent in clear": ({"mongodb_uri": "mongodb://h/?authMechanism=PLAIN"}, "authMechanism is not supp"),
    "an option that cannot be read": ({"mongodb_uri": "mongodb://h/?tls=True1"}, "mongodb_uri: it cannot be used"),
    "a port that is none": ({"mongodb_uri": "mongodb://h:99999/"}, "mongodb_uri: it cannot be used"),
    "an option behind a semicolon": ({"mongodb_uri": "mongodb://h/?tls=true;tlsInsecure=true"}, "it is not the addr"),
    "an option behind a fragment": ({"mongodb_uri": "mongodb://h/?appName=x#&tlsInsecure=true"}, "it is not the addr"),
    "an address that is none": ({"mongodb_uri": "mongodb://[::1"}, "it is not the address of a MongoDB server"),
    "a server that is down": ({"mongodb_uri": "mongodb://127.0.0.1:1/"}, "no server answers"),
    "an unknown alternate": ({"alternate_login": "nobody"}, "no user 'nobody'"),
    "a password that is too short": ({"password_length": "8"}, "not a number from 16 to 128"),
    "thousands of special characters": ({"password_specials": "!+" * 500}, "password_specials: "),
    "a special character that is a letter elsewhere": ({"password_specials": "é"}, "password_specials: "),
    "a special character that steers a terminal": ({"password_specials": "-\x1b"}, "password_specials: "),
    "a blank among them": ({"password_specials": "- _"}, "password_specials: "),
    "a length with thousands of digits": ({"password_length": "9" * 900}, "not a number from 16 to 128"),
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


def test_a_record_of_another_kind_is_no_administrator(mongo: Make) -> None:
    """Every PAM User record has a login and a password, also one of an app whose secret is rotated."""
    stage = mongo()
    fields = [{"type": "login", "value": ["orders-api"]}, {"type": "password", "value": ["dummy-of-another-service"]}]
    custom = [{"type": "text", "label": "application_object_id", "value": [stage.at.admin_object_id]}]
    stage.attached.insert(0, stage.sandbox.keeper.add_record("Azure app secret", "pamUser", fields, custom))
    outcome = stage.rotate()
    assert outcome.code == 0, outcome
    assert stage.works(stage.standard("password"))


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


# What reads leaves the same behind whether it arrived or not.
OF_CHANGES = ("error after it took effect", "reset before", "hang after it took effect", "kill before")
GRID = [
    (users, kind, *case)
    for users, (_, kinds) in USERS.items()
    for kind in kinds
    for case in CASES
    if kind not in OF_CHANGES or case[1].startswith("update")
]


def is_quick(users: str, kind: str, service: str, operation: str, nth: int) -> bool:
    """Where the server or the record changes."""
    return operation.startswith("update") and nth == 1


@pytest.mark.parametrize(("users", "kind", "service", "operation", "nth"), deep_unless(is_quick, GRID))
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
    if first.code == 1:
        assert published == OLD, first
    stage.sandbox.faults.clear()
    second = stage.rotate()
    assert second.code == 0, (first, second)
    assert stage.works(stage.standard("password")) and not stage.value("pending_password")


# A change that is held up and may come later

REFUSED = faults.Status(13)
LATER: dict[str, tuple[list[tuple[str, str, faults.Kind, int, int | None]], int, str]] = {
    "every try is held up": ([("mongodb", "updateUser", faults.Pause(), 1, None)], 3, "whether the server has the new"),
    "a try is held up, the next one refused": (
        [("mongodb", "updateUser", faults.Pause(), 1, 1), ("mongodb", "updateUser", REFUSED, 2, None)],
        3,
        "whether the server has the new",
    ),
    "a try is held up, and the next one taken back because the record cannot be saved": (
        [("mongodb", "updateUser", faults.Pause(), 1, 1), ("keeper", "update_secret", faults.Status(403), 2, None)],
        3,
        "the server may still take the pending value",
    ),
    "no try can sign in": (
        [("mongodb", "ping", faults.ResetBefore(), 2, None)],
        1,
        "the server did not take the new value: mongodb updateUser: no connection",
    ),
    "every try is refused": ([("mongodb", "updateUser", REFUSED, 1, None)], 1, "the server did not take the new value"),
}


@pytest.mark.parametrize("what", LATER)
def test_a_change_that_may_come_later_is_unknown(what: str, mongo: Make) -> None:
    broken, code, message = LATER[what]
    stage = mongo()
    for service, operation, kind, nth, times in broken:
        stage.sandbox.fault(service, operation, kind, nth=nth, times=times)
    first = stage.rotate()
    assert first.code == code and first.report["error"].startswith(message), first
    pending = stage.value("pending_password")
    assert stage.standard("password") == OLD and stage.works(OLD) and pending
    # What is held up is let go, so it comes before, while or after the next run asks.
    stage.sandbox.faults.clear()
    heals(stage)
    assert stage.standard("password") == pending


# How often a change is held up, and how the runs end until it is let go: it may come after any number of them.
COMES_LATE: dict[str, tuple[int | None, list[tuple[int, str]]]] = {
    "another try went through": (1, [(0, "rotated"), (0, "not_due"), (0, "not_due")]),
    "no try went through": (None, [(3, "unknown"), (0, "rotated"), (0, "not_due")]),
}


@pytest.mark.parametrize("users", [1, 2])
@pytest.mark.parametrize("what", COMES_LATE)
def test_a_change_that_comes_after_the_next_run_ends_no_newer_password(what: str, users: int, mongo: Make) -> None:
    times, ends = COMES_LATE[what]
    stage = mongo(**({"alternate_login": "orders-b"} if users == 2 else {}))
    held = stage.sandbox.fault("mongodb", "updateUser", faults.Pause(), times=times)
    outcomes = []
    for _ in ends:
        outcomes.append(stage.rotate())
        held.times = held.spoilt  # no further one is held, and those that are stay so
    assert [(each.code, each.result) for each in outcomes] == ends, outcomes
    assert outcomes[-1].report["next_due"] and stage.works(stage.standard("password"))
    held.release.set()
    time.sleep(patience.seconds(0.3))
    assert stage.works(stage.standard("password"))
    stage.sandbox.clock.advance(HOUR)
    rotated(stage)
    rotated(stage)


# How many tries of telling the former password again are held up.
TOLD_AGAIN = {"no try went through": (None, 3), "another try went through": (1, 1)}


@pytest.mark.parametrize("what", TOLD_AGAIN)
def test_a_former_password_that_is_told_again_and_comes_late_ends_no_newer_one(what: str, mongo: Make) -> None:
    times, code = TOLD_AGAIN[what]
    stage = mongo()
    stage.sandbox.fault("keeper", "update_secret", faults.Status(403), nth=2)
    held = stage.sandbox.fault("mongodb", "updateUser", faults.Pause(), nth=2, times=times)
    assert stage.rotate().code == code and stage.standard("password") == OLD
    held.times = held.spoilt  # no further one is held, and those that are stay so
    outcome = stage.rotate()
    assert outcome.code == 2 and "may still arrive" in outcome.report["error"], outcome
    held.release.set()
    time.sleep(patience.seconds(0.3))
    published, pending = stage.standard("password"), stage.value("pending_password")
    assert stage.works(published) or stage.works(pending)
    stage.sandbox.clock.advance(HOUR)
    rotated(stage)
    assert stage.works(stage.standard("password"))


def test_a_password_that_is_asked_for_waits_for_what_may_still_come(mongo: Make) -> None:
    stage = mongo(rotate_before_hours="24")
    held = stage.sandbox.fault("mongodb", "updateUser", faults.Pause())
    line = stage.line(dueNow=True)
    assert stage.finish(stage.start(line, SCRIPT)).code == 0
    before = stage.standard("password")
    outcome = stage.finish(stage.start(line, SCRIPT))
    assert (outcome.code, stage.standard("password")) == (1, before), outcome
    assert "may still arrive" in outcome.report["error"] and "UTC" in outcome.report["hint"]
    other = stage.finish(stage.start(line, SCRIPT, ROTATION_LOCK_DIR=str(stage.home / "other")))
    assert other.code == 1 and stage.standard("password") == before
    held.release.set()
    stage.sandbox.clock.advance(HOUR)
    assert stage.finish(stage.start(line, SCRIPT)).code == 0 and stage.standard("password") != before
    assert stage.works(stage.standard("password"))


def test_a_former_user_that_is_locked_out_late_is_given_no_password_before(mongo: Make) -> None:
    stage = mongo(alternate_login="orders-b")
    stage.sandbox.keeper.edit(stage.at.record_uid, "rotate_now", "revoke")
    held = stage.sandbox.fault("mongodb", "updateUser", faults.Pause(), nth=2)
    assert stage.rotate().result == "rotated" and not stage.works(OLD, "orders")
    assert "revoking" not in stage.value("rotation_state")
    assert stage.rotate().result == "not_due"
    held.release.set()
    time.sleep(patience.seconds(0.3))
    assert stage.works(stage.standard("password"))
    stage.sandbox.clock.advance(HOUR)
    rotated(stage)
    assert stage.works(stage.standard("password"), "orders")


def test_a_change_that_comes_while_it_is_looked_for_is_no_failure(mongo: Make) -> None:
    stage = mongo()
    held = stage.sandbox.fault("mongodb", "updateUser", faults.Pause(), times=None)

    def let_go(_: object) -> bool:
        """With the first login after the last try: it is too early for that login, and in time for the next."""
        if held.spoilt == Deadline.TRIES and not held.release.is_set():
            held.release.set()
            assert any(not stage.works(OLD) for _ in range(1000))
        return False

    stage.sandbox.fault("mongodb", "saslContinue", faults.Status(18), when=let_go)
    rotated(stage)
    assert held.release.is_set() and stage.standard("password") != OLD


def test_whether_an_earlier_change_came_cannot_be_told(mongo: Make) -> None:
    stage = mongo()
    held = stage.sandbox.fault("mongodb", "updateUser", faults.KillAfter())
    assert stage.rotate().code == -9 and held.fired
    stage.sandbox.fault("mongodb", "ping", faults.ResetBefore(), times=None)
    outcome = stage.rotate()
    assert outcome.code == 3 and "whether the server has the pending value" in outcome.report["error"], outcome
    assert one_logs_in(stage)
    stage.sandbox.faults.clear()
    heals(stage)


# Several routers behind one address, each with a cache of its own: only the one that was told the new password knows it

NEVER = 1e9
CACHES: dict[str, tuple[dict[str, Any], dict[str, str], tuple[int, ...]]] = {
    "the others ask again after some logins": ({"logins": 9}, {"ROTATION_PROVE_TIMEOUT_SECONDS": "10"}, (0,)),
    "the others ask again after some seconds": ({"seconds": 1}, {"ROTATION_PROVE_TIMEOUT_SECONDS": "10"}, (0,)),
    "the others do not ask again while the run lasts": ({"seconds": NEVER}, {}, (1, 3)),
}


@pytest.mark.parametrize("what", CACHES)
def test_each_router_of_a_cluster_lets_the_published_password_log_in(what: str, mongo: Make) -> None:
    shard, variables, codes = CACHES[what]
    stage = mongo(shard={"routers": 4, **shard})
    stage.server.known_everywhere("orders", OLD, "shop")  # each has it in its cache
    outcome = stage.rotate(**variables)
    assert outcome.code in codes, outcome
    assert (stage.standard("password") == OLD) == (outcome.code != 0)
    # By chance another router than before is told the old one again: then the first refuses it, and the run says so.
    if outcome.code != 3:
        assert stage.server.known_everywhere("orders", stage.standard("password"), "shop")
    stage.server.refresh(seconds=0.1)
    assert stage.works(stage.standard("password")), "what the record publishes is dead once the caches are renewed"
    heals(stage)


TAKEN_BACK = {"in time": ({"logins": 12}, 1), "too late": ({"seconds": NEVER}, 3)}


@pytest.mark.parametrize("what", TAKEN_BACK)
def test_a_password_is_taken_back_when_each_router_lets_the_old_one_log_in(what: str, mongo: Make) -> None:
    shard, code = TAKEN_BACK[what]
    stage = mongo(shard={"routers": 2, **shard})
    held = stage.sandbox.fault("mongodb", "updateUser", faults.PauseAfter())
    stage.sandbox.fault("keeper", "update_secret", faults.Status(403), nth=2, times=None)
    # Each router has the new one in its cache by the time at which it is taken back.
    process = stage.start(script=SCRIPT, ROTATION_REQUEST_TIMEOUT_SECONDS="10", ROTATION_DEADLINE_SECONDS="30")
    assert held.reached.wait(patience.seconds(10))
    for router in stage.server.routers:
        router.known.forget()
    held.release.set()
    outcome = stage.finish(process)
    assert outcome.code == code, outcome
    assert stage.standard("password") == OLD and stage.works(OLD)
    assert stage.server.known_everywhere("orders", OLD, "shop") == (code == 1)
    stage.sandbox.faults.clear()
    stage.server.refresh(seconds=0.1)
    heals(stage)


def test_a_router_that_is_down_holds_up_nothing(mongo: Make) -> None:
    stage = mongo(shard={"routers": 2, "logins": 3})
    stage.server.routers[1].close()
    rotated(stage)


# What a set agrees upon


def test_a_failover_forgets_no_password_that_is_published(mongo: Make) -> None:
    stage = mongo(replica_set="rs0")
    rotated(stage)
    stage.server.fail_over()
    assert stage.works(stage.standard("password")) and not stage.works(OLD)


def test_a_server_that_knows_no_write_concern_is_told_without(mongo: Make) -> None:
    stage = mongo()
    stage.server.knows_write_concern = False
    rotated(stage)


def test_a_set_without_a_majority_publishes_nothing(mongo: Make) -> None:
    stage = mongo(replica_set="rs0")
    stage.server.has_majority = False
    for _ in range(2):
        outcome = stage.rotate()
        assert outcome.code == 3 and "a majority of the set" in outcome.report["error"], outcome
        assert stage.standard("password") == OLD and one_logs_in(stage)
    stage.server.fail_over()
    assert stage.works(OLD)
    stage.server.has_majority = True
    heals(stage)
    stage.server.fail_over()
    assert stage.works(stage.standard("password"))


EXPIRES = {
    "2099-10-01": "not_due",
    "2099-10-01T12:00:00": "not_due",
    "2099-10-01T12:00:00+02:00": "not_due",
    "2020-10-01": "rotated",
    "1 October 2099": "rotated",
    "0001-01-01T00:00:00+14:00": "rotated",
    "": "rotated",
}


@pytest.mark.parametrize(("text", "result"), EXPIRES.items())
@pytest.mark.parametrize("hours", ["24", "0"])
def test_an_expires_that_somebody_has_written(text: str, result: str, hours: str, mongo: Make) -> None:
    stage = mongo(rotate_before_hours=hours)
    rotated(stage)
    before = stage.standard("password")
    stage.sandbox.keeper.edit(stage.at.record_uid, "expires", text)
    outcome = stage.rotate()
    assert (outcome.code, outcome.result) == (0, result), outcome
    assert (stage.standard("password") == before) == (result == "not_due")
    assert stage.works(stage.standard("password"))


@pytest.mark.parametrize("kind", [faults.Pause(), faults.PauseAfter()], ids=["before", "after"])
@pytest.mark.parametrize(
    ("service", "operation", "nth"),
    deep_unless(
        lambda service, operation, nth: operation.startswith("update"),
        [case for case in CASES if case[1] != "saslContinue"],
    ),
)
def test_two_hosts(service: str, operation: str, nth: int, kind: faults.Kind, mongo: Make) -> None:
    stage = mongo()
    fault = stage.sandbox.fault(service, operation, kind, nth=nth)
    process = stage.start(script=SCRIPT, ROTATION_REQUEST_TIMEOUT_SECONDS="10", ROTATION_DEADLINE_SECONDS="30")
    assert fault.reached.wait(patience.seconds(10))
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
    assert held.reached.wait(patience.seconds(10))
    second = stage.rotate(ROTATION_LOCK_DIR=str(stage.home / "other"))
    assert second.code == 2 and "another run may be about to change this password" in second.report["error"]
    held.release.set()
    assert stage.finish(first).code == 0
    assert stage.works(stage.standard("password"))


@pytest.mark.parametrize("seconds", [86400, -86400], ids=["fast", "slow"])
def test_another_host_waits_no_longer_though_the_clock_of_the_first_one_is_wrong(
    seconds: int, mongo: Make, tmp_path: Path
) -> None:
    stage = mongo()
    stage.sandbox.fault("mongodb", "updateUser", faults.KillBefore())
    assert stage.rotate(PYTHONPATH=wrong_clock(tmp_path / "site", seconds)).code == -9
    second = stage.rotate(ROTATION_LOCK_DIR=str(stage.home / "other"))
    assert second.code == 2 and "another run may be about to change this password" in second.report["error"], second
    named = datetime.strptime(second.report["hint"].split("again after ")[1], "%Y-%m-%d %H:%M UTC").replace(tzinfo=UTC)
    assert timedelta() < named - datetime.now(UTC) < timedelta(minutes=20)
    stage.sandbox.clock.advance(20 * 60)
    third = stage.rotate(ROTATION_LOCK_DIR=str(stage.home / "other"))
    assert (third.code, third.result) == (0, "rotated"), third
    assert stage.value("last_rotated")[:10] == f"{datetime.fromtimestamp(stage.sandbox.clock.now(), UTC):%Y-%m-%d}"


def test_the_newer_password_is_delivered_in_its_template(mongo: Make) -> None:
    stage = mongo(value_template="mongodb://{login}:{password}@host.example/shop")
    vault = stage.sandbox.keyvault.add_vault("passwords-vault")
    stage.sandbox.keyvault.grant(stage.at.admin_client_id, "Key Vault Secrets Officer", vault)
    stage.sandbox.keeper.edit(stage.at.record_uid, "deliver_to", f"{vault.url}/secrets/orders")
    held = stage.sandbox.fault("keyvault", "set_secret", faults.Pause())
    variables = {"ROTATION_REQUEST_TIMEOUT_SECONDS": "10", "ROTATION_DEADLINE_SECONDS": "30"}
    older = stage.start(script=SCRIPT, **variables)
    assert held.reached.wait(patience.seconds(10))
    for _ in range(2):
        stage.rotate(ROTATION_LOCK_DIR=str(stage.home / "other"))
    held.release.set()
    assert stage.finish(older).code == 0
    text = f"mongodb://orders:{stage.standard('password')}@host.example/shop"
    assert stage.sandbox.keyvault.value(vault, "orders") == text

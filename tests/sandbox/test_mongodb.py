"""The MongoDB server, as the unmodified pymongo sees it: who may log in, who may change what, and every fault."""

from __future__ import annotations

import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import bson
import pytest
from pymongo import MongoClient, errors

from sandbox import (
    Empty,
    ErrorAfter,
    Fault,
    Hang,
    HangAfter,
    KillAfter,
    KillBefore,
    Kind,
    Malformed,
    Pause,
    PauseAfter,
    Refuse,
    ResetAfter,
    ResetBefore,
    Sandbox,
    Slow,
    Status,
    Truncated,
)
from sandbox.mongodb.server import MongoDB
from sandbox.proxy.authority import authority
from tests.stage import patience

OLD, NEW, ADMIN = "orders-old-1", "orders-new-2", "admin-0"
Client = MongoClient[dict[str, Any]]


@pytest.fixture
def server() -> Iterator[MongoDB]:
    with MongoDB() as server:
        server.add_user("admin", ADMIN, roles=["root"])
        server.add_user("orders", OLD, "app", ["readWrite"])
        yield server
    assert server.errors == []


def connect(server: MongoDB, login: str, password: str, database: str = "admin", **options: Any) -> Client:
    uri = server.uri(database=database, tls="tlsCAFile" in options)
    options = {"serverSelectionTimeoutMS": 2000, "socketTimeoutMS": 2000} | options
    return MongoClient(uri, username=login, password=password, **options)


def read(server: MongoDB, login: str, password: str, database: str = "app", **options: Any) -> Any:
    with connect(server, login, password, database, **options) as client:
        return client[database].things.find_one()


def update(server: MongoDB, password: str = NEW, **options: Any) -> Any:
    with connect(server, "admin", ADMIN, **options) as client:
        return client.app.command("updateUser", "orders", pwd=password)


def code(action: Callable[[], Any]) -> int | None:
    with pytest.raises(errors.OperationFailure) as caught:
        action()
    return caught.value.code


# Logging in


@pytest.mark.parametrize("speculative", [True, False])
@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "SCRAM-SHA-1", None])
def test_the_right_password_logs_in(server: MongoDB, mechanism: str | None, speculative: bool) -> None:
    server.speculative = speculative
    read(server, "orders", OLD, **({"authMechanism": mechanism} if mechanism else {}))
    assert ("saslStart" in server.operations()) is not speculative
    assert [request.client_id for request in server.requests if request.operation == "find"] == ["orders"]


@pytest.mark.parametrize("speculative", [True, False])
@pytest.mark.parametrize(
    ("login", "password", "database"),
    [("orders", "wrong", "app"), ("orders", OLD.upper(), "app"), ("nobody", OLD, "app"), ("orders", OLD, "admin")],
)
def test_everything_else_is_refused(
    server: MongoDB, login: str, password: str, database: str, speculative: bool
) -> None:
    server.speculative = speculative
    assert code(lambda: read(server, login, password, database)) == 18
    assert not server.password_works(login, password, database)


@pytest.mark.parametrize("name", ["a=b,c", "Jürgen", "o'brien@example.com"])
@pytest.mark.parametrize("password", ["päss/w:rd%@", "I\u00adX", "\u2168", "x" * 300])
def test_names_and_passwords_of_every_kind(server: MongoDB, name: str, password: str) -> None:
    server.add_user(name, password, "app", ["read"])
    read(server, name, password)
    assert server.password_works(name, password, "app")
    assert code(lambda: read(server, name, password + "x")) == 18


def test_without_a_login_only_harmless_commands_are_answered(server: MongoDB) -> None:
    client: Client
    with MongoClient(server.uri(), serverSelectionTimeoutMS=2000) as client:
        client.admin.command("ping")
        assert client.server_info()["version"].startswith("7.")
        assert client.admin.command("connectionStatus")["authInfo"]["authenticatedUsers"] == []
        assert code(lambda: client.app.things.find_one()) == 13
        assert code(lambda: client.admin.command("updateUser", "admin", pwd="mine")) == 13
        assert code(lambda: client.admin.command("authenticate", 1, user="admin", mechanism="MONGODB-X509")) == 18
        assert code(lambda: client.admin.command("dance")) == 59
        start: dict[str, Any] = {"mechanism": "PLAIN", "payload": b"n,,n=admin,r=abc"}
        assert code(lambda: client.admin.command("saslStart", 1, **start)) == 334
        assert code(lambda: client.admin.command("saslContinue", 1, conversationId=1, payload=b"")) == 17
    assert server.password_works("admin", ADMIN)


def test_an_old_client_greets_in_the_old_way(server: MongoDB) -> None:
    query = struct.pack("<i", 0) + b"admin.$cmd\0" + struct.pack("<ii", 0, -1) + bson.encode({"ismaster": 1})
    with closing(socket.create_connection(("127.0.0.1", server.port), timeout=5)) as sock:
        sock.sendall(struct.pack("<iiii", 16 + len(query), 7, 0, 2004) + query)
        answer = sock.recv(65536)
    assert struct.unpack_from("<iiii", answer)[2:] == (7, 1)
    assert bson.decode(answer[36:])["ismaster"] is True


def test_what_is_no_message_ends_the_connection(server: MongoDB) -> None:
    garbage = (b"GET / HTTP/1.1\r\n\r\n", struct.pack("<iiiiIBi", 25, 1, 0, 2013, 0, 0, -5))
    for sent in garbage:
        with closing(socket.create_connection(("127.0.0.1", server.port), timeout=5)) as sock:
            sock.sendall(sent)
            assert sock.recv(1) == b""


# Users and what they may do


def test_a_changed_password(server: MongoDB) -> None:
    with connect(server, "orders", OLD, "app") as before:
        before.app.things.find_one()
        update(server)
        before.app.things.find_one()  # who is in stays in
    assert code(lambda: read(server, "orders", OLD)) == 18
    read(server, "orders", NEW)
    assert server.password_works("orders", NEW, "app") and not server.password_works("orders", OLD, "app")
    assert {OLD, NEW, ADMIN} <= set(server.users.issued)
    assert [r.path for r in server.requests if r.operation == "updateUser"] == ["/app/updateUser/orders"]


@pytest.mark.parametrize(
    ("roles", "refused"),
    [
        (["read"], 13),
        (["readWrite"], 13),
        (["readWriteAnyDatabase"], 13),
        (["userAdmin"], 13),  # of the database admin alone
        ([{"role": "userAdmin", "db": "app"}], None),
        ([{"role": "dbOwner", "db": "app"}], None),
        (["userAdminAnyDatabase"], None),
        (["root"], None),
    ],
)
def test_who_may_change_a_password(server: MongoDB, roles: list[Any], refused: int | None) -> None:
    server.add_user("other", "other-3", roles=roles)
    with connect(server, "other", "other-3") as client:
        if refused:
            assert code(lambda: client.app.command("updateUser", "orders", pwd=NEW)) == refused
        else:
            client.app.command("updateUser", "orders", pwd=NEW)
    assert server.password_works("orders", OLD if refused else NEW, "app")


def test_the_life_of_a_user(server: MongoDB) -> None:
    with connect(server, "admin", ADMIN) as client:
        client.app.command("createUser", "anna", pwd="anna-1", roles=["read"])
        assert code(lambda: client.app.command("createUser", "anna", pwd="anna-2", roles=[])) == 51003
        assert code(lambda: client.app.command("createUser", "bert", pwd="bert-2", roles=["king"])) == 31
        assert code(lambda: client.app.command("updateUser", "bert", pwd="bert-2")) == 11
        assert code(lambda: client.app.command("updateUser", "anna", pwd="")) == 2
        (shown,) = client.app.command("usersInfo", "anna")["users"]
        assert (shown["_id"], shown["roles"]) == ("app.anna", [{"role": "read", "db": "app"}])
        assert len(client.app.command("usersInfo", 1)["users"]) == 2
        assert len(client.admin.command("usersInfo", {"forAllDBs": True})["users"]) == 3
        assert client.app.command("usersInfo", "nobody")["users"] == []
        client.app.command("updateUser", "anna", roles=["readWrite"])
        assert server.password_works("anna", "anna-1", "app")
        client.app.command("dropUser", "anna")
    assert server.user("anna", "app") is None
    assert code(lambda: read(server, "anna", "anna-1")) == 18


def test_what_users_see_of_users(server: MongoDB) -> None:
    with connect(server, "orders", OLD, "app") as client:
        assert client.app.command("usersInfo", "orders")["users"][0]["mechanisms"] == ["SCRAM-SHA-256", "SCRAM-SHA-1"]
        assert code(lambda: client.admin.command("usersInfo", "admin")) == 13
        status = client.app.command("connectionStatus")["authInfo"]
        assert status["authenticatedUsers"] == [{"user": "orders", "db": "app"}]
        server.users.remove(server.users.get("orders", "app"))
        assert code(lambda: client.app.things.find_one()) == 13


# The server's settings


def test_tls(server: MongoDB, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.write_bytes(authority().pem)
    server.require_tls = True
    read(server, "orders", OLD, tlsCAFile=str(bundle))
    with pytest.raises(errors.ServerSelectionTimeoutError):
        read(server, "orders", OLD, serverSelectionTimeoutMS=200)
    uri = server.uri("orders", "app", tls=True)
    distrustful: Client = MongoClient(uri, password=OLD, serverSelectionTimeoutMS=200)
    with distrustful, pytest.raises(errors.ServerSelectionTimeoutError):
        distrustful.app.things.find_one()
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    trusting: Client = MongoClient(uri, password=OLD, serverSelectionTimeoutMS=2000)
    with trusting:
        trusting.app.things.find_one()


def test_a_replica_set_of_one(server: MongoDB) -> None:
    server.replica_set = "rs0"
    assert "replicaSet=rs0" in server.uri()
    update(server)
    with connect(server, "orders", NEW, "app") as client:
        client.app.things.find_one()
        assert client.primary == ("127.0.0.1", server.port)
        assert client.topology_description.replica_set_name == "rs0"
    with pytest.raises(errors.ServerSelectionTimeoutError):
        update(server, replicaSet="another", serverSelectionTimeoutMS=200)


def test_a_primary_that_steps_down(server: MongoDB) -> None:
    server.replica_set = "rs0"
    with connect(server, "admin", ADMIN) as client:
        client.admin.command("ping")
        server.read_only = True
        with pytest.raises(errors.NotPrimaryError) as caught:
            client.app.command("updateUser", "orders", pwd=NEW)
        assert dict(caught.value.details or {})["code"] == 10107
        server.read_only = False
        client.app.command("updateUser", "orders", pwd=NEW)
    assert server.password_works("orders", NEW, "app")


def test_a_server_that_is_down() -> None:
    server = MongoDB()
    server.start()
    server.close()
    with pytest.raises(errors.ServerSelectionTimeoutError):
        update(server, serverSelectionTimeoutMS=200)


def test_connection_strings(server: MongoDB) -> None:
    assert server.uri() == f"mongodb://127.0.0.1:{server.port}/"
    assert server.uri("a@b", "app", tls=True) == f"mongodb://a%40b@127.0.0.1:{server.port}/app?tls=true"


# Routers, and what a set agrees upon


def known(server: MongoDB, password: str) -> list[bool]:
    """At which router this logs in."""
    found = []
    for router in server.routers:
        uri, options = f"mongodb://{router.address}/app", {"directConnection": True}
        with MongoClient(uri, username="orders", password=password, **options) as client:  # type: ignore[arg-type]
            try:
                found.append(bool(client.app.command("ping")))
            except errors.OperationFailure:
                found.append(False)
    return found


def test_a_router_knows_users_as_it_fetched_them_last(server: MongoDB) -> None:
    server.shard(routers=2, seconds=30)
    assert known(server, OLD) == [True, True]
    with connect(server, "admin", ADMIN) as client:
        client.admin.command("ping")
        assert client.topology_description.topology_type_name == "Sharded"
    with MongoClient(f"mongodb://{server.address}/", username="admin", password=ADMIN, directConnection=True) as told:
        told.app.command("updateUser", "orders", pwd=NEW)
    assert (known(server, NEW), known(server, OLD)) == ([True, False], [False, True])
    assert server.password_works("orders", NEW, "app") and not server.known_everywhere("orders", NEW, "app")
    server.clock.advance(31)
    assert (known(server, NEW), known(server, OLD)) == ([True, True], [False, False])
    assert server.known_everywhere("orders", NEW, "app")


def test_a_router_fetches_users_anew_after_some_logins(server: MongoDB) -> None:
    server.shard(routers=1, seconds=1e9, logins=3)
    assert known(server, OLD) == [True]
    server.set_password("orders", NEW, "app")
    assert known(server, NEW) == [False]
    assert known(server, NEW) == [True]


@pytest.mark.parametrize(
    ("concern", "left"), [({}, OLD), ({"writeConcern": {"w": 1}}, OLD), ({"writeConcern": {"w": "majority"}}, NEW)]
)
def test_a_failover_forgets_what_no_majority_has(server: MongoDB, concern: dict[str, Any], left: str) -> None:
    server.replica_set = "rs0"
    with connect(server, "admin", ADMIN) as client:
        client.app.command("updateUser", "orders", pwd=NEW, **concern)
    assert server.password_works("orders", NEW, "app")
    server.fail_over()
    assert server.password_works("orders", left, "app")


def test_a_majority_that_is_waited_for_in_vain(server: MongoDB) -> None:
    server.has_majority = False
    with connect(server, "admin", ADMIN) as client:
        concern = {"w": "majority", "wtimeout": 100}
        assert code(lambda: client.app.command("updateUser", "orders", pwd=NEW, writeConcern=concern)) == 64
    assert server.password_works("orders", NEW, "app")


# Faults


@pytest.mark.parametrize(
    ("kind", "seen", "performed"),
    [
        (Status(11600), errors.AutoReconnect, False),
        (Status(10107), errors.NotPrimaryError, False),
        (Status(500), errors.OperationFailure, False),
        (ErrorAfter(50), errors.ExecutionTimeout, True),
        (ErrorAfter(91), errors.AutoReconnect, True),
        (ResetBefore(), errors.AutoReconnect, False),
        (ResetAfter(), errors.AutoReconnect, True),
        (Hang(), errors.NetworkTimeout, False),
        (HangAfter(), errors.NetworkTimeout, True),
        (Truncated(), errors.AutoReconnect, True),
        (Malformed(), errors.ProtocolError, True),
        (Empty(), errors.OperationFailure, True),
        (Slow(0.2), None, True),
    ],
    ids=repr,
)
def test_a_fault(server: MongoDB, kind: Kind, seen: type[Exception] | None, performed: bool) -> None:
    fault = server.fault("updateUser", kind)
    if seen:
        with pytest.raises(seen):
            update(server, socketTimeoutMS=400)
    else:
        update(server)
    (logged,) = [request for request in server.requests if request.operation == "updateUser"]
    assert (fault.fired, logged.fault, logged.performed) == (True, kind.name, performed)
    assert server.password_works("orders", NEW if performed else OLD, "app")
    update(server, "orders-newer-3")  # it happens once
    assert server.password_works("orders", "orders-newer-3", "app")


@pytest.mark.parametrize("operation", ["hello", "saslStart", "saslContinue", "usersInfo", "connect"])
@pytest.mark.parametrize("kind", [ResetBefore(), Status(91)], ids=repr)
def test_every_step_can_be_spoilt(server: MongoDB, operation: str, kind: Kind) -> None:
    server.speculative = False
    fault = server.fault(operation, Refuse() if operation == "connect" else kind, times=None)
    with connect(server, "admin", ADMIN, serverSelectionTimeoutMS=300) as client, pytest.raises(errors.PyMongoError):
        client.app.command("usersInfo", "orders")
    assert fault.fired
    server.faults.clear()
    update(server)


def test_the_nth_one_and_only_whose(server: MongoDB) -> None:
    server.fault("updateUser", Status(1), nth=2)
    update(server, "orders-3")
    assert code(lambda: update(server, "orders-4")) == 1
    server.fault("saslContinue", Status(18), times=None, when=lambda request: request.client_id == "orders")
    assert code(lambda: read(server, "orders", "orders-3")) == 18
    update(server, "orders-5")


@pytest.mark.parametrize(("kind", "meanwhile"), [(Pause(), OLD), (PauseAfter(), NEW)], ids=["Pause", "PauseAfter"])
def test_a_pause(server: MongoDB, kind: Kind, meanwhile: str) -> None:
    fault = server.fault("updateUser", kind)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(update, server)
        assert fault.reached.wait(patience.seconds(5))
        _until(lambda: server.password_works("orders", meanwhile, "app"))
        assert not waiting.done()
        fault.release.set()
        waiting.result(5)
    assert server.password_works("orders", NEW, "app")


CHILD = """
import sys
from pymongo import MongoClient
client = MongoClient(sys.argv[1], username="admin", password=sys.argv[2])
client.app.command("updateUser", "orders", pwd=sys.argv[3])
"""


@pytest.mark.parametrize(("kind", "left"), [(KillBefore(), OLD), (KillAfter(), NEW)], ids=["before", "after"])
def test_a_kill(server: MongoDB, kind: Kind, left: str) -> None:
    fault = server.fault("updateUser", kind)
    server.victim = child = subprocess.Popen([sys.executable, "-c", CHILD, server.uri(), ADMIN, NEW])
    assert child.wait(patience.seconds(20)) == -9
    assert fault.fired and server.password_works("orders", left, "app")


# Many at once, and as a part of the sandbox


def test_twenty_clients_at_once(server: MongoDB) -> None:
    for number in range(20):
        server.add_user(f"user{number}", f"first-{number}", "app", ["read"])
    ready = threading.Barrier(20)

    def rotate(number: int) -> bool:
        name, first, second = f"user{number}", f"first-{number}", f"second-{number}"
        with connect(server, "admin", ADMIN, socketTimeoutMS=60_000, serverSelectionTimeoutMS=60_000) as client:
            ready.wait(patience.seconds(10))
            client.app.command("updateUser", name, pwd=second)
            read(server, name, second, socketTimeoutMS=60_000)
            return code(lambda: read(server, name, first, socketTimeoutMS=60_000)) == 18

    with ThreadPoolExecutor(20) as pool:
        assert all(pool.map(rotate, range(20)))


def test_beside_a_sandbox(sandbox: Sandbox) -> None:
    assert "mongodb" not in vars(sandbox)
    server = sandbox.mongodb
    assert sandbox.mongodb is server
    password = server.add_user("admin", roles=["root"])
    given = server.add_user("orders", database="app")
    fault: Fault = sandbox.fault("mongodb", "updateUser", KillBefore())
    sandbox.victim = child = subprocess.Popen([sys.executable, "-c", CHILD, server.uri(), password, NEW])
    assert child.wait(patience.seconds(20)) == -9 and fault.fired
    with connect(server, "admin", password) as client:
        client.app.command("updateUser", "orders", pwd=NEW)
    assert {password, given, NEW} <= set(sandbox.issued)
    assert sandbox.operations().count("mongodb.updateUser") == server.operations().count("updateUser") == 2


def test_the_password_is_in_no_answer_and_no_log_line(server: MongoDB) -> None:
    server.add_user("reader", "reader-4", roles=["read"])
    with connect(server, "reader", "reader-4") as client, pytest.raises(errors.OperationFailure) as caught:
        client.app.command("updateUser", "orders", pwd=NEW)
    assert NEW not in repr(caught.value) + repr(server.requests) + repr(server.user("orders", "app"))


def test_closing_lets_go_of_who_waits() -> None:
    with MongoDB() as server:
        server.add_user("admin", ADMIN, roles=["root"])
        fault = server.fault("updateUser", Hang())
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(update, server, socketTimeoutMS=20_000)
            assert fault.reached.wait(patience.seconds(5))
            server.close()
            assert isinstance(waiting.exception(patience.seconds(5)), errors.AutoReconnect)


def _until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + patience.seconds(5)
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)

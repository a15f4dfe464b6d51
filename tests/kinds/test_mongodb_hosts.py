"""At which MongoDB servers the administrator's login may be used: its own record says so, not the rotated one."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import Failed
from gateway.mongodb.address import Address, Admitted, hosts_in
from tests.stage.mongodb_user import OLD, MongoStage
from tests.stage.name_server import Outage, name_server
from tests.stage.rotation import Outcome

Make = Callable[..., MongoStage]


@pytest.fixture
def mongo() -> Iterator[Make]:
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(MongoStage(**options))  # type: ignore[return-value]


@pytest.fixture
def relay() -> Iterator[socket.socket]:
    """Somebody else's server, which would go on to the administrator's with the login that it is sent."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0.2)
        yield listening


def address(relay: socket.socket) -> str:
    return f"127.0.0.1:{relay.getsockname()[1]}"


def refused(stage: MongoStage, outcome: Outcome, error: str, *hints: str) -> None:
    """Nothing was changed, and neither server was asked for anything."""
    assert outcome.code == 1 and error in outcome.report["error"], outcome
    assert all(hint in outcome.report["hint"] for hint in hints), outcome
    assert not stage.server.operations()
    assert stage.works(OLD) and stage.standard("password") == OLD


def test_the_login_is_used_at_no_server_that_only_the_record_names(mongo: Make, relay: socket.socket) -> None:
    stage = mongo(mongodb_uri=f"mongodb://{address(relay)}/?tls=true", admin_says={"mongodb_hosts": "db.example"})
    who = f"let who may edit record {stage.admin_uid} add {address(relay)} to its mongodb_hosts"
    refused(stage, stage.rotate(), f"the administrator's login may not be used at {address(relay)}", who)
    with pytest.raises(TimeoutError):
        relay.accept()


def test_one_server_that_is_not_admitted_among_those_that_are(mongo: Make, relay: socket.socket) -> None:
    stage = mongo()
    both = f"mongodb://{stage.server.address},{address(relay)}/"
    stage.sandbox.keeper.edit(stage.at.record_uid, "mongodb_uri", both)
    refused(stage, stage.rotate(), f"the administrator's login may not be used at {address(relay)}")
    with pytest.raises(TimeoutError):
        relay.accept()


def test_a_server_that_is_admitted_to_no_other_port(mongo: Make) -> None:
    stage = mongo(admin_says={"mongodb_hosts": "127.0.0.1"})
    refused(stage, stage.rotate(), f"the administrator's login may not be used at {stage.server.address}")


def test_an_administrator_without_servers_is_told_which_line_to_add(mongo: Make) -> None:
    stage = mongo(admin_says={})
    error = f"the administrator's record {stage.admin_uid} does not say at which servers it may be used"
    line = f"let who may edit record {stage.admin_uid} add the field mongodb_hosts = {stage.server.address}"
    refused(stage, stage.rotate(), error, line)
    stage.sandbox.keeper.edit(stage.admin_uid, "mongodb_hosts", stage.server.address)
    assert stage.rotate().code == 0


def test_what_the_rotated_record_says_of_servers_counts_for_nothing(mongo: Make) -> None:
    stage = mongo(admin_says={}, mongodb_hosts="127.0.0.1", allow_plaintext="True", mongodb_ca_file="/x")
    stage.sandbox.keeper.edit(stage.at.record_uid, "mongodb_hosts", stage.server.address)
    refused(stage, stage.rotate(), "does not say at which servers it may be used")


# TLS


@pytest.fixture
def named(mongo: Make, tmp_path: Path) -> Iterator[Callable[..., tuple[MongoStage, Outage]]]:
    """A stage whose server has a name, and that name's server."""
    with ExitStack() as stack:

        def make(query: str, **admin_says: str) -> tuple[MongoStage, Outage]:
            stage, made = mongo(), Outage()
            port = stage.server.address.rpartition(":")[2]
            stage.sandbox.keeper.edit(stage.at.record_uid, "mongodb_uri", f"mongodb://db1.mongo.example:{port}/{query}")
            for label, value in {"mongodb_hosts": f"DB1.mongo.example:{port}", **admin_says}.items():
                stage.sandbox.keeper.edit(stage.admin_uid, label, value)
            stage.variables["PYTHONPATH"] = stack.enter_context(
                name_server(tmp_path / "site", ".mongo.example", {}, made)
            )
            return stage, made

        yield make


@pytest.mark.parametrize("query", ["", "?tls=false", "?ssl=false"])
def test_no_password_goes_over_a_network_in_clear(query: str, named: Any) -> None:
    stage, asked = named(query)
    line = f"let who may edit record {stage.admin_uid} add allow_plaintext = True"
    refused(stage, stage.rotate(), "without TLS the new password would go to db1.mongo.example", "tls=true", line)
    assert not asked.asked


def test_in_clear_where_the_administrators_record_allows_it(named: Any) -> None:
    stage, _ = named("", allow_plaintext="True")
    outcome = stage.rotate()
    assert outcome.code == 0, outcome


@pytest.mark.parametrize("said", ["False", "no", "maybe", ""])
def test_in_clear_is_allowed_by_a_plain_yes_only(said: str, named: Any) -> None:
    stage, _ = named("", allow_plaintext=said)
    refused(stage, stage.rotate(), "without TLS the new password would go to")


def test_the_authority_of_a_server_is_named_by_the_administrators_record(mongo: Make) -> None:
    stage = mongo(tls=True)
    bundle = stage.variables["SSL_CERT_FILE"]
    nobody = {"SSL_CERT_FILE": "/dev/null"}
    assert stage.rotate(**nobody).code == 1
    stage.sandbox.keeper.edit(stage.admin_uid, "mongodb_ca_file", bundle)
    outcome = stage.rotate(**nobody)
    assert outcome.code == 0, outcome


def test_the_rotated_record_names_no_file_of_this_host(mongo: Make) -> None:
    stage = mongo()
    uri = f"mongodb://{stage.server.address}/?tls=true&tlsCAFile=/etc/passwd"
    stage.sandbox.keeper.edit(stage.at.record_uid, "mongodb_uri", uri)
    line = "let who may edit the administrator's record add that path there, as mongodb_ca_file"
    refused(stage, stage.rotate(), "the option tlsCAFile is not supported", line)


def test_a_file_of_authorities_that_is_not_there(mongo: Make) -> None:
    stage = mongo(tls=True)
    stage.sandbox.keeper.edit(stage.admin_uid, "mongodb_ca_file", "/nowhere.pem")
    refused(stage, stage.rotate(), "mongodb_uri: it cannot be used")


# How hosts are written

LISTS: dict[str, tuple[str, set[str]]] = {
    "one": ("db.example", {"db.example:27017"}),
    "one with its port": ("db.example:27018", {"db.example:27018"}),
    "in capitals": ("DB.Example", {"db.example:27017"}),
    "one a line": ("a.example\r\nb.example:1\n", {"a.example:27017", "b.example:1"}),
    "with commas": ("a.example, b.example", {"a.example:27017", "b.example:27017"}),
    "an address": ("mongodb://a.example,b.example:2/?tls=true", {"a.example:27017", "b.example:2"}),
    "an address without a slash": ("mongodb://a.example?tls=true", {"a.example:27017"}),
    "one of Azure's portal": ("mongodb+srv://<user>:<password>@c.example/?tls=true", {"mongodb+srv://c.example"}),
    "one to be looked up": ("mongodb+srv://c.example/?x=y", {"mongodb+srv://c.example"}),
    "a number": ("[::1]:5 [::2]", {"[::1]:5", "[::2]:27017"}),
    "none": (" ", set()),
}


@pytest.mark.parametrize("sentence", LISTS)
def test_a_list_of_hosts(sentence: str) -> None:
    text, found = LISTS[sentence]
    assert hosts_in(text) == found


ADMITTED = Admitted(hosts_in("a.example b.example [::1] mongodb+srv://c.example"), False, "", "R")
FITS = ["a.example", "A.EXAMPLE:27017", "a.example,b.example", "[::1]"]
FOREIGN = [
    "a.example.evil.example", "evil.example", "a.example:27018", "c.example", "a.example,evil.example",
    "%61.example", "127.0.0.1", "a.example\\evil.example", "evil.example\\a.example",
]  # fmt: skip


@pytest.mark.parametrize("hosts", FITS)
def test_a_host_that_is_admitted(hosts: str) -> None:
    assert Address(f"mongodb://{hosts}/?tls=true", ADMITTED)


@pytest.mark.parametrize("hosts", FOREIGN)
def test_a_host_that_only_looks_like_one(hosts: str) -> None:
    with pytest.raises(Failed, match="mongodb_uri: "):
        Address(f"mongodb://{hosts}/?tls=true", ADMITTED)


IN_THE_PORTAL = "?tls=true&authMechanism=SCRAM-SHA-256&retrywrites=false&maxIdleTimeMS=120000"


def test_the_address_of_azures_portal(mongo: Make) -> None:
    """Of Azure DocumentDB, which knows one kind of login and does not say so when it is asked."""
    stage = mongo()
    stage.server.tells_mechanisms = False
    for name, database in (("dba", "admin"), ("orders", "shop")):
        del stage.server.users.find(name, database).credentials["SCRAM-SHA-1"]
    outcome = stage.rotate()
    assert outcome.code == 1 and "error 18" in outcome.report["error"], "not told, a client takes the older kind"
    query = IN_THE_PORTAL.replace("tls=true&", "")
    for places in ("", "<user>@", "<user>:<password>@"):
        address = f"mongodb://{places}{stage.server.address}/{query}"
        stage.sandbox.keeper.edit(stage.at.record_uid, "mongodb_uri", address)
        outcome = stage.rotate()
        assert (outcome.code, outcome.result) == (0, "rotated"), outcome
        assert stage.works(stage.standard("password"))


def test_what_is_left_of_the_portals_address() -> None:
    looked_up = Address(f"mongodb+srv://<user>:<password>@c.example/{IN_THE_PORTAL}", ADMITTED)
    assert looked_up.sign_in == {"authMechanism": "SCRAM-SHA-256"}
    assert looked_up._uri == "mongodb+srv://c.example/?tls=true&retrywrites=false"
    plain = "mongodb://a.example/?readPreference=primary&tls=true&appName=a%20b"
    assert (Address(plain, ADMITTED)._uri, Address(plain, ADMITTED).sign_in) == (plain, {})


@pytest.mark.parametrize("mechanism", ["PLAIN", "MONGODB-X509", "MONGODB-AWS", "GSSAPI", "", "scram-sha-256,PLAIN"])
def test_logins_of_another_kind(mechanism: str) -> None:
    with pytest.raises(Failed, match="the option authMechanism is not supported"):
        Address(f"mongodb://a.example/?tls=true&authMechanism={mechanism}", ADMITTED)


@pytest.mark.parametrize("login", ["dba@", "dba:<password>@", "<user>:geheim@", "<a><b>@", "<a>@b@"])
def test_a_login_that_is_filled_in(login: str) -> None:
    with pytest.raises(Failed, match="it holds a login or password"):
        Address(f"mongodb://{login}a.example/?tls=true", ADMITTED)


@pytest.mark.parametrize("uri", ["mongodb+srv://c0.abc.mongodb.net/", "mongodb://x-00.abc.mongodb.net:27017/?tls=true"])
def test_atlas_is_refused_before_anything_is_asked(uri: str) -> None:
    with pytest.raises(Failed, match="Atlas") as caught:
        Address(uri, ADMITTED)
    assert "docs/mongodb.md" in caught.value.hint
    assert Address("mongodb+srv://c.example/", ADMITTED)


@pytest.mark.parametrize("uri", ["mongodb+srv://a.example/", "mongodb+srv://c.example.evil.example/"])
def test_a_name_to_be_looked_up_is_admitted_as_such_only(uri: str) -> None:
    with pytest.raises(Failed, match="may not be used at mongodb\\+srv://"):
        Address(uri, ADMITTED)
    assert Address("mongodb+srv://C.example/", ADMITTED)


@pytest.mark.parametrize(
    "query", ["tls=true&ssl=false", "tls=false&tls=true", "tls=True", "tls=", "tls=yes", "%74ls=true"]
)
def test_tls_by_halves_is_none(query: str) -> None:
    with pytest.raises(Failed, match="mongodb_uri: "):
        Address(f"mongodb://a.example/?{query}", ADMITTED).looked_up(1)

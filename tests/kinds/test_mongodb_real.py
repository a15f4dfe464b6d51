"""Rows of test_mongodb_user.py against a real MongoDB server, where there is one: see tests/stage/mongod.py."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.kinds.test_mongodb_user import Make, rotated
from tests.stage.mongod import RealServer, missing, real_server
from tests.stage.mongodb_user import OLD, MongoStage

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    with real_server(tmp_path_factory.mktemp("mongod")) as found:
        yield found


@pytest.fixture
def mongo(server: RealServer) -> Iterator[Make]:
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(MongoStage(server=server, **options))  # type: ignore[return-value]


def test_a_new_password_is_published_and_the_old_one_is_dead(mongo: Make) -> None:
    stage = mongo()
    rotated(stage)
    first = stage.standard("password")
    assert first != OLD and not stage.works(OLD)
    rotated(stage)
    assert stage.standard("password") != first and not stage.works(first)


def test_two_users_take_turns(mongo: Make) -> None:
    stage = mongo(alternate_login="orders-b")
    for login, former in (("orders-b", "orders"), ("orders", "orders-b"), ("orders-b", "orders")):
        before = stage.standard("password")
        rotated(stage)
        assert stage.standard("login") == login
        assert stage.works(before, former), "a consumer with the old password goes on working"


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-1", "SCRAM-SHA-256"])
def test_a_user_with_one_mechanism(mechanism: str, mongo: Make, server: RealServer) -> None:
    stage = mongo()
    server.add_user("orders", OLD, "shop", ["readWrite"], mechanisms=[mechanism])
    rotated(stage)


def test_a_pending_password_of_a_run_that_was_cut_off_is_published(mongo: Make, server: RealServer) -> None:
    stage = mongo()
    server_took = "pending-Password-of-a-run-7"
    stage.stored()["custom"].append({"type": "secret", "label": "pending_password", "value": [server_took]})
    stage.sandbox.issued.append(server_took)
    server.set_password("orders", server_took, "shop")
    rotated(stage)
    assert not stage.works(OLD)


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown user": ({"auth_database": "elsewhere"}, "no user 'orders' in the database 'elsewhere'"),
    "an unknown alternate": ({"alternate_login": "nobody"}, "no user 'nobody'"),
    "a read-only administrator": ({"admin_roles": ["read"]}, "userAdmin"),
}


@pytest.mark.parametrize("what", BAD)
def test_refused(what: str, mongo: Make) -> None:
    options, message = BAD[what]
    stage = mongo(**options)
    outcome = stage.rotate()
    assert outcome.code == 1, outcome
    assert message in outcome.report["error"] + outcome.report["hint"], outcome
    assert stage.works(OLD, "orders") and stage.standard("password") == OLD


def test_an_administrator_with_a_wrong_password(mongo: Make, server: RealServer) -> None:
    stage = mongo()
    server.set_password("dba", "changed-meanwhile", "admin")
    outcome = stage.rotate()
    assert outcome.code == 1 and "admin login or its password is wrong" in outcome.report["hint"], outcome
    assert stage.works(OLD)

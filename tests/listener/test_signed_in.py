"""The listener signs in to a real broker, over TLS: by a connection string from Keeper, and by tokens of the tenant."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from sandbox.entra import tokens
from sandbox.event_hub.signed import SignedHub
from sandbox.keeper.vault import make_field
from tests.stage.listener import GROUP, QUICK, Listener, Many, wait
from tests.stage.parts import broker
from tests.stage.rotation import Stage

pytestmark = pytest.mark.deep


@pytest.fixture
def hub(stage: Stage) -> Iterator[SignedHub]:
    """An Event Hub that wants TLS and a sign-in."""
    broker()
    with SignedHub(stage.sandbox, stage.folder / "keeper" / "sandbox-ca.pem") as made:
        yield made


def listener(stage: Stage, hub: SignedHub, way: str, record: str, trust: bool = True) -> Listener:
    """One that signs in in this way, with what this record holds."""
    kafka = QUICK["LISTEN_KAFKA"] + (f";{hub.kafka}" if trust else "")
    return Listener(stage, hub, LISTEN_SIGN_IN=way, LISTEN_SIGN_IN_RECORD=record, LISTEN_KAFKA=kafka)


def policy_record(stage: Stage, text: str) -> str:
    """A record with a connection string."""
    return stage.sandbox.keeper.add_record("Event Hub", "login", [], [make_field("secret", text, "connection_string")])


def dealt_with(stage: Stage, hub: SignedHub, many: Many, name: str) -> None:
    """An event about this secret is published, and is dealt with."""
    hub.publish(many.event(name))
    wait(lambda: hub.committed(GROUP) == hub.ends(), 30)


def test_a_connection_string_is_used_and_a_renewed_one_is_read(stage: Stage, hub: SignedHub) -> None:
    many = Many(stage, 2)
    record = policy_record(stage, hub.policies["listen"])
    running = listener(stage, hub, "connection-string", record)
    dealt_with(stage, hub, many, many.names[0])
    stage.sandbox.keeper.edit(record, "connection_string", hub.renew("listen"))
    hub.seen.clear()
    hub.cut()
    wait(lambda: ("PLAIN", False) in hub.seen)
    dealt_with(stage, hub, many, many.names[1])
    wait(lambda: running.health()[0] == 200)
    assert many.versions() == [2, 2] and running.outcomes() == {"rotated": 2}
    running.stop()


def test_a_token_is_fetched_anew_before_it_ends(stage: Stage, hub: SignedHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "LIFETIME", 12)
    many = Many(stage, 2)
    running = listener(stage, hub, "client-secret", stage.at.admin_record_uid)
    dealt_with(stage, hub, many, many.names[0])
    started = time.monotonic()
    accepted = len([each for each in hub.seen if each == ("OAUTHBEARER", True)])
    wait(lambda: len([each for each in hub.seen if each == ("OAUTHBEARER", True)]) > accepted, 30)
    assert time.monotonic() - started > 2, "the connection ended with its token"
    dealt_with(stage, hub, many, many.names[1])
    assert many.versions() == [2, 2] and ("OAUTHBEARER", False) not in hub.seen
    running.stop()


REFUSED = {
    "the key is another one by now": (True, "SASL authentication error"),
    "nobody we trust vouches for the server": (False, "certificate verify failed"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_refused_is_said_and_nothing_is_read(what: str, stage: Stage, hub: SignedHub) -> None:
    trust, said = REFUSED[what]
    old = hub.policies["listen"]
    if trust:
        hub.renew("listen")
    many = Many(stage, 1)
    hub.publish(many.event(many.names[0]))
    running = listener(stage, hub, "connection-string", policy_record(stage, old), trust)
    wait(lambda: "event hub" in running.health()[1].get("wrong", []), 30)
    assert many.versions() == [1]
    assert said in running.stop()

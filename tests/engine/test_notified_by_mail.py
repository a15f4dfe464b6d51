"""Mail, to a real SMTP server: what arrives, and that nothing crosses the line in the clear."""

from __future__ import annotations

import ssl
from collections.abc import Callable

import pytest

from tests.stage.mail import LOGIN, PASSWORD, Sink, mail_server, trusted, untrusted
from tests.stage.rotation import Outcome, Stage

pytestmark = pytest.mark.deep


def run(make_stage: Callable[..., Stage], url: str) -> tuple[Stage, Outcome]:
    """A rotation that fails, of a record that has this address told."""
    stage = make_stage(settings={"notify": url})
    stage.sandbox.directory.policy.max_lifetime_days = 90
    return stage, stage.run(ROTATION_NOTIFY_ALLOW="mailto:// 127.0.0.1", ROTATION_REQUEST_TIMEOUT_SECONDS="10")


def test_a_failure_is_told_by_mail(make_stage: Callable[..., Stage]) -> None:
    with mail_server(trusted()) as sink:
        stage, outcome = run(make_stage, sink.url())
    assert outcome.code == 1 and not outcome.report.get("warnings"), outcome
    (message,) = sink.received
    assert (message["from"].addresses[0].addr_spec, sink.recipients) == (LOGIN, ["oncall@example.com"])
    assert message["subject"] == "Rotation failed: orders-api" and sink.encrypted == [True]
    body = " ".join(part.get_content() for part in message.walk() if not part.is_multipart())
    words = " ".join(body.split())
    assert outcome.report["error"] in words and outcome.report["hint"] in words
    assert not [secret for secret in stage.canaries() if secret in body]
    assert PASSWORD not in outcome.stdout + outcome.stderr and not stage.leaks([outcome])


def plain(sink: Sink) -> str:
    """Mail without TLS, which the owner of the host may allow."""
    return sink.url(scheme="mailto")


# How the server is secured, the address, and how many messages arrive.
SERVERS: dict[str, tuple[Callable[[], ssl.SSLContext] | None, Callable[[Sink], str], int]] = {
    "the password is another one": (trusted, lambda sink: sink.url(password="Another-password-78"), 0),
    "nobody we trust vouches for the server": (untrusted, lambda sink: sink.url(), 0),
    "the server has no TLS": (None, lambda sink: sink.url(), 0),
    "the host's owner allows mail without TLS": (None, plain, 1),
}


@pytest.mark.parametrize("what", SERVERS)
def test_mail_that_cannot_be_sent_safely_is_a_warning(what: str, make_stage: Callable[..., Stage]) -> None:
    context, address, arrived = SERVERS[what]
    with mail_server(context() if context else None) as sink:
        _, outcome = run(make_stage, address(sink))
    assert outcome.code == 1 and len(sink.received) == arrived, outcome
    warnings = outcome.report.get("warnings", [])
    assert len(warnings) == 1 - arrived and all("mailtos: Connection error" in each for each in warnings), outcome
    assert not [word for word in (PASSWORD, "Another-password-78") if word in outcome.stdout + outcome.stderr]

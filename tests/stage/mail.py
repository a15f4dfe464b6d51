"""A mail server that nobody here wrote: aiosmtpd, with STARTTLS and a login, which keeps what it is given."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any
from urllib.parse import quote

import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword, Session

from sandbox.proxy.authority import authority
from tests.stage.parts import free_ports

LOGIN, PASSWORD = "keeper@example.com", "Mail-password-77@,;"


@dataclass
class Sink:
    """What it was given, by whom, and for whom."""

    port: int
    received: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)

    async def handle_DATA(self, server: Any, session: Session, envelope: Envelope) -> str:
        """Keep a message."""
        self.received.append(message_from_bytes(envelope.content or b"", policy=policy.default))  # type: ignore[arg-type]
        self.recipients += envelope.rcpt_tos
        self.encrypted.append(session.ssl is not None)
        return "250 OK"

    def url(self, password: str = PASSWORD, scheme: str = "mailtos") -> str:
        """The address as docs/notifications.md writes one."""
        query = {"user": LOGIN, "pass": password, "from": LOGIN, "to": "oncall@example.com"}
        return f"{scheme}://127.0.0.1:{self.port}?" + "&".join(f"{key}={quote(text)}" for key, text in query.items())


def _login(server: Any, session: Session, envelope: Envelope, mechanism: str, given: Any) -> AuthResult:
    fine = isinstance(given, LoginPassword) and (given.login, given.password) == (LOGIN.encode(), PASSWORD.encode())
    return AuthResult(success=fine, handled=False)


def trusted() -> ssl.SSLContext:
    """Vouched for by the sandbox's authority."""
    return authority().context("127.0.0.1")


def untrusted() -> ssl.SSLContext:
    """Vouched for by somebody whom no run trusts."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    return context


@contextmanager
def mail_server(tls: ssl.SSLContext | None) -> Iterator[Sink]:
    """One that answers until the end; without TLS where there is no context."""
    sink = Sink(free_ports(1)[0])
    options = {"require_starttls": True, "tls_context": tls} if tls else {"auth_require_tls": False}
    server = Controller(
        sink,
        "127.0.0.1",
        sink.port,
        authenticator=_login,
        auth_required=True,
        **options,  # type: ignore[arg-type]
    )
    server.start()
    try:
        yield sink
    finally:
        server.stop()

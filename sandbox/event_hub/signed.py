"""An Event Hub that wants TLS and a sign-in, as the real one does: a connection string, or a token of the tenant."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

from sandbox.entra.tokens import TokenRefused
from sandbox.event_hub.broker import BrokerHub, free_port
from sandbox.event_hub.front import Front
from sandbox.proxy.authority import authority
from sandbox.proxy.server import LOOPBACK
from sandbox.world import World

USER = "$ConnectionString"
FOR_EVER = 86400.0


class SignedHub(BrokerHub):
    """``authority_file``: the authority that vouches for it. ``seen``: each sign-in, and whether it was accepted."""

    def __init__(self, sandbox: World, authority_file: Path, name: str = "key-vault-events") -> None:
        self._sandbox = sandbox
        self._authority_file = authority_file
        self.name = name
        self.seen: list[tuple[str, bool]] = []
        self.policies: dict[str, str] = {}
        """The connection string of each shared access policy."""
        for policy in ("send", "listen"):
            self.renew(policy)
        super().__init__(name)

    def renew(self, policy: str) -> str:
        """Give a policy a new key; the old one is refused from now on. Returns the connection string."""
        key = base64.b64encode(os.urandom(32)).decode()
        self._sandbox.directory.issued.append(key)
        self.policies[policy] = (
            f"Endpoint=sb://{LOOPBACK}/;SharedAccessKeyName={policy};SharedAccessKey={key};EntityPath={self.name}"
        )
        return self.policies[policy]

    def cut(self) -> None:
        """End every connection."""
        self._front.cut()

    def close(self) -> None:
        """Stop answering."""
        self._front.close()
        super().close()

    @property
    def kafka(self) -> str:
        """The properties of librdkafka that a listener needs besides, for `LISTEN_KAFKA`."""
        return f"ssl.ca.location={self._authority_file}"

    @property
    def variables(self) -> dict[str, str]:
        """The settings that lead a listener here; how it signs in is not among them."""
        # This broker keeps the first listener of a group waiting for half of its session's time.
        kafka = f"{self.kafka};session.timeout.ms=6000;heartbeat.interval.ms=500"
        return {"LISTEN_BOOTSTRAP_SERVERS": self.address, "LISTEN_EVENT_HUB": self.name, "LISTEN_KAFKA": kafka}

    def _start(self) -> tuple[subprocess.Popen[str], str]:
        inner = free_port()
        self._front = Front(inner, authority().context(LOOPBACK), self._accepts)
        try:
            return self._run(inner, self._front.port), f"{LOOPBACK}:{self._front.port}"
        except (ImportError, OSError):
            self._front.close()
            raise

    def _accepts(self, mechanism: str, sent: bytes) -> float | None:
        seconds = self._by_policy(sent) if mechanism == "PLAIN" else self._by_token(sent)
        self.seen.append((mechanism, seconds is not None))
        return seconds

    def _by_policy(self, sent: bytes) -> float | None:
        known = {f"\0{USER}\0{text}".encode() for text in self.policies.values()}
        return FOR_EVER if sent in known else None

    def _by_token(self, sent: bytes) -> float | None:
        """A token is good for as long as it lasts: then the connection ends."""
        found = re.search(rb"auth=Bearer ([\w.-]+)", sent)
        token = found[1].decode() if found else ""
        try:
            self._sandbox.tokens.check(f"Bearer {token}", f"https://{LOOPBACK}")
        except TokenRefused:
            return None
        claims = token.split(".")[1]
        ends = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["exp"]
        return float(max(0.0, ends - self._sandbox.clock.now()))

    def _client(self) -> dict[str, Any]:
        return client_properties(self.address, self.policies["send"], self._authority_file) | {"log_level": 0}


def client_properties(address: str, connection_string: str, authority_file: Path | str) -> dict[str, Any]:
    """How one of librdkafka's clients reaches it."""
    return {
        "bootstrap.servers": address,
        "security.protocol": "SASL_SSL",
        "ssl.ca.location": str(authority_file),
        "sasl.mechanism": "PLAIN",
        "sasl.username": USER,
        "sasl.password": connection_string,
    }

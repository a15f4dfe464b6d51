"""Azurite, Microsoft's own emulator, as the blob, queue and table services of the sandbox's storage accounts.

Resource Manager stays the sandbox's, since Azurite has none: which keys an account has is told to it. What a key signs,
and what is refused, is then judged by Microsoft's code.
"""

from __future__ import annotations

import http.client
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sandbox.proxy.messages import Request, Response
from sandbox.sandbox import Sandbox
from sandbox.storage.blobs import Blobs
from sandbox.storage.service import Storage
from tests.stage.parts import await_port, free_ports, tool

SERVICES = ("blob", "queue", "table")
OF_ONE_CONNECTION = ("connection", "transfer-encoding", "keep-alive", "content-length")


class Azurite:
    """One Azurite; ``ports`` by service."""

    def __init__(self, folder: Path) -> None:
        command = Path(tool("azurite"))
        self._keys = folder / "keys"
        self._keys.write_text("none:bm9uZQ==")
        self.ports = dict(zip(SERVICES, free_ports(3), strict=True))
        where = [part for name, port in self.ports.items() for part in (f"--{name}Port", str(port))]
        options = ["--inMemoryPersistence", "--silent", "--skipApiVersionCheck", "--disableTelemetry"]
        own = {
            "AZURITE_HOME": str(command.resolve().parents[2]),
            "KEYS_FILE": str(self._keys),
            "NODE_OPTIONS": f"--require {Path(__file__).with_suffix('.js')}",
        }
        self._process = subprocess.Popen(
            ["node", str(command.resolve()), *where, *options], cwd=folder, env=os.environ | own,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        for port in self.ports.values():
            await_port(port, 60)

    def close(self) -> None:
        """Stop it."""
        self._process.kill()
        self._process.wait()

    def know(self, storage: Storage) -> None:
        """These are the accounts now, with the keys that are accepted by now."""
        rows = (":".join([each.name, *storage.usable(each)]) for each in storage.accounts())
        self._keys.write_text(";".join(rows))


class Forwarded(Blobs):
    """A service of all accounts that Azurite performs."""

    def __init__(self, azurite: Azurite, sandbox: Sandbox, name: str) -> None:
        super().__init__(sandbox.storage, sandbox.clock)
        self.name = name
        self._azurite = azurite
        self.answered: list[int] = []
        """Status of each answer."""

    def handle(self, request: Request) -> Response:
        """Pass it on as it came."""
        self._azurite.know(self.storage)
        connection = http.client.HTTPConnection("127.0.0.1", self._azurite.ports[self.name], timeout=10)
        try:
            connection.request(request.method, request.target, request.body or None, request.headers)
            answer = connection.getresponse()
            headers = {name: value for name, value in answer.getheaders() if name.lower() not in OF_ONE_CONNECTION}
            self.answered.append(answer.status)
            return Response(answer.status, answer.read(), headers)
        finally:
            connection.close()


@contextmanager
def azurite(folder: Path) -> Iterator[Azurite]:
    """One for as long as it is used."""
    running = Azurite(folder)
    try:
        yield running
    finally:
        running.close()


def put_before(running: Azurite, sandbox: Sandbox) -> dict[str, Forwarded]:
    """Let it answer for the sandbox's own services."""
    made = {name: Forwarded(running, sandbox, name) for name in SERVICES}
    services = sandbox.server.services
    services[:] = [made.get(service.name, service) for service in services]
    return made

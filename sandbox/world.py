"""All services and the state that they stand on. What an operator would set up is not here: see sandbox.py."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from sandbox.arm.resources import ResourceManager
from sandbox.arm.roles import Roles
from sandbox.arm.service import Arm
from sandbox.automation.service import Automation
from sandbox.devops.service import DevOps
from sandbox.entra.directory import Directory, new_id
from sandbox.entra.managed_identity import ManagedIdentity
from sandbox.entra.service import Entra
from sandbox.entra.tokens import Tokens
from sandbox.graph.service import Graph
from sandbox.keeper.service import Keeper
from sandbox.key_vault.provider import KeyVaultProvider
from sandbox.key_vault.service import KeyVault
from sandbox.logic_apps.service import Connections
from sandbox.proxy.authority import authority
from sandbox.proxy.clock import Clock
from sandbox.proxy.exchanges import Victim
from sandbox.proxy.faults import Fault, FaultBook, Kind
from sandbox.proxy.messages import Connect, LoggedRequest
from sandbox.proxy.server import LOOPBACK, Server
from sandbox.proxy.service import Service
from sandbox.storage.blobs import Blobs, Files, Queues
from sandbox.storage.service import Storage
from sandbox.storage.tables import Tables

if TYPE_CHECKING:
    from sandbox.mongodb.server import MongoDB


class World:
    """A Keeper vault and an Azure tenant on loopback.

    ``clock`` is everyone's time; each service's own, such as ``keeper.clock``, follows it until it is moved itself.
    ``latency``: seconds per round trip (connect, TLS handshake, request). ``echoes_requests``: Azure's errors quote the
    secrets and tokens that they were sent. ``services``: more of them, besides the ones that are built in.
    """

    def __init__(self, latency: float = 0.0, echoes_requests: bool = False, services: Sequence[Service] = ()) -> None:
        self.clock = Clock()
        self.directory = Directory(self.clock)
        self.tokens = Tokens(self.directory, self.clock)
        self.keeper = Keeper()
        self.keeper.clock = Clock(self.clock)
        self.entra = Entra(self.directory, self.tokens, Clock(self.clock), echoes_requests)
        self.graph = Graph(self.directory, self.tokens, self.entra, Clock(self.clock), echoes_requests)
        self.identity = ManagedIdentity(self.tokens, self.clock)
        self.user = self.directory.add_user("alex")
        self.subscription_id = new_id()
        self.resource_group = "rotation"
        self.roles = Roles(self.clock)
        self.arm = Arm(
            self.directory, self.tokens, self.roles, Clock(self.clock), self.subscription_id, echoes_requests
        )
        self.resource_manager = ResourceManager(self.arm)
        self.automation = Automation(self.arm)
        self.storage = Storage(self.arm)
        self.blobs = Blobs(self.storage, Clock(self.clock), echoes_requests)
        others = [kind(self.storage, Clock(self.clock), echoes_requests) for kind in (Files, Queues, Tables)]
        self.connections = Connections(self.arm, self.entra, self.storage)
        self.keyvault = KeyVault(
            self.directory, self.tokens, self.roles, Clock(self.clock), self.arm.resources, echoes_requests
        )
        vaults = KeyVaultProvider(self.arm)
        self.arm.parts = (self.resource_manager, vaults, self.automation, self.storage, self.connections)
        self.devops = DevOps(self.directory, self.tokens, self.roles, self.entra, Clock(self.clock), echoes_requests)
        self.group_id = self.resource_manager.add_group(self.resource_group)
        self.key_vault_url = f"{self.keyvault.add_vault('sandbox-vault', self.resource_group).url}/"
        built_in = (
            self.keeper, self.entra, self.graph, self.identity, self.keyvault, self.arm, self.devops,
            self.blobs, *others, self.keeper.storage,
        )  # fmt: skip
        self.server = Server([*built_in, *services], self.clock, latency)

    def start(self) -> Self:
        """Begin to answer."""
        self.server.start()
        return self

    def close(self) -> None:
        """Stop answering; whoever waits is let go."""
        self.server.close()
        if "mongodb" in vars(self):
            self.mongodb.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @cached_property
    def mongodb(self) -> MongoDB:
        """A MongoDB server with this sandbox's log, faults and victim; made, and answering, from its first use on."""
        from sandbox.mongodb.server import MongoDB  # pymongo is needed only here

        server = MongoDB.beside(self.server, self.issued)
        server.start()
        return server

    @property
    def url(self) -> str:
        """The proxy's address."""
        return f"http://{LOOPBACK}:{self.server.port}"

    @property
    def requests(self) -> list[LoggedRequest]:
        """Every request so far, in the order of arrival; connections are in ``connects``."""
        return self.server.requests

    @property
    def connects(self) -> list[Connect]:
        """Every CONNECT so far, refused ones included."""
        return self.server.connects

    @property
    def errors(self) -> list[str]:
        """Tracebacks of the sandbox's own mistakes; a test should find none."""
        return self.server.errors

    @property
    def faults(self) -> FaultBook:
        """The faults in force."""
        return self.server.faults

    @property
    def issued(self) -> list[str]:
        """Every client secret and token that was ever handed out."""
        return self.directory.issued

    @property
    def latency(self) -> float:
        """Seconds per round trip."""
        return self.server.latency

    @latency.setter
    def latency(self, seconds: float) -> None:
        self.server.latency = seconds

    @property
    def victim(self) -> Victim | None:
        """The process that KillBefore and KillAfter kill: a Popen, or a callable that kills and waits."""
        return self.server.victim

    @victim.setter
    def victim(self, victim: Victim | None) -> None:
        self.server.victim = victim

    def fault(
        self, service: str | None, operation: str | None, kind: Kind, *, nth: int = 1, times: int | None = 1,
        when: Callable[[LoggedRequest], bool] | None = None,
    ) -> Fault:  # fmt: skip
        """Put a fault in force; see Fault."""
        return self.faults.add(Fault(service, operation, kind, nth, times, when))

    def operations(self) -> list[str]:
        """The log as ``service.operation``."""
        return [f"{request.service}.{request.operation}" for request in self.requests]

    def forget(self) -> None:
        """Empty the log."""
        self.requests.clear()
        self.connects.clear()

    def env(self, folder: Path | str, client_id: str | None = None) -> dict[str, str]:
        """Write the authority and a Keeper configuration into the folder; returns the variables that lead to them."""
        folder = Path(folder)
        bundle, config = folder / "sandbox-ca.pem", folder / "ksm-config.json"
        bundle.write_bytes(authority().pem)
        _write_private(config, json.dumps(self.keeper.client_config(client_id)))
        return {
            "HTTPS_PROXY": self.url,
            "REQUESTS_CA_BUNDLE": str(bundle),
            "SSL_CERT_FILE": str(bundle),
            "KSM_CONFIG_FILE": str(config),
        }

    def identity_env(self) -> dict[str, str]:
        """The variables by which a host in App Service finds its managed identity; set ``identity.client_id`` too."""
        return {"IDENTITY_ENDPOINT": f"{self.url}/msi/token", "IDENTITY_HEADER": self.identity.header}


def _write_private(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)

"""A MongoDB server on loopback with real SCRAM logins, for a client that nobody here wrote: pymongo.

with MongoDB() as server:
    server.add_user("admin", "...", roles=["root"])
    server.add_user("orders", "...", "app", ["readWrite"])
    server.fault("updateUser", ResetAfter())
    MongoClient(server.uri(database="app"), username="orders", password="...").app.orders.find_one()
    assert server.password_works("orders", "...", "app")

``replica_set``, ``speculative``, ``require_tls`` and ``read_only`` may be changed at any time. A client may use TLS
or not; the authority is the sandbox's. Collections are always empty.
"""

from __future__ import annotations

import contextlib
import secrets
import socket
from collections.abc import Callable, Iterable
from types import TracebackType
from urllib.parse import quote, quote_plus, urlencode

from sandbox.mongodb.talk import Talk
from sandbox.mongodb.users import ADMIN, Granted, User, Users
from sandbox.mongodb.wire import WireConnection
from sandbox.proxy import faults
from sandbox.proxy.authority import authority
from sandbox.proxy.clock import Clock
from sandbox.proxy.connection import Connection, Garbled
from sandbox.proxy.exchanges import Exchanges
from sandbox.proxy.messages import Connect, LoggedRequest, Request, Response
from sandbox.proxy.server import LOOPBACK, Server
from sandbox.proxy.service import STATE, Service

NAME = Talk.name
MISSING_BYTES = 64


class MongoDB(Server):
    """One server. ``replica_set``: the name of the set of which it is the one member; empty for none.

    ``speculative``: a hello may carry the first half of a login, in which case no saslStart is sent.
    ``require_tls``: who begins in the clear is disconnected. ``read_only``: no primary, so that nothing can be changed.
    ``issued``: gets every password that a user was ever given.
    """

    def __init__(
        self, replica_set: str = "", speculative: bool = True, require_tls: bool = False, latency: float = 0.0,
        clock: Clock | None = None, issued: list[str] | None = None,
    ) -> None:  # fmt: skip
        super().__init__([], clock or Clock(), latency)
        self.address = f"{LOOPBACK}:{self.port}"
        self.replica_set = replica_set
        self.speculative = speculative
        self.require_tls = require_tls
        self.read_only = False
        self.users = Users([] if issued is None else issued)

    @classmethod
    def beside(cls, other: Exchanges, issued: list[str]) -> MongoDB:
        """A server that shares another one's clock, log, faults and victim."""
        server = cls(latency=other.latency, clock=other.clock, issued=issued)
        server.faults, server.errors = other.faults, other.errors
        server.requests, server.connects = other.requests, other.connects
        server.victim = other._kill
        return server

    def __enter__(self) -> MongoDB:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- for tests and the demo ---------------------------------------------------------------------------------

    def uri(self, login: str | None = None, database: str = "", tls: bool = False) -> str:
        """The connection string, never with a password; the database is also the one to log in to."""
        user = f"{quote_plus(login)}@" if login else ""
        options = {"replicaSet": self.replica_set} if self.replica_set else {}
        query = urlencode(options | ({"tls": "true"} if tls else {}))
        return f"mongodb://{user}{self.address}/{quote(database, safe='')}" + (f"?{query}" if query else "")

    def add_user(
        self, name: str, password: str | None = None, database: str = ADMIN, roles: Iterable[Granted] = ()
    ) -> str:
        """A new user; returns the password, one that is made here if none is given. Raises CommandError."""
        password = secrets.token_urlsafe(18) if password is None else password
        with STATE:
            self.users.add(name, password, database, roles)
        return password

    def set_password(self, name: str, password: str, database: str = ADMIN) -> None:
        """Change a password, as another administrator might. Raises CommandError."""
        with STATE:
            self.users.set_password(self.users.get(name, database), password)

    def password_works(self, name: str, password: str, database: str = ADMIN) -> bool:
        """Whether a login with it would succeed."""
        user = self.user(name, database)
        return user is not None and user.password_is(password)

    def user(self, name: str, database: str = ADMIN) -> User | None:
        """A user, or None if there is none of this name."""
        with STATE:
            return self.users.find(name, database)

    def fault(
        self, operation: str | None, kind: faults.Kind, *, nth: int = 1, times: int | None = 1,
        when: Callable[[LoggedRequest], bool] | None = None,
    ) -> faults.Fault:  # fmt: skip
        """Put a fault in force, see Fault; the code of Status and ErrorAfter is one of MongoDB's."""
        return self.faults.add(faults.Fault(NAME, operation, kind, nth, times, when))

    def operations(self) -> list[str]:
        """The commands so far. Clients that watch the server send a hello now and then."""
        return [request.operation for request in self.requests if request.service == NAME]

    # -- one connection -----------------------------------------------------------------------------------------

    def _converse(self, sock: socket.socket, number: int) -> None:
        connection = WireConnection(sock, number)
        with self._lock:
            self._open.add(connection)
        try:
            self._listen(connection, Talk(self, number))
        except (OSError, ValueError, Garbled):
            pass  # the client went away, or speaks another protocol
        finally:
            with self._lock:
                self._open.discard(connection)
            with contextlib.suppress(OSError):
                connection.close()

    def _listen(self, connection: WireConnection, talk: Talk) -> None:
        self.delay()
        if not self._accepted(connection, talk):
            return
        if connection.wants_tls():
            self.delay()
            connection.start_tls(authority().context(LOOPBACK))
        elif self.require_tls:
            return
        while request := connection.read(self.address):
            if not self.exchange(connection, talk, request):
                return

    def _accepted(self, connection: WireConnection, talk: Talk) -> bool:
        asked = LoggedRequest(NAME, "connect", "CONNECT", self.address, "", connection.number, self.clock.now())
        fault = self.faults.pick(asked)
        refused = fault is not None and isinstance(fault.kind, faults.Refuse | faults.Status)
        self.connects.append(Connect(self.address, connection.number, self.clock.now(), not refused))
        if refused:
            connection.reset()
        if refused or fault is None:
            return not refused
        return self.before(connection, talk, Request("CONNECT", self.address, "/", {}), asked, fault)

    def send(self, connection: Connection, response: Response) -> None:
        """Write an answer as a message."""
        assert isinstance(connection, WireConnection)
        connection.send(connection.message(response.body))

    def _after(
        self, connection: Connection, service: Service, request: Request, response: Response,
        logged: LoggedRequest, fault: faults.Fault,
    ) -> bool:  # fmt: skip
        if not isinstance(fault.kind, faults.Slow):
            return super()._after(connection, service, request, response, logged, fault)
        assert isinstance(connection, WireConnection)
        logged.status = response.status
        connection.drip(connection.message(response.body), fault.kind.seconds)
        return True

    def _cut_short(self, connection: Connection, response: Response, logged: LoggedRequest) -> None:
        assert isinstance(connection, WireConnection)
        logged.status = response.status
        connection.send(connection.message(response.body[: len(response.body) // 2], MISSING_BYTES))

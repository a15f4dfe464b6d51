"""A MongoDB server on loopback with real SCRAM logins, for a client that nobody here wrote: pymongo.

with MongoDB() as server:
    server.add_user("admin", "...", roles=["root"])
    server.add_user("orders", "...", "app", ["readWrite"])
    server.fault("updateUser", ResetAfter())
    MongoClient(server.uri(database="app"), username="orders", password="...").app.orders.find_one()
    assert server.password_works("orders", "...", "app")

``replica_set``, ``speculative``, ``require_tls`` and ``read_only`` may be changed at any time. A client may use TLS
or not; the authority is the sandbox's. Collections are always empty. ``shard`` makes it one router of several.
"""

from __future__ import annotations

import contextlib
import secrets
import socket
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from urllib.parse import quote, quote_plus, urlencode

from sandbox.mongodb.scram import Credentials
from sandbox.mongodb.talk import Talk
from sandbox.mongodb.users import ADMIN, Granted, KnownUsers, User, UserCache, Users
from sandbox.mongodb.wire import CommandError, WireConnection
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
WRITE_CONCERN_FAILED = 64


class MongoDB(Server):
    """One server. ``replica_set``: the name of the set of which it is the one member; empty for none.

    ``speculative``: a hello may carry the first half of a login, in which case no saslStart is sent.
    ``require_tls``: who begins in the clear is disconnected. ``read_only``: no primary, so that nothing can be changed.
    ``has_majority``: enough members of the set answer. ``knows_write_concern``: updateUser takes one.
    ``tells_mechanisms``: a hello says how a user can log in, for who asks.
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
        self.has_majority = self.knows_write_concern = self.tells_mechanisms = True
        self.users = Users([] if issued is None else issued)
        self.known: KnownUsers = self.users
        self.routers: list[MongoDB] = []
        self._not_replicated: list[tuple[User, Mapping[str, Credentials]]] = []

    @classmethod
    def beside(cls, other: Exchanges, issued: list[str]) -> MongoDB:
        """A server that shares another one's clock, log, faults and victim."""
        server = cls(latency=other.latency, clock=other.clock, issued=issued)
        server.faults, server.errors = other.faults, other.errors
        server.requests, server.connects = other.requests, other.connects
        server.victim = other._kill
        return server

    def shard(self, routers: int = 2, seconds: float = 30.0, logins: int = 0) -> None:
        """From now on this is one of so many routers, each with a cache of its own: see UserCache."""
        self.routers = [self, *(MongoDB.beside(self, self.users.issued) for _ in range(routers - 1))]
        for router in self.routers:
            router.routers, router.users = self.routers, self.users
        self.refresh(seconds, logins)
        for router in self.routers[1:]:
            router.start()

    def refresh(self, seconds: float, logins: int = 0) -> None:
        """Each router fetches the users anew, and from now on as often as this."""
        with STATE:
            for router in self.routers:
                router.known = UserCache(self.users, self.clock, seconds, logins)

    @property
    def is_router(self) -> bool:
        """Whether it is one of a sharded cluster's."""
        return bool(self.routers)

    def close(self) -> None:
        """Stop, the other routers as well."""
        super().close()
        for router in self.routers[1:] if self.routers[:1] == [self] else []:
            router.close()

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
        hosts = ",".join(router.address for router in self.routers) or self.address
        options = {"replicaSet": self.replica_set} if self.replica_set else {}
        query = urlencode(options | ({"tls": "true"} if tls else {}))
        return f"mongodb://{user}{hosts}/{quote(database, safe='')}" + (f"?{query}" if query else "")

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

    def known_everywhere(self, name: str, password: str, database: str = ADMIN) -> bool:
        """Whether every router, as far as it knows the users now, lets it log in."""
        with STATE:
            users = [router.known.find(name, database) for router in self.routers]
        return all(user is not None and user.password_is(password) for user in users)

    def replicate(self, user: User, before: Mapping[str, Credentials], concern: object) -> None:
        """Let the other members have a change of a user. Raises CommandError: a majority is waited for in vain."""
        waits = isinstance(concern, dict) and concern.get("w") == "majority"
        if not (waits and self.has_majority):
            self._not_replicated.append((user, before))
        if waits and not self.has_majority:
            raise CommandError(WRITE_CONCERN_FAILED, "waiting for replication timed out")

    def fail_over(self) -> None:
        """The next primary never heard of what nobody waited for."""
        with STATE:
            while self._not_replicated:
                user, before = self._not_replicated.pop()
                user.credentials = dict(before)

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

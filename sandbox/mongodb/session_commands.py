"""The commands of everyone: greeting, logging in, and a look at empty collections."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime

from bson.int64 import Int64

from sandbox.mongodb.commands import Commands, Content, ServerState, command
from sandbox.mongodb.login import AUTHENTICATION_FAILED, Login
from sandbox.mongodb.users import READ
from sandbox.mongodb.wire import Command, CommandError

VERSION = (7, 0, 14, 0)
WIRE_VERSION = 21  # of MongoDB 7.0


class SessionCommands(Commands):
    """What a connection says of itself and asks of the server; ``number`` is the connection's."""

    def __init__(self, server: ServerState, login: Login, number: int) -> None:
        super().__init__(server, login)
        self.number = number

    @command("hello", "isMaster")
    def hello(self, asked: Command) -> Content:
        """What this server is, how a user can log in, and on request the first half of a login."""
        content = self._self_portrait() | self._member()
        database, _, name = str(asked.document.get("saslSupportedMechs", "")).partition(".")
        user = self.server.known.find(name, database)
        if user and self.server.tells_mechanisms:
            content["saslSupportedMechs"] = list(user.credentials)
        if (start := asked.document.get("speculativeAuthenticate")) and self.server.speculative:
            with contextlib.suppress(CommandError):  # the client learns it from the saslStart that it sends then
                content["speculativeAuthenticate"] = self.login.start(start, start.get("db", asked.database))
        return content

    def _self_portrait(self) -> Content:
        # Without topologyVersion clients poll, instead of waiting here for a change.
        writable = not self.server.read_only
        return {
            "helloOk": True,
            "isWritablePrimary": writable,
            "ismaster": writable,
            "maxBsonObjectSize": 16 * 1024 * 1024,
            "maxMessageSizeBytes": 48_000_000,
            "maxWriteBatchSize": 100_000,
            "localTime": datetime.fromtimestamp(self.server.clock.now(), UTC),
            "logicalSessionTimeoutMinutes": 30,
            "connectionId": self.number,
            "minWireVersion": 0,
            "maxWireVersion": WIRE_VERSION,
            "readOnly": False,
        }

    def _member(self) -> Content:
        name, here = self.server.replica_set, self.server.address
        if self.server.is_router:
            return {"msg": "isdbgrid"}
        if not name:
            return {}
        content = {"setName": name, "setVersion": 1, "secondary": self.server.read_only, "hosts": [here], "me": here}
        return content if self.server.read_only else content | {"primary": here}

    @command("ping")
    def ping(self, asked: Command) -> Content:
        """Nothing but yes."""
        return {}

    @command("endSessions")
    def end_sessions(self, asked: Command) -> Content:
        """Sessions are not kept here."""
        return {}

    @command("buildInfo")
    def build_info(self, asked: Command) -> Content:
        """The version."""
        return {"version": ".".join(str(part) for part in VERSION[:3]), "versionArray": list(VERSION), "bits": 64}

    @command("saslStart")
    def sasl_start(self, asked: Command) -> Content:
        """The first half of a login."""
        return self.login.start(asked.document, asked.database)

    @command("saslContinue")
    def sasl_continue(self, asked: Command) -> Content:
        """The second half."""
        return self.login.proceed(asked.document)

    @command("authenticate")
    def authenticate(self, asked: Command) -> Content:
        """Certificates are no login here."""
        raise CommandError(AUTHENTICATION_FAILED, "Authentication failed.")

    @command("logout")
    def logout(self, asked: Command) -> Content:
        """The end of a login."""
        self.login.forget()
        return {}

    @command("connectionStatus")
    def connection_status(self, asked: Command) -> Content:
        """Who is logged in, with which roles."""
        users = [self.login.user] if self.login.user else []
        names = [{"user": user.name, "db": user.database} for user in users]
        roles = [role.shown() for user in users for role in user.roles]
        return {"authInfo": {"authenticatedUsers": names, "authenticatedUserRoles": roles}}

    @command("find", right=READ)
    def find(self, asked: Command) -> Content:
        """Every collection is empty."""
        return {"cursor": {"id": Int64(0), "ns": f"{asked.database}.{asked.argument}", "firstBatch": []}}

"""All that one connection to the MongoDB server may say, and what each command may be refused for."""

from __future__ import annotations

from sandbox.mongodb.commands import Entry, ServerState
from sandbox.mongodb.login import Login
from sandbox.mongodb.session_commands import SessionCommands
from sandbox.mongodb.user_commands import UserCommands
from sandbox.mongodb.wire import Command, CommandError, done
from sandbox.proxy.messages import LoggedRequest, Request, Response
from sandbox.proxy.service import Service

COMMAND_NOT_FOUND, UNSUPPORTED_QUERY, NOT_WRITABLE = 59, 352, 10107


class Talk(Service):
    """One connection. Answers have status 200, or as status the code of MongoDB's error."""

    name = "mongodb"

    def __init__(self, server: ServerState, number: int) -> None:
        self.server = server
        self.login = Login(server.known)
        parts = (SessionCommands(server, self.login, number), UserCommands(server, self.login))
        self._entries = {name: entry for part in parts for name, entry in part.entries().items()}

    def operation(self, request: Request) -> str:
        """The command's name, ``hello`` for its older names as well."""
        assert isinstance(request, Command)
        entry = self._entries.get(request.name.lower())
        return entry.name if entry else request.name

    def describe(self, request: Request, logged: LoggedRequest) -> None:
        """Note who is logged in, or about to be."""
        logged.client_id = self.login.name

    def handle(self, request: Request) -> Response:
        """Perform a command and answer it."""
        assert isinstance(request, Command)
        try:
            return done(self._entry(request).handler(request))
        except CommandError as error:
            return error.response()

    def failure(self, request: Request, status: int) -> Response:
        """An error with this code."""
        return CommandError(status, "The sandbox refused this.").response()

    def _entry(self, asked: Command) -> Entry:
        entry = self._entries.get(asked.name.lower())
        if entry is None:
            raise CommandError(COMMAND_NOT_FOUND, f"no such command: '{asked.name}'")
        if asked.method == "OP_QUERY" and entry.name != "hello":
            raise CommandError(UNSUPPORTED_QUERY, f"Unsupported OP_QUERY command: {asked.name}")
        if entry.right:
            self.login.demand(entry.right, asked)
        if entry.writes and self.server.read_only:
            raise CommandError(NOT_WRITABLE, "not primary")
        return entry

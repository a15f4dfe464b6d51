"""How the MongoDB server performs commands: the shape that all of them have, and what each may be refused for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from sandbox.messages import LoggedRequest, Request, Response
from sandbox.mongodb_login import Login
from sandbox.mongodb_wire import Command, CommandError, done
from sandbox.service import Service

if TYPE_CHECKING:
    from sandbox.mongodb import MongoDB

UNAUTHORIZED, COMMAND_NOT_FOUND, UNSUPPORTED_QUERY, NOT_WRITABLE = 13, 59, 352, 10107

Content = dict[str, Any]
Handler = Callable[[Any, Command], Content]


@dataclass(frozen=True)
class Entry:
    """How a command is performed, the right that it needs in its database, and whether only a primary does it."""

    name: str
    handler: Handler
    right: str | None
    writes: bool


def command(*names: str, right: str | None = None, writes: bool = False) -> Callable[[Handler], Handler]:
    """Mark a method as the one that performs a command; the log and the faults know it by the first name."""

    def mark(handler: Handler) -> Handler:
        vars(handler)["entries"] = {name.lower(): Entry(names[0], handler, right, writes) for name in names}
        return handler

    return mark


class Commands(Service):
    """What one connection may say. Answers have status 200, or as status the code of MongoDB's error."""

    name = "mongodb"

    _entries: ClassVar[dict[str, Entry]] = {}

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        members = [member for base in reversed(cls.__mro__) for member in vars(base).values()]
        cls._entries = {name: entry for each in members for name, entry in getattr(each, "entries", {}).items()}

    def __init__(self, server: MongoDB, number: int) -> None:
        self.server = server
        self.number = number
        self.login = Login(server.users)

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
            return done(self._entry(request).handler(self, request))
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
            self.demand(entry.right, asked)
        if entry.writes and self.server.read_only:
            raise CommandError(NOT_WRITABLE, "not primary")
        return entry

    def demand(self, right: str, asked: Command, database: str | None = None) -> None:
        """Who is logged in has this right, in the command's database or another one. Raises CommandError."""
        if self.login.user is None:
            raise CommandError(UNAUTHORIZED, f"Command {asked.name} requires authentication")
        where = database or asked.database
        if not self.login.user.may(right, where):
            raise CommandError(UNAUTHORIZED, f"not authorized on {where} to execute command {asked.name}")

"""The shape of all commands to the MongoDB server, and what they see of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar, Protocol

from sandbox.mongodb.login import Login
from sandbox.mongodb.scram import Credentials
from sandbox.mongodb.users import KnownUsers, User, Users
from sandbox.proxy.clock import Clock

Content = dict[str, Any]
Handler = Callable[..., Content]


class ServerState(Protocol):
    """What commands see of the server; see MongoDB."""

    address: str
    clock: Clock
    known: KnownUsers
    knows_write_concern: bool
    read_only: bool
    replica_set: str
    speculative: bool
    tells_mechanisms: bool
    users: Users

    @property
    def is_router(self) -> bool:
        """Whether it is one of a sharded cluster's."""

    def replicate(self, user: User, before: Mapping[str, Credentials], concern: object) -> None:
        """Let the other members of the set have a change. Raises CommandError."""


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


class Commands:
    """Some of the commands: each is a method that ``command`` marks."""

    _entries: ClassVar[dict[str, Entry]] = {}

    def __init_subclass__(cls) -> None:
        members = vars(cls).values()
        cls._entries = {name: entry for each in members for name, entry in getattr(each, "entries", {}).items()}

    def __init__(self, server: ServerState, login: Login) -> None:
        self.server = server
        self.login = login

    def entries(self) -> dict[str, Entry]:
        """Each command by its name in lower case."""
        return {name: replace(entry, handler=partial(entry.handler, self)) for name, entry in self._entries.items()}

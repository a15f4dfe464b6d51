"""The users of a MongoDB server, each of one authentication database, and what their roles allow them."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from bson.binary import Binary

from sandbox.mongodb.scram import MECHANISMS, Credentials
from sandbox.mongodb.wire import CommandError
from sandbox.proxy.clock import Clock

ADMIN = "admin"
BAD_VALUE, USER_NOT_FOUND, ROLE_NOT_FOUND, USER_EXISTS = 2, 11, 31, 51003

READ, WRITE, USERS = "read", "write", "users"
OF_A_DATABASE = {
    "read": {READ},
    "readWrite": {READ, WRITE},
    "userAdmin": {USERS},
    "dbOwner": {READ, WRITE, USERS},
}
OF_EVERY_DATABASE = {
    "readAnyDatabase": {READ},
    "readWriteAnyDatabase": {READ, WRITE},
    "userAdminAnyDatabase": {USERS},
    "root": {READ, WRITE, USERS},
}

Granted = str | Mapping[str, Any]
"""A role of the user's own database by its name, or ``{"role": ..., "db": ...}``, as commands give it."""


@dataclass(frozen=True)
class Role:
    """A built-in role in a database."""

    role: str
    db: str

    def allows(self, right: str, database: str) -> bool:
        """Whether it gives this right in a database."""
        if self.role in OF_EVERY_DATABASE:
            return right in OF_EVERY_DATABASE[self.role]
        return self.db == database and right in OF_A_DATABASE[self.role]

    def shown(self) -> dict[str, str]:
        """As a command's answer shows it."""
        return {"role": self.role, "db": self.db}


def roles_of(granted: Iterable[Granted], database: str) -> list[Role]:
    """The roles meant. Raises CommandError if there is no such role."""
    named = [{"role": each, "db": database} if isinstance(each, str) else each for each in granted]
    roles = [Role(str(each.get("role")), str(each.get("db", database))) for each in named]
    for each in roles:
        if not (each.role in OF_A_DATABASE or (each.role in OF_EVERY_DATABASE and each.db == ADMIN)):
            raise CommandError(ROLE_NOT_FOUND, f"Could not find role: {each.role}@{each.db}")
    return roles


@dataclass
class User:
    """One user; ``credentials`` are by mechanism."""

    name: str
    database: str
    roles: list[Role]
    credentials: dict[str, Credentials] = field(repr=False)
    user_id: uuid.UUID = field(default_factory=uuid.uuid4)

    def may(self, right: str, database: str) -> bool:
        """Whether any role gives this right in a database."""
        return any(role.allows(right, database) for role in self.roles)

    def password_is(self, password: str) -> bool:
        """Whether this is the password."""
        return all(each.belong_to(self.name, password) for each in self.credentials.values())

    def shown(self) -> dict[str, Any]:
        """As usersInfo shows it."""
        return {
            "_id": f"{self.database}.{self.name}",
            "userId": Binary.from_uuid(self.user_id),
            "user": self.name,
            "db": self.database,
            "roles": [role.shown() for role in self.roles],
            "mechanisms": list(self.credentials),
        }


class KnownUsers(Protocol):
    """The users as one process of the server knows them."""

    def find(self, name: str, database: str) -> User | None:
        """A user of this authentication database."""

    def count_login(self) -> None:
        """Somebody begins to log in."""

    def forget(self) -> None:
        """What is known is fetched anew."""


class Users:
    """All of a server's users. ``issued`` gets every password that any of them was ever given."""

    def __init__(self, issued: list[str]) -> None:
        self.issued = issued
        self._users: dict[tuple[str, str], User] = {}

    def find(self, name: str, database: str) -> User | None:
        """A user of this authentication database."""
        return self._users.get((database, name))

    def get(self, name: str, database: str) -> User:
        """The same. Raises CommandError if there is none."""
        if found := self.find(name, database):
            return found
        raise CommandError(USER_NOT_FOUND, f'Could not find user "{name}" for db "{database}"')

    def count_login(self) -> None:
        """Nothing is cached here."""

    def forget(self) -> None:
        """Nothing is cached here."""

    def all(self, database: str | None = None) -> list[User]:
        """The users of a database, or of all."""
        return [user for user in self._users.values() if database in (None, user.database)]

    def add(
        self, name: str, password: str, database: str, roles: Iterable[Granted], mechanisms: Sequence[str] = MECHANISMS
    ) -> User:
        """A new user. Raises CommandError."""
        if self.find(name, database):
            raise CommandError(USER_EXISTS, f'User "{name}@{database}" already exists')
        user = User(name, database, roles_of(roles, database), self._credentials(name, password, mechanisms))
        self._users[database, name] = user
        return user

    def set_password(self, user: User, password: str) -> None:
        """From now on only this password logs in; who is logged in stays so. Raises CommandError."""
        user.credentials = self._credentials(user.name, password, tuple(user.credentials))

    def remove(self, user: User) -> None:
        """Forget a user; a connection that is logged in as one who is gone may do nothing."""
        del self._users[user.database, user.name]

    def _credentials(self, name: str, password: str, mechanisms: Sequence[str]) -> dict[str, Credentials]:
        if not password:
            raise CommandError(BAD_VALUE, "User passwords must not be empty")
        if unknown := set(mechanisms) - set(MECHANISMS):
            raise CommandError(BAD_VALUE, f"Unknown auth mechanism '{min(unknown)}'")
        try:
            made = {mechanism: Credentials.of(mechanism, name, password) for mechanism in mechanisms}
        except ValueError:
            raise CommandError(BAD_VALUE, "the password holds a character that SASLprep prohibits") from None
        self.issued.append(password)
        return made


class UserCache:
    """What one router knows of the users: copies, fetched anew ``seconds`` later or after ``logins`` (0: never).

    Source: https://www.mongodb.com/docs/manual/reference/parameters/ (userCacheInvalidationIntervalSecs)
    """

    def __init__(self, users: Users, clock: Clock, seconds: float, logins: int) -> None:
        self._users, self._clock = users, clock
        self._seconds, self._logins = seconds, logins
        self.forget()

    def find(self, name: str, database: str) -> User | None:
        """The user as it was when it was fetched."""
        if self._clock.now() - self._since >= self._seconds:
            self.forget()
        if (database, name) not in self._copies:
            user = self._users.find(name, database)
            self._copies[database, name] = user and replace(user)
        return self._copies[database, name]

    def count_login(self) -> None:
        """After so many everything is fetched anew."""
        self._begun += 1
        if self._begun == self._logins:
            self.forget()

    def forget(self) -> None:
        """Fetch each user anew."""
        self._copies: dict[tuple[str, str], User | None] = {}
        self._since, self._begun = self._clock.now(), 0

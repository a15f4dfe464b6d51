"""The commands that make, show, change and drop users. Each needs userAdmin in the user's database.

Source: https://www.mongodb.com/docs/manual/reference/command/nav-user-management/
"""

from __future__ import annotations

from typing import Any

from sandbox.mongodb.commands import Commands, Content, command
from sandbox.mongodb.scram import MECHANISMS, SHA_256
from sandbox.mongodb.users import BAD_VALUE, USERS, Role, User, roles_of
from sandbox.mongodb.wire import Command, CommandError

UNKNOWN_FIELD = 40415


class UserCommands(Commands):
    """What an administrator of users may do."""

    @command("createUser", right=USERS, writes=True)
    def create_user(self, asked: Command) -> Content:
        """A new user of the database that the command is sent to."""
        if "pwd" not in asked.document or "roles" not in asked.document:
            raise CommandError(BAD_VALUE, "a user needs pwd and roles")
        mechanisms = asked.document.get("mechanisms", MECHANISMS)
        roles = [role.shown() for role in self._granted(asked)]
        self.server.users.add(str(asked.argument), _password(asked), asked.database, roles, mechanisms)
        return {}

    @command("updateUser", right=USERS, writes=True)
    def update_user(self, asked: Command) -> Content:
        """Another password, other roles or both; the mechanisms stay."""
        concern = asked.document.get("writeConcern")
        if concern is not None and not self.server.knows_write_concern:
            raise CommandError(UNKNOWN_FIELD, "BSON field 'updateUser.writeConcern' is an unknown field.")
        user = self.server.users.get(str(asked.argument), asked.database)
        before = user.credentials
        if not {"pwd", "roles"} & set(asked.document):
            raise CommandError(BAD_VALUE, "Must specify at least one field to update in updateUser")
        roles = self._granted(asked) if "roles" in asked.document else user.roles
        if "pwd" in asked.document:
            self.server.users.set_password(user, _password(asked))
        user.roles = roles
        self.server.known.forget()
        self.server.replicate(user, before, concern)
        return {}

    @command("dropUser", right=USERS, writes=True)
    def drop_user(self, asked: Command) -> Content:
        """One user less."""
        self.server.users.remove(self.server.users.get(str(asked.argument), asked.database))
        self.server.known.forget()
        return {}

    @command("usersInfo")
    def users_info(self, asked: Command) -> Content:
        """The users asked for; those that do not exist are left out. About oneself no right is needed."""
        found = self._meant(asked.argument, asked.database)
        databases = {user.database for user in found} or {asked.database}
        if found != [self.login.user]:
            for database in databases:
                self.login.demand(USERS, asked, database)
        return {"users": [user.shown() for user in found]}

    def _meant(self, which: Any, database: str) -> list[User]:
        if which == 1:
            return self.server.users.all(database)
        if isinstance(which, dict) and which.get("forAllDBs"):
            return self.server.users.all()
        wanted = which if isinstance(which, list) else [which]
        named = [each if isinstance(each, dict) else {"user": each, "db": database} for each in wanted]
        users = [self.server.users.find(str(each.get("user")), str(each.get("db", database))) for each in named]
        return [user for user in users if user]

    def _granted(self, asked: Command) -> list[Role]:
        roles = roles_of(asked.document["roles"], asked.database)
        for role in roles:
            self.login.demand(USERS, asked, role.db)
        return roles


def _password(asked: Command) -> str:
    password = asked.document["pwd"]
    if not isinstance(password, str):
        raise CommandError(BAD_VALUE, "pwd must be a string")
    if asked.document.get("digestPassword") is False:
        raise CommandError(BAD_VALUE, f"Use of {SHA_256} requires undigested passwords")
    return password

"""Who a connection to the MongoDB server is logged in as, how it comes to be, and what that allows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sandbox.mongodb.scram import Conversation, Denied, login_in
from sandbox.mongodb.users import KnownUsers, User
from sandbox.mongodb.wire import Command, CommandError

UNAUTHORIZED, PROTOCOL_ERROR, AUTHENTICATION_FAILED, MECHANISM_UNAVAILABLE = 13, 17, 18, 334
CONVERSATION = 1  # MongoDB, too, gives this number to every one of them


class Login:
    """One connection's login. Every refusal is CommandError 18 with the same words, as with MongoDB."""

    def __init__(self, users: KnownUsers) -> None:
        self._users = users
        self._conversation: Conversation | None = None
        self._applicant: User | None = None
        self._proven = self._skip = False
        self._user: User | None = None

    @property
    def user(self) -> User | None:
        """Who is logged in, as long as there is such a user."""
        user = self._user
        known = self._users.find(user.name, user.database) if user else None
        return known if user and known and known.user_id == user.user_id else None

    @property
    def name(self) -> str:
        """The login name of who is logged in, or else of who is about to; empty where there is none."""
        user = self._user or self._applicant
        return user.name if user else ""

    def demand(self, right: str, asked: Command, database: str | None = None) -> None:
        """Who is logged in has this right, in the command's database or another one. Raises CommandError."""
        if self.user is None:
            raise CommandError(UNAUTHORIZED, f"Command {asked.name} requires authentication")
        where = database or asked.database
        if not self.user.may(right, where):
            raise CommandError(UNAUTHORIZED, f"not authorized on {where} to execute command {asked.name}")

    def start(self, wanted: Mapping[str, Any], database: str) -> dict[str, Any]:
        """Perform saslStart. Raises CommandError."""
        mechanism, first = str(wanted.get("mechanism")), _payload(wanted)
        self._skip = bool(wanted.get("options", {}).get("skipEmptyExchange"))
        self._proven = False
        self._users.count_login()
        try:
            self._applicant = self._users.find(login_in(first), database)
            self._conversation = self._talk(mechanism, first)
        except Denied:
            raise self._failure() from None
        return self._step(self._conversation.challenge)

    def _talk(self, mechanism: str, first: bytes) -> Conversation:
        if self._applicant is None:
            raise Denied("no such user here")
        if mechanism not in self._applicant.credentials:
            known = f"Received authentication for mechanism {mechanism} which is unknown or not enabled"
            raise CommandError(MECHANISM_UNAVAILABLE, known)
        return Conversation(self._applicant.credentials[mechanism], first)

    def proceed(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """Perform saslContinue. Raises CommandError."""
        if self._conversation is None or wanted.get("conversationId") != CONVERSATION:
            raise CommandError(PROTOCOL_ERROR, "No SASL session state found")
        if self._proven:
            return self._complete(b"")
        try:
            signature = self._conversation.finish(_payload(wanted))
        except Denied:
            raise self._failure() from None
        self._proven = True
        return self._complete(signature) if self._skip else self._step(signature)

    def forget(self) -> None:
        """Log out."""
        self._conversation = self._applicant = self._user = None

    def _complete(self, payload: bytes) -> dict[str, Any]:
        self._user, self._conversation = self._applicant, None
        return self._step(payload) | {"done": True}

    def _step(self, payload: bytes) -> dict[str, Any]:
        return {"conversationId": CONVERSATION, "done": False, "payload": payload}

    def _failure(self) -> CommandError:
        self._conversation = None
        return CommandError(AUTHENTICATION_FAILED, "Authentication failed.")


def _payload(wanted: Mapping[str, Any]) -> bytes:
    payload = wanted.get("payload")
    return payload if isinstance(payload, bytes) else b""

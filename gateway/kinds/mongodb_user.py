"""Rotate the password of a MongoDB user, or of two users that take turns.

A new password is chosen and saved in the record as pending_password. Then the administrator, whose record is attached
to the script, sets it on the server, which forgets the old one at that moment (with alternate_login the other user gets
it, and the former one goes on working). It logs in several times in a row, is saved as the record's password, and each
destination in deliver_to gets it, as value_template says. A password that the server does not take changes nothing;
where that cannot be told, the record holds both, and the next run finds out which one logs in.

Fields that name the user: mongodb_uri, and the record's login. All others are optional: docs/mongodb.md.
The administrator's record says in mongodb_hosts at which servers it may be used; without TLS only if it says so.
Permission of the administrator: changePassword and viewUser on the user's database, as the role userAdmin has them.
Needs the package pymongo as well.
"""

from __future__ import annotations

import secrets
import string
from datetime import UTC, datetime, timedelta

from gateway.engine.kind import Wanted
from gateway.engine.make.choose import ChosenKind
from gateway.errors import Failed
from gateway.host.http import Http
from gateway.keeper.admin import AdminSearch
from gateway.keeper.record import VaultRecord
from gateway.keeper.value_template import rendered
from gateway.kinds.registry import MONGODB_USER
from gateway.model.credential import AdminCredential, DeliveryForm, LiveCredential, Minted, Target
from gateway.model.fields import DEFAULTS
from gateway.mongodb.address import Admitted
from gateway.mongodb.server import MongoServer
from gateway.secret import Secret

_MOST_SPECIALS = 32


class MongoDBUser(ChosenKind):
    """The password of one user, or of two that take turns (``alternate_login``).

    https://www.mongodb.com/docs/manual/reference/command/updateUser/
    """

    facts = MONGODB_USER
    record: VaultRecord
    server: MongoServer

    def __init__(self, http: Http, admin: AdminCredential) -> None:
        self.http, self.admin = http, admin

    @classmethod
    def choose_admin(cls, search: AdminSearch) -> AdminCredential:
        """The first attached record with a login and a password that is neither the target's nor of another kind."""
        params = search.params
        for record in params.attached:
            if record.uid in (params.record_uid, params.configuration_uid):
                continue
            if any(record.get(label) for label in ("application_client_id", *cls.facts.other_targets)):
                continue
            if record.get("login") and record.get("password"):
                database = _database(record.get("auth_database"))
                secret = Secret(record.get("password"))
                login, source = record.get("login"), f"attached record {record.uid}"
                return AdminCredential(database, login, secret, source, record.uid, search.host_cloud, record.get)
        raise Failed(
            "admin credential: no attached record has a login and a password",
            "attach a record with the login and password of an administrator of the server to the script",
        )

    @classmethod
    def named(cls, given: str, record: VaultRecord, admin: AdminCredential) -> tuple[str, ...]:
        """Each user, behind its database."""
        users = dict.fromkeys(filter(None, (record.value("login"), record.value("alternate_login"))))
        return tuple(f"{_database(record.value('auth_database'))}.{user}" for user in users)

    def find(self, given: str, wanted: Wanted) -> tuple[Target, tuple[LiveCredential, ...]]:
        """The server, which answers the admin login, and the user on it."""
        self.server, self.record = MongoServer(self.http, given, Admitted.by(self.admin)), wanted.record
        self.login = self.record.value("login")
        self.next_login = self.record.value("alternate_login") or self.login
        self.database = _database(self.record.value("auth_database"))
        if not self.login:
            raise Failed("the record has no login", "fill in the user's name")
        own = {(name, self.database) for name in (self.login, self.next_login)}
        if (self.admin.client_id, self.admin.tenant_id) in own:
            raise Failed(
                "the administrator that is attached is the user that is rotated",
                "attach another administrator: this one could not undo a change of its own password",
            )
        for login in {self.login, self.next_login}:
            self.server.check(self._admin(), login, self.database)
        return Target(given, "", self.login, "", None, True), self.live()

    def _admin(self) -> tuple[str, Secret, str]:
        return self.admin.client_id, self.admin.client_secret or Secret(""), self.admin.tenant_id

    def live(self) -> tuple[LiveCredential, ...]:
        """The published password, if it logs in."""
        key_id, value = self.record.value(self.outputs.key_id), self.record.secret(self.outputs.value)
        if not key_id or not self.logs_in(value, self.record):
            return ()
        return (LiveCredential(key_id, "", value.hint, self._ends()),)

    def _ends(self) -> datetime:
        """By the record, where people may have written it: without a zone it is UTC, and what cannot be read is due."""
        try:
            ends = datetime.fromisoformat(self.record.value(self.outputs.expires))
            return ends.astimezone(UTC) if ends.tzinfo else ends.replace(tzinfo=UTC)
        except (ValueError, OverflowError):
            return self.http.now() - timedelta(seconds=1)

    def choose(self) -> Secret:
        """By the record's rules."""
        return choose_password(self.record)

    @property
    def takes_turns(self) -> bool:
        """With two users."""
        return self.next_login != self.login

    def stay(self) -> None:
        """The user that is published gets the next password, too."""
        self.next_login = self.login

    def tell(self, value: Secret, published_by: VaultRecord | None = None) -> None:
        """The user whose turn it is, or the published one, has this password from now on."""
        self.server.set_password(self._admin(), self._user(published_by), self.database, value)

    def logs_in(self, value: Secret, published_by: VaultRecord | None = None) -> bool:
        """A real login of the same user."""
        return bool(value) and self.server.logs_in(self._user(published_by), value, self.database)

    def lock_out(self, *, found_published: bool) -> None:
        """That user has a random password from now on."""
        turned = found_published and self.takes_turns
        login = self.login if turned else self.record.value("alternate_login")
        self.server.set_password(self._admin(), login, self.database, self.choose())

    def _user(self, published_by: VaultRecord | None) -> str:
        return published_by.value("login") if published_by else self.next_login

    def deliverable(self, value: Secret, record: VaultRecord) -> Secret:
        """The password, or the record's template with it."""
        return rendered(record, record.value("login"), value)

    def more_outputs(self, minted: Minted, record: VaultRecord) -> dict[str, str]:
        """What was pending is published, and with two users their turns change."""
        turns = {"login": self.next_login, "alternate_login": self.login} if self.takes_turns else {}
        return {"pending_password": "", **turns}

    def delivery_form(self) -> DeliveryForm:
        """As a password."""
        return self.facts.delivery_form


def _database(given: str) -> str:
    return given or DEFAULTS["auth_database"]


def choose_password(record: VaultRecord) -> Secret:
    """A random password by the record's rules: every class of characters occurs. Raises Failed."""
    text, specials = (record.value(label) or DEFAULTS[label] for label in ("password_length", "password_specials"))
    if not (text.isascii() and text.isdigit() and len(text) <= 3 and 16 <= int(text) <= 128):
        raise Failed(f"password_length: {text[:20]!r} is not a number from 16 to 128", "correct it in the vault")
    if len(specials) > _MOST_SPECIALS or not all("!" <= sign <= "~" for sign in specials):
        what = "password_specials: not 32 characters at most, all of them printable ASCII without blanks"
        raise Failed(what, "correct it in the vault")
    classes = (string.ascii_lowercase, string.ascii_uppercase, string.digits, specials)
    while True:
        chosen = "".join(secrets.choice("".join(classes)) for _ in range(int(text)))
        if all(set(chosen) & set(each) for each in classes):
            return Secret(chosen)

#!/usr/bin/env python3
"""Rotate the password of a MongoDB user. Attach this file to a PAM User record as a PAM script.

Needs the packages keeper-azure-rotation and pymongo on the host of the Keeper Gateway; the script command is the full
path of the Python that they are installed in, such as /opt/keeper-azure-rotation/bin/python.
"""

import json
import sys

FITS = "0.1"  # the series of keeper-azure-rotation that this file is written for


def refuse(error, hint):
    """Nothing was read yet: say so in the form that every outcome has, and fail."""
    print(json.dumps({"result": "failed", "error": error, "hint": hint}))
    sys.stderr.write("error: " + error + "\nhint: " + hint + "\n")
    sys.exit(1)


if sys.version_info < (3, 11):  # noqa: UP036
    refuse(
        "Python " + sys.version.split()[0] + " is too old, 3.11 or newer is needed",
        "make the script command the full path of a newer Python in which keeper-azure-rotation is installed",
    )
try:
    from gateway import __version__
except ImportError:
    refuse(
        "keeper-azure-rotation is not installed in " + sys.executable,
        "make the script command the full path of the Python in which it is installed",
    )
if __version__.split(".")[:2] != FITS.split("."):
    refuse(
        "this script is for keeper-azure-rotation " + FITS + ", installed is " + __version__,
        "install that series, or attach the script of the installed one to the record",
    )

from datetime import UTC, datetime, timedelta  # noqa: E402

from gateway.admin import AdminCredential  # noqa: E402
from gateway.choosing import ChosenKind  # noqa: E402
from gateway.credential import HandOver, LiveCredential, Target  # noqa: E402
from gateway.errors import Failed  # noqa: E402
from gateway.kind import Outputs  # noqa: E402
from gateway.mongodb import MongoServer, choose_password  # noqa: E402
from gateway.run import run  # noqa: E402
from gateway.secret import Secret  # noqa: E402
from gateway.template import rendered  # noqa: E402


class MongoDBUser(ChosenKind):
    """The password of one user, or of two that take turns (``alternate_login``).

    https://www.mongodb.com/docs/manual/reference/command/updateUser/
    """

    target = "mongodb_uri"
    outputs = Outputs(key_id="password_id", value="password", expires="expires")
    defaults = {"remove_old": "none"}  # noqa: RUF012 (this file must be understood by a Python that is too old)

    def __init__(self, http, cloud, admin):
        self.http, self.admin = http, admin

    @classmethod
    def early_admin(cls, places):
        """An administrator of the server is no application of Azure."""
        return None

    @classmethod
    def choose_admin(cls, places):
        """The first attached record with a login and a password, other than the target's own."""
        params = places.params
        for record in params.attached:
            if record.uid in (params.record_uid, params.configuration_uid) or record.get("application_client_id"):
                continue
            if record.get("login") and record.get("password"):
                database = record.get("auth_database") or "admin"
                secret = Secret(record.get("password"))
                return AdminCredential(
                    database, record.get("login"), secret, "attached record " + record.uid, record.uid
                )
        raise Failed(
            "admin credential: no attached record has a login and a password",
            "attach a record with the login and password of an administrator of the server to the script",
        )

    def find(self, given, wanted):
        """The server, which answers the admin login, and the user on it."""
        self.server, self.record = MongoServer(self.http, given), wanted.record
        self.login = self.record.value("login")
        self.next_login = self.record.value("alternate_login") or self.login
        self.database = self.record.value("auth_database") or "admin"
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

    def _admin(self):
        return self.admin.client_id, self.admin.client_secret, self.admin.tenant_id

    def live(self):
        """The published password, if it logs in."""
        key_id, value = self.record.value("password_id"), self.record.secret("password")
        if not key_id or not self.logs_in(value, new=False):
            return ()
        return (LiveCredential(key_id, "", value.hint, self._ends()),)

    def _ends(self):
        """By the record, where people may have written it: without a zone it is UTC, and what cannot be read is due."""
        try:
            ends = datetime.fromisoformat(self.record.value("expires"))
            return ends.astimezone(UTC) if ends.tzinfo else ends.replace(tzinfo=UTC)
        except (ValueError, OverflowError):
            return self.http.now() - timedelta(seconds=1)

    def choose(self):
        """By the record's rules."""
        return choose_password(self.record)

    def tell(self, value):
        """The user whose turn it is has this password from now on."""
        self.server.set_password(self._admin(), self.next_login, self.database, value)

    def logs_in(self, value, *, new):
        """A real login: of the user whose turn it is, or of the published one."""
        return bool(value) and self.server.logs_in(self.next_login if new else self.login, value, self.database)

    def deliverable(self, value, record):
        """The password, or the record's template with it."""
        return rendered(record, record.value("login"), value)

    def more_outputs(self, minted, record):
        """What was pending is published, and with two users their turns change."""
        turns = {"login": self.next_login, "alternate_login": self.login} if self.next_login != self.login else {}
        return {"pending_password": "", **turns}

    def hand_over(self):
        """As a password."""
        return HandOver({}, "", "password", "Password")


if __name__ == "__main__":
    sys.exit(run(MongoDBUser))

"""A stage whose record is that of a MongoDB user."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.stage.rotation import ROOT, Outcome, Stage

SCRIPT = ROOT / "scripts" / "mongodb_user.py"
OLD = "old-Password-of-orders-1"


class MongoStage(Stage):
    """A stage with a MongoDB server, its administrator's record attached, and a user whose password is rotated."""

    def __init__(
        self, *, server: Any = None, tls: bool = False, replica_set: str = "", admin_roles: Any = None,
        shard: dict[str, Any] | None = None, admin_says: dict[str, str] | None = None, **settings: str
    ) -> None:  # fmt: skip
        """``admin_says``: fields of the administrator's record; by default the servers of the address, without TLS."""
        super().__init__()
        self.server = server or self.sandbox.mongodb
        if server is None:
            self.server.replica_set, self.server.require_tls = replica_set, tls
        if shard is not None:
            self.server.shard(**shard)
        roles = ["userAdminAnyDatabase"] if admin_roles is None else admin_roles
        self.admin_password = self.server.add_user("dba", None, "admin", roles)
        for name in ("orders", "orders-b"):
            self.server.add_user(name, OLD, "shop", ["readWrite"])
        fields = [{"type": "login", "value": ["dba"]}, {"type": "password", "value": [self.admin_password]}]
        wanted = {"mongodb_uri": self.server.uri(tls=tls), "auth_database": "shop"} | settings
        says = {"mongodb_hosts": wanted["mongodb_uri"]} if admin_says is None else admin_says
        custom = [{"type": "text", "label": label, "value": [value]} for label, value in says.items()]
        self.admin_uid = self.sandbox.keeper.add_record("database administrator", "login", fields, custom)
        self.attached = [self.admin_uid]
        fields = [{"type": "login", "value": ["orders"]}, {"type": "password", "value": [OLD]}]
        custom = [{"type": "text", "label": label, "value": [value]} for label, value in wanted.items()]
        uid = self.sandbox.keeper.add_record("orders database", "pamUser", fields, custom)
        self.at = replace(self.at, record_uid=uid)

    def standard(self, kind: str) -> str:
        """A standard field of the record."""
        (field,) = [entry for entry in self.stored()["fields"] if entry["type"] == kind]
        return str((field["value"] or [""])[0])

    def works(self, password: str, login: str = "") -> bool:
        """Whether the user logs in with it."""
        return self.server.password_works(login or self.standard("login"), password, "shop")

    def rotate(self, **variables: str) -> Outcome:
        outcome = self.finish(self.start(script=SCRIPT, **variables))
        assert not self.leaks([outcome])
        return outcome

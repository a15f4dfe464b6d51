"""What ``keeper-rotation init`` is given, and what has to be."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.commands.batch import Batch

KINDS = {
    "app": "the client secret of an app registration",
    "storage": "the keys of a storage account",
    "certificate": "a certificate of Azure Key Vault",
    "mongodb": "the password of a MongoDB user whose record is there",
    "password": "no secret: deliver a password that Keeper rotates",
}
OF_A_RECORD = ("mongodb", "password")
"""those whose record is there, with login and password"""


@dataclass
class Given:
    """The command's options, by click's names; what is asked is filled in."""

    kind: str | None
    target: str | None
    folder: str | None
    deliver_to: tuple[str, ...]
    mongodb_uri: str | None
    auth_database: str
    batch: str | None
    daily_at: tuple[int, int]
    script_command: str
    force: bool
    credential_uid: str
    configuration_uid: str
    cloud: str

    def file(self) -> Batch:
        """What the lines for Commander say."""
        uids = self.credential_uid, self.configuration_uid
        return Batch(self.batch or "", self.force, self.script_command, self.daily_at, *uids)

    def needed(self) -> dict[str, object]:
        """The options without which something is asked, with what they say."""
        return {"--kind": self.kind, "--target": self.target, **self._needed_of_kind(), "--batch": self.batch}

    def _needed_of_kind(self) -> dict[str, object]:
        if self.kind == "mongodb":
            return {"--mongodb-uri": self.mongodb_uri, "--credential": self.credential_uid}
        if self.kind == "password":
            return {"--deliver-to": self.deliver_to}
        return {"--folder": self.folder} if self.kind else {}

    def strangers(self) -> str:
        """The options that this kind does not have; empty where all fit."""
        of_mongodb = {"--mongodb-uri": self.mongodb_uri, "--auth-database": self.auth_database}
        strangers = {} if self.kind == "mongodb" else of_mongodb
        if self.kind in OF_A_RECORD:
            strangers = {**strangers, "--folder": self.folder}
        return ", ".join(option for option, value in strangers.items() if value)

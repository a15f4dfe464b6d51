"""Records of passwords, as docs/mongodb.md and docs/publish-password.md say that they are set up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sandbox.furnish.rotation import Furnished
from sandbox.keeper.vault import make_field, new_uid
from sandbox.world import World

OFFICER = "Key Vault Secrets Officer"
PYTHON = "/opt/keeper-azure-rotation/bin/python"


@dataclass(frozen=True)
class FurnishedMongoDB:
    """What was made on the MongoDB server, and its records."""

    uri: str
    record_uid: str
    admin_record_uid: str


def furnish_password(sandbox: World, at: Furnished) -> str:
    """A record that Keeper rotates, whose password Key Vault does not have yet; returns its uid."""
    vault = sandbox.keyvault.add_vault("passwords-vault", sandbox.resource_group)
    sandbox.keyvault.grant(at.admin_client_id, OFFICER, vault)
    sandbox.keyvault.set_secret(vault, "orders-password", "the-former-password")
    fields = [
        make_field("login", "orders"),
        make_field("password", "rotated-by-Keeper-7"),
        script_field(at.admin_record_uid),
    ]
    address = make_field("multiline", f"{vault.url}/secrets/orders-password", "deliver_to")
    return sandbox.keeper.add_record("Published password - orders", "pamUser", fields, [address])


def furnish_mongodb(sandbox: World, at: Furnished) -> FurnishedMongoDB:
    """A server with a user whose password is rotated, and the records of the user and of the administrator."""
    server, vault = sandbox.mongodb, sandbox.keyvault.add_vault("mongodb-vault", sandbox.resource_group)
    sandbox.keyvault.grant(at.admin_client_id, OFFICER, vault)
    password = server.add_user("dba", roles=["userAdminAnyDatabase"])
    present = server.add_user("orders", database="shop", roles=["readWrite"])
    admin = sandbox.keeper.add_record(
        "MongoDB administrator", "login", [make_field("login", "dba"), make_field("password", password)],
        [make_field("text", server.address, "mongodb_hosts")],
    )  # fmt: skip
    custom = {
        "mongodb_uri": server.uri(),
        "auth_database": "shop",
        "NOOP": "True",
        "Private Key Type": "rsa-ssh",
        "value_template": "mongodb://{login}:{password}@" + f"{server.address}/shop",
    }
    record = sandbox.keeper.add_record(
        "MongoDB password - orders", "pamUser",
        [make_field("login", "orders"), make_field("password", present), script_field(admin, at.admin_record_uid)],
        [
            *(make_field("text", value, label) for label, value in custom.items()),
            make_field("multiline", f"{vault.url}/secrets/orders-mongodb", "deliver_to"),
        ],
    )  # fmt: skip
    return FurnishedMongoDB(server.uri(), record, admin)


def script_field(*records: str) -> dict[str, Any]:
    """The script's field, with the records that are attached to the script."""
    value = {"fileRef": new_uid(), "recordRef": list(records), "command": PYTHON}
    return {"type": "script", "label": "rotationScripts", "value": [value]}

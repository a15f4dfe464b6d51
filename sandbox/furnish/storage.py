"""A storage account whose key is published in a record, as an operator would have set it up, and the roles for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sandbox.furnish.rotation import PLACEHOLDER, Furnished
from sandbox.keeper.vault import make_field, new_uid
from sandbox.proxy.clock import iso
from sandbox.storage.accounts import SUFFIXES, StorageAccount
from sandbox.world import World

KEY_OPERATOR = "Storage Account Key Operator Service Role"
OUTPUTS = ("active_key", "storage_key", "connection_string", "expires")


@dataclass(frozen=True)
class FurnishedStorage:
    """What was made. ``first_keys`` are the keys' values before any rotation; ``published`` names one of them."""

    account_id: str
    account_name: str
    blob_url: str
    record_uid: str
    published: str | None
    first_keys: dict[str, str] = field(repr=False)
    first_times: dict[str, str | None]
    account: StorageAccount = field(repr=False)


def furnish_storage(
    sandbox: World,
    at: Furnished,
    *,
    name: str = "ordersdata",
    published: str | None = "key1",
    suffix: str = SUFFIXES[0],
    allow_shared_key: bool = True,
    ages_known: bool = True,
    expires_in_days: float = 30.0,
    granted: bool = True,
    settings: Mapping[str, str] | None = None,
    without: Sequence[str] = (),
    uid: str | None = None,
    editable: bool = True,
) -> FurnishedStorage:
    """Make a storage account and the record that publishes one of its keys.

    With ``published`` None the record holds the placeholders of a template. ``granted``: the admin application of
    ``at`` may list and regenerate the keys, and read the account. ``settings`` become text fields of the record, and
    the fields named in ``without`` are left out.
    """
    account = sandbox.storage.add_account(
        name, sandbox.resource_group, suffix=suffix, allow_shared_key=allow_shared_key, ages_known=ages_known
    )
    if granted:
        for role in (KEY_OPERATOR, "Reader"):
            sandbox.arm.grant(at.admin_client_id, role, account.id)
    expires = iso(sandbox.clock.now() + expires_in_days * 86400)
    custom = [
        make_field("text", account.id, "storage_account_id"),
        make_field("text", published or PLACEHOLDER, "active_key"),
        make_field("secret", account.keys[published].value if published else PLACEHOLDER, "storage_key"),
        make_field("secret", account.connection_string(published) if published else PLACEHOLDER, "connection_string"),
        make_field("text", expires if published else PLACEHOLDER, "expires"),
        make_field("text", "True", "NOOP"),
        make_field("text", "rsa-ssh", "Private Key Type"),
        *(make_field("text", value, label) for label, value in (settings or {}).items()),
    ]
    record = sandbox.keeper.add_record(
        f"Azure storage key - {name}", "pamUser",
        [make_field("login", name), make_field("password", "dummy-not-used")],
        [entry for entry in custom if entry["label"] not in without], uid=uid or new_uid(), editable=editable,
    )  # fmt: skip
    return FurnishedStorage(
        account_id=account.id,
        account_name=name,
        blob_url=account.blob_url,
        record_uid=record,
        published=published,
        first_keys=sandbox.storage.keys(account),
        first_times=sandbox.storage.creation_times(account),
        account=account,
    )

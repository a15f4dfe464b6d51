"""Keeper's Universal Secrets Sync, as its documentation describes it for Key Vault.

https://docs.keeper.io/keeperpam/privileged-access-manager/universal-secrets-sync/advanced
"""

from __future__ import annotations

import json

from sandbox import Sandbox
from sandbox.keeper.vault import make_field


def sync(sandbox: Sandbox, vault: str, uid: str) -> str:
    """Set what the record of a linked folder says, under its title: a new version without anybody's tags. Its name."""
    data = sandbox.keeper.record(uid).data
    fields = [each for each in (*data.get("fields", []), *data.get("custom", [])) if each["value"]]
    flat = {each.get("label") or each["type"]: str(each["value"][0]) for each in fields}
    is_plain = list(flat) == ["value"]
    name = data["title"].replace(" ", "-")
    value, content_type = (flat["value"], "text/plain") if is_plain else (json.dumps(flat), "application/json")
    sandbox.keyvault.set_secret(vault, name, value, content_type=content_type)
    return str(name)


def published_record(sandbox: Sandbox, title: str, rotated_uid: str) -> str:
    """A record of the folder that is linked, which a rotated record delivers to: its uid."""
    agrees = make_field("multiline", rotated_uid, "receives_from")
    return sandbox.keeper.add_record(title, "login", [], [make_field("secret", "old", "client_secret"), agrees])

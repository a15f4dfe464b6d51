"""What the admin credential of a record may be used for, as its own record says: nothing here decides upon it."""

from __future__ import annotations

from gateway.commands.plan.rehearsal import Rehearsed
from gateway.kinds.registry import MONGODB_USER
from gateway.model.credential import stamp

_OF_AZURE = ("allowed_targets", "allowed_destinations")
_OF_MONGODB = ("mongodb_hosts", "allow_plaintext", "mongodb_ca_file", *_OF_AZURE)


def admin_of(outcome: Rehearsed) -> dict[str, str]:
    """Where it is, who it is, and its limits by their labels; empty where it did not come so far."""
    if outcome.prepared is None:
        return {}
    admin, is_mongodb = outcome.prepared.admin, outcome.facts is MONGODB_USER
    limits = {label: _lines(admin.says(label)) for label in (_OF_MONGODB if is_mongodb else _OF_AZURE)}
    said = {
        "from": admin.source,
        "name": admin.client_id,
        "expires": stamp(admin.ends),
        "azure_cloud": "" if is_mongodb else admin.cloud.name,
    }
    return {key: text for key, text in (said | limits).items() if text}


def _lines(text: str) -> str:
    return ", ".join(filter(None, map(str.strip, text.splitlines())))

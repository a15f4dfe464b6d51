"""Removing what the trial made, and what an earlier one left that was killed: known by names, not by a list.

The names are in the vault and the tenant themselves, so that nothing has to be written down here.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from gateway.azure.key_vault.calls import KeyVaultCalls
from gateway.errors import CallError, Failed, Refused, RotationError
from gateway.kinds.registry import APP_SECRET
from gateway.model.credential import LiveCredential, read_marker
from tests.live.ground import PREFIX, Ground

_LOOKS = 3  # replicas of Graph may not show yet what was made a moment ago


def sweep(ground: Ground) -> tuple[list[str], list[str]]:
    """Remove everything; what could not be removed, and why, and what a key vault keeps though it was deleted."""
    left: list[str] = []
    kept: list[str] = []
    _try(left, "client secrets of the app", lambda: _passwords(ground))
    if ground.given.key_vault:
        _try(left, "secrets in the key vault", lambda: kept.extend(_key_vault(ground)))
    # A secret is known by the record that it was made for, so that one is the last to go.
    _try(left, "records in the folder", lambda: remove_records(ground, of_apps=not left))
    return left, kept


def _try(left: list[str], what: str, remove: Callable[[], None]) -> None:
    try:
        remove()
    except Exception as error:  # whatever it is, the rest is removed
        said = error if isinstance(error, RotationError | CallError) else type(error).__name__
        left.append(f"{what} whose names begin with {PREFIX}: {said}")


def _passwords(ground: Ground) -> None:
    graph = ground.graph()
    app, records = ground.app(graph), set(ground.own_records())
    clean, until = 0, time.monotonic() + ground.given.seconds
    while clean < _LOOKS:
        # One that is listed still, or that a replica does not know yet, is removed again.
        found = [each for each in graph.application(app.object_id).passwords if _is_ours(each, records)]
        for each in found:
            graph.remove_password(app.object_id, each.key_id)
        clean = 0 if found else clean + 1
        if found and time.monotonic() > until:
            raise Failed(f"{len(found)} are shown still")
        time.sleep(ground.given.pause if clean < _LOOKS else 0)


def _is_ours(password: LiveCredential, records: set[str]) -> bool:
    marker = read_marker(password.name)
    return password.name.startswith(PREFIX) or (marker is not None and marker.record_uid in records)


def _key_vault(ground: Ground) -> list[str]:
    """Delete and purge; the names that the vault keeps, since it may not be purged."""
    calls = ground.key_vault()
    certificates, secrets = calls.certificates(), calls.secrets()
    for name in _ours(calls, certificates.list_properties_of_certificates(include_pending=True)):
        _unless_gone(calls, lambda name=name: certificates.begin_delete_certificate(name).wait())  # type: ignore[misc]
    for name in _ours(calls, secrets.list_properties_of_secrets()):
        _unless_gone(calls, lambda name=name: secrets.begin_delete_secret(name).wait())  # type: ignore[misc]
    purge_certificate, purge_secret = certificates.purge_deleted_certificate, secrets.purge_deleted_secret
    deleted: list[tuple[str, Callable[[str], None]]] = [
        (name, purge_certificate) for name in _ours(calls, certificates.list_deleted_certificates())
    ]
    deleted += [(name, purge_secret) for name in _ours(calls, secrets.list_deleted_secrets())]
    return [name for name, purge in deleted if not _purged(calls, name, purge)]


def _ours(calls: KeyVaultCalls, listing: Any) -> list[str]:
    """Names of the trial in a list; a certificate's own secret goes with it."""
    listed = calls.listed(listing, lambda each: getattr(each, "properties", each))
    names = [str(each.name) for each in listed if not getattr(each, "managed", False)]
    return [name for name in names if name.startswith(PREFIX)]


def _unless_gone(calls: KeyVaultCalls, delete: Callable[[], None]) -> None:
    try:
        calls.retrying(delete)
    except Refused as error:
        if error.status != 404:
            raise


def _purged(calls: KeyVaultCalls, name: str, purge: Callable[[str], None]) -> bool:
    """False where the vault does not allow it: it purges by itself when its retention is over."""
    try:
        calls.retrying(lambda: purge(name))
    except Refused as error:
        return error.status == 404
    return True


def remove_records(ground: Ground, *, of_apps: bool) -> None:
    """Delete the trial's records; those of apps only where ``of_apps``. Raises CallError."""
    for uid, record in ground.own_records().items():
        if of_apps or not record.value(APP_SECRET.target):
            ground.vault.delete(uid)

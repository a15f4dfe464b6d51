"""One reading of the vault, and of this host's history: what is shown, or begun, for many records at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from gateway.commands.shared.interrupt import finish_on_signals
from gateway.commands.shared.output import warn
from gateway.commands.shared.progress import progress
from gateway.commands.shared.session import find_folder
from gateway.errors import Failed
from gateway.host.deadline import Deadline
from gateway.host.history import read_history
from gateway.host.http import Http
from gateway.host.settings import Settings, read_settings
from gateway.keeper.config import find_ksm_config
from gateway.keeper.folders import Folders, SharedFolder
from gateway.keeper.record import VaultRecord
from gateway.keeper.vault import Vault

_MOST_RUNS = 5
"""how many of each record are kept in memory"""


@dataclass(frozen=True)
class Reading:
    """What was read.

    ``records``: all that the application sees, by uid; ``chosen``: those of the folder that was named; ``recent``: the
    last lines of each record in this host's history, oldest first; ``now``: by Keeper's clock.
    """

    settings: Settings
    records: Mapping[str, VaultRecord]
    chosen: Mapping[str, VaultRecord]
    recent: Mapping[str, Sequence[Mapping[str, Any]]]
    now: datetime

    def last_run(self, uid: str) -> Mapping[str, Any]:
        """The record's last line in this host's history; empty where there is none."""
        return self.recent[uid][-1] if uid in self.recent else {}

    def beside(self, record: VaultRecord) -> Reading:
        """The same, with the records of the folder that this one is in. Raises Failed: it is in none."""
        inner, shared = record.inner_folder_uid, record.folder_uid
        if not (inner or shared):
            what = f"record {record.uid} is in no shared folder, so it drives no other record"
            raise Failed(what, "move it into the shared folder whose records it is to drive")
        there = {
            uid: each
            for uid, each in self.records.items()
            if each.uid != record.uid and (each.inner_folder_uid == inner if inner else each.folder_uid == shared)
        }
        return replace(self, chosen=there)


def read_all(folder: str = "") -> Reading:
    """Read all records, and the history. Keeper is asked once, and once more where a folder is named.

    Raises:
        Failed, CallError
    """
    settings = read_settings()
    deadline = Deadline(settings.deadline, settings.retry_base)
    http = Http(settings.request_timeout, deadline)
    finish_on_signals(http, deadline)
    with progress(lambda: "reading the records of the vault"):
        vault = Vault(find_ksm_config(), http)
        records = vault.read([])
        chosen = _within(records, folder, Folders(vault.keeper, vault.read).all()) if folder else records
        http.session.close()
        return Reading(settings, records, chosen, _recent_runs(), http.now())


def _within(records: Mapping[str, VaultRecord], given: str, folders: Sequence[SharedFolder]) -> dict[str, VaultRecord]:
    """The records in this folder, and in the folders inside it. Raises Failed."""
    found = {find_folder(given, folders)}
    while inner := {each.uid for each in folders if each.parent in found} - found:
        found |= inner
    return {uid: record for uid, record in records.items() if {record.folder_uid, record.inner_folder_uid} & found}


def _recent_runs() -> dict[str, deque[Mapping[str, Any]]]:
    recent: dict[str, deque[Mapping[str, Any]]] = {}
    try:
        for run in read_history(datetime.min.replace(tzinfo=UTC)):
            recent.setdefault(str(run.get("record")), deque(maxlen=_MOST_RUNS)).append(run)
    except Failed as error:
        warn(f"{error}; how the last runs ended is not known")
    return recent

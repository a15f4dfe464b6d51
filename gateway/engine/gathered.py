"""What step 0 of a rotation has gathered, and what a run has at hand: all that the ways of making a new one go by."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.host.deadline import Deadline
from gateway.host.http import Http
from gateway.host.lock import RecordLock
from gateway.host.settings import Settings
from gateway.keeper.record import VaultRecord
from gateway.keeper.vault import Vault
from gateway.model.credential import Target
from gateway.model.decisions.inventory import Inventory, Knowledge
from gateway.model.policy import Policy


@dataclass(frozen=True)
class RunContext:
    """What a run has at hand: the host's settings, the session, its end, and the vault."""

    settings: Settings
    http: Http
    deadline: Deadline
    vault: Vault


@dataclass(frozen=True)
class Gathered:
    """The record and the target, as they were before anything was made."""

    record: VaultRecord
    policy: Policy
    target: Target
    known: Knowledge
    inventory: Inventory
    held: set[str]
    """generations that a required destination holds"""
    lock: RecordLock
    why: tuple[str, ...]
    """why a new one is to be made now; none where that can wait"""

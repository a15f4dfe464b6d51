"""What step 0 of a rotation has gathered, and what a run has at hand: all that the ways of making a new one go by."""

from __future__ import annotations

from dataclasses import dataclass

from gateway import rules
from gateway.credential import Target
from gateway.delivering import Deliveries
from gateway.http import Http
from gateway.policy import Policy
from gateway.settings import Settings
from gateway.vault import Vault, VaultRecord


@dataclass(frozen=True)
class Host:
    """What a run has at hand: the host's settings, the session, and the vault."""

    settings: Settings
    http: Http
    vault: Vault


@dataclass(frozen=True)
class Gathered:
    """The record and the target, as they were before anything was made."""

    record: VaultRecord
    policy: Policy
    target: Target
    known: rules.Known
    sorted: rules.Sorted
    deliveries: Deliveries

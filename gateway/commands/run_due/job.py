"""What a run is begun with."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.model.kind_facts import KindFacts


@dataclass(frozen=True)
class Job:
    """One run that is to be begun.

    ``attached``: uids of what the Gateway would hand over, without the record itself; ``goes_last``: it may end the
    admin credential that other runs have signed in with.
    """

    uid: str
    title: str
    facts: KindFacts
    attached: tuple[str, ...]
    configuration: str
    goes_last: bool = False

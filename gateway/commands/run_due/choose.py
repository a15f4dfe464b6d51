"""Which records get a run now, and with which admin credential."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.commands.outlook import kind_of, look_ahead
from gateway.commands.reading import Reading
from gateway.commands.run_due.job import Job
from gateway.errors import Failed
from gateway.keeper.admin import credential_of
from gateway.keeper.parameters import readable
from gateway.keeper.record import VaultRecord
from gateway.kinds.registry import ROTATED
from gateway.model.credential import read_stamp
from gateway.model.kind_facts import KindFacts


@dataclass(frozen=True)
class Options:
    """What was asked for.

    ``attached``: uids of the records that are attached to every run, after those that a record's own script has;
    ``configuration``: uid of the PAM configuration; ``verify_after``: how long after a run that went well on this host
    a record with nothing to do is left alone.
    """

    attached: tuple[str, ...] = ()
    configuration: str = ""
    verify_after: timedelta = timedelta(hours=24)


def choose(reading: Reading, options: Options) -> tuple[list[Job], int]:
    """The runs, and how many records need none.

    Raises:
        Failed: a record that the options name cannot be read.
    """
    for uid in filter(None, (*options.attached, options.configuration)):
        readable(reading.records, uid)
    found = [(record, facts) for record in reading.chosen.values() if (facts := kind_of(record)) in ROTATED and facts]
    due = [(record, facts) for record, facts in found if _needs_a_run(record, facts, reading, options)]
    admins = _Admins(reading.records, options)
    jobs = [admins.job(record, facts) for record, facts in due]
    lenders = {uid for job in jobs for uid in (*job.attached, job.configuration) if uid}
    jobs = [_placed(job, reading.records[job.uid], lenders) for job in jobs]
    return sorted(jobs, key=lambda job: (job.goes_last, job.title.casefold())), len(found) - len(due)


def _needs_a_run(record: VaultRecord, facts: KindFacts, reading: Reading, options: Options) -> bool:
    """Whether there is something to do, or it is time to see again that all is well."""
    last = reading.last_run(record.uid)
    return look_ahead(record, facts, reading.now, last).has_work or not _went_well(last, options.verify_after)


def _went_well(last: Mapping[str, Any], within: timedelta) -> bool:
    # Both by this host's clock.
    moment = read_stamp(str(last.get("time")))
    return last.get("exit_code") == 0 and moment is not None and timedelta() <= datetime.now(UTC) - moment < within


def _placed(job: Job, record: VaultRecord, lenders: set[str]) -> Job:
    lends = job.uid in lenders or any(uid in record.value("deliver_to") for uid in lenders)
    return Job(job.uid, job.title, job.facts, job.attached, job.configuration, lends)


def _is_whole(record: VaultRecord) -> bool:
    """Whether it is an admin credential that lacks nothing: a record of something else may have one of its fields."""
    try:
        return bool(record.value("application_client_id").strip()) and credential_of(record) is not None
    except Failed:
        return False


class _Admins:
    """The records that a run is handed, besides its own: as the Gateway would, as far as the vault tells."""

    def __init__(self, records: Mapping[str, VaultRecord], options: Options) -> None:
        self._records = records
        self._options = options
        configurations = [each for each in records.values() if each.type.startswith("pam") and "Config" in each.type]
        self._only = configurations[0].uid if len(configurations) == 1 else ""
        self._alone = self._the_only_credential()

    def _the_only_credential(self) -> tuple[str, ...]:
        found = [uid for uid, record in self._records.items() if _is_whole(record)]
        return tuple(found) if len(found) == 1 else ()

    def job(self, record: VaultRecord, facts: KindFacts) -> Job:
        """The run of a record."""
        own = [uid for uid in sorted(record.attached_to_scripts()) if uid in self._records]
        attached = tuple(dict.fromkeys((*own, *self._options.attached)))
        configuration = self._options.configuration or self._only
        if not any(self._signs_in((*attached, configuration))):
            attached += self._alone
        return Job(record.uid, record.title, facts, attached, configuration)

    def _signs_in(self, uids: tuple[str, ...]) -> Iterator[bool]:
        for uid in filter(None, uids):
            try:
                yield credential_of(self._records[uid]) is not None
            except Failed:  # it is meant as one, and the run says what it lacks
                yield True

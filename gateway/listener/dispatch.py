"""What is done about an event: the one place that decides, with everything that can be done behind it."""

from __future__ import annotations

import contextlib
import logging
import random
from datetime import UTC, datetime
from time import monotonic

from gateway import errors
from gateway.errors import CallError, Failed, RotationError
from gateway.host.report import Report
from gateway.keeper.record import VaultRecord
from gateway.listener.events import Event, Unusable, read_events
from gateway.listener.health import KEEPER, Health
from gateway.listener.hub.offsets import Partition
from gateway.listener.memory import HOUR, Memory
from gateway.listener.queue import Job, Work
from gateway.listener.records import Records, address_in
from gateway.listener.run_script import Rotator, ScriptResult
from gateway.listener.settings import ListenSettings
from gateway.listener.versions import Versions

log = logging.getLogger("gateway")

_LONGEST_PAUSE = 600.0


class Dispatcher:
    """Deals with events, by workers."""

    def __init__(
        self, listen: ListenSettings, records: Records, versions: Versions, rotator: Rotator, health: Health
    ) -> None:
        self._listen = listen
        self._records = records
        self._versions = versions
        self._rotator = rotator
        self._health = health
        self._memory = Memory()
        self.work = Work(self._handle, listen.workers)

    def take(self, partition: Partition, offset: int, body: bytes | None) -> None:
        """A message: what cannot be used is dealt with at once, the rest goes to the workers."""
        entries = read_events(body)
        events = [entry for entry in entries if isinstance(entry, Event)]
        unusable = [entry for entry in entries if isinstance(entry, Unusable)]
        for entry in unusable:
            self._health.metrics.events.labels("other", "ignored" if entry.ignored else "garbage").inc()
        if garbage := dict.fromkeys(entry.why for entry in unusable if not entry.ignored):
            log.warning("message %d of partition %d is skipped: %s", offset, partition.number, "; ".join(garbage))
        message = partition.take(offset, len(events))
        for event in events:
            self._health.event(event.type)
            self.work.put(Job(event, message))

    def _handle(self, job: Job) -> None:
        event, seen = job.event, self._memory.of(job.event)
        if seen.is_gone:
            return self._finish(job, "duplicate")
        if seen.set_aside and monotonic() - seen.set_aside[1] < HOUR:
            return self._finish(job, seen.set_aside[0])
        try:
            records = self._records.answering(event)
            is_ours = bool(records) or self._records.is_ours(event.vault)
        except (CallError, RotationError) as error:
            return self._wait_for_keeper(job, error)
        self._health.well(KEEPER)
        if not records:
            return self._nobody(job, is_ours)
        self._alone(job, records[0] if len(records) == 1 else self._of_several(event, records))

    def _of_several(self, event: Event, records: list[VaultRecord]) -> VaultRecord:
        """The one that the version was delivered by, as its tag says; else the first."""
        if self._memory.is_news(f"several {event.object}"):
            uids = ", ".join(record.uid for record in records)
            log.warning(
                "%s is named by several records (%s): the one of its tag, or the first, is rotated", event.object, uids
            )
        for record in records:
            with contextlib.suppress(CallError, RotationError):  # of an admin credential that may not read it
                current = self._versions.current(record, address_in(record, event))
                return next((each for each in records if current and each.uid == current.record), records[0])
        return records[0]

    def _alone(self, job: Job, record: VaultRecord) -> None:
        """One thing at a time for this record; if it is not our turn, the job comes back by itself."""
        if not self.work.claim(record.uid, job):
            return
        try:
            self._finish(job, self._try(job.event, record))
        except (CallError, RotationError) as error:
            if isinstance(error, CallError) and error.service == errors.KEEPER:
                self._wait_for_keeper(job, error)
            else:
                self._again(job, record, error)
        except Exception as error:
            self._again(job, record, Failed(f"unforeseen {type(error).__name__}", "report it"))
        finally:
            self.work.release(record.uid)

    def _try(self, event: Event, record: VaultRecord) -> str:
        """One try; the event's outcome.

        Raises:
            Failed, CallError: the vault still holds the event's version.
        """
        seen, address = self._memory.of(event), address_in(record, event)
        if reason := self._idle(event, record):
            return reason
        script = self._rotator.script_of(record)
        # A rotation that did not reach this vault is not made twice: the next try finishes its deliveries.
        seen.since = record.value("last_rotated") if seen.since is None else seen.since
        line = self._rotator.line(record, seen.since)
        log.info("record %s: rotating, because of %s of %s", record.uid, event.type, event.object)
        ran = self._run(script, record, line)
        self._versions.forget()
        if ran.result in ("rotated", "incomplete"):
            self._memory.rotated(record.uid)
        if self._is_gone(event, record):
            made = "rotated" if ran.code == 0 else "incomplete"
            return "duplicate" if ran.result in ("superseded", "not_due") else made
        if ran.result == "waiting":
            # The script has told so. No further try helps, and what was issued is published by the record's schedule.
            seen.set_aside = "waiting", monotonic()
        if ran.result in ("disabled", "waiting"):
            return ran.result
        seen.made = seen.made or ran.result in ("rotated", "finished", "incomplete")
        if ran.result == "not_due" and not seen.made:
            # Rotated by somebody since our copy of the record was read, and the event is about that very version.
            seen.since = None
            self._records.forget()
        if ran.code == 0:
            hint = "look at the record's rotation_state, and whether the line in deliver_to is optional"
            raise Failed(f"the script ended with {ran.result}, but {address} still has the old version", hint)
        raise ran.reason()

    def _idle(self, event: Event, record: VaultRecord) -> str:
        """Why nothing is done: by the vault's own word, or because an event has had this record rotated today."""
        if self._is_gone(event, record):
            return "duplicate"
        current = self._versions.current(record, address_in(record, event))
        if current and not current.near_end:
            return "not_near"
        # A try that follows one of the same event finishes what that one has begun.
        return "too_soon" if self._memory.was_rotated(record.uid) and not self._memory.of(event).made else ""

    def _is_gone(self, event: Event, record: VaultRecord) -> bool:
        seen = self._memory.of(event)
        current = self._versions.current(record, address_in(record, event))
        seen.is_gone = current is not None and current.version != event.version  # what is disabled may come back
        return current is None or seen.is_gone

    def _run(self, script: str, record: VaultRecord, line: bytes) -> ScriptResult:
        ran = self._rotator.run(script, record.uid, line)
        metrics = self._health.metrics
        metrics.rotations.labels(ran.result).inc()
        metrics.seconds.observe(ran.seconds)
        self._health.rotation(ran.result)
        log.info("record %s: %s, exit %d, %.1f s", record.uid, ran.result, ran.code, ran.seconds)
        return ran

    def _again(self, job: Job, record: VaultRecord, error: CallError | RotationError) -> None:
        seen = self._memory.of(job.event)
        seen.tries += 1
        if seen.tries >= self._listen.tries:
            return self._give_up(job, record, error)
        seconds = min(_LONGEST_PAUSE, self._listen.retry_seconds * 2 ** (seen.tries - 1))
        seconds *= random.uniform(0.5, 1.0)  # noqa: S311 (jitter)
        self._health.metrics.retries.inc()
        what = "record %s: try %d of %d failed, the next one in %.0f s: %s"
        log.warning(what, record.uid, seen.tries, self._listen.tries, seconds, error)
        self.work.put(job, seconds)

    def _give_up(self, job: Job, record: VaultRecord, error: CallError | RotationError) -> None:
        """After the last try: tell whoever the record names, and go on. The record's own schedule tries again."""
        from gateway.host.notify.message import notify

        seen = self._memory.of(job.event)
        log.error("record %s: given up after %d tries: %s; hint: %s", record.uid, seen.tries, error, error.hint)
        what = f"{job.event.type} of {job.event.object}: given up after {seen.tries} tries: {error}"
        seen.tries, seen.since, seen.made, seen.set_aside = 0, None, False, ("failed", monotonic())
        report = Report(record=record.uid, result="failed")
        notify(record.value, report, Failed(what, error.hint), datetime.now(UTC))
        for warning in report.warnings:
            log.warning("record %s: %s", record.uid, warning)
        self._finish(job, "failed")

    def _wait_for_keeper(self, job: Job, error: CallError | RotationError) -> None:
        """Keeper will be back: this does not count as a try."""
        self._health.trouble(KEEPER, str(error))
        self.work.put(job, self._records.pause)

    def _nobody(self, job: Job, is_ours: bool) -> None:
        event = job.event
        if self._memory.is_news(f"nobody {event.object}"):
            where = "its key vault is in the deliver_to of others" if is_ours else "nor for any secret of its key vault"
            log.warning("no record answers for %s (%s), %s", event.object, event.type, where)
        self._finish(job, "unknown_secret" if is_ours else "foreign_vault")

    def _finish(self, job: Job, outcome: str) -> None:
        self._health.metrics.events.labels(job.event.type, outcome).inc()
        if outcome not in ("unknown_secret", "foreign_vault"):
            log.info("%s of %s: %s", job.event.type, job.event.object, outcome)
        job.finish()

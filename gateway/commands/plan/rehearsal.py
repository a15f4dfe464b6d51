"""A record's rotation, rehearsed in this process as the Gateway would run it: what `plan` and `check` build on."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property

from gateway.commands.outlook import find_named, kind_of
from gateway.engine.gathered import RunContext
from gateway.engine.kind import Kind
from gateway.engine.prepare import Preparation
from gateway.engine.rehearse import Plan, rehearse
from gateway.engine.state import Prepared
from gateway.errors import CallError, Failed, RotationError, Unknown
from gateway.host.deadline import Deadline
from gateway.host.http import Http
from gateway.host.lock import UnheldLock
from gateway.host.report import Report
from gateway.host.settings import read_settings
from gateway.keeper.config import find_ksm_config
from gateway.keeper.parameters import gateway_line, read_params
from gateway.keeper.record import VaultRecord
from gateway.keeper.vault import Vault
from gateway.kinds import registry
from gateway.kinds.registry import ROTATED
from gateway.model import decisions
from gateway.model.kind_facts import KindFacts


@dataclass(frozen=True)
class How:
    """As the options of `keeper-rotation run` say it. ``attached``: uids.

    ``compares``: as if nothing was due, so that what is published is tried, and the destinations are compared with it.
    """

    attached: tuple[str, ...] = ()
    configuration_uid: str = ""
    now: bool = False
    revoke: bool = False
    even_where_not_delivered: bool = False
    compares: bool = False


@dataclass
class Rehearsed:
    """One record: what a run would come to, or what would stop it; ``prepared`` where it came so far."""

    record: VaultRecord
    facts: KindFacts | None
    plan: Plan = field(default_factory=Plan)
    prepared: Prepared | None = None
    error: RotationError | None = None
    http: Http | None = None

    def close(self) -> None:
        """Its connections. What was prepared can ask nothing more."""
        if self.http:
            self.http.session.close()

    @cached_property
    def remarks(self) -> list[Failed | str]:
        """What the target's service would refuse, and lets be, where that can be read. Raises CallError."""
        return self.prepared.kind.remarks(self.prepared) if self.prepared else []

    def ask_target(self) -> None:
        """Where something would be made: whether the target's service would let it."""
        if self.error or not self.plan.makes:
            return
        try:
            remarks = self.remarks
        except CallError as error:
            self.plan.report.warnings.append(f"{error}; {error.hint}")
            return
        self.plan.report.warnings += [each for each in remarks if isinstance(each, str)]
        if refusals := [each for each in remarks if isinstance(each, Failed)]:
            self.error, report = Failed.together(refusals), self.plan.report
            about = {"why": report.why, "target": report.target, "application": report.application}
            self.plan = Plan(Report(**about, warnings=report.warnings))  # type: ignore[arg-type]

    @property
    def exit_code(self) -> int:
        """As the run's would be."""
        return self.error.exit_code if self.error else 0


class Stage:
    """The records that the host's Keeper application can read, each of which can be rehearsed.

    Args:
        visible: these records, where they were read already.

    Raises (the constructor):
        Failed: no Keeper configuration. CallError: Keeper does not answer.
    """

    def __init__(self, visible: Mapping[str, VaultRecord] | None = None) -> None:
        # What the steps of a rotation tell while they go on would be untrue here: nothing is done.
        logging.getLogger("gateway").setLevel(logging.ERROR)
        logging.lastResort = None
        self.settings = read_settings()
        self.visible = self._read() if visible is None else visible

    def _read(self) -> Mapping[str, VaultRecord]:
        with self.vault() as vault:
            return vault.read([])

    def _session(self) -> tuple[Http, Deadline]:
        deadline = Deadline(self.settings.deadline, self.settings.retry_base)
        return Http(self.settings.request_timeout, deadline), deadline

    @contextmanager
    def vault(self) -> Iterator[Vault]:
        """The vault, to ask it something more. Raises Failed."""
        http, _ = self._session()
        with http.session:
            yield Vault(find_ksm_config(), http)

    def find(self, given: Iterable[str]) -> list[VaultRecord]:
        """The records that are meant, as `find_named` has it: of those that a uid or their fields say to be ours."""
        names = list(given)
        ours = [each for each in self.visible.values() if each.uid in names or kind_of(each)]
        return find_named(sorted(ours, key=lambda each: (each.title, each.uid)), names)

    def rotated(self) -> list[VaultRecord]:
        """Every record that a script of this package rotates, by title."""
        found = [record for record in self.visible.values() if kind_of(record) in ROTATED]
        return sorted(found, key=lambda record: (record.title, record.uid))

    def rehearse(self, record: VaultRecord, how: How) -> Rehearsed:
        """As far as it comes, with what stopped it."""
        outcome = Rehearsed(record, None)
        try:
            outcome.facts = kind_of(record)
            self._rehearse(outcome, how)
        except RotationError as error:
            outcome.error = error
        except CallError as error:
            outcome.error = Failed(str(error), error.hint)
            outcome.error.__context__ = error  # as if it was raised here
        except Exception as error:  # one record's must not end the others'
            hint = "set ROTATION_TRACEBACK=1 and run its script to see more"
            outcome.error = Unknown(f"unforeseen {type(error).__name__}", hint)
        return outcome

    def _rehearse(self, outcome: Rehearsed, how: How) -> None:
        http, deadline = self._session()
        outcome.http = http
        line = gateway_line(
            self.visible,
            outcome.record.uid,
            list(how.attached),
            how.configuration_uid,
            due_now=how.now,
            revoke=how.revoke,
            even_where_not_delivered=how.even_where_not_delivered,
            by_hand=True,
        )
        context = RunContext(self.settings, http, deadline, Vault(find_ksm_config(), http))
        preparation = Preparation(_rotated(outcome.facts), read_params(io.BytesIO(line)), context, UnheldLock)
        outcome.plan.report.warnings += preparation.warnings()
        if preparation.policy.enabled:
            outcome.prepared = preparation.finish()
            rehearse(_as_asked(outcome.prepared, how), context, outcome.plan)
        else:
            preparation.refuse_asked()
            outcome.plan.report.result = "disabled"


def _as_asked(prepared: Prepared, how: How) -> Prepared:
    why = tuple(reason for reason in prepared.why if reason in decisions.DIFFERENT)
    return replace(prepared, why=why) if how.compares else prepared


def _rotated(facts: KindFacts | None) -> type[Kind]:
    if facts is registry.PUBLISHED_PASSWORD:
        raise Failed("Keeper itself makes this password: there is nothing to plan", "press Rotate in the record")
    found = registry.load(facts) if facts else None
    if not (isinstance(found, type) and issubclass(found, Kind)):
        raise Failed(
            "nothing here rotates this record: it names no app, storage account, MongoDB server or certificate",
            "see docs/fields.md for the fields of a record",
        )
    return found

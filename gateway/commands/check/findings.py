"""What is wrong with a record's rotation, before it happens. Each question is asked although another one failed."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from gateway.commands.check.finding import Finding, Level
from gateway.commands.check.script import script_problems
from gateway.commands.plan.rehearsal import How, Rehearsed, Stage
from gateway.errors import CallError, Failed, Incomplete, NotSent, Refused, RotationError, Unclear, Waiting
from gateway.host.notify.message import check_package
from gateway.keeper.checks import check_alone, check_editable, check_labels, check_noop
from gateway.keeper.record import VaultRecord
from gateway.kinds.registry import ROTATED
from gateway.model.fields import TYPES
from gateway.model.kind_facts import KindFacts
from gateway.model.policy import read_notify_policy, read_policy


def find(stage: Stage, record: VaultRecord, how: How) -> tuple[Rehearsed, list[Finding]]:
    """All that is found, each once, and the rehearsal that it was found with."""
    outcome = stage.rehearse(record, how)
    of_destinations = list(_of_destinations(outcome))
    found = [*_of_the_run(outcome, of_destinations), *of_destinations, *_of_the_target(outcome)]
    if outcome.facts in ROTATED and outcome.facts:
        found += [*_of_the_record(record, outcome.facts), *script_problems(stage, record, outcome.facts)]
    once: dict[str, Finding] = {}
    for each in found:
        once.setdefault(each.what, each)
    return outcome, sorted(once.values(), key=lambda each: list(Level).index(each.level))


def _of_the_run(outcome: Rehearsed, told: list[Finding]) -> Iterator[Finding]:
    """What would stop the run, in its own words, and what it would warn of; ``told``: what is named one by one."""
    named = {each.what for each in told if each.level is not Level.WARNING}
    if error := outcome.error:
        found = [part for part in error.parts if part.message not in named]
        yield from (Finding(_level(error), part.message, part.hint) for part in found)
    for warning in outcome.plan.report.warnings:
        yield Finding(Level.WARNING, warning)


def _level(error: RotationError) -> Level:
    if isinstance(error, Waiting):
        return Level.WARNING
    return Level.UNASKED if isinstance(error, Incomplete) or _had_no_answer(error) else Level.ERROR


def _had_no_answer(error: BaseException | None) -> bool:
    """Whether it was raised because a service could not be asked."""
    while error is not None:
        if isinstance(error, CallError) and not isinstance(error, Refused):
            return isinstance(error, (NotSent, Unclear))
        if isinstance(error, Refused) and error.throttled:
            return True
        error = error.__context__
    return False


def _of_destinations(outcome: Rehearsed) -> Iterator[Finding]:
    """Each is asked, also where the next run would deliver nothing."""
    if outcome.prepared is None:
        return
    deliveries = outcome.prepared.deliveries
    for _, problem in deliveries.check():
        yield Finding(_level(problem), problem.message, problem.hint)
    for warning in deliveries.warnings:
        yield Finding(Level.WARNING, warning)


def _of_the_target(outcome: Rehearsed) -> Iterator[Finding]:
    """What the service lets be, where that can be read."""
    try:
        remarks = outcome.remarks
    except CallError as error:
        yield Finding(Level.UNASKED, str(error), error.hint)
        return
    for each in remarks:
        if isinstance(each, Failed):
            yield Finding(Level.ERROR, each.message, each.hint)
        else:
            yield Finding(Level.WARNING, each)


def _of_the_record(record: VaultRecord, facts: KindFacts) -> Iterator[Finding]:
    questions: tuple[Callable[[], object], ...] = (
        lambda: check_labels(record, facts, by_hand=True),
        lambda: read_policy(record.value, facts.defaults, chooses_lifetime=facts.has("secret_lifetime_days")),
        lambda: check_editable(record),
        lambda: check_alone(record, facts),
        lambda: check_package(read_notify_policy(record.value)),
    )
    for ask in questions:
        try:
            ask()
        except RotationError as error:
            yield Finding(Level.ERROR, error.message, error.hint)
    if unread := [label for label in record.custom_labels() if label not in TYPES]:
        yield Finding(Level.WARNING, f"no script reads the fields {', '.join(unread)}", "labels are matched exactly")
    for warning in check_noop(record):
        yield Finding(Level.WARNING, warning)

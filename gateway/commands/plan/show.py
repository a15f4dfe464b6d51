"""What is shown of one record's plan: lines for people, the same as JSON."""

from __future__ import annotations

from typing import Any

import click

from gateway.commands.plan.rehearsal import Rehearsed
from gateway.commands.shared.output import show, tell_error, warn
from gateway.engine.maker import NEW
from gateway.secret import masked

WOULD = {
    "rotated": "rotate",
    "finished": "finish what an earlier run left open",
    "not_due": "make nothing: it is not due",
    "disabled": "do nothing: rotation_enabled is False",
    "superseded": "do nothing: another run has rotated meanwhile",
    "waiting": "wait for a CA or an issuer",
    "incomplete": "leave something over",
    "failed": "fail, and change nothing",
    "unknown": "end with an unknown outcome",
}


def as_row(outcome: Rehearsed) -> dict[str, Any]:
    """For ``--json``: ids, dates and reasons, never a value."""
    plan, report, error = outcome.plan, outcome.plan.report, outcome.error
    return {
        "record": outcome.record.uid,
        "title": outcome.record.title,
        "kind": outcome.facts.name if outcome.facts else "",
        "result": error.result if error else report.result,
        "why": report.why,
        "target": report.target,
        "application": report.application,
        "makes": plan.makes,
        "key_id": "" if report.key_id == NEW else report.key_id,
        "expires": report.expires,
        "delivers": report.delivered,
        "drift": report.drift,
        "removes": [_credential(outcome, key_id, why) for key_id, why in plan.removes.items()],
        "keeps": [_credential(outcome, each["key_id"], each["why"]) for each in report.kept],
        "next_due": report.next_due,
        "warnings": [masked(each) for each in report.warnings],
        "error": masked(error.message) if error else "",
        "hint": masked(error.hint) if error else "",
        "exit_code": outcome.exit_code,
    }


def _credential(outcome: Rehearsed, key_id: str, why: str) -> dict[str, str]:
    return {"key_id": key_id, "name": outcome.plan.names.get(key_id, ""), "why": masked(why)}


def show_plan(outcome: Rehearsed, number: int) -> None:
    """Print it, with an empty line before all but the first; warnings and errors on stderr."""
    row = as_row(outcome)
    if number:
        click.echo()
    click.echo(f"{row['title'] or 'record without a title'} ({row['record']})")
    show(
        {
            "would": WOULD[row["result"]],
            "why": row["why"],
            "target": " ".join(filter(None, (row["application"], row["target"]))),
            "makes": ", valid until ".join(filter(None, (row["makes"], row["makes"] and row["expires"]))),
            "publishes": "" if row["makes"] or not row["key_id"] else f"{row['key_id']} until {row['expires']}",
            "delivers": [{"address": each} for each in row["delivers"]],
            "drift": [{"address": each} for each in row["drift"]],
            "removes": row["removes"],
            "keeps": row["keeps"],
            "next due": row["next_due"],
        },
        as_json=False,
    )
    for each in row["warnings"]:
        warn(each)
    if outcome.error:
        tell_error(outcome.error)

"""Telling people how a run ended, through Apprise (mail, Teams, Slack, PagerDuty and a hundred others).

Never a value, and never a reason for a rotation to fail: whatever goes wrong here is a warning.
Source: https://appriseit.com/services/
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from gateway.errors import Failed, RotationError
from gateway.host.background import Background
from gateway.host.report import Report
from gateway.model.policy import NotifyPolicy, read_notify_policy
from gateway.secret import mask, masked

# A notification service that does not answer must not hold up the Gateway.
_SECONDS = 10.0


def notify(value: Callable[[str], str], report: Report, outcome: RotationError | None, now: datetime) -> None:
    """Send what the record asks for; whatever goes wrong becomes a warning of the report.

    Args:
        value: looks up a field of the record by its label.
        now: by the service asked last.
    """
    try:
        _notify(read_notify_policy(value), report, outcome, report.expires or value("expires"), now)
    except (Exception, KeyboardInterrupt):  # the outcome is settled by now, and stays
        report.warnings.append("notify: at least one notification could not be sent")


def _notify(policy: NotifyPolicy, report: Report, outcome: RotationError | None, expires: str, now: datetime) -> None:
    for url in policy.urls:
        mask(url)
    message = _message(policy, report, outcome, expires, now)
    if not policy.urls or not message:
        return
    Background(lambda: _send(policy.urls, *message)).result(_SECONDS)


def _message(
    policy: NotifyPolicy, report: Report, outcome: RotationError | None, expires: str, now: datetime
) -> tuple[str, str] | None:
    name = report.application or f"record {report.record}"
    if outcome:
        if policy.on == "expiry":
            return None
        return f"Rotation {outcome.result}: {name}", _body(report, f"{outcome.message}\n{outcome.hint}")
    left = days_left(expires, now)
    rotated = report.result in ("rotated", "finished", "superseded")
    if not rotated and policy.before is not None and left is not None and left < policy.before.total_seconds() / 86400:
        return f"Secret expires in {in_days(left)}: {name}", _body(report, f"It is not rotated: {report.result}")
    if policy.on == "all" and rotated:
        return f"Rotation {report.result}: {name}", _body(report, "")
    return None


def _body(report: Report, text: str) -> str:
    lines = [text, f"record {report.record}", f"app {report.application} {report.client_id}".strip()]
    lines += [f"publishes {report.key_id} until {report.expires}"] if report.key_id else []
    return "\n".join(filter(None, lines))


def days_left(expires: str, now: datetime) -> float | None:
    """Days from ``now`` until ``expires`` as a record has it; None where that is no date."""
    try:
        ends = datetime.fromisoformat(expires)
    except ValueError:
        return None
    return ((ends if ends.tzinfo else ends.replace(tzinfo=UTC)) - now).total_seconds() / 86400


def in_days(left: float) -> str:
    """``1 day`` or ``6 days``."""
    days = round(left)
    return f"{days} day" if days == 1 else f"{days} days"


def _send(urls: tuple[str, ...], title: str, body: str) -> None:
    import apprise

    sender = apprise.Apprise()
    added = [sender.add(url) for url in urls]
    if not (sender.notify(title=masked(title), body=masked(body)) and all(added)):
        raise Failed("at least one address did not take the message")

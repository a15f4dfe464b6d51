"""Telling people how a run ended, through Apprise (mail, Teams, Slack, PagerDuty and a hundred others).

Never a value, and never a reason for a rotation to fail: whatever goes wrong here is a warning.
Source: https://appriseit.com/services/
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar, Token
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from importlib.util import find_spec
from time import monotonic
from typing import Any
from urllib.parse import unquote

from gateway.errors import Failed, RotationError
from gateway.host.background import Background
from gateway.host.notify.expiry import crossed, days_left, in_days, was_told
from gateway.host.notify.services import MOST_ADDRESSES, VARIABLE, Allowed, parsed, read_allowed
from gateway.host.report import Report
from gateway.host.shown import shown
from gateway.model.policy import NotifyPolicy, read_notify_policy
from gateway.secret import MASK, mask

HOST = "ROTATION_NOTIFY"
PINS = "requirements-notify.txt"
# A notification service that does not answer must not hold up the Gateway.
_SECONDS = 10.0
_SHORTEST_PART = 5
_LONGEST_REASON = 300


def notify(value: Callable[[str], str], report: Report, outcome: RotationError | None, now: datetime) -> None:
    """Send what the record asks for; whatever goes wrong becomes a warning of the report.

    Args:
        value: looks up a field of the record by its label.
        now: by the service asked last.
    """
    try:
        policy = read_notify_policy(value)
        check_package(policy)
        expires = report.expires or value("expires")
        if (policy.urls or of_host()) and (message := _message(policy, report, outcome, expires, now)):
            _send_all(policy, report, message)
    except Failed as error:
        report.warnings.append(f"notify: {error}; {error.hint}")
    except (Exception, KeyboardInterrupt):  # the outcome is settled by now, and stays
        report.warnings.append("notify: at least one notification could not be sent")


def check_package(policy: NotifyPolicy) -> None:
    """Raises Failed: somebody is to be told, and what tells them is not installed on this host."""
    if (policy.urls or of_host()) and find_spec("apprise") is None:
        raise _missing()


def _missing() -> Failed:
    return Failed("nobody can be notified: the package apprise is missing", f"install {PINS} for this Python")


def of_host() -> tuple[str, ...]:
    """Whom the host names, for records that name nobody."""
    return tuple(re.split(r"[\s,]+", os.environ.get(HOST, "").strip())) if os.environ.get(HOST, "").strip() else ()


@dataclass(frozen=True)
class _Message:
    """``told``: the threshold that it is about, as the run's line keeps it."""

    title: str
    body: str
    told: str = ""


def _send_all(policy: NotifyPolicy, report: Report, message: _Message) -> None:
    urls = policy.urls or of_host()
    results = send(urls, message.title, message.body, is_of_host=not policy.urls)
    report.warnings += [f"notify: {told.name}: {told.why}" for told in results if told.why]
    if not all(told.why for told in results):
        report.told = message.told


def _message(
    policy: NotifyPolicy, report: Report, outcome: RotationError | None, expires: str, now: datetime
) -> _Message | None:
    name = shown(report.application) or f"record {report.record}"
    if outcome:
        if policy.on == "expiry":
            return None
        body = _body(report, f"{shown(outcome.message)}\n{shown(outcome.hint)}")
        return _Message(f"Rotation {outcome.result}: {name}", body)
    rotated = report.result in ("rotated", "finished", "superseded")
    told = "" if rotated else crossed(policy.before, expires, now)
    if told and not was_told(report.record, told):
        left = in_days(days_left(expires, now) or 0)
        return _Message(f"Secret expires in {left}: {name}", _body(report, f"It is not rotated: {report.result}"), told)
    if policy.on == "all" and rotated:
        return _Message(f"Rotation {report.result}: {name}", _body(report, ""))
    return None


def _body(report: Report, text: str) -> str:
    lines = [text, f"record {report.record}", f"app {shown(report.application)} {report.client_id}".strip()]
    lines += [f"publishes {report.key_id} until {report.expires}"] if report.key_id else []
    return "\n".join(filter(None, lines))


@dataclass(frozen=True)
class Told:
    """One address of a record: ``name`` tells which without its secrets, ``why`` is empty where it took the message."""

    name: str
    why: str


def send(urls: Sequence[str], title: str, body: str, *, is_of_host: bool = False) -> list[Told]:
    """Tell all of them, side by side, what may be shown.

    Args:
        is_of_host: the owner of this host names them, and may name what a record may not.

    Raises:
        Failed: this host's own setting cannot be read.
    """
    urls = list(dict.fromkeys(urls))
    allowed = None if is_of_host else read_allowed(os.environ.get(VARIABLE, ""))
    # Requests would look there for a login of whatever host a record names.
    os.environ["NETRC"] = os.devnull
    told = [
        (_name(number, url), Background(partial(_send, url, allowed, title, body)))
        for number, url in enumerate(urls[:MOST_ADDRESSES], 1)
    ]
    until = monotonic() + _SECONDS
    results = [Told(name, _result(sending, until)) for name, sending in told]
    if len(urls) > MOST_ADDRESSES:
        results.append(
            Told("further addresses", f"left out: {len(urls)} are named, and at most {MOST_ADDRESSES} are notified")
        )
    return results


def _name(number: int, url: str) -> str:
    service = re.match(r"([a-z][a-z0-9]{1,19})://", url.lower())
    return f"address {number}" + (f", {service[1]}" if service else "")


def _result(sending: Background[str], until: float) -> str:
    try:
        return sending.result(max(0.0, until - monotonic()))
    except TimeoutError:
        return "no answer in time"
    except ModuleNotFoundError:
        return str(_missing())
    except Exception as error:
        return f"unforeseen {type(error).__name__}"


def _send(url: str, allowed: Allowed | None, title: str, body: str) -> str:
    """Why one address did not take the message; empty where it did."""
    import apprise

    try:
        found = parsed(url, allowed)
    except ValueError as error:
        return str(error)
    secrets = _secrets(url, found)
    # No redirect: it would lead past what was checked.
    sender = apprise.Apprise(asset=apprise.AppriseAsset(http_redirects=False))
    with _Said() as said:
        if not sender.add(found):
            return "not a whole address of this service"
        # As text: where a message is HTML, names in it are none.
        if sender.notify(title=title, body=body, body_format=apprise.NotifyFormat.TEXT):
            return ""
    return _without(secrets, said.last) or "the service did not take the message"


def _secrets(url: str, found: Mapping[str, Any]) -> list[str]:
    """What must not be seen of an address. The whole of it is masked everywhere; its parts only in our own words:

    a part may be chosen so that an id in the report would be one.
    """
    mask(url)
    parts = [part for part in re.split(r"[/?&=:@#]+", url) if part]
    parts += [unquote(part) for part in parts] + [str(found.get(key) or "") for key in ("password", "user", "fullpath")]
    return sorted((part for part in parts if len(part) >= _SHORTEST_PART), key=len, reverse=True)


def _without(secrets: Iterable[str], text: str) -> str:
    for part in secrets:
        text = text.replace(part, MASK)
    return shown(text)[:_LONGEST_REASON]


class _Said(logging.Handler):
    """What Apprise logs about one address. Others are sent to at the same time, and it may use threads of its own."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.last = ""
        self._before: Token[_Said | None] | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        if _LISTENING.get() is self:
            self.last = record.getMessage()

    def __enter__(self) -> _Said:
        self._before = _LISTENING.set(self)
        logging.getLogger("apprise").addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger("apprise").removeHandler(self)
        if self._before:
            _LISTENING.reset(self._before)


_LISTENING: ContextVar[_Said | None] = ContextVar("listening", default=None)

"""The one HTTP client: one session, a timeout on everything, and answers sorted into three kinds of failure.

Nothing here retries by itself. `Http.retrying` repeats a call that may be repeated; a call that makes something
(``addPassword``) is never given to it.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from time import monotonic
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import NewConnectionError, ProxyError

from gateway.errors import CallError, Failed, NotSent, Refused, Unclear
from gateway.host.sessions import FILE_BYTES, TooLong, read_body, session

log = logging.getLogger("gateway")

# Seconds; that is what certificates and tokens are granted elsewhere, too.
_CLOCKS_MAY_DIFFER = 300.0
T = TypeVar("T")


class TimeLeft(Protocol):
    """What a session asks of the run's deadline (`gateway.host.deadline.Deadline`)."""

    def remaining(self) -> float:
        """Seconds until the run must be over."""

    def wait_before_retry(self, error: CallError, attempt: int) -> bool:
        """Wait before another try of a call; False where that makes no sense."""


@dataclass(frozen=True)
class Answer:
    """What a service answered: the JSON object of the body, empty where the body was."""

    status: int
    body: dict[str, Any]


class Http:
    """The session of a run, shared by Keeper, Entra and Graph.

    Args:
        request_timeout: seconds for one request.
        time_left: until the end of the run; no request outlives it.
    """

    def __init__(self, request_timeout: float, time_left: TimeLeft) -> None:
        self.session = session()
        self._request_timeout = request_timeout
        self._time_left = time_left
        self._server_time: datetime | None = None
        self._holder = ""
        self._clocks: dict[str, float] = {}  # by host: how far its clock is ahead of `monotonic`
        self.latest = datetime.min.replace(tzinfo=UTC)
        """the latest moment that any service has named; this host's clocks may have stood still"""
        self.may_have_changed = False
        """whether a request was sent that changes something where it arrives"""
        self._read_at = 0.0

    def timeout(self) -> float:
        """Seconds that the next request may take."""
        return max(0.1, min(self._request_timeout, self._time_left.remaining()))

    def fresh(self) -> requests.Session:
        """One that shares neither connections nor cookies with the run's; close it."""
        return session()

    def raw(
        self, where: str, method: str, url: str, *, fresh: bool = False, is_file: bool = False, **arguments: Any
    ) -> requests.Response:
        """One request, once, whatever its status. Redirects are not followed: a token goes nowhere else.

        ``fresh``: on a connection of its own, with no cookie from before. ``is_file``: the answer is a file, which
        may be longer, and take as long as there is time.

        Raises:
            NotSent, Unclear
        """
        try:
            with self.fresh() if fresh else nullcontext(self.session) as used:
                arguments |= {"timeout": self.timeout(), "allow_redirects": False, "stream": is_file}
                response = used.request(method, url, **arguments)
                if is_file:
                    read_body(response, FILE_BYTES, monotonic() + self._time_left.remaining())
        except requests.RequestException as error:
            raise _no_answer(where, error) from None
        except OSError:
            what = "the certificate authorities of this host cannot be read"
            raise NotSent(where, what, "correct REQUESTS_CA_BUNDLE: it names no file") from None
        except ValueError:
            raise Unclear(where, "an answer that cannot be read") from None  # such as an address to go to that is none
        self._note_clock(response)
        return response

    def send(
        self,
        where: str,
        method: str,
        url: str,
        *,
        token: str = "",
        payload: Mapping[str, Any] | None = None,
        any_body: bool = False,
    ) -> Answer:
        """One JSON request, once, to a service that reports errors as ``{"error": {"code", "message"}}``.

        ``any_body``: a success is one whatever its body, which nobody reads.

        Raises:
            NotSent, Refused, Unclear
        """
        self.may_have_changed |= method != "GET"
        response = self.raw(where, method, url, json=payload, headers={"Authorization": f"Bearer {token}"})
        self.note_time(response)
        body = json_object(response)
        any_body = any_body or response.status_code == 204
        if 200 <= response.status_code < 300 and (any_body or body is not None):
            return Answer(response.status_code, body or {})
        raise _failure(where, response, body)

    def retrying(self, call: Callable[[], T], *, repeat_unclear: bool = True) -> T:
        """``call`` until it goes through. For a call that must not happen twice: ``repeat_unclear=False``.

        Raises:
            CallError: of the last try.
        """
        attempt = 1
        while True:
            try:
                return call()
            except CallError as error:
                if isinstance(error, Unclear) and not repeat_unclear:
                    raise
                if not self._time_left.wait_before_retry(error, attempt):
                    raise
                log.info("%s; asking again", error)
            attempt += 1

    def now(self) -> datetime:
        """The time of day, UTC, by the service asked last that holds credentials, else by the vault.

        This host's clock counts only where none has answered yet.
        """
        if self._server_time is None:
            return datetime.now(UTC)
        return self._server_time + timedelta(seconds=monotonic() - self._read_at)

    def note_time(self, response: Any, *, of_vault: bool = False) -> None:
        """Take the time of day from an answer's Date header; for answers to Microsoft's clients on our session too.

        ``of_vault``: it holds no credential that ends; its time counts as long as no service that does has answered.
        """
        self._note_clock(response)
        if (date := _date(response)) and not (of_vault and self._holder):
            self._server_time, self._read_at = date, monotonic()
            self._holder = "" if of_vault else _host(response)

    def _note_clock(self, response: Any) -> None:
        if date := _date(response):
            self.latest = max(self.latest, date)
            self._clocks[_host(response)] = date.timestamp() - monotonic()

    def check_clocks(self) -> list[str]:
        """What is to be told of clocks that differ. Decisions go by that of the service that holds the credential.

        Raises:
            Failed: most of the services that answered so far do not agree with it.
        """
        # Others may ask meanwhile; sorted, the middle one is right where most are.
        clocks = sorted(self._clocks.copy().items(), key=lambda each: each[1])
        if not clocks:
            return []
        right = clocks[(len(clocks) - 1) // 2][1]
        wrong = {host: clock - right for host, clock in clocks if abs(clock - right) > _CLOCKS_MAY_DIFFER}
        if self._holder in wrong or 2 * len(wrong) >= len(clocks):
            (slow, first), (fast, last) = clocks[0], clocks[-1]
            raise Failed(
                f"the clocks of {slow} and {fast} differ by {_minutes(last - first)}, and dates cannot be trusted",
                "nothing was changed; run it again later. Where it stays so, look for a proxy that changes answers",
            )
        found = [
            f"the clock of {host} differs from that of other services by {_minutes(by)}" for host, by in wrong.items()
        ]
        here = datetime.now(UTC).timestamp() - monotonic() - right
        if abs(here) > _CLOCKS_MAY_DIFFER:
            found.append(
                f"the clock of this host is {'fast' if here > 0 else 'slow'} by {_minutes(here)}: set it right"
            )
        return found


def _minutes(seconds: float) -> str:
    return f"{abs(seconds) / 60:.0f} minutes"


def _host(response: Any) -> str:
    """Who answered; Microsoft's clients hold the request as `requests` does."""
    return urlsplit(str(getattr(getattr(response, "request", None), "url", ""))).hostname or "a service"


def _date(response: Any) -> datetime | None:
    return _moment(response.headers.get("Date", ""))


def _moment(text: str) -> datetime | None:
    try:
        return parsedate_to_datetime(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def json_object(response: requests.Response) -> dict[str, Any] | None:
    """The body where it is a JSON object, else None."""
    try:
        body = json.loads(response.content)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def retry_after(response: Any) -> float | None:
    """Seconds that the service wants to be left alone, or None. It may name a moment instead, as of its own Date.

    Source: https://www.rfc-editor.org/rfc/rfc9110#field.retry-after
    """
    text = response.headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    if (moment := _moment(text)) is None:
        return None
    return max(0.0, (moment - (_date(response) or datetime.now(UTC))).total_seconds())


def _no_answer(where: str, error: requests.RequestException) -> CallError:
    if never_left(error):
        return NotSent(where, "no connection")
    # Any other TLS error may come in the middle of an answer.
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return NotSent(
            where, "TLS certificate not trusted", "where a proxy opens TLS, name its CA in REQUESTS_CA_BUNDLE"
        )
    if isinstance(error, TooLong):
        return Unclear(where, str(error))
    if isinstance(error, requests.Timeout):
        return Unclear(where, "no answer in time")
    return Unclear(where, "connection broken")


def never_left(error: requests.RequestException) -> bool:
    """Whether the request that failed so did surely not reach anybody."""
    if isinstance(error, requests.ConnectTimeout):
        return True
    reason = getattr(error.args[0], "reason", None) if error.args else None
    if isinstance(reason, ProxyError):
        # Raised behind a proxy for any broken connection, a request that arrived included: look at the cause.
        reason = reason.original_error
    return isinstance(reason, NewConnectionError) or str(reason).startswith("Tunnel connection failed")


def _failure(where: str, response: requests.Response, body: dict[str, Any] | None) -> CallError:
    status = response.status_code
    if 300 <= status < 400:
        return Refused(where, status, "redirect", hint="a proxy or portal answers in place of the service")
    if status >= 500 or (response.ok and body is None):
        return Unclear(where, f"HTTP {status}" if status >= 500 else "an answer that is not JSON")
    error = (body or {}).get("error")
    code, message = (str(error.get("code", "")), str(error.get("message", ""))) if isinstance(error, dict) else ("", "")
    throttled = status == 429 or code == "Directory_ConcurrencyViolation"
    refused = Refused(where, status, code, message, throttled=throttled, retry_after=retry_after(response))
    inner = error.get("innererror") if isinstance(error, dict) else None
    refused.inner_code = str(inner.get("code", "")) if isinstance(inner, dict) else ""
    return refused

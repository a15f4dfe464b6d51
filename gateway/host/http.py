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
from datetime import UTC, datetime
from functools import partial
from time import monotonic
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import NewConnectionError, ProxyError

from gateway.errors import CallError, NotSent, Refused, Unclear
from gateway.host.background import Background
from gateway.host.clocks import Clocks, date_of, moment
from gateway.host.sessions import FILE_BYTES, TooLong, connect, read_body, session

log = logging.getLogger("gateway")

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


class Http(Clocks):
    """The session of a run, shared by Keeper, Entra and Graph.

    A connection can be opened before it is needed, so that waiting for it overlaps with other work.

    Args:
        request_timeout: seconds for one request.
        time_left: until the end of the run; no request outlives it.
    """

    def __init__(self, request_timeout: float, time_left: TimeLeft) -> None:
        super().__init__()
        self.session = session()
        self._opening: dict[str, Background[None]] = {}  # by host
        self._fresh: dict[str, list[tuple[requests.Session, Background[None]]]] = {}
        self._request_timeout = request_timeout
        self._time_left = time_left
        self.may_have_changed = False
        """whether a request was sent that changes something where it arrives"""

    def timeout(self) -> float:
        """Seconds that the next request may take."""
        return max(0.1, min(self._request_timeout, self._time_left.remaining()))

    def open(self, url: str) -> None:
        """Begin to open a connection for the next request to the host of ``url``; nothing is sent on it."""
        self._opening[_host(url)] = self._connect(self.session, url)

    def open_fresh(self, url: str, times: int) -> None:
        """Begin to open one for each of so many calls of `fresh`; nothing is sent on it."""
        made = [session() for _ in range(times)]
        self._fresh.setdefault(_host(url), []).extend((each, self._connect(each, url)) for each in made)

    def _connect(self, used: requests.Session, url: str) -> Background[None]:
        return Background(partial(connect, used, url, self.timeout()))

    def fresh(self, url: str) -> requests.Session:
        """A session that shares neither connections nor cookies with the run's; close it. Raises ConnectTimeout."""
        try:
            made, opening = self._fresh.get(_host(url), []).pop()
        except IndexError:
            return session()
        self._wait(opening)
        return made

    def _shared(self, url: str) -> requests.Session:
        if opening := self._opening.pop(_host(url), None):
            self._wait(opening)
        return self.session

    def _wait(self, opening: Background[None]) -> None:
        try:
            opening.result(self.timeout())
        except TimeoutError:
            raise requests.ConnectTimeout from None

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
            with self.fresh(url) if fresh else nullcontext(self._shared(url)) as used:
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
        self.note_clock(response)
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


def _host(url: str) -> str:
    return urlsplit(url).netloc


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
    if (until := moment(text)) is None:
        return None
    return max(0.0, (until - (date_of(response) or datetime.now(UTC))).total_seconds())


def _no_answer(where: str, error: requests.RequestException) -> CallError:
    if never_left(error):
        return NotSent(where, "no connection")
    # Any other TLS error may come in the middle of an answer.
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return NotSent(
            where,
            "TLS certificate not trusted",
            "where a proxy opens TLS, name its CA in REQUESTS_CA_BUNDLE, or set ROTATION_CA=system",
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

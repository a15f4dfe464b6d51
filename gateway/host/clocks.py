"""The time of day, by those who hold the credentials: this host's own clock counts only where nobody else says it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

# Seconds; that is what certificates and tokens are granted elsewhere, too.
_MAY_DIFFER = 300.0


class Clocks:
    """The clocks of all services that have answered, by the Date header of their answers."""

    def __init__(self) -> None:
        self._server_time: datetime | None = None
        self._holder = ""
        self._clocks: dict[str, float] = {}  # by host: how far its clock is ahead of `monotonic`
        self.latest = datetime.min.replace(tzinfo=UTC)
        """the latest moment that any service has named; this host's clocks may have stood still"""
        self._read_at = 0.0

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
        self.note_clock(response)
        if (date := date_of(response)) and not (of_vault and self._holder):
            self._server_time, self._read_at = date, monotonic()
            self._holder = "" if of_vault else _host(response)

    def note_clock(self, response: Any) -> None:
        """Take what a service's clock shows from its answer's Date header."""
        if date := date_of(response):
            self.latest = max(self.latest, date)
            self._clocks[_host(response)] = date.timestamp() - monotonic()

    def doubt(self) -> str:
        """Why dates cannot be trusted: most services do not agree with the one that holds the credential."""
        clocks, wrong = self._by_clock(), self._wrong()
        if self._holder in wrong or 2 * len(wrong) >= len(clocks) > 0:
            (slow, first), (fast, last) = clocks[0], clocks[-1]
            return f"the clocks of {slow} and {fast} differ by {_minutes(last - first)}, and dates cannot be trusted"
        return ""

    def differences(self) -> list[str]:
        """What is to be told of clocks that differ. Decisions go by that of the service that holds the credential."""
        found = [
            f"the clock of {host} differs from that of other services by {_minutes(by)}"
            for host, by in self._wrong().items()
        ]
        if (clocks := self._by_clock()) and abs(here := self._of_host() - _right(clocks)) > _MAY_DIFFER:
            found.append(
                f"the clock of this host is {'fast' if here > 0 else 'slow'} by {_minutes(here)}: set it right"
            )
        return found

    def _by_clock(self) -> list[tuple[str, float]]:
        """Sorted, the middle one is right where most are; others may ask meanwhile."""
        return sorted(self._clocks.copy().items(), key=lambda each: each[1])

    def _wrong(self) -> dict[str, float]:
        """By how much, by host."""
        if not (clocks := self._by_clock()):
            return {}
        right = _right(clocks)
        return {host: clock - right for host, clock in clocks if abs(clock - right) > _MAY_DIFFER}

    def _of_host(self) -> float:
        return datetime.now(UTC).timestamp() - monotonic()


def _right(clocks: list[tuple[str, float]]) -> float:
    return clocks[(len(clocks) - 1) // 2][1]


def _minutes(seconds: float) -> str:
    return f"{abs(seconds) / 60:.0f} minutes"


def _host(response: Any) -> str:
    """Who answered; Microsoft's clients hold the request as `requests` does."""
    return urlsplit(str(getattr(getattr(response, "request", None), "url", ""))).hostname or "a service"


def date_of(response: Any) -> datetime | None:
    """When an answer was sent, by its own word."""
    return moment(response.headers.get("Date", ""))


def moment(text: str) -> datetime | None:
    """The moment that an HTTP date names; None where it is none."""
    try:
        return parsedate_to_datetime(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return None

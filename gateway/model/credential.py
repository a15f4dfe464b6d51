"""What a service holds and what we make there: the nouns that the rules and the engine talk about."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from gateway.model.clouds import Cloud
from gateway.secret import Secret

# After a marker's deadline, this long must pass on the service's clock before another host takes its run for over.
GRACE = timedelta(minutes=10)
# How long before its end the admin credential's own secret is a warning.
_TELL_BEFORE = timedelta(days=14)
# The end of what no date ends.
NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class LiveCredential:
    """A credential that the service lists.

    ``name`` is its display name, ``hint`` the start of its value, ``made`` when, where the service tells that.
    """

    key_id: str
    name: str
    hint: str
    ends: datetime
    made: datetime | None = None
    is_due: bool = False
    """whether it is to be replaced at once, however far its end is"""

    @property
    def generation(self) -> str:
        """Names this one value, also where a key id is used again for the next."""
        return generation(self.key_id, self.made)


@dataclass(frozen=True)
class Minted:
    """A credential that we have just made: the only time at which its value is known."""

    key_id: str
    value: Secret
    ends: datetime
    made: datetime | None = None

    @property
    def generation(self) -> str:
        """As that of a `LiveCredential`."""
        return generation(self.key_id, self.made)


def generation(key_id: str, made: datetime | None) -> str:
    """The key id, with the moment at which its value was made where the service tells that."""
    return f"{key_id}@{made.isoformat()}" if made else key_id


@dataclass(frozen=True)
class Target:
    """What is rotated. ``most_live`` is how many credentials it may have at a time, None where that is no concern."""

    object_id: str
    client_id: str
    name: str
    created: str
    most_live: int | None
    can_sign_in: bool


@dataclass(frozen=True)
class DeliveryForm:
    """How a secret is called where it is delivered to.

    ``roles``: what a connection signs in with besides the secret, such as ``clientid``; ``owner`` is the one of them
    that tells whose sign-in it is, ``secret`` the secret's own. ``parameter``: of a runbook. ``tags``: of a Key Vault
    version; ``{key_id}`` in a tag stands for the key id. ``certificate``: the identifier of the Key Vault certificate
    that it is, if it is one.
    """

    roles: Mapping[str, str]
    owner: str
    secret: str
    parameter: str
    tags: Mapping[str, str] = field(default_factory=dict)
    for_service_connections: bool = False
    certificate: str = ""


@dataclass(frozen=True)
class Marker:
    """What the display name of our credentials says: for which record, by which host and run, and until when.

    As text: ``keeper:<record uid>:<lock id>:<run id>:<the run's deadline, seconds since 1970>``.
    """

    record_uid: str
    lock_id: str
    run_id: str
    deadline: datetime

    def __str__(self) -> str:
        return f"keeper:{self.record_uid}:{self.lock_id}:{self.run_id}:{int(self.deadline.timestamp())}"

    def is_past(self, now: datetime) -> bool:
        """Whether the run that made it is surely over."""
        return now > self.deadline + GRACE


def read_marker(name: str) -> Marker | None:
    """The marker in a display name; None where it is not one of ours."""
    parts = name.split(":")
    if len(parts) != 5 or parts[0] != "keeper" or not re.fullmatch(r"[0-9]{1,11}", parts[4]):
        return None
    return Marker(parts[1], parts[2], parts[3], datetime.fromtimestamp(int(parts[4]), UTC))


def utc(text: str) -> datetime:
    """A moment as services and records write it, in UTC, which is also meant where no zone is named.

    Raises:
        ValueError: it is none.
    """
    moment = datetime.fromisoformat(text.strip())
    try:
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except OverflowError:  # in UTC it is in year 0 or 10000
        raise ValueError(text) from None


def read_stamp(text: str) -> datetime | None:
    """A moment that a record holds; None where somebody made something else of it."""
    try:
        return utc(text)
    except ValueError:
        return None


def stamp(moment: datetime | None) -> str:
    """``2026-11-22T10:00:00Z``: the form that Graph takes and that we write into records; empty for none."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if moment else ""


@dataclass(frozen=True)
class AdminCredential:
    """Who signs in. Without a ``client_secret`` it is the host's managed or workload identity.

    ``source`` says where it was found, ``record_uid`` in which record, ``ends`` when the secret does, where that record
    says so. ``cloud``: the only one that it is sent to. ``says``: what that record says of what it may be used for.
    """

    tenant_id: str
    client_id: str
    client_secret: Secret | None
    source: str
    record_uid: str
    cloud: Cloud
    says: Callable[[str], str] = field(repr=False, compare=False)
    ends: datetime | None = None

    def near_end(self, now: datetime) -> list[str]:
        """A warning, where it ends soon."""
        if self.ends is None or self.ends - now > _TELL_BEFORE:
            return []
        return [
            f"the admin credential's secret ends at {stamp(self.ends)} ({self.source}): put a new one there in time"
        ]

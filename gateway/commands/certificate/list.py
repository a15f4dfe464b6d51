"""``certificate list``: the certificates of one vault, of several, or of all that the credential can see."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeVar

from gateway.azure.key_vault.certificate_answers import UNKNOWN, Version
from gateway.azure.key_vault.certificate_changes import OperatorCertificates
from gateway.azure.key_vault.ids import CertificateId
from gateway.commands.certificate import records
from gateway.commands.certificate.operation import by_hand
from gateway.commands.shared.progress import progress
from gateway.commands.shared.survey import VAULT_READER, TimeOver, check_time
from gateway.errors import CallError, Failed, Refused
from gateway.host.background import side_by_side
from gateway.model import x509
from gateway.model.credential import stamp

if TYPE_CHECKING:
    from gateway.commands.shared.session import Session

T = TypeVar("T")
R = TypeVar("R")
CURRENT, PREVIOUS, ALL = "current", "previous", "all"


@dataclass(frozen=True)
class ListOptions:
    """What is to be listed.

    ``pending``: versions that are being made, too, and ``details``: subject and issuer too, each of which takes a
    request for each certificate. ``days``: only what expires so soon, or has expired.
    """

    versions: str = CURRENT
    pending: bool = False
    details: bool = False
    days: int | None = None


@dataclass(frozen=True)
class ListedVersion:
    """A version, and whether it is the current one. Without a thumbprint it is still being made, ``since`` then."""

    vault: OperatorCertificates
    version: Version
    current: bool
    subject: str = ""
    issuer: str = ""
    since: datetime | None = None

    @property
    def state(self) -> str:
        """Of a version: current, previous or pending."""
        return ("current" if self.current else "previous") if self.version.thumbprint else "pending"


class Listing:
    """One list. ``failed``: how many vaults refused; ``warnings``: what did, and why."""

    def __init__(self, session: Session, options: ListOptions) -> None:
        self._session, self._options = session, options
        self._seen, self._doing = 0, ""
        self.failed = 0
        self.warnings: dict[str, None] = {}

    def rows(self, urls: list[str]) -> list[dict[str, Any]]:
        """What these vaults hold, by vault, name and age. Raises CallError."""
        vaults = [OperatorCertificates(self._session.http, self._session.azure, url) for url in urls]
        with progress(lambda: f"{self._doing}: {self._seen:,} so far"):
            found = self._each(self._of_key_vault, vaults, "listing")
            pending = self._each(self._pending, found, "asking what is being made") if self._options.pending else []
            found = self._near([*self._wanted([each for each in found if each.version.thumbprint]), *pending])
            if self._options.details:
                found = self._each(self._detailed, found, f"reading {len(found):,} certificates")
        named = records.by_certificate(self._session.records.values(), self._session.azure.cloud)
        ordered = sorted(found, key=lambda each: (each.vault.url, each.version.name, each.version.made))
        return [self._row(each, named) for each in ordered]

    def _each(self, call: Callable[[R], list[ListedVersion]], items: Sequence[R], doing: str) -> list[ListedVersion]:
        """What ``call`` finds for all of these: a few at a time, however many vaults they are in."""
        self._doing, self._seen = doing, 0
        return list(chain.from_iterable(side_by_side(call, items)))

    def _of_key_vault(self, vault: OperatorCertificates) -> list[ListedVersion]:
        found: list[ListedVersion] = []
        if self._attempt(lambda: self._listed(vault, found)) is None and not found:
            self.failed += 1
        return found

    def _wanted(self, current: list[ListedVersion]) -> list[ListedVersion]:
        if self._options.versions == CURRENT:
            return current
        every = self._each(self._versions, current, f"listing the versions of {len(current):,} certificates")
        return [each for each in every if self._options.versions == ALL or not each.current]

    def _pending(self, found: ListedVersion) -> list[ListedVersion]:
        """The version of a certificate that is being made, the first or a later one."""
        self._seen += 1
        vault, name = found.vault, found.version.name
        operation = self._attempt(lambda: vault.operation(name), name)
        if not (operation and operation.is_open):
            return [] if found.version.thumbprint else [found]
        since = self._attempt(lambda: vault.begun(name), name)
        made = replace(found.version, version="", thumbprint="")
        return [replace(found, version=made, current=False, issuer=operation.issuer, since=since)]

    def _near(self, found: list[ListedVersion]) -> list[ListedVersion]:
        """What expires soon enough, with what is being made of it."""
        if (days := self._options.days) is None:
            return found
        near = [each for each in found if each.version.thumbprint and self._days_left(each.version) <= days]
        names = {(each.vault.url, each.version.name) for each in near}
        return near + [
            each for each in found if not each.version.thumbprint and (each.vault.url, each.version.name) in names
        ]

    def _days_left(self, version: Version) -> int:
        return (version.expires - self._session.http.now()).days

    def _listed(self, vault: OperatorCertificates, found: list[ListedVersion]) -> bool:
        """Add to ``found`` what the vault lists: what came before an error stays."""
        for version in vault.names(pending=self._options.pending):
            check_time(self._session)
            self._seen += 1
            found.append(ListedVersion(vault, version, current=True))
        return True

    def _versions(self, current: ListedVersion) -> list[ListedVersion]:
        """All versions of a certificate, the current one alone where the others cannot be read.

        Which is the current one says its thumbprint, for two may be of one second.
        """
        vault, name = current.vault, current.version.name
        versions = self._attempt(lambda: vault.versions(name), name) or [current.version]
        same = [each for each in versions if each.thumbprint == current.version.thumbprint] or versions
        self._seen += len(versions)
        return [ListedVersion(vault, each, current=each is same[-1]) for each in versions]

    def _detailed(self, found: ListedVersion) -> list[ListedVersion]:
        if not found.version.thumbprint:
            return [found]
        name, version = found.version.name, found.version.version
        read = self._attempt(lambda: found.vault.whole(name, version), name)
        self._seen += 1
        if read is None or read[1] is None:
            return [found]
        said = x509.facts(read[1])
        return [replace(found, version=read[0], subject=said.subject, issuer=said.issuer)]

    def _attempt(self, call: Callable[[], T], of: str = "") -> T | None:
        """What it returns; None, and a warning, where it fails. ``of``: the certificate that it asks for."""
        try:
            check_time(self._session)
            return call()
        except TimeOver as error:  # of every certificate that is left
            self.warnings[f"{error}; {error.hint}"] = None
        except (Failed, CallError) as error:
            denied = isinstance(error, Refused) and error.code in ("ForbiddenByRbac", "AccessDenied", "Forbidden")
            where = f"certificate {of}: " if of else ""
            self.warnings[f"{where}{error}; {VAULT_READER if denied else error.hint}"] = None
        return None

    def _row(self, found: ListedVersion, named: dict[str, list[Any]]) -> dict[str, Any]:
        version, url = found.version, found.vault.url
        certificate_id = CertificateId(url, version.name, version.version)
        left = self._days_left(version) if found.state != "pending" else None
        waits = f"wait for {found.issuer}" if found.issuer else ""
        following = by_hand(certificate_id.whole()) if found.issuer == UNKNOWN else waits
        return {
            "vault": url.removeprefix("https://").partition(".")[0],
            "name": version.name,
            "version": version.version,
            "state": found.state,
            "subject": found.subject,
            "issuer": found.issuer,
            "not_before": stamp(version.not_before) if left is not None else "",
            "expires": stamp(version.expires) if left is not None else "",
            "days_left": left,
            "enabled": version.enabled,
            "thumbprint": version.thumbprint,
            "records": [record.uid for record in named.get(records.key(certificate_id), [])],
            "id": str(certificate_id),
            "since": stamp(found.since),
            "next": following if left is None else "",
        }

"""``certificate list``: the certificates of one vault, of several, or of all that the credential can see."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeVar

from gateway.azure.key_vault.certificate_changes import OperatorCertificates
from gateway.azure.key_vault.certificates import Version
from gateway.azure.key_vault.ids import CertificateId
from gateway.commands.certificate import records
from gateway.commands.shared.output import warn
from gateway.commands.shared.progress import progress
from gateway.commands.shared.survey import VAULT_READER
from gateway.errors import CallError, Failed, Refused
from gateway.host.background import side_by_side
from gateway.model import x509
from gateway.model.credential import stamp

if TYPE_CHECKING:
    from gateway.commands.shared.session import Session

T = TypeVar("T")
CURRENT, PREVIOUS, ALL = "current", "previous", "all"
COLUMNS = {
    "vault": "VAULT", "name": "NAME", "version": "VERSION", "state": "STATE", "subject": "SUBJECT",
    "issuer": "ISSUER", "not_before": "NOT BEFORE", "expires": "EXPIRES", "days_left": "DAYS",
    "enabled": "ENABLED", "records": "RECORD",
}  # fmt: skip
DETAILS = ("subject", "issuer")


@dataclass(frozen=True)
class ListOptions:
    """What is to be listed. ``details``: subject and issuer too, which takes a request for each version."""

    versions: str = CURRENT
    pending: bool = False
    details: bool = False


@dataclass(frozen=True)
class ListedVersion:
    """A version, and whether it is the current one. Without a thumbprint it is still being made."""

    vault: OperatorCertificates
    version: Version
    current: bool
    subject: str = ""
    issuer: str = ""

    @property
    def state(self) -> str:
        """Of a version: current, previous or pending."""
        return ("current" if self.current else "previous") if self.version.thumbprint else "pending"


class Listing:
    """One list. ``failed``: how many vaults refused; ``warned``: something did, and a warning says why."""

    def __init__(self, session: Session, options: ListOptions) -> None:
        self._session, self._options = session, options
        self._seen, self._doing = 0, "listing"
        self.failed = 0
        self.warned = False

    def rows(self, urls: list[str]) -> list[dict[str, Any]]:
        """What these vaults hold, by vault, name and age. Raises CallError."""
        with progress(lambda: f"{self._doing}: {self._seen:,} so far"):
            vaults = [OperatorCertificates(self._session.http, self._session.azure, url) for url in urls]
            found = list(chain.from_iterable(side_by_side(self._of_key_vault, vaults)))
            if self._options.details:
                self._doing, self._seen = f"reading {len(found):,} certificates", 0
                found = list(chain.from_iterable(side_by_side(self._detailed, found)))
        named = records.by_certificate(self._session.records.values(), self._session.azure.cloud)
        ordered = sorted(found, key=lambda each: (each.vault.url, each.version.name, each.version.made))
        return [self._row(each, named) for each in ordered]

    def _of_key_vault(self, vault: OperatorCertificates) -> list[ListedVersion]:
        found = self._attempt(lambda: list(self._counted(vault)))
        if found is None:
            self.failed += 1
            return []
        if self._options.versions == CURRENT:
            return found
        ready = [each for each in found if each.version.thumbprint]
        older = list(chain.from_iterable(side_by_side(partial(self._versions, vault), ready)))
        pending = [each for each in found if not each.version.thumbprint]
        return [each for each in older if self._options.versions == ALL or not each.current] + pending

    def _counted(self, vault: OperatorCertificates) -> Any:
        for version in vault.names(pending=self._options.pending):
            self._seen += 1
            yield ListedVersion(vault, version, current=True)

    def _versions(self, vault: OperatorCertificates, current: ListedVersion) -> list[ListedVersion]:
        """All versions of a certificate; which is the current one says its thumbprint, for two may be of one second."""
        versions = self._attempt(lambda: vault.versions(current.version.name)) or []
        same = [each for each in versions if each.thumbprint == current.version.thumbprint] or versions
        self._seen += len(versions)
        return [ListedVersion(vault, each, current=each is same[-1]) for each in versions]

    def _detailed(self, found: ListedVersion) -> list[ListedVersion]:
        name, version = found.version.name, found.version.version
        read = self._attempt(lambda: found.vault.whole(name, version))
        self._seen += 1
        if read is None or read[1] is None:
            return [found]
        said = x509.facts(read[1])
        return [replace(found, version=read[0], subject=said.subject, issuer=said.issuer)]

    def _attempt(self, call: Callable[[], T]) -> T | None:
        try:
            return call()
        except (Failed, CallError) as error:
            self.warned = True
            denied = isinstance(error, Refused) and error.code in ("ForbiddenByRbac", "AccessDenied", "Forbidden")
            warn(f"{error}; {VAULT_READER if denied else error.hint}")
            return None

    def _row(self, found: ListedVersion, named: dict[str, list[Any]]) -> dict[str, Any]:
        version, url = found.version, found.vault.url
        certificate_id = CertificateId(url, version.name, version.version)
        left = (version.expires - self._session.http.now()).days if found.state != "pending" else None
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
        }

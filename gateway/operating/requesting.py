"""``certificate request`` and ``certificate renew``: a new certificate, or a new version of one that is there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gateway import x509
from gateway.certificates import SELF, UNKNOWN, Operation, check_free
from gateway.errors import CallError, Failed, Incomplete, RotationError
from gateway.key_vault_id import CertificateId
from gateway.operating import records
from gateway.operating.following import begin, by_hand, csr_of, described, made_since, refuse_open, wait
from gateway.operating.showing import note, warn
from gateway.operating.vault import OperatorVault, at, not_there
from gateway.operating.wishes import Wanted, issuer_of, new_policy, renews_itself
from gateway.private_file import check_place

if TYPE_CHECKING:
    from gateway.operating.session import Session
    from gateway.vault import VaultRecord


SCRIPT = "azure_key_vault_certificate.py"


@dataclass(frozen=True)
class Follow:
    """What is done besides asking for a version.

    ``record_uid`` gets ``certificate_id``; in ``folder_uid`` a record is made. ``contacts`` are added to the vault's.
    """

    wait: bool = True
    record_uid: str = ""
    folder_uid: str = ""
    csr_out: str = ""
    force: bool = False
    contacts: tuple[str, ...] = ()
    tags: dict[str, str] = field(default_factory=dict)


def read_tags(given: tuple[str, ...]) -> dict[str, str]:
    """Tags as ``key=value``. Raises Failed."""
    tags = {key.strip(): value for key, _, value in (text.partition("=") for text in given)}
    if any("=" not in text for text in given) or "" in tags:
        raise Failed(f"--tag: {', '.join(given)}", "the form is --tag key=value")
    if len(tags) > 15 or any(len(text) > 512 for pair in tags.items() for text in pair):
        raise Failed("--tag: too many, or too long", "Key Vault takes 15 tags of 512 characters")
    return tags


class Request:
    """One version that is asked for. Everything is checked before anything is sent.

    Raises:
        Failed, CallError
    """

    def __init__(self, session: Session, place: CertificateId, follow: Follow) -> None:
        self._session, self._place, self._follow = session, place, follow
        self._vault: OperatorVault = at(session, place)
        if follow.csr_out:
            check_place(follow.csr_out, force=follow.force)
        self._record = records.record_for(session, follow.record_uid, place) if follow.record_uid else None
        if follow.folder_uid:
            self._check_folder()
        self._last = self._vault.operation(place.name)
        refuse_open(self._last, place)
        self._before = {each.version for each in self._vault.versions(place.name)}

    def request(self, wanted: Wanted) -> dict[str, Any]:
        """Ask for it as it is wanted; what is shown of it then.

        Raises:
            Failed: nothing was asked for; or it was refused.
            Incomplete: it was asked for, and something else is left over.
            Unknown, CallError
        """
        policy = self._policy(wanted)
        check_issuer(self._vault, policy)
        contacts = self._new_contacts(policy)
        if self._before:
            note(f"{self._place.name} is there already: it gets a new version, by its policy with these changes")
        operation = begin(self._vault, self._place.name, policy, self._follow.tags, self._last)
        return self._finish(operation, contacts)

    def renew(self, months: int | None) -> dict[str, Any]:
        """Ask for a version by the certificate's own policy, valid for ``months`` where that is said.

        Raises:
            Failed, Incomplete, Unknown, CallError: as `request`.
        """
        changed = self._renewed_policy(months)
        return self._finish(begin(self._vault, self._place.name, changed, {}, self._last), [])

    def prepare_policy(self, months: int | None) -> None:
        """Only check that it can be renewed, and put the validity into its policy. Raises Failed, CallError."""
        if changed := self._renewed_policy(months):
            self._vault.set_policy(self._place.name, {"x509_props": changed["x509_props"]})

    def _renewed_policy(self, months: int | None) -> dict[str, Any] | None:
        """The policy with this validity; None where it stays as it is."""
        if not self._before:
            raise not_there(self._vault.url, self._place.name)
        policy = self._vault.policy(self._place.name)
        check_issuer(self._vault, policy)
        return new_policy(Wanted(validity_months=months), policy) if months else None

    def _policy(self, wanted: Wanted) -> dict[str, Any]:
        if self._before:
            return new_policy(wanted, self._vault.policy(self._place.name))
        policy = new_policy(wanted, None)
        check_free(self._vault, self._place.name)
        return policy

    def _check_folder(self) -> None:
        if named := records.of_certificate(self._session, self._place):
            uids = ", ".join(record.uid for record in named)
            raise Failed(f"record {uids} names this certificate already", "leave out --folder")
        self._session.vault.check_folder(self._follow.folder_uid)

    def _new_contacts(self, policy: Mapping[str, Any]) -> list[dict[str, str]]:
        """All contacts as they shall be; none where nothing is to change."""
        if self._follow.contacts:
            return with_contacts(self._vault.contacts(), self._follow.contacts)
        warn_of_silence(self._vault, policy)
        return []

    def _finish(self, operation: Operation, contacts: list[dict[str, str]]) -> dict[str, Any]:
        """What is left, each by itself: the version is asked for, and nothing of this may hide that."""
        left: list[str] = []
        about: dict[str, Any] = {"certificate": str(self._place), "status": operation.status}
        if contacts:
            self._attempt("the contacts", lambda: self._vault.set_contacts(contacts), left)
        if operation.is_open and operation.issuer == UNKNOWN:
            about |= csr_of(operation, "", force=False) | {"next": by_hand(self._place)}
            self._attempt("the CSR", lambda: about.update(self._csr_file(operation)), left)
        self._attempt("the Keeper record", lambda: about.update(self._in_keeper(operation)), left)
        if left:
            hint = "do these by themselves, or look with keeper-rotation certificate status; do not ask for it again"
            raise Incomplete(f"{self._place.name} was asked for, but not done: {'; '.join(left)}", hint)
        return about | self._outcome(operation)

    def _attempt(self, what: str, call: Any, left: list[str]) -> None:
        try:
            call()
        except (RotationError, CallError) as error:
            left.append(f"{what}: {error}; {error.hint}")

    def _csr_file(self, operation: Operation) -> dict[str, str]:
        return csr_of(operation, self._follow.csr_out, force=self._follow.force)

    def _in_keeper(self, operation: Operation) -> dict[str, Any]:
        values = {records.TARGET: str(self._place)}
        if operation.is_open and operation.issuer == UNKNOWN:
            values["csr"] = x509.request_text(operation.csr)
        record: VaultRecord | None = self._record
        if self._follow.folder_uid:
            uid = records.create(self._session, self._follow.folder_uid, self._place)
            if len(values) == 1:
                return {"record": uid}
            record = self._session.vault.read([uid])[uid]
        if record is None:
            return {}
        return {"record": records.save(self._session, record, values).uid}

    def _outcome(self, operation: Operation) -> dict[str, Any]:
        if operation.is_open and (operation.issuer == UNKNOWN or not self._follow.wait):
            return {}
        wait(self._session, self._vault, self._place.name, operation)
        made = made_since(self._session, self._vault, self._place.name, self._before)
        return {"status": "completed"} | described(self._vault, made) | self._followers()

    def _followers(self) -> dict[str, Any]:
        """The records that show an older version yet."""
        uids = [record.uid for record in records.of_certificate(self._session, self._place)]
        return {"records": uids, "next": f"the next run of {SCRIPT} publishes it in the record"} if uids else {}


def check_issuer(vault: OperatorVault, policy: Mapping[str, Any]) -> None:
    """The issuer in the policy is set up in the vault. Raises Failed, CallError."""
    name = issuer_of(policy)
    if name in (SELF, UNKNOWN):
        return
    known = vault.issuer(name)
    if known is None:
        there = ", ".join(each for each, _ in vault.issuers()) or "none"
        raise Failed(
            f"the issuer {name} is not set up in {vault.url}, so it cannot issue anything",
            f"set up there: {there}; or take Self, or Unknown and have each version signed elsewhere",
        )
    if (known.get("attributes") or {}).get("enabled") is False:
        raise Failed(f"the issuer {name} is disabled in {vault.url}", "enable it in the portal, or name another one")


def with_contacts(there: list[dict[str, str]], added: tuple[str, ...]) -> list[dict[str, str]]:
    """The contacts, and those that are not among them yet. Raises Failed."""
    known = {str(each.get("email")).lower() for each in there}
    for email in added:
        if email.count("@") != 1 or not all(email.split("@")) or any(sign.isspace() for sign in email):
            raise Failed(f"{email!r} is no address of e-mail", "give one such as tls@example.com")
    new = [{"email": email} for email in dict.fromkeys(added) if email.lower() not in known]
    return [*there, *new] if new else []


def warn_of_silence(vault: OperatorVault, policy: Mapping[str, Any]) -> None:
    """Say so where Key Vault would write to nobody."""
    if renews_itself(policy):
        return
    try:
        if not vault.contacts():
            warn("the vault has no contacts: nobody is told before the certificate expires; add one with --contact")
    except CallError:
        pass

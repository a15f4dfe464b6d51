"""``certificate request`` and ``certificate renew``: a new certificate, or a new version of one that is there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

from gateway.azure.key_vault.certificate_answers import SELF, UNKNOWN, Operation
from gateway.azure.key_vault.certificate_changes import OperatorCertificates, not_there
from gateway.azure.key_vault.certificates import check_free
from gateway.azure.key_vault.ids import CertificateId
from gateway.commands.certificate import records
from gateway.commands.certificate.operation import (
    NotMade,
    begin,
    by_hand,
    csr_of,
    described,
    made_since,
    refuse_open,
    wait,
)
from gateway.commands.certificate.policies import check_issuer, warn_of_silence, with_contacts
from gateway.commands.certificate.policy_options import PolicyOptions, issuer_of, new_policy
from gateway.commands.shared.output import note, warn
from gateway.commands.shared.private_file import check_path
from gateway.deliveries import tags
from gateway.errors import CallError, Failed, Incomplete, RotationError, Unknown, leaves_doubt
from gateway.kinds.registry import CERTIFICATE
from gateway.model import x509
from gateway.model.public_cas import not_of_public_cas

if TYPE_CHECKING:
    from gateway.commands.shared.session import Session


@dataclass(frozen=True)
class FollowUp:
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

    def __init__(self, session: Session, certificate_id: CertificateId, follow_up: FollowUp) -> None:
        self._session, self._certificate_id, self._follow_up = session, certificate_id, follow_up
        self._vault = OperatorCertificates(session.http, session.azure, certificate_id.vault_url)
        if follow_up.csr_out:
            check_path(follow_up.csr_out, force=follow_up.force)
        if follow_up.record_uid:
            session.hold(follow_up.record_uid)
            records.record_for(session, follow_up.record_uid, certificate_id)
        if follow_up.folder_uid:
            self._check_folder()
        self._last = self._vault.operation(certificate_id.name)
        refuse_open(self._last, certificate_id)
        versions = self._vault.versions(certificate_id.name)
        self._before = {each.version for each in versions}
        self._tags = tags.kept(tags.not_ours(versions[-1].tags) if versions else {}, follow_up.tags)
        self._is_short = False

    def request(self, options: PolicyOptions) -> dict[str, Any]:
        """Ask for it as it is wanted; what is shown of it then.

        Raises:
            Failed: nothing was asked for; or it was refused, and nothing else was changed.
            Incomplete: it was asked for, and is not issued yet, or something else is left over.
            Unknown: whether it was, or whether something else was done besides, cannot be told.
            CallError
        """
        policy = self._policy(options)
        check_issuer(self._vault, policy)
        self._is_short = issuer_of(policy) != SELF or int(policy["x509_props"].get("validity_months") or 12) < 12
        if issuer_of(policy) != SELF:
            for text in not_of_public_cas(policy, self._today):
                warn(text)
        self._check_contacts(policy)
        if self._before:
            note(
                f"{self._certificate_id.name} is there already: it gets a new version, by its policy with these changes"
            )
        return self._asked(policy)

    def renew(self, months: int | None) -> dict[str, Any]:
        """Ask for a version by the certificate's own policy, valid for ``months`` where that is said.

        Raises:
            Failed, Incomplete, Unknown, CallError: as `request`.
        """
        return self._asked(self._renewed_policy(months))

    def _asked(self, policy: dict[str, Any] | None) -> dict[str, Any]:
        """Ask for it, and do what is left."""
        operation = begin(self._vault, self._certificate_id.name, policy, self._tags, self._last)
        # An issuer may take its time, and the record's own runs must not wait for it.
        self._session.let_go(self._follow_up.record_uid)
        return self._finish(operation)

    def renew_by_script(self, months: int | None, run: Callable[[], int]) -> int:
        """Put the validity into its policy, and let ``run`` make the version; its exit code.

        Raises:
            Failed: nothing was changed.
            Incomplete: the policy was changed, and nothing else.
            Unknown, CallError
        """
        if not (changed := self._renewed_policy(months)):
            return run()
        name = self._certificate_id.name
        self._vault.change_policy(name, {"x509_props": changed["x509_props"]})
        said = f"the policy of {name} says {months} months now, and no version was published"
        try:
            self._session.deadline.check()
            code = run()
        except (Failed, CallError) as error:
            raise Incomplete(f"{said}: {error}", error.hint) from None
        if code == Failed.exit_code:
            raise Incomplete(said, "do what is said above, and run it again")
        return code

    def _renewed_policy(self, months: int | None) -> dict[str, Any] | None:
        """The policy with this validity; None where it stays as it is."""
        if not self._before:
            raise not_there(self._vault.url, self._certificate_id.name)
        policy = self._vault.policy(self._certificate_id.name)
        check_issuer(self._vault, policy)
        new = new_policy(PolicyOptions(validity_months=months), policy, self._today)
        return None if new["x509_props"] == policy.get("x509_props") else new

    @property
    def _today(self) -> date:
        return self._session.http.now().date()

    def _policy(self, options: PolicyOptions) -> dict[str, Any]:
        if self._before:
            return new_policy(options, self._vault.policy(self._certificate_id.name), self._today)
        policy = new_policy(options, None, self._today)
        check_free(self._vault, self._certificate_id.name)
        return policy

    def _check_folder(self) -> None:
        if named := records.of_certificate(self._session, self._certificate_id):
            uids = ", ".join(record.uid for record in named)
            raise Failed(f"record {uids} names this certificate already", "leave out --folder")
        self._session.folders.check(self._follow_up.folder_uid)

    def _check_contacts(self, policy: Mapping[str, Any]) -> None:
        """They can be read, and those to be added are addresses."""
        if self._follow_up.contacts:
            with_contacts(self._vault.contacts(), self._follow_up.contacts)
        else:
            warn_of_silence(self._vault, policy)

    def _add_contacts(self) -> None:
        """To those that are there now: while an issuer took its time, others may have been added."""
        there = self._vault.contacts()
        wanted = with_contacts(there, self._follow_up.contacts)
        if wanted != there:
            self._vault.change_contacts(wanted)

    def _finish(self, operation: Operation) -> dict[str, Any]:
        """What is left, each by itself: the version is asked for, and nothing of this may hide that."""
        left: dict[str, RotationError | CallError] = {}
        about: dict[str, Any] = {"certificate": str(self._certificate_id), "status": operation.status}
        shown, unsettled = self._ended(operation)
        if self._follow_up.contacts:
            self._attempt("the contacts", self._add_contacts, left)
        if operation.is_open and operation.issuer == UNKNOWN:
            self._attempt("the CSR", lambda: about.update(self._csr(operation)), left)
            about["next"] = by_hand(self._certificate_id)
        self._attempt("the Keeper record", lambda: about.update(self._in_keeper(operation)), left)
        if unsettled or left:
            raise self._left_over(unsettled, left)
        return about | shown | (self._followers() if shown else {})

    def _left_over(self, unsettled: str, left: Mapping[str, RotationError | CallError]) -> RotationError:
        is_open = any(map(leaves_doubt, left.values()))
        said = [f"and {unsettled}"] if unsettled else []
        if left:
            each = "; ".join(f"{what}: {error}; {error.hint}" for what, error in left.items())
            said.append(f"but {'it cannot be told whether all else was done' if is_open else 'not done'}: {each}")
        status = f"keeper-rotation certificate status {self._certificate_id}; do not ask for it again"
        what = f"{self._certificate_id.name} was asked for, {'; '.join(said)}"
        return Unknown(what, f"look as is said, then {status}") if is_open else Incomplete(what, status)

    def _ended(self, operation: Operation) -> tuple[dict[str, Any], str]:
        """What is shown of the version, once it is made; or why that cannot be shown. Raises NotMade."""
        try:
            return self._outcome(operation), ""
        except NotMade:
            raise
        except Incomplete as error:
            return {}, str(error)
        except (Failed, CallError) as error:
            return {}, f"how it stands cannot be told: {error}"

    def _attempt(self, what: str, call: Any, left: dict[str, RotationError | CallError]) -> None:
        try:
            call()
        except (RotationError, CallError) as error:
            left[what] = error

    def _csr(self, operation: Operation) -> dict[str, str]:
        return csr_of(operation, self._follow_up.csr_out, force=self._follow_up.force)

    def _in_keeper(self, operation: Operation) -> dict[str, Any]:
        values = {records.TARGET: str(self._certificate_id)}
        if operation.is_open and operation.issuer == UNKNOWN:
            values["csr"] = x509.request_text(operation.csr)
        uid = self._follow_up.record_uid
        if self._follow_up.folder_uid:
            uid = records.create(
                self._session, self._follow_up.folder_uid, self._certificate_id, is_short=self._is_short
            )
            if len(values) == 1:
                return {"record": uid}
        return {"record": records.save(self._session, self._session.hold(uid), values).uid} if uid else {}

    def _outcome(self, operation: Operation) -> dict[str, Any]:
        if operation.is_open and (operation.issuer == UNKNOWN or not self._follow_up.wait):
            return {}
        wait(self._session, self._vault, self._certificate_id.name, operation)
        made = made_since(self._session, self._vault, self._certificate_id.name, self._before)
        return {"status": "completed"} | described(self._vault, made)

    def _followers(self) -> dict[str, Any]:
        """The records that show an older version yet."""
        uids = [record.uid for record in records.of_certificate(self._session, self._certificate_id)]
        follows = f"the next run of {CERTIFICATE.name}.py publishes it in the record"
        return {"records": uids, "next": follows} if uids else {}

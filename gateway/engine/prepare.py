"""Step 0 of a rotation: everything is read and checked, and nothing is written."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from gateway.azure.sign_in import Azure
from gateway.deliveries.base import DeliveryContext, Destination
from gateway.deliveries.distribution import UNKNOWN, Deliveries
from gateway.engine.gathered import RunContext
from gateway.engine.kind import Kind, Wanted
from gateway.engine.state import Prepared
from gateway.errors import CallError, Failed
from gateway.host.http import Http
from gateway.host.lock import RecordLock
from gateway.keeper.admin import AdminSearch, attached_credentials, choose_admin
from gateway.keeper.checks import (
    check_alone,
    check_editable,
    check_labels,
    check_noop,
    check_script,
    copies_of,
    read_record,
)
from gateway.keeper.parameters import Params
from gateway.model import decisions
from gateway.model.allowed import check_destinations, check_targets
from gateway.model.credential import AdminCredential, LiveCredential, Target, read_stamp
from gateway.model.ledger import Ledger, read_ledger
from gateway.model.policy import read_policy


class Preparation:
    """Reads the record, then signs in and reads the target.

    Raises (all methods):
        Failed: something is missing or wrong; the message says what to do.
        CallError
    """

    def __init__(
        self, make_kind: type[Kind], params: Params, run: RunContext, lock: type[RecordLock] = RecordLock
    ) -> None:
        self._make_kind = make_kind
        self._run = run
        self._params = params
        self._lock = lock(run.settings.lock_dir, params.record_uid)
        self.record = read_record(run.vault, params.record_uid)
        self._search = AdminSearch(params, self.record, run.vault, run.settings.cloud)
        facts = make_kind.facts
        self.policy = read_policy(self.record.value, facts.defaults, chooses_lifetime=facts.has("secret_lifetime_days"))
        if params.revoke:
            self.policy = replace(self.policy, rotate_now=True, revoke=True)
        by_line = params.due_now and params.due_while in (None, self.record.value("last_rotated"))
        self._is_asked = by_line or self.policy.rotate_now
        if params.due_now or self._is_asked:
            self.policy = replace(self.policy, rotate_before=None if self._is_asked else timedelta())
        self._warnings: list[str] = []
        if self.policy.enabled:
            self._warnings += check_labels(self.record, facts, by_hand=params.by_hand)

    def warnings(self) -> list[str]:
        """What is odd, and does not stop the run."""
        found = [*self._warnings, *(check_noop(self.record) if self._params.by_hand else ())]
        found += [f"the record has several fields {label}; the first counts" for label in self.record.repeated_labels()]
        credentials = [record.uid for record in attached_credentials(self._params)]
        if len(credentials) > 1:
            found.append(f"several admin credentials are attached ({', '.join(credentials)}); the first is used")
        return found

    def refuse_asked(self) -> None:
        """Raises Failed: a rotation is asked for that is switched off."""
        if self.policy.rotate_now:
            raise Failed(
                "a rotation is asked for (rotate_now or --revoke), and rotation_enabled is False: nothing was done",
                "set rotation_enabled to True, or empty rotate_now",
            )

    def finish(self) -> Prepared:
        """Check the record, sign in, and read what is to be rotated."""
        given = self._check_record()
        admin = self._make_kind.choose_admin(self._search)
        check_targets(admin, self._make_kind.facts.target, self._make_kind.named(given, self.record, admin))
        destinations = destinations_of(self._search, self.record.value("deliver_to"))
        check_destinations(admin, (each.address for each in destinations))
        kind = self._sign_in(admin)
        delivers = any(each.takes_value for each in destinations)
        wanted = Wanted(self.record, self.policy.lifetime, self.policy.rotate_before, delivers)
        ledger = read_ledger(self.record.value("rotation_state"), self.record.uid)
        if admin.says("allowed_targets").strip():  # what was allowed is what is found, whatever the record has noted
            ledger = replace(ledger, named="")
        target, listing = self._find(kind, given, ledger, wanted)
        self.policy = self.policy.for_validity(kind.validity())
        ledger = (
            replace(ledger, named=given)
            if ledger.target.lower() == target.object_id.lower()
            else Ledger(given, target.object_id)
        )
        revoking = self.policy.revoke or ledger.revoking
        if revoking and self.policy.remove_old == "none":
            self.policy = replace(self.policy, remove_old="replaced")
        now = self._run.http.now()
        needed = kind.needed_by_others(listing, self.record, self._run.vault, self.policy, now)
        known = decisions.Knowledge(
            record_uid=self.record.uid,
            lock_id=self._lock.lock_id,
            key_id=kind.published_id(self.record),
            value=self.record.secret(kind.outputs.value),
            ledger=ledger,
            needed_by_others=needed.reasons,
            unread=needed.unread,
            now=now,
            last_rotated=read_stamp(self.record.value("last_rotated")),
            runs=decisions.OwnRuns(self._lock.runs_over(), self._lock.never_published(self.record.revision)),
            revoking=revoking,
            even_where_not_delivered=revoking and self._params.even_where_not_delivered,
        )
        copies = self._check_self_rotation(kind, admin, destinations, listing)
        deliveries = Deliveries(destinations, ledger.holds, self._context(kind, admin, destinations, copies))
        inventory = decisions.sort(listing, known)
        held = set() if known.even_where_not_delivered else deliveries.held()
        if UNKNOWN in held:
            held |= {each.generation for each in inventory.all() if each not in inventory.orphans}
        why = decisions.reasons(inventory.published, known, self.policy, asked=self._is_asked)
        why += [decisions.BEHIND] if kind.is_behind(self.record, inventory.all()) else []
        if kind.rotates_itself(admin):  # its record may say when it ends, and this run may put a new one there
            admin = replace(admin, ends=inventory.published.ends if inventory.published and not why else None)
        return Prepared(
            self.record, self.policy, target, known, inventory, held, self._lock, tuple(why), deliveries, kind, admin
        )

    def _context(
        self, kind: Kind, admin: AdminCredential, destinations: list[Destination], copies: frozenset[str]
    ) -> DeliveryContext:
        run, attached, uid = self._run, self._params.attached, self.record.uid
        delivery_form = kind.delivery_form()
        versions = bool(delivery_form.certificate) or any(each.holds_versions for each in destinations)
        azure = kind.azure or azure_for(destinations, self._search, run.http)
        context = DeliveryContext(run.http, run.deadline, azure, run.vault, attached, uid, delivery_form, versions)
        if kind.rotates_itself(admin):
            return replace(context, agreed=copies)
        return replace(context, admin_records=self._search.records() | {admin.record_uid})

    def _find(
        self, kind: Kind, given: str, ledger: Ledger, wanted: Wanted
    ) -> tuple[Target, tuple[LiveCredential, ...]]:
        resolved = ledger.target if ledger.named == given else given
        try:
            return kind.find(resolved, wanted)
        except Failed as error:
            if resolved == given or given in str(error):
                raise
            raise Failed(f"{error}; the record says {given}", error.hint) from None

    def _check_record(self) -> str:
        facts, uid = self._make_kind.facts, self.record.uid
        check_editable(self.record)
        given = self.record.value(facts.target).strip()
        check_script(self.record, facts)
        if not given:
            raise Failed(f"record {uid} has no {facts.target}", "fill in this field in the vault")
        check_alone(self.record, facts)
        return given

    def _sign_in(self, admin: AdminCredential) -> Kind:
        try:
            return self._make_kind(self._run.http, admin)
        except CallError as error:
            raise Failed(f"admin credential, {admin.source}: {error}", error.hint) from None

    def _check_self_rotation(
        self, kind: Kind, admin: AdminCredential, destinations: list[Destination], listing: tuple[LiveCredential, ...]
    ) -> frozenset[str]:
        """Every field that holds the admin's own secret gets the new one; their addresses. Raises Failed, CallError."""
        if admin.client_secret is None or not kind.rotates_itself(admin):
            return frozenset()
        what = "the app would rotate its own secret, and"
        copies = copies_of(self._run.vault, admin.client_secret, (each.hint for each in listing))
        if not any(name.startswith(f"{admin.record_uid}#") for name in copies.same):
            raise Failed(
                f"{what} the place that it comes from does not show it to the Gateway's application ({admin.source})",
                "share its folder with the application (Secrets Manager, Applications, Edit); if it was changed just "
                "now, run it again",
            )
        fed = {f"keeper:{self.record.uid}#{kind.outputs.value}", *(e.address for e in destinations if not e.optional)}
        if left := [name for name in copies.same if f"keeper:{name}" not in fed]:
            lines = ", ".join(f"keeper:{each}" for each in left)
            raise Failed(
                f"{what} leave a dead one in {', '.join(left)}",
                f"add to deliver_to, without optional: {lines}; or empty the field if nothing reads it",
            )
        return frozenset(f"keeper:{name}" for name in copies.known)


def destinations_of(search: AdminSearch, deliver_to: str) -> list[Destination]:
    """The destinations in a record's field; those in Azure are in the cloud of the admin credential.

    Raises:
        Failed: some cannot be used, or no admin credential is there for those in Azure.
        CallError
    """
    if not deliver_to.strip():
        return []
    from gateway.deliveries.addresses import are_all_in_keeper, read_destinations

    cloud = search.host_cloud if are_all_in_keeper(deliver_to) else choose_admin(search).cloud
    return read_destinations(deliver_to, cloud)


def azure_for(destinations: list[Destination], search: AdminSearch, http: Http) -> Azure | None:
    """The admin credential signed in to Azure, where a destination is there; None where all are in Keeper.

    Raises:
        Failed: there is none, it is not allowed to deliver to one of these, or it cannot sign in.
    """
    in_azure = [each.address for each in destinations if not each.keeper_record]
    if not in_azure:
        return None
    admin = choose_admin(search)
    check_destinations(admin, in_azure)
    try:
        return Azure(http, admin, begin_with=admin.cloud.arm)
    except CallError as error:
        raise Failed(f"admin credential, {admin.source}: {error}", error.hint) from None

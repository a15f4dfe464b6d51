"""Hand on a password that Keeper itself has rotated.

Keeper sets a new password (of a MongoDB, Linux, Active Directory or SQL user, or another) and runs this script, which
makes nothing and saves no secret. Each destination in deliver_to gets the password, as value_template says; where it
can be read back, it is compared. The old password is dead before this begins, so no destination waits for another:
what cannot be served is named, and all others are served. The next run delivers the rest, with the password that the
record holds then. Which destination holds which password is noted in rotation_state, without a secret.

Field that names the destinations: deliver_to. All others are optional: docs/publish-password.md.
Permission of the admin credential: what its destinations ask for, docs/permissions.md.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
from dataclasses import replace
from functools import partial

from gateway.deliveries.addresses import read_destinations
from gateway.deliveries.base import Delivery, DeliveryContext, Denied, Destination
from gateway.deliveries.distribution import Deliveries
from gateway.engine.gathered import RunContext
from gateway.engine.prepare import azure_for, destinations_of
from gateway.errors import PERMISSION_HINT, CallError, Failed, Incomplete, Refused, RotationError
from gateway.host.background import Background
from gateway.host.lock import RecordLock
from gateway.host.report import Report
from gateway.keeper.admin import AdminSearch
from gateway.keeper.checks import check_editable, check_labels, check_script, read_record
from gateway.keeper.parameters import Params
from gateway.keeper.save import Labels, Save
from gateway.keeper.value_template import rendered
from gateway.kinds.registry import PUBLISHED_PASSWORD
from gateway.model.ledger import Ledger, read_ledger
from gateway.model.policy import read_policy
from gateway.secret import Secret

log = logging.getLogger("gateway")

# A record that is rotated again while its password is delivered is looked at this often.
_MOST_PASSES = 3
# What a destination answers when it is looked at, and takes a value all the same.
_TAKES_ALL_THE_SAME = "SecretDisabled"
# https://docs.keeper.io/en/keeperpam/privileged-access-manager/password-rotation/post-rotation-scripts/rotation-rollback
_ROLLBACK, _RERUN = "Rollback On Post Rotation Fail", "Re-run On Post Rotation Fail"
_REVERSE = "Reverse Params On Re-run"
_SETTINGS_HINT = f"turn off {_ROLLBACK}, or turn on {_RERUN} and {_REVERSE} as well"
_ROLLED_BACK = (
    "the record holds the old password, though an earlier run delivered the new one: the Gateway may have rolled the "
    "rotation back, so the record's password was delivered"
)


class Publication:
    """One delivery of one record's new password. ``has_written`` tells whether anything was sent to a destination.

    Keeper makes the password, so nothing is revoked here.

    Raises:
        Failed: the record or what it asks for cannot be used.
        CallError
    """

    has_written = False
    forgets_revoke = False

    def __init__(self, params: Params, run: RunContext, report: Report) -> None:
        self._params = params
        self._run = run
        self._report = report
        self._lock = RecordLock(run.settings.lock_dir, params.record_uid)
        self.record = read_record(run.vault, params.record_uid)
        self._search = AdminSearch(params, self.record, run.vault, run.settings.cloud)
        self._refused: dict[Destination, Failed] = {}
        self._doubts: list[Failed] = []

    def run(self) -> str:
        """Deliver, compare, and note it. Raises RotationError, CallError."""
        policy = read_policy(self.record.value)
        if not policy.enabled:
            return "disabled"
        self._warn(check_labels(self.record, PUBLISHED_PASSWORD, by_hand=self._params.by_hand))
        self._warn(self._rollback_warnings())
        self._warn(["rotate_now: Keeper itself makes this password; press Rotate in the record"] * policy.rotate_now)
        check_editable(self.record)
        check_script(self.record, PUBLISHED_PASSWORD)
        password = self._password()
        destinations = self._destinations()
        if not destinations:
            raise Failed("deliver_to is empty: no destination is configured", "add the destinations, one a line")
        context = self._context(destinations)
        self._check([each for each in destinations if each not in self._refused], context)
        try:
            return self._publish_newest(password, destinations, context)
        except (Failed, CallError) as error:
            if not self.has_written:
                raise
            raise Incomplete(str(error), error.hint) from None

    def _destinations(self) -> list[Destination]:
        """Those in Keeper are served, whatever keeps us from Azure: `_context` says what does."""
        deliver_to = self.record.value("deliver_to")
        try:
            return destinations_of(self._search, deliver_to)
        except (Failed, CallError):
            return read_destinations(deliver_to, self._search.host_cloud)

    def _publish_newest(self, password: Secret, destinations: list[Destination], context: DeliveryContext) -> str:
        for _ in range(_MOST_PASSES):
            left = self._publish(password, destinations, context)
            # Where nothing was sent, nobody has an older one from us.
            newer = self._newer(password, left) if self.has_written else None
            if not newer:
                return self._ended(left)
            log.info("the password was rotated again meanwhile: the newer one is delivered")
            password = newer
        raise Incomplete("the password is rotated faster than it can be delivered", "the next run delivers it")

    def _ended(self, left: list[Failed]) -> str:
        left = left + self._doubts
        if not left:
            return "published"
        what = "; ".join(dict.fromkeys(map(str, left)))
        hint = "; ".join(dict.fromkeys(error.hint for error in left if error.hint))
        if self.has_written:
            raise Incomplete(what, hint or "the next run delivers it")
        raise Failed(what, hint or "run it again")

    def _publish(self, password: Secret, destinations: list[Destination], context: DeliveryContext) -> list[Failed]:
        ledger = read_ledger(self.record.value("rotation_state"), self.record.uid)
        salt = ledger.target or secrets.token_hex(16)
        value = rendered(self.record, self.record.value("login"), password)
        ledger = replace(ledger, target=salt, key_id=_fingerprint(value, salt))
        delivery = Delivery(ledger.key_id, value, None)
        return self._deliver(destinations, Deliveries(destinations, ledger.holds, context), ledger, delivery)

    def _newer(self, delivered: Secret, left: list[Failed]) -> Secret | None:
        """What another rotation put into the record meanwhile, for ours may have come last."""
        try:
            self.record = read_record(self._run.vault, self._params.record_uid)
        except (RotationError, CallError) as error:
            what = f"whether the password was rotated again meanwhile cannot be told: {error}"
            left.append(Failed(what, error.hint))
            return None
        saved = Secret(self.record.value_of_type("password"))
        known = (delivered, self._params.new_password, self._params.old_password)
        return None if saved in known or not saved else saved

    def _password(self) -> Secret:
        """The password that Keeper has set; the Gateway saves it before or after it runs the script."""
        new, old = self._params.new_password, self._params.old_password
        saved = Secret(self.record.value_of_type("password"))
        if not new:
            raise Failed("stdin: 'newPassword' is missing", "attach the script to a record that Keeper rotates")
        if saved not in (new, old):
            raise Failed(
                "the record's password is neither the new nor the old one that the Gateway passes",
                "this script is for records that Keeper rotates itself: remove the field NOOP, or rotate again",
            )
        if saved == new or not self._was_delivered(new):
            return new
        self._doubts = [Failed(_ROLLED_BACK, _SETTINGS_HINT)]
        return saved

    def _was_delivered(self, password: Secret) -> bool:
        """Whether an earlier run delivered this one last."""
        ledger = read_ledger(self.record.value("rotation_state"), self.record.uid)
        value = rendered(self.record, self.record.value("login"), password)
        return bool(ledger.target) and ledger.key_id == _fingerprint(value, ledger.target)

    def _rollback_warnings(self) -> list[str]:
        """Keeper's settings of a rollback: the user's record counts, else the resource, else the configuration."""
        configuration = self._params.configuration_uid
        attached = sorted(self._params.attached, key=lambda each: each.uid == configuration)
        sources = [self.record.value, *(each.get for each in attached)]

        def is_set(label: str) -> bool:
            return next((text for get in sources if (text := get(label).strip().upper())), "") == "TRUE"

        if not is_set(_ROLLBACK) or (is_set(_RERUN) and is_set(_REVERSE)):
            return []
        return [f"{_ROLLBACK} is on: a destination may keep a password that the Gateway takes back; {_SETTINGS_HINT}"]

    def _context(self, destinations: list[Destination]) -> DeliveryContext:
        run, params = self._run, self._params
        try:
            azure = azure_for(destinations, self._search, run.http)
        except (Failed, CallError) as error:
            azure, problem = None, Failed(str(error), error.hint)
            self._refused |= {each: problem for each in destinations if not each.keeper_record}
        form, versions = PUBLISHED_PASSWORD.delivery_form, any(each.holds_versions for each in destinations)
        context = DeliveryContext(
            run.http, run.deadline, azure, run.vault, params.attached, self.record.uid, form, versions
        )
        return replace(context, admin_records=self._search.records())

    def _check(self, destinations: list[Destination], context: DeliveryContext) -> None:
        """Find out who cannot be served. Half of the time is for that, so that one who hangs leaves time for others."""
        deadline = self._run.deadline
        reserve = deadline.for_work() / 2
        served = read_ledger(self.record.value("rotation_state"), self.record.uid).holds
        for each, running in [(each, Background(partial(each.check, context))) for each in destinations]:
            try:
                self._warn(running.result(max(0.0, deadline.for_work() - reserve)))
            except Exception as error:
                if isinstance(error, Denied) and each.address in served:
                    self._warn([f"{error}; it was delivered to before, so it is tried"])
                elif problem := _refusal(each, error):
                    self._refused[each] = problem

    def _warn(self, warnings: list[str]) -> None:
        self._report.warnings += [each for each in warnings if each not in self._report.warnings]

    def _deliver(
        self, destinations: list[Destination], deliveries: Deliveries, ledger: Ledger, delivery: Delivery
    ) -> list[Failed]:
        before, report = dict(deliveries.holds), self._report
        report.key_id = delivery.key_id
        compared = [each.address for each in destinations if each.reads_back]
        # What can be compared is compared every time, whatever was noted before.
        serving = [each for each in destinations if each.reads_back or each in deliveries.open(delivery.generation)]
        serving = [each for each in serving if each not in self._refused]
        self.has_written |= self._sends(serving, deliveries.holding(delivery.generation))
        failures = [*self._refused.items(), *deliveries.serve(delivery, serving)]
        failed = [destination.address for destination, _ in failures]
        report.delivered = [each for each in deliveries.holding(delivery.generation) if each not in failed]
        report.pending = [destination.address for destination, _ in failures]
        self._warn([*deliveries.warnings, *(str(error) for each, error in failures if each.optional)])
        for address in report.delivered:
            log.info("identical in Keeper and at %s" if address in compared else "delivered to %s", address)
        left = [error for destination, error in failures if not destination.optional]
        if deliveries.holds != before:
            left += self._note(replace(ledger, holds=deliveries.holds))
        if report.delivered and not left:
            report.proved = "identical" if set(report.delivered) & set(compared) else "delivered"
        return left

    def _sends(self, serving: list[Destination], holding: list[str]) -> bool:
        """Whether anything is sent: who hands on the address of a secret that is refused only waits for it."""
        waits = not holding and any(each.holds_versions and not each.optional for each in self._refused)
        return any(not (waits and each.needs_key_vault) for each in serving)

    def _note(self, ledger: Ledger) -> list[Failed]:
        labels = Labels("login", "rotation_state", "rotation_state")
        values = {"rotation_state": ledger.text(self.record.uid)}
        try:
            Save(self._run.vault, self._run.deadline, self.record, values, labels, lambda record: False).run()
        except (RotationError, CallError) as error:
            return [Failed(f"what was delivered could not be noted in the record: {error}", error.hint)]
        return []


def _refusal(destination: Destination, error: Exception) -> Failed | None:
    """Why this destination cannot be served; None where it only could not be asked: then delivering is tried."""
    if not isinstance(error, (RotationError, CallError)):
        return None
    if isinstance(error, CallError) and error.worth_another_try():
        return None
    if isinstance(error, Refused) and error.code == _TAKES_ALL_THE_SAME:
        return None
    what = str(error) if destination.address in str(error) else f"{destination.address}: {error}"
    return Failed(what, destination.rights if error.hint == PERMISSION_HINT else error.hint)


def _fingerprint(value: Secret, salt: str) -> str:
    """A name for this value that tells nothing of it: keyed, and the key stays in the record."""
    return hmac.new(salt.encode(), value.reveal().encode(), hashlib.sha256).hexdigest()[:32]

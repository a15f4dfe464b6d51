"""A password that Keeper itself has rotated, handed to everyone who needs it, and compared on both sides.

The old password is dead before this begins, so nothing has to be kept alive for anybody: what cannot be delivered now
is delivered by the next run, always with the password that the record holds by then.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
from dataclasses import replace
from datetime import UTC, datetime

from gateway.admin import Places
from gateway.credential import HandOver
from gateway.deliveries.base import Delivery, Destination, Reach
from gateway.deliveries.kinds import read_destinations
from gateway.delivering import Deliveries
from gateway.errors import CallError, Failed, Incomplete, RotationError
from gateway.fields import PASSWORD
from gateway.ledger import Ledger, read_ledger
from gateway.lock import RecordLock
from gateway.params import Params
from gateway.policy import read_policy
from gateway.preparation import Host, azure_for, check_record, read_record
from gateway.report import Report
from gateway.saving import Labels, Save
from gateway.secret import Secret
from gateway.template import rendered

log = logging.getLogger("gateway")

# A record that is rotated again while its password is delivered is looked at this often.
_MOST_PASSES = 3
_HAND_OVER = HandOver({}, "", "password", "Password")


class Publication:
    """One delivery of one record's new password.

    Raises:
        Failed: the record or what it asks for cannot be used.
        CallError
    """

    has_written = False

    def __init__(self, params: Params, host: Host, report: Report) -> None:
        self._params = params
        self._host = host
        self._report = report
        self._lock = RecordLock(host.settings.lock_dir, params.record_uid)
        self.record = read_record(host.vault, params.record_uid)

    def run(self) -> str:
        """Deliver, compare, and note it. Raises RotationError, CallError."""
        policy = read_policy(self.record.value)
        if not policy.enabled:
            return "disabled"
        check_record(self.record, PASSWORD)
        password = self._password()
        destinations = read_destinations(self.record.value("deliver_to"), policy.cloud)
        if not destinations:
            raise Failed("deliver_to is empty: nobody is to get the password", "name the destinations, one a line")
        reach = self._reach(destinations)
        for _ in range(_MOST_PASSES):
            self._publish(password, destinations, reach)
            newer = self._newer(password)
            if not newer:
                return "published"
            log.info("the password was rotated again meanwhile: the newer one is delivered")
            password = newer
        raise Incomplete("the password is rotated faster than it can be delivered", "the next run delivers it")

    def _publish(self, password: Secret, destinations: list[Destination], reach: Reach) -> None:
        ledger = read_ledger(self.record.value("rotation_state"), self.record.uid)
        salt = ledger.target or secrets.token_hex(16)
        value = rendered(self.record, self.record.value("login"), password)
        ledger = replace(ledger, target=salt, key_id=_fingerprint(value, salt))
        delivery = Delivery(ledger.key_id, value, datetime.max.replace(tzinfo=UTC))
        self._deliver(destinations, Deliveries(destinations, ledger.holds, reach), ledger, delivery)

    def _newer(self, delivered: Secret) -> Secret | None:
        """What another rotation put into the record meanwhile, for ours may have come last. Raises CallError."""
        self.record = read_record(self._host.vault, self._params.record_uid)
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
        return new

    def _reach(self, destinations: list[Destination]) -> Reach:
        host, params = self._host, self._params
        policy = read_policy(self.record.value)
        azure = azure_for(destinations, Places(params, self.record, host.vault), host.http, policy.cloud)
        versions = any(each.holds_versions for each in destinations)
        return Reach(host.http, azure, host.vault, params.attached, self.record.uid, _HAND_OVER, versions)

    def _deliver(
        self, destinations: list[Destination], deliveries: Deliveries, ledger: Ledger, delivery: Delivery
    ) -> None:
        before, report = dict(deliveries.holds), self._report
        report.key_id = delivery.key_id
        compared = [each.address for each in destinations if each.reads_back]
        # What can be compared is compared every time, whatever was noted before.
        serving = [each for each in destinations if each.reads_back or each in deliveries.open(delivery.generation)]
        failures = deliveries.serve(delivery, serving)
        failed = [destination.address for destination, _ in failures]
        report.delivered = [each for each in deliveries.holding(delivery.generation) if each not in failed]
        report.pending = [destination.address for destination, _ in failures]
        report.warnings += [*deliveries.warnings, *(str(error) for each, error in failures if each.optional)]
        for address in report.delivered:
            log.info("identical in Keeper and at %s" if address in compared else "delivered to %s", address)
        left = [error for destination, error in failures if not destination.optional]
        if deliveries.holds != before:
            left += self._note(replace(ledger, holds=deliveries.holds))
        if left:
            hints = dict.fromkeys(error.hint for error in left if error.hint)
            raise Incomplete("; ".join(map(str, left)), "; ".join(hints) or "the next run delivers it")
        report.proved = "identical" if set(report.delivered) & set(compared) else "delivered"

    def _note(self, ledger: Ledger) -> list[Failed]:
        labels = Labels("login", "rotation_state", "rotation_state")
        values = {"rotation_state": ledger.text(self.record.uid)}
        try:
            Save(self._host.vault, self._host.http.deadline, self.record, values, labels, lambda key_id: False).run()
        except (RotationError, CallError) as error:
            return [Failed(f"what was delivered could not be noted in the record: {error}", error.hint)]
        return []


def _fingerprint(value: Secret, salt: str) -> str:
    """A name for this value that tells nothing of it: keyed, and the key stays in the record."""
    return hmac.new(salt.encode(), value.reveal().encode(), hashlib.sha256).hexdigest()[:32]

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
from gateway.ledger import Ledger, read_ledger
from gateway.lock import RecordLock
from gateway.params import Params
from gateway.policy import read_policy
from gateway.preparation import Host, azure_for, read_record
from gateway.report import Report
from gateway.saving import Labels, Save
from gateway.secret import Secret
from gateway.template import rendered

log = logging.getLogger("gateway")

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
        password = self._password()
        destinations = read_destinations(self.record.value("deliver_to"), policy.cloud)
        if not destinations:
            raise Failed("deliver_to is empty: nobody is to get the password", "name the destinations, one a line")
        ledger = read_ledger(self.record.value("rotation_state"), self.record.uid)
        value = rendered(self.record, self.record.value("login"), password)
        key_id = self._fingerprint(value, ledger)
        deliveries = Deliveries(destinations, ledger.holds, self._reach(destinations))
        return self._deliver(deliveries, ledger, Delivery(key_id, value, datetime.max.replace(tzinfo=UTC)))

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

    def _fingerprint(self, value: Secret, ledger: Ledger) -> str:
        """A name for this value that tells nothing of it: keyed, and the key stays in the record."""
        self._salt = ledger.target or secrets.token_hex(16)
        return hmac.new(self._salt.encode(), value.reveal().encode(), hashlib.sha256).hexdigest()[:32]

    def _reach(self, destinations: list[Destination]) -> Reach:
        host, params = self._host, self._params
        policy = read_policy(self.record.value)
        azure = azure_for(destinations, Places(params, self.record, host.vault), host.http, policy.cloud)
        versions = any(each.holds_versions for each in destinations)
        return Reach(host.http, azure, host.vault, params.attached, self.record.uid, _HAND_OVER, versions)

    def _deliver(self, deliveries: Deliveries, ledger: Ledger, delivery: Delivery) -> str:
        before, report = dict(deliveries.holds), self._report
        report.key_id = delivery.key_id
        failures = deliveries.serve(delivery, deliveries.open(delivery.key_id))
        report.delivered = [address for address, key_id in deliveries.holds.items() if key_id == delivery.key_id]
        report.pending = [destination.address for destination, _ in failures]
        report.warnings += [*deliveries.warnings, *(str(error) for each, error in failures if each.optional)]
        for address in report.delivered:
            log.info("identical in Keeper and at %s", address)
        left = [error for destination, error in failures if not destination.optional]
        if deliveries.holds != before:
            left += self._note(replace(ledger, target=self._salt, key_id=delivery.key_id, holds=deliveries.holds))
        if left:
            hints = dict.fromkeys(error.hint for error in left if error.hint)
            raise Incomplete("; ".join(map(str, left)), "; ".join(hints) or "the next run delivers it")
        report.proved = "identical"
        return "published"

    def _note(self, ledger: Ledger) -> list[Failed]:
        labels = Labels("login", "rotation_state", "rotation_state")
        values = {"rotation_state": ledger.text(self.record.uid)}
        try:
            Save(self._host.vault, self._host.http.deadline, self.record, values, labels, lambda key_id: False).run()
        except (RotationError, CallError) as error:
            return [Failed(f"what was delivered could not be noted in the record: {error}", error.hint)]
        return []

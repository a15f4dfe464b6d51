"""A field of another Keeper record, such as the PAM configuration that holds the same secret.

Permission: the Gateway's application may edit that record, which names ours in its field receives_from.
"""

from __future__ import annotations

import re
from difflib import get_close_matches

from gateway.deliveries.base import Delivery, DeliveryContext, Denied, Destination, Receipt, refuse
from gateway.errors import CallError, Failed, Refused, Unclear
from gateway.keeper.record import VaultRecord
from gateway.model.clouds import Cloud
from gateway.model.fields import is_order

_TRIES = 4
_NEAR = 0.75  # as difflib counts


class KeeperField(Destination):
    """One field, by its label, of one record."""

    rights = "give the Gateway's application the right to edit in that record's folder"
    example = "keeper:<record uid>#<field label>"
    reads_back = True

    def __init__(self, uid: str, label: str, optional: bool) -> None:
        super().__init__(f"keeper:{uid}#{label}", optional)
        self.keeper_record, self.label = uid, label

    @classmethod
    def recognise(cls, text: str, cloud: Cloud, optional: bool) -> Destination | None:
        """``keeper:`` in front tells it."""
        if not text.lower().startswith("keeper:"):
            return None
        found = re.fullmatch(r"keeper:(?://)?([A-Za-z0-9_-]{22})#(.+)", text, re.IGNORECASE)
        if not found:
            raise refuse(text, "is not a field of a Keeper record", cls.example)
        return cls(found.group(1), found.group(2).strip(), optional)

    def check(self, context: DeliveryContext) -> list[str]:
        """The record agrees to it, can be edited, and has the field, which is hidden."""
        if self.keeper_record == context.record_uid:
            raise Failed(f"{self.address}: this is the record that is rotated", "remove the line from deliver_to")
        record = self._read_agreed(context)
        if not record.editable:
            raise Failed(
                f"{self.address}: the record is read-only for the Gateway's application",
                "give the application the right to edit in its folder",
            )
        if not record.hides(self.label):
            raise Denied(f"{self.address}: the field is not hidden", "make it a Hidden Field: it shows the secret")
        return []

    def deliver(self, context: DeliveryContext, delivery: Delivery) -> Receipt:
        """Only this field of a fresh copy is changed; an edit of somebody else at the same time survives."""
        wanted = delivery.value.reveal()
        error: CallError | None = None
        revision: int | None = None
        for attempt in range(_TRIES):
            if attempt:
                context.deadline.pause(context.deadline.retry_base)
            record = self._read_agreed(context)
            if record.value(self.label) == wanted:
                return Receipt()
            if isinstance(error, Refused) and record.revision == revision:
                raise error
            revision = record.revision
            record.replace(self.label, wanted)
            try:
                context.vault.save(record)
            except CallError as failure:
                error = failure
        if self._read(context).value(self.label) != wanted:
            raise error or Unclear(self.address, "the record does not show what was saved")
        return Receipt()

    def shows(self, context: DeliveryContext, delivery: Delivery) -> bool | None:
        """Whether the field holds this value; None where it cannot be read."""
        try:
            return self._read(context).value(self.label) == delivery.value.reveal()
        except (Failed, CallError):
            return None

    def _read_agreed(self, context: DeliveryContext) -> VaultRecord:
        """The record, which may be written to. Raises Failed, CallError."""
        remove = "remove the line from deliver_to"
        if self.keeper_record in context.admin_records:
            raise Failed(f"{self.address}: the admin credential comes from this record, and would be lost", remove)
        if is_order(self.label):
            what = f"{self.address}: scripts read a field of this name for what to do, so no secret is put there"
            raise Failed(what, "name a field of another label")
        record = self._of_vault(context)
        agrees = context.record_uid in re.split(r"[\s,]+", record.value("receives_from"))
        if not agrees and self.address not in context.agreed:
            what = f"{self.address}: the record does not name the one that is rotated in its field receives_from"
            line = f"let who may edit record {self.keeper_record} add this line to its field receives_from"
            raise Failed(what, f"{line}: {context.record_uid}")
        self._check_label(record)
        return record

    def _read(self, context: DeliveryContext) -> VaultRecord:
        record = self._of_vault(context)
        self._check_label(record)
        return record

    def _of_vault(self, context: DeliveryContext) -> VaultRecord:
        record = context.vault.read([self.keeper_record]).get(self.keeper_record)
        if record is None:
            what = f"{self.address}: record {self.keeper_record} cannot be read"
            raise Failed(what, "correct the uid, or share the record with the Gateway's application")
        return record

    def _check_label(self, record: VaultRecord) -> None:
        """The record has the field. Which others it has is told to those alone whom it agrees to."""
        if record.has(self.label):
            return
        there = list(dict.fromkeys(label for label, _ in record.fields_in_order() if label))
        near = get_close_matches(self.label.casefold(), {each.casefold(): each for each in there}, 1, _NEAR)
        meant = next((each for each in there if near and each.casefold() == near[0]), "")
        hint = f"write #{meant}: labels are matched exactly" if meant else "labels are matched exactly"
        named = f"; it has {', '.join(there)}" if there else "; it has no field"
        raise Failed(f"{self.address}: the record has no field with this label{named}", hint)

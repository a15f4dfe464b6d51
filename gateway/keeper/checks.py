"""What a record must be like before anything is done for it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gateway.errors import Failed
from gateway.keeper.record import ReadsRecords, VaultRecord
from gateway.model.kind_facts import KindFacts
from gateway.model.ledger import Ledger, read_ledger
from gateway.secret import Secret

# Of a client secret Entra shows the first three characters.
_TELLING = 3


def read_record(vault: ReadsRecords, uid: str) -> VaultRecord:
    """The PAM User record with this uid.

    Raises:
        Failed: it cannot be read, is no PAM User, or a field is longer than any that works.
        CallError
    """
    record = vault.read([uid]).get(uid)
    if record is None:
        raise Failed(
            f"record {uid} cannot be read",
            "share its folder with the Gateway's application (Secrets Manager, Applications, Edit)",
        )
    if problems := record.too_long():
        raise Failed.each(problems, "shorten these fields of the PAM User record in the vault")
    if record.type != "pamUser":
        hint = "convert it to PAM User in the vault, or name the PAM User record"
        raise Failed(f"record {uid} is of type {record.type}, not PAM User", hint)
    return record


def check_script(record: VaultRecord, facts: KindFacts) -> None:
    """The script that runs is the one of this record's kind. Raises Failed."""
    if facts.target and record.value(facts.target).strip():
        return
    for label, script in facts.other_targets.items():
        if record.value(label).strip():
            hint = f"attach {script} to it instead" if script else "nothing rotates it: detach the script"
            raise Failed(f"record {record.uid} has {label}: {facts.script} is not the script for it", hint)


def check_alone(record: VaultRecord, facts: KindFacts) -> None:
    """It has a target of this kind, or stands for nothing yet: else what is published of that would be overwritten.

    Raises:
        Failed
    """
    if others := facts.used_for(record.value):
        raise Failed(
            f"record {record.uid} is for another target: it has {', '.join(others)}",
            f"name another record for {facts.target}: one record is for one target",
        )


def check_labels(record: VaultRecord, facts: KindFacts, *, by_hand: bool) -> list[str]:
    """A wish that is misspelt must not be passed over: it may be the one that spares a secret.

    What may be misspelt or a field of the owner's ends the first run of a record, and those by hand. Later it is one of
    the warnings that are returned: nobody is there to rename it, and what has worked goes on.

    Raises:
        Failed
    """
    wrong, doubtful = record.misspelt_labels(facts.inputs()), record.doubtful_labels(facts.inputs())
    hint = "labels are matched exactly: rename these fields in the vault"
    if doubtful and (by_hand or read_ledger(record.value("rotation_state"), record.uid) == Ledger()):
        wrong |= doubtful
        hint += f"; if the name is intended, also add an empty field named {', '.join(doubtful.values())}"
    if wrong:
        named = ", ".join(f"{label!r} is not {right!r}" for label, right in wrong.items())
        raise Failed(f"field labels: {named}", hint)
    return [f"field label {label!r} looks like {right!r} and is ignored" for label, right in doubtful.items()]


def check_noop(record: VaultRecord) -> list[str]:
    """The warning that is due where Keeper itself may rotate it, too."""
    if record.value("NOOP").strip().lower() == "true":
        return []
    what = "NOOP is not True: the Gateway may try to change a password of its own making before the script runs"
    return [f"{what}; add the field NOOP with the value True"]


@dataclass(frozen=True)
class Copies:
    """Where an app's own secret is kept, as ``uid#label``. ``known``: with those that may hold a former one of it."""

    same: tuple[str, ...]
    known: frozenset[str]


def copies_of(vault: ReadsRecords, secret: Secret, hints: Iterable[str]) -> Copies:
    """The fields with this value, in all records that can be read.

    Args:
        hints: how its other living secrets begin: one of them lies where a delivery has failed.

    Raises:
        CallError
    """
    begins = tuple(hint for hint in hints if len(hint) >= _TELLING)
    fields = [
        (f"{each.uid}#{label}", text) for each in vault.read([]).values() for label, text in each.fields_in_order()
    ]
    same = tuple(name for name, text in fields if text.strip() == secret.reveal().strip())
    return Copies(same, frozenset({*same, *(name for name, text in fields if text.startswith(begins))}))


def check_editable(record: VaultRecord) -> None:
    """What is done must be noted in it. Raises Failed."""
    if not record.editable:
        raise Failed(
            f"record {record.uid} is read-only for the Gateway's application",
            "give the application the right to edit in the shared folder",
        )

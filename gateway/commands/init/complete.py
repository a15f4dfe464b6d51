"""A MongoDB user, or a password that Keeper rotates: the record is there, and gets the fields that a rotation reads.

The password is in the vault already, and passes through no command line.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from types import SimpleNamespace

from gateway.commands.batch import DAILY
from gateway.commands.init.ask import ask, choose, confirm, similar
from gateway.commands.init.given import Given
from gateway.commands.outlook import kind_of
from gateway.commands.plan.rehearsal import How
from gateway.commands.shared.interrupt import finish_on_signals
from gateway.commands.shared.new_records import NOOP
from gateway.commands.shared.output import note
from gateway.deliveries.addresses import read_destinations
from gateway.errors import Failed
from gateway.host.deadline import Deadline
from gateway.host.http import Http
from gateway.host.lock import RecordLock
from gateway.host.settings import read_settings
from gateway.keeper.admin import AdminSearch
from gateway.keeper.checks import check_alone, check_editable, check_script, read_record
from gateway.keeper.config import find_ksm_config
from gateway.keeper.parameters import gateway_line, read_params
from gateway.keeper.record import ReadsRecords, VaultRecord
from gateway.keeper.save import Labels, Save
from gateway.keeper.vault import Vault
from gateway.kinds.registry import MONGODB_USER, PUBLISHED_PASSWORD
from gateway.model.clouds import CLOUDS
from gateway.model.kind_facts import KindFacts

_LABELS = Labels("login", "rotation_state", "rotation_state")


def complete(given: Given) -> tuple[str, How | None]:
    """Give the record its fields, and write the lines for Commander; its uid, and how it is rotated.

    Raises:
        Failed: nothing was changed.
        Incomplete: the record has its fields, and the lines cannot be written.
        Unknown: it may have them.
        CallError
    """
    return Completion(given).run()


class Completion:
    """One record on its way to a rotation. Raises Failed, CallError."""

    def __init__(self, given: Given) -> None:
        self._given, self._settings = given, read_settings()
        self._facts: KindFacts = MONGODB_USER if given.kind == "mongodb" else PUBLISHED_PASSWORD
        self._asks = not all(given.needed().values())
        self._deadline = Deadline(self._settings.deadline, self._settings.retry_base)
        http = Http(self._settings.request_timeout, self._deadline)
        finish_on_signals(http, self._deadline)
        self._vault = Vault(find_ksm_config(), http)
        self._visible = self._vault.read([])

    def run(self) -> tuple[str, How | None]:
        """As `complete`."""
        given, is_mongodb = self._given, self._facts is MONGODB_USER
        configuration_uid = given.file().resolved(self._visible) if is_mongodb else ""
        with self._deadline.standing_still():
            uid = self._uid()
            self._ask(self._checked(SimpleNamespace(read=lambda uids: self._visible), uid))
        given.file().check()
        record = self._save(uid)
        given.file().write([(uid, record.title, self._facts)], configuration_uid)
        what = "its script and its schedule" if is_mongodb else "its script"
        note(f"lines that attach {what} written to {given.batch}")
        how = How((given.credential_uid,) if given.credential_uid else (), configuration_uid)
        return uid, how if is_mongodb else None

    def _ask(self, record: VaultRecord) -> None:
        """What is missing, and whether it is to be done. Raises Failed, click.Abort."""
        values = self._wanted(record)
        self._given.batch = self._given.batch or ask(
            "Write the lines for Keeper Commander to", f"{self._given.kind}.batch"
        )
        if self._asks:
            confirm(f"Add {', '.join(values)} to the record {record.title!r}" if values else "Write the lines")

    def _wanted(self, record: VaultRecord) -> dict[str, str]:
        """The fields that it lacks. Raises Failed."""
        return self._of_mongodb(record) if self._facts is MONGODB_USER else self._of_a_password(record)

    def _checked(self, vault: ReadsRecords, uid: str) -> VaultRecord:
        """The record, as it reads there. Raises Failed, CallError."""
        record = read_record(vault, uid)
        check_editable(record)
        if record.scripts():
            hint = f"keeper-rotation check {uid} shows what its next run would do"
            raise Failed(f"record {uid} has a script already", f"{hint}; nothing was changed")
        check_alone(record, self._facts) if self._facts is MONGODB_USER else _check_published(record)
        if missing := [label for label in ("login", "password") if not record.value(label)]:
            raise Failed(f"record {uid} has no {' and no '.join(missing)}", "fill in the user's login and password")
        return record

    def _uid(self) -> str:
        """Of the record that is named by its uid or title, or chosen. Raises Failed."""
        users = [each for each in self._visible.values() if each.type == "pamUser"]
        if not (name := self._given.target):
            free = [each for each in users if kind_of(each) in (None, self._facts) and not each.scripts()]
            named = [(f"{each.title}  {each.value('login')}  {each.uid}", each.uid) for each in free]
            return choose("PAM User record", sorted(named))
        found = [each for each in users if each.title.casefold() == name.casefold() and each.uid != name]
        if len(found) > 1:
            uids = ", ".join(each.uid for each in found)
            raise Failed(f"--target {name!r}: several records have this title: {uids}", "give the uid of one of them")
        if not found and name not in self._visible:
            hint = "give the record's uid, or share its folder with the application of this host"
            what = f"--target {name!r}: no PAM User record that can be read has this uid or title"
            raise Failed(what, hint + similar(name, (each.title for each in users)))
        return found[0].uid if found else name

    def _of_mongodb(self, record: VaultRecord) -> dict[str, str]:
        """Checked as far as it can be without the server; the plan asks that one. Raises Failed."""
        from gateway.kinds.mongodb_user import MongoDBUser
        from gateway.mongodb.address import Address, Admitted

        given = self._given
        given.credential_uid = given.credential_uid or self._administrator()
        if not given.mongodb_uri:
            given.mongodb_uri = ask("The server's address, as mongodb://host.example:27017/?tls=true")
            given.auth_database = given.auth_database or ask("The database that the user belongs to", "admin")
        line = gateway_line(self._visible, record.uid, [given.credential_uid], given.configuration_uid, by_hand=True)
        search = AdminSearch(read_params(io.BytesIO(line)), record, self._vault, self._settings.cloud)
        Address(given.mongodb_uri, Admitted.by(MongoDBUser.choose_admin(search)))
        database = {"auth_database": given.auth_database} if given.auth_database else {}
        wanted = {MONGODB_USER.target: given.mongodb_uri} | database
        if others := [label for label, text in wanted.items() if record.value(label) not in ("", text)]:
            hint = f"leave these options out of the command, or correct the record {record.uid}"
            raise Failed(f"the record says something else in {', '.join(others)}", f"{hint}; nothing was changed")
        return _lacking(record, wanted | NOOP | DAILY, self._with_lines(record))

    def _administrator(self) -> str:
        found = [each for each in self._visible.values() if each.value("mongodb_hosts").strip()]
        return choose("administrator's record with mongodb_hosts", [(f"{e.title}  {e.uid}", e.uid) for e in found])

    def _of_a_password(self, record: VaultRecord) -> dict[str, str]:
        if not (self._given.deliver_to or record.value("deliver_to").strip()):
            self._given.deliver_to = (ask("A destination, as https://my-vault.vault.azure.net/secrets/NAME"),)
        return _lacking(record, {}, self._with_lines(record))

    def _with_lines(self, record: VaultRecord) -> dict[str, str]:
        """``deliver_to`` with the lines that are asked for. Raises Failed: one is no address."""
        lines = record.value("deliver_to").splitlines()
        wanted = "\n".join([*lines, *(each for each in self._given.deliver_to if each not in lines)])
        read_destinations(wanted, CLOUDS[self._given.cloud])
        return {"deliver_to": wanted} if self._given.deliver_to else {}

    def _save(self, uid: str) -> VaultRecord:
        """As it reads now, with what it lacks; no other run on this host works on it. Raises Failed, Unknown."""
        held = RecordLock(self._settings.lock_dir, uid)
        record = self._checked(self._vault, uid)
        if values := self._wanted(record):
            Save(self._vault, self._deadline, record, values, _LABELS, lambda _: False).run()
        del held
        note(f"record {uid} has {', '.join(values)} now" if values else f"record {uid} has its fields already")
        return record


def _check_published(record: VaultRecord) -> None:
    check_script(record, PUBLISHED_PASSWORD)
    if record.value("NOOP").strip().lower() == "true":
        what = f"record {record.uid} has NOOP = True: Keeper does not rotate its password"
        raise Failed(what, "name a record that Keeper rotates, or remove the field NOOP")


def _lacking(record: VaultRecord, wanted: Mapping[str, str], lines: Mapping[str, str]) -> dict[str, str]:
    """What the record does not say yet; a field that a person has filled in stays."""
    new = {label: text for label, text in wanted.items() if not record.value(label).strip()}
    return new | {label: text for label, text in lines.items() if record.value(label) != text}

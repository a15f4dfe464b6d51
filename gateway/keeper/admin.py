"""Which application rotates: the admin credential, from the first of `SOURCES` that has one."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gateway.errors import Failed
from gateway.keeper.parameters import Params
from gateway.keeper.record import AttachedRecord, ReadsRecords, VaultRecord
from gateway.model.credential import AdminCredential, read_stamp
from gateway.secret import Secret


@dataclass(frozen=True)
class AdminSearch:
    """Where admin credentials are looked for. ``record``: the target's; None where there is none."""

    params: Params
    record: VaultRecord | None
    vault: ReadsRecords

    def is_target(self, attached: AttachedRecord) -> bool:
        """Whether this is the target's own record, which the Gateway always hands over as well."""
        return attached.uid == self.params.record_uid

    def hands_target_over_twice(self) -> bool:
        """Once as the record that is rotated, and once as a credential."""
        return len([attached for attached in self.params.attached if self.is_target(attached)]) > 1


def attached_record(search: AdminSearch) -> AdminCredential | None:
    """A record attached to the script: ``application_client_id``, ``client_secret``, ``tenant_id``."""
    for attached in attached_credentials(search.params):
        return _by_labels(attached.get, f"attached record {attached.uid}", attached.uid)
    return None


def attached_credentials(params: Params) -> list[AttachedRecord]:
    """The attached records that are meant as admin credentials; the first is used."""
    others = (record for record in params.attached if record.uid not in (params.record_uid, params.configuration_uid))
    return [record for record in others if _is_credential(record.get)]


def own_record(search: AdminSearch) -> AdminCredential | None:
    """The target's own record, only where it is attached to its own script: an app that rotates itself."""
    record = search.record
    if record is None or not (record.uid in record.attached_to_scripts() or search.hands_target_over_twice()):
        return None
    return _by_labels(record.value, f"attached record {record.uid}, which is the target's own", record.uid)


def attached_configuration(search: AdminSearch) -> AdminCredential | None:
    """The PAM configuration among the attached records."""
    for attached in search.params.attached:
        if attached.uid == search.params.configuration_uid and not search.is_target(attached):
            return _configuration(attached.values, attached.uid)
    for attached in search.params.attached:
        # A label with an underscore is that of a record which a rotation has filled in.
        values = {label: value for label, value in attached.values.items() if label != "client_id"}
        if not search.is_target(attached) and _spelled(values).get("clientid"):
            return _configuration(attached.values, attached.uid)
    return None


def fetched_configuration(search: AdminSearch) -> AdminCredential | None:
    """The PAM configuration, read from the vault by the uid that the Gateway passes."""
    uid = search.params.configuration_uid
    configuration = search.vault.read([uid]).get(uid) if uid else None
    return _configuration(configuration.labelled(), uid) if configuration else None


SOURCES: tuple[Callable[[AdminSearch], AdminCredential | None], ...] = (
    attached_record,
    own_record,
    attached_configuration,
    fetched_configuration,
)


def choose_admin(search: AdminSearch) -> AdminCredential:
    """The first admin credential that is there.

    Raises:
        Failed: there is none, or the first one found lacks something.
    """
    for source in SOURCES:
        if found := source(search):
            return found
    uid = search.params.configuration_uid
    looked = f"PAM configuration {uid} holds no Azure credential or cannot be read" if uid else "no PAM configuration"
    raise Failed(
        f"admin credential: no attached record has one, and {looked}",
        "attach a record with application_client_id, client_secret and tenant_id to the script, or select an Azure "
        "PAM configuration that the Gateway's application can read",
    )


def credential_of(record: VaultRecord) -> AdminCredential | None:
    """The admin credential that this record is meant as; None where it is none. Raises Failed: it lacks something."""
    if record.type.startswith("pam") and "Configuration" in record.type:
        return _configuration(record.labelled(), record.uid)
    return _by_labels(record.value, f"record {record.uid}", record.uid)


def _by_labels(value: Callable[[str], str], source: str, uid: str) -> AdminCredential | None:
    labels = ("application_client_id", "client_secret", "tenant_id")
    client_id, client_secret, tenant_id = (value(label) for label in labels)
    if not _is_credential(value):
        return None
    _complete(source, dict(zip(labels, (client_id, client_secret, tenant_id), strict=True)))
    return AdminCredential(tenant_id, client_id, Secret(client_secret), source, uid, read_stamp(value("expires")))


def _is_credential(value: Callable[[str], str]) -> bool:
    """Whether a record is meant as an admin credential. With a client_id, it is one that a rotation has filled in."""
    return bool(value("application_client_id") or (value("tenant_id") and not value("client_id")))


def _configuration(values: Mapping[str, str], uid: str) -> AdminCredential | None:
    spelled = _spelled(values)
    client_id, client_secret, tenant_id = (spelled.get(key, "") for key in ("clientid", "clientsecret", "tenantid"))
    source = f"PAM configuration {uid}"
    if not (client_id or client_secret or tenant_id):
        return None
    if client_secret:
        _complete(source, {"clientId": client_id, "tenantId": tenant_id})
        ends = read_stamp(spelled.get("expires", ""))
        return AdminCredential(tenant_id, client_id, Secret(client_secret), source, uid, ends)
    _complete(source, {"tenantId": tenant_id})
    return AdminCredential(tenant_id, client_id, None, f"{source}, managed or workload identity", uid)


def _complete(source: str, needed: Mapping[str, str]) -> None:
    if missing := [label for label, value in needed.items() if not value]:
        raise Failed(f"admin credential, {source}: without {', '.join(missing)}", "fill in these fields in the vault")


def _spelled(values: Mapping[str, str]) -> dict[str, str]:
    """A configuration's values under one spelling: Keeper's tools write clientId, Client Id, pamazureclientid, …."""
    found: dict[str, str] = {}
    for label, value in values.items():
        name = re.sub(r"^(secret|text)\.", "", label)
        key = re.sub(r"[^a-z]", "", name.lower()).removeprefix("pamazure")
        if value and key not in found:
            found[key] = value
    return found

"""Which application rotates: the admin credential, from the first of `SOURCES` that has one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

from gateway.errors import Failed
from gateway.keeper.parameters import Params
from gateway.keeper.record import AttachedRecord, ReadsRecords, VaultRecord
from gateway.model.clouds import CLOUDS, Cloud, find_cloud
from gateway.model.credential import AdminCredential, read_stamp
from gateway.model.fields import spelling
from gateway.secret import Secret


@dataclass(frozen=True)
class AdminSearch:
    """Where admin credentials are looked for.

    ``record``: the target's; None where there is none. ``host_cloud``: where a credential's own record names no cloud.
    """

    params: Params
    record: VaultRecord | None
    vault: ReadsRecords
    host_cloud: Cloud

    @cached_property
    def found(self) -> AdminCredential:
        """What `choose_admin` finds; looked for once."""
        return _choose(self)

    def records(self) -> frozenset[str]:
        """Uids of the records that hold an admin credential for Azure, as far as that was looked for."""
        used = [self.found.record_uid] if "found" in vars(self) else []
        return frozenset({*used, *(record.uid for record in attached_credentials(self.params))})

    def is_target(self, attached: AttachedRecord) -> bool:
        """Whether this is the target's own record, which the Gateway always hands over as well."""
        return attached.uid == self.params.record_uid

    def hands_target_over_twice(self) -> bool:
        """Once as the record that is rotated, and once as a credential."""
        return len([attached for attached in self.params.attached if self.is_target(attached)]) > 1


def attached_record(search: AdminSearch) -> AdminCredential | None:
    """A record attached to the script: ``application_client_id``, ``client_secret``, ``tenant_id``."""
    for attached in attached_credentials(search.params):
        return _by_labels(search.host_cloud, attached.get, f"attached record {attached.uid}", attached.uid)
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
    source = f"attached record {record.uid}, which is the target's own"
    return _by_labels(search.host_cloud, record.value, source, record.uid)


def attached_configuration(search: AdminSearch) -> AdminCredential | None:
    """The PAM configuration among the attached records."""
    for attached in search.params.attached:
        if attached.uid == search.params.configuration_uid and not search.is_target(attached):
            return _configuration(search.host_cloud, attached.values, attached.uid)
    for attached in search.params.attached:
        # A label with an underscore is that of a record which a rotation has filled in.
        values = {label: value for label, value in attached.values.items() if label != "client_id"}
        if not search.is_target(attached) and _spelled(values).get("clientid"):
            return _configuration(search.host_cloud, attached.values, attached.uid)
    return None


def fetched_configuration(search: AdminSearch) -> AdminCredential | None:
    """The PAM configuration, read from the vault by the uid that the Gateway passes."""
    uid = search.params.configuration_uid
    configuration = search.vault.read([uid]).get(uid) if uid else None
    return _configuration(search.host_cloud, configuration.labelled(), uid) if configuration else None


SOURCES: tuple[Callable[[AdminSearch], AdminCredential | None], ...] = (
    attached_record,
    own_record,
    attached_configuration,
    fetched_configuration,
)


def choose_admin(search: AdminSearch) -> AdminCredential:
    """The first admin credential for Azure that is there.

    Raises:
        Failed: there is none, the first one found lacks something, or it is for another cloud than the record says.
        CallError
    """
    return search.found


def has_admin(search: AdminSearch) -> bool:
    """Whether any of the sources has one. Raises Failed: it lacks something; CallError."""
    return _first(search) is not None


def _first(search: AdminSearch) -> AdminCredential | None:
    return next(filter(None, (source(search) for source in SOURCES)), None)


def _choose(search: AdminSearch) -> AdminCredential:
    if found := _first(search):
        _check_cloud(search.record, found)
        return found
    uid = search.params.configuration_uid
    looked = f"PAM configuration {uid} holds no Azure credential or cannot be read" if uid else "no PAM configuration"
    raise Failed(
        f"admin credential: no attached record has one, and {looked}",
        "attach a record with application_client_id, client_secret and tenant_id to the script, or select an Azure "
        "PAM configuration that the Gateway's application can read",
    )


def credential_of(record: VaultRecord, host_cloud: Cloud = CLOUDS["AzureCloud"]) -> AdminCredential | None:
    """The admin credential that this record is meant as; None where it is none. Raises Failed: it lacks something."""
    if record.type.startswith("pam") and "Configuration" in record.type:
        return _configuration(host_cloud, record.labelled(), record.uid)
    return _by_labels(host_cloud, record.value, f"record {record.uid}", record.uid)


def _check_cloud(record: VaultRecord | None, admin: AdminCredential) -> None:
    """Who may edit the record does not choose where the admin's secret is sent. Raises Failed."""
    wanted = record.value("azure_cloud").strip() if record else ""
    if record and wanted and find_cloud(wanted) != admin.cloud:
        what = f"the record says {wanted}, and the admin credential is for {admin.cloud.name} ({admin.source})"
        raise Failed(
            f"azure_cloud: {what}",
            f"empty azure_cloud of record {record.uid}; or where {wanted} is right, let who may edit record "
            f"{admin.record_uid} add azure_cloud = {wanted} there, or set ROTATION_AZURE_CLOUD on this host",
        )


def _cloud(host_cloud: Cloud, source: str, says: Callable[[str], str]) -> Cloud:
    """Where the credential may be sent: what its own record says, else the host. Raises Failed."""
    given = says("azure_cloud").strip()
    if not given:
        return host_cloud
    if found := find_cloud(given):
        return found
    what = f"azure_cloud: {given!r} is none of {', '.join(CLOUDS)}"
    raise Failed(f"admin credential, {source}: {what}", "correct this field in the vault")


def _by_labels(host_cloud: Cloud, value: Callable[[str], str], source: str, uid: str) -> AdminCredential | None:
    labels = ("application_client_id", "client_secret", "tenant_id")
    client_id, client_secret, tenant_id = (value(label) for label in labels)
    if not _is_credential(value):
        return None
    _complete(source, dict(zip(labels, (client_id, client_secret, tenant_id), strict=True)))
    cloud, ends = _cloud(host_cloud, source, value), read_stamp(value("expires"))
    return AdminCredential(tenant_id, client_id, Secret(client_secret), source, uid, cloud, value, ends)


def _is_credential(value: Callable[[str], str]) -> bool:
    """Whether a record is meant as an admin credential. With a client_id, it is one that a rotation has filled in."""
    return bool(value("application_client_id") or (value("tenant_id") and not value("client_id")))


def _configuration(host_cloud: Cloud, values: Mapping[str, str], uid: str) -> AdminCredential | None:
    spelled = _spelled(values)

    def says(label: str) -> str:
        return spelled.get(spelling(label), "")

    client_id, client_secret, tenant_id = (spelled.get(key, "") for key in ("clientid", "clientsecret", "tenantid"))
    source = f"PAM configuration {uid}"
    if not (client_id or client_secret or tenant_id):
        return None
    cloud = _cloud(host_cloud, source, says)
    if client_secret:
        _complete(source, {"clientId": client_id, "tenantId": tenant_id})
        ends = read_stamp(says("expires"))
        return AdminCredential(tenant_id, client_id, Secret(client_secret), source, uid, cloud, says, ends)
    _complete(source, {"tenantId": tenant_id})
    source = f"{source}, managed or workload identity"
    return AdminCredential(tenant_id, client_id, None, source, uid, cloud, says)


def _complete(source: str, needed: Mapping[str, str]) -> None:
    if missing := [label for label, value in needed.items() if not value]:
        raise Failed(f"admin credential, {source}: without {', '.join(missing)}", "fill in these fields in the vault")
    if placeholders := [label for label, value in needed.items() if not value.strip("0-")]:
        raise Failed(
            f"admin credential, {source}: still the template's placeholder: {', '.join(placeholders)}",
            "fill in what the overview of the admin's app registration shows",
        )


def _spelled(values: Mapping[str, str]) -> dict[str, str]:
    """A configuration's values under one spelling."""
    found: dict[str, str] = {}
    for label, value in values.items():
        key = spelling(label)
        if value and key not in found:
            found[key] = value
    return found

"""A tenant and a vault as an operator would have set them up: an admin application, one to rotate, three records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sandbox.entra.directory import Application
from sandbox.graph.base import READ_ALL, WRITE_ALL, WRITE_OWNED
from sandbox.keeper.vault import make_field, new_uid
from sandbox.proxy.clock import iso
from sandbox.world import World

PLACEHOLDER = "pending-first-rotation"
OUTPUTS = ("client_secret_id", "client_secret", "expires")
__all__ = ["OUTPUTS", "PLACEHOLDER", "READ_ALL", "WRITE_ALL", "WRITE_OWNED", "Furnished", "furnish", "pam_user"]


@dataclass(frozen=True)
class Furnished:
    """The names of everything that ``furnish`` made. ``old_key_ids``: oldest first, the last is the published one."""

    tenant_id: str
    subscription_id: str
    resource_group: str
    key_vault_url: str
    user_principal_name: str
    admin_client_id: str
    admin_object_id: str
    admin_principal_id: str
    admin_key_id: str
    admin_secret: str = field(repr=False)
    target_client_id: str
    target_object_id: str
    target_principal_id: str | None
    old_key_ids: tuple[str, ...]
    old_secrets: tuple[str, ...] = field(repr=False)
    foreign_key_ids: tuple[str, ...]
    record_uid: str
    admin_record_uid: str
    config_record_uid: str


@dataclass(frozen=True)
class _Secrets:
    """The secrets that a target begins with."""

    key_ids: tuple[str, ...]
    texts: tuple[str, ...]
    foreign: tuple[str, ...]


def furnish(
    sandbox: World,
    *,
    old_secrets: int = 2,
    foreign: int = 0,
    display_name: str = "orders-api",
    audience: str = "AzureADMyOrg",
    service_principal: bool = True,
    admin_roles: Sequence[str] = (WRITE_OWNED,),
    owned: bool = True,
    config_has_secret: bool = True,
    self_rotation: bool = False,
    settings: Mapping[str, str] | None = None,
    without: Sequence[str] = (),
    uid: str | None = None,
    editable: bool = True,
) -> Furnished:
    """Set up one rotation, and return the names of what was made.

    The record publishes the last of ``old_secrets``; with none, it holds the placeholders of a template. ``foreign``
    secrets were made by hand. ``settings`` become text fields of the record, and the fields named in ``without`` are
    left out. With ``self_rotation`` the admin application is itself the target, and the record its credential.
    """
    admin = sandbox.graph.new_application("keeper-rotation-admin", roles=list(admin_roles))
    admin_key, admin_secret = sandbox.graph.add_password(admin, "set up by hand", age_days=30)
    target = admin if self_rotation else sandbox.graph.new_application(
        display_name, audience, service_principal=service_principal
    )  # fmt: skip
    principal = sandbox.directory.principal_of(admin.client_id)
    assert principal is not None
    if owned:
        target.owners.append(principal.object_id)
    made = _secrets(sandbox, target, old_secrets, foreign)
    extra = _own_credential(sandbox, admin) if self_rotation else {}
    if self_rotation:
        made = _Secrets((*made.key_ids, admin_key), (*made.texts, admin_secret), made.foreign)
    record = pam_user(
        sandbox, target, made.key_ids[-1] if made.key_ids else None, made.texts[-1] if made.texts else None,
        settings=extra | dict(settings or {}), without=without, uid=uid, editable=editable,
    )  # fmt: skip
    target_principal = sandbox.directory.principal_of(target.client_id)
    return Furnished(
        tenant_id=sandbox.directory.tenant_id,
        subscription_id=sandbox.subscription_id,
        resource_group=sandbox.resource_group,
        key_vault_url=sandbox.key_vault_url,
        user_principal_name=sandbox.user.principal_name,
        admin_client_id=admin.client_id,
        admin_object_id=admin.object_id,
        admin_principal_id=principal.object_id,
        admin_key_id=admin_key,
        admin_secret=admin_secret,
        target_client_id=target.client_id,
        target_object_id=target.object_id,
        target_principal_id=target_principal.object_id if target_principal else None,
        old_key_ids=made.key_ids,
        old_secrets=made.texts,
        foreign_key_ids=made.foreign,
        record_uid=record,
        admin_record_uid=record if self_rotation else _admin_record(sandbox, admin, admin_secret),
        config_record_uid=_configuration(sandbox, admin, admin_secret if config_has_secret else None),
    )


def pam_user(
    sandbox: World,
    target: Application | str,
    key_id: str | None = None,
    secret: str | None = None,
    *,
    settings: Mapping[str, str] | None = None,
    without: Sequence[str] = (),
    uid: str | None = None,
    editable: bool = True,
) -> str:
    """A PAM User record for an application, publishing this secret (or placeholders); returns its uid."""
    application = sandbox.graph.application(target)
    password = application.password(key_id) if key_id else None
    custom = [
        make_field("text", application.object_id, "application_object_id"),
        make_field("text", key_id or PLACEHOLDER, "client_secret_id"),
        make_field("secret", secret or PLACEHOLDER, "client_secret"),
        make_field("text", iso(password.end) if password else PLACEHOLDER, "expires"),
        make_field("text", "True", "NOOP"),
        make_field("text", "rsa-ssh", "Private Key Type"),
        *(make_field("text", value, label) for label, value in (settings or {}).items()),
    ]
    fields = [make_field("login", application.display_name), make_field("password", "dummy-not-used")]
    return sandbox.keeper.add_record(
        f"Azure app secret - {application.display_name}", "pamUser", fields,
        [entry for entry in custom if entry["label"] not in without], uid=uid or new_uid(), editable=editable,
    )  # fmt: skip


def _secrets(sandbox: World, target: Application, old: int, foreign: int) -> _Secrets:
    by_hand = [
        sandbox.graph.add_password(target, f"by hand {number}", age_days=200 - number) for number in range(foreign)
    ]
    made = [
        sandbox.graph.add_password(target, f"old {number}", expires_in_days=30 + number, age_days=100 - number)
        for number in range(old)
    ]
    return _Secrets(tuple(key for key, _ in made), tuple(text for _, text in made), tuple(key for key, _ in by_hand))


def _own_credential(sandbox: World, admin: Application) -> dict[str, str]:
    return {"application_client_id": admin.client_id, "tenant_id": sandbox.directory.tenant_id}


def _admin_record(sandbox: World, admin: Application, secret: str) -> str:
    custom = [
        make_field("text", admin.client_id, "application_client_id"),
        make_field("secret", secret, "client_secret"),
        make_field("text", sandbox.directory.tenant_id, "tenant_id"),
    ]
    fields: list[dict[str, Any]] = [make_field("login", admin.display_name), make_field("password", "dummy-not-used")]
    return sandbox.keeper.add_record("Azure rotation admin", "login", fields, custom)


def _configuration(sandbox: World, admin: Application, secret: str | None) -> str:
    fields = [
        make_field("text", "contoso", "azureId"),
        make_field("secret", admin.client_id, "clientId"),
        make_field("secret", secret, "clientSecret"),
        make_field("secret", sandbox.subscription_id, "subscriptionId"),
        make_field("secret", sandbox.directory.tenant_id, "tenantId"),
        make_field("multiline", sandbox.resource_group, "resourceGroups"),
    ]
    return sandbox.keeper.add_record("Azure configuration", "pamAzureConfiguration", fields)

"""A certificate in a key vault and the record that follows it, as an operator would have set it up, with the roles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.furnish.rotation import Furnished
from sandbox.keeper.vault import make_field, new_uid
from sandbox.key_vault.vaults import Vault
from sandbox.world import World

OFFICER, SECRETS_USER = "Key Vault Certificates Officer", "Key Vault Secrets User"
DAY = 86400.0
# A field of more than a line, or that must not be seen.
_KINDS = {"deliver_to": "multiline", "dns_names": "multiline", "csr": "multiline", "pfx_password": "secret"}


@dataclass(frozen=True)
class FurnishedCertificate:
    """What was made. ``first`` is the version that was there."""

    certificate_id: str
    name: str
    vault: Vault
    record_uid: str
    first: str


def furnish_certificate(
    sandbox: World,
    at: Furnished,
    *,
    name: str = "orders-tls",
    vault: str = "certificates",
    days_left: float = 10.0,
    settings: Mapping[str, str] | None = None,
    roles: tuple[str, ...] = (OFFICER, SECRETS_USER),
    editable: bool = True,
    **certificate: Any,
) -> FurnishedCertificate:
    """Make a certificate that is near its end, and the record that names it.

    ``settings`` become fields of the record; ``certificate`` is for the sandbox's ``add_certificate``. The admin
    application of ``at`` gets ``roles`` on the vault.
    """
    made = sandbox.keyvault.add_vault(vault)
    for role in roles:
        sandbox.keyvault.grant(at.admin_client_id, role, made)
    first = sandbox.keyvault.add_certificate(made, name, expires=sandbox.clock.now() + days_left * DAY, **certificate)
    first.created -= int(300 * DAY)
    certificate_id = f"{made.url}/certificates/{name}"
    custom = [
        make_field("text", certificate_id, "certificate_id"),
        make_field("text", "True", "NOOP"),
        make_field("text", "rsa-ssh", "Private Key Type"),
        *(make_field(_KINDS.get(label, "text"), value, label) for label, value in (settings or {}).items()),
    ]
    uid = sandbox.keeper.add_record(
        f"Certificate - {name}", "pamUser",
        [make_field("login", name), make_field("password", "dummy-not-used")],
        custom, uid=new_uid(), editable=editable,
    )  # fmt: skip
    return FurnishedCertificate(certificate_id, name, made, uid, first.version)

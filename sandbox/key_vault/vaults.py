"""Key vaults and what they keep: secrets with their versions, live or deleted but recoverable, and certificates."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sandbox.arm.base import Resource
from sandbox.key_vault.certificates.store import CertificateStore, new_version

VAULT_TYPE = "Microsoft.KeyVault/vaults"
DAY = 86400


@dataclass
class SecretVersion:
    """One version of a secret. Moments are whole seconds since the epoch, as everywhere in Key Vault."""

    value: str = field(repr=False)
    created: int
    content_type: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    enabled: bool = True
    nbf: int | None = None
    exp: int | None = None
    updated: int = 0
    version: str = field(default_factory=new_version)

    def __post_init__(self) -> None:
        self.updated = self.updated or self.created


@dataclass
class Secret:
    """A secret's versions, oldest first; ``deleted`` and ``ready`` are the moments of the last delete or recover.

    ``managed``: it belongs to the certificate of its name.
    """

    name: str
    versions: list[SecretVersion]
    deleted: int | None = None
    ready: float = 0.0
    managed: bool = False

    @property
    def current(self) -> SecretVersion:
        """The version that a request without one means."""
        return self.versions[-1]

    def version(self, version: str | None) -> SecretVersion | None:
        """One version; None or nothing means the current one."""
        if not version:
            return self.current
        return next((entry for entry in self.versions if entry.version == version.lower()), None)


@dataclass
class Vault(Resource):
    """A key vault. ``firewall``: it admits nobody from here. ``retention_days``: how long deleted secrets are kept."""

    suffix: str = ".vault.azure.net"
    tenant_id: str = ""
    firewall: bool = False
    retention_days: int = 90
    secrets: dict[str, Secret] = field(default_factory=dict, repr=False)
    deleted: dict[str, Secret] = field(default_factory=dict, repr=False)
    certificates: CertificateStore = field(default_factory=CertificateStore, repr=False)

    @property
    def host(self) -> str:
        """The host name of its data plane."""
        return f"{self.name}{self.suffix}".lower()

    @property
    def url(self) -> str:
        """The address of its data plane, without a slash at the end."""
        return f"https://{self.host}"

    @property
    def audience(self) -> str:
        """What a token for it must be for."""
        return f"https://{self.suffix.lstrip('.')}"

    def shown(self) -> dict[str, Any]:
        """As ARM shows it."""
        return self.summary() | {
            "properties": {
                "sku": {"family": "A", "name": "standard"},
                "tenantId": self.tenant_id,
                "accessPolicies": [],
                "enabledForDeployment": False,
                "enableSoftDelete": True,
                "softDeleteRetentionInDays": self.retention_days,
                "enableRbacAuthorization": True,
                "vaultUri": f"{self.url}/",
                "provisioningState": "Succeeded",
                "publicNetworkAccess": "Disabled" if self.firewall else "Enabled",
            }
        }

    @property
    def recovery(self) -> dict[str, Any]:
        """How it keeps what is deleted."""
        custom = "" if self.retention_days == 90 else "Customized"
        return {"recoveryLevel": f"{custom}Recoverable+Purgeable", "recoverableDays": self.retention_days}

    def attributes(self, version: SecretVersion) -> dict[str, Any]:
        """A version's attributes; moments that were never set are left out."""
        moments = {name: value for name, value in (("nbf", version.nbf), ("exp", version.exp)) if value is not None}
        return {
            "enabled": version.enabled,
            **moments,
            "created": version.created,
            "updated": version.updated,
        } | self.recovery

    def bundle(self, secret: Secret, version: SecretVersion, value: bool = False, whole: bool = True) -> dict[str, Any]:
        """A version as answers show it. ``value``: with its text; ``whole``: its id ends in the version."""
        tail = f"/{version.version}" if whole else ""
        key = {"kid": f"{self.url}/keys/{secret.name}/{version.version}"} if whole else {}
        return {
            **({"value": version.value} if value else {}),
            **({"contentType": version.content_type} if version.content_type is not None else {}),
            "id": f"{self.url}/secrets/{secret.name}{tail}",
            "attributes": self.attributes(version),
            "tags": dict(version.tags),
            **({**key, "managed": True} if secret.managed else {}),
        }

    def deleted_bundle(self, secret: Secret, whole: bool = True) -> dict[str, Any]:
        """A deleted secret as answers show it."""
        since = secret.deleted or 0
        return {
            "recoveryId": f"{self.url}/deletedsecrets/{secret.name}",
            "deletedDate": since,
            "scheduledPurgeDate": since + self.retention_days * DAY,
        } | self.bundle(secret, secret.current, whole=whole)

"""What Event Grid says of a key vault's secrets and certificates."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from sandbox.key_vault.vaults import Vault

NEAR, EXPIRED, CERTIFICATE = "SecretNearExpiry", "SecretExpired", "CertificateNearExpiry"


@dataclass(frozen=True)
class Subject:
    """What an event is about."""

    vault: Vault
    name: str
    version: str
    expires: int | None = None
    not_before: int | None = None
    object_type: str = "Secret"

    @property
    def data(self) -> dict[str, Any]:
        """The event's data, as Key Vault fills it in."""
        return {
            "Id": f"{self.vault.url}/{self.object_type.lower()}s/{self.name}/{self.version}",
            "VaultName": self.vault.name,
            "ObjectType": self.object_type,
            "ObjectName": self.name,
            "Version": self.version,
            "NBF": self.not_before,
            "EXP": self.expires,
        }

    @property
    def near(self) -> str:
        """The event that says that its end is near."""
        return CERTIFICATE if self.object_type == "Certificate" else NEAR


def subject(vault: Vault, name: str, version: str = "") -> Subject:
    """A secret of a sandbox vault, in its current version or another. Raises KeyError."""
    current = vault.secrets[name.lower()].current
    return Subject(vault, name, version or current.version, current.exp)


def certificate_subject(vault: Vault, name: str, version: str = "") -> Subject:
    """A certificate of a sandbox vault, in its current version or another. Raises KeyError."""
    current = vault.certificates.live[name.lower()].versions[-1]
    return Subject(vault, name, version or current.version, current.exp, current.nbf, "Certificate")


def event_grid(about: Subject, kind: str = "") -> dict[str, Any]:
    """An event in Event Grid's own schema; by itself, that the object's end is near."""
    return {
        "id": str(uuid.uuid4()),
        "topic": about.vault.id,
        "subject": about.name,
        "eventType": f"Microsoft.KeyVault.{kind or about.near}",
        "eventTime": "2026-01-25T01:08:33.1036736Z",
        "data": about.data,
        "dataVersion": "1",
        "metadataVersion": "1",
    }


def cloud_event(about: Subject, kind: str = "") -> dict[str, Any]:
    """The same as CloudEvents 1.0."""
    return {
        "id": str(uuid.uuid4()),
        "source": about.vault.id,
        "subject": about.name,
        "type": f"Microsoft.KeyVault.{kind or about.near}",
        "time": "2026-01-25T01:08:33.1036736Z",
        "specversion": "1.0",
        "data": about.data,
    }

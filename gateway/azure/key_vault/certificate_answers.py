"""What Key Vault says of a certificate's versions, and of one that is being made.

Source: https://learn.microsoft.com/rest/api/keyvault/certificates/get-certificate-operation/get-certificate-operation
"""

from __future__ import annotations

from base64 import b64decode
from dataclasses import dataclass
from datetime import datetime
from typing import Any

SELF, UNKNOWN = "Self", "Unknown"
"""the issuers that need no setting up: the vault itself, and one that signs by hand"""


@dataclass(frozen=True)
class Version:
    """One version, as it is listed. ``made``, ``not_before`` and ``expires`` are UTC."""

    name: str
    version: str
    made: datetime
    not_before: datetime | None
    expires: datetime
    enabled: bool
    thumbprint: str
    tags: dict[str, str]


@dataclass(frozen=True)
class Operation:
    """The making of a version. ``status``: ``inProgress``, ``completed``, ``cancelled`` or ``failed``."""

    status: str
    issuer: str
    csr: bytes
    request_id: str
    said: str

    @property
    def is_open(self) -> bool:
        """Whether it is still to end."""
        return self.status == "inProgress"


def read_version(listed: Any) -> Version:
    """A version as Microsoft's client lists it."""
    return Version(
        name=str(listed.name),
        version=str(listed.version or ""),
        made=listed.created_on,
        not_before=listed.not_before,
        expires=listed.expires_on,
        enabled=bool(listed.enabled),
        thumbprint=bytes(listed.x509_thumbprint or b"").hex().upper(),
        tags=dict(listed.tags or {}),
    )


def read_operation(body: dict[str, Any]) -> Operation:
    """An operation as Key Vault shows it."""
    error = body.get("error") or {}
    said = " ".join(str(part) for part in (error.get("code"), error.get("message")) if part)
    return Operation(
        status=str(body.get("status") or ""),
        issuer=str((body.get("issuer") or {}).get("name") or ""),
        csr=b64decode(body.get("csr") or ""),
        request_id=str(body.get("request_id") or ""),
        said=said or str(body.get("status_details") or ""),
    )

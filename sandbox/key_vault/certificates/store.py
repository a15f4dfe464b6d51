"""What a vault keeps of certificates: versions, requests that are pending, issuers and contacts."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from cryptography import x509

from sandbox.key_vault.material import Material
from sandbox.key_vault.x509 import PrivateKey

Policy = dict[str, Any]

SELF, UNKNOWN = "Self", "Unknown"
IN_PROGRESS, COMPLETED, CANCELLED, FAILED = "inProgress", "completed", "cancelled", "failed"
SIGN_ELSEWHERE = "Pending certificate created. Please Perform Merge to complete the request."
ASKED = (
    "Pending certificate created. Certificate request is in progress. This may take some time based on the issuer "
    "provider. Please check again later."
)


_made = count()


def new_version() -> str:
    """The id of a version: 32 hexadecimal digits, in no order of time. Of two, the newer one mostly sorts first."""
    return f"{next(_made) * 0xE6666667 & 0xFFFFFFFF:08x}{secrets.token_hex(12)}"


@dataclass
class CertificateVersion:
    """One version of a certificate, with its key. Moments are whole seconds since the epoch."""

    version: str
    material: Material
    created: int
    tags: dict[str, str] = field(default_factory=dict)
    enabled: bool = True
    updated: int = 0

    def __post_init__(self) -> None:
        self.updated = self.updated or self.created

    @property
    def certificate(self) -> x509.Certificate:
        """The certificate itself, parsed."""
        return self.material.chain[0]

    @property
    def key(self) -> PrivateKey:
        """Its private key, also where that cannot be exported."""
        return self.material.key

    @property
    def nbf(self) -> int:
        """Its first moment."""
        return self.material.span[0]

    @property
    def exp(self) -> int:
        """Its last moment."""
        return self.material.span[1]


@dataclass
class Pending:
    """A request for a version. ``due``: when the issuer answers; None if it is signed elsewhere."""

    version: str
    policy: Policy
    key: PrivateKey = field(repr=False)
    csr: x509.CertificateSigningRequest = field(repr=False)
    created: int
    span: tuple[float, float]
    due: float | None
    tags: dict[str, str] = field(default_factory=dict)
    enabled: bool = True
    failure: Mapping[str, str] | None = None
    status: str = IN_PROGRESS
    details: str | None = None
    cancelling: bool = False
    request_id: str = field(default_factory=lambda: secrets.token_hex(16))

    def __post_init__(self) -> None:
        self.details = SIGN_ELSEWHERE if self.by_hand else ASKED

    @property
    def by_hand(self) -> bool:
        """Whether somebody has to bring the signed certificate."""
        return str(self.policy["issuer"]["name"]).lower() == UNKNOWN.lower()


@dataclass
class Certificate:
    """A certificate's versions, oldest first; ``deleted`` and ``ready`` as for a secret."""

    name: str
    policy: Policy
    versions: list[CertificateVersion] = field(default_factory=list)
    pending: Pending | None = None
    deleted: int | None = None
    ready: float = 0.0

    @property
    def in_progress(self) -> Pending | None:
        """The request that is still open."""
        return self.pending if self.pending and self.pending.status == IN_PROGRESS else None

    def version(self, version: str | None) -> CertificateVersion | None:
        """One version; without one, the current one."""
        if not version:
            return self.versions[-1] if self.versions else None
        return next((entry for entry in self.versions if entry.version == version.lower()), None)


@dataclass
class Issuer:
    """Whom a vault may ask for certificates. The password is kept, and never shown."""

    name: str
    provider: str
    created: int
    credentials: dict[str, Any] = field(default_factory=dict, repr=False)
    org_details: dict[str, Any] = field(default_factory=dict)
    enabled: bool = True
    updated: int = 0

    def __post_init__(self) -> None:
        self.updated = self.updated or self.created


@dataclass
class CertificateStore:
    """All that one vault keeps of certificates; names are in lower case."""

    live: dict[str, Certificate] = field(default_factory=dict, repr=False)
    deleted: dict[str, Certificate] = field(default_factory=dict, repr=False)
    issuers: dict[str, Issuer] = field(default_factory=dict, repr=False)
    contacts: list[dict[str, Any]] = field(default_factory=list, repr=False)

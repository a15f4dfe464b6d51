"""The TLS secrets of one key vault: secrets whose content type says that they are a certificate with its key.

Some belong to a certificate of the vault and change only with it; others were set by hand. Permissions: *Key Vault
Reader* to list them, *Key Vault Secrets User* to read one, *Key Vault Secrets Officer* to set or change one.
Source: https://learn.microsoft.com/azure/key-vault/secrets/about-secrets
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import urlsplit

from gateway.azure.key_vault.calls import CredentialSource, KeyVaultCalls
from gateway.azure.key_vault.ids import SecretId
from gateway.errors import CallError, Refused, Unclear
from gateway.host.http import Http
from gateway.model.x509.bundle import PEM, PFX
from gateway.secret import Secret

T = TypeVar("T")

TYPES = (PFX, PEM)
OFFICER, USER = "Key Vault Secrets Officer", "Key Vault Secrets User"
HINTS = {
    "ForbiddenByRbac": f"give the credential's service principal the role {OFFICER} on the vault, or {USER} where it "
    "only reads; a new role takes some minutes",
    "AccessDenied": "give the credential's application get, list and set of secrets in the vault's access policies",
    "ForbiddenByFirewall": "let this host through the vault's firewall",
    "SecretDisabled": "enable it first: keeper-rotation tls-secret update ID --enable",
    "ObjectIsDeletedButRecoverable": "a deleted secret has this name: recover or purge it in the portal, or choose "
    "another name",
}


@dataclass(frozen=True)
class TlsSecret:
    """A version of a secret without its value. ``managed``: it belongs to the certificate of its name."""

    secret_id: SecretId
    made: datetime
    activates: datetime | None
    expires: datetime | None
    enabled: bool
    content_type: str
    managed: bool
    tags: dict[str, str]

    @property
    def is_tls(self) -> bool:
        """Whether it says that it is a certificate."""
        return self.content_type.lower() in TYPES

    def is_like(self, other: TlsSecret) -> bool:
        """Whether it has the same dates, type and state."""
        mine, theirs = ((each.activates, each.expires, each.content_type, each.enabled) for each in (self, other))
        return mine == theirs


class KeyVaultSecrets:
    """The secrets of one vault. All methods raise CallError.

    Args:
        url: of the vault.
    """

    def __init__(self, http: Http, azure: CredentialSource, url: str) -> None:
        self.url = url
        where = f"Key Vault {urlsplit(url).netloc.partition('.')[0]}"
        self._calls = KeyVaultCalls(http, azure, url, where, HINTS)
        self._client = self._calls.secrets()

    def all(self) -> Iterator[TlsSecret]:
        """The current versions of the TLS secrets, page after page."""
        found = self._calls.listed(self._client.list_properties_of_secrets(), self._secret)
        return (each for each in found if each.is_tls)

    def versions(self, name: str) -> list[TlsSecret]:
        """All versions, whatever they are, oldest first; none where there is no such secret."""
        found = self._calls.listed(self._client.list_properties_of_secret_versions(name), self._secret)
        return sorted(found, key=lambda each: (each.made, each.secret_id.version))

    def read(self, name: str, version: str = "") -> tuple[TlsSecret, Secret]:
        """A version, or the current one, with its value."""
        found = self._calls.retrying(lambda: self._client.get_secret(name, version or None))
        return self._secret(found.properties), Secret(found.value or "")

    def is_deleted(self, name: str) -> bool:
        """Whether a deleted secret still holds this name; False too where that is not ours to see."""
        try:
            self._calls.retrying(lambda: self._client.get_deleted_secret(name))
        except Refused:
            return False
        return True

    def put(self, wanted: TlsSecret, value: Secret, before: list[TlsSecret]) -> TlsSecret:
        """A new version with this value and the properties of ``wanted``; what the vault made of it.

        Args:
            before: the versions until now.

        Raises:
            Unclear: it may have been set.
        """
        name = wanted.secret_id.name
        try:
            made = self._calls.retrying(
                lambda: self._client.set_secret(
                    name,
                    value.reveal(),
                    enabled=wanted.enabled,
                    content_type=wanted.content_type,
                    not_before=wanted.activates,
                    expires_on=wanted.expires,
                    tags=wanted.tags or None,
                ),
                repeat_unclear=False,
            )
            return self._secret(made.properties)
        except Unclear:
            # A second version would do no harm, but look first.
            if (there := self._arrived(wanted, value, before)) is None:
                raise
            return there

    def _arrived(self, wanted: TlsSecret, value: Secret, before: list[TlsSecret]) -> TlsSecret | None:
        try:
            if wanted.enabled:
                there, text = self.read(wanted.secret_id.name)
                return there if text == value else None
            versions = self.versions(wanted.secret_id.name)  # what is disabled cannot be read
        except CallError:
            return None
        known = {each.secret_id for each in before}
        return next((each for each in versions if each.secret_id not in known and each.is_like(wanted)), None)

    def change(self, secret_id: SecretId, attributes: dict[str, Any]) -> dict[str, Any]:
        """Change attributes (``enabled``, ``nbf``, ``exp``) of a version, or of the current one; None removes a date.

        Returns the attributes as they are then.
        """
        from azure.core.rest import HttpRequest

        path = f"/secrets/{secret_id.name}/{secret_id.version}"

        def ask() -> Any:
            # Microsoft's update_secret_properties leaves out what is None, so that no date could be removed.
            answer = self._client.send_request(HttpRequest("PATCH", path, json={"attributes": attributes}))
            answer.raise_for_status()
            return answer.json()

        body = self._calls.retrying(ask, tells=True)
        return dict(body.get("attributes") or {})

    def tag(self, name: str, version: str, tags: dict[str, str]) -> None:
        """These tags in the place of those that a version has."""
        self._calls.retrying(lambda: self._client.update_secret_properties(name, version, tags=tags), tells=True)

    def _secret(self, listed: Any) -> TlsSecret:
        return TlsSecret(
            SecretId(self.url, str(listed.name), str(listed.version or "")),
            listed.created_on,
            listed.not_before,
            listed.expires_on,
            bool(listed.enabled),
            str(listed.content_type or ""),
            bool(listed.managed or listed.key_id),
            dict(listed.tags or {}),
        )

"""The TLS secrets of one key vault: secrets whose content type says that they are a certificate with its key.

Some belong to a certificate of the vault and change only with it; others were set by hand. Permissions: *Key Vault
Reader* to list them, *Key Vault Secrets User* to read one, *Key Vault Secrets Officer* to set or change one.
Source: https://learn.microsoft.com/azure/key-vault/secrets/about-secrets
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import unquote, urlsplit

from gateway.clouds import Cloud
from gateway.errors import CallError, Failed, Refused, Unclear
from gateway.key_vault import KeyVaultCalls
from gateway.secret import Secret

if TYPE_CHECKING:
    from gateway.operating.session import Session

T = TypeVar("T")

PFX, PEM = "application/x-pkcs12", "application/x-pem-file"
TYPES = (PFX, PEM)
OFFICER, USER = "Key Vault Secrets Officer", "Key Vault Secrets User"
EXAMPLE = "https://<vault>.vault.azure.net/secrets/<name>"
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
class SecretId:
    """Where a secret lies. ``version`` is empty where the current one is meant."""

    vault_url: str
    name: str
    version: str = ""

    def __str__(self) -> str:
        return f"{self.vault_url}/secrets/{self.name}" + (f"/{self.version}" if self.version else "")

    def whole(self) -> SecretId:
        """Without the version."""
        return SecretId(self.vault_url, self.name)

    @property
    def host(self) -> str:
        """The vault's name."""
        return self.vault_url.removeprefix("https://").partition(".")[0]


@dataclass(frozen=True)
class TlsSecret:
    """A version of a secret without its value. ``managed``: it belongs to the certificate of its name."""

    place: SecretId
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


def read_secret_id(text: str, cloud: Cloud, place: str = "ID") -> SecretId:
    """The identifier of a secret or of a version of it, or the portal's address.

    Raises:
        Failed: it is another thing, or of another cloud; ``place`` names where it stands.
    """
    parts = urlsplit(text.strip())
    if parts.netloc == cloud.portal:
        parts = urlsplit(unquote(parts.fragment).partition("/Microsoft_Azure_KeyVault/Secret/")[2])
    host = rf"[a-zA-Z0-9](?:[a-zA-Z0-9-]{{1,22}}[a-zA-Z0-9])?\.{re.escape(cloud.key_vault)}"
    path = re.fullmatch(r"/secrets/([0-9a-zA-Z-]{1,127})(?:/([0-9a-f]{32}))?/?", parts.path)
    if parts.scheme != "https" or not re.fullmatch(host, parts.netloc) or not path or parts.query:
        shown = re.sub(r"//[^/\s]*@", "//", text)
        hint = f"the form is {EXAMPLE.replace('vault.azure.net', cloud.key_vault)}"
        raise Failed(f"{place}: {shown!r} is not a secret of a vault in {cloud.name}", hint)
    return SecretId(f"https://{parts.netloc.lower()}", path.group(1), path.group(2) or "")


class SecretVault:
    """The secrets of one vault. All methods raise CallError.

    Args:
        url: of the vault.
    """

    def __init__(self, session: Session, url: str) -> None:
        self.url = url
        self._place = f"Key Vault {urlsplit(url).netloc.partition('.')[0]}"
        self._calls = KeyVaultCalls(session.http, session.azure, url, self._place, HINTS)
        self._client = self._calls.secrets()

    def _ask(self, call: Callable[[], T], **options: bool) -> T:
        return self._calls.patiently(lambda: self._readable(call), **options)

    def _readable(self, call: Callable[[], T]) -> T:
        """``call``; what Microsoft's client raises on an answer that is none becomes `Unclear`."""
        try:
            return call()
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise Unclear(self._place, f"an answer that cannot be read ({type(error).__name__})") from None

    def all(self) -> Iterator[TlsSecret]:
        """The current versions of the TLS secrets, page after page."""
        return (each for each in self._listed(self._client.list_properties_of_secrets()) if each.is_tls)

    def versions(self, name: str) -> list[TlsSecret]:
        """All versions, whatever they are, oldest first; none where there is no such secret."""
        found = self._listed(self._client.list_properties_of_secret_versions(name))
        return sorted(found, key=lambda each: (each.made, each.place.version))

    def _listed(self, listing: Any) -> Iterator[TlsSecret]:
        for page in self._pages(listing.by_page()):
            yield from page

    def _pages(self, pages: Iterator[Iterable[Any]]) -> Iterator[list[TlsSecret]]:
        def following() -> list[TlsSecret] | None:
            page = next(pages, None)
            return None if page is None else [self._secret(each) for each in page]

        # Not `_ask`: after an answer that cannot be read, Microsoft's client takes the first page for the last one.
        while (page := self._readable(lambda: self._calls.patiently(following))) is not None:
            yield page

    def read(self, name: str, version: str = "") -> tuple[TlsSecret, Secret]:
        """A version, or the current one, with its value."""
        found = self._ask(lambda: self._client.get_secret(name, version or None))
        return self._secret(found.properties), Secret(found.value or "")

    def is_deleted(self, name: str) -> bool:
        """Whether a deleted secret still holds this name; False too where that is not ours to see."""
        try:
            self._ask(lambda: self._client.get_deleted_secret(name))
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
        name = wanted.place.name
        try:
            made = self._ask(
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
                there, text = self.read(wanted.place.name)
                return there if text == value else None
            versions = self.versions(wanted.place.name)  # what is disabled cannot be read
        except CallError:
            return None
        known = {each.place for each in before}
        return next((each for each in versions if each.place not in known and each.is_like(wanted)), None)

    def change(self, place: SecretId, attributes: dict[str, Any]) -> dict[str, Any]:
        """Change attributes (``enabled``, ``nbf``, ``exp``) of a version, or of the current one; None removes a date.

        Returns the attributes as they are then.
        """
        from azure.core.rest import HttpRequest

        path = f"/secrets/{place.name}/{place.version}"

        def ask() -> Any:
            # Microsoft's update_secret_properties leaves out what is None, so that no date could be removed.
            answer = self._client.send_request(HttpRequest("PATCH", path, json={"attributes": attributes}))
            answer.raise_for_status()
            return answer.json()

        body = self._ask(ask, tells=True)
        return dict(body.get("attributes") or {})

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

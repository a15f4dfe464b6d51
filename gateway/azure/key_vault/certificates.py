"""The certificates of one key vault, in Microsoft's own client.

Permission: *Key Vault Certificates Officer* on the vault; *Key Vault Secrets User* besides, where the private key is
read, for Key Vault gives it out only as a secret.
Source: https://learn.microsoft.com/azure/key-vault/certificates/about-certificates
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from gateway.azure.key_vault.calls import CredentialSource, KeyVaultCalls
from gateway.azure.key_vault.certificate_answers import Operation, Version, read_operation, read_version
from gateway.errors import Failed, Refused
from gateway.host.http import Http
from gateway.secret import Secret

if TYPE_CHECKING:
    from cryptography import x509

    from gateway.model.x509.bundle import Bundle

ROLE = "Key Vault Certificates Officer"
READ_ROLE = "Key Vault Secrets User"
HINTS = {
    "ForbiddenByRbac": f"give the admin credential's service principal the role {ROLE} on the vault, and "
    f"{READ_ROLE} where the private key is read; a new role takes some minutes",
    "AccessDenied": "give the admin credential get, list, create, import, update and getissuers of certificates, "
    "and get of secrets, in the vault's access policies",
    "ForbiddenByFirewall": "let this host through the vault's firewall",
    "ObjectIsDeletedButRecoverable": "a deleted certificate has this name: recover or purge it, or choose another name",
}


class KeyVaultCertificates:
    """The certificates of one key vault. All methods raise CallError.

    Args:
        url: of the vault.
    """

    def __init__(self, http: Http, azure: CredentialSource, url: str) -> None:
        self.url = url
        host = urlsplit(url).netloc
        self._calls = KeyVaultCalls(http, azure, url, f"Key Vault {host.partition('.')[0]}", HINTS)
        self._client = self._calls.certificates()
        self._secrets = self._calls.secrets()

    def names(self, *, pending: bool = False) -> Iterator[Version]:
        """The current version of every certificate, page after page; with ``pending`` also what is still made."""
        return self._calls.listed(self._client.list_properties_of_certificates(include_pending=pending), read_version)

    def versions(self, name: str) -> list[Version]:
        """All versions, oldest first; none where there is no such certificate."""
        listed = self._calls.listed(self._client.list_properties_of_certificate_versions(name), read_version)
        # What is still being made has no dates.
        found = sorted((each for each in listed if each.expires), key=lambda each: each.made)
        if found[1:] and found[-1].made == found[-2].made:  # whole seconds: which of two is current, the vault knows
            current = read_version(self._calls.retrying(lambda: self._client.get_certificate(name)).properties)
            found.sort(key=lambda each: (each.made, each.version == current.version))
        return found

    def certificate(self, name: str, version: str = "") -> x509.Certificate:
        """The certificate itself, of a version or the current one."""
        from gateway.model.x509.certificate import read_certificate

        if version:
            found = self._calls.retrying(lambda: self._client.get_certificate_version(name, version))
        else:
            found = self._calls.retrying(lambda: self._client.get_certificate(name))
        return read_certificate(bytes(found.cer or b""))

    def bundle(self, name: str, version: str) -> Bundle:
        """The certificate with its private key.

        Raises:
            Failed: the key cannot be exported.
        """
        from gateway.model.x509.bundle import read_secret

        return read_secret(*self.secret(name, version))

    def secret(self, name: str, version: str) -> tuple[str, str]:
        """The secret of a version, base64 of a PFX or PEM, and its content type.

        Raises:
            Failed: the key cannot be exported.
        """
        from gateway.model.x509.bundle import has_private_key

        found = self._calls.retrying(lambda: self._secrets.get_secret(name, version))
        value = Secret(found.value or "").reveal()
        if not has_private_key(value, found.properties.content_type or ""):
            what = f"the private key of {name} cannot leave the vault"
            hint = "its policy says exportable=false: leave export and deliver_to empty; --form=cer gives the rest"
            raise Failed(what, hint)
        return value, found.properties.content_type or ""

    def policy(self, name: str) -> dict[str, Any]:
        """The policy as Key Vault shows it (``key_props``, ``x509_props``, ``issuer``, …)."""
        return self._send("GET", f"certificates/{name}/policy")

    def begin(self, name: str, policy: dict[str, Any] | None, tags: dict[str, str], last: str) -> Operation:
        """Begin a new version; by the certificate's own policy where none is given.

        It has these ``tags`` and no others: Key Vault does not take over those of the version before.

        Asked for once, for a CA may charge for each: before a try is repeated, the vault is asked for an operation that
        is not ``last``, the request id of the one before; empty where there was none.
        """
        # Microsoft's begin_create_certificate asks for a policy of its own classes, and polls in a thread.
        content: dict[str, Any] = {"policy": policy} if policy else {}
        if tags:
            content["tags"] = tags
        tries = 0

        def once() -> Operation:
            nonlocal tries
            tries += 1
            if tries > 1 and (begun := self.operation(name)) and begun.request_id != last:
                return begun
            return read_operation(self._ask("POST", f"certificates/{name}/create", content))

        return self._calls.retrying(once, repeat_unclear=False, tells=True)

    def operation(self, name: str) -> Operation | None:
        """The last operation; None where there is none."""
        try:
            return read_operation(self._send("GET", f"certificates/{name}/pending"))
        except Refused as error:
            if error.status == 404:
                return None
            raise

    def load(self, name: str, pfx: bytes, policy: dict[str, Any], tags: dict[str, str]) -> None:
        """Import a PFX without password as a new version, with this policy."""
        from base64 import b64encode

        body = {"value": b64encode(pfx).decode(), "policy": policy, "tags": tags}
        self._send("POST", f"certificates/{name}/import", body, repeat_unclear=False, tells=False)

    def enable(self, name: str, version: str, enabled: bool) -> None:
        """Switch a version on or off; a version cannot be deleted by itself."""
        self._calls.retrying(lambda: self._client.update_certificate_properties(name, version, enabled=enabled))

    def tag(self, name: str, version: str, tags: dict[str, str]) -> None:
        """These tags in the place of those that a version has."""
        self._calls.retrying(lambda: self._client.update_certificate_properties(name, version, tags=tags), tells=True)

    def is_deleted(self, name: str) -> bool:
        """Whether a deleted certificate still holds this name; False too where that is not ours to see."""
        try:
            self._calls.retrying(lambda: self._client.get_deleted_certificate(name))
        except Refused:
            return False
        return True

    def issuer(self, name: str) -> dict[str, Any] | None:
        """An issuer that is set up in the vault (``provider``, ``credentials``, ``attributes``); None: it is not."""
        try:
            return self._send("GET", f"certificates/issuers/{name}")
        except Refused as error:
            if error.status == 404:
                return None
            raise

    def _send(
        self,
        method: str,
        path: str,
        content: dict[str, Any] | None = None,
        *,
        repeat_unclear: bool = True,
        tells: bool = True,
    ) -> dict[str, Any]:
        return self._calls.retrying(
            lambda: self._ask(method, path, content), repeat_unclear=repeat_unclear, tells=tells
        )

    def _ask(self, method: str, path: str, content: dict[str, Any] | None) -> dict[str, Any]:
        from azure.core.rest import HttpRequest

        response = self._client.send_request(HttpRequest(method, f"/{path}", json=content))
        response.raise_for_status()
        return dict(response.json())


def check_free(vault: KeyVaultCertificates, name: str) -> None:
    """No deleted certificate has this name. Raises Failed, CallError."""
    if vault.is_deleted(name):
        what = f"{vault.url}/certificates/{name}: a deleted certificate has this name"
        raise Failed(what, HINTS["ObjectIsDeletedButRecoverable"])

"""What only operators do in a key vault: reading more of a certificate, ending an operation, policies and contacts.

After a change whose answer was lost, the vault is asked what it has now.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from gateway.azure.key_vault.certificate_answers import Version, read_version
from gateway.azure.key_vault.certificates import KeyVaultCertificates
from gateway.errors import Failed, Refused, Unclear
from gateway.host.lost_answer import resolve_lost_answer

if TYPE_CHECKING:
    from cryptography import x509


class OperatorCertificates(KeyVaultCertificates):
    """The certificates of one key vault, for an operator. All raise CallError, and changes Unknown as well."""

    def whole(self, name: str, version: str = "") -> tuple[Version, x509.Certificate | None]:
        """A version, or the current one, and its certificate; without one where the first is still being made.

        Raises:
            Failed: there is no such certificate or version.
        """
        from gateway.model.x509.certificate import read_certificate

        try:
            if version:
                found = self._calls.retrying(lambda: self._client.get_certificate_version(name, version))
            else:
                found = self._calls.retrying(lambda: self._client.get_certificate(name))
        except Refused as error:
            if error.status != 404:
                raise
            raise not_there(self.url, name, version) from None
        return read_version(found.properties), read_certificate(bytes(found.cer)) if found.cer else None

    def chain(self, name: str, version: str) -> list[x509.Certificate]:
        """A version and the certificates above it, without the private key."""
        from gateway.model.x509.bundle import read_public

        found = self._calls.retrying(lambda: self._secrets.get_secret(name, version))
        return read_public(found.value or "", found.properties.content_type or "")

    def begun(self, name: str) -> datetime | None:
        """When the version that is being made was asked for; None where Key Vault does not show it."""
        listed = list(self._calls.listed(self._client.list_properties_of_certificate_versions(name), read_version))
        open_ones = [each.made for each in listed if not each.thumbprint]
        if not listed:
            open_ones = [self.whole(name)[0].made]
        return max(open_ones, default=None)

    def merge(self, name: str, chain: list[bytes]) -> Version:
        """Finish a pending operation with the certificates that a CA signed, in DER, the leaf first."""
        made = self._calls.retrying(
            lambda: self._client.merge_certificate(name, chain), repeat_unclear=False, tells=True
        )
        return read_version(made.properties)

    def cancel(self, name: str) -> None:
        """Ask for the open operation to be cancelled."""
        try:
            self._send("PATCH", f"certificates/{name}/pending", {"cancellation_requested": True})
        except (Unclear, Refused) as error:
            resolve_lost_answer(
                error, lambda: self._is_cancelled(name) or None, "it was cancelled", self._look("status", name)
            )

    def _is_cancelled(self, name: str) -> bool:
        """Whether the operation has ended, or somebody has asked for that."""
        try:
            shown = self._send("GET", f"certificates/{name}/pending")
        except Refused as error:
            if error.status == 404:
                return True
            raise
        return bool(shown.get("cancellation_requested")) or shown.get("status") != "inProgress"

    def forget(self, name: str) -> None:
        """Remove the operation, whatever became of it."""
        try:
            self._send("DELETE", f"certificates/{name}/pending")
        except (Unclear, Refused) as error:
            gone = "its operation was removed"
            resolve_lost_answer(error, lambda: self.operation(name) is None or None, gone, self._look("status", name))

    def set_policy(self, name: str, policy: dict[str, Any]) -> dict[str, Any]:
        """Change the policy; what is not named stays."""
        return self._send("PATCH", f"certificates/{name}/policy", policy)

    def change_policy(self, name: str, changed: dict[str, Any]) -> dict[str, Any]:
        """The policy after these sections of it were changed."""

        def look() -> dict[str, Any] | None:
            now = self.policy(name)
            return now if _shows(now, changed) else None

        try:
            return self.set_policy(name, changed)
        except Unclear as error:
            return resolve_lost_answer(error, look, f"the policy of {name} was changed", self._look("policy", name))

    def issuers(self) -> list[tuple[str, str]]:
        """Names and providers of the issuers that are set up in the vault."""
        listed = self._calls.retrying(lambda: list(self._client.list_properties_of_issuers()))
        return [(str(each.name), str(each.provider or "")) for each in listed]

    def contacts(self) -> list[dict[str, str]]:
        """Whom Key Vault writes to: ``email``, ``name``, ``phone``."""
        try:
            return list(self._send("GET", "certificates/contacts").get("contacts") or [])
        except Refused as error:
            if error.status == 404:
                return []
            raise

    def set_contacts(self, contacts: list[dict[str, str]]) -> None:
        """Replace the contacts of the vault."""
        self._send("PUT", "certificates/contacts", {"contacts": contacts})

    def change_contacts(self, wanted: list[dict[str, str]]) -> None:
        """Replace the contacts of the vault, perhaps by none: Key Vault does not take an empty list."""
        try:
            if wanted:
                self.set_contacts(wanted)
            else:
                self._send("DELETE", "certificates/contacts")
        except (Unclear, Refused) as error:
            hint = f"look with keeper-rotation certificate contacts --vault={self.url}"
            resolve_lost_answer(
                error, lambda: _emails(self.contacts()) == _emails(wanted) or None, "the contacts were changed", hint
            )

    def _look(self, command: str, name: str) -> str:
        return f"look with keeper-rotation certificate {command} {self.url}/certificates/{name}"


def _shows(now: Any, wanted: Any) -> bool:
    """Whether all that is wanted is there; Key Vault adds to it, such as the bits of a curve."""
    if isinstance(wanted, Mapping):
        return isinstance(now, Mapping) and all(_shows(now.get(name), value) for name, value in wanted.items())
    return bool(now == wanted)


def _emails(contacts: list[dict[str, str]]) -> set[str]:
    return {str(each.get("email")).lower() for each in contacts}


def not_there(url: str, name: str, version: str = "") -> Failed:
    """The error for a certificate, or a version of it, that is not there."""
    what = f"there is no {f'version {version} of ' if version else ''}certificate {name} in {url}"
    return Failed(what, "keeper-rotation certificate list --vault shows the names")

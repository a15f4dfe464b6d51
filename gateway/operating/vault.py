"""What only operators do in a vault: reading more of a certificate, ending an operation, contacts."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from gateway.certificates import CertificateVault, Operation, Version, _operation, _version
from gateway.errors import Failed, Refused
from gateway.key_vault_id import CertificateId
from gateway.operating.showing import warn

if TYPE_CHECKING:
    from cryptography import x509

    from gateway.operating.session import Session


class OperatorVault(CertificateVault):
    """The certificates of one vault, for an operator. All methods raise CallError."""

    @classmethod
    def of(cls, session: Session, url: str) -> OperatorVault:
        """The vault at this address, with the session's credential."""
        return cls(session.http, session.azure, url)

    def whole(self, name: str, version: str = "") -> tuple[Version, x509.Certificate | None]:
        """A version, or the current one, and its certificate; without one where the first is still being made.

        Raises:
            Failed: there is no such certificate or version.
        """
        from gateway.x509 import read_certificate

        try:
            if version:
                found = self._calls.patiently(lambda: self._client.get_certificate_version(name, version))
            else:
                found = self._calls.patiently(lambda: self._client.get_certificate(name))
        except Refused as error:
            if error.status != 404:
                raise
            raise not_there(self.url, name, version) from None
        return _version(found.properties), read_certificate(bytes(found.cer)) if found.cer else None

    def chain(self, name: str, version: str) -> list[x509.Certificate]:
        """A version and the certificates above it, without the private key."""
        from gateway.x509 import read_public

        found = self._calls.patiently(lambda: self._secrets.get_secret(name, version))
        return read_public(found.value or "", found.properties.content_type or "")

    def begun(self, name: str) -> datetime | None:
        """When the version that is being made was asked for; None where Key Vault does not show it."""
        listed = list(self._calls.listed(self._client.list_properties_of_certificate_versions(name), _version))
        open_ones = [each.made for each in listed if not each.thumbprint]
        if not listed:
            open_ones = [self.whole(name)[0].made]
        return max(open_ones, default=None)

    def cancel(self, name: str) -> Operation:
        """Ask for the open operation to be cancelled."""
        return _operation(self._send("PATCH", f"certificates/{name}/pending", {"cancellation_requested": True}))

    def forget(self, name: str) -> None:
        """Remove the operation, whatever became of it."""
        self._send("DELETE", f"certificates/{name}/pending")

    def remove_contacts(self) -> None:
        """The vault has no contacts any more: Key Vault does not take an empty list."""
        self._send("DELETE", "certificates/contacts")


def not_there(url: str, name: str, version: str = "") -> Failed:
    """The error for a certificate, or a version of it, that is not there."""
    what = f"there is no {f'version {version} of ' if version else ''}certificate {name} in {url}"
    return Failed(what, "keeper-rotation certificate list --vault shows the names")


def at(session: Session, place: CertificateId) -> OperatorVault:
    """The vault of a certificate."""
    return OperatorVault.of(session, place.vault_url)


def all_vaults(session: Session) -> list[tuple[str, str]]:
    """Address and resource id of all vaults that the credential can see; a subscription that refuses is a warning.

    Raises:
        Failed: there is none.
    """
    from gateway.discovery.looking import READER, Discovery

    discovery = Discovery(session)
    found = discovery.seen_vaults()
    for warning in discovery.warnings:
        warn(warning)
    if not found:
        raise Failed("no vault can be seen", f"name one with --vault, or {READER}")
    return found

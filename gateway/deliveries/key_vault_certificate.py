"""A Key Vault certificate: each renewal is imported as a new version.

Permission: the role *Key Vault Certificates Officer* on the vault (or an access policy with get, list, import and
update of certificates). Source: https://learn.microsoft.com/azure/key-vault/certificates/tutorial-import-certificate
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from gateway.azure.key_vault.certificate_answers import Version
from gateway.azure.key_vault.certificates import HINTS, KeyVaultCertificates, check_free
from gateway.azure.key_vault.ids import CertificateId
from gateway.deliveries.base import Delivery, DeliveryContext, Destination, Receipt, comparable_address
from gateway.deliveries.tags import KEY, RECORD, check_owner, kept
from gateway.errors import Failed, Unclear
from gateway.model.clouds import Cloud

if TYPE_CHECKING:
    from gateway.model.x509.bundle import Bundle

# Unless told otherwise, Key Vault would renew an imported certificate by itself, as a self-signed one of its own.
POLICY = {
    "issuer": {"name": "Unknown"},
    "secret_props": {"contentType": "application/x-pkcs12"},
    "lifetime_actions": [{"trigger": {"lifetime_percentage": 80}, "action": {"action_type": "EmailContacts"}}],
}


class KeyVaultCertificateDestination(Destination):
    """One certificate of one vault, another one than that which is renewed."""

    rights = HINTS["ForbiddenByRbac"]
    example = CertificateId.example()
    reads_back = True

    def __init__(self, certificate_id: CertificateId, optional: bool) -> None:
        super().__init__(str(certificate_id), optional)
        self._certificate_id = certificate_id

    @classmethod
    def recognise(cls, text: str, cloud: Cloud, optional: bool) -> Destination | None:
        """The certificate's identifier, or the portal's address of it."""
        parts = urlsplit(text)
        if "/Microsoft_Azure_KeyVault/Certificate/" not in unquote(parts.fragment) and (
            "/certificates" not in parts.path or "vault." not in parts.netloc
        ):
            return None
        certificate_id = CertificateId.read(text, cloud, "deliver_to")
        return cls(CertificateId(certificate_id.vault_url, certificate_id.name), optional)

    def check(self, context: DeliveryContext) -> list[str]:
        """It is a certificate that comes, the vault can be read, and the name is free or no other record's."""
        source = context.delivery_form.certificate
        if not source:
            what = f"{self.address}: only a certificate can be delivered there"
            raise Failed(what, "deliver a secret to https://<vault>.vault.azure.net/secrets/<name>")
        if comparable_address(source) == comparable_address(self.address):
            raise Failed(f"{self.address}: this is the certificate that is renewed", "remove this line")
        vault = self._certificates(context)
        newest = self._newest(vault)
        if newest is None:
            check_free(vault, self._certificate_id.name)
        check_owner(self.address, newest.tags if newest else {}, context.vault, context.record_uid)
        return []

    def deliver(self, context: DeliveryContext, delivery: Delivery) -> Receipt:
        """A new version, read back; none where the newest one is this certificate already."""
        from gateway.model.x509.bundle import read_secret

        vault = self._certificates(context)
        bundle = read_secret(delivery.value.reveal(), "")
        before = self._newest(vault)
        check_owner(self.address, before.tags if before else {}, context.vault, context.record_uid)
        if not _holds(before, bundle):
            theirs = before.tags if before else {}
            self._load(vault, bundle, kept(theirs, {RECORD: context.record_uid, KEY: delivery.key_id}))
            if not _holds(self._newest(vault), bundle):
                raise Unclear(self.address, "the vault shows another certificate than was imported")
        return Receipt(f"{self._certificate_id.vault_url}/secrets/{self._certificate_id.name}")

    def _load(self, vault: KeyVaultCertificates, bundle: Bundle, tags: dict[str, str]) -> None:
        from gateway.model.x509.bundle import to_pfx

        pfx = to_pfx(bundle, self._certificate_id.name, "")
        try:
            vault.load(self._certificate_id.name, pfx, POLICY, tags)
        except Unclear:
            # It may have been taken: a second version would do no harm, but look first.
            if not _holds(self._newest(vault), bundle):
                vault.load(self._certificate_id.name, pfx, POLICY, tags)

    def _newest(self, vault: KeyVaultCertificates) -> Version | None:
        return next(reversed(vault.versions(self._certificate_id.name)), None)

    def after_retirement(self, context: DeliveryContext, delivery: Delivery, removed: list[str]) -> None:
        """Switch off the versions that came from those that were retired; never the newest, which may be in use."""
        vault = self._certificates(context)
        for each in vault.versions(self._certificate_id.name)[:-1]:
            if each.enabled and each.tags.get(KEY) in removed:
                vault.enable(each.name, each.version, False)

    def _certificates(self, context: DeliveryContext) -> KeyVaultCertificates:
        return KeyVaultCertificates(context.http, context.azure, self._certificate_id.vault_url)


def _holds(newest: Version | None, bundle: Bundle) -> bool:
    from gateway.model.x509.certificate import thumbprint

    return newest is not None and newest.enabled and newest.thumbprint == thumbprint(bundle.leaf)

"""The data plane of all key vaults: all that it serves, and what tests and the demo do to it directly."""

from __future__ import annotations

from sandbox.arm.base import Resources
from sandbox.arm.roles import Roles
from sandbox.entra.directory import Directory, new_secret
from sandbox.entra.tokens import Tokens
from sandbox.key_vault.base import AUTHORITIES, KeyVaultBase
from sandbox.key_vault.certificates.deleted import KeyVaultDeletedCertificates
from sandbox.key_vault.certificates.helpers import CertificateHelpers
from sandbox.key_vault.certificates.issuance import Issuance
from sandbox.key_vault.certificates.requests import KeyVaultCertificateRequests
from sandbox.key_vault.certificates.settings import KeyVaultCertificateSettings
from sandbox.key_vault.certificates.versions import KeyVaultCertificates
from sandbox.key_vault.secrets import KeyVaultSecrets
from sandbox.key_vault.vaults import VAULT_TYPE, SecretVersion, Vault
from sandbox.proxy.clock import Clock
from sandbox.proxy.messages import Request, Response
from sandbox.proxy.service import STATE


class KeyVault(KeyVaultBase):
    """All vaults, each on a host of its own."""

    def __init__(
        self,
        directory: Directory,
        tokens: Tokens,
        roles: Roles,
        clock: Clock,
        resources: Resources,
        echoes_requests: bool = False,
    ) -> None:
        super().__init__(directory, tokens, roles, clock, resources, echoes_requests)
        self._secrets = KeyVaultSecrets(self)
        self._issuance = Issuance(self, self._secrets)
        certificates = KeyVaultCertificates(self, self._issuance)
        deleted = KeyVaultDeletedCertificates(self, certificates, self._secrets)
        # The path of a certificate fits contacts and issuers too, so those come first.
        self.parts = (
            self._secrets, KeyVaultCertificateSettings(self), KeyVaultCertificateRequests(self, self._issuance),
            certificates, deleted,
        )  # fmt: skip
        self._lend(CertificateHelpers(self, self._issuance, deleted))

    def _lend(self, helpers: CertificateHelpers) -> None:
        """What tests and the demo do to certificates is called here too, beside what they do to secrets."""
        self.add_issuer = helpers.add_issuer
        self.add_certificate = helpers.add_certificate
        self.add_many_certificates = helpers.add_many_certificates
        self.certificate_versions = helpers.certificate_versions
        self.pending_certificate = helpers.pending_certificate
        self.sign_csr = helpers.sign_csr
        self.delete_certificate = helpers.delete_certificate
        self.fail_next_issuance = helpers.fail_next_issuance

    def handle(self, request: Request) -> Response:
        """Perform the request; whatever was signed in the meantime is there."""
        self._issuance.settle(self.vault(request))
        return super().handle(request)

    # -- for tests and the demo ---------------------------------------------------------------------------------

    def add_vault(
        self, name: str, group: str = "rotation", suffix: str = ".vault.azure.net", tenant_id: str | None = None,
        retention_days: int = 90,
    ) -> Vault:  # fmt: skip
        """Make a vault; its name is its host's first part. Raises KeyError if the suffix is of no Azure cloud."""
        _ = AUTHORITIES[suffix]
        resource_id = f"{self.resources.group_id(group)}/providers/{VAULT_TYPE}/{name}"
        vault = Vault(
            resource_id, VAULT_TYPE, suffix=suffix, tenant_id=tenant_id or self.directory.tenant_id,
            retention_days=retention_days,
        )  # fmt: skip
        with STATE:
            if group.lower() not in self.resources.groups:
                self.resources.add_group(group)
            self.vaults[self.resources.add(vault).host] = vault
            self.hosts = tuple(self.vaults)
        return vault

    def set_secret(
        self, vault: Vault | str, name: str, value: str | None = None, *, tags: dict[str, str] | None = None,
        content_type: str | None = None, expires: float | None = None, enabled: bool = True,
    ) -> SecretVersion:  # fmt: skip
        """Give a secret a new version; without a value, one that is made up."""
        with STATE:
            version = SecretVersion(
                self._made_up() if value is None else value, int(self.clock.now()), content_type, dict(tags or {}),
                enabled, None, None if expires is None else int(expires),
            )  # fmt: skip
            self._secrets.add(self.get(vault), name, version)
        return version

    def versions(self, vault: Vault | str, name: str) -> list[SecretVersion]:
        """A secret's versions, oldest first; nothing if it is not there or was deleted."""
        with STATE:
            self._issuance.settle(self.get(vault))
            secret = self.get(vault).secrets.get(name.lower())
            return list(secret.versions) if secret else []

    def value(self, vault: Vault | str, name: str) -> str | None:
        """The text of a secret's current version."""
        found = self.versions(vault, name)
        return found[-1].value if found else None

    def grant(
        self, client_id: str, role: str, vault: Vault | str, secret: str | None = None, certificate: str | None = None
    ) -> None:
        """Assign a role to an application, on a vault or on one secret or certificate of it."""
        tail = f"/secrets/{secret}" if secret else f"/certificates/{certificate}" if certificate else ""
        scope = self.get(vault).id + tail
        with STATE:
            self.roles.grant(client_id, role, scope)

    def delete_secret(self, vault: Vault | str, name: str) -> None:
        """Delete a secret as a person in the portal would: it can still be recovered. Raises KeyError."""
        with STATE:
            self._secrets.delete(self.get(vault), name)

    def _made_up(self) -> str:
        value = new_secret()
        self.directory.issued.append(value)
        return value

"""A Key Vault secret: each rotation sets a new version.

Permission: the role *Key Vault Secrets Officer* on the vault or on the one secret (or an access policy with get, list
and set of secrets). Source: https://learn.microsoft.com/azure/key-vault/secrets/about-secrets
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import unquote, urlsplit

from gateway.azure.key_vault.calls import KeyVaultCalls
from gateway.azure.key_vault.ids import VAULT_NAME, no_vault_name
from gateway.deliveries.base import Delivery, DeliveryContext, Destination, Receipt, refuse, without_login
from gateway.deliveries.synced import HINT, is_whole_record, may_be_synced
from gateway.deliveries.tags import KEY, RECORD, check_owner, kept
from gateway.errors import CallError, Failed, Refused, Unclear
from gateway.model.clouds import Cloud
from gateway.secret import Secret

if TYPE_CHECKING:
    from azure.keyvault.secrets import KeyVaultSecret, SecretClient, SecretProperties

T = TypeVar("T")

ROLE = "Key Vault Secrets Officer"

_HINTS = {
    "ForbiddenByRbac": f"give the admin credential's service principal the role {ROLE} on the vault or the secret; "
    "a new role takes some minutes",
    "AccessDenied": "give the admin credential get, list and set of secrets in the vault's access policies",
    "ForbiddenByFirewall": "let this host through the vault's firewall",
    "SecretDisabled": "the secret's current version is disabled: enable it, or name another secret",
    "ObjectIsDeletedButRecoverable": "a deleted secret has this name: recover or purge it, or choose another name",
}


_MAY_BE_SYNCED = (
    "it holds a JSON document that this record did not set; where Keeper's Universal Secrets Sync keeps it, the two "
    "overwrite each other"
)


class KeyVaultSecretDestination(Destination):
    """One secret of one vault."""

    rights = _HINTS["ForbiddenByRbac"]

    example = "https://<vault>.vault.azure.net/secrets/<name>"
    holds_versions = True
    reads_back = True

    def __init__(self, vault_url: str, name: str, optional: bool) -> None:
        super().__init__(f"{vault_url}/secrets/{name}", optional)
        self.vault_url = vault_url
        self.name = name
        self._replaced: set[str] = set()

    @classmethod
    def recognise(cls, text: str, cloud: Cloud, optional: bool) -> Destination | None:
        """The secret's identifier, with or without a version, or the portal's address of it."""
        line, parts = text, urlsplit(text)
        if parts.netloc == cloud.portal:
            _, marker, inner = unquote(parts.fragment).partition("/Microsoft_Azure_KeyVault/Secret/")
            if not marker:
                return None
            parts = urlsplit(inner)
        if "/secrets" not in parts.path and "vault." not in parts.netloc:
            return None
        host = rf"{VAULT_NAME}\.{re.escape(cloud.key_vault)}"
        found = re.fullmatch(r"/secrets/([0-9a-zA-Z-]{1,127})(?:/[0-9a-f]{32})?/?", parts.path)
        is_vault = parts.scheme == "https" and re.fullmatch(host, parts.netloc)
        name = re.fullmatch(r"/secrets/([^/]+)/?", parts.path)
        if is_vault and name and not found and not parts.query:
            what = f"deliver_to: {without_login(name[1])!r} is no name for Key Vault"
            raise Failed(what, f"a name is 1 to 127 letters, digits and dashes; the form is {cls.example}")
        if why := no_vault_name(parts.netloc, cloud):
            raise Failed(f"deliver_to: {why}", f"the form is {cls.example}")
        if not is_vault or not found or parts.query:
            raise refuse(line, f"is not a secret of a vault in {cloud.name}", cls.example)
        return cls(f"https://{parts.netloc.lower()}", found.group(1), optional)

    def check(self, context: DeliveryContext) -> list[str]:
        """It can be read and is no other record's, is disabled and ours, or does not exist and its name is free."""
        client = self.client(context)
        try:
            current = self.retrying(context, lambda: client.get_secret(self.name))
        except Refused as error:
            if error.status == 404:
                self._check_free(context, client)
            elif error.code != "SecretDisabled" or not is_ours(self._newest(context, client), context):
                raise
        else:
            self._refuse_managed(current)
            self._refuse_synced(current)
            check_owner(self.address, current.properties.tags, context.vault, context.record_uid)
            if may_be_synced(current.value, current.properties.content_type) and not is_ours(
                current.properties, context
            ):
                return [f"{self.address}: {_MAY_BE_SYNCED}"]
        return []

    def _refuse_synced(self, current: KeyVaultSecret | None) -> None:
        if current and is_whole_record(current.value):
            what = "it holds all the fields of a Keeper record: Keeper's Universal Secrets Sync keeps it"
            raise Failed(f"{self.address}: {what}", HINT)

    def _refuse_managed(self, current: KeyVaultSecret) -> None:
        if current.properties.managed or current.properties.key_id:
            what = f"{self.address}: it belongs to the certificate {self.name}, and changes only with it"
            certificate = f"{self.vault_url}/certificates/{self.name}"
            raise Failed(what, f"name another secret; where a certificate is renewed, deliver to {certificate}")

    def _check_free(self, context: DeliveryContext, client: SecretClient) -> None:
        try:
            self.retrying(context, lambda: client.get_deleted_secret(self.name))
        except Refused:
            return  # not there, or not ours to see: the vault says so when the secret is set
        raise Failed(f"{self.address}: a deleted secret has this name", _HINTS["ObjectIsDeletedButRecoverable"])

    def deliver(self, context: DeliveryContext, delivery: Delivery) -> Receipt:
        """A new version, read back; none where the current one holds this value already."""
        client = self.client(context)
        current = self._current(context, client)
        self._refuse_synced(current)
        check_owner(self.address, current.properties.tags if current else {}, context.vault, context.record_uid)
        warnings: tuple[str, ...] = ()
        if current is not None and _holds(context, current, delivery.value):
            warnings = self._complete(context, client, current, delivery)
        else:
            if current is not None and delivery.replaced and _holds(context, current, delivery.replaced):
                self._replaced.add(str(current.properties.version))
            current = self._set(context, client, current, delivery)
        if not _holds(context, current, delivery.value):
            raise Unclear(self.address, "the vault shows another value than was set")
        return Receipt(str(current.id), warnings)

    def shows(self, context: DeliveryContext, delivery: Delivery) -> bool | None:
        """Whether the current version is enabled and holds this value; None where the vault does not answer."""
        try:
            current = self._current(context, self.client(context))
        except (Failed, CallError):
            return None
        return current is not None and _holds(context, current, delivery.value)

    def _complete(
        self, context: DeliveryContext, client: SecretClient, current: KeyVaultSecret, delivery: Delivery
    ) -> tuple[str, ...]:
        """Give the version that holds the value already its end and our tags, where they differ; warnings."""
        about, tags, ends = current.properties, self._tags(context, current, delivery), delivery.expires
        if about.tags == tags and (ends is None or (about.expires_on and _seconds(about.expires_on) == _seconds(ends))):
            return ()
        version = str(about.version)
        try:
            self.retrying(
                context, lambda: client.update_secret_properties(self.name, version, tags=tags, expires_on=ends)
            )
        except CallError as error:
            return (f"{self.address}: holds the value already, but its end and tags could not be set: {error}",)
        return ()

    def _tags(self, context: DeliveryContext, before: KeyVaultSecret | None, delivery: Delivery) -> dict[str, str]:
        theirs = (before.properties.tags or {}) if before else {}
        ours = {name: text.format(key_id=delivery.key_id) for name, text in context.delivery_form.tags.items()}
        ours |= {RECORD: context.record_uid, KEY: delivery.generation}
        return kept(theirs, ours)

    def _current(self, context: DeliveryContext, client: SecretClient) -> KeyVaultSecret | None:
        """The current version, without its value where it is disabled; None where there is none."""
        from azure.keyvault.secrets import KeyVaultSecret

        try:
            return self.retrying(context, lambda: client.get_secret(self.name))
        except Refused as error:
            if error.status == 404:
                return None
            if error.code == "SecretDisabled":
                return KeyVaultSecret(self._newest(context, client), None)
            raise

    def _newest(self, context: DeliveryContext, client: SecretClient) -> SecretProperties:
        return max(
            self._versions(context, client), key=lambda each: each.created_on or datetime.min.replace(tzinfo=UTC)
        )

    def _versions(self, context: DeliveryContext, client: SecretClient) -> list[SecretProperties]:
        return self.retrying(context, lambda: list(client.list_properties_of_secret_versions(self.name)))

    def _set(
        self, context: DeliveryContext, client: SecretClient, before: KeyVaultSecret | None, delivery: Delivery
    ) -> KeyVaultSecret:
        tags = self._tags(context, before, delivery)
        value, content_type = self._form(context, before, delivery)

        def put() -> KeyVaultSecret:
            return client.set_secret(
                self.name, value.reveal(), tags=tags, content_type=content_type, expires_on=delivery.expires
            )

        try:
            made = self.retrying(context, put, repeat_unclear=False)
        except Unclear:
            # It may have been set: a second version would do no harm, but look first.
            current = self._current(context, client)
            if current is not None and _holds(context, current, delivery.value):
                return current
            made = self.retrying(context, put, repeat_unclear=False)
        return self.retrying(context, lambda: client.get_secret(self.name, made.properties.version))

    def _form(
        self, context: DeliveryContext, before: KeyVaultSecret | None, delivery: Delivery
    ) -> tuple[Secret, str | None]:
        """The value and the content type of a new version: those who read a certificate go by the type."""
        content_type = before.properties.content_type if before else None
        if not context.delivery_form.certificate:
            return delivery.value, content_type
        from gateway.model.x509.bundle import form_of, in_form

        value = delivery.value.reveal()
        content_type = content_type if before else form_of(value)
        return Secret(in_form(value, content_type, self.name)), content_type

    def after_retirement(self, context: DeliveryContext, delivery: Delivery, removed: list[str]) -> None:
        """Disable the versions that hold a dead secret: ours by their tag, and what this run replaced."""
        client = self.client(context)
        # A version without our tag that held what was published before.
        replaced = dict.fromkeys(self._replaced, delivery.replaces)
        for each in self._versions(context, client):
            version = str(each.version)
            if each.enabled and (each.tags or {}).get(KEY, replaced.get(version)) in removed:
                self._disable(context, client, version)

    def _disable(self, context: DeliveryContext, client: SecretClient, version: str) -> None:
        self.retrying(context, lambda: client.update_secret_properties(self.name, version, enabled=False))

    def client(self, context: DeliveryContext) -> SecretClient:
        """Microsoft's client of the vault."""
        return self._calls(context).secrets()

    def retrying(self, context: DeliveryContext, call: Callable[[], T], *, repeat_unclear: bool = True) -> T:
        """A call of the client, repeated while that helps. Raises CallError."""
        return self._calls(context).retrying(call, repeat_unclear=repeat_unclear)

    def _calls(self, context: DeliveryContext) -> KeyVaultCalls:
        return KeyVaultCalls(context.http, context.azure, self.vault_url, self.address, _HINTS)


def _holds(context: DeliveryContext, version: KeyVaultSecret, value: Secret) -> bool:
    if not context.delivery_form.certificate:
        return version.value == value.reveal()
    from gateway.model.x509.bundle import holds

    return holds(version.value or "", value.reveal())


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())


def is_ours(version: SecretProperties, context: DeliveryContext) -> bool:
    """Whether the record's deliveries made this version."""
    return (version.tags or {}).get(RECORD) == context.record_uid

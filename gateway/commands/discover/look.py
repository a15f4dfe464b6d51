"""What a tenant has that a record could stand for: certificates, TLS secrets, app registrations, storage accounts.

Only names and dates are read, no value of a secret. One place that cannot be read is a warning, and the others are
read all the same. Permissions: docs/discover.md.
Source: https://learn.microsoft.com/rest/api/keyvault/keyvault/vaults/list-by-subscription
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from functools import partial
from itertools import chain
from typing import TypeVar

from gateway.azure.graph import Application
from gateway.azure.key_vault.certificate_answers import Version
from gateway.azure.key_vault.certificates import KeyVaultCertificates
from gateway.azure.key_vault.secrets import KeyVaultSecrets, TlsSecret
from gateway.azure.resources import Account, read_account
from gateway.azure.versions import STORAGE_ACCOUNTS
from gateway.commands.shared.new_records import APP, CERTIFICATE, STORAGE, TLS, Item
from gateway.commands.shared.survey import VAULT_READER, Survey
from gateway.errors import Failed, Refused
from gateway.host.background import side_by_side
from gateway.model.credential import NEVER
from gateway.model.x509 import PFX

T = TypeVar("T")
READ_APPS = "give the credential's application the permission Application.Read.All, with admin consent"
WITHOUT = "without a client secret, which a rotation would make; see --also-without-secret"
OURS = "the application that signs in here"


class Discovery(Survey):
    """What there is to find: certificates, TLS secrets, apps and storage accounts."""

    def certificates(self, vaults: list[str], *, versions: bool) -> list[Item]:
        """The certificates of these vaults, or every version of each."""
        return self._in_key_vaults(vaults, partial(self._certificates, versions=versions))

    def _in_key_vaults(self, vaults: list[str], listing: Callable[[str], list[Item]]) -> list[Item]:
        self.read, self.seen, self.now_at = 0, 0, f"{len(vaults)} vaults"
        return list(chain.from_iterable(side_by_side(listing, vaults)))

    def _in_key_vault(self, url: str, call: Callable[[], Iterable[T]]) -> list[T]:
        return self.attempt(f"vault {url}", call, VAULT_READER)

    def _certificates(self, url: str, *, versions: bool) -> list[Item]:
        vault = KeyVaultCertificates(self.session.http, self.session.azure, url)
        current = self._in_key_vault(url, lambda: self._counted(vault.names()))
        if not versions:
            return [_certificate(url, each) for each in current]
        return list(chain.from_iterable(side_by_side(partial(self._versions, vault), current)))

    def _versions(self, vault: KeyVaultCertificates, current: Version) -> list[Item]:
        """All versions; the current one alone where the others cannot be read."""
        where = f"versions of {vault.url}/certificates/{current.name}"
        found = self.attempt(where, lambda: self._counted(vault.versions(current.name)), VAULT_READER) or [current]
        newest = found[-1].version
        return [_certificate(vault.url, each, each.version, each.version == newest) for each in reversed(found)]

    def tls_secrets(self, vaults: list[str], *, versions: bool) -> list[Item]:
        """The TLS secrets of these vaults, those that belong to a certificate among them, or every version of each."""
        return self._in_key_vaults(vaults, partial(self._tls_secrets, versions=versions))

    def _tls_secrets(self, url: str, *, versions: bool) -> list[Item]:
        vault = KeyVaultSecrets(self.session.http, self.session.azure, url)
        current = self._in_key_vault(url, lambda: self._counted(vault.all()))
        if not versions:
            return [_tls_secret(each) for each in current]
        return list(chain.from_iterable(side_by_side(partial(self._secret_versions, vault), current)))

    def _secret_versions(self, vault: KeyVaultSecrets, current: TlsSecret) -> list[Item]:
        """All versions; the current one alone where the others cannot be read."""
        name = current.secret_id.name
        where = f"versions of {vault.url}/secrets/{name}"
        listed = self.attempt(where, lambda: self._counted(vault.versions(name)), VAULT_READER)
        found = [each for each in listed if each.is_tls] or [current]
        return [_tls_secret(each, each.secret_id.version, each is found[-1]) for each in reversed(found)]

    def apps(self) -> list[Item]:
        """All app registrations; where the credential may not list them, those that it owns."""
        graph, client_id = self.session.azure.graph, self.session.admin.client_id
        self.now_at = "app registrations"
        try:
            found = list(self._counted(graph.applications()))
            self.read += 1
        except Refused as error:
            if error.status != 403 or not client_id:
                raise Failed(f"app registrations: {error}", READ_APPS if error.status == 403 else error.hint) from None
            self.notes.append(f"only the apps that the credential's application owns are shown; for all, {READ_APPS}")
            found = self.attempt(
                "owned apps", lambda: list(self._counted(graph.owned_applications(client_id))), READ_APPS
            )
        return [_app(each, client_id) for each in found]

    def storage_accounts(self, subscriptions: Iterable[str]) -> list[Item]:
        """The storage accounts of these subscriptions, or of all. Raises Failed: one is no subscription."""
        kind = "Microsoft.Storage/storageAccounts"
        accounts = self._resources("storage accounts", kind, STORAGE_ACCOUNTS, subscriptions, read_account)
        return [_storage(each) for each in accounts]


def _host(url: str) -> str:
    return url.removeprefix("https://").partition(".")[0]


def _certificate(url: str, each: Version, version: str = "", current: bool = True) -> Item:
    notes = [*([] if each.enabled else ["disabled"]), *([] if current else ["previous version"])]
    address, note = f"{url}/certificates/{each.name}", ", ".join(notes)
    return Item(CERTIFICATE, address, each.name, _host(url), each.expires, note, version=version, previous=not current)


def _tls_secret(each: TlsSecret, version: str = "", current: bool = True) -> Item:
    kind = "PFX" if each.content_type.lower() == PFX else "PEM"
    notes = [f"{kind} of a certificate" if each.managed else kind, *([] if each.enabled else ["disabled"])]
    notes += [f"activates {each.activates:%Y-%m-%d}"] if each.activates and not each.managed else []
    notes += [] if current else ["previous version"]
    secret_id = each.secret_id.whole()
    label, address = (
        (CERTIFICATE, f"{secret_id.vault_url}/certificates/{secret_id.name}") if each.managed else (TLS, str(secret_id))
    )
    return Item(
        label, address, secret_id.name, secret_id.vault, each.expires, ", ".join(notes),
        version=version, previous=not current, source=str(each.secret_id) if version else str(secret_id),
    )  # fmt: skip


def _app(app: Application, ours: str) -> Item:
    ends = [each.ends for each in app.passwords]
    note = f"{len(ends)} client secret{'' if len(ends) == 1 else 's'}"
    note += f", owner{'s' if len(app.owners) > 1 else ''} {', '.join(app.owners)}" if app.owners else ""
    unwanted = OURS if app.client_id == ours else "" if ends else WITHOUT
    soonest = min((each for each in ends if each != NEVER), default=None)
    also, owners = (app.client_id,), app.owners
    return Item(APP, app.object_id, app.name, app.client_id, soonest, note, also, unwanted=unwanted, owners=owners)


def _storage(account: Account) -> Item:
    """Its keys expire by policy only, counted from when each was made; the older one comes first."""
    resource, made, days = account.id, account.made, account.expire_after
    expires = min(made.values()) + timedelta(days=days) if made and days else None
    notes = [f"{name} of {moment:%Y-%m-%d}" for name, moment in sorted(made.items())]
    notes += [f"keys expire after {days} days" if days else "no key policy"]
    notes += [] if account.admits_keys else ["keys not admitted"]
    return Item(STORAGE, resource, resource.rpartition("/")[2], resource.split("/")[4], expires, ", ".join(notes))

"""What a tenant has that a record could stand for: certificates, TLS secrets, app registrations, storage accounts.

Only names and dates are read, no value of a secret. One place that cannot be read is a warning, and the others are
read all the same. Permissions: docs/discover.md.
Source: https://learn.microsoft.com/rest/api/keyvault/keyvault/vaults/list-by-subscription
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import chain
from typing import Any, TypeVar

from gateway.certificates import CertificateVault, Version
from gateway.errors import CallError, Failed, Refused
from gateway.graph import Application
from gateway.key_vault import VAULTS_API_VERSION, vault_url
from gateway.kinds import registry
from gateway.operating.asking import side_by_side
from gateway.operating.session import Session
from gateway.tls.vault import SecretVault, TlsSecret
from gateway.x509 import PFX

T = TypeVar("T")

CERTIFICATE, TLS = registry.CERTIFICATE.target, registry.TLS_SECRET.target
APP, STORAGE = registry.APP_SECRET.target, registry.STORAGE_KEY.target
READER = "give the credential's service principal the role Reader on the subscription or the resource group"
VAULT_READER = (
    "give the credential's service principal the role Key Vault Reader on the vault, or list of certificates and "
    "secrets in its access policies; a new role takes some minutes"
)
READ_APPS = "give the credential's application the permission Application.Read.All, with admin consent"
WITHOUT = "without a client secret, which a rotation would make; see --also-without-secret"
OURS = "the application that signs in here"
_STORAGE_VERSION, _SUBSCRIPTIONS_VERSION = "2023-05-01", "2022-12-01"
# What a firewall refuses, no role allows.
_OWN_HINTS = ("ForbiddenByFirewall",)


@dataclass(frozen=True)
class Item:
    """One thing that is there. ``label``: the field by which a record names it; ``address``: that field's value.

    ``also``: other values that name it; ``source``: where it was found, if that is another address; ``version``: empty
    for the thing as a whole; ``unwanted``: why no record is made for it.
    """

    label: str
    address: str
    name: str
    where: str
    expires: datetime | None
    note: str = ""
    also: tuple[str, ...] = ()
    version: str = ""
    previous: bool = False
    source: str = ""
    unwanted: str = ""

    def days_left(self, now: datetime) -> int | None:
        """Whole days until it expires, negative where it has; None where it does not."""
        return None if self.expires is None else (self.expires - now) // timedelta(days=1)


class Discovery:
    """One look around with one credential.

    ``warnings``: places that could not be read; ``notes``: what to know of the others; ``seen`` and ``now_at`` say how
    far it has come.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self.warnings: list[str] = []
        self.notes: list[str] = []
        self.read = 0
        self.seen = 0
        self.now_at = "subscriptions"

    def state(self) -> str:
        """For people, while it takes its time."""
        return f"found {self.seen:,} so far; reading {self.now_at}"

    # Places

    def attempt(self, place: str, call: Callable[[], list[T]], permission: str) -> list[T]:
        """What ``call`` lists; nothing, and one warning, where it fails."""
        try:
            found = call()
        except (Failed, CallError) as error:
            denied = isinstance(error, Refused) and error.status in (401, 403) and error.code not in _OWN_HINTS
            self.warnings.append(f"{place}: {error}; {permission if denied else error.hint}")
            return []
        except Exception as error:  # whatever Microsoft's clients and we raise on an answer that is none
            what = f"an answer that cannot be read ({type(error).__name__})"
            self.warnings.append(f"{place}: {what}; {CallError.default_hint}")
            return []
        self.read += 1
        return found

    def vaults(self, named: Iterable[str]) -> list[str]:
        """The addresses of these vaults; of all that the credential sees in all subscriptions, where none is named.

        Raises:
            Failed: one of them is no vault of this cloud.
        """
        cloud = self.session.azure.cloud
        if urls := [vault_url(text, cloud) for text in named]:
            return list(dict.fromkeys(urls))
        return [url for url, _ in self.seen_vaults()]

    def seen_vaults(self) -> list[tuple[str, str]]:
        """Address and resource id of every vault that the credential sees in all subscriptions."""
        cloud = self.session.azure.cloud
        listed = self._resources("key vaults", "Microsoft.KeyVault/vaults", VAULTS_API_VERSION, ())
        found = ((str((each.get("properties") or {}).get("vaultUri") or ""), str(each["id"])) for each in listed)
        return list({vault_url(uri.rstrip("/"), cloud, "vaultUri"): name for uri, name in found if uri}.items())

    def _resources(self, what: str, kind: str, version: str, subscriptions: Iterable[str]) -> list[dict[str, Any]]:
        """The resources of a kind in these subscriptions, or in all."""
        names = {_subscription(text): text.strip() for text in subscriptions} or self._subscriptions()
        self.now_at = what

        def ask(subscription: str) -> list[dict[str, Any]]:
            pages = partial(self.session.azure.arm.pages, f"{subscription}/providers/{kind}", version)
            place = f"{what} of subscription {names[subscription]}"
            return self.attempt(place, lambda: [_known_by_id(each) for each in self._counted(pages())], READER)

        found = list(chain.from_iterable(side_by_side(ask, list(names))))
        if not found and not self.warnings:
            self.notes.append(f"no {what} can be seen; where there are any, {READER}")
        return found

    def _subscriptions(self) -> dict[str, str]:
        """Ids of all subscriptions, with the names that people know them by."""
        pages = partial(self.session.azure.arm.pages, "/subscriptions", _SUBSCRIPTIONS_VERSION)
        listed = self.attempt("subscriptions", lambda: [_known_by_id(each) for each in pages()], READER)
        if not listed and not self.warnings:
            self.warnings.append(f"subscriptions: none can be seen; {READER}")
        self.read = 0
        return {str(each["id"]): repr(each.get("displayName") or each["id"]) for each in listed}

    def _counted(self, items: Iterable[T]) -> Iterator[T]:
        for item in items:
            if over := self.session.http.deadline.over():
                raise Failed(over, "a larger ROTATION_DEADLINE_SECONDS lets it read the rest")
            self.seen += 1
            yield item

    # What is there

    def certificates(self, vaults: list[str], *, versions: bool) -> list[Item]:
        """The certificates of these vaults, or every version of each."""
        return self._in_vaults(vaults, partial(self._certificates, versions=versions))

    def _in_vaults(self, vaults: list[str], listing: Callable[[str], list[Item]]) -> list[Item]:
        self.read, self.seen, self.now_at = 0, 0, f"{len(vaults)} vaults"

        def ask(url: str) -> list[Item]:
            return self.attempt(f"vault {url}", lambda: listing(url), VAULT_READER)

        return list(chain.from_iterable(side_by_side(ask, vaults)))

    def _certificates(self, url: str, *, versions: bool) -> list[Item]:
        vault = CertificateVault(self.session.http, self.session.azure, url)
        current = list(self._counted(vault.names()))
        if not versions:
            return [_certificate(url, each) for each in current]
        return list(chain.from_iterable(side_by_side(partial(self._versions, vault), current)))

    def _versions(self, vault: CertificateVault, current: Version) -> list[Item]:
        found = list(self._counted(vault.versions(current.name)))
        newest = found[-1].version if found else ""
        return [_certificate(vault.url, each, each.version, each.version == newest) for each in reversed(found)]

    def tls_secrets(self, vaults: list[str], *, versions: bool) -> list[Item]:
        """The TLS secrets of these vaults, those that belong to a certificate among them, or every version of each."""
        return self._in_vaults(vaults, partial(self._tls_secrets, versions=versions))

    def _tls_secrets(self, url: str, *, versions: bool) -> list[Item]:
        vault = SecretVault(self.session, url)
        current = list(self._counted(vault.all()))
        if not versions:
            return [_tls_secret(each) for each in current]
        return list(chain.from_iterable(side_by_side(partial(self._secret_versions, vault), current)))

    def _secret_versions(self, vault: SecretVault, current: TlsSecret) -> list[Item]:
        found = [each for each in self._counted(vault.versions(current.place.name)) if each.is_tls]
        return [_tls_secret(each, each.place.version, each is found[-1]) for each in reversed(found)]

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
        return [_storage(each) for each in self._resources("storage accounts", kind, _STORAGE_VERSION, subscriptions)]


def _known_by_id(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry of a list of resources. Raises KeyError: it has no id."""
    _ = entry["id"]
    return entry


def _subscription(text: str) -> str:
    from gateway.graph import is_guid

    given = text.strip().removeprefix("/subscriptions/").rstrip("/")
    if not is_guid(given):
        raise Failed(f"--subscription: {text!r} is not the id of a subscription", "give its id, a GUID")
    return f"/subscriptions/{given}"


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
    place = each.place.whole()
    label, address = (
        (CERTIFICATE, f"{place.vault_url}/certificates/{place.name}") if each.managed else (TLS, str(place))
    )
    return Item(
        label, address, place.name, place.vault, each.expires, ", ".join(notes), version=version, previous=not current,
        source=str(each.place) if version else str(place),
    )  # fmt: skip


def _app(app: Application, ours: str) -> Item:
    ends = [each.ends for each in app.passwords]
    note = f"{len(ends)} client secret{'' if len(ends) == 1 else 's'}"
    unwanted = OURS if app.client_id == ours else "" if ends else WITHOUT
    soonest = min(ends, default=None)
    return Item(APP, app.object_id, app.name, app.client_id, soonest, note, (app.client_id,), unwanted=unwanted)


def _storage(account: dict[str, Any]) -> Item:
    """Its keys expire by policy only, counted from when each was made; the older one comes first."""
    resource, properties = str(account["id"]), account.get("properties") or {}
    made = {
        name: datetime.fromisoformat(text) for name, text in (properties.get("keyCreationTime") or {}).items() if text
    }
    days = (properties.get("keyPolicy") or {}).get("keyExpirationPeriodInDays")
    expires = min(made.values()) + timedelta(days=int(days)) if made and days else None
    notes = [f"{name} of {moment:%Y-%m-%d}" for name, moment in sorted(made.items())]
    notes += [f"keys expire after {days} days" if days else "no key policy"]
    notes += ["keys not admitted"] if properties.get("allowSharedKeyAccess") is False else []
    return Item(STORAGE, resource, resource.rpartition("/")[2], resource.split("/")[4], expires, ", ".join(notes))

"""A look around Azure with one credential: its subscriptions, their resources, and all key vaults that it sees.

One place that cannot be read is a warning, and the others are read all the same.
Source: https://learn.microsoft.com/rest/api/keyvault/keyvault/vaults/list-by-subscription
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain
from typing import Any, TypeVar

from gateway.azure.key_vault.calls import key_vault_url
from gateway.azure.resources import read_subscription, read_vault, subscriptions
from gateway.azure.versions import KEY_VAULTS, ApiVersion
from gateway.commands.shared.output import warn
from gateway.commands.shared.session import Session
from gateway.errors import CallError, Failed, Incomplete, Refused
from gateway.host.background import side_by_side

T = TypeVar("T")
R = TypeVar("R")
READER = "give the credential's service principal the role Reader on the subscription or the resource group"
VAULT_READER = (
    "give the credential's service principal the role Key Vault Reader on the vault, or list of certificates and "
    "secrets in its access policies; a new role takes some minutes"
)
# What a firewall refuses, no role allows.
_OWN_HINTS = ("ForbiddenByFirewall",)


class Survey:
    """One look around with one credential.

    ``warnings``: places that could not be read, one of them perhaps more than once; ``notes``: what to know of the
    others; ``seen`` and ``now_at`` say how far it has come.
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

    def attempt(self, where: str, call: Callable[[], Iterable[T]], permission: str) -> list[T]:
        """What ``call`` lists; as far as it came, and one warning, where it fails."""
        found: list[T] = []
        try:
            check_time(self.session)
            for each in call():
                found.append(each)
        except TimeOver as error:  # of every place that is left
            self.warnings.append(f"{error}; {error.hint}")
        except (Failed, CallError) as error:
            denied = isinstance(error, Refused) and error.status in (401, 403) and error.code not in _OWN_HINTS
            self.warnings.append(f"{where}: {error}; {permission if denied else error.hint}")
        except Exception as error:  # whatever Microsoft's clients and we raise on an answer that is none
            what = f"an answer that cannot be read ({type(error).__name__})"
            self.warnings.append(f"{where}: {what}; {CallError.default_hint}")
        else:
            self.read += 1
            return found
        self.read += bool(found)
        return found

    def _readable(self, where: str, entries: Iterable[R], read: Callable[[R], T]) -> Iterator[T]:
        """Those of these entries that ``read`` can read."""
        for entry in entries:
            yield from self.attempt(where, partial(map, read, [entry]), READER)

    def key_vaults(self, named: Iterable[str]) -> list[str]:
        """The addresses of these vaults; of all that the credential sees in all subscriptions, where none is named.

        Raises:
            Failed: one of them is no vault of this cloud.
        """
        cloud = self.session.azure.cloud
        if urls := [key_vault_url(text, cloud) for text in named]:
            return list(dict.fromkeys(urls))
        return [url for url, _ in self.seen_key_vaults()]

    def seen_key_vaults(self) -> list[tuple[str, str]]:
        """Address and resource id of every vault that the credential sees in all subscriptions."""

        def read(entry: dict[str, Any]) -> tuple[str, str]:
            vault = read_vault(entry)
            return vault.url and key_vault_url(vault.url, self.session.azure.cloud, "vaultUri"), vault.id

        listed = self._resources("key vaults", "Microsoft.KeyVault/vaults", KEY_VAULTS, (), read)
        return list({url: resource for url, resource in listed if url}.items())

    def _resources(
        self, what: str, kind: str, version: ApiVersion, within: Iterable[str], read: Callable[[dict[str, Any]], T]
    ) -> list[T]:
        """The resources of a kind in these subscriptions, or in all, as ``read`` makes them of an entry."""
        names = {_subscription(text): text.strip() for text in within} or self._subscriptions()
        self.now_at = what

        def ask(subscription: str) -> list[T]:
            pages = partial(self.session.azure.arm.pages, f"{subscription}/providers/{kind}", version)
            where = f"{what} of subscription {names[subscription]}"
            return self.attempt(where, lambda: self._readable(where, self._counted(pages()), read), READER)

        found = list(chain.from_iterable(side_by_side(ask, list(names))))
        if not found and not self.warnings:
            self.notes.append(f"no {what} can be seen; where there are any, {READER}")
        return found

    def _subscriptions(self) -> dict[str, str]:
        """Ids of all subscriptions, with the names that people know them by."""
        what, entries = "subscriptions", partial(subscriptions, self.session.azure.arm)
        listed = self.attempt(what, lambda: self._readable(what, entries(), read_subscription), READER)
        if not listed and not self.warnings:
            self.warnings.append(f"subscriptions: none can be seen; {READER}")
        self.read = 0
        return {each.id: repr(each.name) for each in listed}

    def _counted(self, items: Iterable[T]) -> Iterator[T]:
        for item in items:
            check_time(self.session)
            self.seen += 1
            yield item


def all_key_vaults(session: Session) -> tuple[list[tuple[str, str]], bool]:
    """Address and resource id of all vaults that the credential can see, and whether these are all.

    What cannot be listed is a warning.

    Raises:
        Failed: there is none.
    """
    survey = Survey(session)
    found = survey.seen_key_vaults()
    for warning in dict.fromkeys(survey.warnings):
        warn(warning)
    if not found:
        raise Failed("no vault can be seen", f"name the vault, or {READER}")
    return found, not survey.warnings


class TimeOver(Failed):
    """There is no time to read the rest."""


def check_time(session: Session) -> None:
    """There is time to read more. Raises TimeOver."""
    if over := session.deadline.over():
        raise TimeOver(over, "a larger ROTATION_DEADLINE_SECONDS lets it read the rest")


def not_all() -> Incomplete:
    """What a command that lists ends with, where it has warned of what it could not read."""
    return Incomplete("not everything could be read; what is shown is not all", "do what the warnings say")


def _subscription(text: str) -> str:
    from gateway.azure.graph import is_guid

    given = text.strip().removeprefix("/subscriptions/").rstrip("/")
    if not is_guid(given):
        raise Failed(f"--subscription: {text!r} is not the id of a subscription", "give its id, a GUID")
    return f"/subscriptions/{given}"

"""Microsoft's own clients for one vault, on our session and our sign-in, with errors in our own kinds.

Source: https://learn.microsoft.com/azure/key-vault/general/rest-error-codes
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from gateway.azure.key_vault.ids import VAULT_NAME, split
from gateway.errors import CallError, Failed, NotSent, Refused, Unclear
from gateway.host.http import Http, never_left, retry_after
from gateway.model.clouds import Cloud
from gateway.secret import masked

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential
    from azure.keyvault.certificates import CertificateClient
    from azure.keyvault.secrets import SecretClient

T = TypeVar("T")

# What Microsoft's clients, and who reads what they made of an answer, raise where it is none.
_NO_ANSWER = (ValueError, TypeError, KeyError, AttributeError, RecursionError)


class _Unreadable(Unclear):
    def worth_another_try(self) -> bool:
        return False


def key_vault_url(text: str, cloud: Cloud, where: str = "--vault") -> str:
    """The address of a vault, given by its name or its address; no token goes to a host outside of the cloud.

    Raises:
        Failed: it is neither; ``where`` names where it stands.
    """
    given = text.strip().lower()
    parts = split(given if "//" in given else f"https://{given}")
    name = parts.netloc.removesuffix(f".{cloud.key_vault}")
    known = parts.netloc != name or "//" not in given
    fits = re.fullmatch(VAULT_NAME, name)
    if parts.scheme != "https" or not known or not fits or parts.path.strip("/") or parts.query or parts.fragment:
        shown = re.sub(r"//[^/\s]*@", "//", text)
        what = f"{where}: {shown!r} is not a vault in {cloud.name}"
        raise Failed(what, f"give its name, or https://<vault>.{cloud.key_vault}")
    return f"https://{name}.{cloud.key_vault}"


class CredentialSource(Protocol):
    """Who asks: `gateway.azure.sign_in.Azure`."""

    def credential(self) -> TokenCredential:
        """The sign-in in the shape that Microsoft's clients ask for."""


class KeyVaultCalls:
    """Calls to one vault.

    Args:
        url: of the vault, ``https://<vault>.vault.azure.net``.
        where: what errors name.
        hints: what to do, by Key Vault's (inner) error code.
    """

    def __init__(self, http: Http, azure: CredentialSource, url: str, where: str, hints: Mapping[str, str]) -> None:
        self._http = http
        self._azure = azure
        self._url = url
        self._where = where
        self._hints = hints
        self._last = threading.local()

    def secrets(self) -> SecretClient:
        """The client for secrets."""
        from azure.keyvault.secrets import SecretClient

        return SecretClient(self._url, self._azure.credential(), **self._options())

    def certificates(self) -> CertificateClient:
        """The client for certificates."""
        from azure.keyvault.certificates import CertificateClient

        return CertificateClient(self._url, self._azure.credential(), **self._options())

    def _options(self) -> dict[str, Any]:
        from azure.core.pipeline.transport import RequestsTransport

        seconds = self._http.timeout()
        return {
            # The transport's own timeouts: those of the client are for a transport that it makes itself.
            "transport": RequestsTransport(
                session=self._http.session, session_owner=False, connection_timeout=seconds, read_timeout=seconds
            ),
            # We decide what may be repeated: azure-core would send a PUT up to four times.
            "retry_total": 0,
            "raw_request_hook": self._note_request,
            "raw_response_hook": lambda answer: self._http.note_time(answer.http_response),
            # A redirect would be followed with the secret in hand, wherever it leads.
            "permit_redirects": False,
        }

    def _note_request(self, request: Any) -> None:
        self._last.method = request.http_request.method
        self._http.may_have_changed |= self._last.method != "GET"

    def _unclear(self, what: str) -> Unclear:
        is_read = getattr(self._last, "method", "GET") == "GET"
        return Unclear(self._where, what, may_have_changed=not is_read)

    def listed(self, listing: Any, read: Callable[[Any], T]) -> Iterator[T]:
        """Every entry of a list that comes in pages, as ``read`` makes it of Microsoft's. Raises CallError."""
        pages = listing.by_page()

        def following() -> list[T] | None:
            try:
                page = next(pages, None)
                return None if page is None else [read(each) for each in page]
            except _NO_ANSWER:
                # Not to be asked for again: Microsoft's client takes a first page that it cannot read for the last.
                raise _Unreadable(self._where, "an answer that cannot be read") from None

        while (page := self.retrying(following)) is not None:
            yield from page

    def retrying(self, call: Callable[[], T], *, repeat_unclear: bool = True, tells: bool = False) -> T:
        """A call of a client, repeated while that helps. ``tells``: it carries no value, so its error may be quoted.

        Raises:
            CallError
        """
        lost: list[Unclear] = []

        def attempt() -> T:
            try:
                return self._translated(call, tells)
            except Unclear as error:
                lost.extend([error] if error.may_have_changed else [])
                raise

        try:
            return self._http.retrying(attempt, repeat_unclear=repeat_unclear)
        except NotSent:
            if lost:  # an earlier try may have arrived
                raise lost[-1] from None
            raise

    def _translated(self, call: Callable[[], T], tells: bool) -> T:
        from azure.core import exceptions
        from requests import RequestException

        try:
            return call()
        except exceptions.HttpResponseError as error:
            raise self._refused(error, tells) from None
        except exceptions.ServiceRequestError as error:
            cause = error.inner_exception
            if isinstance(cause, RequestException) and never_left(cause):
                hint = f"is the vault's name right? else: {NotSent.default_hint}"
                raise NotSent(self._where, "no connection", hint) from None
            raise self._unclear("connection broken") from None
        except exceptions.AzureError:
            raise self._unclear("no usable answer") from None
        except _NO_ANSWER:
            raise self._unclear("an answer that cannot be read") from None

    def _refused(self, error: Any, tells: bool) -> CallError:
        status = error.status_code or 0
        if status >= 500 or status < 300:
            return self._unclear(f"HTTP {status}" if status >= 500 else "an answer that cannot be read")
        inner = getattr(error.error, "innererror", None) or {}
        code = str(inner.get("code") or getattr(error.error, "code", "") or "")
        # Masked before it is cut: half of a token would not be known.
        said = masked(str(getattr(error.error, "message", "") or ""))[:300] if tells else ""
        said = "" if code == "ForbiddenByRbac" else said
        return Refused(
            self._where,
            status,
            code,
            said,
            throttled=status == 429,
            retry_after=retry_after(error.response) if error.response else None,
            hint=self._hints.get(code, ""),
        )

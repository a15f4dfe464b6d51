"""One request that a storage account's key signs.

Blobs, files and queues are asked with Microsoft's client for blobs, whose signature all three understand. Tables have
one of their own, made here: their client would be a package more for everybody.
Source: https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from email.utils import formatdate
from typing import TYPE_CHECKING

from gateway.azure.versions import STORAGE_TABLES
from gateway.errors import NotSent, Refused, Unclear
from gateway.host.http import Http
from gateway.secret import Secret

if TYPE_CHECKING:
    import requests

SERVICES = ("blob", "file", "queue", "table")
# The network or a setting keeps this service closed to us; which key it was does not matter.
NOT_LET_IN = ("AuthorizationFailure", "KeyBasedAuthenticationNotPermitted")
_CODE = re.compile(r"\bcode\W{1,5}(\w{1,80})", re.IGNORECASE)


def ask(http: Http, service: str, endpoint: str, account: str, key: Secret) -> None:
    """Ask a service for something that every account has, once, on a connection of its own.

    Raises:
        NotSent, Unclear
        Refused: ``code`` is the service's.
    """
    (_ask_tables if service == "table" else _ask_others)(http, service, endpoint, account, key)


def _ask_others(http: Http, service: str, endpoint: str, account: str, key: Secret) -> None:
    from azure.core import exceptions
    from azure.core.credentials import AzureNamedKeyCredential
    from azure.core.pipeline.transport import RequestsTransport
    from azure.storage.blob import BlobServiceClient

    where, seconds = _where(account), http.timeout()
    transport = RequestsTransport(session=http.fresh(endpoint), connection_timeout=seconds, read_timeout=seconds)
    client = BlobServiceClient(
        endpoint,
        # The name too: endpoints in a DNS zone of Azure's do not tell it in the usual way.
        credential=AzureNamedKeyCredential(account, key.reveal()),
        transport=transport,
        retry_total=0,
        permit_redirects=False,
    )
    try:
        # Files and queues have only this one of the two, in the same form and with the same signature.
        with client:
            client.get_account_information() if service == "blob" else client.get_service_properties()
    except exceptions.HttpResponseError as error:
        code = getattr(error, "error_code", None) or ""
        raise _refusal(account, error.status_code or 0, str(getattr(code, "value", code))) from None
    except exceptions.ServiceRequestError:
        raise NotSent(where, "no connection") from None
    except exceptions.AzureError:
        raise Unclear(where, "no usable answer") from None


def _ask_tables(http: Http, service: str, endpoint: str, account: str, key: Secret) -> None:
    made = formatdate(usegmt=True)
    text = f"GET\n\n\n{made}\n/{account}/?comp=properties"
    try:
        signed = hmac.new(base64.b64decode(key.reveal()), text.encode(), hashlib.sha256).digest()
    except ValueError:
        raise _refusal(account, 403, "AuthenticationFailed") from None  # what is no key signs nothing
    headers = {
        "x-ms-date": made,
        "x-ms-version": STORAGE_TABLES.version,
        "Authorization": f"SharedKey {account}:{base64.b64encode(signed).decode()}",
    }
    address = f"{endpoint.rstrip('/')}/?restype=service&comp=properties"
    answer = http.raw(_where(account), "GET", address, fresh=True, headers=headers)
    if answer.status_code != 200:
        raise _refusal(account, answer.status_code, _code(answer))


def _code(answer: requests.Response) -> str:
    """In the header that the other services set, or as tables tell it: in XML or JSON."""
    found = _CODE.search(answer.text[:4096])
    return answer.headers.get("x-ms-error-code") or (found[1] if found else "")


def _refusal(account: str, status: int, code: str) -> Refused | Unclear:
    where = _where(account)
    return Unclear(where, f"HTTP {status}") if status >= 500 else Refused(where, status, code)


def _where(account: str) -> str:
    return f"storage account {account}"

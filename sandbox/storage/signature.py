"""The signature by which a request proves that it knows a storage account's key: the scheme SharedKey.

https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections import defaultdict
from urllib.parse import parse_qsl, urlsplit

from sandbox.proxy.messages import Request

SIGNED_HEADERS = (
    "content-encoding", "content-language", "content-length", "content-md5", "content-type", "date",
    "if-modified-since", "if-match", "if-none-match", "if-unmodified-since", "range",
)  # fmt: skip
WHITE_SPACE = re.compile(r"[ \t\r\n]+")


def signature(key: str, account: str, request: Request) -> str:
    """What the request has to be signed with if it was made with this key."""
    text = string_to_sign(account, request).encode()
    return base64.b64encode(hmac.new(base64.b64decode(key), text, hashlib.sha256).digest()).decode()


def table_signature(key: str, account: str, request: Request) -> str:
    """The same for the table service, which has a scheme of its own under the same name."""
    values = [request.headers.get(name, "") for name in ("content-md5", "content-type")]
    made = request.headers.get("x-ms-date") or request.headers.get("date", "")
    text = "\n".join([request.method, *values, made, _table_resource(account, request)]).encode()
    return base64.b64encode(hmac.new(base64.b64decode(key), text, hashlib.sha256).digest()).decode()


def _table_resource(account: str, request: Request) -> str:
    asked = f"?comp={request.query['comp']}" if "comp" in request.query else ""
    return f"/{account}{request.path}{asked}"


def string_to_sign(account: str, request: Request) -> str:
    """The request as the signature sees it, by the rules for versions from 2015-02-21 on."""
    plain = [_signed_value(request, name) for name in SIGNED_HEADERS]
    return "\n".join([request.method, *plain, *_own_headers(request), *_resource(account, request)])


def _signed_value(request: Request, name: str) -> str:
    value = request.headers.get(name, "")
    if name == "content-length" and value == "0":
        return ""
    # A request that says when it was made in x-ms-date is signed as if it had no Date.
    return "" if name == "date" and "x-ms-date" in request.headers else value


def _own_headers(request: Request) -> list[str]:
    own = sorted((name, value) for name, value in request.headers.items() if name.startswith("x-ms-"))
    return [f"{name}:{WHITE_SPACE.sub(' ', value).strip()}" for name, value in own]


def _resource(account: str, request: Request) -> list[str]:
    address = urlsplit(f"//{request.host}{request.target}")
    parameters: defaultdict[str, list[str]] = defaultdict(list)
    for name, value in parse_qsl(address.query, keep_blank_values=True):
        parameters[name.lower()].append(value)
    return [
        f"/{account}{address.path or '/'}",
        *(f"{name}:{','.join(sorted(values))}" for name, values in sorted(parameters.items())),
    ]

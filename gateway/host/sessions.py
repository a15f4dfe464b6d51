"""The session under every request of ours, Microsoft's clients and Keeper's included: no answer is without an end.

`requests` has a timeout for each read from the socket, and none for the answer: one that drips would outlast it, one
without an end would fill the memory, and one that is compressed a thousandfold would do so at once.
"""

from __future__ import annotations

import socket
from time import monotonic
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.exceptions import ChunkedEncodingError, ContentDecodingError, ReadTimeout
from urllib3 import exceptions

ANSWER_BYTES = 10_000_000
FILE_BYTES = 50_000_000
_AT_ONCE = 65_536


class TooLong(ChunkedEncodingError):
    """An answer of more bytes than anything that we ask for."""


def session() -> requests.Session:
    """A new one, with neither connections nor cookies."""
    made = requests.Session()
    made.mount("https://", _Adapter())
    # Without this, requests would replace our token by what ~/.netrc says about the host.
    made.auth = lambda request: request
    return made


class _Adapter(HTTPAdapter):
    """Reads the answer before it hands it over, unless it is to be streamed."""

    def send(
        self, request: Any, stream: bool = False, timeout: Any = None, *more: Any, **options: Any
    ) -> requests.Response:
        """As the base class; raises `TooLong` and ReadTimeout as well."""
        began = monotonic()
        response = super().send(request, stream, timeout, *more, **options)
        if not stream:
            seconds = timeout[1] if isinstance(timeout, tuple) else timeout
            read_body(response, ANSWER_BYTES, None if seconds is None else began + seconds)
        return response

    def proxy_manager_for(self, proxy: Any, **options: Any) -> Any:
        """As the base class, with the socket option that urllib3 sets without a proxy.

        It leaves Nagle's algorithm on there: 40 ms for each POST.
        """
        return super().proxy_manager_for(proxy, socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)], **options)


def read_body(response: requests.Response, most: int, until: float | None) -> None:
    """Make all of it the response's content: of so many bytes, unpacked, and before this moment of `monotonic`.

    Raises:
        requests.RequestException: it is longer, did not end, or broke; the connection is closed then.
    """
    parts: list[bytes] = []
    size = 0
    try:
        while part := response.raw.read1(_AT_ONCE, decode_content=True):
            parts.append(part)
            size += len(part)
            if size > most:
                raise TooLong(f"an answer of more than {most // 1_000_000} MB")
            if until is not None and monotonic() > until:
                raise ReadTimeout("the answer did not end")
    except exceptions.DecodeError as error:
        response.close()
        raise ContentDecodingError(error) from None
    except exceptions.HTTPError as error:
        response.close()
        raise ChunkedEncodingError(error) from None
    except requests.RequestException:
        response.close()
        raise
    response._content, response._content_consumed = b"".join(parts), True  # type: ignore[attr-defined]

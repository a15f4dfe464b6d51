"""The session under every request of ours, Microsoft's clients and Keeper's included: no answer is without an end.

`requests` has a timeout for each read from the socket, and none for the answer: one that drips would outlast it, one
without an end would fill the memory, and one that is compressed a thousandfold would do so at once.
"""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
from functools import cache
from time import monotonic
from typing import Any, cast

import requests
from requests.adapters import DEFAULT_CA_BUNDLE_PATH, HTTPAdapter
from requests.exceptions import ChunkedEncodingError, ContentDecodingError, ReadTimeout
from urllib3 import HTTPSConnectionPool, exceptions
from urllib3.connection import HTTPSConnection
from urllib3.poolmanager import PoolManager
from urllib3.util.ssl_ import create_urllib3_context

ANSWER_BYTES = 10_000_000
FILE_BYTES = 50_000_000
_AT_ONCE = 65_536


class TooLong(ChunkedEncodingError):
    """An answer of more bytes than anything that we ask for."""


@cache
def _trust_system() -> bool:
    """Where the host wants the system's authorities: have all of this process ask for them, Apprise included."""
    if os.environ.get("ROTATION_CA", "").strip().lower() != "system":
        return False
    import truststore

    truststore.inject_into_ssl()
    return True


def session() -> requests.Session:
    """A new one, with neither connections nor cookies."""
    _trust_system()
    made = requests.Session()
    made.mount("https://", _Adapter())
    # Without this, requests would replace our token by what ~/.netrc says about the host.
    made.auth = lambda request: request
    return made


class _Connection(HTTPSConnection):
    @property
    def is_connected(self) -> bool:
        """As the base class, which takes one for closed whose server has sent the tickets of TLS 1.3 by now."""
        return super().is_connected or self._has_only_tickets()

    def _connect_tls_proxy(self, hostname: str, sock: socket.socket) -> ssl.SSLSocket:
        """As the base class. One of truststore's contexts opens one connection at a time, so each has its own."""
        if self.proxy_config and _trust_system():
            self.proxy_config = self.proxy_config._replace(ssl_context=_new(_of_proxies()))
        return super()._connect_tls_proxy(hostname, sock)

    def _has_only_tickets(self) -> bool:
        if not isinstance(self.sock, ssl.SSLSocket):
            return False
        seconds = self.sock.gettimeout()
        self.sock.settimeout(0)
        try:
            self.sock.recv(1)  # reads tickets by itself; a byte or an end is nothing that we wait for
        except ssl.SSLWantReadError:
            return True
        except OSError:
            pass
        finally:
            self.sock.settimeout(seconds)
        return False


class _Pool(HTTPSConnectionPool):
    ConnectionCls = _Connection


def _with_our_pool(manager: PoolManager) -> PoolManager:
    manager.pool_classes_by_scheme = manager.pool_classes_by_scheme | {"https": _Pool}
    return manager


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

    def init_poolmanager(self, *sizes: Any, **options: Any) -> None:
        """As the base class, with our connections."""
        self._own: dict[tuple[str, str], ssl.SSLContext] = {}
        super().init_poolmanager(*sizes, **options)
        _with_our_pool(self.poolmanager)

    def build_connection_pool_key_attributes(self, request: Any, verify: Any, cert: Any = None) -> Any:
        """As the base class, with one context for all connections of the process; servers are always verified."""
        host, options = super().build_connection_pool_key_attributes(request, True, cert)
        authorities = verify if isinstance(verify, str) else _authorities()
        return host, options | {"ssl_context": self._context(str(host["host"]), authorities)}

    def _context(self, host: str, authorities: str) -> ssl.SSLContext:
        if not _trust_system():
            return _trusting(authorities)
        # One of truststore's opens one connection at a time: a host that hangs would hold up all others.
        if (host, authorities) not in self._own:
            self._own.setdefault((host, authorities), _new(authorities))
        return self._own[host, authorities]

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Nothing: the context does it. The base class would have the bundle read for each connection."""

    def proxy_manager_for(self, proxy: Any, **options: Any) -> Any:
        """As the base class, with our context, and the socket option that urllib3 sets without a proxy.

        It leaves Nagle's algorithm on there: 40 ms for each POST.
        """
        if str(proxy).lower().startswith("https"):
            options["proxy_ssl_context"] = _trusting(_of_proxies())
        options |= {"socket_options": [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)]}
        return _with_our_pool(super().proxy_manager_for(proxy, **options))


def connect(used: requests.Session, url: str, seconds: float) -> None:
    """Open a connection for the next request to the host of ``url``; nothing is sent on it.

    What fails here is left to the request, which opens one itself and says what is wrong.
    """
    with contextlib.suppress(Exception):
        request = used.prepare_request(requests.Request("GET", url))
        settings = used.merge_environment_settings(url, {}, None, None, None)
        adapter = cast(HTTPAdapter, used.get_adapter(url))
        # With the TLS that the request will have: it is one of our pools.
        pool: Any = adapter.get_connection_with_tls_context(request, settings["verify"], settings["proxies"])
        # urllib3 opens a connection with the first request on it, and has no call that only opens one.
        connection = pool._get_conn()
        connection.timeout = seconds
        try:
            if pool.proxy is None:
                connection.connect()
            else:
                pool._prepare_proxy(connection)
        except BaseException:
            connection.close()
            raise
        finally:
            pool._put_conn(connection)


def _authorities() -> str:
    """Whose are trusted where nobody names a bundle: those of certifi; empty: the operating system's."""
    return "" if _trust_system() else DEFAULT_CA_BUNDLE_PATH


def _of_proxies() -> str:
    """As `_authorities`, of those that are asked whether a proxy is what it says."""
    return os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or _authorities()


def _trusting(authorities: str) -> ssl.SSLContext:
    """What trusts the certificate authorities of a file or a folder, as it is now.

    Raises:
        OSError: there is none, or none that can be read.
    """
    return _read(authorities, os.stat(authorities).st_mtime_ns if authorities else 0)


@cache
def _read(authorities: str, _changed: int) -> ssl.SSLContext:
    """Read once: certifi's takes 14 ms."""
    return _new(authorities)


def _new(authorities: str) -> ssl.SSLContext:
    context = create_urllib3_context()
    if authorities:
        is_folder = os.path.isdir(authorities)
        context.load_verify_locations(None if is_folder else authorities, authorities if is_folder else None)
    return context


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

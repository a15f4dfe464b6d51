"""The certificate authority that vouches for the sandbox's hosts: one per process, whichever thread asks first."""

from __future__ import annotations

import ssl
import threading

import trustme


class Authority:
    """Makes a TLS context per host, once."""

    def __init__(self) -> None:
        self._ca = trustme.CA()
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._lock = threading.Lock()

    @property
    def pem(self) -> bytes:
        """The authority's certificate, which clients must trust."""
        return self._ca.cert_pem.bytes()

    def context(self, host: str) -> ssl.SSLContext:
        """The server side's TLS settings for a host."""
        with self._lock:
            if host not in self._contexts:
                self._contexts[host] = self._make(host)
            return self._contexts[host]

    def _make(self, host: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._ca.issue_cert(host).configure_cert(context)
        return context


_AUTHORITY = Authority()


def authority() -> Authority:
    """The process's authority."""
    return _AUTHORITY

"""Chains: in which files CAs hand them out, and in which order they stand."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterable

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from gateway.errors import Failed

BEGIN = b"-----BEGIN "


def read_chain(content: bytes) -> list[x509.Certificate]:
    """The certificates in PEM, DER or PKCS #7, in the order in which they stand; PKCS #7 has none, and gets one.

    Raises:
        Failed: there is no certificate.
    """
    try:
        if b"-----BEGIN PKCS7-----" in content:
            return _read_pkcs7(content)
        if BEGIN in content:
            return x509.load_pem_x509_certificates(content)
        return _read_der(content)
    except (ValueError, UnsupportedAlgorithm):
        hint = "give the signed certificate and its chain as PEM, DER or PKCS #7"
        raise Failed("there is no certificate that can be read", hint) from None


def _read_der(content: bytes) -> list[x509.Certificate]:
    try:
        return [x509.load_der_x509_certificate(content)]
    except ValueError:
        return _read_pkcs7(content)


def _read_pkcs7(content: bytes) -> list[x509.Certificate]:
    from cryptography.hazmat.primitives.serialization import pkcs7

    load = (
        pkcs7.load_pem_pkcs7_certificates if content.lstrip().startswith(BEGIN) else pkcs7.load_der_pkcs7_certificates
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of BER, which OpenSSL and Windows write
        return in_order(load(content))


def in_order(found: Iterable[x509.Certificate], leaf: x509.Certificate | None = None) -> list[x509.Certificate]:
    """Each once: the leaf, the one that signed it, and so on up; then those that are no part of this chain.

    Where it is not said, the leaf is the one with the longest chain of those that signed none of the others.
    """
    once = list(dict.fromkeys(found))
    unsigning = (each for each in once if not any(_signed(other, each) for other in once if other is not each))
    chain = max((_upwards(each, once) for each in ([leaf] if leaf else unsigning)), key=len, default=[])
    return list(dict.fromkeys([*chain, *once]))


def _upwards(leaf: x509.Certificate, found: list[x509.Certificate]) -> list[x509.Certificate]:
    chain = [leaf]
    while above := [each for each in found if each not in chain and _signed(chain[-1], each)]:
        chain.append(above[0])
    return chain


def _signed(lower: x509.Certificate, upper: x509.Certificate) -> bool:
    try:
        lower.verify_directly_issued_by(upper)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def check_chain(chain: list[x509.Certificate]) -> None:
    """The leaf comes first, and each one is signed by the next. Raises Failed."""
    for lower, upper in itertools.pairwise(chain):
        if not _signed(lower, upper):
            raise Failed(
                f"the chain is not in order: {lower.subject.rfc4514_string()} is not signed by "
                f"{upper.subject.rfc4514_string()}",
                "put the certificate first, then the one that signed it, and so on up to the root",
            )

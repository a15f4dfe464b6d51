"""Chains: in which files CAs hand them out, and in which order they belong."""

from __future__ import annotations

import base64
import re
import warnings
from collections.abc import Iterable, Iterator

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from gateway.errors import Failed

BEGIN = b"-----BEGIN "
_LABELS = b"(?:X509 |TRUSTED )?CERTIFICATE|PKCS7|PKCS #7 SIGNED DATA|CMS"
_BLOCK = re.compile(rb"-----BEGIN (" + _LABELS + rb")-----([^-]*)-----END \1-----")
_MOST = 100
# What cryptography raises where something in a file is not what it should be.
UNREADABLE = (
    ValueError, TypeError, UnsupportedAlgorithm,
    x509.InvalidVersion, x509.DuplicateExtension, x509.UnsupportedGeneralNameType,
)  # fmt: skip
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")  # what ``>`` writes in Windows PowerShell


def read_chain(content: bytes) -> list[x509.Certificate]:
    """The certificates in PEM, DER, base64 or PKCS #7, whatever stands around them; each once, as they stand.

    Raises:
        Failed: there is no certificate.
    """
    try:
        if content.startswith(_UTF_16):
            content = content.decode("utf-16").encode()
        found = list(dict.fromkeys(each for part in _parts(content) for each in _read(part)))
    except UNREADABLE:
        found = []
    if len(found) > _MOST:
        raise Failed(f"{len(found):,} certificates in one file", f"give a chain: no more than {_MOST} are read")
    if found:
        return found
    hint = "give the signed certificate and its chain as PEM, DER or PKCS #7"
    raise Failed("there is no certificate that can be read", hint)


def _parts(content: bytes) -> Iterator[bytes]:
    """In DER."""
    blocks = [match[2] for match in _BLOCK.finditer(content)]
    if blocks or BEGIN in content:
        return map(base64.b64decode, blocks)
    try:
        return iter([base64.b64decode(b"".join(content.split()), validate=True)])
    except ValueError:
        return iter([content])


def _read(der: bytes) -> list[x509.Certificate]:
    from cryptography.hazmat.primitives.serialization import pkcs7

    try:
        # OpenSSL writes behind a certificate what it is trusted for.
        return [x509.load_der_x509_certificate(der[: _length(der)])]
    except (ValueError, x509.InvalidVersion):
        pass
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of BER, which OpenSSL and Windows write
        return pkcs7.load_der_pkcs7_certificates(der)


def _length(der: bytes) -> int:
    """Of the first element."""
    more = der[1] & 0x7F if len(der) > 1 and der[1] & 0x80 else 0
    return 2 + more + (int.from_bytes(der[2 : 2 + more]) if more else der[1] if len(der) > 1 else 0)


def in_order(found: Iterable[x509.Certificate], leaf: x509.Certificate | None = None) -> list[x509.Certificate]:
    """Each once: the leaf, the one that signed it, and so on up; then those that are no part of this chain.

    Where it is not said, the leaf is the one with the longest chain of those that signed none of the others.
    """
    once = list(dict.fromkeys(found))
    unsigning = (each for each in once if not any(_signed(other, each) for other in once if other is not each))
    chain = max((chain_of(each, once) for each in ([leaf] if leaf else unsigning)), key=len, default=[])
    return list(dict.fromkeys([*chain, *once]))


def chain_of(leaf: x509.Certificate, found: Iterable[x509.Certificate]) -> list[x509.Certificate]:
    """The leaf, the one that signed it, and so on up."""
    chain, rest = [leaf], list(found)
    while above := [each for each in rest if each not in chain and _signed(chain[-1], each)]:
        chain.append(above[0])
    return chain


def _signed(lower: x509.Certificate, upper: x509.Certificate) -> bool:
    try:
        if _folded(lower.issuer) != _folded(upper.subject):
            return False
        _verify(lower, upper.public_key())
    except (*UNREADABLE, AttributeError, InvalidSignature):
        return False
    return True


def _verify(lower: x509.Certificate, key: object) -> None:
    """As ``verify_directly_issued_by`` does, which takes names for other ones that are written in other strings."""
    signature, signed, parameters = lower.signature, lower.tbs_certificate_bytes, lower.signature_algorithm_parameters
    if isinstance(key, rsa.RSAPublicKey):
        hashed = lower.signature_hash_algorithm
        key.verify(signature, signed, parameters, hashed)  # type: ignore[arg-type]
    elif isinstance(key, ec.EllipticCurvePublicKey):
        key.verify(signature, signed, parameters)  # type: ignore[arg-type]
    else:
        key.verify(signature, signed)  # type: ignore[attr-defined]


def name_of(certificate: x509.Certificate) -> str:
    """Its subject, for people."""
    try:
        return certificate.subject.rfc4514_string()
    except ValueError:
        return "of a name that cannot be read"


def _folded(name: x509.Name) -> list[tuple[str, str]]:
    """For comparing: https://www.rfc-editor.org/rfc/rfc5280#section-7.1"""
    return [(each.oid.dotted_string, " ".join(str(each.value).split()).casefold()) for each in name]

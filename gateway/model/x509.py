"""Certificates and their keys: what stands in them, and the files that they travel in (PFX, PEM).

Nothing here talks to a service. Source: https://cryptography.io/en/latest/x509/
"""

from __future__ import annotations

import base64
import itertools
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    pkcs12,
)

from gateway.errors import Failed
from gateway.model.credential import stamp

PFX, PEM = "application/x-pkcs12", "application/x-pem-file"
_BEGIN = b"-----BEGIN "


@dataclass(frozen=True)
class Facts:
    """What a certificate says. ``thumbprint``: SHA-1, as Windows and the portal show it; names in RFC 4514's form."""

    thumbprint: str
    serial_number: str
    subject: str
    issuer: str
    not_before: datetime
    expires: datetime
    dns_names: tuple[str, ...]
    key: str


@dataclass(frozen=True)
class Bundle:
    """A certificate with its private key, and the chain above it: who signed it first, the root last."""

    key: CertificateIssuerPrivateKeyTypes
    leaf: x509.Certificate
    chain: tuple[x509.Certificate, ...]

    def __repr__(self) -> str:
        return f"<certificate and key of {self.leaf.subject.rfc4514_string()}>"


def facts(certificate: x509.Certificate) -> Facts:
    """What ``certificate`` says."""
    return Facts(
        thumbprint=thumbprint(certificate),
        serial_number=_whole_bytes(certificate.serial_number),
        subject=certificate.subject.rfc4514_string(),
        issuer=certificate.issuer.rfc4514_string(),
        not_before=certificate.not_valid_before_utc,
        expires=certificate.not_valid_after_utc,
        dns_names=_dns_names(certificate),
        key=_key(certificate),
    )


def thumbprint(certificate: x509.Certificate) -> str:
    """SHA-1 over the certificate, 40 upper-case hex digits. It names a certificate; nothing relies on it."""
    return certificate.fingerprint(hashes.SHA1()).hex().upper()  # noqa: S303


def _dns_names(certificate: x509.Certificate | x509.CertificateSigningRequest) -> tuple[str, ...]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return ()
    return tuple(names.get_values_for_type(x509.DNSName))


def _key(certificate: x509.Certificate) -> str:
    """Such as ``RSA 2048`` or ``EC secp256r1``."""
    key = certificate.public_key()
    curve = getattr(key, "curve", None)
    return f"EC {curve.name}" if curve else f"RSA {getattr(key, 'key_size', '')}".strip()


def read_certificate(der: bytes) -> x509.Certificate:
    """A certificate in DER. Raises Failed."""
    try:
        return x509.load_der_x509_certificate(der)
    except ValueError:
        raise Failed("the certificate cannot be read: it is not X.509", "look at it in the portal") from None


def _whole_bytes(number: int) -> str:
    """In hex, as OpenSSL and the portal show it."""
    return number.to_bytes((number.bit_length() + 7) // 8 or 1).hex().upper()


def read_secret(value: str, content_type: str) -> Bundle:
    """What Key Vault keeps in the secret of a certificate: a PFX without password in base64, or PEM.

    Raises:
        Failed: it is neither, or has no private key.
    """
    if content_type == PEM or value.lstrip().startswith(_BEGIN.decode()):
        return read_pem(value.encode())
    try:
        content = base64.b64decode(value, validate=True)
    except ValueError:  # what is not ASCII included
        raise Failed("the secret is neither PFX nor PEM", "name a secret of the type certificate") from None
    return read_pfx(content, "")


def has_private_key(value: str, content_type: str) -> bool:
    """Whether such a secret holds the private key: of one that cannot be exported there is only the certificate.

    Raises:
        Failed: it is neither PFX nor PEM.
    """
    if content_type == PEM or value.lstrip().startswith(_BEGIN.decode()):
        return "PRIVATE KEY" in value
    return _load_secret(value).key is not None


def _load_secret(value: str) -> pkcs12.PKCS12KeyAndCertificates:
    try:
        return _load_unprotected(base64.b64decode(value, validate=True))
    except ValueError:
        raise Failed("the secret is neither PFX nor PEM", "name a secret of the type certificate") from None


class WrongPassword(Failed):
    """A file is protected by another password than the one given."""


def read_pfx(content: bytes, password: str) -> Bundle:
    """A PFX file.

    Raises:
        WrongPassword: that is so.
        Failed: it is no PFX, has no private key, or the key is another certificate's.
    """
    try:
        # A PFX without a password comes in two kinds: with an empty one, and with none.
        found = _load_pfx(content, password.encode() or None) if password else _load_unprotected(content)
    except ValueError as error:
        if "password" in str(error).lower() or "mac" in str(error).lower():
            raise WrongPassword("PFX: the password is wrong", "give the password that the file was made with") from None
        raise Failed("PFX: the file cannot be read", "give a PKCS #12 file (.pfx, .p12)") from None
    except TypeError:
        raise Failed("PFX: the file cannot be read", "give a PKCS #12 file (.pfx, .p12)") from None
    if found.key is None or found.cert is None:
        missing = "private key" if found.cert else "certificate"
        raise Failed(f"PFX: there is no {missing} in it", "export it with its private key")
    chain = tuple(each.certificate for each in found.additional_certs)
    return _checked(Bundle(found.key, found.cert.certificate, chain), "PFX")  # type: ignore[arg-type]


def _load_pfx(content: bytes, password: bytes | None) -> pkcs12.PKCS12KeyAndCertificates:
    return pkcs12.load_pkcs12(content, password)


def _load_unprotected(content: bytes) -> pkcs12.PKCS12KeyAndCertificates:
    try:
        return pkcs12.load_pkcs12(content, None)
    except ValueError:
        return pkcs12.load_pkcs12(content, b"")


def read_pem(content: bytes, password: str = "") -> Bundle:
    """PEM with a certificate, its private key, and the chain.

    Raises:
        Failed: one of them is missing or broken, or the key is another certificate's.
    """
    certificates = read_chain(content)
    begin = next((at for kind in (b"PRIVATE", b"EC PRIVATE", b"RSA PRIVATE", b"ENCRYPTED PRIVATE")
                  if (at := content.find(_BEGIN + kind)) >= 0), -1)  # fmt: skip
    if begin < 0:
        raise Failed("PEM: there is no private key in it", "put the key in PEM (PKCS #8) before the certificate")
    try:
        key = load_pem_private_key(content[begin:], password.encode() or None)
    except TypeError:
        raise Failed("PEM: the private key needs a password", "give its password") from None
    except ValueError:
        raise Failed("PEM: the private key cannot be read, or its password is wrong", "give it as PKCS #8") from None
    # The key's own certificate comes first wherever it stood.
    own = [each for each in certificates if _fits(key, each)]  # type: ignore[arg-type]
    leaf = own[0] if own else certificates[0]
    return _checked(Bundle(key, leaf, tuple(certificates)), "PEM")  # type: ignore[arg-type]


def read_public(value: str, content_type: str) -> list[x509.Certificate]:
    """The certificates of what Key Vault keeps in the secret of a certificate, with or without its private key.

    Raises:
        Failed: there is none.
    """
    if content_type == PEM or value.lstrip().startswith(_BEGIN.decode()):
        return in_order(read_chain(value.encode()))
    found = _load_secret(value)
    own = [found.cert.certificate] if found.cert else []
    return in_order([*own, *(each.certificate for each in found.additional_certs)])


def read_chain(content: bytes) -> list[x509.Certificate]:
    """The certificates in PEM, DER or PKCS #7, in the order in which they stand; PKCS #7 has none, and gets one.

    Raises:
        Failed: there is no certificate.
    """
    try:
        if b"-----BEGIN PKCS7-----" in content:
            return _read_pkcs7(content)
        if _BEGIN in content:
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
        pkcs7.load_pem_pkcs7_certificates if content.lstrip().startswith(_BEGIN) else pkcs7.load_der_pkcs7_certificates
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


def request_text(der: bytes) -> str:
    """A signing request (PKCS #10) as PEM. Raises Failed."""
    try:
        return x509.load_der_x509_csr(der).public_bytes(Encoding.PEM).decode()
    except ValueError:
        raise Failed(
            "the signing request cannot be read", "cancel the operation in the portal, and run again"
        ) from None


def check_chain(chain: list[x509.Certificate]) -> None:
    """The leaf comes first, and each one is signed by the next. Raises Failed."""
    for lower, upper in itertools.pairwise(chain):
        if not _signed(lower, upper):
            raise Failed(
                f"the chain is not in order: {lower.subject.rfc4514_string()} is not signed by "
                f"{upper.subject.rfc4514_string()}",
                "put the certificate first, then the one that signed it, and so on up to the root",
            )


def check_request(certificate: x509.Certificate, request: bytes) -> None:
    """It is for the key of a signing request in DER. Raises Failed."""
    form = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    wanted = x509.load_der_x509_csr(request).public_key()
    if certificate.public_key().public_bytes(*form) != wanted.public_bytes(*form):
        raise Failed(
            f"{certificate.subject.rfc4514_string()} is not for the signing request that waits: its key is another one",
            "have the request signed that keeper-rotation certificate status --csr-out writes",
        )


def missing_names(certificate: x509.Certificate, request: bytes) -> list[str]:
    """DNS names that a signing request in DER asks for, and the certificate lacks."""
    given = _dns_names(certificate)
    return [name for name in _dns_names(x509.load_der_x509_csr(request)) if name not in given]


def check_dates(certificate: x509.Certificate, now: datetime) -> None:
    """It is valid now. Raises Failed."""
    name = certificate.subject.rfc4514_string()
    if certificate.not_valid_after_utc <= now:
        what = f"the certificate expired on {certificate.not_valid_after_utc:%Y-%m-%d}: {name}"
        raise Failed(what, "give one that is still valid")
    if certificate.not_valid_before_utc > now:
        begins = stamp(certificate.not_valid_before_utc)
        raise Failed(f"the certificate is valid only from {begins}: {name}", "come back then")


def to_pfx(bundle: Bundle, name: str, password: str) -> bytes:
    """A PFX file; without encryption where the password is empty."""
    encryption = BestAvailableEncryption(password.encode()) if password else NoEncryption()
    return pkcs12.serialize_key_and_certificates(
        name.encode(), bundle.key, bundle.leaf, list(bundle.chain) or None, encryption  # type: ignore[arg-type]
    )  # fmt: skip


def to_pem(bundle: Bundle) -> bytes:
    """PEM: the private key (PKCS #8, not encrypted), the certificate, the chain."""
    key = bundle.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return key + b"".join(each.public_bytes(Encoding.PEM) for each in (bundle.leaf, *bundle.chain))


def _fits(key: CertificateIssuerPrivateKeyTypes, certificate: x509.Certificate) -> bool:
    form = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(*form) == certificate.public_key().public_bytes(*form)


def _checked(bundle: Bundle, kind: str) -> Bundle:
    if not _fits(bundle.key, bundle.leaf):
        what = f"{kind}: the private key does not belong to the certificate {bundle.leaf.subject.rfc4514_string()}"
        raise Failed(what, "export the certificate together with its own key")
    # Key Vault's own PFX goes from the root down: https://github.com/Azure/notation-azure-kv/issues/136
    return replace(bundle, chain=tuple(in_order([bundle.leaf, *bundle.chain], bundle.leaf)[1:]))

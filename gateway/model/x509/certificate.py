"""What stands in a certificate, and whether it fits: its signing request, its dates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.errors import Failed
from gateway.model.credential import stamp
from gateway.model.x509.chain import UNREADABLE, name_of

_LOOK = "look at it in the portal"


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


def facts(certificate: x509.Certificate) -> Facts:
    """What ``certificate`` says. Raises Failed: names or dates of it cannot be read."""
    try:
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
    except UNREADABLE:  # names are read only here
        raise Failed("the certificate cannot be read: it has a name or a date that is none", _LOOK) from None


def thumbprint(certificate: x509.Certificate) -> str:
    """SHA-1 over the certificate, 40 upper-case hex digits. It names a certificate; nothing relies on it."""
    return certificate.fingerprint(hashes.SHA1()).hex().upper()  # noqa: S303


def _dns_names(certificate: x509.Certificate | x509.CertificateSigningRequest) -> tuple[str, ...]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, *UNREADABLE):
        return ()
    return tuple(names.get_values_for_type(x509.DNSName))


def _key(certificate: x509.Certificate) -> str:
    """Such as ``RSA 2048`` or ``EC secp256r1``; ``unknown`` where it is of a kind that is not known here."""
    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return "unknown"
    if curve := getattr(key, "curve", None):
        return f"EC {curve.name}"
    kind = type(key).__name__.removesuffix("PublicKey")
    return f"{kind} {getattr(key, 'key_size', '')}".strip()


def _whole_bytes(number: int) -> str:
    """In hex, as OpenSSL and the portal show it."""
    digits = abs(number).to_bytes((number.bit_length() + 7) // 8 or 1).hex().upper()
    return f"-{digits}" if number < 0 else digits


def read_certificate(der: bytes) -> x509.Certificate:
    """A certificate in DER. Raises Failed."""
    try:
        return x509.load_der_x509_certificate(der)
    except UNREADABLE:
        raise Failed("the certificate cannot be read: it is not X.509", _LOOK) from None


def request_text(der: bytes) -> str:
    """A signing request (PKCS #10) as PEM. Raises Failed."""
    try:
        return x509.load_der_x509_csr(der).public_bytes(Encoding.PEM).decode()
    except UNREADABLE:
        raise Failed(
            "the signing request cannot be read", "cancel the operation in the portal, and run again"
        ) from None


def answer_to(request: bytes, found: Sequence[x509.Certificate]) -> x509.Certificate:
    """The one that is for the key of a signing request in DER; of several, the one that begins last. Raises Failed."""
    form = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    wanted = x509.load_der_x509_csr(request).public_key().public_bytes(*form)
    fitting = [each for each in found if _has_key(each, wanted)]
    if fitting:
        return max(fitting, key=lambda each: each.not_valid_before_utc)
    names = "; ".join(map(name_of, found))
    raise Failed(
        f"{names}: none is for the signing request that waits: its key is another one",
        "have the request signed that keeper-rotation certificate status --csr-out writes",
    )


def _has_key(certificate: x509.Certificate, wanted: bytes) -> bool:
    try:
        return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) == wanted
    except (ValueError, UnsupportedAlgorithm):  # a key of a kind that is not known here
        return False


def missing_names(certificate: x509.Certificate, request: bytes) -> list[str]:
    """DNS names that a signing request in DER asks for, and the certificate lacks."""
    given = _dns_names(certificate)
    return [name for name in _dns_names(x509.load_der_x509_csr(request)) if name not in given]


def check_dates(certificate: x509.Certificate, now: datetime) -> None:
    """It is valid now. Raises Failed."""
    name = name_of(certificate)
    if certificate.not_valid_after_utc <= now:
        what = f"the certificate expired on {certificate.not_valid_after_utc:%Y-%m-%d}: {name}"
        raise Failed(what, "give one that is still valid")
    if certificate.not_valid_before_utc > now:
        begins = stamp(certificate.not_valid_before_utc)
        raise Failed(f"the certificate is valid only from {begins}: {name}", "come back then")

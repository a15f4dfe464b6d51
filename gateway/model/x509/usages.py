"""For whom and for what a certificate is: its alternative names and its usages, by the names that Key Vault uses."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from cryptography import x509

T = TypeVar("T", bound=x509.ExtensionType)

EXTENDED_KEY_USAGES = {
    name: f"1.3.6.1.5.5.7.3.{number}"
    for name, number in {
        "serverAuth": 1, "clientAuth": 2, "codeSigning": 3, "emailProtection": 4, "timeStamping": 8, "OCSPSigning": 9,
    }.items()
}  # fmt: skip
_USAGES = {
    "digitalSignature": "digital_signature", "nonRepudiation": "content_commitment",
    "keyEncipherment": "key_encipherment", "dataEncipherment": "data_encipherment", "keyAgreement": "key_agreement",
    "keyCertSign": "key_cert_sign", "cRLSign": "crl_sign",
}  # fmt: skip
_NAMES: tuple[tuple[str, Callable[[x509.GeneralName], bool]], ...] = (
    ("DNS", lambda name: isinstance(name, x509.DNSName)),
    ("email", lambda name: isinstance(name, x509.RFC822Name)),
    ("IP", lambda name: isinstance(name, x509.IPAddress)),
    ("URI", lambda name: isinstance(name, x509.UniformResourceIdentifier)),
)


def alternative_names(certificate: x509.Certificate) -> list[str]:
    """Such as ``DNS:www.example.com``; one of a kind that is not known here is named by that kind."""
    found = _extension(certificate, x509.SubjectAlternativeName)
    return [_name(each) for each in found or ()]


def _name(name: x509.GeneralName) -> str:
    kind = next((kind for kind, is_it in _NAMES if is_it(name)), "")
    return f"{kind}:{name.value}" if kind else type(name).__name__


def key_usages(certificate: x509.Certificate) -> list[str]:
    """What the key may do; none where the certificate does not say."""
    found = _extension(certificate, x509.KeyUsage)
    return [name for name, attribute in _USAGES.items() if getattr(found, attribute, False)]


def extended_key_usages(certificate: x509.Certificate) -> list[str]:
    """What the certificate is for, by name or OID."""
    names = {oid: name for name, oid in EXTENDED_KEY_USAGES.items()}
    found = _extension(certificate, x509.ExtendedKeyUsage)
    return [names.get(each.dotted_string, each.dotted_string) for each in found or ()]


def _extension(certificate: x509.Certificate, kind: type[T]) -> T | None:
    """None where there is none, or none that can be read."""
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except (x509.ExtensionNotFound, ValueError):
        return None

"""A certificate with its private key, and the files in which both travel: PFX, PEM, and a secret of Key Vault."""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
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
from gateway.model.x509.chain import BEGIN, UNREADABLE, in_order, name_of, read_chain

PFX, PEM = "application/x-pkcs12", "application/x-pem-file"


@dataclass(frozen=True)
class Bundle:
    """A certificate with its private key, and the chain above it: who signed it first, the root last."""

    key: CertificateIssuerPrivateKeyTypes
    leaf: x509.Certificate
    chain: tuple[x509.Certificate, ...]

    def __repr__(self) -> str:
        return f"<certificate and key of {name_of(self.leaf)}>"


class WrongPassword(Failed):
    """A file is protected by another password than the one given."""


def read_secret(value: str, content_type: str) -> Bundle:
    """What Key Vault keeps in the secret of a certificate: a PFX without password in base64, or PEM.

    Raises:
        Failed: it is neither, or has no private key.
    """
    if PEM in (content_type, form_of(value)):
        return read_pem(value.encode())
    try:
        content = base64.b64decode(value, validate=True)
    except ValueError:  # what is not ASCII included
        raise Failed("the secret is neither PFX nor PEM", "name a secret of the type certificate") from None
    return read_pfx(content, "")


def form_of(value: str) -> str:
    """The content type of what such a secret holds, by its beginning."""
    return PEM if value.lstrip().startswith(BEGIN.decode()) else PFX


def in_form(value: str, content_type: str | None, name: str) -> str:
    """What such a secret holds, in the form that a content type says; as it is, where that says neither.

    Raises:
        Failed: it is neither PFX nor PEM, or has no private key.
    """
    if content_type not in (PFX, PEM) or form_of(value) == content_type:
        return value
    bundle = read_secret(value, "")
    return to_pem(bundle).decode() if content_type == PEM else base64.b64encode(to_pfx(bundle, name, "")).decode()


def holds(there: str, wanted: str) -> bool:
    """Whether a secret holds all of what is ``wanted``, be it in another form: certificate, key and those above it."""
    try:
        if there == wanted:
            return True
        found, ours = read_secret(there, ""), read_secret(wanted, "")
        return found.leaf == ours.leaf and set(found.chain) >= set(ours.chain)
    except (Failed, UnsupportedAlgorithm):
        return False


def has_private_key(value: str, content_type: str) -> bool:
    """Whether such a secret holds the private key: of one that cannot be exported there is only the certificate.

    Raises:
        Failed: it is neither PFX nor PEM.
    """
    if PEM in (content_type, form_of(value)):
        return "PRIVATE KEY" in value
    return _load_secret(value).key is not None


def read_public(value: str, content_type: str) -> list[x509.Certificate]:
    """The certificates of what Key Vault keeps in the secret of a certificate, with or without its private key.

    Raises:
        Failed: there is none.
    """
    if PEM in (content_type, form_of(value)):
        return in_order(read_chain(value.encode()))
    found = _load_secret(value)
    own = [found.cert.certificate] if found.cert else []
    return in_order([*own, *(each.certificate for each in found.additional_certs)])


def _load_secret(value: str) -> pkcs12.PKCS12KeyAndCertificates:
    try:
        return _load_unprotected(base64.b64decode(value, validate=True))
    except UNREADABLE:
        raise Failed("the secret is neither PFX nor PEM", "name a secret of the type certificate") from None


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
    except (TypeError, UnsupportedAlgorithm, x509.InvalidVersion):
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
                  if (at := content.find(BEGIN + kind)) >= 0), -1)  # fmt: skip
    if begin < 0:
        raise Failed("PEM: there is no private key in it", "put the key in PEM (PKCS #8) before the certificate")
    try:
        key = load_pem_private_key(content[begin:], password.encode() or None)
    except TypeError:
        raise Failed("PEM: the private key needs a password", "give its password") from None
    except UNREADABLE:
        raise Failed("PEM: the private key cannot be read, or its password is wrong", "give it as PKCS #8") from None
    # The key's own certificate comes first wherever it stood.
    own = [each for each in certificates if _fits(key, each)]  # type: ignore[arg-type]
    leaf = own[0] if own else certificates[0]
    return _checked(Bundle(key, leaf, tuple(certificates)), "PEM")  # type: ignore[arg-type]


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
    try:
        return key.public_key().public_bytes(*form) == certificate.public_key().public_bytes(*form)
    except UNREADABLE:  # a key of a kind that is not known here
        return False


def _checked(bundle: Bundle, kind: str) -> Bundle:
    if not _fits(bundle.key, bundle.leaf):
        what = f"{kind}: the private key does not belong to the certificate {name_of(bundle.leaf)}"
        raise Failed(what, "export the certificate together with its own key")
    # Key Vault's own PFX goes from the root down: https://github.com/Azure/notation-azure-kv/issues/136
    return replace(bundle, chain=tuple(in_order([bundle.leaf, *bundle.chain], bundle.leaf)[1:]))

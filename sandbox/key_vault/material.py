"""A key with its certificates: read from PFX, PEM or ``x5c``, and written as a secret's text."""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass, field
from functools import cached_property

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12

from sandbox.key_vault.x509 import PrivateKey, is_authority, key_properties

PFX, PEM = "application/x-pkcs12", "application/x-pem-file"
CONTENT_TYPES = (PFX, PEM)

NO_PFX = (
    "The specified PKCS#12 X.509 certificate content can not be read. "
    "Please check if certificate is in valid PKCS#12 format."
)
NO_PEM = (
    "The specified PEM X.509 certificate content is in an unexpected format. "
    "Please check if certificate is in valid PEM format."
)
NO_KEY = "Private key is not specified in the specified X.509 certificate content."
OTHER_KEY = (
    "The public key of the end-entity certificate in the specified X.509 certificate content does not match "
    "the public part of the specified private key. Please check if certificate is valid."
)
NO_X5C = "Property x5c has invalid value X5C must has at least one valid item"
NO_LEAF = "Unable to parse X5c certificate chain and locate leaf certificate"


@dataclass(frozen=True)
class Material:
    """A private key, and its certificate followed by those above it."""

    key: PrivateKey = field(repr=False)
    chain: tuple[x509.Certificate, ...]
    _texts: dict[tuple[str, bool], str] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def der(self) -> bytes:
        """The certificate's encoding."""
        return self.chain[0].public_bytes(serialization.Encoding.DER)

    @cached_property
    def span(self) -> tuple[int, int]:
        """Its first and last moment, in seconds since the epoch."""
        leaf = self.chain[0]
        return int(leaf.not_valid_before_utc.timestamp()), int(leaf.not_valid_after_utc.timestamp())

    @cached_property
    def thumbprint(self) -> str:
        """The SHA-1 of the encoding, as answers show it."""
        return base64.urlsafe_b64encode(hashlib.sha1(self.der).digest()).decode().rstrip("=")

    @property
    def self_signed(self) -> bool:
        """Whether the certificate vouches for itself."""
        return _signed(self.chain[0], self.chain[0])

    def text(self, content_type: str, exportable: bool) -> str:
        """The text of the secret; without its key if that may not leave the vault."""
        form = (content_type, exportable)
        if form not in self._texts:
            self._texts[form] = self._text(content_type, exportable)
        return self._texts[form]

    def _text(self, content_type: str, exportable: bool) -> str:
        key = self.key if exportable else None
        if content_type == PEM:
            return "".join([_pem_key(key) if key else "", *(_pem(entry) for entry in self.chain)])
        # As the service does: a PFX goes from the root to the leaf,
        # https://github.com/Azure/notation-azure-kv/issues/136
        above = self.chain[:0:-1]
        data = pkcs12.serialize_key_and_certificates(None, key, self.chain[0], above, serialization.NoEncryption())
        return base64.b64encode(data).decode()


def read_import(value: str, password: str | None, content_type: str) -> Material:
    """What is imported: PFX in base64, or PEM as it is or in base64. Raises ValueError with Key Vault's text.

    Sources: https://learn.microsoft.com/azure/key-vault/certificates/faq,
    https://winterdom.com/2019/10/31/importing-keyvault-certificates-api
    """
    material = _read_pem(value) if content_type == PEM else _read_pfx(value, password)
    if material.key.public_key() != material.chain[0].public_key():
        raise ValueError(OTHER_KEY)
    key_properties(material.key)
    return material


def read_x5c(entries: list[str], key: PrivateKey) -> Material:
    """A signed chain, in any order, for the key of a pending certificate. Raises ValueError with Key Vault's text."""
    if not entries:
        raise ValueError(NO_X5C)
    try:
        found = [x509.load_der_x509_certificate(_unbase64(entry)) for entry in entries]
    except (ValueError, TypeError):
        raise ValueError(NO_LEAF) from None
    chain = in_order(found)
    # Recorded: one self-signed authority is refused with this text.
    if len(chain) != len(found) or is_authority(chain[0]):
        raise ValueError(NO_LEAF)
    if chain[0].public_key() != key.public_key():
        raise ValueError(OTHER_KEY)
    return Material(key, tuple(chain))


def in_order(found: list[x509.Certificate]) -> list[x509.Certificate]:
    """The one certificate that signed none of the others, and those above it; nothing if there is not just one."""
    leaves = [entry for entry in found if not any(_signed(other, entry) for other in found if other is not entry)]
    chain = leaves if len(leaves) == 1 else []
    while chain and (above := [entry for entry in found if entry not in chain and _signed(chain[-1], entry)]):
        chain.append(above[0])
    return chain


def _read_pfx(value: str, password: str | None) -> Material:
    try:
        key, leaf, others = pkcs12.load_key_and_certificates(_unbase64(value), (password or "").encode() or None)
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError(NO_PFX) from None
    # A certificate that does not belong to the key is among the others.
    return _material(key, [leaf] if leaf else [], [*([leaf] if leaf else []), *others])


def _read_pem(value: str) -> Material:
    text = value if value.lstrip().startswith("-----BEGIN") else _unbase64(value, NO_PEM).decode("latin-1")
    # Keys in any other form than PKCS#8 and lines that end as on Windows are not understood.
    if "\r\n" in text or "-----BEGIN CERTIFICATE-----" not in text:
        raise ValueError(NO_PEM)
    if "-----BEGIN PRIVATE KEY-----" not in text:
        raise ValueError(NO_PEM if "PRIVATE KEY-----" in text else NO_KEY)
    start = text.index("-----BEGIN PRIVATE KEY-----")
    try:
        key = serialization.load_pem_private_key(text[start:].encode("latin-1"), None)
        found = x509.load_pem_x509_certificates(text.encode("latin-1"))
    except (ValueError, TypeError):
        raise ValueError(NO_PEM) from None
    return _material(key, [entry for entry in found if entry.public_key() == key.public_key()], found)


def _material(key: object, leaves: list[x509.Certificate], found: list[x509.Certificate]) -> Material:
    if key is None:
        raise ValueError(NO_KEY)
    if not found:
        raise ValueError(NO_PFX)
    leaf = leaves[0] if leaves else found[0]
    above = in_order(found)
    chain = above if above and above[0] == leaf else [leaf, *(entry for entry in found if entry != leaf)]
    return Material(key, tuple(chain))  # type: ignore[arg-type]  # its type is looked at by who asked


def _signed(certificate: x509.Certificate, by: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(by)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _unbase64(text: str, otherwise: str = NO_PFX) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ValueError(otherwise) from None


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _pem_key(key: PrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()

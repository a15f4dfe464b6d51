"""Chains of certificates whose keys are of a kind that is not known here."""

from __future__ import annotations

from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from gateway.model.x509 import in_order

RSA, UNKNOWN = bytes.fromhex("06092a864886f70d010101"), bytes.fromhex("06092a864886f70d010163")
KEY = rsa.generate_private_key(65537, 2048)


def certificate(name: str, issuer: str) -> x509.Certificate:
    """A certificate of this name, with the one key of this file."""
    subject, by = (x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)]) for text in (name, issuer))
    made = x509.CertificateBuilder().issuer_name(by).subject_name(subject).public_key(KEY.public_key())
    made = made.serial_number(5).not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
    return made.not_valid_after(datetime(2030, 1, 1, tzinfo=UTC)).sign(KEY, SHA256())


def test_an_authority_with_a_key_of_an_unknown_kind_stays_behind_the_leaf() -> None:
    known = certificate("root", "root").public_bytes(Encoding.DER)
    assert known.count(RSA) == 1
    root = x509.load_der_x509_certificate(known.replace(RSA, UNKNOWN))
    leaf = certificate("leaf", "root")
    assert in_order([root, leaf], leaf) == [leaf, root]

"""Certificates in every form that CAs hand out, and such as are unlike most."""

from __future__ import annotations

import base64
import time
import warnings
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from cryptography.x509.oid import NameOID

from gateway.errors import Failed
from gateway.model.x509 import facts, in_order, read_chain
from sandbox.key_vault.certificates.authority import certificate_authority

RSA, UNKNOWN = bytes.fromhex("06092a864886f70d010101"), bytes.fromhex("06092a864886f70d010163")
KEY = rsa.generate_private_key(65537, 2048)


def certificate(name: str, issuer: str) -> x509.Certificate:
    """A certificate of this name, with the one key of this file."""
    return signed_by(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]), name)


def signed_by(issuer: x509.Name, name: str = "leaf") -> x509.Certificate:
    """The same."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = x509.CertificateBuilder().issuer_name(issuer).subject_name(subject).public_key(KEY.public_key())
    made = made.serial_number(5).not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
    return made.not_valid_after(datetime(2030, 1, 1, tzinfo=UTC)).sign(KEY, SHA256())


def test_an_authority_with_a_key_of_an_unknown_kind_stays_behind_the_leaf() -> None:
    known = certificate("root", "root").public_bytes(Encoding.DER)
    assert known.count(RSA) == 1
    root = x509.load_der_x509_certificate(known.replace(RSA, UNKNOWN))
    leaf = certificate("leaf", "root")
    assert in_order([root, leaf], leaf) == [leaf, root]


AUTHORITY = certificate_authority("Forms")
CHAIN = [AUTHORITY.intermediate, AUTHORITY.root]
DERS = [each.public_bytes(Encoding.DER) for each in CHAIN]
PKCS7 = pkcs7.serialize_certificates(CHAIN, Encoding.DER)


def block(content: bytes, label: str = "CERTIFICATE") -> bytes:
    """In PEM."""
    return f"-----BEGIN {label}-----\n{base64.encodebytes(content).decode()}-----END {label}-----\n".encode()


PLAIN = b"".join(map(block, DERS))
FORMS: dict[str, bytes] = {
    "PEM": PLAIN,
    "PEM with text between": b"subject=CN = a\n".join([b"", *map(block, DERS)]) + b"that is all\n",
    "PEM with the line ends of Windows": PLAIN.replace(b"\n", b"\r\n"),
    "PEM after a byte order mark": b"\xef\xbb\xbf" + PLAIN,
    "PEM in UTF-16": PLAIN.decode().encode("utf-16"),
    "PEM with one of them twice": block(DERS[0]) + PLAIN,
    "PEM of older tools": b"".join(block(each, "X509 CERTIFICATE") for each in DERS),
    "PEM with what OpenSSL trusts": b"".join(block(each + b"\x30\x00", "TRUSTED CERTIFICATE") for each in DERS),
    "PEM beside what is no certificate": block(b"none", "X509 CRL") + PLAIN + block(b"none", "PRIVATE KEY"),
    "PKCS #7": PKCS7,
    "PKCS #7 as PEM": block(PKCS7, "PKCS7"),
    "PKCS #7 after a line of text": b"Bag Attributes\n" + block(PKCS7, "PKCS7"),
    "PKCS #7 after a byte order mark": b"\xef\xbb\xbf" + block(PKCS7, "PKCS7"),
    "PKCS #7 that says CERTIFICATE": block(PKCS7),
    "PKCS #7 that says CMS": block(PKCS7, "CMS"),
    "PKCS #7 with its long name": block(PKCS7, "PKCS #7 SIGNED DATA"),
    "PKCS #7 in base64": base64.encodebytes(PKCS7),
    "PKCS #7 in base64 of one line": base64.b64encode(PKCS7),
}


@pytest.mark.parametrize("what", FORMS)
def test_what_cas_hand_out_is_read(what: str) -> None:
    assert in_order(read_chain(FORMS[what])) == CHAIN


def test_one_certificate_is_read_as_der_and_in_base64() -> None:
    assert [read_chain(each) for each in (DERS[0], base64.encodebytes(DERS[0]))] == [CHAIN[:1]] * 2


@pytest.mark.parametrize("content", [b"", b"-----BEGIN NOTHING-----\n", block(b"none"), b"bm9uZQ==", b"\xff\xfe\x00"])
def test_what_holds_no_certificate_is_refused(content: bytes) -> None:
    with pytest.raises(Failed, match="there is no certificate that can be read"):
        read_chain(content)


def test_a_ca_may_write_its_name_in_another_type_of_string_than_its_own_certificate() -> None:
    root = certificate("Root CA", "Root CA")
    other = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Root  ca", x509.name._ASN1Type.PrintableString)])
    leaf = signed_by(other)
    stranger = certificate("Another CA", "Another CA")
    assert in_order([stranger, root, leaf], leaf) == [leaf, root, stranger]


def test_the_key_of_a_certificate_is_named_as_what_it_is() -> None:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a")])
    made = x509.CertificateBuilder().issuer_name(name).subject_name(name).serial_number(5)
    made = made.not_valid_before(datetime(2026, 1, 1, tzinfo=UTC)).not_valid_after(datetime(2030, 1, 1, tzinfo=UTC))
    key = ed25519.Ed25519PrivateKey.generate()
    assert facts(made.public_key(key.public_key()).sign(key, None)).key == "Ed25519"
    assert facts(certificate("a", "a")).key == "RSA 2048"


@pytest.mark.parametrize("number, shown", [(b"\xfb", "-05"), (b"\x05", "05")], ids=["negative", "positive"])
def test_a_serial_number_of_an_old_ca_may_be_negative(number: bytes, shown: str) -> None:
    plain = certificate("a", "a").public_bytes(Encoding.DER)
    assert plain.count(b"\x02\x01\x05\x30") == 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        odd = x509.load_der_x509_certificate(plain.replace(b"\x02\x01\x05\x30", b"\x02\x01" + number + b"\x30"))
        assert facts(odd).serial_number == shown


def test_beginnings_without_an_end_are_read_in_no_time() -> None:
    began = time.process_time()
    with pytest.raises(Failed, match="no certificate"):
        read_chain(b"-----BEGIN CERTIFICATE-----\n" * 100_000)
    assert time.process_time() - began < 2


def test_more_certificates_than_a_chain_has() -> None:
    many = [certificate(f"{number}", "root").public_bytes(Encoding.DER) for number in range(101)]
    with pytest.raises(Failed, match="101 certificates in one file"):
        read_chain(b"".join(map(block, many)))


def test_a_certificate_whose_name_cannot_be_read() -> None:
    der = certificate("leaf", "root").public_bytes(Encoding.DER)
    broken = x509.load_der_x509_certificate(der.replace(b"\x0c\x04leaf", b"\x0c\x04\xff\xff\xff\xff"))
    with pytest.raises(Failed, match="a name or a date"):
        facts(broken)


def test_a_certificate_with_a_key_of_an_unknown_kind() -> None:
    der = certificate("leaf", "root").public_bytes(Encoding.DER)
    assert facts(x509.load_der_x509_certificate(der.replace(RSA, UNKNOWN))).key == "unknown"

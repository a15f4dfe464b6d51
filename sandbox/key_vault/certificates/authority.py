"""Certificate authorities of the sandbox: the public one that signs requests, and those of a vault's issuers."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from sandbox.key_vault.x509 import PrivateKey, certify, parse_subject

# Wide enough for every clock that a test may set.
SINCE, UNTIL = datetime(2010, 1, 1, tzinfo=UTC), datetime(2090, 1, 1, tzinfo=UTC)


class CertificateAuthority:
    """A root and the intermediate that signs."""

    def __init__(self, name: str) -> None:
        root_key, self._key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        subject = parse_subject(f"CN={name} Root CA, O=Sandbox")
        self.root = _authority(subject, subject, root_key, root_key)
        self.intermediate = _authority(parse_subject(f"CN={name} CA 1, O=Sandbox"), subject, self._key, root_key)

    def sign(self, csr: x509.CertificateSigningRequest, span: tuple[float, float]) -> list[x509.Certificate]:
        """The certificate that is asked for, and the intermediate."""
        return [certify(csr, span, self._key, self.intermediate), self.intermediate]


@cache
def certificate_authority(name: str = "Public") -> CertificateAuthority:
    """The process's authority of this name."""
    return CertificateAuthority(name)


def _authority(
    subject: x509.Name, issuer: x509.Name, key: PrivateKey, signer: ec.EllipticCurvePrivateKey
) -> x509.Certificate:
    usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
    return (
        x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(SINCE).not_valid_after(UNTIL)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True).add_extension(usage, True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), False)
        .sign(signer, hashes.SHA256())
    )  # fmt: skip

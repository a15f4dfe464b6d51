"""The cryptography of Keeper's wire protocol, from the server's side.

A request carries a fresh transmission key, encrypted for the server's P-256 key, and a body under that key; both are
signed with the client's own key. Records are AES-256-GCM under a key of their own, which comes wrapped in the key of
the folder, or of the application, through which the record is shared.
"""

from __future__ import annotations

import base64
import os

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, padding, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

POINT_BYTES = 65
IV_BYTES = 12


def new_key() -> bytes:
    """A fresh AES-256 key."""
    return os.urandom(32)


def encrypt(data: bytes, key: bytes) -> bytes:
    """AES-256-GCM: iv, ciphertext, tag."""
    iv = os.urandom(IV_BYTES)
    return iv + AESGCM(key).encrypt(iv, data, None)


def decrypt(data: bytes, key: bytes) -> bytes:
    """Undo ``encrypt``. Raises cryptography's InvalidTag for a wrong key."""
    return AESGCM(key).decrypt(data[:IV_BYTES], data[IV_BYTES:], None)


def encrypt_cbc(data: bytes, key: bytes) -> bytes:
    """AES-256-CBC with PKCS7, as Keeper still uses for folder names and subfolder keys."""
    iv = os.urandom(16)
    padder = padding.PKCS7(128).padder()
    cipher = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
    return iv + cipher.update(padder.update(data) + padder.finalize()) + cipher.finalize()


def new_private_key() -> ec.EllipticCurvePrivateKey:
    """A fresh P-256 key."""
    return ec.generate_private_key(ec.SECP256R1())


def private_der(key: ec.EllipticCurvePrivateKey) -> bytes:
    """The form in which a client's configuration holds its private key."""
    return key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def public_point(key: ec.EllipticCurvePrivateKey) -> bytes:
    """The public key as an uncompressed point of 65 bytes."""
    return key.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)


def from_point(point: bytes) -> ec.EllipticCurvePublicKey:
    """A public key from its point. Raises ValueError."""
    return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)


def unseal(data: bytes, key: ec.EllipticCurvePrivateKey) -> bytes:
    """Decrypt what a client encrypted for our public key. Raises ValueError or InvalidTag."""
    shared = key.exchange(ec.ECDH(), from_point(data[:POINT_BYTES]))
    digest = hashes.Hash(hashes.SHA256())
    digest.update(shared)
    return decrypt(data[POINT_BYTES:], digest.finalize())


def signed_by(public: ec.EllipticCurvePublicKey, signature: bytes, data: bytes) -> bool:
    """Whether the ECDSA-SHA256 signature is that key's over the data."""
    try:
        public.verify(signature, data, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def to_base64(data: bytes) -> str:
    """Standard base64, as the server writes it."""
    return base64.b64encode(data).decode()


def to_url_base64(data: bytes) -> str:
    """Url-safe base64 without padding, as uids and public keys are written."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def from_base64(text: str) -> bytes:
    """Either alphabet, with or without padding. Raises ValueError."""
    text = text.strip().replace("-", "+").replace("_", "/").rstrip("=")
    return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)

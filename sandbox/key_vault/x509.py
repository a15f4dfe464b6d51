"""Keys, names, signing requests and certificates, made from the ``x509_props`` of a certificate's policy."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID, ObjectIdentifier

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
Extensions = list[tuple[x509.ExtensionType, bool]]

SERVER_AUTH, CLIENT_AUTH = "1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"
UPN = ObjectIdentifier("1.3.6.1.4.1.311.20.2.3")
RSA_SIZES = (2048, 3072, 4096)
CURVES: dict[str, type[ec.EllipticCurve]] = {
    "P-256": ec.SECP256R1, "P-384": ec.SECP384R1, "P-521": ec.SECP521R1, "P-256K": ec.SECP256K1,
}  # fmt: skip
USAGES = {
    "digitalSignature": "digital_signature", "nonRepudiation": "content_commitment",
    "keyEncipherment": "key_encipherment", "dataEncipherment": "data_encipherment", "keyAgreement": "key_agreement",
    "keyCertSign": "key_cert_sign", "cRLSign": "crl_sign", "encipherOnly": "encipher_only",
    "decipherOnly": "decipher_only",
}  # fmt: skip
ATTRIBUTES = {
    "CN": NameOID.COMMON_NAME, "O": NameOID.ORGANIZATION_NAME, "OU": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "L": NameOID.LOCALITY_NAME, "S": NameOID.STATE_OR_PROVINCE_NAME, "ST": NameOID.STATE_OR_PROVINCE_NAME,
    "C": NameOID.COUNTRY_NAME, "STREET": NameOID.STREET_ADDRESS, "DC": NameOID.DOMAIN_COMPONENT,
    "E": NameOID.EMAIL_ADDRESS, "SERIALNUMBER": NameOID.SERIAL_NUMBER, "T": NameOID.TITLE,
    "G": NameOID.GIVEN_NAME, "SN": NameOID.SURNAME,
}  # fmt: skip
# One part of a name: the attribute, and its value in quotes or with escaped commas.
PART = re.compile(r'\s*([A-Za-z]+)\s*=\s*("(?:[^"\\]|\\.)*"|(?:[^,\\"]|\\.)*)\s*(?:,|$)')


def make_key(kty: str, size: int | None = None, curve: str | None = None) -> PrivateKey:
    """A new key of Key Vault's type, size and curve. Raises ValueError if there is no such key."""
    if kty.startswith("RSA") and (size or 2048) in RSA_SIZES:
        return rsa.generate_private_key(65537, size or 2048)
    if kty.startswith("EC") and (curve or "P-256") in CURVES:
        return ec.generate_private_key(CURVES[curve or "P-256"]())
    raise ValueError(f"There is no key of type {kty}, size {size} and curve {curve}.")


def key_properties(key: Any) -> dict[str, Any]:
    """A key, private or public, as a policy describes it. Raises ValueError if Key Vault knows no such key."""
    if isinstance(key, rsa.RSAPrivateKey | rsa.RSAPublicKey):
        return {"kty": "RSA", "key_size": key.key_size}
    if isinstance(key, ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey):
        for name, curve in CURVES.items():
            if isinstance(key.curve, curve):
                return {"kty": "EC", "crv": name, "key_size": key.curve.key_size}
    raise ValueError("The key is of a type that Key Vault does not keep.")


def parse_subject(text: str) -> x509.Name:
    """A name such as ``CN=orders, O="Contoso, Ltd.", C=US``. Raises ValueError.

    As in RFC 4514 the text begins with the part that the encoding ends with.
    """
    attributes, at = [], 0
    while at < len(text):
        part = PART.match(text, at)
        if not part or part[1].upper() not in ATTRIBUTES or not part[2]:
            raise ValueError(f"The subject {text!r} is not a distinguished name.")
        value = part[2][1:-1] if part[2].startswith('"') else part[2].strip()
        attributes.append(x509.NameAttribute(ATTRIBUTES[part[1].upper()], re.sub(r"\\(.)", r"\1", value)))
        at = part.end()
    return x509.Name(reversed(attributes))


def shown_subject(name: x509.Name) -> str:
    """The same the other way round, with ``S`` for the state as Windows writes it."""
    short = {NameOID.STATE_OR_PROVINCE_NAME: "S", NameOID.EMAIL_ADDRESS: "E"}
    return ", ".join(rdn.rfc4514_string(short) for rdn in reversed(name.rdns))


def make_csr(key: PrivateKey, props: Mapping[str, Any]) -> x509.CertificateSigningRequest:
    """A signing request for what a policy's ``x509_props`` ask for. Raises ValueError."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(parse_subject(props.get("subject") or ""))
    for extension, critical in _extensions(props):
        builder = builder.add_extension(extension, critical)
    return builder.sign(key, hashes.SHA256())


def certify(
    csr: x509.CertificateSigningRequest, span: tuple[float, float], key: PrivateKey,
    issuer: x509.Certificate | None = None,
) -> x509.Certificate:  # fmt: skip
    """What a request asks for, signed with ``key``, which is the issuer's, or without an issuer the request's own.

    ``span``: the first and the last moment, in seconds since the epoch.
    """
    builder = (
        x509.CertificateBuilder()
        .subject_name(csr.subject).issuer_name(issuer.subject if issuer else csr.subject)
        .public_key(csr.public_key()).serial_number(x509.random_serial_number())
        .not_valid_before(_moment(span[0])).not_valid_after(_moment(span[1]))
    )  # fmt: skip
    for extension in csr.extensions:
        builder = builder.add_extension(extension.value, extension.critical)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(csr.public_key()), False)
    builder = builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), False)
    return builder.sign(key, hashes.SHA256())


def x509_properties(certificate: x509.Certificate) -> dict[str, Any]:
    """What the policy of an imported certificate says of it."""
    lifetime = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    return {
        "subject": shown_subject(certificate.subject),
        **_shown_names(certificate),
        "ekus": [usage.dotted_string for usage in _extension(certificate, x509.ExtendedKeyUsage) or ()],
        "key_usage": _shown_usage(certificate),
        "validity_months": max(1, round(lifetime.days / 30.44)),
        "basic_constraints": {"ca": is_authority(certificate)},
    }


def is_authority(certificate: x509.Certificate) -> bool:
    """Whether it may sign others."""
    constraints: x509.BasicConstraints | None = _extension(certificate, x509.BasicConstraints)
    return constraints is not None and constraints.ca


def _extensions(props: Mapping[str, Any]) -> Extensions:
    wanted = {USAGES[name] for name in props["key_usage"]}
    found: Extensions = []
    if wanted:
        found.append((x509.KeyUsage(**{name: name in wanted for name in USAGES.values()}), True))
    if props["ekus"]:
        found.append((x509.ExtendedKeyUsage([ObjectIdentifier(usage) for usage in props["ekus"]]), False))
    if names := _names(props.get("sans") or {}):
        found.append((x509.SubjectAlternativeName(names), False))
    return [*found, (x509.BasicConstraints(ca=False, path_length=None), False)]


def _names(sans: Mapping[str, Sequence[str] | None]) -> list[x509.GeneralName]:
    return [
        *(x509.DNSName(name) for name in sans.get("dns_names") or ()),
        *(x509.RFC822Name(name) for name in sans.get("emails") or ()),
        *(x509.OtherName(UPN, _utf8_string(name)) for name in sans.get("upns") or ()),
    ]


def _utf8_string(text: str) -> bytes:
    data = text.encode()
    if len(data) > 127:
        raise ValueError("A user principal name has at most 127 bytes.")
    return bytes((12, len(data))) + data


def _shown_names(certificate: x509.Certificate) -> dict[str, Any]:
    found: x509.SubjectAlternativeName | None = _extension(certificate, x509.SubjectAlternativeName)
    if found is None:
        return {}
    others = found.get_values_for_type(x509.OtherName)
    names = {
        "dns_names": found.get_values_for_type(x509.DNSName), "emails": found.get_values_for_type(x509.RFC822Name),
        "upns": [other.value[2:].decode() for other in others if other.type_id == UPN],
    }  # fmt: skip
    return {"sans": {kind: values for kind, values in names.items() if values}}


def _shown_usage(certificate: x509.Certificate) -> list[str]:
    usage: x509.KeyUsage | None = _extension(certificate, x509.KeyUsage)
    if usage is None:
        return []
    # The last two may be asked for only where a key is agreed on.
    return [
        shown for shown, name in USAGES.items()
        if (usage.key_agreement or not name.endswith("_only")) and getattr(usage, name)
    ]  # fmt: skip


def _extension(certificate: x509.Certificate, kind: Any) -> Any:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _moment(at: float) -> datetime:
    return datetime.fromtimestamp(int(at), UTC)

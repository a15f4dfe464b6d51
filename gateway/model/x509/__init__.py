"""Certificates and their keys: what stands in them, and the files that they travel in. Nothing here talks to a service.

Source: https://cryptography.io/en/latest/x509/
"""

from gateway.model.x509.bundle import (
    PEM,
    PFX,
    Bundle,
    WrongPassword,
    has_private_key,
    read_pem,
    read_pfx,
    read_public,
    read_secret,
    to_pem,
    to_pfx,
)
from gateway.model.x509.certificate import (
    Facts,
    answer_to,
    check_dates,
    facts,
    missing_names,
    read_certificate,
    request_text,
    thumbprint,
)
from gateway.model.x509.chain import (
    chain_of,
    in_order,
    read_chain,
)

__all__ = [
    "PEM", "PFX", "Bundle", "Facts", "WrongPassword", "answer_to", "chain_of", "check_dates", "facts",
    "has_private_key", "in_order", "missing_names", "read_certificate", "read_chain", "read_pem", "read_pfx",
    "read_public", "read_secret", "request_text", "thumbprint", "to_pem", "to_pfx",
]  # fmt: skip

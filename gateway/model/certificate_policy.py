"""A certificate's policy in Key Vault, and what a record wants to be different in it.

Source: https://learn.microsoft.com/rest/api/keyvault/certificates/update-certificate-policy/update-certificate-policy
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from gateway.errors import Failed

KEY_TYPES = ("RSA", "RSA-HSM", "EC", "EC-HSM")
KEY_SIZES = ("2048", "3072", "4096")
CURVES = ("P-256", "P-384", "P-521", "P-256K")
LONGEST_MONTHS = 1200
SUBJECT = 'such as CN=orders.example.com, O="Contoso, Ltd."'
LONGEST_SUBJECT = 1000
LONGEST_CN = 64
_PART = re.compile(r'\s*([A-Za-z]+|\d+(?:\.\d+)+)\s*=\s*("(?:[^"]|"")+"|(?:\\.|[^",\\])+)')
_EMPTY = re.compile(r'\s*(?:[A-Za-z]+|\d+(?:\.\d+)+)\s*=\s*(?:""\s*)?(?=,|$)')
_DNS_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_DNS = re.compile(rf"(?:\*\.)?{_DNS_LABEL}(?:\.{_DNS_LABEL})*")
_LONGEST_DNS = 253
# Other ways to write the same: Windows's, and the one in which a certificate's own subject is shown.
_SIGNS = {"S": "ST", "EMAILADDRESS": "E", "1.2.840.113549.1.9.1": "E"}
# What Key Vault shows of a policy, and does not take back.
_SHOWN_ONLY = ("id", "attributes")


@dataclass(frozen=True)
class PolicyChange:
    """Wanted properties; empty ones stay as the policy has them. ``key_size`` is bits, or the name of a curve."""

    validity_months: int | None = None
    key_type: str = ""
    key_size: str = ""
    subject: str = ""
    dns_names: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self != PolicyChange()

    def applied(self, policy: dict[str, Any]) -> dict[str, Any]:
        """A policy that can be sent, with these changes in it."""
        wanted = copy.deepcopy({name: part for name, part in policy.items() if name not in _SHOWN_ONLY})
        x509 = wanted.setdefault("x509_props", {})
        if self.validity_months:
            x509["validity_months"] = self.validity_months
        if self.subject:
            x509["subject"] = self.subject
        if self.dns_names:
            x509.setdefault("sans", {})["dns_names"] = list(self.dns_names)
        if self.key_type or self.key_size:
            wanted["key_props"] = self._key(wanted.get("key_props") or {})
        return wanted

    def _key(self, before: dict[str, Any]) -> dict[str, Any]:
        kind = self.key_type or self._kind_by_size(str(before.get("kty") or "RSA"))
        rest = {name: value for name, value in before.items() if name not in ("kty", "key_size", "crv")}
        if kind.endswith("-HSM"):
            rest["exportable"] = False  # a key never leaves an HSM
        if kind.startswith("EC"):
            return rest | {"kty": kind, "crv": self.key_size or before.get("crv") or CURVES[0]}
        return rest | {"kty": kind, "key_size": int(self.key_size or before.get("key_size") or KEY_SIZES[0])}

    def _kind_by_size(self, before: str) -> str:
        """The type of key that such a size is of; in an HSM where it was in one."""
        if not self.key_size:
            return before
        kind = "EC" if self.key_size in CURVES else "RSA"
        return f"{kind}-HSM" if before.endswith("-HSM") else kind


def read_subject(text: str) -> str:
    """A subject as Key Vault takes it, with quotes around what needs them; it may also be written with backslashes.

    Raises:
        ValueError: it is none, or longer than one is; the message says so.
    """
    if len(text) > LONGEST_SUBJECT:
        raise ValueError(f"{len(text):,} characters long; at most {LONGEST_SUBJECT:,} are allowed")
    return written_subject(subject_parts(text))


def written_subject(parts: list[tuple[str, str]]) -> str:
    """A subject of these parts. Raises ValueError, as `read_subject`."""
    for sign, value in parts:
        if sign.upper() == "CN" and len(value) > LONGEST_CN + 2 * value.startswith('"'):
            raise ValueError(f"the CN is {len(value)} characters long; at most {LONGEST_CN} are allowed")
    return ", ".join(f"{sign}={value}" for sign, value in parts)


def subject_parts(text: str, *, with_empty: bool = False) -> list[tuple[str, str]]:
    """Its parts, quoted where they need it; empty ones are left out where they are allowed. Raises ValueError."""
    return [(_SIGNS.get(sign.upper(), sign), _quoted(value.strip())) for sign, value in _parts(text, with_empty)]


def _parts(text: str, with_empty: bool) -> list[tuple[str, str]]:
    # One after the other: a pattern for the whole would go back over its blanks again and again where it does not fit.
    parts, at, end = [], 0, len(text.rstrip())
    while part := (with_empty and _EMPTY.match(text, at)) or _PART.match(text, at):
        if part.re is _PART:
            parts.append((part[1], part[2]))
        at = part.end() + 1
        if at > end:
            return parts
        if text[at - 1] != ",":
            break
    raise ValueError(f"{text!r} is no name {SUBJECT}")


def _quoted(value: str) -> str:
    if value.startswith('"'):
        return value
    if "+" in re.sub(r"\\.", "", value):
        raise ValueError(f"{value!r} has a plus sign: put the value in quotes, or leave out what follows")
    plain = re.sub(r"\\(.)", r"\1", value)
    return quoted(plain)


def quoted(value: str) -> str:
    """A part of a subject, in quotes where it needs them."""
    return '"' + value.replace('"', '""') + '"' if re.search(r'[,+"<>;=#]', value) else value


def read_policy_change(value: Callable[[str], str], shown_subject: Callable[[], str]) -> PolicyChange:
    """What the fields ask for that ``value`` looks up by label; ``shown_subject`` is no wish.

    Raises:
        Failed: one or more of them cannot be used; all are named.
    """
    problems = []
    months, kind, size = (value(label).strip() for label in ("validity_months", "key_type", "key_size"))
    if months and not (re.fullmatch("[0-9]{1,4}", months) and 1 <= int(months) <= LONGEST_MONTHS):
        problems.append(f"validity_months: {months!r} is not a number from 1 to {LONGEST_MONTHS}")
    if kind.upper() not in ("", *KEY_TYPES):
        problems.append(f"key_type: {kind!r} is none of {', '.join(KEY_TYPES)}")
    sizes = (*KEY_SIZES, *CURVES) if not kind else CURVES if kind.upper().startswith("EC") else KEY_SIZES
    if size.upper() not in ("", *sizes):
        problems.append(f"key_size: {size!r} is none of {', '.join(sizes)}")
    subject = value("subject").strip()
    if subject and same_subject(subject, shown_subject()):
        subject = ""
    try:
        subject = read_subject(subject) if subject else ""
    except ValueError as error:
        problems.append(f"subject: {error}")
    names = tuple(dict.fromkeys(filter(None, re.split(r"[\s,]+", value("dns_names")))))
    problems += [f"dns_names: {wrong}" for wrong in filter(None, map(no_dns_name, names))]
    if problems:
        raise Failed.each(problems, "correct these fields of the PAM User record in the vault")
    return PolicyChange(int(months) if months else None, kind.upper(), size.upper(), subject, names)


def no_dns_name(name: str) -> str:
    """Why a certificate cannot have this DNS name, and how it could; empty where it can."""
    if _is_address(name):
        return f"{name!r} is none: Key Vault cannot put IP addresses into a certificate; import one that has them"
    if len(name) <= _LONGEST_DNS and _DNS.fullmatch(name):
        return ""
    if name.endswith(".") and _DNS.fullmatch(name[:-1]):
        return f"{name!r} is none: write it without the last dot"
    try:
        return f"{name!r} is none" + ("" if name.isascii() else f": write it as {name.encode('idna').decode()}")
    except UnicodeError:
        return f"{name!r} is none"


def _is_address(name: str) -> bool:
    try:
        return bool(ip_address(name))
    except ValueError:
        return False


def same_subject(one: str, other: str) -> bool:
    """Whether both are the same name, however it is written."""
    return _read(one) == _read(other)


def _read(text: str) -> str:
    try:
        return read_subject(text)
    except ValueError:
        return text

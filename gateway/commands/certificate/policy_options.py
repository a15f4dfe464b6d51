"""What an operator wants of a certificate, as the policy that Key Vault takes. Rules, without a service.

Source: https://learn.microsoft.com/azure/key-vault/certificates/about-certificates
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from gateway.azure.key_vault.certificate_answers import SELF, UNKNOWN
from gateway.errors import Failed
from gateway.model import public_cas, subjects
from gateway.model.certificate_policy import PolicyChange, no_dns_name
from gateway.model.x509 import PEM, PFX
from gateway.model.x509.usages import EXTENDED_KEY_USAGES

CONTENT_TYPES = {"pfx": PFX, "pem": PEM}
ACTIONS = {"auto-renew": "AutoRenew", "email": "EmailContacts"}
KEY_USAGES = (
    "digitalSignature", "nonRepudiation", "keyEncipherment", "dataEncipherment", "keyAgreement", "keyCertSign",
    "cRLSign", "encipherOnly", "decipherOnly",
)  # fmt: skip
PERCENTAGE = 80
_MAIL = r"[^@\s,]+@[^@\s,]+"
_DAYS_A_MONTH = 27  # what Key Vault itself reckons with here


@dataclass(frozen=True)
class PolicyOptions:
    """Options as they were given; what is empty or None stays as it is, or as it usually is."""

    subject: str = ""
    cn: str = ""
    organisation: str = ""
    unit: str = ""
    locality: str = ""
    state: str = ""
    country: str = ""
    dns: tuple[str, ...] = ()
    email: tuple[str, ...] = ()
    upn: tuple[str, ...] = ()
    key_type: str = ""
    key_size: str = ""
    curve: str = ""
    key_usage: tuple[str, ...] = ()
    extended_key_usage: tuple[str, ...] = ()
    validity_months: int | None = None
    issuer: str = ""
    lifetime_action: str = ""
    days_before: int | None = None
    percentage: int | None = None
    content_type: str = ""
    exportable: bool | None = None
    reuse_key: bool | None = None

    def __bool__(self) -> bool:
        return self != PolicyOptions()


def new_policy(options: PolicyOptions, before: Mapping[str, Any] | None, on: date) -> dict[str, Any]:
    """The whole policy. ``before``: that of the certificate, where it is there; what is not wanted stays as there.
    ``on``: the day, by which what is usual of a new one changes.

    Raises:
        Failed: some of it cannot be; everything that cannot is named.
    """
    problems: list[str] = []
    policy = _with_plain(options, before, _subject(options, before, problems), problems)
    if not before:
        _add_usual(policy, options, on)
    _add_names(policy["x509_props"], options, problems)
    _add_usages(policy["x509_props"], options, problems)
    _add_key(policy, options, problems)
    policy["lifetime_actions"] = _lifetime_actions(options, policy, problems)
    if problems:
        raise Failed.each(problems, "correct these options; nothing was sent")
    return policy


def issuer_of(policy: Mapping[str, Any]) -> str:
    """The name of the issuer in a policy."""
    return str((policy.get("issuer") or {}).get("name") or UNKNOWN)


def renews_itself(policy: Mapping[str, Any]) -> bool:
    """Whether Key Vault renews by this policy."""
    return any(_action(entry) == ACTIONS["auto-renew"] for entry in policy.get("lifetime_actions") or [])


def _with_plain(
    options: PolicyOptions, before: Mapping[str, Any] | None, subject: str, problems: list[str]
) -> dict[str, Any]:
    """What `PolicyChange` knows how to put into a policy, and what needs no rules."""
    kind, size = _key(options, str(((before or {}).get("key_props") or {}).get("kty") or ""), problems)
    issuer = {name.lower(): name for name in (SELF, UNKNOWN)}.get(options.issuer.lower(), options.issuer)
    policy = PolicyChange(options.validity_months, kind, size, subject).applied(dict(before or {}))
    policy.setdefault("key_props", PolicyChange(key_type="RSA").applied({})["key_props"])
    if issuer or not before:
        policy["issuer"] = {"name": issuer or SELF}
    if options.content_type or not before:
        policy["secret_props"] = {"contentType": CONTENT_TYPES[options.content_type or "pfx"]}
    return policy


def _add_usual(policy: dict[str, Any], options: PolicyOptions, on: date) -> None:
    """How long a new one is valid, and for what, where nothing is said."""
    props = policy["x509_props"]
    if not options.validity_months:
        props["validity_months"] = 12 if issuer_of(policy) == SELF else public_cas.usual_months(on)
    # Key Vault's own choice has clientAuth, too.
    props["ekus"] = [public_cas.SERVER_AUTH]


def _key(options: PolicyOptions, there: str, problems: list[str]) -> tuple[str, str]:
    """Type of the key, and its bits or curve; empty what stays as it is. ``there``: the type in the policy."""
    if not (options.key_type or options.key_size or options.curve):
        return "", ""
    kind = options.key_type or there or ("EC" if options.curve else "RSA")
    size, odd, fits, wrong = options.key_size, options.curve, "--key-size", "--curve"
    if kind.startswith("EC"):
        size, odd, fits, wrong = odd, size, wrong, fits
    if not odd:
        return kind, size
    if options.key_type or not there:
        problems.append(f"--key-type {kind} goes with {fits}, and no {wrong}")
    else:
        problems.append(f"{wrong} does not suit the policy's key type, {kind}: name another --key-type as well")
    return "", ""


def _subject(options: PolicyOptions, before: Mapping[str, Any] | None, problems: list[str]) -> str:
    """The whole name; empty where it stays as it is."""
    parts = {sign: value for name, sign in subjects.PARTS.items() if (value := getattr(options, name).strip())}
    subjects.check_parts(parts, problems)
    if options.subject:
        if parts:
            problems.append("--subject is the whole name: leave out --cn, --organisation and the like")
        return subjects.whole(options.subject, "--subject", problems)
    if before:
        there = str((before.get("x509_props") or {}).get("subject") or "")
        return subjects.merged(parts, there, problems) if parts else ""
    if not parts and (names := _listed(options.dns)):
        return f"CN={names[0]}"
    if "CN" not in parts:
        what = "--cn is needed with the other parts of the subject"
        none = "a subject is needed: --cn, --subject, or --dns, whose first name becomes the CN"
        problems.append(what if parts else none)
    return subjects.written(parts)


def _add_names(props: dict[str, Any], options: PolicyOptions, problems: list[str]) -> None:
    sans = dict(props.get("sans") or {})
    rules = {"dns": ("dns_names", no_dns_name), "email": ("emails", _no_mail), "upn": ("upns", _no_mail)}
    for option, (section, why_not) in rules.items():
        names = _listed(getattr(options, option))
        problems += [f"--{option}: {wrong}" for wrong in filter(None, map(why_not, names))]
        if names:
            sans[section] = names
    if sans:
        props["sans"] = sans


def _no_mail(name: str) -> str:
    return "" if re.fullmatch(_MAIL, name) else f"{name!r} is none"


def _listed(given: tuple[str, ...]) -> list[str]:
    """Repeated, or separated by commas."""
    names = (name.strip() for text in given for name in text.split(","))
    return list(dict.fromkeys(filter(None, names)))


def _add_usages(props: dict[str, Any], options: PolicyOptions, problems: list[str]) -> None:
    known = {name.lower(): name for name in KEY_USAGES}
    usages = _listed(options.key_usage)
    problems += [
        f"--key-usage: {name!r} is none of {', '.join(KEY_USAGES)}" for name in usages if name.lower() not in known
    ]
    if usages:
        props["key_usage"] = [known.get(name.lower(), name) for name in usages]
    if {"encipherOnly", "decipherOnly"} & set(props.get("key_usage") or ()) and "keyAgreement" not in props[
        "key_usage"
    ]:
        problems.append("--key-usage: encipherOnly and decipherOnly mean something only together with keyAgreement")
    oids = {name.lower(): oid for name, oid in EXTENDED_KEY_USAGES.items()}
    extended = [oids.get(name.lower(), name) for name in _listed(options.extended_key_usage)]
    problems += [
        f"--extended-key-usage: {name!r} is no OID, and none of {', '.join(EXTENDED_KEY_USAGES)}"
        for name in extended
        if not re.fullmatch(r"[0-2](?:\.\d+)+", name)
    ]
    if extended:
        props["ekus"] = extended


def _add_key(policy: dict[str, Any], options: PolicyOptions, problems: list[str]) -> None:
    key = policy["key_props"]
    in_hardware = str(key.get("kty") or "").endswith("HSM")
    if in_hardware and options.exportable:
        problems.append(f"a key of type {key['kty']} does not leave the vault's HSM: leave out --exportable")
    if options.exportable is not None:
        key["exportable"] = options.exportable
    elif options.key_type or "exportable" not in key:
        key["exportable"] = not in_hardware and key.get("exportable", True)
    if options.reuse_key is not None:
        key["reuse_key"] = options.reuse_key
    key.setdefault("reuse_key", False)


def _lifetime_actions(options: PolicyOptions, policy: Mapping[str, Any], problems: list[str]) -> list[dict[str, Any]]:
    before = list(policy.get("lifetime_actions") or [])
    by_hand = issuer_of(policy) == UNKNOWN
    named = ACTIONS.get(options.lifetime_action, "")
    action = named or (_action(before[0]) if before else "EmailContacts" if by_hand else "AutoRenew")
    if by_hand and action == ACTIONS["auto-renew"]:
        problems.append("Key Vault cannot renew by itself what the issuer Unknown signs: give --lifetime-action email")
    if not (named or options.days_before or options.percentage) and before:
        _check_days(policy, before[0].get("trigger") or {}, problems)
        return before
    return [{"trigger": _trigger(options, policy, before, problems), "action": {"action_type": action}}]


def _trigger(
    options: PolicyOptions, policy: Mapping[str, Any], before: list[dict[str, Any]], problems: list[str]
) -> dict[str, int]:
    if options.days_before and options.percentage:
        problems.append("--days-before or --percentage, not both")
    if options.days_before:
        trigger = {"days_before_expiry": options.days_before}
    elif options.percentage or not before:
        trigger = {"lifetime_percentage": options.percentage or PERCENTAGE}
    else:
        trigger = {name: value for name, value in (before[0].get("trigger") or {}).items() if value is not None}
    _check_days(policy, trigger, problems)
    return trigger


def _check_days(policy: Mapping[str, Any], trigger: Mapping[str, Any], problems: list[str]) -> None:
    longest = int(policy["x509_props"].get("validity_months") or 12) * _DAYS_A_MONTH
    if (days := trigger.get("days_before_expiry") or 0) > longest:
        problems.append(f"--days-before is at most {longest}, {_DAYS_A_MONTH} for each month of validity, not {days}")


def _action(entry: Mapping[str, Any]) -> str:
    return str((entry.get("action") or {}).get("action_type") or "")

"""Certificate policies: what is filled in, what is refused, and what an import says of itself."""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping
from typing import Any

from sandbox.key_vault.base import bad_parameter
from sandbox.key_vault.certificates.store import SELF, UNKNOWN, Policy
from sandbox.key_vault.material import CONTENT_TYPES, PFX, Material
from sandbox.key_vault.x509 import (
    CLIENT_AUTH,
    CURVES,
    RSA_SIZES,
    SERVER_AUTH,
    USAGES,
    key_properties,
    parse_subject,
    x509_properties,
)

SECTIONS = ("key_props", "secret_props", "x509_props", "lifetime_actions", "issuer")
AUTO_RENEW, EMAIL = "AutoRenew", "EmailContacts"
MONTHS_OF_A_CENTURY = 1200


def new_policy(given: Mapping[str, Any], issuers: Collection[str]) -> Policy:
    """The policy that a request to create describes, with all that it leaves open. Raises KeyVaultError.

    The defaults are those of the recordings and of
    https://learn.microsoft.com/azure/key-vault/certificates/create-certificate-scenarios: without an issuer the
    certificate is signed elsewhere.
    """
    policy = _sections(given)
    key = policy.get("key_props") or {}
    x509 = policy.get("x509_props") or {}
    issuer = policy.get("issuer") or {}
    policy["issuer"] = {"name": UNKNOWN} | _present(issuer)
    policy["key_props"] = _key(_present(key))
    policy["secret_props"] = {"contentType": PFX} | _present(policy.get("secret_props") or {})
    policy["x509_props"] = {
        "subject": "", "ekus": [SERVER_AUTH, CLIENT_AUTH], "key_usage": ["digitalSignature", "keyEncipherment"],
        "validity_months": 12, "basic_constraints": {"ca": False},
    } | _present(x509)  # fmt: skip
    policy["lifetime_actions"] = policy.get("lifetime_actions") or _actions(policy["issuer"]["name"])
    return checked(policy, issuers)


def imported_policy(
    given: Mapping[str, Any], before: Policy | None, material: Material, content_type: str, issuers: Collection[str]
) -> Policy:
    """The policy of an imported certificate, which tells its own key and names. Raises KeyVaultError.

    The surprise of a first import without a policy, as recorded: one that is self-signed gets the issuer Self, and is
    to be renewed by the vault.
    """
    sections = (_sections(before) if before else {}) | _sections(given)
    issuer = {"name": SELF if material.self_signed else UNKNOWN} | _present(sections.get("issuer") or {})
    props = _present(sections.get("key_props") or {})
    policy: Policy = {
        "key_props": {"exportable": True, "reuse_key": False} | props | key_properties(material.key),
        "secret_props": {"contentType": content_type},
        "x509_props": x509_properties(material.chain[0]),
        "lifetime_actions": sections.get("lifetime_actions") or _actions(issuer["name"]),
        "issuer": issuer,
    }
    if policy["key_props"]["kty"] == "RSA":
        policy["key_props"].pop("crv", None)
    return checked(policy, issuers, imported=True)


def changed_policy(policy: Policy, given: Mapping[str, Any], issuers: Collection[str]) -> Policy:
    """A policy in which the sections that are named say something else. Raises KeyVaultError."""
    changed = copy.deepcopy(policy)
    for name, section in _sections(given).items():
        changed[name] = changed[name] | _present(section) if isinstance(section, dict) else section
    changed["key_props"] = _key(changed["key_props"])
    return checked(changed, issuers)


def checked(policy: Policy, issuers: Collection[str], imported: bool = False) -> Policy:
    """The policy, if Key Vault would take it. Raises KeyVaultError."""
    issuer = str(policy["issuer"]["name"])
    if issuer.lower() not in {name.lower() for name in (SELF, UNKNOWN, *issuers)}:
        raise bad_parameter(f"Property policy.issuer.name has invalid value: there is no issuer {issuer}.")
    if policy["secret_props"]["contentType"] not in CONTENT_TYPES:
        raise bad_parameter("Property policy.secret_props.contentType has invalid value.")
    _check_key(policy["key_props"])
    if not imported:
        _check_x509(policy["x509_props"])
    for action in policy["lifetime_actions"]:
        _check_action(action, issuer, policy["x509_props"]["validity_months"])
    return policy


def _check_key(props: Mapping[str, Any]) -> None:
    known = props.get("key_size") in RSA_SIZES if props["kty"].startswith("RSA") else props.get("crv") in CURVES
    if not known or props["kty"] not in ("RSA", "RSA-HSM", "EC", "EC-HSM"):
        raise bad_parameter("Property policy.key_props has invalid value: there is no such key.")


def _check_x509(props: Mapping[str, Any]) -> None:
    names = [name for kind in (props.get("sans") or {}).values() for name in kind or ()]
    if not props["subject"] and not names:
        raise bad_parameter("Property policy.x509_props.subject or a subject alternative name is required.")
    try:
        parse_subject(props["subject"])
    except ValueError as error:
        raise bad_parameter(f"Property policy.x509_props.subject has invalid value: {error}") from None
    if not 1 <= props["validity_months"] <= MONTHS_OF_A_CENTURY or set(props["key_usage"]) - USAGES.keys():
        raise bad_parameter("Property policy.x509_props has invalid value.")


def _check_action(entry: Mapping[str, Any], issuer: str, months: int) -> None:
    trigger, action = _present(entry.get("trigger") or {}), (entry.get("action") or {}).get("action_type")
    if action not in (AUTO_RENEW, EMAIL):
        raise bad_parameter("Property policy.lifetime_actions has an unknown action_type.")
    if action == AUTO_RENEW and issuer.lower() == UNKNOWN.lower():
        raise bad_parameter(f"Property policy.lifetime_actions: {AUTO_RENEW} needs another issuer than {UNKNOWN}.")
    percentage, days = trigger.get("lifetime_percentage"), trigger.get("days_before_expiry")
    if (percentage is None) == (days is None):
        raise bad_parameter("Property policy.lifetime_actions.trigger is a percentage or a number of days.")
    if not 1 <= (percentage or 1) <= 99 or not 1 <= (days or 1) <= months * 27:
        raise bad_parameter("Property policy.lifetime_actions.trigger has invalid value.")


def _key(props: Mapping[str, Any]) -> dict[str, Any]:
    kty = str(props.get("kty") or "RSA")
    common = {"exportable": not kty.endswith("HSM"), "kty": kty, "reuse_key": False} | dict(props)
    if kty.startswith("RSA"):
        return {"key_size": 2048} | {name: value for name, value in common.items() if name != "crv"}
    curve = str(common.get("crv") or "P-256")
    return common | {"crv": curve, "key_size": CURVES[curve]().key_size if curve in CURVES else None}


def _actions(issuer: str) -> list[dict[str, Any]]:
    action = EMAIL if issuer.lower() == UNKNOWN.lower() else AUTO_RENEW
    return [{"trigger": {"lifetime_percentage": 80}, "action": {"action_type": action}}]


def _sections(given: Mapping[str, Any]) -> Policy:
    return {name: copy.deepcopy(given[name]) for name in SECTIONS if given.get(name)}


def _present(section: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in section.items() if value is not None}

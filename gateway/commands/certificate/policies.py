"""``certificate policy``, ``issuers`` and ``contacts``: what holds for the versions to come, and for a whole vault."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from gateway.azure.key_vault.certificate_answers import SELF, UNKNOWN
from gateway.azure.key_vault.certificate_changes import OperatorCertificates, not_there
from gateway.azure.key_vault.ids import CertificateId
from gateway.commands.certificate.policy_options import (  # fmt: skip
    ACTIONS,
    CONTENT_TYPES,
    PolicyOptions,
    issuer_of,
    new_policy,
    renews_itself,
)
from gateway.commands.shared.output import warn
from gateway.errors import CallError, Failed, Refused
from gateway.model.x509.usages import EXTENDED_KEY_USAGES

if TYPE_CHECKING:
    from gateway.commands.shared.session import Session


def policy(session: Session, certificate_id: CertificateId, options: PolicyOptions) -> dict[str, Any]:
    """The policy of a certificate, after it was changed to what is wanted; what is not wanted stays.

    Raises:
        Failed: there is no such certificate, or what is wanted cannot be; nothing was changed.
        Unknown: whether it was changed cannot be told.
        CallError
    """
    vault = OperatorCertificates(session.http, session.azure, certificate_id.vault_url)
    try:
        there = vault.policy(certificate_id.name)
    except Refused as error:
        if error.status != 404:
            raise
        raise not_there(vault.url, certificate_id.name) from None
    if not options:
        return there
    new = new_policy(options, there, session.http.now().date())
    if issuer_of(new) != issuer_of(there):
        check_issuer(vault, new)
    changed = {section: value for section, value in new.items() if value != there.get(section)}
    return vault.change_policy(certificate_id.name, changed) if changed else there


def readable(policy: dict[str, Any]) -> dict[str, Any]:
    """A policy for people, under the names of the options."""
    key, props = policy.get("key_props") or {}, policy.get("x509_props") or {}
    sans, kind = props.get("sans") or {}, str(key.get("kty") or "")
    names = {oid: name for name, oid in EXTENDED_KEY_USAGES.items()}
    forms = {content: form for form, content in CONTENT_TYPES.items()}
    content = (policy.get("secret_props") or {}).get("contentType")
    return {
        "issuer": issuer_of(policy),
        "subject": props.get("subject"),
        "dns": sans.get("dns_names"),
        "email": sans.get("emails"),
        "upn": sans.get("upns"),
        "key-type": kind,
        **({"curve": key.get("crv")} if kind.startswith("EC") else {"key-size": key.get("key_size")}),
        "exportable": key.get("exportable"),
        "reuse-key": key.get("reuse_key"),
        "key-usage": props.get("key_usage"),
        "extended-key-usage": [names.get(oid, oid) for oid in props.get("ekus") or []],
        "validity-months": props.get("validity_months"),
        "lifetime-action": [_action(entry) for entry in policy.get("lifetime_actions") or []],
        "content-type": forms.get(str(content), content),
    }


def _action(entry: dict[str, Any]) -> str:
    names = {action: name for name, action in ACTIONS.items()}
    action = (entry.get("action") or {}).get("action_type")
    trigger = entry.get("trigger") or {}
    days, percentage = trigger.get("days_before_expiry"), trigger.get("lifetime_percentage")
    when = f"{days} days before the end" if days else f"at {percentage} % of the validity"
    return f"{names.get(str(action), action)} {when}"


def issuers(session: Session, url: str) -> list[dict[str, Any]]:
    """The issuers that are set up in a vault. Raises CallError."""
    vault = OperatorCertificates(session.http, session.azure, url)
    rows = []
    for name, provider in vault.issuers():
        about = vault.issuer(name) or {}
        enabled = (about.get("attributes") or {}).get("enabled") is not False
        account = str((about.get("credentials") or {}).get("account_id") or "")
        rows.append({"name": name, "provider": provider, "account": account, "enabled": enabled})
    return rows


def contacts(session: Session, url: str, added: tuple[str, ...], removed: tuple[str, ...]) -> list[dict[str, str]]:
    """The contacts of a vault, after these were added and removed; the others stay.

    Raises:
        Failed: one to be removed is none, or one to be added no address; nothing was changed.
        Unknown: whether they were changed cannot be told.
        CallError
    """
    vault = OperatorCertificates(session.http, session.azure, url)
    there = vault.contacts()
    gone = {email.lower() for email in removed}
    if strangers := gone - {_email(each) for each in there}:
        raise Failed(
            f"{', '.join(sorted(strangers))}: no contact of the vault", "see keeper-rotation certificate contacts"
        )
    left = [each for each in with_contacts(there, added) if _email(each) not in gone]
    if left != there:
        vault.change_contacts(left)
    return left


def check_issuer(vault: OperatorCertificates, policy: Mapping[str, Any]) -> None:
    """The issuer in the policy is set up in the vault. Raises Failed, CallError."""
    name = issuer_of(policy)
    if name in (SELF, UNKNOWN):
        return
    known = vault.issuer(name)
    if known is None:
        there = ", ".join(each for each, _ in vault.issuers()) or "none"
        raise Failed(
            f"the issuer {name} is not set up in {vault.url}, so it cannot issue anything",
            f"set up there: {there}; or take Self, or Unknown and have each version signed elsewhere",
        )
    if (known.get("attributes") or {}).get("enabled") is False:
        raise Failed(f"the issuer {name} is disabled in {vault.url}", "enable it in the portal, or name another one")


def with_contacts(there: list[dict[str, str]], added: tuple[str, ...]) -> list[dict[str, str]]:
    """The contacts, and those that are not among them yet. Raises Failed."""
    known = {str(each.get("email")).lower() for each in there}
    for email in added:
        if email.count("@") != 1 or not all(email.split("@")) or any(sign.isspace() for sign in email):
            raise Failed(f"{email!r} is no address of e-mail", "give one such as tls@example.com")
    new = [{"email": email} for email in dict.fromkeys(added) if email.lower() not in known]
    return [*there, *new]


def warn_of_silence(vault: OperatorCertificates, policy: Mapping[str, Any]) -> None:
    """Say so where Key Vault would write to nobody."""
    if renews_itself(policy):
        return
    try:
        if not vault.contacts():
            warn("the vault has no contacts: no one is notified before the certificate expires; add one with --contact")
    except CallError:
        pass


def _email(contact: dict[str, str]) -> str:
    return str(contact.get("email") or "").lower()

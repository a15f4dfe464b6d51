"""The facts about every kind of credential, once. Who needs one asks here, and nobody writes it down again.

Nothing of a kind is imported before it is run: a rotation pays at its start for its own kind only.
"""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from typing import Any

from gateway.model.credential import DeliveryForm
from gateway.model.fields import FIELDS
from gateway.model.kind_facts import KindFacts, Outputs

_OF_A_CERTIFICATE = ("export", "serial_number", "subject", "issuer", "not_before", "certificate_file", "pfx_password")
_IN_USE = ("deliver_to", "value_template", "pending_password", "application_client_id", "clientId", "client_secret")

_ROWS = (
    KindFacts(
        name="azure_app_secret",
        implementation="gateway.kinds.app_secret:AzureAppSecret",
        delivery_form=DeliveryForm(
            roles={"clientid": "", "tenantid": "", "granttype": "client_credentials"},
            owner="clientid",
            secret="clientsecret",  # noqa: S106 (a name)
            parameter="ClientSecret",
            for_service_connections=True,
        ),
        noun="app",
        target="application_object_id",
        outputs=Outputs("client_secret_id", "client_secret"),
        more=("client_id", "tenant_id", "secret_lifetime_days", "application_owners"),
        title="Azure app secret - {name}",
        wishes={"secret_lifetime_days": "180", "remove_old": "replaced", "overlap_hours": "24"},
        shows_pending=True,
    ),
    KindFacts(
        name="azure_storage_key",
        implementation="gateway.kinds.storage_key:AzureStorageKey",
        delivery_form=DeliveryForm({"accountname": ""}, "accountname", "accesskey", "StorageKey"),
        noun="storage account",
        target="storage_account_id",
        outputs=Outputs("active_key", "storage_key"),
        more=("connection_string", "secret_lifetime_days"),
        defaults={"remove_old": "none", "overlap_hours": "24"},
        title="Azure storage key - {name}",
        wishes={"remove_old": "none"},
        shows_pending=True,
    ),
    KindFacts(
        name="mongodb_user",
        implementation="gateway.kinds.mongodb_user:MongoDBUser",
        delivery_form=DeliveryForm({}, "", "password", "Password"),
        target="mongodb_uri",
        outputs=Outputs("password_id", "password"),
        more=(
            "auth_database",
            "alternate_login",
            "password_length",
            "password_specials",
            "pending_password",
            "secret_lifetime_days",
            "value_template",
        ),
        defaults={"remove_old": "none"},
    ),
    KindFacts(
        name="azure_key_vault_certificate",
        implementation="gateway.kinds.certificate:KeyVaultCertificate",
        delivery_form=DeliveryForm({}, "", "certificate", "Certificate"),
        target="certificate_id",
        outputs=Outputs("certificate_version", "thumbprint"),
        more=("validity_months", "key_type", "key_size", "dns_names", "csr", *_OF_A_CERTIFICATE),
        defaults={"remove_old": "none", "rotate_before_hours": "720"},
        title="Azure certificate - {name} ({where})",
        wishes={"remove_old": "none"},
    ),
    KindFacts(
        name="publish_password",
        implementation="gateway.kinds.published_password:Publication",
        delivery_form=DeliveryForm({}, "", "password", "Password"),
        more=("value_template",),
    ),
    KindFacts(
        name="tls-secret",
        implementation="",
        delivery_form=DeliveryForm({}, "", "certificate", "Certificate"),
        target="tls_secret_id",
        outputs=Outputs("tls_secret_version", "thumbprint"),
        more=_OF_A_CERTIFICATE,
        title="Azure TLS secret - {name} ({where})",
    ),
)


def _complete(row: KindFacts) -> KindFacts:
    theirs = frozenset[str]().union(*(each.own() for each in _ROWS)) - row.own()
    fields = tuple(each for each in FIELDS if each.label not in theirs)
    others = {
        each.target: each.script if each.implementation else "" for each in _ROWS if each.target not in ("", row.target)
    }
    return replace(row, fields=fields, other_targets=others, in_use=_IN_USE)


KINDS = tuple(map(_complete, _ROWS))
APP_SECRET, STORAGE_KEY, MONGODB_USER, CERTIFICATE, PUBLISHED_PASSWORD, TLS_SECRET = KINDS
ROTATED = tuple(each for each in KINDS if each.implementation and each.target)
"""those of which a script makes new ones"""


def find(name: str) -> KindFacts | None:
    """The kind whose script has this name; None where there is none."""
    return next((each for each in KINDS if each.name == name and each.implementation), None)


def of_target(label: str) -> KindFacts:
    """The kind whose targets are named by the field with this label. Raises StopIteration where there is none."""
    return next(each for each in KINDS if each.target == label)


def only(label: str) -> list[str]:
    """The names of the kinds that alone have a field with this label; none where all kinds have it."""
    return [each.name for each in KINDS if label in each.own()]


def load(facts: KindFacts) -> Any:
    """The class that does it: a `gateway.engine.kind.Kind`, or a task of its own (`gateway.run.Task`)."""
    module, _, name = facts.implementation.partition(":")
    return getattr(import_module(module), name)

"""What ``up`` sets up, and the variable by which a shell knows each thing."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from sandbox.furnish.certificate import furnish_certificate
from sandbox.furnish.passwords import furnish_mongodb, furnish_password
from sandbox.furnish.rotation import Furnished
from sandbox.keeper.vault import make_field
from sandbox.sandbox import Sandbox

CERTIFICATES = "sandbox-certificates"
DAY = 86400.0


def furnish_all(sandbox: Sandbox, old_secrets: int, admin_roles: Sequence[str], mongodb: bool) -> dict[str, str]:
    """Set everything up that a page of the documentation starts from; returns the names of it."""
    names = sandbox.furnish(old_secrets=old_secrets, admin_roles=admin_roles)
    sandbox.arm.grant(names.admin_client_id, "Contributor", sandbox.group_id)
    for role in ("Key Vault Secrets Officer", "Key Vault Certificates Officer"):
        sandbox.keyvault.grant(names.admin_client_id, role, sandbox.key_vault_url)
    made = _names(names) | {"SANDBOX_PASSWORD_RECORD_UID": furnish_password(sandbox, names)}
    made |= _certificate(sandbox, names)
    made |= _destinations(sandbox, names)
    made |= _storage(sandbox, names)
    _app_without_record(sandbox, names)
    return made | (_mongodb(sandbox, names) if mongodb else {})


def _app_without_record(sandbox: Sandbox, names: Furnished) -> None:
    """For ``keeper-rotation init``: one that the admin application owns, with a secret that somebody made by hand."""
    app = sandbox.graph.new_application("billing-api")
    sandbox.graph.add_password(app, "made in the portal", age_days=300)
    principal = sandbox.directory.principal_of(names.admin_client_id)
    assert principal is not None
    app.owners.append(principal.object_id)


def _names(names: Furnished) -> dict[str, str]:
    return {
        "SANDBOX_TENANT_ID": names.tenant_id,
        "SANDBOX_ADMIN_CLIENT_ID": names.admin_client_id,
        "SANDBOX_ADMIN_CLIENT_SECRET": names.admin_secret,
        "SANDBOX_SUBSCRIPTION_ID": names.subscription_id,
        "SANDBOX_KEY_VAULT_URL": names.key_vault_url,
        "SANDBOX_RECORD_UID": names.record_uid,
        "SANDBOX_ADMIN_RECORD_UID": names.admin_record_uid,
        "SANDBOX_CONFIG_RECORD_UID": names.config_record_uid,
        "SANDBOX_RESOURCE_GROUP": names.resource_group,
        "SANDBOX_USER_PRINCIPAL_NAME": names.user_principal_name,
    }


def _certificate(sandbox: Sandbox, names: Furnished) -> dict[str, str]:
    made = furnish_certificate(sandbox, names, vault=CERTIFICATES, dns_names=["orders.example.com"])
    sandbox.keyvault.add_issuer(made.vault, "test-ca")
    sandbox.keyvault.grant(names.admin_client_id, "Key Vault Secrets Officer", made.vault)
    sandbox.roles.grant(names.admin_client_id, "Key Vault Reader", sandbox.group_id)
    return {
        "SANDBOX_CERTIFICATE_ID": made.certificate_id,
        "SANDBOX_CERTIFICATE_RECORD_UID": made.record_uid,
        "SANDBOX_FOLDER_UID": sandbox.keeper.vault.default_folder,
    }


def _destinations(sandbox: Sandbox, names: Furnished) -> dict[str, str]:
    made = sandbox.furnish_destinations(names)
    secret, devops, runbook, connection, _ = made.addresses
    return {
        "SANDBOX_TO_KEY_VAULT": secret,
        "SANDBOX_TO_DEVOPS": devops,
        "SANDBOX_TO_RUNBOOK": runbook,
        "SANDBOX_TO_LOGIC_APPS": connection,
        "SANDBOX_TO_KEEPER": f"keeper:{_reader(sandbox, names)}#client_secret",
        "SANDBOX_TO_CERTIFICATE": f"https://{CERTIFICATES}.vault.azure.net/certificates/orders-copy",
    }


def _reader(sandbox: Sandbox, names: Furnished) -> str:
    """A record of people who read the secret and have no part in its rotation."""
    custom = [
        make_field("secret", names.old_secrets[-1] if names.old_secrets else None, "client_secret"),
        make_field("multiline", names.record_uid, "receives_from"),
    ]
    return sandbox.keeper.add_record("Orders API, for its developers", "login", [make_field("login", None)], custom)


def _storage(sandbox: Sandbox, names: Furnished) -> dict[str, str]:
    """As docs/storage-keys.md has it: the key's record delivers to a key vault, where the value has a month to live."""
    address = f"{names.key_vault_url}secrets/orders-storage-key"
    made = sandbox.furnish_storage(names, settings={"deliver_to": address})
    end = sandbox.clock.now() + 30 * DAY
    sandbox.keyvault.set_secret(names.key_vault_url, "orders-storage-key", made.first_keys["key1"], expires=end)
    return {
        "SANDBOX_STORAGE_ACCOUNT_ID": made.account_id,
        "SANDBOX_STORAGE_RECORD_UID": made.record_uid,
        "SANDBOX_STORAGE_SECRET": address,
    }


def furnish_events(sandbox: Sandbox, authority_file: Path, stack: ExitStack) -> dict[str, str]:
    """An Event Hub on a real broker until ``stack`` ends, and the record by which a listener signs in to it."""
    try:
        from sandbox.event_hub.signed import SignedHub

        hub = stack.enter_context(SignedHub(sandbox, authority_file))
    except ImportError as error:
        hint = "in this environment: pip install -r requirements-listen.txt -r requirements-parts.txt"
        sys.exit(f"error: {error.name} is not installed\nhint: {hint}")
    custom = [make_field("secret", hub.policies["listen"], "connection_string")]
    record = sandbox.keeper.add_record("Event Hub, to listen", "login", [make_field("login", None)], custom)
    return hub.variables | {
        "LISTEN_SIGN_IN": "connection-string",
        "LISTEN_SIGN_IN_RECORD": record,
        "SANDBOX_EVENTS_CONNECTION_STRING": hub.policies["send"],
    }


def _mongodb(sandbox: Sandbox, names: Furnished) -> dict[str, str]:
    try:
        made = furnish_mongodb(sandbox, names)
    except ImportError as error:
        hint = "in this environment: pip install -r requirements-mongodb.txt"
        sys.exit(f"error: {error.name} is not installed\nhint: {hint}")
    return {
        "SANDBOX_MONGODB_URI": made.uri,
        "SANDBOX_MONGODB_RECORD_UID": made.record_uid,
        "SANDBOX_MONGODB_ADMIN_RECORD_UID": made.admin_record_uid,
    }

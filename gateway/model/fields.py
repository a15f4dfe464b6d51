"""The fields of a PAM User record, and of an admin record, once: their labels, types, defaults and meaning.

Which kind of credential has which of them is said in ``kinds/registry.py``.

The templates and the tables in ``docs/fields.md`` are checked against `FIELDS` and `ADMIN_FIELDS` by a test.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Field:
    """A custom field. ``type`` is Keeper's field type; ``written`` fields are filled in by a rotation."""

    label: str
    type: str
    meaning: str
    default: str = ""
    written: bool = False


FIELDS = (
    Field("application_object_id", "text", "the app to rotate: its object ID or application (client) ID"),
    Field("client_secret_id", "text", "key id of the published client secret", written=True),
    Field("client_secret", "secret", "the published client secret", written=True),
    Field("client_id", "text", "the app's client id: what its secret signs in with", written=True),
    Field("tenant_id", "text", "the tenant that it signs in to", written=True),
    Field("storage_account_id", "text", "the storage account to rotate: its resource id"),
    Field("active_key", "text", "which key is published, `key1` or `key2`", written=True),
    Field("storage_key", "secret", "the published key", written=True),
    Field("connection_string", "secret", "a connection string with the published key", written=True),
    Field("mongodb_uri", "text", "the server's address, without login and password"),
    Field("auth_database", "text", "the database that the user belongs to", "admin"),
    Field(
        "alternate_login",
        "text",
        "a second user: the two take turns, and the previous one keeps working",
    ),
    Field("password_length", "text", "length of a new password, 16 to 128 characters", "32"),
    Field("password_specials", "text", "special characters in a new password", "-._~"),
    Field(
        "password_id",
        "text",
        "a name for the published password",
        written=True,
    ),
    Field("pending_password", "secret", "a new password that the server may not have yet", written=True),
    Field("certificate_id", "text", "identifier of the Key Vault certificate to renew"),
    Field("validity_months", "text", "validity of a new version; empty: as in its policy"),
    Field("key_type", "text", "`RSA`, `RSA-HSM`, `EC` or `EC-HSM`; empty: as in its policy"),
    Field("key_size", "text", "bits, or a curve such as `P-256`; empty: as in its policy"),
    Field("dns_names", "multiline", "DNS names of the next version; empty: as in its policy"),
    Field("export", "text", "`pfx` or `pem`: attach the certificate with its key to the record"),
    Field("certificate_version", "text", "the published version", written=True),
    Field("thumbprint", "text", "its SHA-1 thumbprint", written=True),
    Field("serial_number", "text", "its serial number, in hex", written=True),
    Field("subject", "text", "its subject; beside `certificate_id`, a different one is requested for the next version"),
    Field("issuer", "text", "its issuer", written=True),
    Field("not_before", "text", "start of its validity, UTC", written=True),
    Field("certificate_file", "text", "name of the attachment that holds it", written=True),
    Field("pfx_password", "secret", "password of that attachment", written=True),
    Field("csr", "multiline", "the signing request of the next version", written=True),
    Field("tls_secret_id", "text", "the Key Vault secret that holds the certificate", written=True),
    Field("tls_secret_version", "text", "the version that the record shows", written=True),
    Field("expires", "text", "when the published secret expires, UTC", written=True),
    Field("NOOP", "text", "tells the Gateway to run only the attached script", "True"),
    Field("Private Key Type", "text", "second field of Keeper's recipe for `NOOP`", "rsa-ssh"),
    Field("rotation_enabled", "text", "`False`: the script touches nothing and exits 0", "True"),
    Field(
        "secret_lifetime_days",
        "text",
        "lifetime of a new secret, in days",
        "365",
    ),
    Field(
        "rotate_now",
        "text",
        "`True`: the next run rotates; `revoke`: it also ends all earlier secrets of the record; emptied afterwards",
    ),
    Field(
        "rotate_before_hours",
        "text",
        "rotate only when `expires` is nearer than this, in hours or as a share of the lifetime (`33%`); "
        "empty: at every run",
    ),
    Field(
        "remove_old",
        "text",
        "`all`: every other secret is removed; `replaced`: only what this record published before; `none`",
        "all",
    ),
    Field("overlap_hours", "text", "the first run after this many hours removes replaced secrets", "0"),
    Field("deliver_to", "multiline", "destinations of the secret, one address a line; see `deliveries.md`"),
    Field(
        "receives_from", "multiline", "uids of the records that may deliver to hidden fields of this one, one a line"
    ),
    Field(
        "application_owners",
        "multiline",
        "user principal names or object ids that must own the app, one a line",
    ),
    Field("notify", "secret", "notification URLs of Apprise, one a line; see `notifications.md`"),
    Field(
        "notify_on",
        "text",
        "`failure`: failed, incomplete or near expiry; `expiry`: near expiry only; `all`: success as well",
        "failure",
    ),
    Field(
        "notify_before_days",
        "text",
        "notify once when `expires` is nearer than this and nothing was rotated; several: `30,7,1`",
    ),
    Field(
        "value_template",
        "text",
        "text to deliver instead of the password, with `{login}` and `{password}`, escaped for their place",
    ),
    Field("azure_cloud", "text", "the admin credential's cloud, as a check: any other value is refused"),
    Field("created", "text", "when the app, account or certificate was created, UTC", written=True),
    Field("last_rotated", "text", "when the published secret was saved, UTC", written=True),
    Field("rotation_state", "text", "the ledger: what to remove and deliver, as JSON; holds no secret", written=True),
)

ADMIN_FIELDS = (
    Field("application_client_id", "text", "application (client) id of the admin app"),
    Field("client_secret", "secret", "a client secret of the admin app: its value, not its id"),
    Field("tenant_id", "text", "directory (tenant) id"),
    Field("expires", "text", "expiry of that secret, such as `2027-01-31`; each run warns in the two weeks before"),
    Field(
        "azure_cloud",
        "text",
        "the only cloud that the credential is sent to: `AzureCloud`, `AzureUSGovernment` or `AzureChinaCloud`; "
        "empty: `ROTATION_AZURE_CLOUD`",
    ),
    Field(
        "allowed_targets",
        "multiline",
        "ids of the targets that it may rotate, one a line, with `*`; empty: all",
    ),
    Field(
        "allowed_destinations",
        "multiline",
        "addresses that it may deliver to, one a line, with `*`; empty: all",
    ),
)
"""of the record that a script signs in to Azure with"""

MONGODB_ADMIN_FIELDS = (
    Field("mongodb_hosts", "multiline", "the only servers that its login is sent to: hosts or addresses, one a line"),
    Field("auth_database", "text", "the database that it belongs to", "admin"),
    Field("allow_plaintext", "text", "`True`: also without TLS, which is always allowed to this host itself"),
    Field("mongodb_ca_file", "text", "path on this host of a file with the servers' certificate authorities"),
    Field(
        "allowed_targets",
        "multiline",
        "`database.user` of the users that it may change, one a line; empty: all",
    ),
    Field(
        "allowed_destinations",
        "multiline",
        "addresses that it may deliver to, one a line, with `*`; empty: all",
    ),
)
"""of the record of an administrator of MongoDB, besides login and password"""
_NAME, _TEXT, _LIST = 1_000, 8_000, 64_000
_LONGER = {"mongodb_uri": _TEXT, "value_template": _TEXT, "notify": _TEXT, "rotation_state": _LIST, "csr": _LIST}


def longest(label: str) -> int:
    """How many characters of a field are read: a name has 1,000 at most, a list of addresses 64,000."""
    return _LONGER.get(label, _NAME if TYPES.get(label) == "text" else _LIST)


def too_long(label: str, value: str) -> str:
    """What is wrong with the length of a field's value; empty where nothing is."""
    if len(value) <= (most := longest(label)):
        return ""
    return f"{label}: {len(value):,} characters long; at most {most:,} are read"


DEFAULTS = {field.label: field.default for field in FIELDS}
TYPES = {field.label: field.type for field in FIELDS}


# What a record may be handed; what else our scripts read in a record tells them what to do.
_VALUES = ("client_secret", "storage_key", "connection_string", "pfx_password", "password")


def spelling(label: str) -> str:
    """What the spellings of one label have in common: Keeper's tools write clientId, Client Id, pamazureclientid, …."""
    name = re.sub(r"^(secret|text)\.", "", label)
    return re.sub(r"[^a-z]", "", name.lower()).removeprefix("pamazure")


def is_order(label: str) -> bool:
    """Whether our scripts read a field with this label for what to do, and not for a secret that it holds."""
    name = spelling(label)
    known = ("login", *(each.label for each in (*FIELDS, *ADMIN_FIELDS, *MONGODB_ADMIN_FIELDS)))
    return name in map(spelling, known) and name not in map(spelling, _VALUES)

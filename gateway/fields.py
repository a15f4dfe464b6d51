"""The fields of a PAM User record, once: their labels, types, defaults and meaning.

The templates and the table in ``docs/fields.md`` are checked against `FIELDS` by a test.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Field:
    """A custom field. ``kind`` is Keeper's field type; ``written`` fields are filled in by a rotation."""

    label: str
    kind: str
    meaning: str
    default: str = ""
    written: bool = False
    only: str = ""
    """the scripts, or the command, that the field is for, separated by ``, ``; empty for all"""

    def is_for(self, script: str) -> bool:
        """Whether this script reads or writes it."""
        return not self.only or script in self.only.split(", ")


APP, STORAGE, PASSWORD, MONGODB = "azure_app_secret", "azure_storage_key", "publish_password", "mongodb_user"
CERTIFICATE, TLS_SECRET = "azure_key_vault_certificate", "tls-secret"
WITH_KEY = f"{CERTIFICATE}, {TLS_SECRET}"

FIELDS = (
    Field("application_object_id", "text", "the app to rotate: its object id or its application (client) id", only=APP),
    Field("client_secret_id", "text", "key id of the published client secret", written=True, only=APP),
    Field("client_secret", "secret", "the published client secret", written=True, only=APP),
    Field("storage_account_id", "text", "the storage account to rotate: its resource id", only=STORAGE),
    Field("active_key", "text", "which key is published, `key1` or `key2`", written=True, only=STORAGE),
    Field("storage_key", "secret", "the published key", written=True, only=STORAGE),
    Field("connection_string", "secret", "a connection string with the published key", written=True, only=STORAGE),
    Field("mongodb_uri", "text", "the server's address, without login and password", only=MONGODB),
    Field("auth_database", "text", "the database that the user belongs to", "admin", only=MONGODB),
    Field(
        "alternate_login",
        "text",
        "a second user: the two take turns, and the former one goes on working",
        only=MONGODB,
    ),
    Field("password_length", "text", "how long a new password is, 16 to 128 characters", "32", only=MONGODB),
    Field("password_specials", "text", "special characters that a new password holds", "-._~", only=MONGODB),
    Field(
        "password_id",
        "text",
        "a name for the published password",
        written=True,
        only=MONGODB,
    ),
    Field("pending_password", "secret", "a new password, until the server has it", written=True, only=MONGODB),
    Field("certificate_id", "text", "the Key Vault certificate to renew: its identifier", only=CERTIFICATE),
    Field("validity_months", "text", "how long a new version is valid; empty: as its policy says", only=CERTIFICATE),
    Field("key_type", "text", "`RSA`, `RSA-HSM`, `EC` or `EC-HSM`; empty: as its policy says", only=CERTIFICATE),
    Field("key_size", "text", "bits, or a curve such as `P-256`; empty: as its policy says", only=CERTIFICATE),
    Field("dns_names", "multiline", "names of the next version; empty: as its policy says", only=CERTIFICATE),
    Field("export", "text", "`pfx` or `pem`: attach the certificate with its key to the record", only=WITH_KEY),
    Field("certificate_version", "text", "the published version", written=True, only=CERTIFICATE),
    Field("thumbprint", "text", "its SHA-1 thumbprint", written=True, only=WITH_KEY),
    Field("serial_number", "text", "its serial number, in hex", written=True, only=WITH_KEY),
    Field(
        "subject", "text", "its subject; with `certificate_id`, another one here is for the next version", only=WITH_KEY
    ),
    Field("issuer", "text", "its issuer", written=True, only=WITH_KEY),
    Field("not_before", "text", "from when it is valid, UTC", written=True, only=WITH_KEY),
    Field("certificate_file", "text", "name of the attachment with it", written=True, only=WITH_KEY),
    Field("pfx_password", "secret", "password of that attachment", written=True, only=WITH_KEY),
    Field("csr", "multiline", "what a CA has to sign for the next version", written=True, only=CERTIFICATE),
    Field("tls_secret_id", "text", "a Key Vault secret that is a certificate", written=True, only=TLS_SECRET),
    Field("tls_secret_version", "text", "the version that the record shows", written=True, only=TLS_SECRET),
    Field("expires", "text", "when the published secret expires, UTC", written=True),
    Field("NOOP", "text", "tells the Gateway to run only the attached script", "True"),
    Field("Private Key Type", "text", "second field of Keeper's recipe for NOOP", "rsa-ssh"),
    Field("rotation_enabled", "text", "`False`: the script touches nothing and exits 0", "True"),
    Field(
        "secret_lifetime_days",
        "text",
        "how long a new secret lives, in days",
        "365",
        only=f"{APP}, {STORAGE}, {MONGODB}",
    ),
    Field("rotate_before_hours", "text", "rotate only when `expires` is nearer than this; empty: at every run"),
    Field(
        "remove_old",
        "text",
        "`all`: every other secret is removed; `replaced`: only what this record published before; `none`",
        "all",
    ),
    Field("overlap_hours", "text", "old secrets are removed by the first run after this many hours", "0"),
    Field("deliver_to", "multiline", "who else gets the secret, one address a line; see `deliveries.md`"),
    Field(
        "application_owners",
        "multiline",
        "user principal names or object ids that must own the app, one a line",
        only=APP,
    ),
    Field("notify", "secret", "notification URLs of Apprise, one a line; see `notifications.md`"),
    Field(
        "notify_on",
        "text",
        "`failure`: what failed, is incomplete or near its end; `expiry`: only the latter; `all`: also success",
        "failure",
    ),
    Field("notify_before_days", "text", "tell when `expires` is nearer than this, and nothing was rotated"),
    Field(
        "value_template",
        "text",
        "what is delivered of a password, with `{login}` and `{password}` filled in, escaped for their place",
        only=f"{PASSWORD}, {MONGODB}",
    ),
    Field("azure_cloud", "text", "`AzureCloud`, `AzureUSGovernment` or `AzureChinaCloud`", "AzureCloud"),
    Field("created", "text", "when the app, account or certificate was created, UTC", written=True),
    Field("last_rotated", "text", "when the published secret was saved, UTC", written=True),
    Field("rotation_state", "text", "what is to be removed and delivered, as JSON; no secret in it", written=True),
)


TARGETS = ("application_object_id", "storage_account_id", "mongodb_uri", "certificate_id", "tls_secret_id")
"""the fields that say what a record stands for; one of them is filled in"""


IN_USE = ("deliver_to", "value_template", "pending_password", "application_client_id", "clientId", "client_secret")
"""fields of a record that stands for something, be it without one of `TARGETS`: a password, or who signs in"""


def script_of(target: str) -> str:
    """The script whose target's label this is."""
    return next(field.only for field in FIELDS if field.label == target)


DEFAULTS = {field.label: field.default for field in FIELDS}
KINDS = {field.label: field.kind for field in FIELDS}

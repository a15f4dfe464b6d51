"""Secrets of a key vault on the wire: versions, tags, soft delete and recovery."""

from __future__ import annotations

import re
from typing import Any, cast

from sandbox.key_vault.base import KeyVaultBase, KeyVaultError, bad_parameter, json_object, page
from sandbox.key_vault.vaults import Secret, SecretVersion, Vault
from sandbox.proxy.messages import Request, Response
from sandbox.proxy.service import Part, route

SECRET = r"/secrets/(?P<name>[^/]+)"
DELETED = r"/deletedsecrets/(?P<name>[^/]+)/?"
NAME = re.compile(r"[0-9a-zA-Z-]{1,127}")
LONGEST_VALUE = 25 * 1024
LONGEST_TYPE = 255
LONGEST_TAG = 512
MOST_TAGS = 15


class KeyVaultSecrets(Part):
    """Secrets and their versions; certificates keep theirs here too."""

    def __init__(self, keyvault: KeyVaultBase) -> None:
        self.keyvault = keyvault
        self.clock = keyvault.clock

    @route("PUT", SECRET + "/?", "set_secret")
    def set_secret(self, request: Request, match: re.Match[str]) -> Response:
        """A new version, which takes nothing over from the one before."""
        vault = self.keyvault.authorize(request, "setSecret/action", match["name"])
        content = json_object(request)
        if not NAME.fullmatch(match["name"]):
            raise bad_parameter("A secret's name is 1 to 127 letters, digits and hyphens.")
        value = content.get("value")
        if not isinstance(value, str):
            raise bad_parameter("The body has no value.")
        if len(value.encode()) > LONGEST_VALUE:
            raise bad_parameter(f"The value is longer than {LONGEST_VALUE} bytes.")
        self.refuse_deleted(vault, match["name"])
        self._refuse_managed(vault.secrets.get(match["name"].lower()))
        version = SecretVersion(value, int(self.clock.now()))
        self.apply(version, content)
        secret = self.add(vault, match["name"], version)
        return Response.of(200, vault.bundle(secret, version, value=True))

    @route("GET", SECRET + "/versions", "list_versions")
    def list_versions(self, request: Request, match: re.Match[str]) -> Response:
        """All versions without their values, in no order of time."""
        vault = self.keyvault.authorize(request, "readMetadata/action", match["name"])
        secret = vault.secrets.get(match["name"].lower())
        versions = sorted(secret.versions, key=lambda entry: entry.version) if secret else []
        return page(request, versions, lambda entry: vault.bundle(cast(Secret, secret), entry))

    @route("GET", SECRET + r"(?:/(?P<version>[^/]*))?", "get_secret")
    def get_secret(self, request: Request, match: re.Match[str]) -> Response:
        """A version with its value. Dates do not matter: an expired one can be read."""
        vault = self.keyvault.authorize(request, "getSecret/action", match["name"])
        secret, version = self._version(vault, match)
        if not version.enabled:
            raise KeyVaultError(403, "A disabled secret cannot be read.", inner="SecretDisabled")
        return Response.of(200, vault.bundle(secret, version, value=True))

    @route("PATCH", SECRET + r"(?:/(?P<version>[^/]*))?", "update_secret")
    def update_secret(self, request: Request, match: re.Match[str]) -> Response:
        """Change a version's attributes, tags or content type; what is not named stays."""
        vault = self.keyvault.authorize(request, "update/action", match["name"])
        secret, version = self._version(vault, match)
        self._refuse_managed(secret)
        self.apply(version, json_object(request))
        version.updated = int(self.clock.now())
        return Response.of(200, vault.bundle(secret, version))

    @route("GET", r"/secrets/?", "list_secrets")
    def list_secrets(self, request: Request, match: re.Match[str]) -> Response:
        """All secrets without their values."""
        vault = self.keyvault.authorize(request, "readMetadata/action")
        found = [secret for _, secret in sorted(vault.secrets.items())]
        return page(request, found, lambda secret: vault.bundle(secret, secret.current, whole=False))

    @route("DELETE", SECRET + "/?", "delete_secret")
    def delete_secret(self, request: Request, match: re.Match[str]) -> Response:
        """Delete a secret with all its versions; it can be recovered until it is purged."""
        vault = self.keyvault.authorize(request, "delete", match["name"])
        self._refuse_managed(self._version(vault, match)[0])
        return Response.of(200, vault.deleted_bundle(self.delete(vault, match["name"])))

    @route("GET", r"/deletedsecrets/?", "list_deleted_secrets")
    def list_deleted_secrets(self, request: Request, match: re.Match[str]) -> Response:
        """All secrets that can be recovered."""
        vault = self.keyvault.authorize(request, "readMetadata/action")
        found = [secret for _, secret in sorted(vault.deleted.items())]
        return page(request, found, lambda secret: vault.deleted_bundle(secret, whole=False))

    @route("GET", DELETED, "get_deleted_secret")
    def get_deleted_secret(self, request: Request, match: re.Match[str]) -> Response:
        """A deleted secret, once the deletion is through."""
        vault = self.keyvault.authorize(request, "readMetadata/action", match["name"])
        return Response.of(200, vault.deleted_bundle(self._deleted(vault, match["name"])))

    @route("POST", DELETED.removesuffix("/?") + "/recover", "recover_secret")
    def recover_secret(self, request: Request, match: re.Match[str]) -> Response:
        """Bring a deleted secret back."""
        vault = self.keyvault.authorize(request, "recover/action", match["name"])
        secret = self._deleted(vault, match["name"])
        self._refuse_managed(secret)
        vault.secrets[match["name"].lower()] = vault.deleted.pop(match["name"].lower())
        secret.deleted, secret.ready = None, self.clock.now() + self.keyvault.transition_seconds
        return Response.of(200, vault.bundle(secret, secret.current))

    @route("DELETE", DELETED, "purge_secret")
    def purge_secret(self, request: Request, match: re.Match[str]) -> Response:
        """End a deleted secret for good."""
        vault = self.keyvault.authorize(request, "purge/action", match["name"])
        self._refuse_managed(self._deleted(vault, match["name"]))
        del vault.deleted[match["name"].lower()]
        return Response(204)

    def add(self, vault: Vault, name: str, version: SecretVersion) -> Secret:
        """Make a version the current one of its secret, which begins with it if it is not there."""
        secret = vault.secrets.setdefault(name.lower(), Secret(name, []))
        secret.versions.append(version)
        return secret

    def delete(self, vault: Vault, name: str) -> Secret:
        """Move a secret to the deleted ones. Raises KeyError."""
        secret = vault.deleted[name.lower()] = vault.secrets.pop(name.lower())
        secret.deleted, secret.ready = int(self.clock.now()), self.clock.now() + self.keyvault.transition_seconds
        return secret

    def _version(self, vault: Vault, match: re.Match[str]) -> tuple[Secret, SecretVersion]:
        secret = vault.secrets.get(match["name"].lower())
        found = secret.version(match.groupdict().get("version")) if secret else None
        if secret is None or found is None or secret.ready > self.clock.now():
            message = f"There is no secret {match['name']} of this name and version in the vault."
            raise KeyVaultError(404, message, "SecretNotFound")
        return secret, found

    def _deleted(self, vault: Vault, name: str) -> Secret:
        secret = vault.deleted.get(name.lower())
        if secret is None or secret.ready > self.clock.now():
            raise KeyVaultError(404, f"There is no deleted secret {name} in the vault.", "SecretNotFound")
        return secret

    def refuse_deleted(self, vault: Vault, name: str) -> None:
        """A name is taken while a secret of that name is deleted, or on its way there or back."""
        deleted, live = vault.deleted.get(name.lower()), vault.secrets.get(name.lower())
        if deleted:
            done = deleted.ready <= self.clock.now()
            inner = "ObjectIsDeletedButRecoverable" if done else "ObjectIsBeingDeleted"
            message = f"Secret {name} was deleted and can be recovered; until it is purged its name is taken."
            raise KeyVaultError(409, message, inner=inner)
        if live and live.ready > self.clock.now():
            raise KeyVaultError(409, f"Secret {name} is being recovered.", inner="ObjectIsBeingRecovered")

    def _refuse_managed(self, secret: Secret | None) -> None:
        """What belongs to a certificate is changed with it only. Not verified: which status and text Azure gives."""
        if secret and secret.managed:
            raise KeyVaultError(403, f"Secret {secret.name} belongs to the certificate of its name.")

    def apply(self, version: SecretVersion, content: dict[str, Any]) -> None:
        """Change what a request names of a version. Raises KeyVaultError."""
        tags, content_type = content.get("tags"), content.get("contentType")
        if tags is not None:
            if len(tags) > MOST_TAGS or any(len(str(text)) > LONGEST_TAG for pair in tags.items() for text in pair):
                raise bad_parameter(f"A secret has at most {MOST_TAGS} tags of {LONGEST_TAG} characters.")
            version.tags = dict(tags)
        if content_type is not None:
            if len(content_type) > LONGEST_TYPE:
                raise bad_parameter(f"A content type has at most {LONGEST_TYPE} characters.")
            version.content_type = content_type
        attributes = content.get("attributes") or {}
        for name in ("nbf", "exp"):
            # Not verified that Key Vault takes null for "none": https://github.com/Azure/azure-sdk-for-net/issues/5267
            if self.keyvault.null_removes_dates and name in attributes and attributes[name] is None:
                setattr(version, name, None)
        for name, kind in (("enabled", bool), ("nbf", int), ("exp", int)):
            if attributes.get(name) is not None:
                if type(attributes[name]) is not kind:
                    raise bad_parameter(f"The attribute {name} is of the wrong type.")
                setattr(version, name, attributes[name])

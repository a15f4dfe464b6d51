"""Where something lies in a key vault: identifiers, as Key Vault and the portal show them.

Source: https://learn.microsoft.com/azure/key-vault/general/about-keys-secrets-certificates#object-identifiers
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import ClassVar, Self
from urllib.parse import SplitResult, unquote, urlsplit

from gateway.errors import Failed
from gateway.model.clouds import Cloud

VAULT_NAME = "[a-zA-Z0-9](?:[a-zA-Z0-9-]{1,22}[a-zA-Z0-9])?"
"""a pattern, as wide as Azure's own checks have ever been"""


@dataclass(frozen=True)
class _ObjectId:
    """``version`` is empty where the object as a whole is meant."""

    collection: ClassVar[str]
    what: ClassVar[str]

    vault_url: str
    name: str
    version: str = ""

    def __str__(self) -> str:
        return f"{self.vault_url}/{self.collection}/{self.name}" + (f"/{self.version}" if self.version else "")

    def whole(self) -> Self:
        """Without the version."""
        return replace(self, version="")

    @property
    def vault(self) -> str:
        """The vault's name."""
        return self.vault_url.removeprefix("https://").partition(".")[0]

    @classmethod
    def example(cls, cloud: Cloud | None = None) -> str:
        """The form of an identifier, for people."""
        return f"https://<vault>.{cloud.key_vault if cloud else 'vault.azure.net'}/{cls.collection}/<name>"

    @classmethod
    def read(cls, text: str, cloud: Cloud, where: str) -> Self:
        """An identifier, or the portal's address of what it names.

        Raises:
            Failed: it is another thing, or of another cloud; ``where`` names where it stands.
        """
        parts = split(text.strip())
        if parts.netloc == cloud.portal:
            blade = f"/Microsoft_Azure_KeyVault/{cls.what.capitalize()}/"
            parts = split(unquote(parts.fragment).partition(blade)[2])
        host = rf"{VAULT_NAME}\.{re.escape(cloud.key_vault)}"
        path = re.fullmatch(rf"/{cls.collection}/([0-9a-zA-Z-]{{1,127}})(?:/([0-9a-f]{{32}}))?/?", parts.path)
        if parts.scheme != "https" or not re.fullmatch(host, parts.netloc) or not path or parts.query:
            shown = re.sub(r"//[^/\s]*@", "//", text)
            what = f"{where}: {shown!r} is not a {cls.what} of a vault in {cloud.name}"
            if why := no_vault_name(parts.netloc, cloud):
                what = f"{where}: {why}"
            raise Failed(what, f"the form is {cls.example(cloud)}")
        return cls(f"https://{parts.netloc.lower()}", path.group(1), path.group(2) or "")


class CertificateId(_ObjectId):
    """Where a certificate lies, or one version of it."""

    collection = "certificates"
    what = "certificate"


class SecretId(_ObjectId):
    """Where a secret lies, or one version of it."""

    collection = "secrets"
    what = "secret"


def split(text: str) -> SplitResult:
    """The parts of an address; empty ones where it is none."""
    try:
        return urlsplit(text)
    except ValueError:  # such as a bracket in the place of the host
        return urlsplit("")


def no_vault_name(host: str, cloud: Cloud) -> str:
    """Why a host of Key Vault cannot be one, by its name; empty where it can, or is another host."""
    name = host.lower().removesuffix(f".{cloud.key_vault}")
    if name == host.lower() or re.fullmatch(VAULT_NAME, name, re.IGNORECASE):
        return ""
    return f"{name!r} is no name of a key vault: it has 3 to 24 letters, digits and dashes"


def check_name(name: str) -> None:
    """Key Vault takes this name. Raises Failed."""
    if not re.fullmatch(r"[0-9a-zA-Z-]{1,127}", name):
        raise Failed(f"{name!r} is no name for Key Vault", "a name is 1 to 127 letters, digits and dashes")

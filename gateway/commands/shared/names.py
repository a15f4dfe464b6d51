"""What an operator names on a command line: a vault, or a certificate of one. Nothing here talks to a service."""

from __future__ import annotations

import re
from urllib.parse import unquote

from gateway.azure.key_vault.calls import key_vault_url
from gateway.azure.key_vault.ids import CertificateId, SecretId, check_name, split
from gateway.errors import Failed
from gateway.model.clouds import CLOUDS, Cloud


def read_id(text: str, cloud_name: str, *, version: str = "") -> CertificateId:
    """The certificate that is named, by its identifier, as VAULT/NAME, or by the portal's address.

    Args:
        version: why none may be named; empty where one may.

    Raises:
        Failed: it is another thing, of another cloud, or has a name that Key Vault does not take.
    """
    cloud = CLOUDS[cloud_name]
    try:
        found = CertificateId.read(_whole(text, cloud, "certificates"), cloud, "certificate")
    except Failed as error:
        _explain(text, cloud)
        raise Failed(error.message, f"the form is {CertificateId.example(cloud)}") from None
    if found.version and version:
        raise Failed(f"{text} names one version, and {version}", f"leave out /{found.version}")
    return found


def read_secret_id(text: str, cloud_name: str) -> SecretId:
    """The secret that is named, by its identifier, as VAULT/NAME, or by the portal's address. Raises Failed."""
    cloud = CLOUDS[cloud_name]
    return SecretId.read(_whole(text, cloud, "secrets"), cloud, "ID")


def _whole(text: str, cloud: Cloud, collection: str) -> str:
    """The identifier of what is named as VAULT/NAME; anything else as it is."""
    short = re.fullmatch(r"([0-9a-zA-Z-]+)/([0-9a-zA-Z-]+)", text.strip())
    return f"{key_vault_url(short[1], cloud)}/{collection}/{short[2]}" if short else text


def read_key_vault(text: str, cloud_name: str) -> str:
    """The address of a vault that is named, by its name or its address.

    Raises:
        Failed: it is none, or of another cloud.
    """
    cloud = CLOUDS[cloud_name]
    _refuse_other_cloud(text.strip().removeprefix("https://").partition("/")[0], cloud)
    return key_vault_url(text, cloud)


def _explain(text: str, cloud: Cloud) -> None:
    """The more telling errors for what is no identifier. Raises Failed."""
    parts = split(text.strip())
    if any(parts.netloc == each.portal for each in CLOUDS.values()):
        if parts.netloc != cloud.portal:
            _say_cloud(parts.netloc, next(each for each in CLOUDS.values() if each.portal == parts.netloc))
        parts = split(unquote(parts.fragment).partition("/Microsoft_Azure_KeyVault/Certificate/")[2])
    _refuse_other_cloud(parts.netloc, cloud)
    path = parts.path.strip("/").split("/")
    if parts.netloc.lower().endswith(f".{cloud.key_vault}") and path[0] == "certificates" and len(path) in (2, 3):
        check_name(path[1])


def _refuse_other_cloud(host: str, cloud: Cloud) -> None:
    for other in CLOUDS.values():
        if other != cloud and host.lower().endswith(f".{other.key_vault}"):
            _say_cloud(host, other)


def _say_cloud(host: str, other: Cloud) -> None:
    raise Failed(f"{_shown(host)} is of another cloud, {other.name}", f"add --cloud={other.name}")


def _shown(text: str) -> str:
    return re.sub(r"//[^/\s]*@", "//", text)

"""Where the Keeper Secrets Manager configuration of this host is.

We read it ourselves and hand the SDK a copy in memory: given a path, the SDK creates the file where it is missing,
prints warnings about its mode, and deletes it when a first call fails.
Source: https://docs.keeper.io/en/keeperpam/secrets-manager/about/secrets-manager-configuration
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from gateway.errors import Failed

# The first that is there is used. A place that is there but cannot be used is an error, not a reason to go on.
VARIABLES = ("KSM_CONFIG", "KSM_CONFIG_FILE", "GATEWAY_CONFIG")
PATHS = (
    "/etc/keeper-gateway/gateway-config.json",
    "~/.keeper/gateway-config.json",
    r"C:\ProgramData\KeeperGateway\config\gateway-config.json",
    r"C:\ProgramData\KeeperGatewayPrivate\gateway-config.json",
)
_NEEDED = ("clientId", "privateKey", "appKey")


def find_ksm_config(environment: Mapping[str, str] = os.environ) -> str:
    """The configuration as JSON text.

    Raises:
        Failed: there is none, or the first one found is broken.
    """
    place = locate(environment)
    if place is None:
        raise Failed(
            f"Keeper configuration: none found (looked at {', '.join(VARIABLES + PATHS)})",
            "name the file of the Gateway, or of a device of the same application, in KSM_CONFIG_FILE",
        )
    if place.path is None:
        text = _checked(place.variable, environment[place.variable].strip())
    else:
        where = f"{place.variable} ({place.path})" if place.variable else str(place.path)
        text = _checked(where, _read(place.path, place.variable or str(place.path)))
    server_of(text, environment)
    return text


@dataclass(frozen=True)
class Place:
    """Where it is: in a variable, in the file that a variable names, or in a file at one of the known paths."""

    variable: str
    path: Path | None

    def __str__(self) -> str:
        return " ".join(filter(None, (self.variable, str(self.path or ""))))


def locate(environment: Mapping[str, str] = os.environ) -> Place | None:
    """The place whose configuration is used, which is not opened; None where there is none."""
    for variable in VARIABLES:
        if content := environment.get(variable, "").strip():
            return Place(variable, Path(content) if variable == "KSM_CONFIG_FILE" else None)
    found = (path for path in (Path(os.path.expanduser(name)) for name in PATHS) if _is_there(path))
    return next((Place("", path) for path in found), None)


def _is_there(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return True  # it is there, and reading it says why it cannot be used


def _read(path: Path, where: str) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "not a text file"
        hint = (
            "correct the path"
            if isinstance(error, FileNotFoundError)
            else "give the user of the Gateway the right to it"
        )
        raise Failed(f"Keeper configuration {where}: cannot read {path}: {reason}", hint) from None


def _checked(where: str, content: str) -> str:
    """``content`` (JSON, or JSON in base64) as JSON, if it is a configuration that is bound to a device."""
    try:
        text = content if content.lstrip().startswith("{") else base64.b64decode(content, validate=True).decode()
        config = json.loads(text)
    except ValueError:
        config = None
    if not isinstance(config, dict):
        raise Failed(f"Keeper configuration {where}: neither JSON nor JSON in base64", "copy it again, whole")
    if missing := [key for key in _NEEDED if not config.get(key)]:
        raise Failed(
            f"Keeper configuration {where}: without {', '.join(missing)}",
            "this device was never bound: start the Gateway once, or make a new device for the application",
        )
    return text


def server_of(config: str, environment: Mapping[str, str] = os.environ) -> str:
    """The address of the server that a configuration names, as far as that can be told without Keeper's SDK.

    Raises:
        Failed: it names none.
    """
    place = "KSM_HOSTNAME" if environment.get("KSM_HOSTNAME") else "hostname"
    name = environment.get("KSM_HOSTNAME") or str(json.loads(config).get("hostname") or "keepersecurity.com")
    address = name if name.startswith("https://") else f"https://{name}"
    try:
        if urlsplit(address).hostname:
            return address
    except ValueError:
        pass
    raise Failed(
        f"Keeper configuration: {place}={name!r} is no name of a server",
        "name the one of your region, such as keepersecurity.eu",
    )

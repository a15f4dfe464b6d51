"""Settings of the listener: a TOML file without secrets, or environment variables, which win.

The table in ``docs/listen.md`` is checked against `SETTINGS`.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from gateway.errors import Failed
from gateway.host.settings import Default, Setting, read_each
from gateway.kinds.registry import ROTATED
from gateway.model.clouds import CLOUDS

SIGN_INS = ("identity", "client-secret", "connection-string", "none")
SCRIPTS = {each.target: each.script for each in ROTATED}
# What librdkafka must not be told by the file: secrets, and what the order of commits hangs on.
_OURS = ("bootstrap.servers", "group.id", "enable.auto.commit", "enable.auto.offset.store", "enable.partition.eof")
_SECRET = ("password", "secret", "sasl.username", "sasl.oauthbearer.config", "key.pem", "assertion")


def _listen(name: str, default: Default, meaning: str, least: float = 0.0) -> Setting:
    return Setting(name, default, meaning, least, 1e6, f"LISTEN_{name.upper()}")


SETTINGS = (
    _listen("bootstrap_servers", None, "Kafka endpoint of the Event Hubs namespace: `<namespace>.servicebus.windows.net:9093`"),  # noqa: E501
    _listen("event_hub", None, "name of the Event Hub, which is Kafka's topic"),
    _listen("consumer_group", "keeper-rotation", "listeners of one group share the work"),
    _listen("sign_in", "identity", "`identity`: managed or workload identity of this host; `client-secret` or `connection-string`: from `sign_in_record`; `none`: a Kafka on this machine, without sign-in or TLS"),  # noqa: E501
    _listen("sign_in_record", "", "uid of the Keeper record with `application_client_id`, `client_secret`, `tenant_id`, or with `connection_string`"),  # noqa: E501
    _listen("identity_client_id", "", "client id of the managed identity, where the host has several"),
    _listen("azure_cloud", "AzureCloud", "where to sign in for the Event Hub: `AzureCloud`, `AzureUSGovernment` or `AzureChinaCloud`"),  # noqa: E501
    _listen("configuration", "", "uid of the PAM configuration, where the Keeper application can read several"),
    _listen("scripts", SCRIPTS, "script by the field that names a record's target; paths from the folder of this file"),
    _listen("kafka", {}, "further properties of librdkafka; no secrets"),
    _listen("health_address", "127.0.0.1:8080", "where `/healthz` and `/metrics` answer"),
    Setting("region", "", "a label for `/healthz` and `/metrics`", variable="REGION_NAME"),
    Setting("event_days", 60, "an event is acted on where the vault says that the version ends within so many days; for a certificate earlier, where its policy says so", 1, 3651, "ROTATION_EVENT_DAYS"),  # noqa: E501
    _listen("workers", 4, "how many events are worked on at once", 1),
    _listen("waiting", 500, "how many messages may wait here before no more are fetched", 1),
    _listen("tries", 5, "how often an event's rotation is tried", 1),
    _listen("retry_seconds", 30.0, "pause before the second try; doubles up to ten minutes, jittered"),
    _listen("records_seconds", 60.0, "how old the copy of the Keeper records may be"),
    _listen("handover_seconds", 30.0, "how long a rotation may delay the group when its partition goes to another host"),  # noqa: E501
)  # fmt: skip


@dataclass(frozen=True)
class ListenSettings:
    """The listener's settings; times in seconds, ``scripts`` with full paths."""

    bootstrap_servers: str
    event_hub: str
    consumer_group: str
    sign_in: str
    sign_in_record: str
    identity_client_id: str
    azure_cloud: str
    configuration: str
    scripts: Mapping[str, str]
    kafka: Mapping[str, str]
    health_address: str
    region: str
    event_days: int
    workers: int
    waiting: int
    tries: int
    retry_seconds: float
    records_seconds: float
    handover_seconds: float

    def health_place(self) -> tuple[str, int]:
        """Host and port of `health_address`."""
        host, _, port = self.health_address.rpartition(":")
        return host.strip("[]"), int(port)


def read_listen_settings(path: str, environment: Mapping[str, str] = os.environ) -> ListenSettings:
    """The settings in the file (none where ``path`` is empty) and the environment.

    Raises:
        Failed: the file cannot be read, or settings cannot be used; all of them are named.
    """
    values, problems = read_each(SETTINGS, environment, _file(path))
    if not problems:
        folder = Path(path).resolve().parent if path else Path.cwd()
        values["scripts"] = _scripts(folder, values["scripts"], problems)
        _check(values, problems)
    if problems:
        where = path or "the environment"
        raise Failed(f"settings of listen, {where}: " + "; ".join(problems), "docs/listen.md explains each")
    return ListenSettings(**{field.name: values[field.name] for field in fields(ListenSettings)})


def _file(path: str) -> dict[str, Any]:
    if not path:
        return {}
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise Failed(f"settings of listen: cannot read {path}: {error.strerror}", "correct the path") from None
    except ValueError as error:  # TOML's own complaint names a line; it quotes one character at most
        raise Failed(f"settings of listen: {path} is not TOML: {error}", "correct that line") from None


def _scripts(folder: Path, given: Mapping[str, str], problems: list[str]) -> dict[str, str]:
    """Full paths. A script that is named must be there; one of the defaults may be missing."""
    named = given is not SCRIPTS
    paths = {field: (folder / path).resolve() for field, path in given.items()}
    missing = [path for path in paths.values() if not path.is_file()]
    problems += [f"scripts: there is no file {path}" for path in missing if named]
    if not named and len(missing) == len(paths):
        problems.append(f"scripts: none of the default ones is below {folder}")
    return {field: str(path) for field, path in paths.items() if path.is_file()}


def _check(values: dict[str, Any], problems: list[str]) -> None:
    if values["sign_in"] not in SIGN_INS:
        problems.append(f"sign_in: {values['sign_in']!r} is none of {', '.join(SIGN_INS)}")
    if values["sign_in"] == "none" and not all(map(_is_this_machine, values["bootstrap_servers"].split(","))):
        problems.append("sign_in: 'none' is for a Kafka on this machine, and bootstrap_servers names another")
    if values["sign_in"] in ("client-secret", "connection-string") and not values["sign_in_record"]:
        problems.append(f"sign_in_record is missing, which sign_in = {values['sign_in']!r} needs")
    if values["azure_cloud"] not in CLOUDS:
        problems.append(f"azure_cloud: {values['azure_cloud']!r} is none of {', '.join(CLOUDS)}")
    _, _, port = values["health_address"].rpartition(":")
    if not (port.isdecimal() and int(port) < 65536):
        problems.append(f"health_address: {values['health_address']!r} is not HOST:PORT")
    for name in values["kafka"]:
        if name in _OURS:
            problems.append(f"kafka: {name} is not yours to set")
        elif any(part in name for part in _SECRET):
            problems.append(f"kafka: {name} may hold a secret, which belongs in a Keeper record")


def _is_this_machine(server: str) -> bool:
    host = server.strip().rpartition(":")[0].strip("[]")
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False

"""The address of a MongoDB server: which options it may have, and whether an administrator's login may be used there.

A login proves itself to whatever server it is sent to, and that one can go on to another with it (SCRAM is not bound to
its connection). So the administrator's own record says which servers these are, and not the record that is rotated.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from gateway.errors import Failed
from gateway.model.credential import AdminCredential

# All others are refused: some send the admin's password in clear, or leave out checks.
# https://www.mongodb.com/docs/manual/reference/connection-string-options/
_OPTIONS = frozenset(
    {
        *("tls", "ssl", "replicaset", "directconnection", "loadbalanced", "appname", "retrywrites", "retryreads", "w"),
        *("readpreference", "srvservicename", "srvmaxhosts"),
    }
)
_TLS = ("tls", "ssl")
# Logins that are no secret to who reads them. Where a server does not say which of them a user has, the address has to.
_SCRAM = ("SCRAM-SHA-1", "SCRAM-SHA-256")
# What the address in Azure's portal has besides: a time for idle connections, and there are none; and the places to
# fill in. https://learn.microsoft.com/azure/documentdb/quickstart-portal
_MECHANISM = "authmechanism"
_NEEDLESS = ("maxidletimems",)
_PLACES = re.compile(r"(?<=//)<[^<>@/]*>(?::<[^<>@/]*>)?@")
# https://www.mongodb.com/docs/atlas/unsupported-commands/
_ATLAS = re.compile(r"\.mongodb(?:gov)?\.net(?::\d+)?$")
_EXAMPLE = "mongodb://host.example:27017/?tls=true or mongodb+srv://cluster.example/"
_WITH_LOOKUP = "mongodb+srv://"
_PORT = 27017
_YES = ("true", "yes", "1")


@dataclass(frozen=True)
class Admitted:
    """What the administrator's record says of where its login may be used.

    ``hosts``: as in `hosts_in`; ``plaintext``: also without TLS; ``ca_file``: who signs the servers' certificates,
    empty for those whom this host trusts; ``record``: uid.
    """

    hosts: frozenset[str]
    plaintext: bool
    ca_file: str
    record: str

    @classmethod
    def by(cls, admin: AdminCredential) -> Admitted:
        """As its record says."""
        plaintext = admin.says("allow_plaintext").strip().lower() in _YES
        ca_file = admin.says("mongodb_ca_file").strip()
        return cls(hosts_in(admin.says("mongodb_hosts")), plaintext, ca_file, admin.record_uid)


class Address:
    """An address that an administrator's login may be sent to.

    Args:
        uri: by the record whose password is changed.

    Raises:
        Failed: it cannot be used, is not admitted, or pymongo is not installed.
    """

    def __init__(self, uri: str, admitted: Admitted) -> None:
        self._uri, self.sign_in = _without(_checked(_PLACES.sub("", uri.strip(), count=1)))
        self._admitted = admitted
        self._check_hosts()
        self._check_tls()
        self.options: dict[str, Any] = {"tlsCAFile": admitted.ca_file} if admitted.ca_file and self._has_tls() else {}

    def _check_hosts(self) -> None:
        """Raises Failed."""
        named = _hosts(self._uri)
        if any(_ATLAS.search(host) for host in named):
            what = "MongoDB Atlas changes passwords by its own interface alone, and knows no updateUser"
            raise Failed(f"mongodb_uri: {what}", "docs/mongodb.md says what can be done there")
        others = [host for host in named if host not in self._admitted.hosts]
        who = f"where these are the right servers, let who may edit record {self._admitted.record} add"
        if not self._admitted.hosts:
            what = f"the administrator's record {self._admitted.record} does not say at which servers it may be used"
            raise Failed(f"admin credential: {what}", f"{who} the field mongodb_hosts = {' '.join(named)}")
        if others:
            what = f"the administrator's login may not be used at {', '.join(others)}"
            raise Failed(f"mongodb_uri: {what}", f"correct it; {who} {' '.join(others)} to its mongodb_hosts")

    def _check_tls(self) -> None:
        """Raises Failed."""
        far = [host for host in _hosts(self._uri) if not _is_on_this_host(host)]
        if far and not self._has_tls() and not self._admitted.plaintext:
            raise Failed(
                f"mongodb_uri: without TLS the new password would go to {', '.join(far)} in clear",
                "add tls=true to its options; or where the network is to be trusted, let who may edit record "
                f"{self._admitted.record} add allow_plaintext = True",
            )

    def _has_tls(self) -> bool:
        given = [value for name, value in _options(self._uri).items() if name in _TLS]
        return all(value == "true" for value in given) if given else self._uri.startswith(_WITH_LOOKUP)

    def looked_up(self, seconds: float) -> str:
        """The address of the servers that it stands for, for which no name server is asked for a list again.

        Raises:
            Failed: pymongo has something against it; said before anything is changed.
        """
        from pymongo import MongoClient, errors

        try:
            with strictly():
                uri = _looked_up(self._uri, seconds) if self._uri.startswith(_WITH_LOOKUP) else self._uri
                MongoClient(uri, connect=False, **self.options).close()
        except (errors.ConfigurationError, ValueError, UserWarning, OSError) as error:
            raise Failed(f"mongodb_uri: {why(error)}", f"the form is {_EXAMPLE}") from None
        return uri


def hosts_in(text: str) -> frozenset[str]:
    """``host:port`` of each host in a list, whole addresses included; of one to be looked up ``mongodb+srv://name``."""
    found: set[str] = set()
    for word in re.split(r"[\s,]+", _PLACES.sub("", text.strip().lower())):
        name = word.removeprefix("mongodb://").partition("/")[0].partition("?")[0]
        if word.startswith(_WITH_LOOKUP):
            found.add(_WITH_LOOKUP + word.removeprefix(_WITH_LOOKUP).partition("/")[0].partition("?")[0])
        elif name:
            found.add(name if re.search(r":\d+$", name) or _is_a_socket(name) else f"{name}:{_PORT}")
    return frozenset(found)


def _hosts(uri: str) -> list[str]:
    """Those that pymongo finds in an address, in the form of `hosts_in`. Raises Failed."""
    from pymongo import errors
    from pymongo.uri_parser import parse_uri

    if uri.startswith(_WITH_LOOKUP):
        return [_WITH_LOOKUP + urlsplit(uri).netloc.lower()]
    try:
        with strictly():
            nodes = parse_uri(uri)["nodelist"]
    except (errors.ConfigurationError, errors.InvalidURI, ValueError, UserWarning, OSError) as error:
        raise Failed(f"mongodb_uri: {why(error)}", f"the form is {_EXAMPLE}") from None
    return [_named(host, port) for host, port in nodes]


def _named(host: str, port: int | None) -> str:
    if port is None:
        return host.lower()
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _is_a_socket(host: str) -> bool:
    return host.startswith(("/", "%2f")) or host.endswith(".sock")


def _is_on_this_host(host: str) -> bool:
    if _is_a_socket(host):
        return True
    name = host.rpartition(":")[0].strip("[]")
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


def _options(uri: str) -> dict[str, str]:
    return {name.lower(): value for name, value in parse_qsl(urlsplit(uri).query, keep_blank_values=True)}


@contextmanager
def strictly() -> Iterator[None]:
    """What pymongo cannot read in an address it leaves out, with a warning: even tls. Here it raises UserWarning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        yield


def _checked(uri: str) -> str:
    try:
        import pymongo  # noqa: F401 (a clear message before anything else)
    except ImportError:
        hint = "in the environment of the script command: pip install -r requirements-mongodb.txt, a file of the bundle"
        raise Failed("pymongo is not installed on this host", hint) from None
    try:
        parts = urlsplit(uri)
    except ValueError:
        raise Failed("mongodb_uri: it is not the address of a MongoDB server", f"the form is {_EXAMPLE}") from None
    # With these pymongo would find options where we find none.
    if parts.scheme not in ("mongodb", "mongodb+srv") or not parts.netloc or {";", "#"} & set(uri):
        raise Failed("mongodb_uri: it is not the address of a MongoDB server", f"the form is {_EXAMPLE}")
    if "@" in parts.netloc:
        raise Failed("mongodb_uri: it holds a login or password", "take them out: they have fields of their own")
    _check_options(parse_qsl(parts.query, keep_blank_values=True))
    return uri


def _without(uri: str) -> tuple[str, dict[str, Any]]:
    """The address without what is of no use here or is only for who logs in, and the latter."""
    given = parse_qsl(urlsplit(uri).query, keep_blank_values=True)
    kept = [(name, value) for name, value in given if name.lower() not in (_MECHANISM, *_NEEDLESS)]
    if len(kept) == len(given):
        return uri, {}
    mechanisms = [value.upper() for name, value in given if name.lower() == _MECHANISM]
    sign_in: dict[str, Any] = {"authMechanism": mechanisms[0]} if mechanisms else {}
    return urlsplit(uri)._replace(query=urlencode(kept)).geturl(), sign_in


def _is_known(name: str, value: str) -> bool:
    if name.lower() == _MECHANISM:
        return value.upper() in _SCRAM
    return name.lower() in _OPTIONS or name.lower() in _NEEDLESS


def _check_options(given: list[tuple[str, str]]) -> None:
    """Raises Failed."""
    if not (others := [name for name, value in given if not _is_known(name, value)]):
        return
    hint = "take it out; logins are always SCRAM, the database of a login is the field auth_database"
    if any(name.lower() == "tlscafile" for name in others):
        hint = "take it out; let who may edit the administrator's record add that path there, as mongodb_ca_file"
    raise Failed(f"mongodb_uri: the option {', '.join(others)} is not supported", hint)


def _looked_up(uri: str, seconds: float) -> str:
    """The servers that a ``mongodb+srv`` address stands for.

    Only ``replicaSet`` and ``loadBalanced`` may come from DNS besides, and TLS is on unless the address says otherwise.
    Source: https://www.mongodb.com/docs/manual/reference/connection-string/#srv-connection-format
    """
    from pymongo.uri_parser import parse_uri

    found = parse_uri(uri, warn=False, connect_timeout=seconds)
    options = {name: value for name, value in _options(uri).items() if not name.startswith("srv")}
    if not set(_TLS) & set(options):
        options["tls"] = "true"
    if name := found["options"].get("replicaSet"):
        options["replicaset"] = name
    if found["options"].get("loadBalanced"):
        options["loadbalanced"] = "true"
    hosts = ",".join(f"{host}:{port}" for host, port in found["nodelist"])
    return f"mongodb://{hosts}/?{urlencode(options)}"


def why(error: Exception) -> str:
    """What pymongo has against an address."""
    from dns.exception import DNSException

    # Not __cause__, which earlier releases of pymongo leave empty.
    if isinstance(error.__context__, DNSException):
        return "its name cannot be looked up"
    return f"it cannot be used ({type(error).__name__})"

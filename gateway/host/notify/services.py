"""Whom a record's ``notify`` may name: a list of services, none of their options that reach further, no inner address.

Apprise takes URLs that read files, choose methods and headers, or reach whatever this host reaches, such as the
metadata service of a cloud. Who edits a record is not who owns this host, so what is not listed here is refused.
Source: https://appriseit.com/services/
"""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any
from urllib.parse import unquote

from gateway.errors import Failed

MOST_ADDRESSES = 10
VARIABLE = "ROTATION_NOTIFY_ALLOW"
_MAIL = {"user", "pass", "from", "to", "cc", "bcc", "name", "smtp", "mode", "reply"}
_WORKFLOW = {"api-version", "sp", "sv", "sig", "ver", "wrap"}
# By service, what may stand behind the question mark of its URL.
SERVICES: Mapping[str, set[str]] = {
    "discord": {"thread", "footer", "ping"},
    "forms": set(),
    "gchat": {"workspace", "key", "token", "thread", "threadkey"},
    "jsons": set(),
    "mailto": _MAIL,
    "mailtos": _MAIL,
    "mmosts": {"to", "channel", "channels", "team"},
    "ntfys": {"priority", "tags", "to"},
    "opsgenie": {"region", "priority", "entity", "alias", "tags", "to"},
    "pagerduty": {"region", "severity", "source", "component", "group", "class"},
    "rockets": {"to"},
    "slack": {"to", "footer", "blocks", "timestamp"},
    "tgram": {"to", "silent", "topic", "thread"},
    "workflow": _WORKFLOW,
    "workflows": _WORKFLOW,
    "wxteams": set(),
    "xmls": set(),
}
# What stands where a host does in the others is a key, which no name server is asked about.
_HAVE_A_HOST = {"forms", "jsons", "mailto", "mailtos", "mmosts", "ntfys", "rockets", "workflow", "workflows", "xmls"}
_LONGEST = 1000
# Apprise looks for mail addresses with a pattern that takes hours for a thousand blanks, and nothing can end that.
_ODD = re.compile(r"[\s\"'<]{2}")
# What is handed out of IPv6, and what stands for IPv4 there.
_UNICAST, _NAT64 = IPv6Network("2000::/3"), IPv6Network("64:ff9b::/96")

Address = IPv4Address | IPv6Address


@dataclass(frozen=True)
class Allowed:
    """What this host allows beyond the list: services, names of hosts, and networks."""

    services: frozenset[str] = frozenset()
    hosts: frozenset[str] = frozenset()
    networks: tuple[IPv4Network | IPv6Network, ...] = ()

    def has(self, address: Address) -> bool:
        """Whether it is a public address, or one of these networks."""
        is_known = isinstance(address, IPv4Address) or address in _UNICAST
        if is_known and address.is_global and not address.is_multicast:
            return True
        return any(address in network for network in self.networks)


def read_allowed(text: str) -> Allowed:
    """What `VARIABLE` says: ``syslog://``, ``relay.corp.example``, ``10.1.0.0/16``, with blanks or commas between.

    Raises:
        Failed: a word of it is none of these.
    """
    words = text.lower().replace(",", " ").split()
    networks = [_network(word) for word in words]
    names = [word for word, network in zip(words, networks, strict=True) if network is None]
    wrong = [name for name in names if "://" in name.removesuffix("://") or "/" in name.removesuffix("://")]
    if wrong:
        hint = "name services as syslog://, hosts as relay.example.com, networks as 10.1.0.0/16"
        raise Failed(f"{VARIABLE}: {wrong[0]!r} is neither a service nor a host nor a network", hint)
    services = frozenset(name.removesuffix("://") for name in names if name.endswith("://"))
    hosts = frozenset(name for name in names if not name.endswith("://"))
    return Allowed(services, hosts, tuple(network for network in networks if network))


def _network(word: str) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(word)
    except ValueError:
        return None


def parsed(url: str, allowed: Allowed | None) -> dict[str, Any]:
    """What Apprise makes of a URL that may be used. Raises ValueError, which says why it may not.

    Args:
        allowed: None: the host itself names it, and may name what it wants.
    """
    from apprise import plugins

    if len(url) > _LONGEST or _ODD.search(_decoded(url)):
        raise ValueError("an address that cannot be read (too long, or with several blanks or quotes in a row)")
    try:
        found: dict[str, Any] | None = plugins.url_to_dict(url)  # type: ignore[no-untyped-call]
    except Exception as error:  # whatever a parser of a hundred services makes of any text
        raise ValueError(f"an address that cannot be read ({type(error).__name__})") from None
    if not found:
        raise ValueError("not an address of a service that is known")
    if allowed is None:
        return found
    service = str(found["schema"])
    if service not in SERVICES and service not in allowed.services:
        raise ValueError(f"not a service that may be used; the owner of this host can allow {service}:// in {VARIABLE}")
    odd = sorted(set(found.get("qsd") or {}) - SERVICES.get(service, set()) - {"format", "overflow"})
    if odd:
        raise ValueError(f"the option {odd[0]!r} is none that may be used")
    _check_host(service, found, allowed)
    return found


def _decoded(url: str) -> str:
    for _ in range(3):  # it is decoded there more than once
        url = unquote(url)
    return url


def _check_host(service: str, found: Mapping[str, Any], allowed: Allowed) -> None:
    host = str(found.get("smtp_host") or found.get("host") or "").strip("[] .").lower()
    if host in allowed.hosts:
        return
    resolves = service in _HAVE_A_HOST or service not in SERVICES
    inner = host == "localhost" or host.endswith(".localhost")
    if inner or not all(map(allowed.has, _addresses(host, resolves=resolves))):
        raise ValueError(f"an address inside of a network; the owner of this host can allow it in {VARIABLE}")


def _addresses(host: str, *, resolves: bool) -> list[Address]:
    """The addresses of a host; none where that cannot be told here: then it is for the proxy to decide."""
    try:
        return [_plain(ip_address(host))]
    except ValueError:
        pass
    try:
        return [ip_address(socket.inet_aton(host))]  # also 127.1, 0x7f000001 and 2130706433
    except OSError:
        pass
    try:
        found = socket.getaddrinfo(host, None) if resolves and host else []
    except (OSError, UnicodeError):
        return []
    return [_plain(ip_address(str(each[4][0]).partition("%")[0])) for each in found]


def _plain(address: Address) -> Address:
    """The IPv4 address inside of an IPv6 one."""
    if not isinstance(address, IPv6Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address

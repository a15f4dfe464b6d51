"""API connections of Logic Apps and the connectors that they stand on, as Resource Manager shows them.

Source: https://learn.microsoft.com/azure/templates/microsoft.web/connections
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.azure.decode import decoding, entries, mapping, text


@dataclass(frozen=True)
class ConnectionTest:
    """The request by which a connection tests itself."""

    method: str
    link: str


@dataclass(frozen=True)
class Connection:
    """What a connection shows.

    ``connector``: the id of what it stands on. ``chosen``: the parameter set that its values belong to; empty where it
    has none. ``values``: the parameters that it shows. ``around``: what stands beside its properties and is kept.
    """

    connector: str
    display_name: str | None
    chosen: str
    values: Mapping[str, Any]
    custom: Mapping[str, Any]
    by_identity: bool
    test: ConnectionTest | None
    around: Mapping[str, Any]

    def whole(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The body of a PUT with these parameters: a connection is only ever replaced whole."""
        properties: dict[str, Any] = {"displayName": self.display_name, "api": {"id": self.connector}}
        if self.custom:
            properties["customParameterValues"] = dict(self.custom)
        if self.chosen:
            wrapped = {name: {"value": value} for name, value in values.items()}
            properties["parameterValueSet"] = {"name": self.chosen, "values": wrapped}
        else:
            properties["parameterValues"] = dict(values)
        return {**self.around, "properties": properties}


@dataclass(frozen=True)
class Connector:
    """The parameters of a connector, name to type, and those of each of its parameter sets."""

    parameters: Mapping[str, str]
    sets: Mapping[str, Mapping[str, str]]

    def parameters_of(self, chosen: str) -> Mapping[str, str]:
        """The parameters of a set, or those outside any."""
        return self.sets.get(chosen, {}) if chosen else self.parameters


def is_secret(kind: str) -> bool:
    """Whether a parameter of this type is never shown."""
    return kind.lower() in ("securestring", "secureobject")


def read_connection(body: dict[str, Any], where: str) -> Connection:
    """The connection in an answer. Raises Unclear: there is none in it."""
    with decoding(where):
        shown = mapping(body.get("properties"))
        chosen = mapping(shown.get("parameterValueSet"))
        wrapped = {name: mapping(each).get("value") for name, each in mapping(chosen.get("values")).items()}
        links = entries(shown.get("testLinks"))
        return Connection(
            connector=text(mapping(shown.get("api")).get("id")),
            display_name=shown.get("displayName"),
            chosen=text(chosen["name"]) if chosen else "",
            values=wrapped if chosen else mapping(shown.get("nonSecretParameterValues")),
            custom=mapping(shown.get("customParameterValues")),
            by_identity=shown.get("parameterValueType") == "Alternative",
            test=_test(links[0]) if links else None,
            around={key: body[key] for key in ("location", "kind", "tags") if body.get(key) is not None},
        )


def _test(link: dict[str, Any]) -> ConnectionTest:
    return ConnectionTest(text(link.get("method") or "GET").upper(), text(link.get("requestUri")))


def read_connector(body: dict[str, Any], where: str) -> Connector:
    """The connector in an answer. Raises Unclear: there is none in it."""
    with decoding(where):
        shown = mapping(body.get("properties"))
        sets = entries(mapping(shown.get("connectionParameterSets")).get("values"))
        return Connector(
            _types(shown.get("connectionParameters")),
            {text(each.get("name")): _types(each.get("parameters")) for each in sets},
        )


def _types(parameters: Any) -> dict[str, str]:
    return {name: text(mapping(about).get("type")) for name, about in mapping(parameters).items()}

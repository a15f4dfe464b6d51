"""The parts of OData that clients of Microsoft Graph use: `$filter`, `$select`, `$top` and pages."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from sandbox.proxy.messages import Request

Entity = dict[str, Any]
Test = Callable[[Entity], bool]

PAGE = 100
TEXT = r"'(?P<value>(?:[^']|'')*)'"
EQUALS = re.compile(r"(?P<name>[\w/]+)\s+eq\s+(?:" + TEXT + r"|(?P<bare>[\w-]+))")
STARTS = re.compile(r"startswith\(\s*(?P<name>\w+)\s*,\s*" + TEXT + r"\s*\)", re.IGNORECASE)
ANY = re.compile(r"(?P<name>\w+)/any\(\s*(\w+)\s*:\s*\2\s+eq\s+" + TEXT + r"\s*\)", re.IGNORECASE)
JOINT = re.compile(r"\s+(and|or)\s+(?=(?:[^']|'[^']*')*$)", re.IGNORECASE)
BARE = {"true": True, "false": False, "null": None}


class Unsupported(ValueError):
    """A filter that the sandbox does not know."""


def parse_filter(text: str) -> Test:
    """A test for `name eq 'x'`, `startswith(name,'x')`, `name/any(a:a eq 'x')`, joined by `and` or by `or`.

    Raises Unsupported.
    """
    parts = JOINT.split(text.strip())
    tests = [_clause(part.strip()) for part in parts[::2]]
    joints = {joint.lower() for joint in parts[1::2]}
    if len(joints) > 1:
        raise Unsupported(text)
    combine = any if joints == {"or"} else all
    return lambda entity: combine(test(entity) for test in tests)


def _clause(text: str) -> Test:
    if match := EQUALS.fullmatch(text):
        return _equals(match)
    if match := STARTS.fullmatch(text):
        name, prefix = match["name"], _unquoted(match).lower()
        return lambda entity: str(entity.get(name) or "").lower().startswith(prefix)
    if match := ANY.fullmatch(text):
        name, value = match["name"], _unquoted(match)
        return lambda entity: value in (entity.get(name) or [])
    raise Unsupported(text)


def _equals(match: re.Match[str]) -> Test:
    name = match["name"]
    if match["bare"] is not None:
        bare = match["bare"]
        return lambda entity: entity.get(name) == BARE.get(bare, bare)
    value = _unquoted(match).lower()
    return lambda entity: str(entity.get(name)).lower() == value


def _unquoted(match: re.Match[str]) -> str:
    return match["value"].replace("''", "'")


def select(entity: Entity, wanted: str | None) -> Entity:
    """Only the wanted properties (comma separated); all of them if none is named."""
    if not wanted:
        return entity
    names = [name.strip() for name in wanted.split(",")]
    return {name: entity[name] for name in names if name in entity}


def page(request: Request, context: str, entities: list[Entity]) -> Entity:
    """The answer to a list request: filtered, cut into pages, with a link to the next one. Raises Unsupported."""
    query = request.query
    if wanted := query.get("$filter"):
        entities = list(filter(parse_filter(wanted), entities))
    start = int(query.get("$skiptoken") or 0)
    end = start + max(1, int(query.get("$top") or PAGE))
    answer: Entity = {"@odata.context": f"https://{request.host}/v1.0/$metadata#{context}"}
    if end < len(entities):
        answer["@odata.nextLink"] = f"https://{request.host}{request.path}?" + _next_query(query, end)
    return answer | {"value": [select(entity, query.get("$select")) for entity in entities[start:end]]}


def _next_query(query: dict[str, str], end: int) -> str:
    pairs = query | {"$skiptoken": str(end)}
    return "&".join(f"{name}={quote(value, safe='')}" for name, value in pairs.items())

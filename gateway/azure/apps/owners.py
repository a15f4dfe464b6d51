"""Owners of an app registration: whoever a record names is made one, as far as we may.

Permission: ``Application.ReadWrite.All`` to add an owner, ``User.ReadBasic.All`` to look up a person. Without
them the rotation goes on, and a warning says so. Source: https://learn.microsoft.com/graph/api/application-post-owners
"""

from __future__ import annotations

from urllib.parse import quote

from gateway.azure.graph import Graph, is_guid
from gateway.errors import CallError, Refused

_PERMISSIONS = {
    "owners": "Application.ReadWrite.All and Directory.Read.All",
    "user": "User.ReadBasic.All; or write the object id",
}


def make_owners(graph: Graph, object_id: str, wanted: tuple[str, ...]) -> list[str]:
    """Make each of ``wanted`` (user principal names or object ids) an owner of the application; warnings."""
    try:
        present = graph.owners(object_id)
    except CallError as error:
        return [f"application_owners: the owners cannot be read: {error}"]
    missing = [name for name in wanted if name.lower() not in present]
    return [warning for name in missing for warning in _make(graph, object_id, name, present)]


def _make(graph: Graph, object_id: str, name: str, present: set[str]) -> list[str]:
    asked = "user"
    try:
        owner = name.lower() if is_guid(name) else graph.user_id(quote(name)).lower()
        asked = "owners"
        if owner not in present:
            graph.add_owner(object_id, owner)
    except Refused as error:
        if error.status == 404:
            return [f"application_owners: there is no {name} in this tenant"]
        needs = f" (needs {_PERMISSIONS[asked]})" if error.status == 403 else ""
        return [f"application_owners: {name} is not made an owner: {error}{needs}"]
    except CallError as error:
        return [f"application_owners: {name} is not made an owner: {error}"]
    return []

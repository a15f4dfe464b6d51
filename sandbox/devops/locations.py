"""Where an organisation's operations are: Microsoft's Python client and `az devops` ask this before anything else."""

from __future__ import annotations

import re
from typing import Any

from sandbox.devops.base import ORGANIZATION, DevOpsBase
from sandbox.proxy.messages import Request, Response
from sandbox.proxy.service import Part, route

# id, area, resource, template, version of the resource: the ids are fixed, and clients have them built in.
LOCATIONS = (
    ("e81700f7-3be2-46de-8624-2eb35882fcaa", "Location", "ResourceAreas", "_apis/{resource}/{areaId}", 1),
    ("00d9565f-ed9c-4a06-9a50-00e7896ccab4", "Location", "ConnectionData", "_apis/{resource}", 1),
    ("603fe2ac-9723-48b9-88ad-09305aa6c6e1", "core", "projects", "_apis/{resource}/{*projectId}", 4),
    (
        "e85f1c62-adfc-4b74-b618-11a150fb195e", "serviceendpoint", "endpoints",
        "{project}/_apis/{area}/{resource}/{endpointId}", 4,
    ),
    ("14e48fdc-2c8b-41ce-a0c3-e26f6cc55bd0", "serviceendpoint", "endpoints", "_apis/{area}/{resource}/{endpointId}", 4),
    (
        "cc63bb57-2a5f-4a7a-b79c-c142d308657e", "serviceendpoint", "endpointproxy",
        "{project}/_apis/{area}/{resource}", 1,
    ),
    (
        "dd3b8bd6-c7fc-4cbd-929a-933d9c011c9d", "Security", "Permissions",
        "_apis/{resource}/{securityNamespaceId}/{permissions}", 2,
    ),
)  # fmt: skip


class DevOpsLocations(Part):
    """The two questions by which a client finds its way."""

    def __init__(self, devops: DevOpsBase) -> None:
        self.devops = devops

    @route("OPTIONS", ORGANIZATION + "/_apis", "locations")
    def locations(self, request: Request, match: re.Match[str]) -> Response:
        """The template of each operation's address."""
        self.devops.caller(request)
        return self.devops.answer_list(request, [_location(*entry) for entry in LOCATIONS])

    @route("GET", ORGANIZATION + r"/_apis/ResourceAreas(?:/[^/]+)?", "resource_areas")
    def resource_areas(self, request: Request, match: re.Match[str]) -> Response:
        """Hosts of their own for some operations: there are none."""
        self.devops.caller(request)
        return self.devops.answer_list(request, [])


def _location(name: str, area: str, resource: str, template: str, version: int) -> dict[str, Any]:
    return {
        "id": name, "area": area, "resourceName": resource, "routeTemplate": template, "resourceVersion": version,
        "minVersion": "1.0", "maxVersion": "7.2", "releasedVersion": "7.1",
    }  # fmt: skip

"""All that is rotated in a simulation, by the name of its script."""

from __future__ import annotations

from tests.simulate.certificate_world import CertificateWorld
from tests.simulate.worlds import AppWorld, MongoWorld, StorageWorld, World

WORLDS: dict[str, type[World]] = {each.name: each for each in (AppWorld, StorageWorld, MongoWorld, CertificateWorld)}

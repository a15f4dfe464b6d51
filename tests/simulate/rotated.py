"""All that is rotated in a simulation, by the name of its script."""

from __future__ import annotations

from tests.simulate.app_world import AppWorld
from tests.simulate.certificate_world import CertificateWorld
from tests.simulate.mongo_world import MongoWorld
from tests.simulate.password_world import PasswordWorld
from tests.simulate.storage_world import StorageWorld
from tests.simulate.worlds import World

_ALL: tuple[type[World], ...] = (AppWorld, StorageWorld, MongoWorld, CertificateWorld, PasswordWorld)
WORLDS = {each.name: each for each in _ALL}

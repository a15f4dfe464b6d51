"""The sandbox as a whole: start it, furnish it, point a process at it, spoil its requests, look at what is left.

with Sandbox() as sandbox:
    names = sandbox.furnish(old_secrets=2)
    sandbox.fault("graph", "add_password", ResetAfter())
    subprocess.run([...], env={**os.environ, **sandbox.env(tmp_path)})
    assert sandbox.entra.secret_works(names.target_client_id, sandbox.keeper.record(names.record_uid).value(...))
"""

from __future__ import annotations

from typing import Any

from sandbox.furnish.destinations import Destinations, furnish_destinations
from sandbox.furnish.rotation import Furnished, furnish
from sandbox.furnish.storage import FurnishedStorage, furnish_storage
from sandbox.world import World


class Sandbox(World):
    """A Keeper vault and an Azure tenant on loopback, and what an operator would set up in them."""

    def furnish(self, **options: Any) -> Furnished:
        """Set up one rotation; the options are those of ``sandbox.furnish.rotation.furnish``."""
        return furnish(self, **options)

    def furnish_destinations(self, at: Furnished, **options: Any) -> Destinations:
        """Set up everything that a rotated secret can be delivered to; see ``sandbox.furnish.destinations``."""
        return furnish_destinations(self, at, **options)

    def furnish_storage(self, at: Furnished, **options: Any) -> FurnishedStorage:
        """Set up a storage account and the record of its key; see ``sandbox.furnish.storage``."""
        return furnish_storage(self, at, **options)

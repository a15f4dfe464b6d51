"""One run per record at a time on this host, and what its runs know of each other."""

from gateway.host.lock.directory import private_directory
from gateway.host.lock.record import LockHeld, RecordLock, UnheldLock

__all__ = ["LockHeld", "RecordLock", "UnheldLock", "private_directory"]

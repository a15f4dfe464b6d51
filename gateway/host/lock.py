"""One run per record at a time on this host, and a name for "this host" that only its runs know."""

from __future__ import annotations

import hashlib
import os
import secrets
import tempfile
from pathlib import Path

import filelock

from gateway.errors import Failed


class LockHeld(Failed):
    """Another run on this host is at work on the same thing."""


class RecordLock:
    """The lock of one record, held until the process ends.

    Args:
        directory: `ROTATION_LOCK_DIR`; empty for the user's state directory. One for all services of a host.
        record_uid: the record.

    Raises:
        LockHeld: another run holds it.
        Failed: the directory cannot be used.
    """

    def __init__(self, directory: str, record_uid: str) -> None:
        folder = Path(directory) if directory else _state_directory()
        try:
            _make_private(folder)
            self.lock_id = _lock_id(folder / "lock-id")
            # Hashed: uids that differ only in case are one file name on some systems.
            name = hashlib.sha256(record_uid.encode()).hexdigest()[:32]
            self._lock = filelock.FileLock(folder / f"{name}.lock")
            self._lock.acquire(timeout=0)
        except filelock.Timeout:
            raise LockHeld(
                f"another run is at work on record {record_uid}; nothing was changed",
                "wait for it; a run ends after ROTATION_DEADLINE_SECONDS at the latest",
            ) from None
        except OSError as error:
            raise Failed(
                f"lock directory {folder}: {error.strerror or error}",
                "name a directory that the user of the Gateway can write to in ROTATION_LOCK_DIR",
            ) from None


def _state_directory() -> Path:
    base = os.environ.get("XDG_STATE_HOME") or os.environ.get("LOCALAPPDATA")
    try:
        home = Path(base) if base else Path.home() / ".local" / "state"
        home.mkdir(parents=True, exist_ok=True)
        if os.access(home, os.W_OK):
            return home / "keeper-rotation"
    except (OSError, RuntimeError):  # RuntimeError: a user id that no user has
        pass
    # A service user without a home; the directory's owner is checked below.
    user = os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "user")
    return Path(tempfile.gettempdir()) / f"keeper-rotation-{user}"


def _make_private(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if hasattr(os, "getuid") and (folder.is_symlink() or folder.stat().st_uid != os.getuid()):
        raise PermissionError(1, "belongs to another user")


def _lock_id(path: Path) -> str:
    """The id in ``path``, made at the first call; two first calls at once agree on one."""
    if not path.exists():
        draft = path.with_name(f"lock-id.{secrets.token_hex(8)}")
        draft.write_text(secrets.token_hex(6), encoding="ascii")
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text(encoding="ascii").strip()

"""Where this host keeps what its runs have to know of each other: a directory of its user's alone."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from gateway.errors import Failed


def private_directory(directory: str) -> Path:
    """`ROTATION_LOCK_DIR`, or the user's state directory where that is empty; made where it is missing.

    Raises:
        Failed: its path is not a full one.
        OSError: it cannot be made, or belongs to others too.
    """
    folder = Path(directory) if directory else state_directory()
    if not folder.is_absolute():
        what = f"ROTATION_LOCK_DIR={directory!r} depends on the directory that a run is started in"
        raise Failed(what, "name it with its full path: all runs of this host must find the same one")
    _make_private(folder)
    return folder


def state_directory() -> Path:
    """The user's; where that has none, one of the user's in the directory for temporary files."""
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
    if not hasattr(os, "getuid"):
        return
    state = folder.stat()
    if folder.is_symlink() or state.st_uid != os.getuid():
        raise PermissionError(1, "belongs to another user")
    if state.st_mode & 0o022:
        raise PermissionError(1, "others may write to it")


def check_files(*paths: Path) -> None:
    """What is there is a file of ours; a pipe would be waited for without an end. Raises OSError."""
    for path in paths:
        if path.is_symlink() or (path.exists() and not path.is_file()):
            raise PermissionError(1, f"{path.name} is no file")

"""A file that the operator names: for its owner alone from the start, whole or not at all, never over another one."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from gateway.errors import Failed


def check_place(path: str, *, force: bool) -> None:
    """A file can be written there. To be called before anything is changed.

    Raises:
        Failed: one is there already, or there is no such folder.
    """
    place = Path(path)
    if place.is_dir():
        raise Failed(f"{path} is a folder", "name a file")
    if not force and (place.exists() or place.is_symlink()):
        raise Failed(f"{path} is there already", "name another file, or write over it with --force")
    if not place.parent.is_dir() or not os.access(place.parent, os.W_OK):
        raise Failed(f"no file can be written in {place.parent}", "name a folder that is there, and that you may write")


def write_private(path: str, content: bytes, *, force: bool) -> None:
    """Write ``content`` with mode 0600. A symbolic link is replaced, not followed.

    Raises:
        Failed: one is there already and ``force`` is not set, or it cannot be written; then there is no part of it.
    """
    check_place(path, force=force)
    place, draft = Path(path), ""
    try:
        number, draft = tempfile.mkstemp(prefix=f".{place.name[:40]}.", dir=place.parent)
        with os.fdopen(number, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if force:
            os.replace(draft, place)
        else:
            os.link(draft, place)  # fails where a file has appeared meanwhile
    except FileExistsError:
        raise Failed(f"{path} is there already", "name another file, or write over it with --force") from None
    except OSError as error:
        raise Failed(f"{path} cannot be written: {error.strerror or error}", "name another place") from None
    finally:
        if draft and os.path.exists(draft):
            os.unlink(draft)

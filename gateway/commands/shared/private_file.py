"""A file that the operator names: for its owner alone from the start, whole or not at all, never over another one."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from gateway.commands.shared.interrupt import note_file
from gateway.errors import Failed


def check_path(path: str, *, force: bool) -> None:
    """A file can be written there. To be called before anything is changed.

    Raises:
        Failed: one is there already, or what is no file, or there is no such folder.
    """
    target = Path(path)
    if target.is_dir():
        raise Failed(f"{path} is a folder", "name a file")
    if target.exists() and not target.is_file():  # a pipe or a device, or a link to one
        raise Failed(f"{path} is no file", "name a file")
    if not force and (target.exists() or target.is_symlink()):
        raise Failed(f"{path} is there already", "name another file, or write over it with --force")
    if not target.parent.is_dir() or not os.access(target.parent, os.W_OK):
        raise Failed(
            f"no file can be written in {target.parent}", "name a folder that is there, and that you may write"
        )


def write_private(path: str, content: bytes, *, force: bool) -> None:
    """Write ``content`` with mode 0600. A symbolic link is replaced, not followed.

    Raises:
        Failed: one is there already and ``force`` is not set, or it cannot be written; then there is no part of it.
    """
    check_path(path, force=force)
    target, draft = Path(path), ""
    try:
        number, draft = tempfile.mkstemp(prefix=f".{target.name[:40]}.", dir=target.parent)
        with os.fdopen(number, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        note_file(path)
        if force:
            os.replace(draft, target)
        else:
            _put(draft, target)
    except FileExistsError:
        raise Failed(f"{path} is there already", "name another file, or write over it with --force") from None
    except OSError as error:
        raise Failed(f"{path} cannot be written: {error.strerror or error}", "name another place") from None
    finally:
        if draft and os.path.exists(draft):
            os.unlink(draft)


def _put(draft: str, target: Path) -> None:
    """Give the draft its name. Raises FileExistsError: a file has appeared meanwhile."""
    try:
        os.link(draft, target)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links: the name is taken by an empty file first
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        try:
            os.replace(draft, target)
        except OSError:
            os.unlink(target)
            raise

"""The single file: a zip that a Python runs, with the door of one kind and what the package does for a rotation.

Source: https://docs.python.org/3/library/zipapp.html#the-python-zip-application-archive-format
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import gateway
from gateway.commands.doors import door_inside
from gateway.model.kind_facts import KindFacts

# What a person or an event starts is for a host where the package is installed; it needs more packages.
_LEFT_OUT = ("__main__.py", "carried", "commands", "listener")
_SHEBANG = b"#!/usr/bin/env python3\n"
# As early as a zip can say: the same content is the same bytes.
_WHEN = (1980, 1, 1, 0, 0, 0)


def single_file(facts: KindFacts) -> bytes:
    """The file. Nothing in it is compressed, so that `check` finds the door, and every zlib makes the same of it."""
    content = io.BytesIO(_SHEBANG)
    content.seek(0, io.SEEK_END)
    with zipfile.ZipFile(content, "a", zipfile.ZIP_STORED) as archive:
        _add(archive, "__main__.py", door_inside(facts).encode())
        for name, path in sorted(_package().items()):
            _add(archive, f"gateway/{name}", path.read_bytes())
    return content.getvalue()


def _package() -> dict[str, Path]:
    folder = Path(gateway.__file__).parent
    found = {path.relative_to(folder): path for path in folder.rglob("*.py")}
    return {name.as_posix(): path for name, path in found.items() if name.parts[0] not in _LEFT_OUT}


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(name, _WHEN)
    entry.create_system, entry.external_attr = 3, 0o100644 << 16  # as on Unix, wherever it is made
    archive.writestr(entry, content)

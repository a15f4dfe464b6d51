"""``keeper-rotation version``: what is installed here, and which Keeper configuration is used."""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Iterator
from importlib import metadata
from typing import Any

import click

from gateway import __version__
from gateway.commands.shared.output import show
from gateway.host.history import VARIABLE
from gateway.host.lock.directory import state_directory
from gateway.keeper.config import locate

_DISTRIBUTION = "keeper-azure-rotation"
_OF_DEVELOPERS = re.compile(r"extra == ['\"](dev|sandbox)['\"]")


@click.command(short_help="Show versions, and which Keeper configuration is used.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def version(as_json: bool) -> None:
    """Show the versions of this package, of Python and of the packages in use, and where this host keeps what.

    The Keeper configuration is not opened, and nobody is asked.
    """
    packages = dict(sorted(_packages()))
    said: dict[str, Any] = {
        "version": __version__,
        "python": f"{platform.python_version()} ({sys.executable})",
        "system": platform.platform(),
        "keeper configuration": _configuration(),
        "lock directory": (folder := os.environ.get("ROTATION_LOCK_DIR", "").strip() or str(state_directory())),
        "history": os.environ.get(VARIABLE, f"{folder}{os.sep}history.jsonl").strip() or "none",
        "packages": packages if as_json else [{"name": name, "version": found} for name, found in packages.items()],
    }
    show(said, as_json=as_json)


def _configuration() -> str:
    return str(locate() or "none found")


def _packages() -> Iterator[tuple[str, str]]:
    """Each that this package asks for and that is installed; one that is missing and needed always, as such."""
    try:
        wanted = metadata.requires(_DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return
    for line in (line for line in wanted if not _OF_DEVELOPERS.search(line)):
        name = re.split(r"[^\w.-]", line, maxsplit=1)[0]
        try:
            yield name, metadata.version(name)
        except metadata.PackageNotFoundError:
            if "extra ==" not in line:
                yield name, "not installed"

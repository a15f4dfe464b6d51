"""``keeper-rotation scripts``: what a host or a vault needs of this package besides its code, as files.

The wheel carries the templates (``pyproject.toml``); scripts are made anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

import gateway
from gateway.commands.doors import door_of, due_door
from gateway.commands.shared.interrupt import note_file
from gateway.errors import Failed
from gateway.kinds.registry import KINDS

_TEMPLATES = ("pam_user_template.csv", "templates")


@click.command(short_help="Write the scripts to attach, and the templates.")
@click.option(
    "--to", "folder", required=True, type=click.Path(path_type=Path), metavar="DIR",
    help="Folder to write to; created if missing.",
)  # fmt: skip
@click.option("--force", is_flag=True, help="Overwrite existing files that differ.")
def scripts(folder: Path, force: bool) -> None:
    """Write the scripts to attach into DIR/scripts, and the templates to import into DIR/templates."""
    wanted = _doors() | _templates()
    try:
        if not force:
            _refuse_others(folder, wanted)
        note_file(str(folder))
        for name, content in wanted.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
            if name.endswith(".sh"):
                (folder / name).chmod(0o755)
    except OSError as error:
        what = f"--to {folder}: {error.strerror}: {error.filename}"
        raise Failed(what, "name a folder that can be written") from None
    click.echo("".join(f"{folder / name}\n" for name in wanted), nl=False)


def _doors() -> dict[str, bytes]:
    doors = {facts.script: door_of(facts).encode() for facts in KINDS if facts.implementation}
    return doors | {"scripts/rotate_due.py": due_door().encode()}


def _templates() -> dict[str, bytes]:
    package = Path(gateway.__file__).parent
    carried = package / "carried"
    home = carried if carried.is_dir() else package.parent  # the latter in a checkout
    found = [path for name in _TEMPLATES for path in (home / name, *(home / name).rglob("*"))]
    return {path.relative_to(home).as_posix(): path.read_bytes() for path in sorted(found) if path.is_file()}


def _refuse_others(folder: Path, wanted: Mapping[str, bytes]) -> None:
    others = [name for name, content in wanted.items() if _differs(folder / name, content)]
    if others:
        what = f"--to {folder}: existing files differ: {', '.join(others)}"
        raise Failed(what, "name another folder, or add --force to overwrite them")


def _differs(path: Path, content: bytes) -> bool:
    return path.exists() and path.read_bytes() != content

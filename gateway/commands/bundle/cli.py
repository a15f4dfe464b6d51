"""``keeper-rotation bundle``: the options, and what is shown."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import click

from gateway.commands.bundle.archive import single_file
from gateway.commands.shared.private_file import check_path, write_private
from gateway.kinds import registry

_KINDS = [facts.name for facts in registry.KINDS if facts.implementation]


@click.command(short_help="Write a single file that holds a script and the package.")
@click.argument("kind", type=click.Choice(_KINDS))
@click.option("--out", metavar="FILE", help="File to write; KIND.pyz in this folder if not given.")
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
def bundle(kind: str, out: str | None, force: bool) -> None:
    """Write the script of KIND and the package into a single file to attach, for a host without the package.

    The file runs with what Keeper's guide installs: keeper-secrets-manager-core and azure-identity. Prints its SHA-256,
    in the form that `sha256sum --check` reads; the same release gives the same file.
    """
    path = out or f"{kind}.pyz"
    check_path(path, force=force)
    facts = registry.find(kind)
    assert facts  # noqa: S101 (click lets no other pass)
    content = single_file(facts)
    write_private(path, content, force=force)
    Path(path).chmod(0o644)
    click.echo(f"{sha256(content).hexdigest()}  {path}")
